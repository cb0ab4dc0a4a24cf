"""The wait for the output of a process."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest

from codex_jupyter.sdk.processes.pipes import ReadyWatch
from tests.sdk.support.fake import both_backends

pytestmark = pytest.mark.anyio


class Output:
    """A pipe, and what was read from it."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.read: list[bytes] = []
        self.watch = ReadyWatch(self.reader, lambda: self.read.append(os.read(self.reader, 100)))


@pytest.fixture
def output() -> Iterator[Output]:
    output = Output()
    yield output
    output.watch.pause()
    os.close(output.reader)
    os.close(output.writer)


@both_backends
async def test_a_wait_reads_and_ends_at_its_time(output: Output) -> None:
    os.write(output.writer, b"a")
    await output.watch.wait()
    assert output.read == [b"a"]
    until = time.monotonic() + 0.05
    while time.monotonic() < until:
        await output.watch.wait(until)
    assert b"" not in output.read


async def test_many_waits_register_the_file_and_a_timer_once(output: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them would otherwise take as long as the parsing of an event."""
    loop, calls = asyncio.get_running_loop(), list[str]()

    def counted(name: str) -> Callable[..., Any]:
        function = getattr(loop, name)

        def call(*arguments: Any) -> Any:
            calls.append(name)
            return function(*arguments)

        return call

    for name in ("add_reader", "remove_reader", "call_later"):
        monkeypatch.setattr(loop, name, counted(name))
    for number in range(20):
        os.write(output.writer, b"%d" % number)
        await output.watch.wait(time.monotonic() + 100)
    assert b"".join(output.read) == b"".join(b"%d" % number for number in range(20))
    assert calls == ["add_reader", "call_later"]


async def test_nothing_is_read_while_no_task_waits(output: Output) -> None:
    os.write(output.writer, b"a")
    await output.watch.wait()
    os.write(output.writer, b"b")
    for _ in range(5):
        await asyncio.sleep(0)
    assert output.read == [b"a"]
    await output.watch.wait()
    assert output.read == [b"a", b"b"]


async def test_a_cancelled_wait_can_be_repeated(output: Output) -> None:
    with anyio.move_on_after(0.01):
        await output.watch.wait()
    os.write(output.writer, b"a")
    await output.watch.wait()
    assert output.read == [b"a"]


def test_a_watch_serves_one_event_loop_after_another(output: Output) -> None:
    for text in (b"a", b"b"):
        os.write(output.writer, text)
        asyncio.run(output.watch.wait())
    assert output.read == [b"a", b"b"]
