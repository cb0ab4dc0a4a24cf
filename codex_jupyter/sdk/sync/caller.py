"""Wait for coroutines of the asynchronous client, and call the functions of the user meanwhile.

All clients of the process share one event loop, which runs in a thread of its own. So a call blocks no event loop of the caller's thread,
and works where one runs already, such as in a cell of a notebook. Tools and handlers of approvals that are plain functions are
called on the thread that waits. There they may use `input()`, and objects that belong to the thread.
"""

import asyncio
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Final, TypeVar

import anyio

from codex_jupyter.sdk.errors import UnsupportedOperationError
from codex_jupyter.sdk.portal_thread import PortalThread
from codex_jupyter.sdk.user_functions import Outcome, outcome, serving_thread

T = TypeVar("T")
_POLL: Final = 0.1 if sys.platform == "win32" else None
"""Seconds of one wait. On Windows, an interrupt is noticed only between two waits."""
_loop: Final = PortalThread("codex-jupyter-sync")
_INSIDE: Final = (
    "A synchronous client was called on its own event loop, such as by an async tool, where it would wait for itself. Use a plain function "
    "for the tool, or the asynchronous client."
)
_OWN_TURN: Final = (
    "A tool or a handler waited for its own turn, which waits for it. Return first, or use `interrupt` or `close` of the turn."
)


class Caller:
    """Waits for coroutines that belong together, such as those of one turn, and calls the functions of the user meanwhile."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._calls: deque[Callable[[], None]] = deque()
        self._calling: set[int] = set()
        """The threads that call a function now, by their identifiers."""

    def submit(self, function: Callable[[], T]) -> "Future[Outcome[T]]":
        """Have a function called on the thread that waits. See `ServingThread.submit`."""
        future: Future[Outcome[T]] = Future()

        def call() -> None:
            if future.set_running_or_notify_cancel():
                value, error = outcome(function)
                future.set_result((value, error))
                if isinstance(error, KeyboardInterrupt):
                    raise error  # it stops the turn, not only this call

        with self._changed:
            self._calls.append(call)
            self._changed.notify_all()
        return future

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the event loop and wait for its result. An interrupt cancels it, and waits for its end.

        Args:
            coroutine: The coroutine, which was not started.

        Raises:
            UnsupportedOperationError: If the caller runs on the event loop, or in a function that the coroutines wait for.
            BaseException: As the coroutine raises it.
        """
        if _loop.is_current or threading.get_ident() in self._calling:
            coroutine.close()
            raise UnsupportedOperationError(_INSIDE if _loop.is_current else _OWN_TURN)
        result, stop = Future[T](), Future[None]()
        result.add_done_callback(lambda _: self._wake())

        async def run() -> None:
            if not result.set_running_or_notify_cancel():
                return
            serving_thread.set(self)
            loop = asyncio.get_running_loop()
            with anyio.CancelScope() as scope:
                stop.add_done_callback(lambda _: loop.call_soon_threadsafe(scope.cancel))
                try:
                    result.set_result(await coroutine)
                except BaseException as error:
                    result.set_exception(error)

        try:
            _loop.portal.start_task_soon(run)
            self._serve(result)
        except BaseException:
            # An interrupt can come while the task starts. Once the coroutine runs, only the event loop may stop it.
            if result.cancel():
                coroutine.close()
            else:
                stop.set_result(None)
                self._serve(result, call=False)
            raise
        return result.result()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _serve(self, result: "Future[T]", *, call: bool = True) -> None:
        """Call the functions that were submitted, until there is a result."""
        while True:
            with self._changed:
                while not result.done() and not (call and self._calls):
                    self._changed.wait(_POLL)
                if result.done():
                    return
                function = self._calls.popleft()
            self._calling.add(threading.get_ident())
            try:
                function()
            finally:
                self._calling.discard(threading.get_ident())
