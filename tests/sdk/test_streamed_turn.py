"""Tests of `runStreamed` and of aborting in the TypeScript SDK, in Python. The numbers are those of its list of tests."""

import threading
import time

import anyio
import pytest

from codex_jupyter.sdk import (
    AgentMessageItem,
    CancellationToken,
    ItemCompletedEvent,
    ThreadEvent,
    ThreadStartedEvent,
    TurnCompletedEvent,
    TurnInterruptedError,
    TurnRightsEvent,
    TurnStartedEvent,
    TurnUsageEvent,
)
from codex_jupyter.testing import shell, wait_for
from tests.sdk.conftest import Real, SentSignals
from tests.sdk.support.fake import both_backends
from tests.sdk.test_thread import SCHEMA

pytestmark = pytest.mark.anyio


@both_backends
async def test_22_the_events_of_a_turn(real: Real) -> None:
    """All of them, in order; and two that are ours: the rights of the turn, and its tokens."""
    thread = real.thread(["Hi!"])
    streamed = await thread.run_streamed("Hello")
    events: list[ThreadEvent] = [event async for event in streamed.events]
    expected = [ThreadStartedEvent, TurnStartedEvent, TurnRightsEvent, ItemCompletedEvent, TurnUsageEvent, TurnCompletedEvent]
    assert [type(event) for event in events] == expected
    started, _, _, item, _, completed = events
    assert isinstance(started, ThreadStartedEvent)
    assert isinstance(item, ItemCompletedEvent)
    assert isinstance(completed, TurnCompletedEvent)
    assert started.thread_id == thread.id
    assert isinstance(item.item, AgentMessageItem)
    assert item.item.text == "Hi!"
    assert completed.usage.input_tokens > 0
    assert streamed.turn.status == "completed"


async def test_23_a_second_stream_continues_the_thread(real: Real) -> None:
    """With the history."""
    model = real.play(["One", "Two"])
    thread = real.thread(model)
    for prompt in ("first", "second"):
        async with thread.run_streamed(prompt) as streamed:
            assert [event.type async for event in streamed.events][-1] == "turn.completed"
    assert model.requests[1].prompts == ["first", "second"]
    assert "One" in str(model.requests[1].body)


async def test_24_a_stream_of_a_resumed_thread_keeps_its_id(real: Real) -> None:
    """The CLI says it again."""
    model = real.play(["One", "Two"])
    first = real.thread(model)
    await first.run("first")
    second = real.thread(model, first.id)
    async with second.run_streamed("second") as streamed:
        event = await anext(streamed.events)
        assert isinstance(event, ThreadStartedEvent)
        assert event.thread_id == first.id == second.id
        await streamed.wait()


async def test_25_a_schema_is_applied_to_a_stream(real: Real) -> None:
    """And the answer is parsed at the end."""
    model = real.play(['{"answer": "yes"}'])
    async with real.thread(model).run_streamed("go", output_schema=SCHEMA) as streamed:
        async for _ in streamed.events:
            assert streamed.turn.parsed is None
        turn = await streamed.wait()
    assert model.requests[0].body["text"]["format"]["schema"] == SCHEMA
    assert turn.parsed == streamed.turn.parsed == {"answer": "yes"}


@both_backends
async def test_33_34_a_turn_that_was_stopped_before_does_not_start(real: Real) -> None:
    """Neither `run` nor the stream yields an event. The reason is reported."""
    model = real.play(["Never"])
    token = CancellationToken()
    token.cancel("changed my mind")
    with pytest.raises(TurnInterruptedError, match="changed my mind"):
        await real.thread(model).run("go", cancellation=token)
    streamed = real.thread(model).run_streamed("go", cancellation=token)
    with pytest.raises(TurnInterruptedError, match="changed my mind"):
        await streamed
    assert model.requests == []


@both_backends
@pytest.mark.usefixtures("patient")
async def test_35_a_turn_is_stopped_while_the_model_is_asked(real: Real, signals: SentSignals) -> None:
    release, token = threading.Event(), CancellationToken()
    model = real.play([[[wait_for(release), "Never"]]])

    def cancel_when_asked() -> None:
        end = time.monotonic() + 30
        while not model.requests and time.monotonic() < end:
            threading.Event().wait(0.01)
        token.cancel("too slow")

    threading.Thread(target=cancel_when_asked).start()
    with pytest.raises(TurnInterruptedError, match="too slow"):
        await real.thread(model).run("go", cancellation=token)
    assert signals.names == ["SIGINT"]
    assert len(model.requests) == 1
    release.set()


@both_backends
@pytest.mark.usefixtures("patient")
async def test_36_a_stream_is_stopped_after_its_first_event(real: Real, signals: SentSignals) -> None:
    """The iteration raises, and what came is kept."""
    token = CancellationToken()
    events: list[ThreadEvent] = []
    async with real.thread([[[shell("sleep 60")]]]).run_streamed("go", cancellation=token) as streamed:
        with pytest.raises(TurnInterruptedError, match="enough"):  # noqa: PT012
            async for event in streamed.events:
                if not events:
                    token.cancel("enough")
                events.append(event)
        assert signals.names == ["SIGTERM"]  # it has not asked the model yet, and would not listen to SIGINT
    assert isinstance(events[0], ThreadStartedEvent)
    assert streamed.turn.status == "interrupted"
    assert streamed.turn.thread_id == events[0].thread_id


async def test_37_a_token_that_is_not_used_changes_nothing(real: Real) -> None:
    """With and without one."""
    thread = real.thread(["One", "Two"])
    assert (await thread.run("go", cancellation=CancellationToken())).final_response == "One"
    assert (await thread.run("go")).final_response == "Two"


async def test_37_a_long_process_is_really_ended(real: Real) -> None:
    """Within half a second of work for the stop itself; no process is left."""
    async with real.thread([[[shell("sleep 60")]]], sandbox_mode="danger-full-access").run_streamed("go") as streamed:
        async for event in streamed.events:
            if event.type == "item.started":
                break
        with anyio.fail_after(2):
            await streamed.interrupt()
    assert real.processes() == []
