"""The limits of an account."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from codex_jupyter.sdk.models.wire import WireModel, time_of


class RateLimitWindow(WireModel):
    """A limit within a period of time."""

    used_percent: float
    """Used part of the limit, from 0 to 100."""
    window_minutes: int | None = None
    """Length of the period in minutes."""
    resets_at: datetime | None = None
    """End of the period, in UTC."""


class RateLimits(WireModel):
    """The limits of an account, as the server reports them."""

    limit_id: str | None = None
    """Id of the limit, such as `codex`."""
    limit_name: str | None = None
    """Name of the limit for display."""
    plan: str | None = None
    """Plan of the account, such as `plus`."""
    primary: RateLimitWindow | None = None
    """The limit of the short period, such as five hours."""
    secondary: RateLimitWindow | None = None
    """The limit of the long period, such as a week."""
    reached: str | None = None
    """Kind of the limit that is reached; None if there is none."""
    credits: dict[str, Any] | None = None
    """The credits of the account, as the server sends them."""

    @classmethod
    def from_wire(cls, snapshot: Mapping[str, Any]) -> "RateLimits":
        """Read the object `rateLimits` of `account/rateLimits/read` or `account/rateLimits/updated`.

        Args:
            snapshot: The object.
        """
        return cls(
            limit_id=snapshot.get("limitId"),
            limit_name=snapshot.get("limitName"),
            plan=snapshot.get("planType"),
            primary=_window(snapshot.get("primary")),
            secondary=_window(snapshot.get("secondary")),
            reached=snapshot.get("rateLimitReachedType"),
            credits=snapshot.get("credits"),
        )


def _window(window: Any) -> RateLimitWindow | None:
    if not isinstance(window, Mapping) or not isinstance(window.get("usedPercent"), int | float):
        return None
    return RateLimitWindow(
        used_percent=window["usedPercent"],
        window_minutes=window.get("windowDurationMins"),
        resets_at=time_of(window.get("resetsAt")),
    )
