"""The ways to stop a turn, as functions: each stops it as soon as its first item has started, and waits until it has ended."""

import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import anyio
import pytest

from codex_jupyter.sdk import CancellationToken, StreamedTurn, Thread, Turn, TurnInterruptedError, TurnTimeoutError, streamed_turn
from codex_jupyter.sdk.models.options import TurnOptions
from codex_jupyter.sdk.turn_limits import TurnLimits
from tests.sdk.support.fake import LIMIT, wait_until

Ready: TypeAlias = Callable[[], bool]
"""Return True if everything runs that the stop must end."""
Stop: TypeAlias = Callable[[Thread, Ready], Awaitable["Stopped"]]


def at_once() -> bool:
    return True


class Stopped:
    """A turn that was stopped."""

    def __init__(self, streamed: StreamedTurn) -> None:
        self.streamed = streamed

    @property
    def turn(self) -> Turn:
        return self.streamed.turn


async def until_busy(streamed: StreamedTurn, ready: Ready) -> None:
    with anyio.fail_after(LIMIT):
        async for event in streamed.events:
            if event.type == "item.started":
                return wait_until(ready)
    raise AssertionError("no item has started")


async def by_cancelling_the_task(thread: Thread, ready: Ready = at_once) -> Stopped:
    stopped = Stopped(thread.run_streamed("go"))
    async with anyio.create_task_group() as tasks:

        async def run() -> None:
            async with stopped.streamed:
                await until_busy(stopped.streamed, ready)
                tasks.cancel_scope.cancel()
                await stopped.streamed.wait()

        tasks.start_soon(run)
    return stopped


def with_timeout(thread: Thread) -> tuple[StreamedTurn, TurnLimits]:
    """Return a turn with a long timeout, and its limits, so that a test decides when the timeout ends."""
    limits: list[TurnLimits] = []

    def record(options: TurnOptions) -> TurnLimits:
        limits.append(TurnLimits(options))
        return limits[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streamed_turn, "TurnLimits", record)
        return thread.run_streamed("go", timeout=3600), limits[0]


async def by_timeout(thread: Thread, ready: Ready = at_once) -> Stopped:
    streamed, limits = with_timeout(thread)
    stopped = Stopped(streamed)
    async with streamed:
        await until_busy(streamed, ready)
        limits.deadline = time.monotonic() + 0.05
        with pytest.raises(TurnTimeoutError, match="timeout"):
            await stopped.streamed.wait()
    assert stopped.turn.status == "timed_out"
    return stopped


async def by_leaving_the_block(thread: Thread, ready: Ready = at_once) -> Stopped:
    stopped = Stopped(thread.run_streamed("go"))
    async with stopped.streamed:
        await until_busy(stopped.streamed, ready)
    return stopped


async def by_interrupt(thread: Thread, ready: Ready = at_once) -> Stopped:
    stopped = Stopped(thread.run_streamed("go"))
    async with stopped.streamed:
        await until_busy(stopped.streamed, ready)
        await stopped.streamed.interrupt()
        with pytest.raises(TurnInterruptedError):
            await stopped.streamed.wait()
    return stopped


async def by_interrupt_from_another_task(thread: Thread, ready: Ready = at_once) -> Stopped:
    stopped = Stopped(thread.run_streamed("go"))
    busy = anyio.Event()

    async def interrupt() -> None:
        await busy.wait()
        await stopped.streamed.interrupt()

    async with anyio.create_task_group() as tasks, stopped.streamed:
        tasks.start_soon(interrupt)
        await until_busy(stopped.streamed, ready)
        busy.set()
        with pytest.raises(TurnInterruptedError):
            await stopped.streamed.wait()
    return stopped


async def by_leaving_the_block_under_another_task(thread: Thread, ready: Ready = at_once) -> Stopped:
    stopped = Stopped(thread.run_streamed("go"))
    busy = anyio.Event()

    async def iterate() -> None:
        await until_busy(stopped.streamed, ready)
        busy.set()
        with pytest.raises(TurnInterruptedError):
            await stopped.streamed.wait()

    async with anyio.create_task_group() as tasks, stopped.streamed:
        tasks.start_soon(iterate)
        await busy.wait()
        await anyio.lowlevel.checkpoint()
    return stopped


async def by_token_from_another_thread(thread: Thread, ready: Ready = at_once) -> Stopped:
    token = CancellationToken()
    stopped = Stopped(thread.run_streamed("go", cancellation=token))
    async with stopped.streamed:
        await until_busy(stopped.streamed, ready)
        other = threading.Thread(target=token.cancel, args=("enough",))
        other.start()
        with pytest.raises(TurnInterruptedError, match="enough"):
            await stopped.streamed.wait()
        other.join()
    return stopped


STOPS: tuple[Stop, ...] = (
    by_cancelling_the_task,
    by_timeout,
    by_leaving_the_block,
    by_interrupt,
    by_interrupt_from_another_task,
    by_leaving_the_block_under_another_task,
    by_token_from_another_thread,
)
every_stop = pytest.mark.parametrize("stop", STOPS, ids=lambda stop: stop.__name__)
