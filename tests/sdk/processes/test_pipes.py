"""A process that does not behave at its pipes: it says too much, reads nothing, does not go, or leaves the pipe to somebody else."""

import os
import resource
import sys
from typing import Any

import anyio
import anyio.lowlevel
import psutil
import pytest

from codex_jupyter.sdk import (
    ExecTransport,
    ItemCompletedEvent,
    ProcessExitError,
    ScriptedTransport,
    TextInput,
    ThreadOptions,
    TransportError,
    TurnRequest,
)
from codex_jupyter.sdk.processes import turn_process
from codex_jupyter.sdk.processes.child_process import STDERR_TAIL
from codex_jupyter.sdk.processes.turn_process import TurnProcess
from codex_jupyter.sdk.transports.base import Transport
from tests.sdk.support.fake import HAPPY, LIMIT, READ_STDIN, MakeFake, both_backends, until

pytestmark = pytest.mark.anyio

CHILD = "record('child', subprocess.Popen(['sleep', '300']).pid)"


@both_backends
@pytest.mark.parametrize("when", ["before", "after", "between"])
async def test_a_flood_on_stderr_blocks_nothing(fake: MakeFake, when: str) -> None:
    """Megabytes without a newline, before the first event or after the last."""
    flood = "sys.stderr.buffer.write(b'x' * 3_000_000); sys.stderr.flush()"
    parts = {"before": [flood, HAPPY], "between": ["started()", flood, "say('Hi!'); completed()"], "after": [HAPPY, flood]}[when]
    with anyio.fail_after(LIMIT):
        turn = await fake("; ".join(parts)).thread().run("go")
    assert turn.final_response == "Hi!"


async def test_200_mb_on_stderr_are_not_kept(fake: MakeFake) -> None:
    """Only the end of the process is awaited, however much and however fast it writes."""
    body = "chunk = b'x' * 2**20\nfor _ in range(200): sys.stderr.buffer.write(chunk)\nsys.stderr.write('the end')\nraise SystemExit(3)"
    cli = fake(body)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with anyio.fail_after(LIMIT), pytest.raises(ProcessExitError, match="the end") as caught:
        await cli.thread().run("go")
    unit = 1 if sys.platform == "darwin" else 1024
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit
    assert grown < 30_000_000
    assert len(caught.value.stderr_tail) <= STDERR_TAIL


async def test_stderr_waits_when_no_one_reads(fake: MakeFake) -> None:
    """A process cannot fill the memory behind the back of a consumer that pauses."""
    cli = fake("started(); touch('began'); sys.stderr.buffer.write(b'x' * 2**24); touch('written'); say('Hi!'); completed()")
    async with cli.thread().run_streamed("go") as streamed:
        await anext(streamed.events)
        cli.await_file("began")
        assert not (cli.folder / "written").exists()
        turn = await streamed.wait()
    assert turn.final_response == "Hi!"


@both_backends
async def test_stderr_in_any_encoding_is_reported(fake: MakeFake) -> None:
    """Bytes that are not UTF-8 hide neither the rest nor the exit code."""
    body = r"sys.stderr.buffer.write(b'caf\xe9 is closed'); sys.stderr.flush(); os._exit(3)"
    with pytest.raises(ProcessExitError, match="caf� is closed") as caught:
        await fake(body).thread().run("go")
    assert caught.value.exit_code == 3


async def test_stderr_of_a_completed_turn_is_not_an_error(fake: MakeFake) -> None:
    """Codex logs errors on successful turns."""
    body = f"sys.stderr.write('2026-01-01T00:00:00Z ERROR codex_core: x'); {HAPPY}; raise SystemExit(1)"
    turn = await fake(body).thread().run("go")
    assert turn.status == "completed"
    assert turn.warnings == ()


def request(prompt: str) -> TurnRequest:
    return TurnRequest(input=(TextInput(text=prompt),), options=ThreadOptions(skip_git_repo_check=True))


