"""A turn is prepared and started at once, unless its preparation has a slow step."""

import threading
from contextlib import suppress

import anyio
import anyio.lowlevel
import pytest

from codex_jupyter.sdk.executable.slow_steps import slow_step
from codex_jupyter.sdk.transports.file_work import spaced_start
from tests.sdk.support.fake import both_backends

pytestmark = pytest.mark.anyio


def same(value: object) -> object:
    return value


async def test_work_without_a_slow_step_needs_no_thread() -> None:
    assert await spaced_start(threading.get_ident, same) == threading.get_ident()


async def test_work_is_repeated_on_a_thread_before_its_slow_step() -> None:
    calls: list[int] = []

    def work() -> int:
        calls.append(threading.get_ident())
        slow_step()
        return threading.get_ident()

    other, starter = await spaced_start(work, lambda prepared: (prepared, threading.get_ident()))
    assert calls == [threading.get_ident(), other]
    assert other != threading.get_ident()
    assert starter == threading.get_ident()


async def test_an_error_of_the_work_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        await spaced_start(lambda: 1 // 0, same)
    slow_step()  # allowed again
    await spaced_start(lambda: None, lambda _: slow_step())  # allowed for the start


async def test_other_tasks_run_between_the_work_of_two_turns() -> None:
    """Two hundred turns that start at once would otherwise keep the running ones waiting. Also if they cannot start."""
    order: list[str] = []

    def work() -> None:
        order.append("work")
        raise OSError

    async def fail() -> None:
        with suppress(OSError):
            await spaced_start(work, same)

    async def other() -> None:
        for _ in range(20):
            order.append("other")
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(spaced_start, lambda: "work", order.append)
            tasks.start_soon(fail)
        tasks.start_soon(other)
    assert "work work" not in " ".join(order)


@both_backends
async def test_a_cancelled_task_starts_nothing() -> None:
    started: list[None] = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        await spaced_start(lambda: None, started.append)
    assert scope.cancelled_caught
    assert started == []
