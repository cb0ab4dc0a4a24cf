"""A turn is built from its events."""

import pytest

from codex_jupyter.sdk import AgentMessageItem, ErrorItem, ItemCompletedEvent, ThreadErrorEvent, TurnBuilder


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
