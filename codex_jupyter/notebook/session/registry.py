"""The threads of a notebook by their names, the client that they belong to, and what is remembered of them across kernels."""

import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from IPython.core.interactiveshell import InteractiveShell

from codex_jupyter.notebook.persistence.finished_turn import FinishedTurn
from codex_jupyter.notebook.persistence.history import fuller, named_threads, saved_turns, stored_turns
from codex_jupyter.notebook.persistence.notebook_file import notebook_path
from codex_jupyter.notebook.persistence.thread_store import SavedNotebook, SavedThread, ThreadStore
from codex_jupyter.notebook.render import TurnInfo
from codex_jupyter.notebook.session.conversation import MAIN, Conversation
from codex_jupyter.notebook.session.event_loop import Bridge
from codex_jupyter.sdk import Codex, CodexCli, CodexError, InputError, ThreadBusyError, ThreadHistory, ThreadNotFoundError, ThreadSummary
from codex_jupyter.sdk.codex import TransportName
from codex_jupyter.sdk.rollouts import codex_home, stored_usage

_log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from codex_jupyter.sdk.approval_rules import PermanentApproval
    from codex_jupyter.testing import ScriptedModel

_T = TypeVar("_T")


class NotebookThreads:
    """The Codex client of a notebook and its threads; how a turn of one is run is the matter of `NotebookSession`.

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
        self._told = set[str]()
        """The names of which the user knows what thread the next prompt goes on with."""
        self._retired: list[Conversation] = []
        """Threads of this client whose names stand for others now, oldest first."""
        self.turns: list[FinishedTurn] = []
        """All turns of this client that have ended, oldest first."""
        self._named = dict[Path, tuple[SavedThread, ...]]()
        """The threads that the outputs of a notebook named when it was first examined."""
        self.observers: list[Callable[[str], None]] = []
        """Called with a thread's name when a turn of it has begun or ended, or the name stands for another thread; from any thread."""
        self.approvals: list[PermanentApproval] = []
        """What `%codex rules` has listed, so that its numbers stay true."""
        self.warning: str | None = None
        """What went wrong with remembering the threads of this notebook; None if nothing."""

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
        return self.call(self.codex.locate)

    @property
    def running(self) -> list[Conversation]:
        """The threads with a turn that runs."""
        return [one for one in self.conversations.values() if one.running is not None and not one.running.finished]

    @property
    def remembered(self) -> SavedNotebook:
        """What earlier kernels of this notebook left, in demo mode or without it; nothing if the notebook has no name yet."""
        path = self.notebook
        if path is None:
            return SavedNotebook(MAIN)
        record = self.store.load(path)
        self.warning = record.warning or self.warning
        return record

    @property
    def named(self) -> list[SavedThread]:
        """The threads that only the saved outputs of the notebook name; see `named_threads`. Nothing continues them unasked."""
        path = self.notebook
        if path is None or self._demo is not None:
            return []
        if path not in self._named:
            try:
                self._named[path] = named_threads(self._store, path, self.home)
            except Exception:  # the file may be of anyone
                _log.debug("The outputs of %s cannot be read.", path, exc_info=True)
                self._named[path] = ()
        known = {record.id for record in self._known}
        return [record for record in self._named[path] if record.id not in known]

    @property
    def _known(self) -> list[SavedThread]:
        """The threads of this kernel and of earlier ones."""
        remembered = self.remembered
        present = [one.record for one in (*self._retired, *self.conversations.values())]
        return [record for record in (*remembered.threads, *remembered.earlier, *present) if record is not None]

    @property
    def records(self) -> list[SavedThread]:
        """All threads that are known: those in use, those whose names stand for others now, and those of earlier kernels. Each once.

        Those that only the saved outputs name come first.
        """
        return list({record.id: record for record in (*self.named, *self._known)}.values())

    def earlier(self, name: str | None = None, *, asked: bool = True) -> SavedThread | None:
        """The thread that `resume` goes on with: of those of a name the one that was used last, but not the one that was begun since.

        Args:
            name: The name; None is any, the notebook's own thread before others.
            asked: If the user asks for it now. Otherwise a thread that only the saved outputs name is left out.
        """
        own = MAIN if name is None else name
        current = self.conversations.get(own)
        now = current.record if current is not None else None
        if now is not None and current is not None and current.resumed:
            return now
        known = sorted((one for one in self._known if now is None or one.id != now.id), key=lambda one: one.updated)
        others = [*(self.named if asked else ()), *known]
        found = [one for one in others if one.name == own] or ([now] if now else []) or (others if name is None else [])
        return found[-1] if found else None

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

    def call(self, function: "Callable[..., Awaitable[_T]]", *args: Any) -> _T:
        """Run a coroutine function of the client on its event loop; an interrupt of the kernel cancels it."""
        return self._bridge.wait_for(function, *args)

    def use(self, client: "Codex | ScriptedModel | None", *, sandboxed: bool = True) -> None:
        """Have another client run the turns to come, in new threads.

        Args:
            client: A client; or a scripted model, which is started if it is not, and answers instead of a real one; or None for the
                user's own Codex.
            sandboxed: Whether the turns run in the sandbox that is asked for. False is for scripts that are known to be harmless, on
                machines without a sandbox.

        Raises:
            CodexError: If the scripted model cannot start. The client in use stays.
        """
        scripted = None if isinstance(client, Codex) else client
        owned = scripted if scripted is not None and (scripted is self._started or not scripted.running) else None
        if scripted is not None:
            try:
                scripted.start()
            except OSError as error:
                raise CodexError(f"The scripted model cannot start: {error}") from None
        self.stop()
        if self._codex is not None:
            self._bridge.call(self._codex.aclose)
        if self._started is not None and self._started is not owned:
            self._started.close()
        self._codex = self.last = None
        self._demo, self._started = scripted, owned
        self._sandboxed = sandboxed
        names = list(self.conversations)
        self.conversations.clear()
        self._retired.clear()
        self.turns.clear()
        self.approvals = []
        if isinstance(client, Codex):
            self._codex = client
        elif client is not None:
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
        self._retire(name)
        self._told.add(name)
        self._changed(name)

    def adopt(self, name: str, thread_id: str, earlier: SavedThread | None = None) -> Conversation:
        """Go on with a thread of another kernel, or of the codex program, under a name.

        Raises:
            ThreadNotFoundError: If the id is no UUID; or if there is no such thread, where the transport can tell.
            ThreadBusyError: If a turn of the name's present thread runs.
        """
        self._idle(name)
        present = self.conversations.get(name)
        if present is None or present.thread.id != thread_id:
            known = next((one for one in self._retired if one.thread.id == thread_id), None)
            if known is None:
                past = self.past(name, thread_id)
                known = Conversation(name, self.codex.resume_thread(thread_id), earlier=earlier, past=past)
            self._retire(name)
            self._retired = [one for one in self._retired if one is not known]
            known.name, known.resumed = name, True
            self.conversations[name] = known
        self.last = self.conversations[name]
        self._told.add(name)
        self._changed(name)
        return self.last

    def _retire(self, name: str) -> None:
        """Let a name stand for no thread."""
        conversation = self.conversations.pop(name, None)
        if conversation is not None and conversation.thread.id is not None:
            self._retired.append(conversation)

    def past(self, name: str, thread_id: str) -> list[FinishedTurn]:
        """The turns of a thread of earlier kernels or of another program, as far as they are known.

        Args:
            name: The name that it shall have.
            thread_id: Its UUID.

        Raises:
            ThreadNotFoundError: If there is no such thread, where the transport can tell.
        """
        saved = saved_turns(self.notebook, thread_id)
        try:
            stored = self._bridge.call(partial(self._read, thread_id))
        except ThreadNotFoundError:
            raise
        except CodexError:
            return saved  # if nothing works, the next turn says why
        return fuller(saved, stored_turns(stored, TurnInfo(thread_name=None if name == MAIN else name, demo=self.demo is not None)))

    async def _read(self, thread_id: str) -> ThreadHistory:
        """Read a thread. `exec` cannot, so a server that ends at once does."""
        if self.codex.transport.has_history:
            return await self.codex.read_thread(thread_id)
        async with Codex(self.codex.options, transport="app-server") as reader:
            return await reader.read_thread(thread_id)

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
            self.warning = self.store.forget(path, name)
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
        self._retire(name)
        self.conversations[name] = Conversation(name, thread, past=known.history)
        self._changed(name)
        return self.conversations[name]

    def tokens(self, conversation: Conversation) -> int | None:
        """The tokens that a thread has used so far, also while a turn runs; None if they are not known."""
        usage = None if conversation.thread.id is None else stored_usage(self.home, conversation.thread.id)
        return None if usage is None else usage.total_tokens

    @property
    def home(self) -> Path:
        """The CODEX_HOME of the client."""
        return codex_home(self.codex.options.env)

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
        for conversation in (*self._retired, *self.conversations.values()):
            known, options = conversation.thread.id, conversation.thread.options
            conversation.thread = self._codex.start_thread(options) if known is None else self._codex.resume_thread(known, options)

    def release(self) -> None:
        """Let go of the threads, so that other programs can go on with them.

        Raises:
            ThreadBusyError: If a turn runs.
        """
        if self._codex is not None:
            self._bridge.call(self._codex.unload_threads)

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

    @property
    def notebook(self) -> Path | None:
        """The notebook that threads are remembered for; None if it is not known."""
        return notebook_path(self._shell)

    @property
    def store(self) -> ThreadStore:
        """Where threads are remembered. Those of a demo are kept apart: they must not stand for the user's own."""
        return self._store if self._demo is None else ThreadStore(self._store.folder / "demo")

    def _remember(self, conversation: Conversation) -> None:
        path, record = self.notebook, conversation.record
        if path is not None and record is not None:
            self.warning = self.store.save(path, SavedNotebook(record.name, (record,)))

    def _idle(self, name: str) -> None:
        if any(one.name == name for one in self.running):
            raise ThreadBusyError(f"A turn of the thread {name} runs in the background: `%codex wait` or `%codex stop`, or use -t NAME.")

    def _changed(self, name: str) -> None:
        for observer in list(self.observers):
            try:
                observer(name)
            except Exception:  # of a chat, which must not keep a turn from being followed
                _log.debug("An observer of the thread %s failed.", name, exc_info=True)
