"""`%codex` and `%%codex`: read the line, call the session, show its errors. Importing this module imports no SDK: loading stays cheap."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments
from traitlets import Enum, Unicode

from codex_jupyter.notebook.arguments import parse_line

if TYPE_CHECKING:
    import argparse

    from codex_jupyter.notebook.session import NotebookSession
    from codex_jupyter.sdk import Turn

SANDBOX_MODES: Final = ("read-only", "workspace-write", "danger-full-access")

HELP: Final = """\
%%codex [options]        the cell's text is the prompt; the agent goes on in the notebook's thread
%codex [options] prompt  the same, in one line

Commands, instead of a prompt:
  %codex status          what is in use: CLI, thread, model, sandbox
  %codex new             the next prompt begins a new thread
  %codex show            the last turn once more, for example after the page was reloaded
  %codex demo            a script answers instead of a model: no account, no network
  %codex demo off        your own Codex answers again
  %codex use NAME        the variable NAME, a Codex client or a ScriptedModel, answers from now on
  %codex help            this text

Interrupting the kernel stops the turn; the next cell goes on in the same thread.
Options hold for one cell. `%config CodexMagics.sandbox = "workspace-write"` (likewise model, cd) holds for the notebook.
"""


@magics_class
class CodexMagics(Magics):
    """The magics and their settings."""

    shell: Any  # IPython declares it optional; magics that are registered always have one

    model = Unicode("", help="The model; empty leaves it to Codex.").tag(config=True)
    sandbox = Enum(
        ("", *SANDBOX_MODES),
        default_value="",
        help="What the agent's commands may do: read-only, workspace-write or danger-full-access; empty leaves it to Codex (read-only).",
    ).tag(config=True)
    cd = Unicode("", help="The folder that the agent works in; empty is the kernel's current folder.").tag(config=True)

    def __init__(self, shell: InteractiveShell, **kwargs: Any) -> None:
        super().__init__(shell, **kwargs)
        self._session: NotebookSession | None = None

    @property
    def session(self) -> "NotebookSession":
        """The notebook's session, made at first use."""
        if self._session is None:
            from codex_jupyter.notebook.session import NotebookSession
            from codex_jupyter.sdk import Turn

            self._session = NotebookSession(self.shell)
            self._formatter.for_type(Turn, self._session.display)
        return self._session

    @property
    def _formatter(self) -> Any:
        return self.shell.display_formatter.ipython_display_formatter

    @magic_arguments()
    @argument("-m", "--model", help="The model, such as gpt-5.5.")
    @argument("-s", "--sandbox", choices=SANDBOX_MODES, help="What the agent's commands may do.")
    @argument("-C", "--cd", metavar="FOLDER", help="The folder that the agent works in.")
    @argument("-n", "--new", action="store_true", help="Begin a new thread.")
    @line_cell_magic
    def codex(self, line: str, cell: str | None = None) -> "Turn | None":
        """Give a prompt to the Codex agent; `%codex help` tells more."""
        options, rest = parse_line(self.codex.parser, line)
        if cell is None and (command := self._command(rest)) is not None:
            with _short_errors():
                command()
            return None
        prompt = "\n".join(part for part in (rest, cell) if part)
        if not prompt.strip():
            raise UsageError("The prompt is empty. Write what Codex should do into the cell, or after %codex. `%codex help` tells more.")
        return self._prompt(options, prompt)

    def _command(self, text: str) -> Callable[[], None] | None:
        """What a line asks for, if it is no prompt. Only the exact words of a command are one."""
        words = text.split()
        if " ".join(words) in COMMANDS:
            return partial(COMMANDS[" ".join(words)], self)
        if len(words) == 2 and words[0] == "use" and words[1].isidentifier():
            return partial(self._use, words[1])
        return None

    def _prompt(self, options: "argparse.Namespace", prompt: str) -> "Turn":
        with _short_errors():
            session = self.session
            from codex_jupyter.sdk import ThreadOptions

            if options.new:
                session.new_thread()
            thread_options = ThreadOptions(
                model=options.model or self.model or None,
                sandbox_mode=options.sandbox or self.sandbox or None,
                working_directory=Path(options.cd or self.cd or ".").expanduser().absolute(),
                # Notebook folders are often no repositories; what the agent may do there is the sandbox's matter.
                skip_git_repo_check=True,
            )
            return session.run(prompt, thread_options)

    def close(self) -> None:
        """Stop what runs and forget the notebook's session."""
        if self._session is not None:
            from codex_jupyter.sdk import Turn

            self._formatter.pop(Turn, None)
            self._session.close()
            self._session = None

    def _status(self) -> None:
        session = self.session
        thread = session.thread
        lines = [
            f"codex CLI   {session.cli.version} ({session.cli.path})",
            f"answers     {'a script (demo mode), not a model' if session.demo else 'the model of your Codex account'}",
            f"thread      {(thread and thread.id) or 'none yet: the next prompt begins one'}",
            f"model       {self.model or 'as Codex is configured'}",
            f"sandbox     {self.sandbox or 'as Codex is configured (read-only unless you changed it)'}",
            f"folder      {Path(self.cd or '.').expanduser().absolute()}",
        ]
        print("\n".join(lines))  # noqa: T201 - a command that is asked for a text

    def _new(self) -> None:
        self.session.new_thread()

    def _show(self) -> None:
        turn = self.session.last_turn
        if turn is None:
            raise UsageError("There is no turn yet.")
        self.session.display(turn)

    def _demo(self) -> None:
        from codex_jupyter.demo import ScriptedModel, showcase
        from codex_jupyter.sdk.cli.sandbox import sandbox_problem

        session, model = self.session, ScriptedModel(showcase())
        session.use(model)
        print("Demo mode: a script answers, not a model. The codex CLI and what it does are real.\n`%codex demo off` ends it.")  # noqa: T201
        if (problem := sandbox_problem(session.cli, model.env())) is not None:
            session.use(model, sandboxed=False)
            print(f"This machine has no sandbox ({problem}): the demo's own commands, and they alone, run without one.")  # noqa: T201

    def _demo_off(self) -> None:
        self.session.use(None)
        print("Demo mode is off: the next prompt goes to your own Codex.")  # noqa: T201

    def _use(self, name: str) -> None:
        from codex_jupyter.demo import ScriptedModel
        from codex_jupyter.sdk import Codex

        client = self.shell.user_ns.get(name)
        if not isinstance(client, Codex | ScriptedModel):
            what = f"is a {type(client).__name__}" if name in self.shell.user_ns else "is not defined"
            raise UsageError(f"`%codex use` takes the name of a Codex client or a ScriptedModel; {name} {what}.")
        self.session.use(client)

    def _help(self) -> None:
        print(f"{HELP}\n{self.codex.parser.format_help()}")  # noqa: T201


