"""What a notebook remembers between cells: the Codex client, its threads and their turns; and how a turn is run in a cell."""

import dataclasses
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

from codex_jupyter.notebook.approve import ask
from codex_jupyter.notebook.bridge import Bridge, RunningTurn
from codex_jupyter.notebook.budget import Budget
from codex_jupyter.notebook.context import Context
from codex_jupyter.notebook.conversation import MAIN, Conversation
from codex_jupyter.notebook.export import ExportedTurn
from codex_jupyter.notebook.live import AnswerDisplay, LiveDisplay, TerminalDisplay, TurnDisplay
from codex_jupyter.notebook.past import fuller, saved_turns, stored_turns
from codex_jupyter.notebook.render import TurnInfo, prompt_bundle, turn_bundle
from codex_jupyter.notebook.store import NotebookRecord, ThreadRecord, ThreadStore, notebook_path
from codex_jupyter.sdk import (
    Codex,
    CodexCli,
    CodexError,
    Input,
    InputError,
    TextInput,
    ThreadBusyError,
    ThreadNotFoundError,
    ThreadOptions,
    ThreadSummary,
    Turn,
    TurnInterruptedError,
    TurnOptions,
    TurnTimeoutError,
    UnsupportedOperationError,
)
from codex_jupyter.sdk.codex import TransportName
from codex_jupyter.sdk.inputs import normalize_input
from codex_jupyter.sdk.threads import codex_home, thread_tokens

if TYPE_CHECKING:
    from codex_jupyter.demo import ScriptedModel
    from codex_jupyter.notebook.images.fit import Attachment

Show: TypeAlias = Literal["live", "answer", "nothing"]


