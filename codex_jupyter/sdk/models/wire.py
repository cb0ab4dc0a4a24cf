"""Base classes of the values that the CLI sends."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

ToolCallStatus: TypeAlias = Literal["in_progress", "completed", "failed", "declined", "interrupted"] | str
"""`declined` and `interrupted` are added by this package: the user declined the call, or the turn ended before its end."""
TIMES: Final = ("started_at", "completed_at")
"""Fields of an item that only the app-server reports."""


def time_of(timestamp: object, parts: int = 1) -> datetime | None:
    """Return the time of a timestamp. None if it is not a number, or out of the range of times.

    Args:
        timestamp: Seconds, or parts of seconds.
        parts: Number of parts of a second: 1,000 for milliseconds.
    """
    if isinstance(timestamp, bool) or not isinstance(timestamp, int | float):
        return None
    try:
        return datetime.fromtimestamp(timestamp / parts, UTC)
    except (ValueError, OverflowError, OSError):
        return None


class WireModel(BaseModel):
    """Base class of values that the CLI sends. They are frozen. Unknown fields are kept in `model_extra`."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="allow", defer_build=True)


class UnknownModel(WireModel):
    """An object of a type, or in a form, that this version does not know. Its other fields are in `model_extra`.

    `type` is always `unknown`, so that `type` distinguishes it from every known class. Dumping it gives the fields as they were read.
    """

    type: Literal["unknown"] = "unknown"
    wire_type: str
    """The type that the CLI sent."""

    @model_validator(mode="before")
    @classmethod
    def _move_type(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        if "type" in data and data["type"] != "unknown":
            return {**data, "type": "unknown", "wire_type": data["type"]}
        return {"wire_type": "unknown", **data} if "type" in data else data

    @model_serializer(mode="wrap")
    def _dump_wire_form(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = handler(self)
        identity = {"id": data.pop("id")} if "id" in data else {}
        added = {"type", "wire_type", *(name for name in TIMES if data.get(name) is None)}
        return {**identity, "type": self.wire_type, **{name: value for name, value in data.items() if name not in added}}


class ItemModel(WireModel):
    """Base class of the items. The app-server reports the times; with `codex exec` they are None."""

    id: str
    """Id of the item, unique within its turn."""
    started_at: datetime | None = Field(default=None, repr=False)
    """Time of the start of the item, in UTC."""
    completed_at: datetime | None = Field(default=None, repr=False)
    """Time of the end of the item, in UTC. None while it is open."""

    @property
    def duration(self) -> float | None:
        """Seconds from the start to the end of the item; None if they are unknown."""
        if self.started_at is None or self.completed_at is None:
            return None
        return (self.completed_at - self.started_at).total_seconds()
