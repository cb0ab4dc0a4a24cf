"""Many turns at once: none fails, and nothing is left of any."""

import gc
import os
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import anyio
import psutil
import pytest

from codex_jupyter.sdk import ImageInput, TextInput, Turn, UserInput
from codex_jupyter.testing import shell
from tests.sdk.conftest import Real
from tests.sdk.support.fake import HAPPY, MakeFake, both_backends, until
from tests.sdk.transports.test_temporary_files import PNG, SCHEMA

pytestmark = pytest.mark.anyio


def state() -> tuple[int, set[str], set[int]]:
    """Count the resources that could leak: open files, threads that are not idle workers, children."""
    gc.collect()
    threads = {thread.name for thread in threading.enumerate() if "worker" not in thread.name.lower() and "trio" not in thread.name.lower()}
    return psutil.Process().num_fds(), threads, {child.pid for child in psutil.Process().children(recursive=True)}


def left_since(before: tuple[int, set[str], set[int]]) -> tuple[int, set[str], set[int]]:
    """Return what is there now and was not there before. What an earlier test has used can end meanwhile, and is not a leak."""
    files, threads, children = state()
    return max(0, files - before[0]), threads - before[1], children - before[2]


@both_backends
async def test_200_turns_at_once_leave_nothing(fake: MakeFake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No failure, file descriptor, thread, child, zombie or temporary file; also of those that fail or are stopped."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    cli = fake(f"n = sys.stdin.read().split()[0]\nif n == 'fail': os._exit(3)\nif n == 'stay': started(); stay()\n{HAPPY}")
    codex = cli.codex()
    done: list[Turn] = []
    failed: list[str] = []

    async def run(kind: str) -> None:
        thread = codex.start_thread(working_directory=cli.folder)
        try:
            parts: list[UserInput] = [TextInput(text=kind), ImageInput(data=PNG)]
            done.append(await thread.run(parts, output_schema=SCHEMA if kind == "schema" else None, timeout=3 if kind == "stay" else 120))
        except Exception as error:
            failed.append(f"{kind} {type(error).__name__}")

    await run("warm")
    before = state()
    async with anyio.create_task_group() as tasks:
        for number in range(200):
            tasks.start_soon(run, {0: "fail", 10: "stay"}.get(number % 20, "go"))
    assert len(done) == 181
    assert sorted(set(failed)) == ["fail ProcessExitError", "stay TurnTimeoutError"]
    assert len(failed) == 20
    nothing: tuple[int, set[str], set[int]] = (0, set(), set())
    with suppress(TimeoutError):
        await until(lambda: left_since(before) == nothing, 15)
    assert left_since(before) == nothing
    assert os.listdir(scratch) == []


async def test_8_real_turns_at_once(real: Real) -> None:
    """Each a thread of its own, with its own answer and command."""
    model = real.play([[[shell("echo hi")], f"Answer {number}"] for number in range(8)])
    turns: list[Turn] = []

    async def run() -> None:
        turns.append(await real.thread(model, sandbox_mode="workspace-write").run("go"))

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(run)
    assert sorted(turn.final_response for turn in turns) == [f"Answer {number}" for number in range(8)]
    assert len({turn.thread_id for turn in turns}) == 8
    assert all(len(turn.items) == 2 for turn in turns)
    assert os.listdir(real.workspace) == []
