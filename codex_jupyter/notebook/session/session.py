"""Run prompts on the threads of a notebook: compose, start, show and keep their turns."""

import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, cast

from IPython.core.interactiveshell import InteractiveShell

from codex_jupyter._library_logs import quiet
from codex_jupyter.notebook.display.finished_items_display import FinishedItemsDisplay
from codex_jupyter.notebook.display.front_end import applies_updates
from codex_jupyter.notebook.display.live_display import AnswerDisplay, LiveDisplay
from codex_jupyter.notebook.display.terminal_display import TerminalDisplay, status_line
from codex_jupyter.notebook.display.turn_display import SafeDisplay, TurnDisplay
from codex_jupyter.notebook.images.display_log import display_own
from codex_jupyter.notebook.namespace import notebook_namespace
from codex_jupyter.notebook.persistence.finished_turn import FinishedTurn
from codex_jupyter.notebook.persistence.notebook_file import notebook_path
from codex_jupyter.notebook.persistence.thread_store import SavedThread, ThreadStore
from codex_jupyter.notebook.render import TurnInfo, prompt_bundle, turn_bundle
from codex_jupyter.notebook.session.client import NotebookClient
from codex_jupyter.notebook.session.cut_output import CutOutput
from codex_jupyter.notebook.session.followed_turn import FollowedTurn
from codex_jupyter.notebook.session.interrupts import Interrupts
from codex_jupyter.notebook.session.keyboard import Keyboard
from codex_jupyter.notebook.session.notebook_thread import MAIN, NotebookThread
from codex_jupyter.notebook.session.prompts import ComposedPrompt, PromptComposer
from codex_jupyter.notebook.session.registry import ThreadRegistry
from codex_jupyter.notebook.session.request import NO_CELL, DisplayMode, PromptOverrides, PromptRequest, PromptSettings, build_request
from codex_jupyter.notebook.session.running_turn import RunningTurn
from codex_jupyter.notebook.session.thread_tools import NotebookTools
from codex_jupyter.notebook.session.token_budget import Budget
from codex_jupyter.notebook.workspace.kernel_files import kernel_files
from codex_jupyter.sdk import (
    Codex,
    CodexCli,
    CodexError,
    ThreadOptions,
    Turn,
    TurnInterruptedError,
    TurnTimeoutError,
    UnsupportedOperationError,
)
from codex_jupyter.sdk.codex import TransportName
from codex_jupyter.sdk.executable.environment import find_cli
from codex_jupyter.sdk.executable.sandbox_check import folder_problem
from codex_jupyter.sdk.executable.workspace import absolute

if TYPE_CHECKING:
    from codex_jupyter.notebook.context import ContextCollector
    from codex_jupyter.notebook.images.display_log import DisplayLog
    from codex_jupyter.sdk.approval_rules import PermanentApproval
    from codex_jupyter.testing import ScriptedModel

_T = TypeVar("_T")


