"""`%codex` and `%%codex`: parse the line, run it, and show its errors. This module imports no SDK, so that loading stays cheap."""

import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import line_cell_magic, magics_class, no_var_expand
from traitlets import observe

from codex_jupyter.notebook.context import ContextCollector
from codex_jupyter.notebook.display.short_errors import hide_traceback
from codex_jupyter.notebook.images.display_log import DisplayLog
from codex_jupyter.notebook.magic.settings import CodexSettings
from codex_jupyter.notebook.namespace import Namespace, calling_namespace
from codex_jupyter.notebook.session.interrupts import Interrupts

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_jupyter.notebook.cell_tools.page import NotebookPage
    from codex_jupyter.notebook.magic.line_parser import Line
    from codex_jupyter.notebook.session.running_turn import RunningTurn
    from codex_jupyter.notebook.session.session import NotebookSession
    from codex_jupyter.sdk import Turn


def _documented(magic: Any) -> Any:
    """Give a magic the help as its documentation, which `%magic?` shows. IPython asks for it when it is needed."""

    def getdoc() -> str:
        from codex_jupyter.notebook.magic.help import help_text  # not needed to load the extension

        return help_text()

    magic.getdoc = getdoc
    return magic


@magics_class
class CodexMagics(CodexSettings):
    """The magics and their settings.

    Args:
        shell: The notebook's shell.
        open_chat: Opens a chat on the thread of a name. None if there is no chat.
        page: Returns the page of the notebook. None if there is none.
        kwargs: Settings.
    """

    shell: Any  # IPython declares it optional, but registered magics always have a shell

    def __init__(
        self,
        shell: InteractiveShell,
        *,
        open_chat: "Callable[[str], object] | None" = None,
        page: "Callable[[], NotebookPage] | None" = None,
        **kwargs: Any,
    ) -> None:
        # Before the base class: it reads the configuration, which already calls the observers.
        self.collector: ContextCollector = ContextCollector(shell)
        """Collects what the kernel reports to the agent."""
        self.display_log: DisplayLog = DisplayLog(shell)
        """Images that the notebook displayed."""
        self._open_chat, self._page = open_chat, page
        self._session: NotebookSession | None = None
        self._making = threading.RLock()
        """Locked while the session is made, because a cell and a page may ask for it at the same time."""
        self._session_observers: list[Callable[[NotebookSession], object]] = []
        self._folder: Path | None = None
        with suppress(OSError):  # the current folder was deleted
            self._folder = Path.cwd()  # the notebook's folder, unless the user has left it
        super().__init__(shell, **kwargs)

    @property
    def session(self) -> "NotebookSession":
        """The notebook's session, made at first use."""
        with self._making:
            if self._session is None:
                self._session = _runner().NotebookSession(
                    self.shell,
                    self,
                    self.collector,
                    self.display_log,
                    folder=self._folder,
                    transport=self.transport,
                    open_chat=self._open_chat,
                    page=self._page() if self._page is not None else None,
                )
                for observe in self._session_observers:
                    observe(self._session)
            return self._session

    def on_session(self, observe: "Callable[[NotebookSession], object]") -> None:
        """Call a function with the notebook's session: now, or when it is made."""
        with self._making:
            self._session_observers.append(observe)
            if self._session is not None:
                observe(self._session)

    @observe("transport")
    def _transport_changed(self, change: Any) -> None:
        if self._session is not None:
            self._session.change_transport(change["new"])

    @_documented
    @no_var_expand
    @line_cell_magic
    def codex(self, line: str, cell: str | None = None) -> "Turn | RunningTurn | Any | None":
        """Send a prompt to the Codex agent, or run a command."""
        names = calling_namespace(self.shell)
        try:
            # Outside of a turn, an interrupt may be lost in an import, which ignores the exceptions of its callbacks.
            with Interrupts() as interrupts, interrupts.raising():
                from codex_jupyter.notebook.magic.line_parser import option_parser, parse_line  # not needed to load the extension

                return self._run(parse_line(option_parser(), line), cell, names)
        except Exception as error:
            sdk = sys.modules.get("codex_jupyter.sdk")
            if isinstance(error, OSError) or (sdk is not None and isinstance(error, sdk.CodexError)):
                hide_traceback(error)
            raise
        finally:
            if self._session is not None:
                self._session.outputs.show_warning()

    def _run(self, line: "Line", cell: str | None, names: Namespace) -> "Turn | RunningTurn | Any | None":
        """Run a command or a prompt."""
        if cell is None and not line.is_prompt:
            from codex_jupyter.notebook.magic.command_table import find_command  # not needed to load the extension

            command = find_command(line.rest)
            if command is not None:
                return _runner().run_command(self.session, names, *command)
        prompt, silent = _silenced(line.rest, cell)
        if not prompt.strip():
            raise UsageError("The prompt is empty. Write what Codex should do into the cell, or after %codex. See `%codex help`.")
        options = {**vars(line.options)}
        options["dry_run"] = self.dry_run if options["dry_run"] is None else options["dry_run"]
        return _runner().run_prompt(self.session, names, prompt, options, silent=silent)

    def complete(self, line: str) -> list[str]:
        """Return what Tab offers at the end of a line."""
        from codex_jupyter.notebook.magic.completion_values import CompletionValues  # not needed to load the extension

        return CompletionValues(self.shell, lambda: self.session).complete(line)

    def close(self) -> None:
        """Stop what runs, and close the notebook's session."""
        if self._session is not None:
            self._session.close()
            self._session = None


def _runner() -> Any:
    """Import the part of the magics that needs the SDK."""
    from codex_jupyter.notebook.magic import runner

    return runner


def _silenced(rest: str, cell: str | None) -> tuple[str, bool]:
    """Return the prompt of a line and a body, and if it runs without showing anything.

    A `;` at the end hides the turn, as it hides a value: at the end of a line, or in a separate line at the end of a cell, because a prompt
    may end with code.
    """
    if cell is None:
        return rest, rest.endswith(";")
    lines = cell.rstrip().split("\n")
    silent = len(lines) > 1 and lines[-1].strip() == ";"
    body = "\n".join(lines[:-1]) if silent else cell
    return "\n".join(part for part in (rest, body) if part), silent
