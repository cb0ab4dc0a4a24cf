"""A turn is built from its events."""

import pickle

import pytest

from codex_jupyter.sdk import (
    AgentMessageItem,
    CommandExecutionItem,
    ErrorItem,
    ItemCompletedEvent,
    ItemStartedEvent,
    ItemUpdatedEvent,
    ThreadErrorEvent,
    TurnBuilder,
)
from codex_jupyter.sdk.models.turn import MAX_DROPPED


@pytest.mark.parametrize("keep_items", [True, False])
def test_a_warning_that_the_cli_repeats_is_in_the_turn_once(keep_items: bool) -> None:
    """As an item or as a message. An update of the same item replaces it."""
    builder = TurnBuilder(keep_items=keep_items)
    for number, text in enumerate(["old setting", "old setting", "unknown model", "old setting"]):
        builder.apply(ItemCompletedEvent(item=ErrorItem(id=f"item_{number}", message=text)), ThreadErrorEvent(message=text))
    builder.apply(ItemCompletedEvent(item=ErrorItem(id="item_0", message="old setting")))
    shown = [getattr(item, "message", "") for item in builder.turn.items]
    assert shown == (["old setting", "unknown model"] if keep_items else [])
    assert builder.turn.warnings == ("old setting", "unknown model")


def test_a_turn_reconnects_until_the_model_is_heard_again() -> None:
    """Other reports of the CLI say nothing about the model."""
    builder = TurnBuilder()
    assert not builder.turn.reconnecting
    builder.apply(ThreadErrorEvent(message="Reconnecting... 1/5"))
    assert builder.turn.reconnecting
    builder.apply(ThreadErrorEvent(message="another"), ItemCompletedEvent(item=ErrorItem(id="e", message="a warning")))
    assert builder.turn.reconnecting
    builder.apply(ItemCompletedEvent(item=AgentMessageItem(id="m", text="Here I am.")))
    assert not builder.turn.reconnecting
    builder.apply(ThreadErrorEvent(message="Reconnecting... 1/5"))
    builder.finish("failed", "no connection")
    assert not builder.turn.reconnecting


@pytest.mark.parametrize("late", [ItemStartedEvent, ItemUpdatedEvent])
def test_an_event_that_comes_too_late_does_not_open_a_completed_item_again(late: type[ItemStartedEvent | ItemUpdatedEvent]) -> None:
    """The end of an item counts, for any order of the events. More of the item after its end is kept."""
    running = CommandExecutionItem(id="a", command="x", status="in_progress")
    done = CommandExecutionItem(id="a", command="x", status="completed", exit_code=0, aggregated_output="out")
    more = CommandExecutionItem(id="a", command="x", status="completed", exit_code=0, aggregated_output="output")
    answer = AgentMessageItem(id="b", text="Done.")
    builder = TurnBuilder()
    builder.apply(ItemCompletedEvent(item=done), late(item=running), ItemCompletedEvent(item=done), late(item=running))
    assert (builder.turn.items, builder.turn.open_item_ids) == ((done,), frozenset())
    builder.apply(late(item=more), ItemCompletedEvent(item=answer), late(item=running))
    builder.finish("completed")
    assert (builder.turn.items, builder.turn.open_item_ids) == ((more, answer), frozenset())


@pytest.mark.parametrize("late", [ItemStartedEvent, ItemUpdatedEvent])
def test_an_event_that_comes_too_late_does_not_bring_a_dropped_item_back(late: type[ItemStartedEvent | ItemUpdatedEvent]) -> None:
    done = CommandExecutionItem(id="a", command="x", status="completed", exit_code=0)
    answer = AgentMessageItem(id="b", text="Done.")
    builder = TurnBuilder(keep_items=False)
    builder.apply(ItemCompletedEvent(item=done), late(item=done.model_copy(update={"status": "in_progress"})), late(item=done))
    builder.apply(ItemCompletedEvent(item=answer))
    builder.finish("completed")
    assert builder.turn.items == (answer,)


def test_the_ids_of_dropped_items_are_bounded() -> None:
    builder = TurnBuilder(keep_items=False)
    before = len(pickle.dumps(builder))
    sizes = []
    for number in range(3 * MAX_DROPPED):
        builder.apply(ItemCompletedEvent(item=CommandExecutionItem(id=f"{number:06}", command="x", status="completed", exit_code=0)))
        if number % MAX_DROPPED == MAX_DROPPED - 1:
            sizes.append(len(pickle.dumps(builder)) - before)
    assert sizes[0] > 0
    assert sizes == [sizes[0]] * 3
