"""How a turn is run in a cell: started on one of the notebook's threads, shown while it runs, and kept."""

import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

from codex_jupyter.notebook.context import Context
from codex_jupyter.notebook.display.live_display import AnswerDisplay, LiveDisplay
from codex_jupyter.notebook.display.terminal_display import TerminalDisplay, status_line
from codex_jupyter.notebook.display.turn_display import SafeDisplay, TurnDisplay
from codex_jupyter.notebook.persistence.finished_turn import FinishedTurn
from codex_jupyter.notebook.persistence.thread_store import ThreadStore
from codex_jupyter.notebook.render import TurnInfo, prompt_bundle, turn_bundle
from codex_jupyter.notebook.session.conversation import MAIN, Conversation
from codex_jupyter.notebook.session.event_loop import RunningTurn
from codex_jupyter.notebook.session.followed_turn import FollowedTurn
from codex_jupyter.notebook.session.keyboard import Keyboard
from codex_jupyter.notebook.session.registry import NotebookThreads
from codex_jupyter.notebook.session.token_budget import Budget
from codex_jupyter.notebook.workspace.kernel_files import kernel_files
from codex_jupyter.sdk import (
    CodexCli,
    CodexError,
    ContextInput,
    Input,
    ThreadOptions,
    Turn,
    TurnInterruptedError,
    TurnOptions,
    TurnTimeoutError,
    UnsupportedOperationError,
    UserInput,
)
from codex_jupyter.sdk.codex import TransportName
from codex_jupyter.sdk.executable.environment import find_cli
from codex_jupyter.sdk.models.inputs import normalize_input

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from codex_jupyter.notebook.images.resize import Attachment

Show: TypeAlias = Literal["live", "answer", "nothing"]


