"""How long a turn has waited for the model without a sign of it.

A sign is an event of the turn, or a byte that the CLI received: a model may think for minutes before there is an event. When the CLI
reports that the connection is lost, a byte counts only if it came some time after that report, and from another machine: a proxy answers
each try for a model that cannot be reached, and a tool on this machine may send something at any time.
"""

import math
from collections.abc import Callable, Sequence
from typing import Final

from codex_jupyter.sdk.models.events import ItemCompletedEvent, ThreadErrorEvent, ThreadEvent
from codex_jupyter.sdk.models.items import ErrorItem
from codex_jupyter.sdk.models.turn import NO_SIGN

NOTICE: Final = 20.0
"""Seconds without a sign after which the turn says so, or half of a shorter timeout."""
RECONNECTED: Final = 2.0
"""Seconds between the report of a lost connection and a byte that is not part of the try that it reports."""


class ModelClock:
    """The clock of one turn.

    Args:
        timeout: Seconds without a sign after which the turn is to be stopped; 0 never.
        now: The time, in seconds of the event loop's clock.
    """

    def __init__(self, timeout: float, now: float) -> None:
        self._timeout = timeout or math.inf
        self._sign = self._left = now
        self._lost_at: float | None = None
        self._noticed = False
        self._rest = 0.0
        """When to look again although there was no event."""

    @property
    def due(self) -> float:
        """When to look at the clock."""
        return max(self._rest, self._sign + (self._timeout if self._noticed else min(NOTICE, self._timeout / 2)))

    def entered(self, now: float) -> None:
        """The turn is awaited. The time between two waits is the consumer's, not the model's."""
        self._sign += now - self._left
        self._rest += now - self._left
        self._left = now

    def left(self, now: float) -> None:
        """The turn is not awaited any more."""
        self._left = now

    def heard(self, events: Sequence[ThreadEvent], now: float) -> None:
        """Take in events of the turn."""
        if any(not _is_report(event) for event in events):
            self._sign, self._lost_at, self._noticed, self._rest = now, None, False, 0.0
        elif events:
            self._lost_at = now

    def look(self, now: float, occupied: bool, silent_for: Callable[[bool], float]) -> str | None:
        """See whether there is still a sign.

        Args:
            now: The time.
            occupied: Whether the turn waits for something else than the model.
            silent_for: Gives the seconds since the CLI received a byte; with True, one from another machine.

        Returns:
            What to report when there was no sign for a while; None if there is nothing to report.

        Raises:
            TimeoutError: If the turn is to be stopped. The message says why.
        """
        if occupied:
            self._sign, self._noticed = now, False
            return None
        waited = now - self._sign
        limit = self._timeout if waited >= self._timeout else min(NOTICE, self._timeout / 2)
        lost = self._lost_at is not None
        quiet = silent_for(lost)
        if quiet < limit and (self._lost_at is None or now - quiet > self._lost_at + RECONNECTED):
            self._rest = now + limit - quiet
            return None
        if waited >= self._timeout:
            why = "the connection to the model was lost" if lost else "nothing came from the model"
            raise TimeoutError(f"The turn was stopped, because {why} for {self._timeout:g} seconds (network_timeout).")
        self._noticed = True
        if lost:
            return None  # the CLI has reported it
        end = "" if self._timeout == math.inf else f" The turn is stopped after {self._timeout:g} s without one."
        return f"{NO_SIGN} for {limit:g} s.{end}"


def _is_report(event: ThreadEvent) -> bool:
    """Return whether an event is the CLI's own report of its connection."""
    return isinstance(event, ThreadErrorEvent) or (isinstance(event, ItemCompletedEvent) and isinstance(event.item, ErrorItem))
