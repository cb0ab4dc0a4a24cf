"""Requirements of every transport, as checks that run over any of them.

A transport's tests give a `Stage`, which makes threads whose turns play a plot. A plot says what happens in a turn, in words that a
transport can bring about in its own way.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import anyio
import pytest

from codex_jupyter.sdk import (
    AgentMessageItem,
    BudgetExceededError,
    CancellationToken,
    CodexError,
    CommandExecutionItem,
    InputError,
    ItemStartedEvent,
    OutputSchemaError,
    OverloadedError,
    Thread,
    ThreadBusyError,
    TurnBudget,
    TurnFailedError,
    TurnInterruptedError,
    TurnTimeoutError,
    retry,
)
from tests.sdk.support.differences import EVENTS_OF_THE_APP_SERVER


@dataclass(frozen=True)
class Says:
    """The agent's message."""

    text: str


@dataclass(frozen=True)
class Runs:
    """A command that ends, with its output."""

    output: str


Scene: TypeAlias = Says | Runs | Literal["hangs", "fails", "overloaded"]
"""`hangs`: a command that does not end. `fails`: the provider refuses, with the word `refused`. `overloaded`: it has no capacity."""
Plot: TypeAlias = Sequence[Scene]


class Stage(Protocol):
    """Plays plots over one transport."""

    def thread(self, *plots: Plot) -> Thread:
        """A new thread whose turns play the plots in order."""
        ...

    def again(self, thread: Thread) -> Thread:
        """Another object for the same thread, resumed by its id."""
        ...


Check: TypeAlias = Callable[[Stage], Awaitable[None]]
CHECKS: list[Check] = []


def check(function: Check) -> Check:
    """Add a check to the suite."""
    CHECKS.append(function)
    return function


@check
async def a_turn_has_its_answer_and_usage(stage: Stage) -> None:
    turn = await stage.thread([Says("Hi!")]).run("go")
    assert turn.status == "completed"
    assert turn.final_response == "Hi!"
    assert turn.usage is not None
    assert turn.usage == turn.thread_usage
    assert turn.error is None
    assert turn.open_item_ids == frozenset()


@check
async def the_last_message_is_the_answer(stage: Stage) -> None:
    turn = await stage.thread([Runs("one\n"), Says("Two")]).run("go")
    assert [type(item) for item in turn.items] == [CommandExecutionItem, AgentMessageItem]
    assert turn.items[0].model_dump()["aggregated_output"] == "one\n"
    assert turn.final_response == "Two"


@check
async def events_come_in_order_and_once(stage: Stage) -> None:
    async with stage.thread([Runs("x"), Says("Hi!")]).run_streamed("go") as streamed:
        events = [event async for event in streamed.events]
        assert [event async for event in streamed.events] == []
    # A transport that sends a message while it is written sends it before its end, too.
    # A transport that knows more about the turn, such as its rights, reports that.
    extra = ("item.updated", "turn.rights", "turn.usage", *EVENTS_OF_THE_APP_SERVER)
    ends = [event for event in events if event.type not in extra and getattr(event, "item", None) != _started_text(event)]
    expected = ["thread.started", "turn.started", "item.started", "item.completed", "item.completed", "turn.completed"]
    assert [event.type for event in ends] == expected


def _started_text(event: object) -> object:
    """Return the message that an event starts to show. None if it is another event."""
    begun = isinstance(event, ItemStartedEvent) and isinstance(event.item, AgentMessageItem)
    return event.item if isinstance(event, ItemStartedEvent) and begun else object()


@check
async def a_stream_can_be_awaited(stage: Stage) -> None:
    streamed = await stage.thread([Says("Hi!")]).run_streamed("go")
    assert [event.type async for event in streamed.events][-1] == "turn.completed"
    assert streamed.turn.final_response == "Hi!"


@check
async def a_thread_continues(stage: Stage) -> None:
    thread = stage.thread([Says("One")], [Says("Two")])
    first = await thread.run("go")
    second = await thread.run("on")
    assert first.thread_id == second.thread_id == thread.id
    assert second.final_response == "Two"


@check
async def usage_is_that_of_the_turn(stage: Stage) -> None:
    thread = stage.thread([Says("One")], [Says("Two")])
    first, second = await thread.run("go"), await thread.run("on")
    assert first.usage is not None
    assert second.usage is not None
    assert second.thread_usage is not None
    assert first.usage.output_tokens + second.usage.output_tokens == second.thread_usage.output_tokens
    assert second.usage.output_tokens > 0


@check
async def a_thread_is_resumed_by_its_id(stage: Stage) -> None:
    thread = stage.thread([Says("One")], [Says("Two")])
    await thread.run("go")
    other = stage.again(thread)
    turn = await other.run("on")
    assert turn.final_response == "Two"
    assert turn.thread_id == other.id == thread.id


@check
async def a_failed_turn_raises_and_keeps_its_items(stage: Stage) -> None:
    thread = stage.thread([Runs("x"), "fails"], [Says("Back")])
    with pytest.raises(TurnFailedError, match="refused") as caught:
        await thread.run("go")
    assert caught.value.turn is not None
    assert caught.value.turn.status == "failed"
    assert isinstance(caught.value.turn.items[0], CommandExecutionItem)
    assert (await thread.run("on")).final_response == "Back"