async def drain(transport: Transport, prompt: str) -> int:
    events = 0
    async with transport.open_turn(request(prompt)) as stream:
        while batch := await stream.receive():
            events += len(batch)
    return events


@both_backends
async def test_a_process_may_exit_before_it_reads_its_prompt(fake: MakeFake) -> None:
    """5 MB that no one reads do not break the pipe. The exit code and the reason are reported."""
    transport = fake("sys.stderr.write('bad option'); raise SystemExit(2)").codex().transport
    assert isinstance(transport, ExecTransport)
    with pytest.raises(ProcessExitError, match="bad option") as caught:
        await drain(transport, "x" * 5_000_000)
    assert caught.value.exit_code == 2


@both_backends
async def test_a_process_may_write_before_it_reads_its_prompt(fake: MakeFake) -> None:
    """Neither waits for the other, with both pipes' worth exceeded many times."""
    cli = fake(f"started(); say('x' * 2_000_000); {READ_STDIN}; completed()")
    with anyio.fail_after(LIMIT):
        assert await drain(cli.codex().transport, "é" * 2_000_000) == 4
    assert cli.stdin.decode() == "é" * 2_000_000


async def test_the_prompt_arrives_unchanged_and_ends(fake: MakeFake) -> None:
    """Line ends, leading dashes, blanks and characters of all sorts; then the end of the file."""
    prompt = "--help\r\n  é😀\u2028\x00\ttext \n\n"
    cli = fake(f"{READ_STDIN}; {HAPPY}")
    await cli.thread().run(prompt)
    assert cli.stdin.decode() == prompt
    assert not any("--help" in argument for argument in cli.argv)


