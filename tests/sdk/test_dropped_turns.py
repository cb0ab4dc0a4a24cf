"""Streamed turns that their caller drops in the middle: they are stopped, and their thread is free."""

import gc
import threading
from collections.abc import Awaitable, Callable

import anyio
import pytest

from codex_jupyter.sdk import CancellationToken, Thread, ThreadNotFoundError
from codex_jupyter.sdk.thread_state import ThreadState
from codex_jupyter.testing import shell
from codex_jupyter.testing.script import ScriptedTurn
from tests.sdk.conftest import Real
from tests.sdk.support.fake import both_backends, wait_until

pytestmark = pytest.mark.anyio

SCRIPT = [ScriptedTurn([[shell("sleep 300")], "Never."], match="go"), ScriptedTurn(["The next answer."], match="now")]
Drop = Callable[[Thread], Awaitable[object]]


async def leave_the_loop(thread: Thread) -> None:
    async for event in (await thread.run_streamed("go")).events:
        if event.type == "item.started":
            break


async def iterate_nothing(thread: Thread) -> None:
    await thread.run_streamed("go")


async def pass_a_token(thread: Thread) -> None:
    token = CancellationToken()
    streamed = await thread.run_streamed("go", cancellation=token)
    await anext(streamed)  # `codex exec` may not have stored the thread yet
    del streamed
    token.cancel()


async def refer_to_itself(thread: Thread) -> None:
    streamed = await thread.run_streamed("go")
    streamed.itself = streamed  # type: ignore[attr-defined]
    del streamed
    gc.collect()


async def drop_in_another_thread(thread: Thread) -> None:
    turns = [await thread.run_streamed("go")]
    dropping = threading.Thread(target=turns.clear)
    dropping.start()
    await anyio.to_thread.run_sync(dropping.join)


async def raise_in_the_loop(thread: Thread) -> None:
    try:
        async for event in (await thread.run_streamed("go")).events:
            if event.type == "item.started":
                raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    gc.collect()  # the traceback has references


@pytest.mark.parametrize("transport", ["exec", "app-server"])
@pytest.mark.parametrize(
    "drop", [leave_the_loop, iterate_nothing, pass_a_token, refer_to_itself, drop_in_another_thread, raise_in_the_loop]
)
async def test_a_dropped_turn_is_stopped_with_a_warning_and_the_next_one_runs(real: Real, transport: str, drop: Drop) -> None:
    real.transport = transport
    thread = real.thread(SCRIPT, sandbox_mode="danger-full-access")
    with pytest.warns(ResourceWarning, match=r"A running turn was dropped, so it is stopped\. Use `async with"):
        await drop(thread)
    assert (await thread.run("and now?")).final_response == "The next answer."
    assert real.sleeps() == 0


@both_backends
async def test_a_dropped_turn_ends_without_another_turn(real: Real, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop closes it, so that no process is left behind."""
    idle, mark_idle = threading.Event(), ThreadState.mark_idle

    def noted(state: ThreadState) -> None:
        mark_idle(state)
        idle.set()

    monkeypatch.setattr(ThreadState, "mark_idle", noted)
    thread = real.thread(SCRIPT, sandbox_mode="danger-full-access")
    with pytest.warns(ResourceWarning, match="A running turn was dropped"):
        await leave_the_loop(thread)
    await anyio.to_thread.run_sync(wait_until, lambda: idle.is_set() and not real.processes())


def test_a_turn_that_is_dropped_with_its_event_loop_leaves_nothing_behind(real: Real) -> None:
    thread = real.thread(SCRIPT, sandbox_mode="danger-full-access")
    with pytest.warns(ResourceWarning, match="A running turn was dropped"):
        anyio.run(leave_the_loop, thread)
    wait_until(lambda: not real.processes())
    assert anyio.run(thread.run, "and now?").final_response == "The next answer."


@pytest.mark.parametrize("transport", ["exec", "app-server"])
async def test_a_thread_that_the_cli_has_not_stored_is_replaced_with_a_warning(real: Real, transport: str) -> None:
    """A CLI that is killed in its first moments has reported the thread, but not stored it. Here, its file is removed."""
    real.transport = transport
    model = real.play(SCRIPT)
    codex = real.codex(model)
    thread = codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True, sandbox_mode="danger-full-access")
    async with thread.run_streamed("go") as streamed:
        await anext(streamed)
    lost = thread.id
    await codex.aclose()
    for path in (real.folder / "home" / "sessions").rglob(f"*{lost}*.jsonl"):
        path.unlink()
    turn = await thread.run("and now?")
    assert (turn.final_response, turn.thread_id) == ("The next answer.", thread.id)
    assert thread.id != lost
    stopped = f"The first turn of thread {lost} was stopped before the CLI had stored the thread."
    assert turn.warnings == (f"{stopped} This turn starts a new thread, which does not contain that prompt.",)


async def test_a_completed_thread_that_was_deleted_is_not_replaced(real: Real) -> None:
    """Its history would be lost without a word."""
    thread = real.thread(["One.", "Two."])
    await thread.run("go")
    next((real.folder / "home" / "sessions").rglob("*.jsonl")).unlink()
    with pytest.raises(ThreadNotFoundError):
        await thread.run("on")
