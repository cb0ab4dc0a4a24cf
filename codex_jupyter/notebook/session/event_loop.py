"""The event-loop thread of a kernel. Turns run on it, while the notebook's main thread waits and displays."""

from collections.abc import Awaitable, Callable
from concurrent.futures import wait
from typing import Any, Final, TypeVar

from anyio.from_thread import BlockingPortal

from codex_jupyter.notebook.session.interrupts import Interrupts
from codex_jupyter.sdk import CodexError
from codex_jupyter.sdk.portal_thread import PortalThread

POLL_INTERVAL: Final = 0.1
"""Seconds of one wait of the main thread. Between waits it sees interrupts on every platform, and updates running times."""
_FORKED: Final = (
    "%codex works in the notebook's kernel, but this process was forked from it, such as a worker of multiprocessing. "
    "Use `codex_jupyter.Codex()` here."
)
_T = TypeVar("_T")


class EventLoop(PortalThread):
    """The event-loop thread of a kernel. The first call starts it."""

    _is_parents = False

    def start(self, function: Callable[[], Awaitable[object]]) -> None:
        """Run a coroutine function on the event loop. Return at once."""
        self._opened().start_task_soon(function)

    def call(self, function: Callable[..., Awaitable[_T]], *args: Any) -> _T:
        """Run a coroutine function on the event loop and wait for its result."""
        return self._opened().call(function, *args)

    def wait_for(self, function: Callable[..., Awaitable[_T]], *args: Any) -> _T:
        """Run a coroutine function on the event loop and wait for its result. An interrupt of the kernel cancels it."""
        future = self._opened().start_task_soon(function, *args)
        # An interrupt raises at the end of the block, not inside of `wait`, which could keep its lock.
        with Interrupts() as interrupts:
            while not future.done() and not interrupts.pending:
                wait([future], POLL_INTERVAL)
            if interrupts.pending:
                future.cancel()
        return future.result()

    def forget_parent(self) -> None:
        """Leave the event loop to the parent. See `ForkAware`."""
        super().forget_parent()
        self._is_parents = True

    def _opened(self) -> BlockingPortal:
        if self._is_parents:
            raise CodexError(_FORKED)
        return self.portal
