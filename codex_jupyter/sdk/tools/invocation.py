"""Call the function of a tool: a coroutine on the event loop, a plain function in a worker thread, one at a time if it is exclusive."""

import inspect
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any, Final, TypeVar

import anyio
from anyio import CapacityLimiter, to_thread

from codex_jupyter.sdk.tools.definition import Tool
from codex_jupyter.sdk.tools.results import MAX_ENTRIES
from codex_jupyter.sdk.user_functions import call_plain, is_async

T = TypeVar("T")
LOCK_POLL: Final = 0.02
"""Seconds between two attempts to lock an exclusive tool. Its holder may run on another event loop, or in a thread that was given up."""


class Invocation:
    """One call of a tool. Create it with `exclusive`.

    Args:
        tool: The tool, which is locked if it is exclusive.
    """

    def __init__(self, tool: Tool[..., Any]) -> None:
        self._tool = tool
        self._state = threading.Lock()
        self._locked = tool.exclusive
        self._in_thread = self._given_up = False

    async def result(self, arguments: dict[str, Any], finish: Callable[[Any], T], limiter: CapacityLimiter) -> T:
        """Call the function.

        Args:
            arguments: Its arguments.
            finish: Converts the result, on the thread of a plain function or on a worker thread.
            limiter: Limits the calls that run at the same time.

        Raises:
            RaisedInThread: If a plain function, or the conversion of its result, raised anything.
            BaseException: As a coroutine raises it.
        """
        function = self._tool.function
        if is_async(function):
            async with limiter:
                value = await function(**arguments)
        else:
            value = await call_plain(partial(self._called, function, arguments, finish), limiter)
            if not _is_async_value(value):
                return value  # type: ignore[no-any-return]  # finished there
            if inspect.isawaitable(value):
                value = await value
        value = await _collected(value)
        return await to_thread.run_sync(finish, value, abandon_on_cancel=True)

    def _called(self, function: Callable[..., Any], arguments: dict[str, Any], finish: Callable[[Any], Any]) -> Any:
        """Call a plain function on its thread."""
        with self._state:
            if self._given_up:
                return None
            self._in_thread = True
        try:
            value = function(**arguments)
            # Converted here, because a figure is best written on the thread that made it.
            return value if _is_async_value(value) else finish(value)
        finally:
            with self._state:
                self._in_thread = False
                if self._given_up:
                    self._unlock()

    def give_up(self) -> None:
        """End the call. A function that runs in a thread keeps its lock until it really ends."""
        with self._state:
            self._given_up = True
            if not self._in_thread:
                self._unlock()

    def _unlock(self) -> None:
        if self._locked:
            self._locked = False
            self._tool.lock.release()


def _is_async_value(value: Any) -> bool:
    return inspect.isawaitable(value) or isinstance(value, AsyncGenerator)


async def _collected(value: Any) -> Any:
    """Return the result of a tool. Of an async generator, which may have no end, this is an iterator of the first entries."""
    if not isinstance(value, AsyncGenerator):
        return value
    entries: list[Any] = []
    async with aclosing(value):
        async for entry in value:
            entries.append(entry)
            if len(entries) > MAX_ENTRIES:
                break
    return iter(entries)


@asynccontextmanager
async def exclusive(tool: Tool[..., Any]) -> AsyncGenerator[Invocation]:
    """Wait until a tool may be called, and return the call. The wait is not a part of the time limit of the tool."""
    if tool.exclusive:
        while not tool.lock.acquire(blocking=False):  # noqa: ASYNC110 - an event belongs to one event loop
            await anyio.sleep(LOCK_POLL)
    invocation = Invocation(tool)
    try:
        yield invocation
    finally:
        invocation.give_up()
