"""Stopping a turn, with a CLI that obeys, is slow or ignores signals: bounded, complete, once, and from anywhere."""

import asyncio
import gc
import os
import subprocess
import sys
import textwrap
import threading
import weakref
from collections.abc import Callable

import anyio
import psutil
import pytest

from codex_jupyter.sdk import CancellationToken, TurnInterruptedError, TurnTimeoutError
from codex_jupyter.sdk.processes import child_process, turn_process
from codex_jupyter.sdk.processes.framing import LineFramer
from codex_jupyter.sdk.processes.turn_process import TurnProcess
from tests.processes import has_ended
from tests.sdk.conftest import TAG, SentSignals, tagged
from tests.sdk.support.fake import HAPPY, MakeFake, both_backends, until, wait_until
from tests.sdk.support.stopping import Stop, at_once, by_interrupt, by_leaving_the_block, every_stop, with_timeout

pytestmark = pytest.mark.anyio

BUSY = "started(); item('c', 'command_execution', 'started', command='x', status='in_progress')"
OBEDIENT = f"{BUSY}; stay()"
UNTIL_SIGINT = f"signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT]); {BUSY}; signal.sigwait([signal.SIGINT])"


@both_backends
@every_stop
@pytest.mark.usefixtures("patient")
async def test_an_obedient_process_gets_one_signal(fake: MakeFake, stop: Stop, signals: SentSignals) -> None:
    """Every way to stop a turn ends its process."""
    stopped = await stop(fake(OBEDIENT).thread(), at_once)
    assert signals.names == ["SIGINT"]
    assert stopped.turn.items[0].model_dump()["status"] == "interrupted"


@every_stop
async def test_a_process_that_ignores_signals_is_ended_at_last(fake: MakeFake, stop: Stop, signals: SentSignals) -> None:
    """It ignores every signal that can be ignored, and its child does."""
    child = (
        "subprocess.Popen([sys.executable, '-c', 'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(300)'])"
    )
    await stop(fake(f"deaf(); {child}; {BUSY}; stay()").thread(), at_once)
    assert signals.names == ["SIGINT", "SIGTERM", "SIGKILL"]