@both_backends
async def test_a_process_that_lingers_after_its_last_event_is_stopped(fake: MakeFake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The completed turn is returned, and no process stays."""
    monkeypatch.setattr("codex_jupyter.sdk.transports.exec.turn.EXIT_GRACE", 0.3)
    with anyio.fail_after(LIMIT):
        turn = await fake(f"{HAPPY}; stay()").thread().run("go")
    assert turn.status == "completed"


async def test_a_process_that_lingers_and_chatters_is_stopped(fake: MakeFake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit counts from the last event, not from the last line."""
    monkeypatch.setattr("codex_jupyter.sdk.transports.exec.turn.EXIT_GRACE", 0.3)
    with anyio.fail_after(LIMIT):
        turn = await fake(f"{HAPPY}\nwhile True: emit(dict(type='tick')); time.sleep(0.01)").thread().run("go")
    assert turn.status == "completed"


async def test_a_process_that_closes_its_output_and_stays_is_stopped(fake: MakeFake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the output is not the end of the process."""
    monkeypatch.setattr(turn_process, "EXIT_GRACE", 0.3)
    with anyio.fail_after(LIMIT):
        turn = await fake(f"{HAPPY}; os.close(1); stay()").thread().run("go")
    assert turn.status == "completed"


async def test_a_process_that_floods_stderr_after_its_output_can_go(fake: MakeFake) -> None:
    """It is not stopped for waiting at a pipe that no one reads."""
    body = f"{HAPPY}; os.close(1); sys.stderr.buffer.write(b'x' * 3_000_000); sys.stderr.flush(); touch('done')"
    cli = fake(body)
    await cli.thread().run("go")
    assert (cli.folder / "done").exists()


@both_backends
@pytest.mark.parametrize("pipe", ["stdout", "stderr", "both"])
async def test_a_grandchild_on_the_pipe_does_not_hold_the_turn(fake: MakeFake, pipe: str) -> None:
    """Children of codex may outlive it. Its end is the end of the turn all the same."""
    other = {"stdout": "stderr=subprocess.DEVNULL", "stderr": "stdout=subprocess.DEVNULL", "both": "stdin=subprocess.DEVNULL"}[pipe]
    body = f"{HAPPY}; record('child', subprocess.Popen(['sleep', '300'], {other}, start_new_session=True).pid)"
    cli = fake(body)
    with anyio.fail_after(LIMIT):
        turn = await cli.thread().run("go")
    assert turn.status == "completed"
    cli.kill_child()


async def test_a_grandchild_that_writes_does_not_hold_the_turn(fake: MakeFake) -> None:
    """Not even when there is always something to read."""
    script = "import time\nwhile True: print('tick', flush=True); time.sleep(0.01)"
    cli = fake(f"{HAPPY}; record('child', subprocess.Popen([sys.executable, '-c', {script!r}]).pid)")
    with anyio.fail_after(LIMIT):
        turn = await cli.thread().run("go")
    assert turn.status == "completed"
    cli.kill_child()


@both_backends
async def test_an_exit_is_noticed_with_the_pipe_open(fake: MakeFake) -> None:
    """A failure is reported, although a grandchild holds the output."""
    cli = fake(
        "started(); record('child', subprocess.Popen(['sleep', '300']).pid); sys.stderr.write('oh no'); sys.stderr.flush(); os._exit(2)"
    )
    with anyio.fail_after(LIMIT), pytest.raises(ProcessExitError, match="oh no"):
        await cli.thread().run("go")
    cli.kill_child()


async def test_everything_said_before_the_exit_is_read_with_the_pipe_open(fake: MakeFake) -> None:
    """A slow consumer loses no event to the process's exit."""
    cli = fake(f"{CHILD}; started(); say('x' * 50_000); say('last', 'item_1'); completed(); os._exit(0)")
    async with cli.thread().run_streamed("go") as streamed:
        events = []
        async for event in streamed.events:
            events.append(event.type)
            await anyio.sleep(0.2)
    assert events == ["thread.started", "turn.started", "item.completed", "item.completed", "turn.completed"]
    cli.kill_child()


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def test_what_is_in_the_pipe_outlives_its_process(fake: MakeFake, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the process goes, it may have said more than one read gives; that waits for the consumer for as long as it likes."""
    monkeypatch.setattr(turn_process, "PIPE_GRACE", 0.0)
    monkeypatch.setattr(turn_process, "READ_SIZE", 4096)
    cli = fake("started()\nfor n in range(40): say('x' * 1000, f'item_{n}')\ncompleted(); os._exit(0)")
    async with cli.thread().run_streamed("go") as streamed:
        items = []
        async for event in streamed.events:
            if event.type == "thread.started":
                await until(lambda: gone(cli.pid))
            if isinstance(event, ItemCompletedEvent):
                items.append(event.item.id)
    assert items == [f"item_{number}" for number in range(40)]
    assert streamed.turn.status == "completed"


@both_backends
async def test_a_process_with_much_to_say_leaves_the_event_loop_to_others(fake: MakeFake) -> None:
    """Though there is always something to read: each read lets the other tasks have their turn."""
    turns = 0

    async def ticks() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    running = TurnProcess.start([str(fake("while True: emit(dict(type='tick'))").path)], stdin=b"", env=os.environ)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ticks)
        for _ in range(100):
            assert await running.read_lines()
        tasks.cancel_scope.cancel()
    await running.aclose()
    assert turns >= 90


@pytest.mark.integration
async def test_an_executable_that_cannot_be_started_is_reported() -> None:
    """With its path, and without a trace of pipes."""
    before = set(os.listdir("/dev/fd"))
    with pytest.raises(TransportError, match=r"/nowhere/codex cannot be started.*No such file"):
        TurnProcess.start(["/nowhere/codex"], stdin=b"", env={})
    assert set(os.listdir("/dev/fd")) <= before


async def test_a_scripted_transport_needs_no_process() -> None:
    """A transport of the user has none of this."""
    events: list[dict[str, Any]] = [{"type": "turn.started"}, {"type": "turn.completed", "usage": {"input_tokens": 1}}]
    assert await drain(ScriptedTransport([events]), "x") == 3
