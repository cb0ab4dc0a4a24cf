"""Prepare and start turns one after the other, and do their short work with files, at once or on few threads.

The work holds the interpreter's lock most of the time. So more threads make it slower: they compete for the lock, and each must be started.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

import anyio
import anyio.lowlevel
from anyio import to_thread
from anyio.lowlevel import RunVar

from codex_jupyter.sdk.executable.slow_steps import SlowStepError, without_slow_steps

THREADS: Final = 4
"""Threads of one event loop. More of them would help only with a slow file system."""
_PreparedT = TypeVar("_PreparedT")
_ResultT = TypeVar("_ResultT")
_limiter: RunVar[anyio.CapacityLimiter] = RunVar("codex_jupyter_file_work")
_gate_of_loop: RunVar[anyio.Lock] = RunVar("codex_jupyter_start_gate")


async def on_thread(function: Callable[..., _ResultT], *args: object) -> _ResultT:
    """Call a function that reads or writes files on a thread, and return its result.

    Args:
        function: The function.
        *args: Its arguments.
    """
    try:
        limiter = _limiter.get()
    except LookupError:
        limiter = anyio.CapacityLimiter(THREADS)
        _limiter.set(limiter)
    return await to_thread.run_sync(function, *args, limiter=limiter)


def _gate() -> anyio.Lock:
    """Return the lock of the event loop for work that blocks it for a moment, so that the running turns are served between two turns."""
    try:
        return _gate_of_loop.get()
    except LookupError:
        lock = anyio.Lock(fast_acquire=True)
        _gate_of_loop.set(lock)
        return lock


async def spaced_start(prepare: Callable[[], _PreparedT], start: Callable[[_PreparedT], _ResultT]) -> _ResultT:
    """Prepare and start a turn at once, and then let other tasks run. Many turns that start at once do this one after the other.

    Args:
        prepare: Reads files. It announces slow steps, and has no effect before them. Before a slow step, it is called again on a thread.
        start: Starts the turn with the result of `prepare`. The system blocks the event loop while it starts a process.

    Returns:
        The result of `start`. If the task is cancelled after `start`, the result is lost, so `start` also stores what must be closed.
    """
    with suppress(SlowStepError):
        return await _in_gate(lambda: start(_without_slow_steps(prepare)))
    prepared = await on_thread(prepare)
    return await _in_gate(lambda: start(prepared))


def _without_slow_steps(function: Callable[[], _ResultT]) -> _ResultT:
    with without_slow_steps():
        return function()


async def _in_gate(function: Callable[[], _ResultT]) -> _ResultT:
    async with _gate():
        try:
            return function()
        finally:
            await anyio.lowlevel.checkpoint()
