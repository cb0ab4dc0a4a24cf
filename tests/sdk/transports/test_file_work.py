"""Work with files that is done at once, unless it has a slow step."""

import threading

import anyio
import anyio.lowlevel
import pytest

from codex_jupyter.sdk.executable.slow_steps import slow_step
from codex_jupyter.sdk.transports.file_work import at_once

pytestmark = pytest.mark.anyio


async def test_work_without_a_slow_step_needs_no_thread() -> None:
    assert await at_once(threading.get_ident) == threading.get_ident()


async def test_work_is_repeated_on_a_thread_before_its_slow_step() -> None:
    calls: list[int] = []

    def work() -> int:
        calls.append(threading.get_ident())
        slow_step()
        return threading.get_ident()

    other = await at_once(work)
    assert calls == [threading.get_ident(), other]
    assert other != threading.get_ident()


async def test_an_error_of_the_work_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        await at_once(lambda: 1 // 0)
    slow_step()  # allowed again


async def test_other_tasks_run_between_the_work_of_two_turns() -> None:
    """Two hundred turns that start at once would otherwise keep the running ones waiting."""
    order: list[str] = []

    async def other() -> None:
        for _ in range(20):
            order.append("other")
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(at_once, order.append, "work")
        tasks.start_soon(other)
    assert "work work" not in " ".join(order)
