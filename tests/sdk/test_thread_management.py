"""Stored threads are named, archived, deleted, searched and forked at a turn, with every transport."""

import json
import os
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from codex_jupyter.sdk import Codex, ConfigError, ScriptedTransport, ThreadNotFoundError, TransportError, UnsupportedOperationError
from codex_jupyter.sdk.codex import TransportName
from codex_jupyter.testing import shell
from tests.sdk.conftest import Real
from tests.sdk.support.fake import until

pytestmark = pytest.mark.anyio

TRANSPORTS: tuple[TransportName, ...] = ("exec", "app-server", "auto")


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_thread_is_named_archived_restored_forked_and_deleted(real: Real, transport: TransportName) -> None:
    """The client starts a server where its transport has none, and leaves no process."""
    real.transport = transport
    model = real.play(["One.", "Two.", "Three.", "Four."])
    codex = real.codex(model)
    options: dict[str, Any] = {"working_directory": real.workspace, "skip_git_repo_check": True}
    thread = codex.start_thread(**options)
    with pytest.raises(ThreadNotFoundError, match="no turn yet"):
        await thread.set_name("early")
    await thread.run("first apple")
    await thread.run("a pear")
    assert thread.id is not None
    await thread.set_name(" My  name ")
    (listed,) = await codex.list_threads(real.workspace, search="MY NAME")
    assert (listed.id, listed.name, listed.title, listed.archived) == (thread.id, "My name", "first apple", False)
    history = await codex.read_thread(thread.id)
    assert (history.name, history.title, [turn.prompt for turn in history.turns]) == ("My  name", "first apple", ["first apple", "a pear"])
    fork = await codex.fork_thread(thread.id, last_turn_id=history.turns[0].id, **options)
    assert (await fork.run("third")).final_response == "Three."
    sent = json.dumps(model.requests[-1].input)
    assert "first apple" in sent
    assert "a pear" not in sent
    await codex.archive_thread(thread.id)
    assert [summary.id for summary in await codex.list_threads(real.workspace)] == [fork.id]
    assert [(summary.id, summary.archived) for summary in await codex.list_threads(real.workspace, archived=True)] == [(thread.id, True)]
    with pytest.raises(ThreadNotFoundError, match=r"archived[\s\S]*unarchive_thread"):
        await codex.resume_thread(thread.id, **options).run("go")
    await codex.unarchive_thread(thread.id)
    assert (await codex.resume_thread(thread.id, **options).run("go on")).final_response == "Four."
    with pytest.raises(TransportError, match="Delete the threads that were forked from it first"):
        await codex.delete_thread(thread.id)
    assert fork.id is not None
    await codex.delete_thread(fork.id)
    await codex.delete_thread(thread.id)
    assert await codex.list_threads(real.workspace) == []
    with pytest.raises(ThreadNotFoundError):
        await codex.set_thread_name(thread.id, "gone")


async def test_wrong_requests_about_threads_are_refused() -> None:
    """Before a process is started."""
    codex = Codex(transport=ScriptedTransport([]))
    some = str(UUID(int=1))
    wrong: list[tuple[Any, type[Exception]]] = [
        (lambda: codex.set_thread_name(some, " "), ConfigError),
        (lambda: codex.archive_thread("main"), ThreadNotFoundError),
        (lambda: codex.set_thread_name(some, "x"), UnsupportedOperationError),
        (lambda: codex.delete_thread(some), UnsupportedOperationError),
        (lambda: codex.models(), UnsupportedOperationError),
        (lambda: codex.list_threads(order="size"), ConfigError),  # type: ignore[arg-type]
        (lambda: codex.list_threads(cursor="x"), ConfigError),
    ]
    for call, error in wrong:
        with pytest.raises(error):
            await call()


async def test_pages_contain_each_thread_once_in_order(tmp_path: Path) -> None:
    """Also with filters, in both orders."""
    folder = tmp_path / "sessions" / "2026" / "01" / "02"
    folder.mkdir(parents=True)
    for number in range(1, 8):
        thread_id = str(UUID(int=number))
        meta = {"id": thread_id, "cwd": "/w", "timestamp": "2026-01-02T03:04:05Z", "source": "exec" if number % 2 else "cli"}
        said = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": f"prompt {number % 3}"}]}
        lines = [{"type": "session_meta", "payload": meta}, {"type": "response_item", "payload": said}]
        path = folder / f"rollout-2026-01-02T03-04-05-{thread_id}.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        os.utime(path, (100 - number // 2, 100 - number // 2))
    codex = Codex(env={"CODEX_HOME": str(tmp_path)})

    async def pages(**query: Any) -> list[list[int]]:
        numbers, cursor = [], None
        while True:
            page = await codex.list_threads("/w", cursor=cursor, **query)
            numbers.append([UUID(summary.id).int for summary in page])
            cursor = page.next_cursor
            if cursor is None:
                return numbers

    assert await pages(limit=3) == [[1, 3, 2], [5, 4, 7], [6]]
    assert await pages(limit=7) == await pages(limit=None) == [[1, 3, 2, 5, 4, 7, 6]]
    assert await pages(limit=3, order="created") == [[7, 6, 5], [4, 3, 2], [1]]
    assert await pages(limit=2, sources=["cli"]) == [[2, 4], [6]]
    assert await pages(search="PROMPT 0") == [[3, 6]]
    first = await codex.list_threads("/w", limit=1)
    with pytest.raises(ConfigError, match="this order"):
        await codex.list_threads("/w", cursor=first.next_cursor, order="created")


async def test_a_command_that_a_stop_has_ended_is_interrupted_in_the_stored_thread(real: Real) -> None:
    """The server stores it as failed, with an exit code that no program has. A command that failed by itself keeps its exit code."""
    real.transport = "app-server"
    model = real.play([[shell("exit 3"), shell("sleep 300"), "Never."]])
    codex = real.codex(model)
    thread = codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True, sandbox_mode="danger-full-access")
    async with thread.run_streamed("go") as streamed:
        async for event in streamed.events:
            if event.type == "item.started" and event.item.type == "command_execution" and "sleep" in event.item.command:
                break
        await until(lambda: real.sleeps() == 1)
        await streamed.interrupt()
    assert thread.id is not None
    (stored,) = (await codex.read_thread(thread.id)).turns
    commands = [item for item in stored.turn.items if item.type == "command_execution"]
    assert [(item.status, item.exit_code) for item in commands] == [("failed", 3), ("interrupted", None)]
