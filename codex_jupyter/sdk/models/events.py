"""The events of a turn: the `ThreadEvent` union, and its one parser.

A successful turn consists of `thread.started`, `turn.started`, items, `turn.completed`. An `error` event alone is not a failure: the CLI
sends one for each retry of a lost connection. A turn has failed if `turn.failed` is received, or if the stream ends without
`turn.completed`. The app-server also sends the events of `app_server_events`.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from codex_jupyter.sdk.models.app_server_events import (
    DeprecationEvent,
    McpServerStatusEvent,
    ModelReroutedEvent,
    RateLimitsEvent,
    TurnDiffEvent,
    TurnTimingEvent,
)
from codex_jupyter.sdk.models.items import ThreadItem
from codex_jupyter.sdk.models.rights import EffectiveRights
from codex_jupyter.sdk.models.usage import Usage
from codex_jupyter.sdk.models.wire import UnknownModel, WireModel


class ThreadStartedEvent(WireModel):
    """The first event of every turn, also on a resumed thread."""

    type: Literal["thread.started"] = "thread.started"
    thread_id: str
    """The thread's UUID; resume the thread with it."""


class TurnStartedEvent(WireModel):
    """The prompt was accepted and sent to the model."""

    type: Literal["turn.started"] = "turn.started"


def _or_none_used(value: Any, validate: ValidatorFunctionWrapHandler) -> Usage:
    """Accept malformed usage: a completed turn must not fail because of its token counts."""
    try:
        return cast("Usage", validate(value))
    except ValidationError:
        return Usage()


class TurnCompletedEvent(WireModel):
    """The turn is completed. This is the last event."""

    type: Literal["turn.completed"] = "turn.completed"
    usage: Annotated[Usage, WrapValidator(_or_none_used)] = Usage.model_construct()
    """Running total of the thread, as the CLI counts it."""


class TurnError(WireModel):
    """The reason why a turn failed."""

    message: str
    codex_error_info: Any = None
    """The kind of the error, as the app-server reports it. `codex exec` does not report it. `Turn.failure` has the reason for a program."""


def _as_error(value: Any) -> Any:
    """Accept a reason in any form: a failed turn must be reported as failed."""
    is_error = isinstance(value, TurnError) or (isinstance(value, Mapping) and isinstance(value.get("message"), str))
    return value if is_error else {"message": value if isinstance(value, str) else json.dumps(value)}


class TurnFailedEvent(WireModel):
    """The turn failed. This is the last event."""

    type: Literal["turn.failed"] = "turn.failed"
    error: Annotated[TurnError, BeforeValidator(_as_error)]


class ItemStartedEvent(WireModel):
    """An item was started. Its status is usually `in_progress`."""

    type: Literal["item.started"] = "item.started"
    item: ThreadItem
    delta: str = ""
    """The text that the item already has. Empty with `codex exec`."""


class ItemUpdatedEvent(WireModel):
    """An item changed. The event contains the whole item so far."""

    type: Literal["item.updated"] = "item.updated"
    item: ThreadItem
    delta: str = ""
    """The text of a message or of reasoning, or the output of a command, that was added since the last event of the item. Empty for other
    items, and with `codex exec`."""


class ItemCompletedEvent(WireModel):
    """An item reached its final state."""

    type: Literal["item.completed"] = "item.completed"
    item: ThreadItem
    delta: str = ""
    """The end of the text of a message or of reasoning that no earlier event of the item contains. Empty for other items, and with
    `codex exec`."""


class ThreadErrorEvent(WireModel):
    """A message of the CLI about the connection or the turn. The turn may still succeed."""

    type: Literal["error"] = "error"
    message: str


class TurnRightsEvent(WireModel):
    """The rights of the turn, or a change of them. This package adds the event, because the CLI reports the rights elsewhere."""

    type: Literal["turn.rights"] = "turn.rights"
    rights: EffectiveRights


class TurnUsageEvent(WireModel):
    """The tokens that were used. The app-server reports them after each request to the model.

    `codex exec` records them in the file of the thread, and this package adds the event once, before the end of the turn.
    """

    type: Literal["turn.usage"] = "turn.usage"
    total: Usage
    """Running total of the thread."""
    last: Usage
    """Tokens of the last request. Its input is what the context of the model contained."""
    context_window: int | None = None
    """Size of the model's context in tokens; None if it is unknown."""


class ContextWarningEvent(WireModel):
    """The thread fills most of the model's context. Sent once in a turn. This package adds the event.

    The app-server reports the tokens after each request, and `codex exec` at the end of the turn.
    """

    type: Literal["context.warning"] = "context.warning"
    context_tokens: int
    """Tokens in the context after the last request."""
    context_window: int
    """Size of the context in tokens."""

    @property
    def message(self) -> str:
        """The event as a sentence, with a remedy."""
        return (
            f"The thread uses {self.context_tokens / self.context_window:.0%} of the model's context ({self.context_tokens:,} of "
            f"{self.context_window:,} tokens). Compact it, or start a new thread."
        )


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
    | TurnRightsEvent
    | ContextWarningEvent
    | TurnTimingEvent
    | TurnDiffEvent
    | TurnUsageEvent
    | McpServerStatusEvent
    | ModelReroutedEvent
    | DeprecationEvent
    | RateLimitsEvent,
    Field(discriminator="type"),
]
ThreadEvent: TypeAlias = Annotated[KnownEvent | UnknownEvent, Field(union_mode="left_to_right")]
"""Any event of a turn. Distinguish events by class or by `event.type`."""


@cache
def event_adapter() -> TypeAdapter[ThreadEvent]:
    """Return the validator of one event. It is built at the first call, which takes about 35 ms."""
    return TypeAdapter(ThreadEvent)


@cache
def _validate_json() -> Callable[[bytes | str], ThreadEvent]:
    """Return the adapter's JSON validator, without the layer above it."""
    return cast("Callable[[bytes | str], ThreadEvent]", event_adapter().validator.validate_json)


def parse_events(lines: Iterable[bytes]) -> list[ThreadEvent] | None:
    """Parse lines with one event each, faster than `parse_event` for each line.

    Args:
        lines: JSON objects, without their newlines.

    Returns:
        The events; None if any line is not an event.
    """
    try:
        return list(map(_validate_json(), lines))
    except ValidationError:
        return None


def parse_event(line: bytes | str) -> ThreadEvent | None:
    """Parse one line of the CLI's output.

    Args:
        line: One JSON object, without its newline.

    Returns:
        The event; an `UnknownEvent` for an object of unknown form; None if the line is not a JSON object with a text `type`.
    """
    try:
        return _validate_json()(line)
    except ValidationError:
        return None