COMMANDS: Final[dict[str, Callable[[CodexMagics], None]]] = {
    "demo": CodexMagics._demo,
    "demo off": CodexMagics._demo_off,
    "help": CodexMagics._help,
    "new": CodexMagics._new,
    "show": CodexMagics._show,
    "status": CodexMagics._status,
}
"""The lines that are no prompts. Anything else is one, also when it begins with such a word."""


class _short_errors:
    """Let our own errors end a cell with their message alone: the traceback would only show this package."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is not None and "codex_jupyter.sdk" in sys.modules:
            from codex_jupyter.sdk import CodexError

            if isinstance(error, CodexError):
                lines = [f"{type(error).__name__}: {error}"]
                error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]


def load(shell: InteractiveShell) -> None:
    """Register the magics with a shell; does nothing if they are."""
    if "CodexMagics" not in shell.magics_manager.registry:
        shell.register_magics(CodexMagics)


def unload(shell: InteractiveShell) -> None:
    """Take the magics out of a shell, and stop what runs."""
    manager = shell.magics_manager
    magics = manager.registry.pop("CodexMagics", None)
    if isinstance(magics, CodexMagics):
        for table in manager.magics.values():
            table.pop("codex", None)
        configurables: list[Any] = shell.configurables
        configurables.remove(magics)
        magics.close()
