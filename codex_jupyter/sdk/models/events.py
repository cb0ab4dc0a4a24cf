"""The events of a turn: the `ThreadEvent` union, and its one parser.

A successful turn reads `thread.started`, `turn.started`, items, `turn.completed`. An `error` event alone is no failure: the CLI
sends one for each retry of a lost connection. Only `turn.failed`, or the end of the stream without `turn.completed`, is.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from codex_jupyter.sdk.models.items import ThreadItem, UnknownModel, WireModel
from codex_jupyter.sdk.models.rights import EffectiveRights


class Usage(WireModel):
    """Token counts, all >= 0. On the wire they are running totals of the thread; `Turn.usage` holds those of one turn."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    """Those of the input tokens that came from the cache."""
    cache_write_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_output_tokens: int = 0
    """Those of the output tokens that were spent on reasoning."""

    def __sub__(self, earlier: "Usage") -> "Usage":
        """What was used since `earlier`, never below zero."""
        return Usage(**{name: max(0, getattr(self, name) - getattr(earlier, name)) for name in Usage.model_fields})

    @property
    def total_tokens(self) -> int:
        """Input and output tokens together."""
        return self.input_tokens + self.output_tokens


class ThreadStartedEvent(WireModel):
    """The first event of every turn, of a resumed thread too."""

    type: Literal["thread.started"] = "thread.started"
    thread_id: str
    """The thread's UUID; resume the thread with it."""


class TurnStartedEvent(WireModel):
    """The prompt was accepted and the model is asked."""

    type: Literal["turn.started"] = "turn.started"


def _or_none_used(value: Any, validate: ValidatorFunctionWrapHandler) -> Usage:
    """A turn has ended well, in whatever form the counts come."""
    try:
        return cast("Usage", validate(value))
    except ValidationError:
        return Usage()


class TurnCompletedEvent(WireModel):
    """The turn ended well. Terminal."""

    type: Literal["turn.completed"] = "turn.completed"
    usage: Annotated[Usage, WrapValidator(_or_none_used)] = Usage.model_construct()
    """Running total of the thread, as the CLI counts it."""


class TurnError(WireModel):
    """Why a turn failed."""

    message: str


def _as_error(value: Any) -> Any:
    """A turn has failed, in whatever form the reason comes."""
    known = isinstance(value, TurnError) or (isinstance(value, Mapping) and isinstance(value.get("message"), str))
    return value if known else {"message": value if isinstance(value, str) else json.dumps(value)}


class TurnFailedEvent(WireModel):
    """The turn ended with an error. Terminal."""

    type: Literal["turn.failed"] = "turn.failed"
    error: Annotated[TurnError, BeforeValidator(_as_error)]


class ItemStartedEvent(WireModel):
    """An item began; its status is usually `in_progress`."""

    type: Literal["item.started"] = "item.started"
    item: ThreadItem


class ItemUpdatedEvent(WireModel):
    """An item changed; it holds the whole item so far."""

    type: Literal["item.updated"] = "item.updated"
    item: ThreadItem


class ItemCompletedEvent(WireModel):
    """An item reached its final state."""

    type: Literal["item.completed"] = "item.completed"
    item: ThreadItem


class ThreadErrorEvent(WireModel):
    """A message of the CLI about the connection or the turn; the turn may still succeed."""

    type: Literal["error"] = "error"
    message: str


class TurnRightsEvent(WireModel):
    """The rights of the turn are known. Ours: the CLI reports them elsewhere. Sent once the CLI has reported them, and if they change."""

    type: Literal["turn.rights"] = "turn.rights"
    rights: EffectiveRights


class UnknownEvent(UnknownModel):
    """An event of a type, or in a form, that this version does not know. Its fields are in `model_extra`."""


KnownEvent: TypeAlias = Annotated[
    ThreadStartedEvent
    | TurnStartedEvent
    | TurnCompletedEvent
    | TurnFailedEvent
    | ItemStartedEvent
    | ItemUpdatedEvent
    | ItemCompletedEvent
    | ThreadErrorEvent
    | TurnRightsEvent,
    Field(discriminator="type"),
]
ThreadEvent: TypeAlias = Annotated[KnownEvent | UnknownEvent, Field(union_mode="left_to_right")]
"""Any event of a turn. Distinguish events by class or by `event.type`."""


@cache
def event_adapter() -> TypeAdapter[ThreadEvent]:
    """The validator of one event, built at the first call (about 35 ms) and kept."""
    return TypeAdapter(ThreadEvent)


@cache
def _validate_json() -> Callable[[bytes | str], ThreadEvent]:
    """The part of the adapter that reads JSON, without the layer above it."""
    return cast("Callable[[bytes | str], ThreadEvent]", event_adapter().validator.validate_json)


def parse_events(lines: Iterable[bytes]) -> list[ThreadEvent] | None:
    """Read lines, each of them an event: what `parse_event` does, without its cost for each line.

    Args:
        lines: JSON objects, without their newlines.

    Returns:
        Their events; None if any of the lines is none.
    """
    try:
        return list(map(_validate_json(), lines))
    except ValidationError:
        return None


def parse_event(line: bytes | str) -> ThreadEvent | None:
    """Read one line of the CLI's output.

    Args:
        line: One JSON object, without its newline.

    Returns:
        The event; an `UnknownEvent` for an object of unknown form; None if the line is not a JSON object with a text `type`.
    """
    try:
        return _validate_json()(line)
    except ValidationError:
        return None
