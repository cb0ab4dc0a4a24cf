"""Measure the time that a turn waits for the model without a sign of life.

A sign is an event of the turn, or a byte that the CLI received: a model may think for minutes before there is an event. After the CLI has
reported a lost connection, a byte counts only if it arrived some time after that report, and from another machine. A proxy answers each
retry for a model that cannot be reached, and a tool on this machine may send something at any time.
"""

import math
from collections.abc import Callable, Sequence
from typing import Final

from codex_jupyter.sdk.models.events import ThreadEvent
from codex_jupyter.sdk.models.turn import NO_SIGN, is_report

NOTICE: Final = 20.0
"""Seconds without a sign after which the turn reports it, or half of a shorter timeout."""
RECONNECTED: Final = 2.0
"""Seconds between the report of a lost connection and a byte that is not part of the reported retry."""


class ModelClock:
    """The clock of one turn.

    Args:
        timeout: Seconds without a sign after which the turn must be stopped; 0 means never.
        now: The time, in seconds of `time.monotonic`.
    """

    def __init__(self, timeout: float, now: float) -> None:
        self._timeout = timeout or math.inf
        self._sign = self._left = now
        self._lost_at: float | None = None
        self._noticed = False
        self._rest = 0.0
        """Time of the next check although there was no event."""

    @property
    def due(self) -> float:
        """Time of the next check."""
        return max(self._rest, self._sign + (self._timeout if self._noticed else min(NOTICE, self._timeout / 2)))

    def entered(self, now: float) -> None:
        """Note that the turn is awaited. The time between two waits is the consumer's, not the model's."""
        self._sign += now - self._left
        self._rest += now - self._left
        self._left = now

    def left(self, now: float) -> None:
        """Note that the turn is no longer awaited."""
        self._left = now

    def heard(self, events: Sequence[ThreadEvent], now: float) -> None:
        """Note events of the turn."""
        if any(not is_report(event) for event in events):
            self._sign, self._lost_at, self._noticed, self._rest = now, None, False, 0.0
        elif events:
            self._lost_at = now

    def look(self, now: float, occupied: bool, silent_for: Callable[[bool], float]) -> str | None:
        """Check for a sign of life.

        Args:
            now: The time.
            occupied: True if the turn waits for something other than the model.
            silent_for: Returns the seconds since the CLI received a byte; with True, a byte from another machine.

        Returns:
            A message if there was no sign for a while, otherwise None.

        Raises:
            TimeoutError: If the turn must be stopped. The message contains the reason.
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
