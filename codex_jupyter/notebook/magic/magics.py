"""`%codex` and `%%codex`: read the line, call the session, show its errors. Importing this module imports no SDK: loading stays cheap."""

import argparse
import dataclasses
import sys
from argparse import BooleanOptionalAction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import line_cell_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments
from traitlets import observe

from codex_jupyter.notebook.context import ContextCollector
from codex_jupyter.notebook.display.short_errors import hide_traceback
from codex_jupyter.notebook.images.display_log import DisplayLog
from codex_jupyter.notebook.magic.help import documented
from codex_jupyter.notebook.magic.line_parser import Line, parse_line
from codex_jupyter.notebook.magic.settings import APPROVALS, SANDBOX_MODES, WEB_SEARCH_MODES, CodexSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_jupyter.notebook.session.event_loop import RunningTurn
    from codex_jupyter.notebook.session.request import PromptRequest
    from codex_jupyter.notebook.session.session import NotebookSession
    from codex_jupyter.sdk import Turn


@magics_class
class CodexMagics(CodexSettings):
    """The magics and their settings."""

    shell: Any  # IPython declares it optional; magics that are registered always have one

    def __init__(self, shell: InteractiveShell, **kwargs: Any) -> None:
        # Everything first: reading the configuration, which the base class does, already calls the observers.
        self.collector = ContextCollector(shell)
        """What the kernel can tell the agent."""
        self.pictures = DisplayLog(shell)
        """What the notebook displayed."""
        self.open_chat: Callable[[str], object] | None = None
        """Opens a chat on the thread of a name. The extension sets it."""
        self._session: NotebookSession | None = None
        self._folder = Path.cwd()  # the notebook's, as long as nobody has left it
        super().__init__(shell, **kwargs)

    @property
    def session(self) -> "NotebookSession":
        """The notebook's session, made at first use."""
        if self._session is None:
            from codex_jupyter.notebook.session.session import NotebookSession
            from codex_jupyter.sdk import Turn

            transport: Any = self.transport
            self._session = NotebookSession(self.shell, self, self.collector, self.pictures, folder=self._folder, transport=transport)
            self._formatter.for_type(Turn, self._session.display)
        return self._session

    @observe("transport")
    def _transport_changed(self, change: Any) -> None:
        if self._session is not None:
            self._session.change_transport(change["new"])

    @property
    def _formatter(self) -> Any:
        return self.shell.display_formatter.ipython_display_formatter

    @documented
    @no_var_expand
    @magic_arguments()
    @argument("-m", "--model", help="The model, such as gpt-5.5.")
    @argument("-s", "--sandbox", metavar="MODE", choices=SANDBOX_MODES, help="What the agent's commands may do.")
    @argument("-C", "--cd", metavar="FOLDER", help="The folder that the agent works in.")
    @argument("--add-dir", metavar="FOLDER", action="append", help="One more folder that it may write to; repeatable.")
    @argument(
        "-i", "--image", metavar="SPEC", action="append", help="A picture: plot, plot:-2, plots:3, cell:12, a variable, a file; repeatable."
    )
    @argument("-c", "--config", metavar="KEY=VALUE", action="append", help="A setting of Codex for this turn; repeatable.")
    @argument("-e", "--effort", help="How hard the model thinks, such as low, medium or high.")
    @argument("-a", "--approval", metavar="WHEN", choices=APPROVALS, help="When Codex asks.")
    @argument("--web-search", metavar="MODE", choices=WEB_SEARCH_MODES, help="Web search.")
    @argument("-n", "--new", action=BooleanOptionalAction, help="Begin a new thread.")
    @argument("-t", "--thread", metavar="NAME", help="Use the thread of this name instead of the notebook's own.")
    @argument("-r", "--resume", metavar="ID", nargs="?", const="last", help="Go on with an earlier thread: an id, or the last one.")
    @argument("-o", "--out", metavar="VAR", help="The variable that gets the answer, or the value of the schema.")
    @argument("--schema", metavar="NAME", help="The form of the answer: a class or dict of the notebook, or a JSON file.")
    @argument(
        "--context",
        metavar="WHAT",
        action="append",
        help="What the kernel tells along: auto, vars, vars:NAME, cells, cells:-5.., outputs, error, none; repeatable.",
    )
    @argument("-q", "--quiet", action=BooleanOptionalAction, help="Show only the answer.")
    @argument("--bg", action=BooleanOptionalAction, help="Go on in the background; the cell's value is the running turn.")
    @argument("--timeout", metavar="SECONDS", type=float, help="Stop the turn after this time.")
    @argument("--dry-run", action=BooleanOptionalAction, help="Show what would be sent, and send nothing.")
    @argument("--expand", action=BooleanOptionalAction, help="Replace {name} in the prompt by the value of that variable; on by default.")
    @argument(
        "--raise", dest="raise_errors", action=BooleanOptionalAction, help="Raise if the turn fails, so that Run All stops; on by default."
    )
    @line_cell_magic
    def codex(self, line: str, cell: str | None = None) -> "Turn | RunningTurn | Any | None":
        """Give a prompt to the Codex agent, or run one of its commands."""
        with _short_errors():
            try:
                return self._do(parse_line(self.codex.parser, line), cell)
            finally:
                if self._session is not None:
                    self._session.show_warning()

    def _do(self, line: Line, cell: str | None) -> "Turn | RunningTurn | Any | None":
        """Run a command or a prompt."""
        if cell is None and not line.is_prompt:
            from codex_jupyter.notebook.magic.commands import find_command

            command = find_command(line.rest)
            if command is not None:
                return command(self)
        prompt, silent = _silenced(line.rest, cell)
        if not prompt.strip():
            raise UsageError("The prompt is empty. Write what Codex should do into the cell, or after %codex. `%codex help` tells more.")
        request = self._request(prompt, line.options, silent=silent)
        if self.dry_run if line.options.dry_run is None else line.options.dry_run:
            from codex_jupyter.notebook.magic.dry_run import request_text

            print(request_text(self.session, request))
            return None
        return self.session.run(request)

    def _request(self, prompt: str, options: argparse.Namespace, *, silent: bool) -> "PromptRequest":
        from codex_jupyter.notebook.session.request import build_request

        overrides: Any = {name: value for name, value in vars(options).items() if name != "dry_run"}
        request = build_request(self, self.shell.user_ns, prompt, **overrides)
        return dataclasses.replace(request, display="nothing") if silent else request

    def complete(self, line: str) -> list[str]:
        """What Tab offers at the end of a line."""
        from codex_jupyter.notebook.magic.hints import completions

        return completions(self, line)

    def close(self) -> None:
        """Stop what runs and forget the notebook's session."""
        if self._session is not None:
            from codex_jupyter.sdk import Turn

            self._formatter.pop(Turn, None)
            self._session.close()
            self._session = None


def _silenced(rest: str, cell: str | None) -> tuple[str, bool]:
    """The prompt of a line and a body, and whether it is to run without showing anything.

    As with values, a `;` at the end silences: of a line, or in a line of its own at the end of a cell, for a prompt may end with code.
    """
    if cell is None:
        return rest, rest.endswith(";")
    lines = cell.rstrip().split("\n")
    silent = len(lines) > 1 and lines[-1].strip() == ";"
    body = "\n".join(lines[:-1]) if silent else cell
    return "\n".join(part for part in (rest, body) if part), silent


class _short_errors:
    """Let our own errors end a cell with their message alone."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is not None and "codex_jupyter.sdk" in sys.modules:
            from codex_jupyter.sdk import CodexError

            if isinstance(error, CodexError):
                hide_traceback(error)
