"""Call functions of the user: tools and handlers of approvals.

A coroutine function runs on the event loop. A plain function runs in a worker thread, or on the thread that waits for the turn, if that
thread offers it (`serving_thread`).
"""

import asyncio
import inspect
import os
from collections.abc import Callable
from contextlib import nullcontext
from contextvars import ContextVar
from functools import partial
from itertools import dropwhile
from pathlib import Path
from traceback import FrameSummary, StackSummary, TracebackException, format_exception_only
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, TypeVar

import anyio
from anyio import CapacityLimiter, to_thread

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")
Outcome: TypeAlias = tuple[T | None, BaseException | None]
"""The result of a function, or the exception that it raised."""
_CALLERS: Final = tuple(os.path.join(folder, "") for folder in (Path(__file__).parents[1], Path(anyio.__file__).parent))
"""Folders of the code that calls functions of the user."""


class RaisedInThread(Exception):
    """Raised with the exception of a plain function, which may be one that ends a task, such as `CancelledError`.

    Attributes:
        error: The exception.
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__(type(error).__name__)  # an exception may fail to describe itself
        self.error: BaseException = error


class ServingThread(Protocol):
    """A thread that calls functions while it waits for a turn."""

    def submit(self, function: Callable[[], T]) -> "Future[Outcome[T]]":
        """Have a function called on the thread. Returns at once. A call that has not started can be cancelled."""
        ...


serving_thread: ContextVar[ServingThread | None] = ContextVar("serving_thread", default=None)
"""The thread that waits for the current turn, if it calls the functions of the turn. The tasks of a turn inherit it."""


def is_async(function: Callable[..., Any]) -> bool:
    """Return whether a function, or an object with `__call__`, returns a coroutine."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


async def call_plain(function: Callable[[], T], limiter: CapacityLimiter | None = None) -> T:
    """Call a plain function. If the wait is cancelled, a function that runs already continues, and its result is dropped.

    Args:
        function: The function.
        limiter: Limits the calls that run at the same time.

    Raises:
        RaisedInThread: If the function raised anything.
    """
    thread = serving_thread.get()
    if thread is None:
        value, error = await to_thread.run_sync(partial(outcome, function), abandon_on_cancel=True, limiter=limiter)
    else:
        # Only the event loop of the synchronous face, which is one of asyncio, has a serving thread.
        async with limiter or nullcontext():
            value, error = await asyncio.wrap_future(thread.submit(function))
    if error is not None:
        raise RaisedInThread(error)
    return value  # type: ignore[return-value]  # a function that raised nothing has returned a value


def outcome(function: Callable[[], T]) -> Outcome[T]:
    """Call a function, and return its result or its exception. A thread must not end by `SystemExit`."""
    try:
        return function(), None
    except BaseException as error:
        return None, error


def ends_the_task(error: BaseException) -> bool:
    """Return True if an exception that came out of a function of the user is not its own, but ends the task that called the function.

    Args:
        error: The exception.
    """
    if isinstance(error, GeneratorExit):
        return True
    if not isinstance(error, anyio.get_cancelled_exc_class()):
        return False
    # An async function can raise a cancellation itself, such as that of a task that it waited for.
    task = asyncio.current_task() if isinstance(error, asyncio.CancelledError) else None
    return task is None or task.cancelling() > 0


def described(error: BaseException) -> str:
    """Return the type and the message of an exception, which may fail to describe itself."""
    return "".join(format_exception_only(error)).strip()


def traceback_of(error: BaseException) -> str:
    """Return an exception as Python prints it, without the frames above the user's function.

    Args:
        error: The exception.

    Returns:
        The traceback. Empty if no code of the user took part, so that the message of the exception says everything.
    """
    trace = TracebackException.from_exception(error)
    _trim(trace)
    return "".join(trace.format()) if trace.stack else ""


def _trim(trace: TracebackException) -> None:
    trace.stack = StackSummary(dropwhile(_is_callers, trace.stack))
    for linked in (trace.__cause__, trace.__context__, *(trace.exceptions or ())):
        if linked is not None:
            _trim(linked)


def _is_callers(frame: FrameSummary) -> bool:
    return frame.filename.startswith(_CALLERS)
