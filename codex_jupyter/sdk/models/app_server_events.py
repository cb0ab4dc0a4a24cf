"""Events that only the app-server sends. `codex exec` has no event for them."""

from datetime import datetime
from typing import Literal, TypeAlias

from pydantic import Field

from codex_jupyter.sdk.models.rate_limits import RateLimits
from codex_jupyter.sdk.models.wire import WireModel

McpServerState: TypeAlias = Literal["starting", "ready", "failed", "cancelled"] | str


class TurnTimingEvent(WireModel):
    """The id and the times of the turn. Sent at the start of the turn, and again before its end, also if it is interrupted."""

    type: Literal["turn.timing"] = "turn.timing"
    turn_id: str
    """The server's id of the turn."""
    started_at: datetime | None = None
    """Time of the start, in UTC, in whole seconds."""
    completed_at: datetime | None = None
    """Time of the end, in UTC, in whole seconds. None while the turn runs."""
    duration: float | None = None
    """Seconds from the start to the end. None while the turn runs."""


class TurnDiffEvent(WireModel):
    """The files changed."""

    type: Literal["turn.diff"] = "turn.diff"
    diff: str
    """All changes of the turn so far, as one unified diff."""


class McpServerStatusEvent(WireModel):
    """The state of an MCP server of the thread. A server that failed offers no tools to the agent, and the turn has an `ErrorItem`."""

    type: Literal["mcp_server.status"] = "mcp_server.status"
    name: str
    """Name of the server in the configuration."""
    status: McpServerState
    error: str | None = None
    """The reason of the failure."""
    failure_reason: str | None = None
    """Kind of the failure, such as `reauthenticationRequired`; None for most failures."""


class ModelReroutedEvent(WireModel):
    """The provider used another model for a request."""

    type: Literal["model.rerouted"] = "model.rerouted"
    from_model: str
    to_model: str
    reason: str = ""
    """Such as `highRiskCyberActivity`."""


class DeprecationEvent(WireModel):
    """A setting of the configuration is deprecated. The turn also has an `ErrorItem` with the text, as with `codex exec`."""

    type: Literal["deprecation"] = "deprecation"
    summary: str
    details: str | None = None
    """The replacement of the setting."""


class RateLimitsEvent(WireModel):
    """The limits of the account after a request to the model."""

    type: Literal["account.rate_limits"] = "account.rate_limits"
    rate_limits: RateLimits = Field(default_factory=RateLimits)
