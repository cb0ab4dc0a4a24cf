"""The running times of items."""

from datetime import UTC, datetime, timedelta

from codex_jupyter.notebook.display.item_times import ItemTimes
from codex_jupyter.sdk import Turn
from codex_jupyter.sdk.models.items import CommandExecutionItem


def test_a_display_that_opens_while_an_item_runs_counts_from_the_start_of_the_item() -> None:
    """Such as the chat of a page that was loaded again. Without a reported start, the time counts from when the item is first seen."""
    started = datetime.now(UTC) - timedelta(hours=1)
    old = CommandExecutionItem(id="old", command="make", status="in_progress", started_at=started)
    new = CommandExecutionItem(id="new", command="make", status="in_progress")
    times = ItemTimes()
    times.observe(Turn(thread_id="t", items=(old, new), open_item_ids=frozenset({"old", "new"})), 100.0)
    assert times.running("old", 110.0) >= 3610
    assert times.running("new", 110.0) == 10
