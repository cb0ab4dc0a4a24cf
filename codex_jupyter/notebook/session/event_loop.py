"""The event-loop thread of a kernel. Turns run on it, while the notebook's main thread waits and displays."""

import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, wait
from typing import Any, Final, TypeVar

import anyio
from anyio.from_thread import BlockingPortal

from codex_jupyter.notebook.session.interrupts import Interrupts
from codex_jupyter.sdk import CodexError
from codex_jupyter.sdk.processes.forks import forget_after_fork
from codex_jupyter.sdk.processes.spawn import system_error

POLL_INTERVAL: Final = 0.1
"""Seconds of one wait of the main thread. Between waits it sees interrupts on every platform, and updates running times."""
_FORKED: Final = (
    "%codex works in the notebook's kernel, but this process was forked from it, such as a worker of multiprocessing. "
    "Use `codex_jupyter.Codex()` here."
)
_T = TypeVar("_T")


class EventLoop:
    """The event-loop thread of a kernel. The first call starts it."""

    def __init__(self) -> None:
        self._opening = threading.Lock()
        self._portal: Future[BlockingPortal] | None = None
        self._thread: threading.Thread | None = None
        self._is_parents = False
        forget_after_fork(self)

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

    def close(self) -> None:
        """End the event loop. No turn may run."""
        with self._opening:
            portal, thread, self._portal, self._thread = self._portal, self._thread, None, None
        if portal is not None and thread is not None:
            portal.result().call(portal.result().stop)
            thread.join()

    def forget_parent(self) -> None:
        """Leave the event loop to the parent. See `ForkAware`."""
        self._opening = threading.Lock()
        self._portal = self._thread = None
        self._is_parents = True

    def _opened(self) -> BlockingPortal:
        if self._is_parents:
            raise CodexError(_FORKED)
        with self._opening:
            try:
                if self._portal is None:
                    # Not `start_blocking_portal`: it would wait for its thread at the end of a forked child, where there is none.
                    self._portal = Future()
                    self._thread = threading.Thread(target=_run_portal, args=(self._portal,), name="codex-jupyter", daemon=True)
                    self._thread.start()
                return self._portal.result()
            except (OSError, RuntimeError) as error:  # no file, or no room for a thread
                self._portal = None
                raise system_error("The event loop of Codex cannot be started", error) from error


def _run_portal(ready: "Future[BlockingPortal]") -> None:
    """Run an event loop for a portal, until the portal is stopped."""

    async def serve() -> None:
        async with BlockingPortal() as portal:
            ready.set_result(portal)
            await portal.sleep_until_stopped()

    try:
        anyio.run(serve)
    except BaseException as error:
        if ready.done():
            raise
        ready.set_exception(error)