class CodexInterrupted(KeyboardInterrupt):
    """Raised when the user interrupted a turn. Ends the cell with one line, and a *Run All* with it.

    Attributes:
        turn: The turn with everything that it did.
    """

    def __init__(self, turn: Turn) -> None:
        subject = "The turn was complete when it" if turn.status == "completed" else "The turn"
        super().__init__(f"{subject} was interrupted. The next %%codex cell continues the same thread.")
        self.turn = turn

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class NotebookSession:
    """The service that fronts use: it runs prompts on the threads of a notebook.

    Args:
        shell: The notebook's shell.
        settings: Settings of the notebook, which requests are built from.
        collector: Collects what the kernel reports.
        display_log: Images that the notebook displayed.
        store: Where threads are remembered across kernels.
        folder: The notebook's folder, if the front end does not report it. None is unknown.
        transport: Transport of the turns; see `Codex`.
        open_chat: Opens a chat on the thread of a name. None if there is no chat.
    """

    def __init__(
        self,
        shell: InteractiveShell,
        settings: PromptSettings,
        collector: "ContextCollector",
        display_log: "DisplayLog",
        *,
        store: ThreadStore | None = None,
        folder: Path | None = None,
        transport: TransportName = "exec",
        open_chat: Callable[[str], object] | None = None,
    ) -> None:
        quiet()
        self.shell: Any = shell
        self.settings = settings
        self.open_chat = open_chat
        """Opens a chat on the thread of a name."""
        self.collector = collector
        """Collects what the kernel reports."""
        self.display_log = display_log
        """Images that the notebook displayed."""
        notebook = notebook_path(shell)
        self._store = store or ThreadStore()
        self.client: NotebookClient = NotebookClient(notebook.parent if notebook is not None else folder or Path.home(), transport)
        """The Codex client, and what answers instead of it."""
        self.threads: ThreadRegistry = ThreadRegistry(shell, self.client, self._store)
        """The threads by their names."""
        self.prompts: PromptComposer = PromptComposer(shell, collector, display_log)
        self.tools: NotebookTools = NotebookTools(shell, collector, display_log)
        """The tools of the threads, and the record of what left the kernel."""
        self.approvals: list[PermanentApproval] = []
        """The permanent approvals that `%codex rules` has listed, so that its numbers stay valid."""
        self.closers: list[Callable[[], object]] = []
        """Called before the session is closed."""
        self._just_shown: Turn | None = None
        self._warning_shown: str | None = None
        self._shown_notes = set[str]()
        """Notes about the codex executable that a header has shown."""
        self._cut_output = CutOutput()
        self._starting = threading.Lock()
        """Locked while a turn starts, because a cell and a chat may start one at the same time."""
        shell.events.register("post_run_cell", self._end_of_cell)
        self._formatter.for_type(Turn, self.display)

    # Prompts.

    def request(self, text: str, **overrides: Unpack[PromptOverrides]) -> PromptRequest:
        """Build the request of a prompt that no cell wrote, such as a chat's.

        Args:
            text: The prompt.
            overrides: Options that replace the notebook's settings.

        Raises:
            UsageError: If an option cannot be used.
        """
        return build_request(self.settings, notebook_namespace(self.shell), text, **cast("PromptOverrides", {**NO_CELL, **overrides}))

    def run(self, request: PromptRequest) -> Turn | RunningTurn:
        """Run a prompt and show its turn in the running cell. Call it on the main thread, unless nothing is shown.

        Args:
            request: The request.

        Returns:
            The completed turn, or the running one if the request is for the background. As the value of the same cell it is not
            shown again.

        Raises:
            CodexInterrupted: If the kernel was interrupted meanwhile. Nothing of the turn runs any more.
            ThreadBusyError: If a turn of the thread runs in the background.
            InputError: If an image does not exist or cannot be sent.
            UsageError: If there is no thread to resume, or the context is not valid.
            CodexError: As `Thread.run` does. What the turn did until then stays on screen, in `.turn` and in the thread.
        """
        earlier = self._earlier(request)
        if earlier is not None:
            self.threads.adopt(request.thread, *earlier)
        elif request.new:
            self.threads.new_thread(request.thread)
        key = self.threads.conversation(request.thread).key
        prompt = self.prompts.compose(request, key)
        with Interrupts() as interrupts:
            with self._starting:
                followed = self._start(prompt, interrupts)
            result = self._follow(followed, request, interrupts)
        self.prompts.mark_sent(prompt, key)
        return result

    def preview(self, request: PromptRequest) -> tuple[ComposedPrompt, str | None]:
        """Return what `run` would send, and the id of the thread that would be continued. Changes nothing."""
        earlier = self._earlier(request)
        if earlier is not None:
            return self.prompts.compose(request, None), earlier[0]
        conversation = None if request.new else self.threads.conversations.get(request.thread)
        if conversation is None:
            return self.prompts.compose(request, None), None
        return self.prompts.compose(request, conversation.key), conversation.thread.id

    def _earlier(self, request: PromptRequest) -> tuple[str, SavedThread | None] | None:
        """Return the thread that a request resumes: its id, and its record if it is remembered."""
        threads, name = self.threads, request.thread
        if request.resume:
            return threads.find(request.resume, name)
        if not request.resume_first or name in threads.conversations:
            return None
        if request.resume_first != "last":
            return threads.find(request.resume_first, name)
        record = threads.earlier(name, asked=False)
        return None if record is None else (record.id, record)

    def _start(self, prompt: ComposedPrompt, interrupts: Interrupts) -> FollowedTurn:
        """Start a turn, and prepare what shows it. An interrupt before the start prevents it, and a later one is noticed by `_follow`."""
        with interrupts.raising():
            followed = self._prepared(prompt)
        followed.conversation.thread.options = followed.options
        self.client.event_loop.start(followed.running.run)
        followed.conversation.running = followed.running
        return followed

    def _prepared(self, prompt: ComposedPrompt) -> FollowedTurn:
        """Prepare a turn, and what shows it."""
        request = prompt.request
        self.threads.check_idle(request.thread)
        if request.display != "nothing":
            self._mention_earlier_thread(request.thread)
            if notice := self._cut_output.notice(self.shell, self.threads.notebook):
                print(notice)
        conversation = self.threads.last = self.threads.conversation(request.thread)
        cli, options = self._effective_options(request.thread_options)
        turn_options = self.tools.bind(conversation, request, self.client.codex)
        conversation.info = info = self._info(prompt, options, cli)
        thread_id = conversation.thread.id
        budget = None if request.max_tokens is None else Budget(request.max_tokens, self.client.codex_home, thread_id)
        shown = self._display(info, request.display, background=request.background)
        self._cut_output.shown(self.shell, info.began if isinstance(shown, LiveDisplay) else None)
        if request.background and isinstance(shown, LiveDisplay):
            shown.reserve()
        running = RunningTurn(
            conversation.thread,
            prompt.input,
            turn_options,
            self.client.home,
            asks=(options.approval_policy or "never") != "never",
            # What the demo allowed would apply to other notebooks, and after its end.
            permanent=request.permanent_approvals and self.client.demo is None,
            budget=budget,
        )
        self.tools.start_turn(conversation, request, running)
        self.tools.record(conversation, prompt)
        conversation.follower = conversation.repeat = None
        followed = FollowedTurn(
            conversation,
            running,
            SafeDisplay(shown, _show_bundle),
            info,
            options,
            conversation.thread.options,
            prompt.user_prompt,
            partial(store_result, self.shell.user_ns, request) if request.output_variable else None,
            self._keyboard,
            self.threads.record,
            self.threads.notify,
        )
        if request.background:
            conversation.repeat = shown.repeat if isinstance(shown, LiveDisplay) else None
            conversation.follower = threading.Thread(target=followed.finish, daemon=True, name="codex-display")
        return followed

    def _follow(self, followed: FollowedTurn, request: PromptRequest, interrupts: Interrupts) -> Turn | RunningTurn:
        """Wait for a turn and raise its error. A turn in the background is returned while it runs."""
        conversation, running = followed.conversation, followed.running
        try:
            self.threads.notify(request.thread)
            if conversation.follower is not None:
                if interrupts.pending:
                    raise KeyboardInterrupt
                conversation.follower.start()
                return running
        except BaseException:
            running.stop("The turn was stopped, because the notebook could not follow it.")
            conversation.follower = None
            followed.finish(interrupts)
            raise
        interrupted = followed.finish(interrupts)
        if interrupted or (isinstance(running.error, TurnInterruptedError) and not isinstance(running.error, TurnTimeoutError)):
            raise CodexInterrupted(running.turn) from None
        if running.error is not None and request.raise_errors:
            raise running.error
        self._just_shown = running.turn
        return running.turn

    def _effective_options(self, options: ThreadOptions) -> tuple[CodexCli | None, ThreadOptions]:
        """Return the codex executable and the options of a turn. The executable is None if there is none; the turn then raises."""
        if not self.client.sandboxed:
            options = ThreadOptions.of(options, {"sandbox_mode": "danger-full-access"})
        try:
            cli = find_cli(self.client.codex.options, options)
        except CodexError:
            cli = None
        protected = kernel_files(
            self.shell, cli, [self.client.codex_home, self._store.folder], make_missing=options.sandbox_mode != "read-only"
        )
        return cli, ThreadOptions.of(options, {"read_only_paths": (*options.read_only_paths, *protected)})

    def _info(self, prompt: ComposedPrompt, options: ThreadOptions, cli: CodexCli | None) -> TurnInfo:
        notes = tuple(note for note in cli.notes if note not in self._shown_notes) if cli is not None else ()
        self._shown_notes.update(notes)
        folder = Path(options.working_directory or self.client.home)
        env = self.client.codex.options.env
        if (problem := folder_problem(folder, os.environ if env is None else env, options.sandbox_mode)) is not None:
            notes = (*notes, problem)
        name = prompt.request.thread
        return TurnInfo(
            model=options.model,
            sandbox=options.sandbox_mode,
            cwd=str(absolute(options.working_directory or Path())),
            thread_name=None if name == MAIN else name,
            demo=self.client.demo is not None,
            kernel=self.tools.effective(prompt.request),
            context=prompt.context.text,
            context_summary=prompt.context.summary() if prompt.context.text else "",
            attached=tuple(image.thumbnail for image in prompt.attachments),
            prompt=prompt.user_prompt,
            began=time.time(),
            notes=notes,
        )

    # Turns that run or have ended.

    def steer(self, text: str, name: str | None = None) -> None:
        """Add to the prompt of the turn that runs in the background.

        Args:
            text: The text to add.
            name: The thread's name. None is any thread.

        Raises:
            UnsupportedOperationError: If no turn runs, or its transport cannot steer it.
        """
        running = next((thread.running for thread in self.threads.running if name in (None, thread.name)), None)
        if running is None:
            raise UnsupportedOperationError("No turn runs that could take more input.")
        self.client.event_loop.call(running.steer, text)

    def show(self, conversation: NotebookThread) -> None:
        """Show the last turn of a thread again. A running turn is shown live until it ends or an interrupt ends the display.

        A turn whose output was cut, which a cell has mentioned, is shown first, once.
        """
        cut = next((past for past in self.threads.turns if past.info.began is not None and past.info.began == self._cut_output.began), None)
        self._cut_output = CutOutput()
        if cut is not None:
            show_turn(cut.turn, cut.info)
            return
        running = conversation.running
        if running is None or running.finished:
            conversation.wait()
            show_turn(conversation.turns[-1].turn, conversation.turns[-1].info)
            return
        shown = SafeDisplay(self._display(conversation.info, "live"), _show_bundle)
        for turn in running.updates():
            shown.update(turn)
        shown.finish(running.turn, running.complete_info(conversation.info))

    def display(self, turn: Turn) -> None:
        """Show a turn where the code runs, except as the value of the cell that has just shown it live."""
        if turn is not self._just_shown:
            show_turn(turn, self._info_of(turn))
        elif not hasattr(self.shell, "kernel"):
            print("the turn above")  # after an `Out[1]:` that is already written

    def show_warning(self) -> None:
        """Print a problem with remembering the threads, once."""
        warning = self.threads.warning
        if warning is not None and warning != self._warning_shown:
            self._warning_shown = warning
            print(warning)

    # The client.

    def call(self, function: Callable[..., Awaitable[_T]], *args: Any) -> _T:
        """Run a coroutine function of the client on its event loop. An interrupt of the kernel cancels it."""
        return self.client.call(function, *args)

    def use(self, client: "Codex | ScriptedModel | None", *, sandboxed: bool = True) -> None:
        """Let another client run the next turns, in new threads.

        Args:
            client: A client; or a scripted model, which is started if necessary and answers instead of a real one; or None for the
                user's own Codex.
            sandboxed: Run turns in the sandbox that they ask for. False is for scripts that are known to be harmless, on machines
                without a sandbox.

        Raises:
            CodexError: If the scripted model cannot start. The present client stays in use.
        """
        self.client.replace(client, sandboxed=sandboxed, before_close=self.threads.stop)
        self.approvals = []
        self.threads.clear()

    def change_transport(self, transport: TransportName) -> None:
        """Use another transport for the next turns, also of the threads in use. Stops running turns."""
        if transport == self.client.transport:
            return
        if self.client.started:
            self.threads.stop()
        if self.client.reconnect(transport):
            self.threads.reconnect()

    def close(self) -> None:
        """Stop what runs and close the client."""
        for close in list(self.closers):
            close()
        self.shell.events.unregister("post_run_cell", self._end_of_cell)
        self._formatter.pop(Turn, None)
        self.use(None)
        self.client.event_loop.close()

    @property
    def _formatter(self) -> Any:
        return self.shell.display_formatter.ipython_display_formatter

    def _info_of(self, turn: Turn) -> TurnInfo:
        """Return what is known about a turn. The result of a turn in the background may exist before its display is complete."""
        for conversation in self.threads.conversations.values():
            if conversation.running is not None and conversation.running.turn is turn and conversation.follower is not None:
                conversation.follower.join()
        return next((past.info for past in self.threads.turns if past.turn is turn), TurnInfo())

    def _mention_earlier_thread(self, name: str) -> None:
        """Print once that an earlier kernel left a thread which this one does not continue by itself."""
        threads = self.threads
        current = threads.conversations.get(name)
        if name in threads.resolved or (current is not None and current.thread.id is not None):
            return
        threads.resolved.add(name)
        remembered = next((record for record in threads.remembered.threads if record.name == name), None)
        self.show_warning()
        record = remembered or next((record for record in threads.named if record.name == name), None)
        if record is None:
            return
        which = "" if name == MAIN else f" {name}"
        turns = f"{record.turns} turn{'s' if record.turns != 1 else ''}"
        exists = (
            f"An earlier thread{which} of this notebook exists ({turns}, {record.updated[:10]})"
            if record is remembered
            else f"The saved outputs of this notebook name an earlier thread{which} ({turns})"
        )
        print(f"{exists}; `%codex resume{which}` continues it.")

    @property
    def _keyboard(self) -> Keyboard:
        return Keyboard(terminal=not hasattr(self.shell, "kernel"))

    def _end_of_cell(self, _result: object) -> None:
        self._just_shown = None

    def _display(self, info: TurnInfo, mode: DisplayMode, *, background: bool = False) -> TurnDisplay:
        if mode != "live":
            return AnswerDisplay(_show_bundle if mode == "answer" else None)
        if not hasattr(self.shell, "kernel"):
            return TerminalDisplay(info, status=status_line if sys.stdout.isatty() and not background else None)
        updates = applies_updates(self.shell, self.settings.live_updates)
        if updates is False:
            return FinishedItemsDisplay(info, _show_bundle)
        return LiveDisplay(info, _publish, repeat_answer=updates is None)


def store_result(namespace: dict[str, Any], request: PromptRequest, turn: Turn) -> None:
    """Store the answer of a turn, or the value of its schema, in the variable that the request names."""
    has_schema = request.turn_options.output_schema is not None
    namespace[request.output_variable] = turn.parsed if has_schema else turn.final_response


def show_turn(turn: Turn, info: TurnInfo) -> None:
    """Show a whole turn in one output, where the code runs."""
    display_own(turn_bundle(turn, info))


def show_past(past: FinishedTurn) -> None:
    """Show a turn that no cell here has run, with its prompt."""
    if past.prompt:
        display_own(prompt_bundle(past.prompt))
    show_turn(past.turn, past.info)


def _show_bundle(bundle: dict[str, Any]) -> None:
    display_own(bundle)


def _publish(bundle: dict[str, Any], display_id: str, update: bool, metadata: dict[str, Any]) -> None:
    display_own(bundle, display_id=display_id, update=update, metadata=metadata)
