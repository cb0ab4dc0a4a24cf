"""The limits of a running turn: its timeout, its budget, and the time that the model may be silent."""

import math
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING

from codex_jupyter.sdk.errors import BudgetExceededError, NetworkTimeoutError, TurnInterruptedError, TurnTimeoutError
from codex_jupyter.sdk.models.events import ThreadErrorEvent, ThreadEvent
from codex_jupyter.sdk.models.options import TurnOptions
from codex_jupyter.sdk.models.turn import TurnBuilder
from codex_jupyter.sdk.transports.base import TurnStream
from codex_jupyter.sdk.transports.model_clock import ModelClock

if TYPE_CHECKING:
    from codex_jupyter.sdk.budget_meter import BudgetMeter


class TurnLimits:
    """The limits of one turn, which wait for its events.

    Args:
        options: The options of the turn.

    Attributes:
        deadline: The time at which the timeout of the turn ends, in seconds of `time.monotonic`.
        meter: Compares the turn with its budget. None without a budget.
    """

    def __init__(self, options: TurnOptions) -> None:
        self._timeout = options.timeout
        self.deadline: float = math.inf
        self.meter: BudgetMeter | None = None
        self._clock = ModelClock(options.network_timeout, 0.0)

    def start(self) -> None:
        """Start the timeout."""
        if self._timeout is not None:
            self.deadline = monotonic() + self._timeout

    async def receive(
        self, stream: TurnStream, builder: TurnBuilder, *, is_stopping: bool
    ) -> Sequence[ThreadEvent] | TurnInterruptedError | None:
        """Wait for the next events, or until a limit must be checked.

        Args:
            stream: The turn.
            builder: The builder of the turn.
            is_stopping: True if the turn was asked to stop. Then only the timeout counts.

        Returns:
            The events, or a warning about silence; the error for which the turn must be stopped; None if nothing was received in time.
        """
        clock, events = None if is_stopping else self._clock, None
        now = monotonic()
        due = self.deadline
        if clock is not None:
            clock.entered(now)
            due = min(due, clock.due, math.inf if self.meter is None else self.meter.due)
        try:
            events = await stream.receive_until(due)
        finally:
            now = monotonic()
            if clock is not None:
                if events is not None:
                    clock.heard(events, now)
                clock.left(now)
        if events is not None:
            return events
        if now >= self.deadline:
            self.deadline = math.inf
            unit = "second" if self._timeout == 1 else "seconds"
            return TurnTimeoutError(f"The turn was stopped after its timeout of {self._timeout:g} {unit}.")
        return self._look(stream, builder, clock, now) if clock is not None and now >= clock.due else None

    async def exceeded(self, builder: TurnBuilder) -> BudgetExceededError | None:
        """Return the error for a budget that is used up; None if the turn may continue.

        Args:
            builder: The builder of the turn.
        """
        return None if self.meter is None else await self.meter.check(builder.turn, monotonic())

    def _look(
        self, stream: TurnStream, builder: TurnBuilder, clock: ModelClock, now: float
    ) -> Sequence[ThreadEvent] | NetworkTimeoutError | None:
        """Return a warning after a while without an event, or the error of a turn that must be stopped."""
        turn = builder.turn
        # Messages and reasoning do not count: they are open while the model writes them.
        works = any(getattr(item, "status", None) == "in_progress" for item in turn.items if item.id in turn.open_item_ids)
        try:
            message = clock.look(now, works or stream.occupied, stream.silent_for)
        except TimeoutError as error:
            return NetworkTimeoutError(str(error))
        return None if message is None else (ThreadErrorEvent(message=message),)
