"""Measure how long the items of a running turn take."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from codex_jupyter.sdk import ThreadItem, Turn

MIN_SHOWN_SECONDS: Final = 0.1
"""Shorter running times are not shown."""


@dataclass(slots=True)
class ItemTimes:
    """Running times of the items of one turn. Times that the CLI reports are exact. The others are measured here."""

    _started: dict[str, float] = field(init=False, default_factory=dict)
    _ended: dict[str, float] = field(init=False, default_factory=dict)
    _reported: dict[str, float] = field(init=False, default_factory=dict)
    _waited: dict[str, float] = field(init=False, default_factory=dict)
    _paused: dict[str, float] = field(init=False, default_factory=dict)
    """The times at which the items that wait now were paused."""

    def observe(self, turn: Turn, now: float) -> None:
        """Record which items have started and ended.

        Args:
            turn: The turn as it is now.
            now: The time in seconds.
        """
        for item in turn.items:
            if item.id not in self._started:
                self._started[item.id] = now - (_age(item) if item.id in turn.open_item_ids else 0.0)
            if item.id not in turn.open_item_ids and item.id not in self._ended:
                self._ended[item.id] = now
                if (seconds := getattr(item, "duration", None)) is not None:
                    self._reported[item.id] = seconds

    def pause(self, item_id: str, now: float) -> None:
        """Stop the time of an item, because it waits for the user.

        Args:
            item_id: The item.
            now: The time in seconds.
        """
        self._paused.setdefault(item_id, now)

    def resume(self, item_id: str, now: float) -> None:
        """Continue the time of an item that was paused.

        Args:
            item_id: The item.
            now: The time in seconds.
        """
        self._waited[item_id] = self._waiting(item_id, now)
        self._paused.pop(item_id, None)

    def elapsed(self, item_id: str, now: float) -> float | None:
        """Return the running time of an item in seconds, or None if it is too short to be shown.

        Args:
            item_id: The item.
            now: The time in seconds. It is the end of an item that still runs.
        """
        measured = self._ended.get(item_id, now) - self._started[item_id] - self._waiting(item_id, now)
        seconds = self._reported.get(item_id, measured)
        return seconds if seconds >= MIN_SHOWN_SECONDS else None

    def running(self, item_id: str, now: float) -> float:
        """Return the seconds for which an item has run so far.

        Args:
            item_id: The item.
            now: The time in seconds.
        """
        return now - self._started[item_id] - self._waiting(item_id, now)

    def _waiting(self, item_id: str, now: float) -> float:
        """Return the seconds for which an item has waited for the user so far."""
        return self._waited.get(item_id, 0.0) + now - self._paused.get(item_id, now)

    def ended(self, item_id: str) -> bool:
        """Return True if an item has ended.

        Args:
            item_id: The item.
        """
        return item_id in self._ended


def _age(item: ThreadItem) -> float:
    """Return the seconds since the start that the CLI reports, for a display that opens while the item runs. 0 if it reports none."""
    started = getattr(item, "started_at", None)
    return 0.0 if started is None else max(0.0, (datetime.now(UTC) - started).total_seconds())
