"""A turn: the prompt's result. `Turn` is the value, and `TurnBuilder` builds it from events.

The builder is the only place with state. It finds an item by its id and replaces it; items keep the order of first appearance.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Generic, Literal, TypeAlias

from typing_extensions import TypeVar

from codex_jupyter.sdk.models.app_server_events import RateLimitsEvent, TurnDiffEvent, TurnTimingEvent
from codex_jupyter.sdk.models.events import (
    ContextWarningEvent,
    ItemCompletedEvent,
    ItemStartedEvent,
    ItemUpdatedEvent,
    ThreadErrorEvent,
    ThreadEvent,
    ThreadStartedEvent,
    TurnCompletedEvent,
    TurnFailedEvent,
    TurnRightsEvent,
    TurnStartedEvent,
    TurnUsageEvent,
)
from codex_jupyter.sdk.models.failures import Failure
from codex_jupyter.sdk.models.items import AgentMessageItem, ErrorItem, FileChangeItem, ThreadItem
from codex_jupyter.sdk.models.rate_limits import RateLimits
from codex_jupyter.sdk.models.rights import EffectiveRights
from codex_jupyter.sdk.models.usage import Usage

NO_SIGN: Final = "No sign of the model"
"""Start of the message that a turn has while the model sends nothing."""
_RECONNECTING: Final = "Reconnecting..."
"""Start of the CLI's message about each attempt to reconnect."""
MAX_COMPARED: Final = 50
"""Number of the last warnings that a new one is compared with."""
MAX_DROPPED: Final = 1_000
"""Number of the last dropped items of which later events are ignored."""
TurnStatus: TypeAlias = Literal["in_progress", "completed", "failed", "interrupted", "timed_out"]
_NOT_PARSED: Any = None
ParsedT = TypeVar("ParsedT", default=Any)
"""The type of `Turn.parsed`: the type given as `output_schema`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn(Generic[ParsedT]):
    """The result of one prompt, partial while the turn runs."""

    thread_id: str | None = None
    """The thread's id; None until the CLI reports it."""
    status: TurnStatus = "in_progress"
    items: tuple[ThreadItem, ...] = ()
    """Everything the agent did, in order of first appearance. Only the open items and the answer with `TurnOptions.keep_items=False`."""
    open_item_ids: frozenset[str] = frozenset()
    """The ids of the items that may still change. Empty once the turn has ended."""
    usage: Usage | None = None
    """Tokens that this turn used so far. None until the CLI reports them, or if the thread's earlier total is unknown (a review, or a
    thread whose file cannot be read). With `codex exec` they are known at the end of the turn."""
    thread_usage: Usage | None = None
    """Tokens that the whole thread has used, this turn included, as the CLI counts them. None until the CLI reports them."""
    context_tokens: int | None = None
    """Tokens in the context of the model after the last request. None until then. With `codex exec`, None before the end of the turn."""
    context_window: int | None = None
    """Size of the context of the model in tokens. None if it is unknown. With `codex exec`, None before the end of the turn."""
    error: str | None = None
    """The reason why the turn failed or was stopped; None otherwise."""
    failure: Failure | None = None
    """The reason for a program, if the turn failed because of the model, its provider or the account. None otherwise."""
    warnings: tuple[str, ...] = ()
    """Messages of the CLI that did not end the turn. Only the last attempt to reconnect after a lost connection is kept. While the model
    sends nothing, the last message says so."""
    reconnecting: bool = False
    """True while the connection to the model is lost and the CLI tries again."""
    parsed: ParsedT = _NOT_PARSED
    """The answer as a value of the output schema's type. None without a schema, and until the turn is completed."""
    rights: EffectiveRights | None = None
    """The rights of the turn, as the CLI reports them. None until then, and if the transport cannot find out."""
    diffs: Mapping[str, str] = field(default_factory=dict)
    """Unified diffs of the changed files, by the id of the `FileChangeItem`, if they are known. The app-server reports them. With
    `codex exec` the notebook computes them."""
    net_diff: str | None = None
    """All changes of the turn as one unified diff, as the app-server reports it. None until then, and with `codex exec`."""
    snapshot_id: str | None = None
    """Id of the record of the files before and after the turn. None if they were not recorded."""
    id: str | None = None
    """The server's id of the turn. None with `codex exec`."""
    started_at: datetime | None = None
    """Time of the start, in UTC, in whole seconds. None with `codex exec`."""
    completed_at: datetime | None = None
    """Time of the end, in UTC, in whole seconds. None while the turn runs, and with `codex exec`."""
    duration: float | None = None
    """Seconds from the start to the end. None while the turn runs, and with `codex exec`."""
    rate_limits: RateLimits | None = None
    """The limits of the account after the last request to the model. None if the provider reports none, and with `codex exec`."""

    @property
    def diff(self) -> str:
        """All changes of the turn: `net_diff`, or the concatenated `diffs` if it is None. Empty if the changes are unknown."""
        return "".join(self.diffs.values()) if self.net_diff is None else self.net_diff

    @property
    def final_response(self) -> str:
        """The answer: the text of the last message with the phase `final_answer`, or else of the last one that is not commentary.

        Empty if there is no such message. `codex exec` does not report phases, so there it is the last message.
        """
        answer = answer_of(self.items)
        return "" if answer is None else answer.text


