"""Do the short work of turns with files, at once or on few threads.

The work holds the interpreter's lock most of the time. So more threads make it slower: they compete for the lock, and each must be started.
"""

from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

import anyio
import anyio.lowlevel
from anyio import to_thread
from anyio.lowlevel import RunVar

from codex_jupyter.sdk.executable.slow_steps import SlowStepError, without_slow_steps

THREADS: Final = 4
"""Threads of one event loop. More of them would help only with a slow file system."""
_P = ParamSpec("_P")
_ResultT = TypeVar("_ResultT")
_limiter: RunVar[anyio.CapacityLimiter] = RunVar("codex_jupyter_file_work")
_gate: RunVar[anyio.Lock] = RunVar("codex_jupyter_start_gate")


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


def gate() -> anyio.Lock:
    """Return the lock of the event loop for work that blocks it for a moment, so that the running turns are served between two turns."""
    try:
        return _gate.get()
    except LookupError:
        lock = anyio.Lock(fast_acquire=True)
        _gate.set(lock)
        return lock


async def at_once(function: Callable[..., _ResultT], *args: object) -> _ResultT:
    """Call a function that reads files, and return its result. Before a slow step, it is called again on a thread.

    Many turns that start at once do this one after the other, and other tasks run in between.

    Args:
        function: The function. It announces slow steps, and has no effect before them.
        *args: Its arguments.
    """
    try:
        async with gate():
            await anyio.lowlevel.checkpoint()
            with without_slow_steps():
                return function(*args)
    except SlowStepError:
        return await on_thread(function, *args)