@check
async def a_failed_stream_ends_with_its_event(stage: Stage) -> None:
    async with stage.thread(["fails"]).run_streamed("go") as streamed:
        assert [event.type async for event in streamed.events][-1] == "turn.failed"
        with pytest.raises(TurnFailedError, match="refused"):
            await streamed.wait()


async def hanging(stage: Stage, *more: Plot) -> Thread:
    return stage.thread(["hangs"], *more)


@check
async def leaving_the_block_ends_the_turn(stage: Stage) -> None:
    thread = await hanging(stage, [Says("Back")])
    async with thread.run_streamed("go") as streamed:
        async for event in streamed.events:
            if event.type == "item.started":
                break
    assert streamed.turn.status == "interrupted"
    assert streamed.turn.items[0].model_dump()["status"] == "interrupted"
    assert (await thread.run("on")).final_response == "Back"


@check
async def an_interrupt_ends_the_turn(stage: Stage) -> None:
    async with (await hanging(stage)).run_streamed("go") as streamed:
        async for event in streamed.events:
            if event.type == "item.started":
                break
        await streamed.interrupt()
        with pytest.raises(TurnInterruptedError) as caught:
            await streamed.wait()
    assert caught.value.turn is not None
    assert caught.value.turn.status == "interrupted"
    assert len(caught.value.turn.items) == 1


@check
async def a_timeout_ends_the_turn(stage: Stage) -> None:
    with pytest.raises(TurnTimeoutError) as caught:
        await (await hanging(stage)).run("go", timeout=1)
    assert caught.value.turn is not None
    assert caught.value.turn.status == "timed_out"


@check
async def a_token_ends_the_turn(stage: Stage) -> None:
    token = CancellationToken()
    async with (await hanging(stage)).run_streamed("go", cancellation=token) as streamed:
        async for event in streamed.events:
            if event.type == "item.started":
                break
        await anyio.to_thread.run_sync(token.cancel, "enough")
        with pytest.raises(TurnInterruptedError, match="enough"):
            await streamed.wait()


@check
async def cancelling_the_task_ends_the_turn(stage: Stage) -> None:
    thread = await hanging(stage, [Says("Back")])
    with anyio.CancelScope() as scope:
        async with thread.run_streamed("go") as streamed:
            async for event in streamed.events:
                if event.type == "item.started":
                    break
            scope.cancel()
            await streamed.wait()
    assert scope.cancelled_caught
    assert (await thread.run("on")).final_response == "Back"


@check
async def one_turn_runs_at_a_time(stage: Stage) -> None:
    thread = await hanging(stage)
    async with thread.run_streamed("go") as streamed:
        await anext(streamed.events)
        with pytest.raises(ThreadBusyError):
            await thread.run("on")


@check
async def an_answer_is_parsed(stage: Stage) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    assert (await stage.thread([Says('{"a": 1}')]).run("go", output_schema=schema)).parsed == {"a": 1}
    with pytest.raises(OutputSchemaError) as caught:
        await stage.thread([Says("no")]).run("go", output_schema=schema)
    assert caught.value.text == "no"


@check
async def an_empty_prompt_is_refused(stage: Stage) -> None:
    with pytest.raises(InputError):
        await stage.thread([Says("Hi!")]).run(" ")


@check
async def an_input_can_consist_of_dicts(stage: Stage) -> None:
    turn = await stage.thread([Says("Hi!")]).run([{"type": "text", "text": "go"}])
    assert turn.final_response == "Hi!"
    with pytest.raises(InputError, match="has the type 'txt'"):
        await stage.thread([Says("Hi!")]).run([{"type": "txt", "text": "go"}])


@check
async def a_failure_has_a_reason_and_can_be_retried(stage: Stage) -> None:
    thread = stage.thread(["overloaded"], [Says("Back")])
    errors: list[CodexError] = []
    turn = await retry(lambda: thread.run("go"), first_delay=0, on_retry=lambda error, _: errors.append(error))
    assert turn.final_response == "Back"
    (error,) = errors
    assert isinstance(error, OverloadedError)
    assert error.turn is not None
    assert error.turn.status == "failed"


@check
async def a_budget_ends_the_turn_and_the_thread_continues(stage: Stage) -> None:
    thread = stage.thread([Runs("x"), "hangs"], [Says("Back")])
    with pytest.raises(BudgetExceededError, match="2 tool calls") as caught:
        await thread.run("go", budget=TurnBudget(tool_calls=1))
    assert caught.value.turn is not None
    assert caught.value.turn.status == "interrupted"
    assert (await thread.run("on")).final_response == "Back"


@check
async def closing_twice_is_not_an_error(stage: Stage) -> None:
    async with stage.thread([Says("Hi!")]).run_streamed("go") as streamed:
        turn = await streamed.wait()
        await streamed.aclose()
    await streamed.aclose()
    assert streamed.turn == turn
