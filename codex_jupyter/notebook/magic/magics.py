"""`%codex` and `%%codex`: read the line, call the session, show its errors. Importing this module imports no SDK: loading stays cheap."""

import argparse
import sys
from argparse import BooleanOptionalAction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import line_cell_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments
from traitlets import TraitError, observe

from codex_jupyter.notebook.context import ContextCollector
from codex_jupyter.notebook.display.short_errors import hide_traceback
from codex_jupyter.notebook.images.display_log import DisplayLog
from codex_jupyter.notebook.magic import completion, input_transform
from codex_jupyter.notebook.magic.help import documented
from codex_jupyter.notebook.magic.line_parser import Line, parse_line
from codex_jupyter.notebook.magic.settings import APPROVALS, SANDBOX_MODES, WEB_SEARCH_MODES, CodexSettings, check_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codex_jupyter.notebook.images.resize import Attachment
    from codex_jupyter.notebook.session.event_loop import RunningTurn
    from codex_jupyter.notebook.session.session import NotebookSession, Show
    from codex_jupyter.sdk import ThreadOptions, Turn


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
        self._seen_pictures: dict[str, int] = {}
        """The number of the newest picture at the last turn of a thread, by its key."""
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
            self._session = NotebookSession(self.shell, folder=self._folder, transport=transport)
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
                    self._session.tell_warning()

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
        return self.ask(prompt, line.options, show="nothing" if silent else None)

    def ask(
        self,
        prompt: str,
        options: argparse.Namespace | None = None,
        *,
        wrote: str | None = None,
        show: "Show | None" = None,
        attached: "Sequence[Attachment]" = (),
        mentions: bool = True,
        permanent: bool = True,
    ) -> "Turn | RunningTurn | None":
        """Run a prompt with the options of a cell over the notebook's settings.

        Args:
            prompt: What is asked.
            options: What `codex.parser` made of the cell's options; None is a cell without any.
            wrote: What the user wrote, for lists and exports, if that is something else.
            show: What of the turn is shown in the running cell; None is as the options say.
            attached: Pictures that go along, besides those that the prompt and the options name.
            mentions: Attach the pictures that the prompt mentions by `@name`.
            permanent: Let the user allow something for good.

        Raises:
            UsageError: If an option cannot be used.
            CodexError: As `NotebookSession.run` does.
        """
        options = options or self.options()
        from codex_jupyter.notebook.magic.commands import earlier_thread
        from codex_jupyter.notebook.session.conversation import MAIN
        from codex_jupyter.notebook.session.session import compose
        from codex_jupyter.notebook.templates import expand
        from codex_jupyter.sdk import TurnOptions

        session, out = self.session, self._setting(options, "out")
        name = check_name(self._setting(options, "thread") or MAIN, "-t")
        if out:
            check_name(out, "-o")
        text = expand(prompt, self.shell.user_ns) if self._setting(options, "expand") else prompt
        thread_options = self.thread_options(options)
        schema = self._schema(self._setting(options, "schema"))
        limits = [seconds for seconds in (self._setting(options, "timeout"), self.max_seconds_per_turn) if seconds]
        turn_options = TurnOptions(output_schema=schema, timeout=min(limits, default=None), network_timeout=self.network_timeout)
        spec = "+".join(options.context) if options.context else self.context
        pictures = [*self.image, *(options.image or ())]
        earlier = earlier_thread(session, options.resume, name) if options.resume else None
        if earlier is None and self.resume and name not in session.conversations:
            last = session.earlier(name, asked=False) if self.resume == "last" else None
            if last is not None or self.resume != "last":
                earlier = (last.id, last) if last is not None else earlier_thread(session, self.resume, name)
        new = earlier is None and self._setting(options, "new")
        if self._setting(options, "dry_run"):
            from codex_jupyter.notebook.magic.dry_run import request_text

            known = None if new or earlier is not None else session.conversations.get(name)
            key = known.key if known else None
            thread_id = earlier[0] if earlier else known.thread.id if known else None
            attached = (*attached, *self.attachments(prompt if mentions else "", pictures, key))
            composed = compose(text, self.collector.collect(spec, key), attached)
            print(request_text(session, composed, thread_options, turn_options, thread_id, attached))
            return None
        if earlier is not None:
            session.adopt(name, *earlier)
        elif new:
            session.new_thread(name)
        key = session.conversation(name).key
        found = (*attached, *self.attachments(prompt if mentions else "", pictures, key))
        attached = tuple({one.input.data: one for one in reversed(found)}.values())[::-1]
        shown = self.pictures.shown  # what is displayed while the turn runs is new to the next one
        context = self.collector.collect(spec, key)

        def keep(turn: "Turn") -> None:
            self.shell.user_ns[out] = turn.final_response if schema is None else turn.parsed

        ended = session.run(
            text,
            thread_options,
            turn_options,
            text=prompt if wrote is None else wrote,
            context=context,
            attached=attached,
            name=name,
            show=show or ("answer" if self._setting(options, "quiet") else "live"),
            background=self._setting(options, "bg"),
            raise_errors=self._setting(options, "raise_errors"),
            max_tokens=self.max_tokens_per_turn or None,
            keep=keep if out else None,
            permanent=permanent,
        )
        self.collector.mark_sent(context, key)
        self._seen_pictures[key] = shown
        return ended

    def options(self, **given: Any) -> argparse.Namespace:
        """The options of a prompt that no cell wrote, such as a chat's: settings that say what a cell is for do not hold for it.

        Args:
            given: Options by their names.
        """
        options: argparse.Namespace = self.codex.parser.parse_args([])
        vars(options).update({"new": False, "bg": False, "dry_run": False, "out": "", "schema": "", **given})
        return options

    def attachments(self, prompt: str, specs: "Sequence[str]" = (), key: str | None = None) -> "tuple[Attachment, ...]":
        """The pictures that go along with a prompt, at the size that is sent; call it on the main thread.

        Args:
            prompt: What the user wrote.
            specs: The pictures asked for by `--image`.
            key: The key of the thread, for what is new to it; None is a new one.

        Raises:
            InputError: If a picture that is asked for does not exist or cannot be sent.
        """
        mentions = self.attach_plots != "none" and "@" in prompt
        takes_new = self.attach_plots == "new"
        if not (specs or mentions or takes_new):
            return ()
        from codex_jupyter.notebook.images.attach import attach, attach_new
        from codex_jupyter.notebook.images.spec import ImageFinder

        finder = ImageFinder(self.shell, self.pictures)
        asked = [picture for spec in specs for picture in finder.find(spec)]
        asked += finder.mentioned(prompt) if mentions else []
        limits = {"max_side": self.max_image_side, "max_bytes": self.max_image_bytes}
        attached = attach(asked, **limits)
        if takes_new:
            finder.show_open_figures()
            attached += attach_new(self.pictures.since(self._seen_pictures.get(key or "", 0)), asked, **limits)
        return attached

    def thread_options(self, options: argparse.Namespace) -> "ThreadOptions":
        """The thread's options for a cell: its own, then those of `%config`, then Codex's."""
        from codex_jupyter.sdk import ThreadOptions
        from codex_jupyter.sdk.executable.config_flags import config_overrides

        folders = [Path(folder).expanduser().absolute() for folder in (*self.add_dir, *(options.add_dir or ()))]
        for folder in folders:
            if not folder.is_dir():
                raise UsageError(f"--add-dir: there is no folder {folder}.")
        return ThreadOptions(
            model=self._setting(options, "model") or None,
            sandbox_mode=self._setting(options, "sandbox") or None,
            working_directory=Path(self._setting(options, "cd") or ".").expanduser().absolute(),
            additional_directories=folders,
            model_reasoning_effort=self._setting(options, "effort") or None,
            approval_policy=self._setting(options, "approval") or None,
            web_search_mode=self._setting(options, "web_search") or None,
            shell_environment=cast("Any", self.shell_environment or None),
            config_overrides=[*config_overrides(self.settings), *(options.config or ())],
            # Notebook folders are often no repositories; what the agent may do there is the sandbox's matter.
            skip_git_repo_check=True,
        )

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

    def _setting(self, options: argparse.Namespace, name: str) -> Any:
        value = getattr(options, name)
        return getattr(self, name) if value is None else value

    def _schema(self, name: str) -> Any:
        """The schema that a name stands for: something in the notebook, or a file; None for no name."""
        if not name:
            return None
        if name in self.shell.user_ns:
            return self.shell.user_ns[name]
        path = Path(name).expanduser()
        if path.suffix != ".json":
            raise UsageError(f"--schema: {name} is not defined, and no JSON file.")
        import json

        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"--schema: {name} cannot be read: {error}") from None


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


