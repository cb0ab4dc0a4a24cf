"""Convert the notifications of `codex app-server` to events, so that a turn looks the same with both transports.

The server sends more events than `codex exec`, and increments of items. An item is started when a part of it is known, updated with all of
it so far, and completed with the server's final item. That replaces the merged increments, which may be incomplete. Items that `exec` also
sends are numbered as by `exec`. All others have the server's ids.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from codex_jupyter.sdk.models.app_server_events import (
    DeprecationEvent,
    McpServerStatusEvent,
    ModelReroutedEvent,
    RateLimitsEvent,
    TurnDiffEvent,
    TurnTimingEvent,
)
from codex_jupyter.sdk.models.app_server_items import ApprovalReviewItem, HookRunItem
from codex_jupyter.sdk.models.events import (
    ItemCompletedEvent,
    ItemStartedEvent,
    ItemUpdatedEvent,
    ThreadErrorEvent,
    ThreadEvent,
    TurnCompletedEvent,
    TurnError,
    TurnFailedEvent,
    TurnStartedEvent,
    TurnUsageEvent,
)
from codex_jupyter.sdk.models.items import ErrorItem, ThreadItem, TodoItem, TodoListItem
from codex_jupyter.sdk.models.rate_limits import RateLimits
from codex_jupyter.sdk.models.usage import Usage
from codex_jupyter.sdk.models.wire import time_of
from codex_jupyter.sdk.transports.app_server.diffs import with_relative_names
from codex_jupyter.sdk.transports.app_server.increments import INCREMENTS, Increments
from codex_jupyter.sdk.transports.app_server.items import OF_EXEC, convert, snake_case

_WORK: Final = frozenset({"commandExecution", "fileChange", "mcpToolCall", "dynamicToolCall", "collabAgentToolCall", "sleep", "imageView"})
"""Items that keep this machine busy, not the model."""
_STREAMED: Final = frozenset({"agentMessage", "reasoning", "plan"})
"""Items that are empty when they start."""
_TODO_LIST: Final = "todo_list"
"""Key of the item for the steps of the plan, which is not an item of the server."""


class ServerEvents:
    """Convert the notifications about one turn to events.

    Args:
        review: True if it is a review. The increments of its messages are JSON, and are ignored.
        cwd: The working folder. Diffs name the files below it relative to it.
    """

    def __init__(self, *, review: bool = False, cwd: str | None = None) -> None:
        self._cwd = cwd
        self.ended: str | None = None
        """The server's final status of the turn; None while it runs."""
        self.raw: dict[str, dict[str, Any]] = {}
        """The last form of each item, by the server's ids."""
        self._ids: dict[str, str] = {}
        self._count = 0
        self._warnings = 0
        self._has_started = False
        self._running: set[str] = set()
        """The server's ids of the items that were started and not completed."""
        self._started: set[str] = set()
        self._increments = Increments(review=review)
        self._usage = Usage()
        self._rate_limits: RateLimits | None = None
        self._todo_list: TodoListItem | None = None
        self._tool_fields: dict[str, dict[str, Any]] = {}
        """Fields of tool calls that the server does not know, by the ids of the calls."""
        self._simple: Mapping[str, Callable[[Mapping[str, Any]], list[ThreadEvent]]] = {
            "turn/started": self._start,
            "turn/plan/updated": self._plan,
            "turn/diff/updated": self._diff,
            "turn/completed": self._end,
            "thread/tokenUsage/updated": self._token_usage,
            "account/rateLimits/updated": self._limits,
            "mcpServer/startupStatus/updated": _mcp_server,
            "item/mcpToolCall/progress": self._progress,
            "item/autoApprovalReview/started": lambda params: self._approval_review(params, done=False),
            "item/autoApprovalReview/completed": lambda params: self._approval_review(params, done=True),
            "hook/started": lambda params: self._hook(params, done=False),
            "hook/completed": lambda params: self._hook(params, done=True),
            "model/rerouted": self._rerouted,
            "deprecationNotice": self._deprecation,
            "warning": lambda params: self._warning(str(params.get("message") or "")),
            "guardianWarning": lambda params: self._warning(str(params.get("message") or "")),
            "error": lambda params: [ThreadErrorEvent(message=_message(params.get("error")))],
        }

    @property
    def methods(self) -> frozenset[str]:
        """The methods of the notifications that are converted, except increments."""
        return frozenset({"item/started", "item/completed", *self._simple})

    def item_id(self, server_id: object) -> str:
        """Return the id in the turn of an item of the server; empty if the item is unknown."""
        return self._ids.get(str(server_id), "")

    def open_call(self, server: object) -> str:
        """Return the server's id of the newest running tool call of an MCP server; empty if there is none."""
        calls = (name for name, raw in reversed(self.raw.items()) if raw.get("type") == "mcpToolCall" and raw.get("server") == server)
        return next((name for name in calls if self.raw[name].get("status") == "inProgress"), "")

    @property
    def open_commands(self) -> bool:
        """True if a command runs."""
        return any(raw.get("type") == "commandExecution" and raw.get("status") == "inProgress" for raw in self.raw.values())

    @property
    def working(self) -> bool:
        """True if an item runs that keeps this machine busy, not the model."""
        return not _WORK.isdisjoint(str(self.raw[server_id].get("type")) for server_id in self._running)

    @property
    def pending(self) -> bool:
        """True if there are increments that no event contains yet."""
        return self._increments.pending

    def take(self, method: str, params: Mapping[str, Any]) -> list[ThreadEvent]:
        """Convert a notification about the turn.

        Returns:
            Its events. Increments are merged until `flush`, or until the next other event.
        """
        if method in INCREMENTS:
            self._increments.add(method, params)
            return []
        if method in ("item/started", "item/completed"):
            return self._item(params, done=method == "item/completed")
        convert_simple = self._simple.get(method)
        return [] if convert_simple is None else [*self.flush(), *convert_simple(params)]

    def tool_fields(self, call_id: str, fields: dict[str, Any]) -> None:
        """Set what the server does not know of a tool call: its result with the images, a decision of the user, and its exception."""
        self._tool_fields[call_id] = fields

    def tool_progress(self, call_id: str, text: str) -> list[ThreadEvent]:
        """Return an event with the text that a running tool has reported so far."""
        if call_id not in self._running:
            return []
        item = self._convert(call_id, {**self.raw[call_id], "contentItems": [{"type": "inputText", "text": text}]})
        return [] if item is None else [self._event(call_id, item, done=False)]

    def flush(self) -> list[ThreadEvent]:
        """Return events for the items with new increments."""
        events: list[ThreadEvent] = []
        for server_id, delta in self._increments.take():
            # If the start of an item was lost, its end will contain all of it.
            raw = self._increments.merged(self.raw[server_id]) if server_id in self.raw else None
            item = None if raw is None else self._convert(server_id, raw)
            if item is not None:
                events.append(self._event(server_id, item, done=False, delta=delta))
        return events

    def _item(self, params: Mapping[str, Any], *, done: bool) -> list[ThreadEvent]:
        raw = params.get("item")
        if not isinstance(raw, dict):
            return []
        server_id = str(raw.get("id"))
        delta = self._increments.last_delta(server_id, raw) if done else ""
        events = self.flush()
        self.raw[server_id] = raw = self._with_times(server_id, raw, params)
        if done:
            raw |= self._tool_fields.pop(server_id, {})
        (self._running.discard if done else self._running.add)(server_id)
        if not done and raw.get("type") in _STREAMED:
            return events  # it is still empty
        item = self._convert(server_id, raw)
        if item is not None:
            events.append(self._event(server_id, item, done=done, delta=delta))
        return events

    def _with_times(self, server_id: str, raw: dict[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
        """Return an item with its times. CLIs before 0.171 send them beside the item."""
        before = self.raw.get(server_id, {})
        return {**raw, **{name: raw.get(name) or params.get(name) or before.get(name) for name in ("startedAtMs", "completedAtMs")}}

    def _convert(self, server_id: str, raw: Mapping[str, Any]) -> ThreadItem | None:
        kind = str(raw.get("type"))
        item = convert(raw, server_id, self._cwd)
        if item is None or kind not in OF_EXEC:
            return item
        # With `exec`, the provider's id of a search replaces the number.
        return item.model_copy(update={"id": self._number(server_id, keep=kind == "webSearch")})

    def _start(self, params: Mapping[str, Any]) -> list[ThreadEvent]:
        if self._has_started:
            return []  # the turn within a review
        self._has_started = True
        return [TurnStartedEvent(), *_timing(params.get("turn"))]

    def _plan(self, params: Mapping[str, Any]) -> list[ThreadEvent]:
        states = [(str(step.get("step") or ""), snake_case(str(step.get("status")))) for step in params.get("plan") or ()]
        steps = [TodoItem(text=text, completed=status == "completed", status=status) for text, status in states]
        self._todo_list = TodoListItem(id=self._number(_TODO_LIST), items=steps, explanation=params.get("explanation"))
        return [self._event(_TODO_LIST, self._todo_list, done=False)]

    def _diff(self, params: Mapping[str, Any]) -> list[ThreadEvent]:
        return [TurnDiffEvent(diff=with_relative_names(str(params.get("diff") or ""), self._cwd))]

    def _token_usage(self, params: Mapping[str, Any]) -> list[ThreadEvent]:
        usage = params.get("tokenUsage") or {}
        self._usage = _usage(usage.get("total") or {})
        return [TurnUsageEvent(total=self._usage, last=_usage(usage.get("last") or {}), context_window=usage.get("modelContextWindow"))]

    def _limits(self, params: Mapping[str, Any]) -> list[ThreadEvent]:
        limits = RateLimits.from_wire(params.get("rateLimits") or {})
        is_new = limits != self._rate_limits and (limits.primary or limits.secondary or limits.credits) is not None
        self._rate_limits = limits
        return [RateLimitsEvent(rate_limits=limits)] if is_new else []

    def _progress(self, params: Mapping[str, Any]) -> list[ThreadEvent]:
        server_id = str(params.get("itemId"))
        if server_id not in self._running:
            return []
        raw = self.raw[server_id] = {**self.raw[server_id], "progress": params.get("message")}
        item = self._convert(server_id, raw)
        return [] if item is None else [self._event(server_id, item, done=False)]

    def _hook(self, params: Mapping[str, Any], *, done: bool) -> list[ThreadEvent]:
        run = params.get("run") or {}
        fields = {snake_case(name): value for name, value in run.items() if value is not None}
        times = {name: time_of(fields.pop(name, None)) for name in ("started_at", "completed_at")}
        return [self._event(str(run.get("id")), HookRunItem(**{**fields, **times}), done=done)]

    def _approval_review(self, params: Mapping[str, Any], *, done: bool) -> list[ThreadEvent]:
        review, review_id = params.get("review") or {}, str(params.get("reviewId"))
        item = ApprovalReviewItem(
            id=review_id,
            status=snake_case(str(review.get("status"))),
            risk_level=review.get("riskLevel"),
            rationale=review.get("rationale"),
            action=params.get("action") or {},
            target_item_id=self.item_id(params.get("targetItemId")) or None,
        )
        return [self._event(review_id, item, done=done)]

    def _rerouted(self, params: Mapping[str, Any]) -> list[ThreadEvent]:
        event = ModelReroutedEvent(
            from_model=str(params.get("fromModel")), to_model=str(params.get("toModel")), reason=str(params.get("reason") or "")
        )
        return [event, *self._warning(f"model rerouted: {event.from_model} -> {event.to_model} ({event.reason})")]

    def _deprecation(self, params: Mapping[str, Any]) -> list[ThreadEvent]:
        event = DeprecationEvent(summary=str(params.get("summary") or ""), details=params.get("details"))
        return [event, *self._warning(f"{event.summary} ({event.details})" if event.details else event.summary)]

    def _warning(self, message: str) -> list[ThreadEvent]:
        self._warnings += 1
        return [ItemCompletedEvent(item=ErrorItem(id=self._number(f"warning {self._warnings}"), message=message))]

    def _end(self, params: Mapping[str, Any]) -> list[ThreadEvent]:
        turn = params.get("turn")
        turn = turn if isinstance(turn, Mapping) else {}
        self.ended = str(turn.get("status"))
        events: list[ThreadEvent] = []
        if self._todo_list is not None and self.ended != "interrupted":
            events.append(ItemCompletedEvent(item=self._todo_list))
        events += _timing(turn)
        if self.ended == "completed":
            events.append(TurnCompletedEvent(usage=self._usage))
        elif self.ended == "failed":
            events.append(TurnFailedEvent(error=_error(turn.get("error"))))
        return events

    def _event(self, server_id: str, item: ThreadItem, *, done: bool, delta: str = "") -> ThreadEvent:
        if done:
            return ItemCompletedEvent(item=item, delta=delta)
        if server_id in self._started:
            return ItemUpdatedEvent(item=item, delta=delta)
        self._started.add(server_id)
        return ItemStartedEvent(item=item, delta=delta)

    def _number(self, server_id: str, *, keep: bool = False) -> str:
        """Return the id in the turn of an item. It is assigned at the first call; `keep` uses the server's id."""
        if server_id not in self._ids:
            self._ids[server_id] = server_id if keep else f"item_{self._count}"
            self._count += 1
        return self._ids[server_id]


def _mcp_server(params: Mapping[str, Any]) -> list[ThreadEvent]:
    fields = {snake_case(name): value for name, value in params.items() if name != "threadId"}
    event = McpServerStatusEvent(**fields)
    if event.status != "failed":
        return [event]
    # `exec` does not report it, so this item must not change the numbers of the others.
    message = event.error or f"The MCP server {event.name} failed to start."
    return [event, ItemCompletedEvent(item=ErrorItem(id=f"mcp_server {event.name}", message=message))]


def _timing(turn: object) -> list[ThreadEvent]:
    if not isinstance(turn, Mapping):
        return []
    milliseconds = turn.get("durationMs")
    return [
        TurnTimingEvent(
            turn_id=str(turn.get("id")),
            started_at=time_of(turn.get("startedAt")),
            completed_at=time_of(turn.get("completedAt")),
            duration=milliseconds / 1000 if isinstance(milliseconds, int | float) else None,
        )
    ]


def _error(error: object) -> TurnError:
    return TurnError(message=_message(error), codex_error_info=error.get("codexErrorInfo") if isinstance(error, Mapping) else None)


def _message(error: object) -> str:
    """Return the message of an error, with its details."""
    if not isinstance(error, Mapping) or not error.get("message"):
        return "The server reported an error without a message."
    details = error.get("additionalDetails")
    return f"{error['message']} ({details})" if details else str(error["message"])


def _usage(counts: Mapping[str, Any]) -> Usage:
    names = {name: re.sub(r"_([a-z])", lambda match: match[1].upper(), name) for name in Usage.model_fields}
    return Usage(**{ours: value for ours, theirs in names.items() if isinstance(value := counts.get(theirs), int)})