class CodexInterrupted(KeyboardInterrupt):
    """The user interrupted a turn. Ends the cell with one line, and a *Run All* with it.

    Attributes:
        turn: The turn with everything that it did.
    """

    def __init__(self, turn: Turn) -> None:
        what = "The turn was complete when it" if turn.status == "completed" else "The turn"
        super().__init__(f"{what} was interrupted. The next %%codex cell goes on in the same thread.")
        self.turn = turn

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class NotebookSession(NotebookThreads):
    """The threads of a notebook, and the turns that its cells run on them.

    Args:
        shell: The notebook's shell.
        store: Where threads are remembered across kernels.
        folder: The notebook's folder, if the front end does not tell; None is the current one.
        transport: What runs the turns; see `Codex`.
    """

    def __init__(
        self, shell: InteractiveShell, store: ThreadStore | None = None, folder: Path | None = None, transport: TransportName = "exec"
    ) -> None:
        super().__init__(shell, store, folder, transport)
        self._just_shown: Turn | None = None
        self._warned: str | None = None
        self._shown_notes = set[str]()
        """Notes about the codex executable that a header has shown."""
        self.closers: list[Callable[[], object]] = []
        """Called before the session ends."""
        self._beginning = threading.Lock()
        """Held while a turn begins, for a cell and a chat may begin one at the same time."""
        shell.events.register("post_run_cell", self._end_of_cell)

    def run(
        self,
        prompt: Input,
        options: ThreadOptions,
        turn_options: TurnOptions | None = None,
        *,
        text: str = "",
        context: Context | None = None,
        attached: "Sequence[Attachment]" = (),
        name: str = MAIN,
        show: Show = "live",
        background: bool = False,
        raise_errors: bool = True,
        max_tokens: int | None = None,
        keep: "Callable[[Turn], object] | None" = None,
        permanent: bool = True,
    ) -> Turn | RunningTurn:
        """Run a turn and show it in the running cell; must be called on the main thread.

        Args:
            prompt: What is asked.
            options: Options of the thread, for this turn.
            turn_options: Options of the turn.
            text: What the user wrote, for lists and exports.
            context: What the kernel tells along with it.
            attached: The pictures that go along.
            name: The thread's name.
            show: Everything as it happens, or the answer alone, or nothing.
            background: Return at once; the turn goes on while other cells run.
            raise_errors: Whether a turn that failed raises. What it did is shown either way.
            max_tokens: The tokens, of input and output together, after which the turn is stopped; None sets no bound.
            keep: Is given the turn once it has completed; in the background from a thread of its own.
            permanent: Whether the user may allow something for good.

        Returns:
            The turn that has ended, or the one that runs in the background. As the value of the same cell it is not shown again.

        Raises:
            CodexInterrupted: If the kernel was interrupted meanwhile; nothing of the turn runs any more.
            ThreadBusyError: If a turn of the thread runs in the background.
            CodexError: As `Thread.run` does. What the turn did until then stays on screen, in `.turn` and in the thread.
        """
        with self._beginning:
            self._idle(name)
            if show != "nothing":
                self._tell_of_earlier_thread(name)
            conversation = self.last = self.conversation(name)
            if not self._sandboxed:
                options = ThreadOptions.of(options, {"sandbox_mode": "danger-full-access"})
            cli = self._found_cli(options)
            kept = kernel_files(self._shell, cli, [self.home, self._store.folder], make_missing=options.sandbox_mode != "read-only")
            options = ThreadOptions.of(options, {"read_only_paths": (*options.read_only_paths, *kept)})
            conversation.thread.options = options
            info = TurnInfo(
                model=options.model,
                sandbox=options.sandbox_mode,
                cwd=str(options.working_directory or Path.cwd()),
                thread_name=None if name == MAIN else name,
                demo=self._demo is not None,
                context=context.text if context else "",
                context_summary=context.summary() if context and context.text else "",
                attached=tuple(one.thumbnail for one in attached),
                prompt=text,
                began=time.time(),
                notes=self._cli_notes(cli),
            )
            conversation.info = info
            budget = None if max_tokens is None else Budget(max_tokens, self.home, conversation.thread.id)
            asks = (options.approval_policy or "never") != "never"
            shown = self._display(info, show, background=background)
            if background and isinstance(shown, LiveDisplay):
                shown.reserve()
            composed = compose(prompt, context, attached)
            running = conversation.running = self._bridge.start(
                conversation.thread,
                composed,
                turn_options,
                asks=asks,
                permanent=permanent and self._demo is None,  # what the demo allowed would hold in other notebooks, and after its end
                budget=budget,
            )
            conversation.follower = conversation.repeat = None
            followed = FollowedTurn(
                conversation, running, SafeDisplay(shown, _show_bundle), info, text, keep, self._keyboard, self._record, self._changed
            )
            if background:
                conversation.repeat = shown.repeat if isinstance(shown, LiveDisplay) else None
                conversation.follower = threading.Thread(target=followed.finish, daemon=True, name="codex-display")
        try:
            self._changed(name)
            if conversation.follower is not None:
                conversation.follower.start()
                return running
        except BaseException:
            running.stop("The turn was stopped, because the notebook could not follow it.")
            conversation.follower = None
            followed.finish()
            raise
        interrupted = followed.finish()
        if interrupted or (isinstance(running.error, TurnInterruptedError) and not isinstance(running.error, TurnTimeoutError)):
            raise CodexInterrupted(running.turn) from None
        if running.error is not None and raise_errors:
            raise running.error
        self._just_shown = running.turn
        return running.turn

    def steer(self, text: str, name: str | None = None) -> None:
        """Add to what the turn that runs in the background was asked.

        Args:
            text: What to add.
            name: The thread's name; None is any.

        Raises:
            UnsupportedOperationError: If none runs, or its transport cannot.
        """
        running = next((one.running for one in self.running if one.running is not None and name in (None, one.name)), None)
        if running is None:
            raise UnsupportedOperationError("No turn runs that could take more input.")
        self._bridge.call(running.steer, text)

    def show(self, conversation: Conversation) -> None:
        """Show the last turn of a thread again: live if it runs, until it has ended or an interrupt ends the showing; else whole."""
        running = conversation.running
        if running is None or running.finished:
            conversation.wait()
            show_turn(conversation.turns[-1].turn, conversation.turns[-1].info)
            return
        shown = SafeDisplay(self._display(conversation.info, "live"), _show_bundle)
        for turn in running.updates():
            shown.update(turn)
        shown.finish(running.turn, running.told(conversation.info))

    def display(self, turn: Turn) -> None:
        """Show a turn where the code runs: whole, but not as the value of the very cell that has shown it live."""
        if turn is not self._just_shown:
            show_turn(turn, self._info_of(turn))
        elif not hasattr(self._shell, "kernel"):
            print("the turn above")  # behind an `Out[1]:` that is written already

    def _info_of(self, turn: Turn) -> TurnInfo:
        """What is known about a turn. One in the background may be had before all that it shows is written."""
        for conversation in self.conversations.values():
            if conversation.running is not None and conversation.running.turn is turn and conversation.follower is not None:
                conversation.follower.join()
        return next((past.info for past in self.turns if past.turn is turn), TurnInfo())

    def close(self) -> None:
        """Stop what runs and free everything."""
        for close in list(self.closers):
            close()
        self._shell.events.unregister("post_run_cell", self._end_of_cell)
        self.use(None)
        self._bridge.close()

    def _record(self, conversation: Conversation, ended: FinishedTurn) -> None:
        """Add a turn that has ended to its thread."""
        conversation.turns.append(ended)
        self.turns.append(ended)
        try:
            self._remember(conversation)
        except Exception as error:
            self.warning = f"This notebook's threads will not be remembered after a restart ({type(error).__name__}: {error})."

    def _found_cli(self, options: ThreadOptions) -> CodexCli | None:
        """The codex executable of a turn; None if there is none, which the turn then raises."""
        try:
            return find_cli(self.codex.options, options)
        except CodexError:
            return None

    def _cli_notes(self, cli: CodexCli | None) -> tuple[str, ...]:
        """What to know about the codex executable of a turn that no header has shown yet."""
        new = tuple(note for note in cli.notes if note not in self._shown_notes) if cli is not None else ()
        self._shown_notes.update(new)
        return new

    def tell_warning(self) -> None:
        """Print what went wrong with remembering, if the user has not been told."""
        if self.warning is not None and self.warning != self._warned:
            self._warned = self.warning
            print(self.warning)

    def _tell_of_earlier_thread(self, name: str) -> None:
        """Say once that an earlier kernel left a thread which this one does not continue by itself."""
        known = self.conversations.get(name)
        if name in self._told or (known is not None and known.thread.id is not None):
            return
        self._told.add(name)
        earlier = next((one for one in self.remembered.threads if one.name == name), None)
        self.tell_warning()
        named = next((one for one in self.named if one.name == name), None) if earlier is None else None
        which = "" if name == MAIN else f" {name}"
        if (one := earlier or named) is not None:
            turns = f"{one.turns} turn{'s' if one.turns != 1 else ''}"
            exists = (
                f"An earlier thread{which} of this notebook exists ({turns}, {one.updated[:10]})"
                if one is earlier
                else f"The saved outputs of this notebook name an earlier thread{which} ({turns})"
            )
            print(f"{exists}; `%codex resume{which}` continues it.")

    @property
    def _keyboard(self) -> Keyboard:
        return Keyboard(terminal=not hasattr(self._shell, "kernel"))

    def _end_of_cell(self, _result: object) -> None:
        self._just_shown = None

    def _display(self, info: TurnInfo, show: Show, *, background: bool = False) -> TurnDisplay:
        if show != "live":
            return AnswerDisplay(_show_bundle if show == "answer" else None)
        if hasattr(self._shell, "kernel"):
            return LiveDisplay(info, _publish)
        return TerminalDisplay(info, status=status_line if sys.stdout.isatty() and not background else None)