def load(shell: InteractiveShell) -> None:
    """Register the magics with a shell; does nothing if they are.

    Raises:
        UsageError: If the configuration holds a bad value for one of the settings.
    """
    if "CodexMagics" not in shell.magics_manager.registry:
        try:
            magics = CodexMagics(shell)
        except TraitError as error:
            # The base class has listed the incomplete object already.
            shell.configurables[:] = [one for one in shell.configurables if not isinstance(one, CodexMagics)]
            raise UsageError(f"A setting of your IPython configuration cannot be used: {error}") from None
        shell.register_magics(magics)
        magics.collector.start()
        magics.pictures.start()
        shell.input_transformers_cleanup.append(input_transform.keep_prompts)
        completion.install(shell, magics.complete)


def unload(shell: InteractiveShell) -> None:
    """Take the magics out of a shell, and stop what runs."""
    manager = shell.magics_manager
    magics = manager.registry.pop("CodexMagics", None)
    if isinstance(magics, CodexMagics):
        for table in manager.magics.values():
            table.pop("codex", None)
        configurables: list[Any] = shell.configurables
        configurables.remove(magics)
        shell.input_transformers_cleanup.remove(input_transform.keep_prompts)
        completion.uninstall(shell)
        magics.collector.stop()
        magics.pictures.stop()
        magics.close()
