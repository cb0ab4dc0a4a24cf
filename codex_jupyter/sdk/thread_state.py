"""The state that a thread shares with its turns, and the parts of a turn that must be closed when it was dropped."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import anyio

from codex_jupyter.sdk.models.options import ThreadOptions
from codex_jupyter.sdk.models.turn import Turn
from codex_jupyter.sdk.models.usage import Usage
from codex_jupyter.sdk.processes.forks import ForkAwareLock
from codex_jupyter.sdk.snapshots.store import SnapshotStore
from codex_jupyter.sdk.transports.base import Transport, TurnStream

_log = logging.getLogger(__name__)
_StartTask: TypeAlias = Callable[[Callable[[], Awaitable[None]]], None]


@dataclass(slots=True)
class ThreadState:
    """The state that a thread shares with its turns."""

    transport: Transport
    options: ThreadOptions
    id: str | None
    usage: Usage | None
    """The tokens that the thread has used so far; None if unknown."""
    stored_usage: Callable[[str], Usage | None] | None = None
    """Returns the tokens that the CLI has stored for a thread id. Blocks."""
    snapshots: SnapshotStore | None = None
    """Where the files of the turns are recorded. None if they are not recorded."""
    home: Callable[[], Path] = Path
    """Returns CODEX_HOME."""
    unconfirmed: bool = False
    """True if a turn of this object has started the thread, and none has completed. The CLI may not have stored it."""
    running: bool = False
    """True if a turn runs."""
    dropped: "OpenTurn | None" = None
    """The running turn, if its `StreamedTurn` was dropped."""

    def note_end(self, turn: Turn, *, is_review: bool) -> None:
        """Note the tokens of a turn that has ended, and that the CLI has stored the thread of a completed one.

        Args:
            turn: The turn.
            is_review: True if it is a review, whose tokens the CLI counts in another thread.
        """
        if turn.status == "completed":
            self.unconfirmed = False
        if turn.thread_usage is not None:
            self.usage = turn.thread_usage
        elif is_review and self.id is not None:
            self.usage = Usage()

    def mark_idle(self) -> None:
        """Let the next turn start."""
        self.running, self.dropped = False, None


class OpenTurn:
    """The parts of a running turn that must be closed. They do not refer to the `StreamedTurn`, which may be dropped.

    Args:
        thread: The thread of the turn.
        stack: Closes the turn.
        stream: The running turn.
    """

    def __init__(self, thread: ThreadState, stack: AsyncExitStack, stream: TurnStream) -> None:
        self._thread, self._stack, self._stream = thread, stack, stream
        self._lock = ForkAwareLock()
        self._start_task = _task_starter()
        # Only so is the stack not deleted together with a dropped turn: then the event loop would close its generators as well.
        _open_turns.add(self)
        stack.callback(_open_turns.discard, self)

    def drop(self) -> None:
        """Stop the turn, from any thread. Its event loop closes it, or else the next turn of the thread does."""
        self._thread.dropped = self
        self._stream.interrupt()
        with suppress(RuntimeError):  # the event loop is closed
            self._start_task(self.aclose)

    async def aclose(self) -> None:
        """Close the turn. Safe to call twice."""
        with anyio.CancelScope(shield=True):
            async with self._lock:
                try:
                    await self._stack.aclose()
                except Exception:
                    _log.debug("A dropped turn could not be closed.", exc_info=True)
                    self._thread.mark_idle()


_open_turns: set[OpenTurn] = set()


def _task_starter() -> _StartTask:
    """Return a function that starts a task on the running event loop, from any thread."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        import trio

        token = trio.lowlevel.current_trio_token()
        return lambda function: token.run_sync_soon(trio.lowlevel.spawn_system_task, function)
    tasks = set[object]()  # an event loop has only weak references to its tasks

    async def run(function: Callable[[], Awaitable[None]]) -> None:
        await function()
        tasks.clear()

    def start(function: Callable[[], Awaitable[None]]) -> None:
        loop.call_soon_threadsafe(lambda: tasks.add(loop.create_task(run(function))))

    return start
