"""The parts that the methods of a synchronous client share."""

from collections.abc import AsyncIterator, Coroutine, Generator, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from typing import Any, TypeVar

from codex_jupyter.sdk.codex import Codex as AsyncCodex
from codex_jupyter.sdk.sync.caller import Caller

T = TypeVar("T")


class Waiting:
    """Waits for coroutines."""

    def _wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return Caller().wait(coroutine)


class ClientBase(Waiting):
    """The state of a synchronous client: the asynchronous one, which does the work."""

    _async: AsyncCodex


def iterated(manager: AbstractAsyncContextManager[AsyncIterator[T]]) -> AbstractContextManager[Iterator[T]]:
    """Return a context manager that gives a plain iterator.

    Args:
        manager: A context manager that gives an asynchronous iterator.
    """
    return _iterated(manager)


@contextmanager
def _iterated(manager: AbstractAsyncContextManager[AsyncIterator[T]]) -> Generator[Iterator[T]]:
    async def enter() -> AsyncIterator[T]:
        return await manager.__aenter__()

    async def leave() -> None:
        await manager.__aexit__(None, None, None)

    iterator = Caller().wait(enter())
    try:
        yield _items(iterator)
    finally:
        Caller().wait(leave())


def _items(iterator: AsyncIterator[T]) -> Iterator[T]:
    async def following() -> tuple[T, ...]:
        try:
            return (await anext(iterator),)
        except StopAsyncIteration:
            return ()

    while items := Caller().wait(following()):
        yield from items
