"""The threads of a notebook by their names, and what is remembered of them across kernels."""

import logging
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from codex_jupyter.notebook.persistence.finished_turn import FinishedTurn
from codex_jupyter.notebook.persistence.history import named_threads
from codex_jupyter.notebook.persistence.notebook_file import notebook_path
from codex_jupyter.notebook.persistence.thread_store import SavedNotebook, SavedThread, ThreadStore
from codex_jupyter.notebook.session.client import NotebookClient
from codex_jupyter.notebook.session.notebook_thread import MAIN, NotebookThread
from codex_jupyter.notebook.session.thread_history import past_turns_of
from codex_jupyter.sdk import InputError, ThreadBusyError, ThreadNotFoundError, ThreadSummary
from codex_jupyter.sdk.rollouts import stored_usage
from codex_jupyter.sdk.thread import check_thread_id

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(__name__)


class ThreadRegistry:
    """The threads of a notebook.

    Args:
        shell: The notebook's shell.
        client: The client of the threads.
        store: Where threads are remembered across kernels.
    """

    def __init__(self, shell: Any, client: NotebookClient, store: ThreadStore) -> None:
        self.conversations: dict[str, NotebookThread] = {}
        """The threads in use, by name."""
        self.last: NotebookThread | None = None
        """The thread whose turn ran last."""
        self.turns: list[FinishedTurn] = []
        """All finished turns of the client, oldest first."""
        self.observers: list[Callable[[str], None]] = []
        """Called with a thread's name when a turn of it starts or ends, or the name stands for another thread. From any thread."""
        self.warning: str | None = None
        """Problem with remembering the threads of this notebook."""
        self.resolved: set[str] = set()
        """Names of which the user knows the thread that the next prompt continues."""
        self._shell = shell
        self._client = client
        self._store = store
        self._retired: list[NotebookThread] = []
        """Threads of this client whose names now stand for other threads, oldest first."""
        self._named = dict[Path, tuple[SavedThread, ...]]()
        """The threads that the outputs of a notebook named when it was first examined."""

    @property
    def running(self) -> list[NotebookThread]:
        """The threads with a running turn."""
        return [
            conversation
            for conversation in self.conversations.values()
            if conversation.running is not None and not conversation.running.finished
        ]

    @property
    def notebook(self) -> Path | None:
        """The notebook that threads are remembered for. None if it is not known."""
        return notebook_path(self._shell)

    @property
    def store(self) -> ThreadStore:
        """Where threads are remembered. Threads of a demo are kept apart, so that they never stand for the user's own."""
        return self._store if self._client.demo is None else ThreadStore(self._store.folder / "demo")

    @property
    def remembered(self) -> SavedNotebook:
        """The record of earlier kernels of this notebook. Empty if the notebook has no name yet."""
        path = self.notebook
        if path is None:
            return SavedNotebook(MAIN)
        record = self.store.load(path)
        self.warning = record.warning or self.warning
        return record

    @property
    def named(self) -> list[SavedThread]:
        """The threads that only the saved outputs of the notebook name; see `named_threads`. They are only continued on request."""
        path = self.notebook
        if path is None or self._client.demo is not None:
            return []
        if path not in self._named:
            try:
                self._named[path] = named_threads(self._store, path, self._client.codex_home)
            except Exception:  # the file may come from anyone
                _log.debug("The outputs of %s cannot be read.", path, exc_info=True)
                self._named[path] = ()
        present = {record.id for record in self._known}
        return [record for record in self._named[path] if record.id not in present]

    @property
    def _known(self) -> list[SavedThread]:
        """The threads of this kernel and of earlier ones."""
        remembered = self.remembered
        present = [conversation.record for conversation in (*self._retired, *self.conversations.values())]
        return [record for record in (*remembered.threads, *remembered.earlier, *present) if record is not None]

    @property
    def records(self) -> list[SavedThread]:
        """All known threads, each once: in use, retired, of earlier kernels.

        Threads that only the saved outputs name come first.
        """
        return list({record.id: record for record in (*self.named, *self._known)}.values())

    @property
    def names(self) -> list[str]:
        """The names of all threads, in use or remembered, in alphabetical order."""
        return sorted({*self.conversations, *(record.name for record in self.remembered.threads)})

    def earlier(self, name: str | None = None, *, asked: bool = True) -> SavedThread | None:
        """Return the thread that `resume` continues: the last used thread of a name, except one that was started since.

        Args:
            name: The name. None allows any name, and prefers the notebook's own thread.
            asked: The user asks for it now. Otherwise a thread that only the saved outputs name is left out.
        """
        own = MAIN if name is None else name
        current = self.conversations.get(own)
        now = current.record if current is not None else None
        if now is not None and current is not None and current.resumed:
            return now
        by_time = sorted((record for record in self._known if now is None or record.id != now.id), key=lambda record: record.updated)
        others = [*(self.named if asked else ()), *by_time]
        matching = [record for record in others if record.name == own] or ([now] if now else []) or (others if name is None else [])
        return matching[-1] if matching else None

    def find(self, which: str, name: str | None = None) -> tuple[str, SavedThread | None]:
        """Return the thread that an id, a name or `last` stands for.

        Args:
            which: What the user wrote. Empty is `last`.
            name: The name that the thread will have. None keeps its own.

        Returns:
            Its id, and its record if it is remembered.

        Raises:
            UsageError: If there is no such thread.
        """
        with suppress(ThreadNotFoundError):
            thread_id = check_thread_id(which)
            return thread_id, next((record for record in self.records if record.id == thread_id), None)
        record = self.earlier(name) if which in ("", "last") else self.earlier(which)
        if record is not None:
            return record.id, record
        if which in ("", "last"):
            raise UsageError("There is no earlier thread of this notebook. `%codex resume ID` takes any thread's id.")
        names = ", ".join(self.names) or "none"
        raise UsageError(f"There is no thread {which} (known: {names}). `%codex resume ID` takes any thread's id.")

    def stored_threads(self, limit: int, *, search: str = "", archived: bool = False) -> list[ThreadSummary]:
        """Return the threads that any program started in this folder, last changed first.

        Args:
            limit: Largest number of threads.
            search: Text that their names or titles contain.
            archived: Return the archived threads instead of the others.
        """
        return self._client.event_loop.call(partial(self._client.codex.list_threads, limit=limit, search=search, archived=archived))

    def conversation(self, name: str = MAIN) -> NotebookThread:
        """Return the thread of this name. Start one if there is none."""
        if name not in self.conversations:
            self.conversations[name] = NotebookThread(name, self._client.codex.start_thread())
        return self.conversations[name]

    def new_thread(self, name: str = MAIN) -> None:
        """Let the next turn of this name start a new thread.

        Raises:
            ThreadBusyError: If a turn of the present thread runs.
        """
        self.check_idle(name)
        self._retire(name)
        self.resolved.add(name)
        self.notify(name)

    def adopt(self, name: str, thread_id: str, earlier: SavedThread | None = None) -> NotebookThread:
        """Continue a thread of another kernel, or of the codex program, under a name.

        Raises:
            ThreadNotFoundError: If the id is not a UUID; or if there is no such thread, where the transport can find out.
            ThreadBusyError: If a turn of the name's present thread runs.
        """
        self.check_idle(name)
        present = self.conversations.get(name)
        if present is None or present.thread.id != thread_id:
            retired = next((conversation for conversation in self._retired if conversation.thread.id == thread_id), None)
            adopted = retired or self._resumed(name, thread_id, earlier)
            self._retire(name)
            self._retired = [conversation for conversation in self._retired if conversation is not adopted]
            adopted.name, adopted.resumed = name, True
            self.conversations[name] = adopted
        self.last = self.conversations[name]
        self.resolved.add(name)
        self.notify(name)
        return self.last

    def past(self, earlier: SavedThread) -> list[FinishedTurn]:
        """Return the turns of an earlier thread, as far as they are known; see `past_turns_of`."""
        return past_turns_of(self._client, self.notebook, earlier.name, earlier.id)

    def _resumed(self, name: str, thread_id: str, earlier: SavedThread | None) -> NotebookThread:
        past = past_turns_of(self._client, self.notebook, name, thread_id)
        return NotebookThread(name, self._client.codex.resume_thread(thread_id), earlier=earlier, past=past)

    def _retire(self, name: str) -> None:
        """Let a name stand for no thread."""
        conversation = self.conversations.pop(name, None)
        if conversation is not None and conversation.thread.id is not None:
            self._retired.append(conversation)

    def rename(self, name: str, to: str) -> None:
        """Give a thread another name, here and where it is remembered.

        Raises:
            ThreadBusyError: If a turn of it runs.
            ThreadNotFoundError: If there is no thread of this name.
            InputError: If there is a thread of the new name, in use or remembered.
        """
        self.check_idle(name)
        if name not in self.conversations:
            raise ThreadNotFoundError(f"There is no thread {name}.")
        if to in self.names:
            raise InputError(f"There is a thread {to} already: choose another name.")
        conversation = self.conversations.pop(name)
        conversation.name = to
        self.conversations[to] = conversation
        if (path := self.notebook) is not None:
            self.warning = self.store.forget(path, name)
            self.remember(conversation)
        self.notify(name)
        self.notify(to)

    def fork(self, source: str, name: str) -> NotebookThread:
        """Start a thread with the history of another. The other stays as it is.

        Args:
            source: The name of the thread to copy.
            name: The name of the new thread. It replaces a thread of that name.

        Raises:
            ThreadNotFoundError: If the source has no turn yet.
            ThreadBusyError: If a turn of the name's present thread runs.
        """
        self.check_idle(name)
        original = self.conversations.get(source)
        if original is None or original.thread.id is None:
            raise ThreadNotFoundError(f"The thread {source} has no turn yet, so there is nothing to fork.")
        fork = partial(self._client.codex.fork_thread, original.thread.id, original.thread.options)
        thread = self._client.event_loop.call(fork)
        self._retire(name)
        self.conversations[name] = NotebookThread(name, thread, past=original.history)
        self.notify(name)
        return self.conversations[name]

    def tokens(self, conversation: NotebookThread) -> int | None:
        """Return the tokens that a thread has used so far, also while a turn runs. None if they are not known."""
        usage = None if conversation.thread.id is None else stored_usage(self._client.codex_home, conversation.thread.id)
        return None if usage is None else usage.total_tokens

    def stop(self, name: str | None = None) -> int:
        """Stop the running turns, and wait until they have ended.

        Args:
            name: The thread's name. None stops the turns of all threads.

        Returns:
            The number of stopped turns.
        """
        stopped = [conversation for conversation in self.running if name in (None, conversation.name)]
        for conversation in stopped:
            if conversation.running is not None:
                conversation.running.stop("The turn was stopped.")
        for conversation in stopped:
            conversation.wait()
        return len(stopped)

    def clear(self) -> None:
        """Forget all threads of the client. It has been replaced."""
        names = list(self.conversations)
        self.last = None
        self.conversations.clear()
        self._retired.clear()
        self.turns.clear()
        for name in names:
            self.notify(name)

    def reconnect(self) -> None:
        """Take the threads to the client's new transport."""
        codex = self._client.codex
        for conversation in (*self._retired, *self.conversations.values()):
            thread_id, options = conversation.thread.id, conversation.thread.options
            conversation.tools = None  # they are given again when a turn wants them
            conversation.thread = codex.start_thread(options) if thread_id is None else codex.resume_thread(thread_id, options)

    def record(self, conversation: NotebookThread, finished: FinishedTurn) -> None:
        """Add a finished turn to its thread."""
        conversation.turns.append(finished)
        self.turns.append(finished)
        self.remember_quietly(conversation)

    def remember_quietly(self, conversation: NotebookThread) -> None:
        """Store a thread as `remember` does. An error becomes the `warning`, because it must not end a turn."""
        try:
            self.remember(conversation)
        except Exception as error:
            self.warning = f"This notebook's threads will not be remembered after a restart ({type(error).__name__}: {error})."

    def remember(self, conversation: NotebookThread) -> None:
        """Store a thread for later kernels, and the prompt of its running turn: the kernel may end before the turn."""
        path, record = self.notebook, conversation.record
        if path is not None:
            started = {conversation.name: conversation.started_prompt}
            saved = SavedNotebook(conversation.name, () if record is None else (record,), started=started)
            self.warning = self.store.save(path, saved)

    def check_idle(self, name: str) -> None:
        """Check that no turn of a thread runs.

        Raises:
            ThreadBusyError: If one runs.
        """
        if any(conversation.name == name for conversation in self.running):
            raise ThreadBusyError(f"A turn of the thread {name} runs in the background: `%codex wait` or `%codex stop`, or use -t NAME.")

    def notify(self, name: str) -> None:
        """Call the observers with a thread's name."""
        for observer in list(self.observers):
            try:
                observer(name)
            except Exception:  # of a chat, which must not keep a turn from being followed
                _log.debug("An observer of the thread %s failed.", name, exc_info=True)