@both_backends
async def test_a_process_that_ignores_signals_and_floods_is_ended_at_last(fake: MakeFake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its output is kept flowing, and not all of it is kept."""
    flood = "line = json.dumps(dict(type='x', text='y' * 2**20)).encode() + b'\\n'\nwhile True: write(line)"
    kept: list[int] = []

    class Framer(LineFramer):
        def feed(self, chunk: bytes) -> list[bytes]:
            kept.append(len(chunk))
            return super().feed(chunk)

    monkeypatch.setattr(turn_process, "LineFramer", Framer)
    await by_leaving_the_block(fake(f"deaf(); {BUSY}\n{flood}").thread(), at_once)
    assert 0 < sum(kept) < 20_000_000


async def test_a_process_that_obeys_the_second_signal_gets_no_third(
    fake: MakeFake, signals: SentSignals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn_process, "STOP_STEPS", (("SIGINT", 0.1), ("SIGTERM", 60.0), ("SIGKILL", 60.0)))
    body = f"deaf('SIGINT'); signal.signal(signal.SIGTERM, lambda *_: (touch('term'), os._exit(0))); {BUSY}; stay()"
    cli = fake(body)
    await by_interrupt(cli.thread(), at_once)
    assert signals.names == ["SIGINT", "SIGTERM"]
    assert (cli.folder / "term").exists()


async def test_sigint_comes_first_and_once(fake: MakeFake) -> None:
    """It is what codex ends its commands for; a second one could cut that short."""
    body = f"""
        count = []
        signal.signal(signal.SIGINT, lambda *_: count.append(1))
        {BUSY}
        while not count: time.sleep(0.01)
        time.sleep(0.5)
        record("count", len(count))
    """
    cli = fake(body)
    thread = cli.thread()
    token = CancellationToken()
    async with thread.run_streamed("go", cancellation=token) as streamed:
        async for event in streamed.events:
            if event.type == "item.started":
                break
        token.cancel()
        token.cancel()
        await streamed.interrupt()
        await streamed.interrupt()
    assert cli.records("count") == [1]


@both_backends
async def test_what_was_said_before_the_stop_is_kept(fake: MakeFake) -> None:
    """Also what comes while it stops; the events can still be iterated, and the error carries the turn."""
    body = f"{UNTIL_SIGINT}; say('last words', 'm'); os._exit(1)"
    async with fake(body).thread().run_streamed("go") as streamed:
        async for event in streamed.events:
            if event.type == "item.started":
                break
        await streamed.interrupt()
        assert streamed.turn.final_response == "last words"
        assert (await anext(streamed.events)).type == "item.completed"
        with pytest.raises(TurnInterruptedError) as caught:
            await anext(streamed.events)
    assert caught.value.turn is not None
    assert caught.value.turn.final_response == "last words"
    assert caught.value.turn.status == "interrupted"


async def test_a_turn_that_completes_while_it_is_stopped_is_complete(fake: MakeFake) -> None:
    """The CLI's word counts, not the wish."""
    body = f"{UNTIL_SIGINT}; say('Hi', 'm'); completed()"
    async with fake(body).thread().run_streamed("go") as streamed:
        async for event in streamed.events:
            if event.type == "item.started":
                break
        await streamed.interrupt()
        assert (await streamed.wait()).final_response == "Hi"


async def test_stopping_a_turn_that_has_ended_does_nothing(fake: MakeFake) -> None:
    """In any way, any number of times."""
    token = CancellationToken()
    async with fake(HAPPY).thread().run_streamed("go", cancellation=token) as streamed:
        turn = await streamed.wait()
        token.cancel()
        await streamed.interrupt()
        await streamed.aclose()
        assert await streamed.wait() == turn


@both_backends
async def test_a_token_that_was_cancelled_before_starts_nothing(fake: MakeFake) -> None:
    """Neither for `run` nor for the stream. The reason is reported."""
    cli = fake(HAPPY)
    token = CancellationToken()
    token.cancel("no need")
    with pytest.raises(TurnInterruptedError, match="no need") as caught:
        await cli.thread().run("go", cancellation=token)
    assert caught.value.turn is not None
    assert caught.value.turn.status == "interrupted"
    with pytest.raises(TurnInterruptedError, match="no need"):
        await cli.thread().run_streamed("go", cancellation=token)
    assert cli.records() == []
    assert (await cli.thread().run("go", cancellation=CancellationToken())).status == "completed"


async def test_one_token_stops_several_turns(fake: MakeFake) -> None:
    """And forgets those that have ended."""
    cli = fake(OBEDIENT)
    callbacks: list[weakref.ref[Callable[[], None]]] = []

    class Token(CancellationToken):
        def attach(self, callback: Callable[[], None]) -> Callable[[], None]:
            callbacks.append(weakref.ref(callback))
            return super().attach(callback)

    token = Token()

    async def run() -> None:
        with pytest.raises(TurnInterruptedError):
            await cli.thread().run("go", cancellation=token)

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(run)
        await until(lambda: len(cli.records()) == 3)
        threading.Thread(target=token.cancel).start()
    gc.collect()
    assert [callback() for callback in callbacks] == [None] * 3


def test_a_callback_that_is_attached_late_is_called_at_once() -> None:
    """And one that is taken out is not."""
    token, calls = CancellationToken(), list[str]()
    token.attach(lambda: calls.append("out"))()
    token.attach(lambda: calls.append("in"))
    token.cancel("because")
    token.cancel("again")
    token.attach(lambda: calls.append("late"))
    assert calls == ["in", "late"]
    assert (token.cancelled, token.reason) == (True, "because")


@both_backends
@pytest.mark.usefixtures("patient")
async def test_a_timeout_counts_while_nothing_is_said(fake: MakeFake, signals: SentSignals) -> None:
    """It is a `TimeoutError`, too."""
    with pytest.raises(TimeoutError, match=r"0\.3 seconds") as caught:
        await fake("started(); stay()").thread().run("go", timeout=0.3)
    assert isinstance(caught.value, TurnTimeoutError)
    assert signals.names == ["SIGINT"]
    assert caught.value.turn is not None
    assert caught.value.turn.status == "timed_out"


async def test_a_timeout_counts_while_much_is_said(fake: MakeFake) -> None:
    """Progress is not a reason to continue."""
    with pytest.raises(TurnTimeoutError):
        await fake("started()\nwhile True: emit(dict(type='tick'))").thread().run("go", timeout=0.5)


async def test_no_timeout_hits_a_turn_that_has_completed(fake: MakeFake) -> None:
    """A slow consumer is not a slow turn."""
    others = psutil.Process().children()
    turn, limits = with_timeout(fake(HAPPY).thread())
    async with turn as streamed:
        wait_until(lambda: all(child in others or has_ended(child) for child in psutil.Process().children()))
        limits.deadline = 0
        assert (await streamed.wait()).status == "completed"


async def test_asyncio_may_cancel_twice(fake: MakeFake) -> None:
    """An impatient second `Task.cancel` gets through every shield, and still leaves nothing behind."""
    cli, others = fake(f"deaf('SIGINT'); {BUSY}; stay()"), set(child_process.owned_processes)
    task = asyncio.create_task(cli.thread().run("go"))
    await until(cli.records)
    for _ in range(4):
        task.cancel()
        await asyncio.sleep(0.1)
    assert task.done()
    wait_until(lambda: not psutil.pid_exists(cli.pid), 8)
    wait_until(lambda: child_process.owned_processes <= others, 2)


async def test_asyncio_timeouts_stop_a_turn(fake: MakeFake) -> None:
    """The standard library's own way."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(fake(OBEDIENT).thread().run("go"), 0.3)


async def test_a_stream_that_is_dropped_ends_its_turn(fake: MakeFake) -> None:
    """Awaited, iterated, broken off and forgotten."""

    async def forget() -> None:
        streamed = await cli.thread().run_streamed("go")
        async for event in streamed.events:
            if event.type == "item.started":
                break

    cli = fake(OBEDIENT)
    with pytest.warns(ResourceWarning, match="A running turn was dropped"):
        await forget()
    await until(lambda: not tagged(cli.env[TAG]))


@both_backends
async def test_a_turn_can_follow_a_stopped_one(fake: MakeFake) -> None:
    """The thread is free as soon as the stop has ended."""
    cli = fake(f"if os.path.exists(os.path.join(FOLDER, 'free')): {HAPPY}; sys.exit()\n{OBEDIENT}")
    thread = cli.thread()
    await by_leaving_the_block(thread, at_once)
    cli.release("free")
    assert (await thread.run("again")).final_response == "Hi!"


def test_all_are_asked_to_stop_before_one_is_waited_for(fake: MakeFake, signals: SentSignals) -> None:
    """So stopping all takes no longer than stopping one, also without an event loop that would help."""
    cli = fake(f"deaf(); {BUSY}; touch(str(os.getpid())); stay()")
    processes = [TurnProcess.start([str(cli.path)], stdin=b"", env=cli.options["env"]) for _ in range(3)]
    wait_until(lambda: all((cli.folder / str(running.pid)).exists() for running in processes))
    child_process.stop_all()
    assert {pid for pid, _ in signals[:3]} == {running.pid for running in processes}
    assert signals.names[:3] == ["SIGINT"] * 3
    assert [running.returncode for running in processes] == [-9] * 3
    for running in processes:
        running.close()


TOGETHER = """
def end(*_):
    touch(f"asked-{os.getpid()}")
    while sum(name.startswith("asked-") for name in os.listdir(FOLDER)) < 3: time.sleep(0.005)
    record("ended", True)
    os._exit(0)

deaf("SIGTERM")
signal.signal(signal.SIGINT, end)
"""
"""Ends only when three processes were asked to end."""


@pytest.mark.parametrize(("start", "ended"), [(TOGETHER, 3), ("deaf()", 0)], ids=["obedient", "deaf"])
def test_the_end_of_the_interpreter_stops_its_turns_together(fake: MakeFake, start: str, ended: int) -> None:
    """So three at once take no longer than one."""
    cli = fake(f"{start}\n{BUSY}; stay()")
    script = f"""
        import contextlib, threading, anyio
        from codex_jupyter.sdk import Codex
        busy = threading.Semaphore(0)

        async def turn():
            async with Codex(codex_path_override={str(cli.path)!r}).start_thread().run_streamed("go") as streamed:
                async for event in streamed.events:
                    if event.type == "item.started":
                        busy.release()

        async def main():
            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(turn)

        def run():
            with contextlib.suppress(BaseException):  # that its turns end is what this is about
                anyio.run(main)

        threading.Thread(target=run, daemon=True).start()
        for _ in range(3):
            assert busy.acquire(timeout=30)
        print("busy", flush=True)
    """
    env = {**os.environ, **cli.options["env"]}
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env
    ) as python:
        assert python.stdout is not None
        assert python.stdout.readline() == b"busy\n"
        _, errors = python.communicate(timeout=30)
    assert (python.returncode, errors) == (0, b"")
    assert len(cli.records("ended")) == ended
    assert tagged(env[TAG]) == []
