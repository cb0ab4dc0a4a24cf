"""Threads that are not used any more do not stay loaded on the app-server."""

from typing import Any

import anyio
import pytest

from codex_jupyter.sdk import Codex, Thread
from codex_jupyter.sdk.transports.app_server import threads
from tests.sdk.conftest import Real

pytestmark = pytest.mark.anyio


async def loaded(codex: Codex) -> set[str]:
    """Return the threads that the server reports as loaded."""
    answer: dict[str, Any] = await codex.transport.ask("thread/loaded/list")
    return set(answer["data"])


def client(real: Real, script: Any) -> Codex:
    real.transport = "app-server"
    return real.codex(real.play(script))


def start(real: Real, codex: Codex, **options: Any) -> Thread:
    return codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True, **options)


async def test_only_the_threads_that_were_used_last_stay_loaded(real: Real, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "MAX_LOADED", 3)
    codex = client(real, [f"Answer {number}." for number in range(12)])
    abandoned = [start(real, codex) for _ in range(6)]
    for thread in abandoned:
        await thread.run("go")
    assert await loaded(codex) == {thread.id for thread in abandoned[-3:]}
    # One that is used again stays, and an unloaded one continues with its history.
    await abandoned[3].run("again")
    await start(real, codex).run("go")
    assert str(abandoned[3].id) in await loaded(codex)
    await abandoned[0].run("again")
    assert len(await loaded(codex)) == 3
    assert [turn.prompt for turn in (await codex.read_thread(str(abandoned[0].id))).turns] == ["go", "again"]


async def test_running_and_ephemeral_threads_stay_loaded(real: Real, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "MAX_LOADED", 1)
    codex = client(real, [f"Answer {number}." for number in range(12)])
    ephemeral = start(real, codex, ephemeral=True)
    await ephemeral.run("go")
    several = [start(real, codex) for _ in range(4)]
    for _ in range(2):
        async with anyio.create_task_group() as tasks:
            for thread in several:
                tasks.start_soon(thread.run, "go")
    assert (await ephemeral.run("again")).status == "completed"
    assert len(await loaded(codex)) <= 1 + len(several)
    for thread in several:
        assert [turn.turn.status for turn in (await codex.read_thread(str(thread.id))).turns] == ["completed"] * 2
