"""Run prompts on the threads of a notebook: compose, start, show and keep their turns."""

import threading
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, cast

from IPython.core.interactiveshell import InteractiveShell

from codex_jupyter._library_logs import quiet
from codex_jupyter.notebook.cell_tools.page import NotebookPage
from codex_jupyter.notebook.consent.grants import Grant, GrantStore, NotebookGrants
from codex_jupyter.notebook.display.front_end import can_be_asked
from codex_jupyter.notebook.namespace import notebook_namespace
from codex_jupyter.notebook.persistence.notebook_file import notebook_path
from codex_jupyter.notebook.persistence.thread_store import SavedThread, ThreadStore
from codex_jupyter.notebook.session.client import NotebookClient
from codex_jupyter.notebook.session.followed_turn import FollowedTurn
from codex_jupyter.notebook.session.interrupts import CodexInterrupted, Interrupts
from codex_jupyter.notebook.session.keyboard import Keyboard, ask
from codex_jupyter.notebook.session.prompts import ComposedPrompt, PromptComposer
from codex_jupyter.notebook.session.registry import ThreadRegistry
from codex_jupyter.notebook.session.request import NO_CELL, PromptOverrides, PromptRequest, PromptSettings, build_request
from codex_jupyter.notebook.session.running_turn import RunningTurn
from codex_jupyter.notebook.session.thread_tools import NotebookTools
from codex_jupyter.notebook.session.turn_outputs import TurnOutputs
from codex_jupyter.notebook.session.turn_setup import TurnSetup
from codex_jupyter.notebook.session.undo import Undo
from codex_jupyter.sdk import (
    BudgetExceededError,
    Codex,
    SnapshotStore,
    Turn,
    TurnInterruptedError,
    TurnTimeoutError,
    UnsupportedOperationError,
)
from codex_jupyter.sdk.codex import TransportName

if TYPE_CHECKING:
    from codex_jupyter.notebook.context import ContextCollector
    from codex_jupyter.notebook.images.display_log import DisplayLog
    from codex_jupyter.sdk.approval_rules import PermanentApproval
    from codex_jupyter.testing import ScriptedModel

_T = TypeVar("_T")


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
        page: The page of the notebook. None if there is none.
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
        page: NotebookPage | None = None,
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
        self.outputs: TurnOutputs = TurnOutputs(shell, settings, self.threads)
        """The turns in the outputs of cells."""
        self.prompts: PromptComposer = PromptComposer(shell, collector, display_log)
        self.grants: NotebookGrants = NotebookGrants(lambda: self.threads.notebook, lambda: GrantStore(self.threads.store.folder))
        """The rights that the user has granted for this notebook."""
        self.tools: NotebookTools = NotebookTools(shell, collector, display_log, self.grants, page or NotebookPage())
        """The tools of the threads, and the record of what left the kernel."""
        self.snapshots: SnapshotStore = SnapshotStore(self._store.folder.parent / "snapshots")
        """The files before and after the turns."""
        self.setup: TurnSetup = TurnSetup(shell, self.client, self.tools, (self._store.folder, self.snapshots.folder))
        """The effective options of the turns."""
        self.undo: Undo = Undo(self.threads, self.client, self.snapshots)
        """Takes turns back."""
        self.approvals: list[PermanentApproval | Grant] = []
        """The permanent approvals and grants that `%codex rules` has listed, so that its numbers stay valid."""
        self.closers: list[Callable[[], object]] = []
        """Called before the session is closed."""
        self.last_request: PromptRequest | None = None
        """The last prompt that a cell has run."""
        self._starting = threading.Lock()
        """Locked while a turn starts, because a cell and a chat may start one at the same time."""

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
        if request.display != "nothing":
            self.last_request = request
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
            self.outputs.print_notices(request.thread)
        conversation = self.threads.last = self.threads.conversation(request.thread)
        cli, options = self.setup.options(request.thread_options)
        turn_options = self.tools.bind(conversation, request, self.client.codex)
        conversation.info = info = self.setup.info(prompt, options, cli)
        shown = self.outputs.open(info, request)
        conversation.thread.snapshots = self.snapshots if self.settings.snapshots and self.snapshots.supported else None
        running = RunningTurn(
            conversation.thread,
            prompt.input,
            turn_options,
            self.client.home,
            asks=(options.approval_policy or "never") != "never",
            # What the demo allowed would apply to other notebooks, and after its end.
            permanent=request.permanent_approvals and self.client.demo is None,
            review=request.review,
        )
        self.tools.start_turn(conversation, request, running)
        self.tools.record(conversation, prompt)
        conversation.follower = conversation.repeat = None
        followed = FollowedTurn(
            conversation,
            running,
            shown,
            info,
            options,
            conversation.thread.options,
            prompt.user_prompt,
            partial(store_result, self.shell.user_ns, request) if request.output_variable else None,
            self.keyboard,
            self.threads.record,
            self.threads.remember_quietly,
            self.setup.shown_notes,
            self.threads.notify,
        )
        if request.background and can_be_asked(self.shell):
            running.questions.ask_in_wait = partial(ask, keyboard=self.keyboard)
        if request.background:
            conversation.repeat = shown.repeat
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
                self.outputs.shown(running)
                return running
        except BaseException:
            running.stop("The turn was stopped, because the notebook could not follow it.")
            conversation.follower = None
            followed.finish(interrupts)
            raise
        interrupted = followed.finish(interrupts)
        # The errors of a limit give it. Other interruptions were wanted.
        limited = isinstance(running.error, TurnTimeoutError | BudgetExceededError)
        if interrupted or (isinstance(running.error, TurnInterruptedError) and not limited):
            raise CodexInterrupted(running.turn) from None
        if running.error is not None and request.raise_errors:
            raise running.error
        self.outputs.shown(running.turn)
        return running.turn

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
        self.outputs.close()
        self.use(None)
        self.client.event_loop.close()

    @property
    def keyboard(self) -> Keyboard:
        """The keyboard that questions are asked at."""
        return Keyboard(terminal=not hasattr(self.shell, "kernel"))


def store_result(namespace: dict[str, Any], request: PromptRequest, turn: Turn) -> None:
    """Store the answer of a turn, or the value of its schema, in the variable that the request names."""
    has_schema = request.turn_options.output_schema is not None
    namespace[request.output_variable] = turn.parsed if has_schema else turn.final_response