def answer_of(items: Sequence[ThreadItem]) -> AgentMessageItem | None:
    """Return the message that is the answer of a turn, see `Turn.final_response`. None if there is none."""
    messages = [item for item in reversed(items) if isinstance(item, AgentMessageItem) and item.phase != "commentary"]
    return next((item for item in messages if item.phase == "final_answer"), messages[0] if messages else None)


@dataclass(slots=True)
class TurnBuilder:
    """Build a `Turn` from its events.

    Args:
        usage_before: The thread's total usage before this turn; None if it is unknown.
        keep_items: False keeps only the open items and the answer.
    """

    usage_before: Usage | None = None
    keep_items: bool = True
    thread_id: str | None = field(default=None, init=False)
    """The thread's id, once the CLI has reported it."""
    snapshot_id: str | None = field(default=None, init=False)
    """Id of the record of the files, if they are recorded."""
    _items: dict[str, ThreadItem] = field(default_factory=dict, init=False)
    _answer: AgentMessageItem | None = field(default=None, init=False)
    """The answer so far, if items are not kept."""
    _status: TurnStatus = field(default="in_progress", init=False)
    _total: Usage | None = field(default=None, init=False)
    _error: str | None = field(default=None, init=False)
    _failure: Failure | None = field(default=None, init=False)
    _rights: EffectiveRights | None = field(default=None, init=False)
    _diffs: dict[str, str] = field(default_factory=dict, init=False)
    _reported: dict[str, Any] = field(default_factory=dict, init=False)
    """Fields of the turn that events of the app-server contain."""
    _warnings: list[str] = field(default_factory=list, init=False)
    _notices: dict[str, str] = field(default_factory=dict, init=False)
    """The ids of the items with warnings, by their messages."""
    _silence: str | None = field(default=None, init=False)
    _reconnecting: bool = field(default=False, init=False)
    _open: set[str] = field(default_factory=set, init=False)
    _dropped: dict[str, None] = field(default_factory=dict, init=False)
    """The ids of the last items that were not kept."""
    _turn: Turn | None = field(default=None, init=False)

    def apply(self, *events: ThreadEvent) -> None:
        """Apply the next events. Unknown events change nothing."""
        self._turn = None
        self._silence = None
        if self._reconnecting and not all(map(is_report, events)):
            self._reconnecting = False
        items, still_open = self._items, self._open
        # A turn can have very many item events. `isinstance` on pydantic models is slow, see the benchmark of the SDK clients.
        for event in events:
            if type(event) is ItemCompletedEvent:
                item = event.item
                item_id = item.id
                if type(item) is ErrorItem and self._is_repeated(item):
                    continue
                items[item_id] = item
                still_open.discard(item_id)
                if not self.keep_items:
                    self._drop(item)
                elif type(item) is FileChangeItem and (diff := "".join(change.diff or "" for change in item.changes)):
                    self._diffs[item_id] = diff
            elif type(event) is ItemUpdatedEvent or type(event) is ItemStartedEvent:
                item = event.item
                item_id = item.id
                if item_id in self._dropped:
                    continue
                if item_id not in items or item_id in still_open:
                    items[item_id] = item
                    still_open.add(item_id)
                elif getattr(item, "status", None) != "in_progress":
                    items[item_id] = item  # more of a completed item, which an earlier state of it does not open again
            else:
                self._apply_other(event)
        if still_open and self.ended:
            self._close()

    def _is_repeated(self, item: ErrorItem) -> bool:
        """Return True if another item of the turn has the same warning. The CLI sends some of them several times."""
        return self._notices.setdefault(item.message, item.id) != item.id

    def _drop(self, item: ThreadItem) -> None:
        """Keep of the completed items only the answer so far."""
        before = self._answer
        if type(item) is not AgentMessageItem:
            if before is None or item.id != before.id:
                self._forget(item.id)
            return
        self._answer = answer_of((item,) if before is None else (before, item))
        for other in (before, item):
            if other is not None and (self._answer is None or other.id != self._answer.id):
                self._forget(other.id)

    def _forget(self, item_id: str) -> None:
        self._items.pop(item_id, None)
        self._dropped[item_id] = None
        if len(self._dropped) > MAX_DROPPED:
            del self._dropped[next(iter(self._dropped))]

    def _apply_other(self, event: ThreadEvent) -> None:
        # First the events that every turn has: a comparison with the class of another event takes longer than the rest.
        match event:
            case ThreadStartedEvent(thread_id=thread_id):
                self.thread_id = thread_id
            case TurnStartedEvent():
                pass
            case TurnRightsEvent(rights=rights):
                self._rights = rights
            case TurnCompletedEvent(usage=usage):
                self._total = _used(usage)
                self.finish("completed")
            case TurnFailedEvent(error=error):
                self.finish("failed", error.message, failure=Failure.of(_readable(error.message), error.codex_error_info))
            case ContextWarningEvent(context_tokens=tokens, context_window=window):
                self._reported |= {"context_tokens": tokens, "context_window": window}
                self._warnings.append(event.message)
            case TurnUsageEvent(total=total, last=last, context_window=window):
                self._total = _used(total)
                self._reported |= {"context_tokens": last.total_tokens, "context_window": window}
            case TurnTimingEvent(turn_id=turn_id, started_at=started_at, completed_at=completed_at, duration=duration):
                self._reported |= {"id": turn_id, "started_at": started_at, "completed_at": completed_at, "duration": duration}
            case TurnDiffEvent(diff=diff):
                self._reported["net_diff"] = diff
            case RateLimitsEvent(rate_limits=rate_limits):
                self._reported["rate_limits"] = rate_limits
            case ThreadErrorEvent(message=message) if message.startswith(NO_SIGN):
                self._silence = message
            case ThreadErrorEvent(message=message):
                reconnecting = message.startswith(_RECONNECTING)
                self._reconnecting = self._reconnecting or reconnecting
                if reconnecting and self._warnings and self._warnings[-1].startswith(_RECONNECTING):
                    self._warnings.pop()
                if message not in self._warnings[-MAX_COMPARED:]:
                    self._warnings.append(message)

    def finish(self, status: TurnStatus, error: str | None = None, *, failure: Failure | None = None) -> tuple[ThreadItem, ...]:
        """End the turn, and close every item that is still open.

        Args:
            status: The final status. A turn that has ended keeps its first status.
            error: The reason, if the turn did not complete.
            failure: The reason for a program, if the model, its provider or the account failed the turn.

        Returns:
            The items that were open and are now marked `interrupted`.
        """
        if self._status != "in_progress":
            return ()
        self._turn = None
        self._silence = None
        self._reconnecting = False
        self._status = status
        self._error = None if error is None else _readable(error)
        self._failure = failure
        # The CLI reports the reason twice: as an `error` event, then as the end.
        if error is not None and self._warnings[-1:] == [error]:
            self._warnings.pop()
        return self._close()

    def _close(self) -> tuple[ThreadItem, ...]:
        """Close the open items, also those that started after the end: no event will complete them."""
        closed = []
        for item_id in [item_id for item_id in self._items if item_id in self._open]:
            item = self._items[item_id]
            if getattr(item, "status", None) == "in_progress":
                item = self._items[item_id] = item.model_copy(update={"status": "interrupted"})
                closed.append(item)
        self._open.clear()
        return tuple(closed)

    @property
    def ended(self) -> bool:
        """True if the turn has ended, in any way."""
        return self._status != "in_progress"

    @property
    def turn(self) -> Turn:
        """The turn so far."""
        if self._turn is None:
            usage = None if self._total is None or self.usage_before is None else self._total - self.usage_before
            self._turn = Turn(
                thread_id=self.thread_id,
                status=self._status,
                items=tuple(self._items.values()),
                open_item_ids=frozenset(self._open),
                usage=usage,
                thread_usage=self._total,
                error=self._error,
                failure=self._failure,
                warnings=(*self._warnings, *([] if self._silence is None else [self._silence])),
                reconnecting=self._reconnecting,
                rights=self._rights,
                diffs=dict(self._diffs),
                snapshot_id=self.snapshot_id,
                **self._reported,
            )
        return self._turn


def _used(total: Usage) -> Usage | None:
    """Return a total, or None for zeros. A review counts its tokens in another thread. No other turn uses zero tokens."""
    return total if total.total_tokens else None


def _readable(error: str) -> str:
    """Return the message of the model's API, if the CLI passes on its whole answer, a JSON object."""
    try:
        match json.loads(error):
            case {"error": {"message": str(message)}} | {"error": str(message)} | {"message": str(message)} if message.strip():
                return message
    except (ValueError, RecursionError):
        pass
    return error


def is_report(event: ThreadEvent) -> bool:
    """Return True if an event is a report of the CLI about its connection, and no sign of the model."""
    return isinstance(event, ThreadErrorEvent) or (isinstance(event, ItemCompletedEvent) and isinstance(event.item, ErrorItem))
