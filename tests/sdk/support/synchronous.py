"""The synchronous client under the names of the asynchronous one, so that the conformance suite can run over it.

Each call runs on a thread, as in a program without an event loop.
"""

from collections.abc import AsyncIterator, Generator
from functools import partial
from typing import Any, Self

from anyio import to_thread

from codex_jupyter import sync
from codex_jupyter.sdk import ThreadEvent, Turn


class AwaitedTurn(AsyncIterator[ThreadEvent]):
    """A running turn of a synchronous client."""

    def __init__(self, streamed: "sync.StreamedTurn[Any]") -> None:
        self._streamed = streamed

    async def __aenter__(self) -> Self:
        await to_thread.run_sync(self._streamed.__enter__)
        return self

    async def __aexit__(self, *error: Any) -> None:
        await to_thread.run_sync(self._streamed.__exit__, *error)

    def __await__(self) -> Generator[Any, Any, Self]:
        return self.__aenter__().__await__()

    async def __anext__(self) -> ThreadEvent:
        event = await to_thread.run_sync(next, self._streamed, None)  # a StopIteration cannot leave a coroutine
        if event is None:
            raise StopAsyncIteration
        return event

    @property
    def events(self) -> Self:
        return self

    @property
    def turn(self) -> Turn:
        return self._streamed.turn

    async def wait(self) -> Turn:
        return await to_thread.run_sync(self._streamed.wait)

    async def interrupt(self) -> None:
        await to_thread.run_sync(self._streamed.interrupt)

    async def aclose(self) -> None:
        await to_thread.run_sync(self._streamed.close)


class AwaitedThread:
    """A thread of a synchronous client."""

    def __init__(self, thread: sync.Thread) -> None:
        self._thread = thread

    @property
    def id(self) -> str | None:
        return self._thread.id

    async def run(self, *arguments: Any, **options: Any) -> Turn:
        return await to_thread.run_sync(partial(self._thread.run, *arguments, **options))

    def run_streamed(self, *arguments: Any, **options: Any) -> AwaitedTurn:
        return AwaitedTurn(self._thread.run_streamed(*arguments, **options))
