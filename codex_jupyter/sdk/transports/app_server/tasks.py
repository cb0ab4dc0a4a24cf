"""Run tasks beside a turn that end with it, on asyncio and trio.

A task group must be entered and left by the same task, but a turn may be closed by another task than the one that opened it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from anyio import CancelScope, Event


class Tasks:
    """Tasks that are stopped together, on the event loop that they were started on."""

    def __init__(self) -> None:
        self._running: dict[Any, tuple[CancelScope, Event, object]] = {}

    @property
    def running(self) -> bool:
        """True if a task runs."""
        return bool(self._running)

    def start(self, key: Any, function: Callable[..., Awaitable[None]], *args: Any) -> None:
        """Start a task.

        Args:
            key: Name of the task, for `cancel`.
            function: The function to run. It must not raise.
            *args: The arguments of the function.
        """
        scope, done = CancelScope(), Event()

        async def run() -> None:
            try:
                with scope:
                    await function(*args)
            finally:
                self._running.pop(key, None)
                done.set()

        self._running[key] = (scope, done, _spawn(run))

    def cancel(self, key: Any) -> None:
        """Cancel a task, if it runs."""
        if key in self._running:
            self._running[key][0].cancel()

    async def stop(self) -> None:
        """Cancel all tasks and wait for their end."""
        for scope, _, _ in list(self._running.values()):
            scope.cancel()
        for _, done, _ in list(self._running.values()):
            await done.wait()


def _spawn(run: Callable[[], Any]) -> object:
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        import trio

        return trio.lowlevel.spawn_system_task(run)
    return loop.create_task(run())