def compose(prompt: Input, context: Context | None, attached: "Sequence[Attachment]") -> Input:
    """Return what is sent: the prompt, the images with their names, and what the kernel reports. The prompt is what the user wrote alone.

    Args:
        prompt: What is asked.
        context: What the kernel tells along with it.
        attached: The pictures that go along.
    """
    parts: list[UserInput] = []
    if attached:
        labels = "\n".join(f"[Image #{number}]: {one.label}" for number, one in enumerate(attached, 1))
        parts += [*(one.input for one in attached), ContextInput(text=labels, name="images")]
    if context is not None and context.input is not None:
        parts.append(context.input)
    return [*normalize_input(prompt), *parts] if parts else prompt


def show_turn(turn: Turn, info: TurnInfo) -> None:
    """Show a turn where the code runs, whole, in one output."""
    display(turn_bundle(turn, info), raw=True)


def show_past(past: FinishedTurn) -> None:
    """Show a turn that no cell here has asked for, with what it was asked."""
    if past.prompt:
        display(prompt_bundle(past.prompt), raw=True)
    show_turn(past.turn, past.info)


def _show_bundle(bundle: dict[str, Any]) -> None:
    display(bundle, raw=True)


def _publish(bundle: dict[str, Any], display_id: str, update: bool, metadata: dict[str, Any]) -> None:
    display(bundle, raw=True, display_id=display_id, update=update, metadata=metadata)