class CodexInterrupted(KeyboardInterrupt):
    """The user interrupted a turn. Ends the cell with one line, and a *Run All* with it.

    Attributes:
        turn: The turn with everything that it did.
    """

    def __init__(self, turn: Turn) -> None:
        super().__init__("The turn was interrupted. The next %%codex cell goes on in the same thread.")
        self.turn = turn

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class NotebookSession:
    """The Codex client of a notebook and its threads.

    Args:
        shell: The notebook's shell.
        store: Where threads are remembered across kernels.
        folder: The notebook's folder, if the front end does not tell; None is the current one.
        transport: What runs the turns; see `Codex`.
    """

    def __init__(
        self, shell: InteractiveShell, store: ThreadStore | None = None, folder: Path | None = None, transport: TransportName = "exec"
    ) -> None:
        self.conversations: dict[str, Conversation] = {}
        """The threads in use, by name."""
        self.last: Conversation | None = None
        """The thread whose turn ran last."""
        self._shell = shell
        self._store = store or ThreadStore()
        notebook = notebook_path(shell)
        self._bridge = Bridge(notebook.parent if notebook is not None else folder or Path.cwd())
        self._codex: Codex | None = None
        self.transport: TransportName = transport
        """What runs the turns of the client that is made here."""
        self._demo: ScriptedModel | None = None
        self._started: ScriptedModel | None = None
        """The scripted model that was started here, and is closed here."""
        self._sandboxed = True
        self._just_shown: Turn | None = None
        self._told = False
        self.observers: list[Callable[[str], None]] = []
        """Called with a thread's name when a turn of it has begun or ended, or the name stands for another thread; from any thread."""
        self.closers: list[Callable[[], object]] = []
        """Called before the session ends."""
        self._beginning = threading.Lock()
        """Held while a turn begins, for a cell and a chat may begin one at the same time."""
        self.warning: str | None = None
        """Why the threads of this notebook cannot be remembered, if they cannot."""
        shell.events.register("post_run_cell", self._end_of_cell)

    @property
    def codex(self) -> Codex:
        """The client, made at first use."""
        if self._codex is None:
            self._codex = Codex(transport=self.transport)
        return self._codex

    @property
    def demo(self) -> "ScriptedModel | None":
        """The scripted model that answers, if demo mode is on."""
        return self._demo

    @property
    def cli(self) -> CodexCli:
        """The codex CLI in use.

        Raises:
            CodexNotFoundError: If there is none.
        """
        return self.codex.cli

    @property
    def running(self) -> list[Conversation]:
        """The threads with a turn that runs."""
        return [one for one in self.conversations.values() if one.running is not None and not one.running.finished]

    @property
    def remembered(self) -> NotebookRecord:
        """What earlier kernels of this notebook left; nothing in demo mode, or if the notebook has no name yet."""
        path = self.notebook
        return NotebookRecord(MAIN, ()) if path is None else self._store.load(path)

    @property
    def names(self) -> list[str]:
        """The names of all threads, in use or remembered, in alphabetical order."""
        return sorted({*self.conversations, *(one.name for one in self.remembered.threads)})

    def stored_threads(self, limit: int) -> list[ThreadSummary]:
        """The threads that were begun in this folder, by whatever program, last changed first.

        Args:
            limit: How many at most.
        """
        return self._bridge.call(partial(self.codex.list_threads, limit=limit))

    def use(self, client: "Codex | ScriptedModel | None", *, sandboxed: bool = True) -> None:
        """Have another client run the turns to come, in new threads.

        Args:
            client: A client; or a scripted model, which is started if it is not, and answers instead of a real one; or None for the
                user's own Codex.
            sandboxed: Whether the turns run in the sandbox that is asked for. False is for scripts that are known to be harmless, on
                machines without a sandbox.
        """
        self.stop()
        if self._codex is not None:
            self._bridge.call(self._codex.aclose)
        if self._started is not None:
            self._started.close()
        self._codex = self._demo = self._started = self.last = None
        self._sandboxed = sandboxed
        names = list(self.conversations)
        self.conversations.clear()
        if isinstance(client, Codex):
            self._codex = client
        elif client is not None:
            self._started = None if client.running else client
            self._demo = client.start()
            self._codex = Codex(config=client.config, env=client.env(), transport=self.transport)
        for name in names:
            self._changed(name)

    def conversation(self, name: str = MAIN) -> Conversation:
        """The thread of this name, begun if there is none."""
        if name not in self.conversations:
            self.conversations[name] = Conversation(name, self.codex.start_thread())
        return self.conversations[name]

    def new_thread(self, name: str = MAIN) -> None:
        """Let the next turn of this name begin a new thread.

        Raises:
            ThreadBusyError: If a turn of it runs.
        """
        self._idle(name)
        self.conversations.pop(name, None)
        self._told = True
        self._changed(name)

    def adopt(self, name: str, thread_id: str, earlier: ThreadRecord | None = None) -> Conversation:
        """Go on with a thread of another kernel, or of the codex program, under a name.

        Raises:
            ThreadNotFoundError: If the id is no UUID; or if there is no such thread, where the transport can tell.
            ThreadBusyError: If a turn of the name's present thread runs.
        """
        self._idle(name)
        past = self._past(name, thread_id)
        conversation = Conversation(name, self.codex.resume_thread(thread_id), earlier=earlier, past=past)
        self.conversations[name] = self.last = conversation
        self._told = True
        self._changed(name)
        return conversation

    def _past(self, name: str, thread_id: str) -> list[ExportedTurn]:
        saved = saved_turns(self.notebook, thread_id)
        try:
            stored = self._bridge.call(partial(self.codex.read_thread, thread_id))
        except ThreadNotFoundError:
            raise
        except CodexError:
            return saved  # this transport does not tell; and if nothing works, the next turn says why
        return fuller(saved, stored_turns(stored, TurnInfo(thread_name=name, demo=self.demo is not None)))

    def rename(self, name: str, to: str) -> None:
        """Give a thread another name, here and where it is remembered.

        Raises:
            ThreadBusyError: If a turn of it runs.
            ThreadNotFoundError: If there is no thread of this name.
            InputError: If there is a thread of the new name, in use or remembered.
        """
        self._idle(name)
        if name not in self.conversations:
            raise ThreadNotFoundError(f"There is no thread {name}.")
        if to in self.names:
            raise InputError(f"There is a thread {to} already: choose another name.")
        conversation = self.conversations.pop(name)
        conversation.name = to
        self.conversations[to] = conversation
        if (path := self.notebook) is not None:
            self.warning = self._store.forget(path, name)
            self._remember(conversation)
        self._changed(name)
        self._changed(to)

    def fork(self, source: str, name: str) -> Conversation:
        """Begin a thread with the history of another; the other stays as it is.

        Args:
            source: The name of the thread to copy.
            name: The name of the new one; a thread that has it is let go.

        Raises:
            ThreadNotFoundError: If the source has no turn yet.
            ThreadBusyError: If a turn of the name's present thread runs.
        """
        self._idle(name)
        known = self.conversations.get(source)
        if known is None or known.thread.id is None:
            raise ThreadNotFoundError(f"The thread {source} has no turn yet, so there is nothing to fork.")
        thread = self._bridge.call(partial(self.codex.fork_thread, known.thread.id, known.thread.options))
        self.conversations[name] = Conversation(name, thread, past=known.history)
        self._changed(name)
        return self.conversations[name]

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
            )
            if attached:
                labels = "\n".join(f"[Image #{number}]: {one.label}" for number, one in enumerate(attached, 1))
                prompt = [TextInput(text=labels), *(one.input for one in attached), *normalize_input(prompt)]
            if context is not None and context.text:
                prompt = [TextInput(text=context.text), *normalize_input(prompt)]
            conversation.info = info
            budget = None if max_tokens is None else Budget(max_tokens, self._home, conversation.thread.id)
            asks = (options.approval_policy or "never") != "never"
            shown = self._display(info, show)
            if background and isinstance(shown, LiveDisplay):
                shown.reserve()
            running = conversation.running = self._bridge.start(conversation.thread, prompt, turn_options, asks=asks, budget=budget)
            conversation.follower = None
            if background:
                arguments = (conversation, running, shown, info, text)
                conversation.follower = threading.Thread(target=self._finish, args=arguments, daemon=True, name="codex-display")
        self._changed(name)
        if conversation.follower is not None:
            conversation.follower.start()
            return running
        interrupted = self._finish(conversation, running, shown, info, text)
        if interrupted or (isinstance(running.error, TurnInterruptedError) and not isinstance(running.error, TurnTimeoutError)):
            raise CodexInterrupted(running.turn) from None
        if running.error is not None and raise_errors:
            raise running.error
        self._just_shown = running.turn
        return running.turn

    def tokens(self, conversation: Conversation) -> int | None:
        """The tokens that a thread has used so far, also while a turn runs; None if they are not known."""
        return None if conversation.thread.id is None else thread_tokens(self._home, conversation.thread.id)

    @property
    def _home(self) -> Path:
        """The CODEX_HOME of the client."""
        env = self.codex.options.env
        return codex_home(os.environ if env is None else env)

    def change_transport(self, transport: TransportName) -> None:
        """Have something else run the turns to come, of the threads in use too. Stops what runs."""
        if transport == self.transport:
            return
        self.transport = transport
        if self._codex is None:
            return
        self.stop()
        self._bridge.call(self._codex.aclose)
        self._codex = Codex(self._codex.options, transport=transport)
        for conversation in self.conversations.values():
            known, options = conversation.thread.id, conversation.thread.options
            conversation.thread = self._codex.start_thread(options) if known is None else self._codex.resume_thread(known, options)

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

    def release(self) -> None:
        """Let go of the threads, so that other programs can go on with them.

        Raises:
            ThreadBusyError: If a turn runs.
        """
        if self._codex is not None:
            self._bridge.call(self._codex.release)

    def show(self, conversation: Conversation) -> None:
        """Show the last turn of a thread again: live if it runs, until it has ended or an interrupt ends the showing; else whole."""
        running = conversation.running
        if running is None or running.finished:
            conversation.wait()
            show_turn(conversation.turns[-1].turn, conversation.turns[-1].info)
            return
        shown = self._display(conversation.info, "live")
        for turn in running.updates():
            shown.update(turn)
        shown.finish(running.turn, running.elapsed, running.written, running.decisions)

    def display(self, turn: Turn) -> None:
        """Show a turn where the code runs: whole, but not as the value of the very cell that has shown it live."""
        if turn is not self._just_shown:
            show_turn(turn, next((past.info for past in self.turns if past.turn is turn), TurnInfo()))

    @property
    def turns(self) -> Iterator[ExportedTurn]:
        """All turns of this kernel that have ended, thread by thread."""
        for conversation in self.conversations.values():
            yield from conversation.turns

    def stop(self, name: str | None = None) -> int:
        """Stop the turns that run, and wait until they have ended.

        Args:
            name: The thread's name; None is every one.

        Returns:
            How many were stopped.
        """
        stopped = [one for one in self.running if name in (None, one.name)]
        for conversation in stopped:
            if conversation.running is not None:
                conversation.running.stop("The turn was stopped.")
        for conversation in stopped:
            conversation.wait()
        return len(stopped)

    def close(self) -> None:
        """Stop what runs and free everything."""
        for close in list(self.closers):
            close()
        self._shell.events.unregister("post_run_cell", self._end_of_cell)
        self.use(None)
        self._bridge.close()

    def _finish(self, conversation: Conversation, running: RunningTurn, shown: TurnDisplay, info: TurnInfo, text: str) -> bool:
        """Follow a turn to its end and keep it. Whether an interrupt ended it; further interrupts cannot cut its end short."""
        interrupted = False
        while not running.finished:
            try:
                for turn in running.updates():
                    shown.update(turn)
                    question = running.question
                    if question is not None and conversation.follower is None:
                        running.answer(question, ask(question))
                    elif question is not None and not running.answered_elsewhere:
                        # In the background, the keyboard belongs to whatever cell runs.
                        running.answer(question, "decline")
            except KeyboardInterrupt:
                interrupted = True
                running.stop()
        shown.finish(running.turn, running.elapsed, running.written, running.decisions)
        if running.turn.thread_id is not None:
            info = dataclasses.replace(info, elapsed=running.elapsed, written=running.written, decisions=running.decisions)
            conversation.turns.append(ExportedTurn(text, running.turn, info))
            self._remember(conversation)
        self._changed(conversation.name)
        return interrupted and running.turn.status != "completed"

    def _idle(self, name: str) -> None:
        if any(one.name == name for one in self.running):
            raise ThreadBusyError(f"A turn of the thread {name} runs in the background: `%codex wait` or `%codex stop`, or use -t NAME.")

    def _changed(self, name: str) -> None:
        for observer in list(self.observers):
            observer(name)

    @property
    def notebook(self) -> Path | None:
        """The notebook that threads are remembered for; None in demo mode, or if it is not known."""
        return None if self._demo is not None else notebook_path(self._shell)

    def _remember(self, conversation: Conversation) -> None:
        path, record = self.notebook, conversation.record
        if path is not None and record is not None:
            self.warning = self._store.save(path, NotebookRecord(record.name, (record,)))

    def _tell_of_earlier_thread(self, name: str) -> None:
        """Say once that an earlier kernel left a thread which this one does not continue by itself."""
        known = self.conversations.get(name)
        if self._told or (known is not None and known.thread.id is not None):
            return
        self._told = True
        remembered = self.remembered
        if remembered.warning:
            print(remembered.warning)
        earlier = next((one for one in remembered.threads if one.name == name), None)
        if earlier is not None:
            turns = f"{earlier.turns} turn{'s' if earlier.turns != 1 else ''}"
            print(f"An earlier thread of this notebook exists ({turns}, {earlier.updated[:10]}); `%codex resume` continues it.")

    def _end_of_cell(self, _result: object) -> None:
        self._just_shown = None

    def _display(self, info: TurnInfo, show: Show) -> TurnDisplay:
        if show != "live":
            return AnswerDisplay((lambda bundle: display(bundle, raw=True)) if show == "answer" else None)
        return LiveDisplay(info, _publish) if hasattr(self._shell, "kernel") else TerminalDisplay(info)


def show_turn(turn: Turn, info: TurnInfo) -> None:
    """Show a turn where the code runs, whole, in one output."""
    display(turn_bundle(turn, info), raw=True)


def show_past(past: ExportedTurn) -> None:
    """Show a turn that no cell here has asked for, with what it was asked."""
    if past.prompt:
        display(prompt_bundle(past.prompt), raw=True)
    show_turn(past.turn, past.info)


def _publish(bundle: dict[str, Any], display_id: str, update: bool, metadata: dict[str, Any]) -> None:
    display(bundle, raw=True, display_id=display_id, update=update, metadata=metadata)
