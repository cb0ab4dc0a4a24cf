"""Convert the notifications of `codex app-server` to the events of `codex exec`, so that a turn looks the same with both transports.

The server sends more events, and increments of items. An item is started when a part of it is known, updated with all of it so far, and
completed with the server's final item. That replaces the merged increments, which may be incomplete. Items are numbered as by `exec`.
"""

from collections.abc import Mapping
from typing import Any, Final

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
    Usage,
)
from codex_jupyter.sdk.models.items import (
    AgentMessageItem,
    CollabAgentState,
    CollabToolCallItem,
    CommandExecutionItem,
    ErrorItem,
    FileChangeItem,
    FileUpdateChange,
    McpToolCallError,
    McpToolCallItem,
    McpToolCallResult,
    ReasoningItem,
    ThreadItem,
    TodoItem,
    TodoListItem,
    WebSearchItem,
)
from codex_jupyter.sdk.transports.app_server.approvals import file_changes

_STATUS: Final = {"inProgress": "in_progress"}
_AGENT_STATUS: Final = {"pendingInit": "pending_init", "notFound": "not_found"}
_WORK: Final = frozenset({"commandExecution", "fileChange", "mcpToolCall", "dynamicToolCall", "collabAgentToolCall", "sleep", "imageView"})
"""Items that keep this machine busy, not the model."""
_PLAN: Final = "plan"
_MANY: Final = 64
"""Increments of output after which its start is dropped."""
_INCREMENTS: Final = frozenset(
    {
        "item/agentMessage/delta",
        "item/reasoning/summaryTextDelta",
        "item/reasoning/summaryPartAdded",
        "item/commandExecution/outputDelta",
    }
)


LIVE_OUTPUT: Final = 64 * 1024
"""Characters at the end of a running command's output that are kept. The whole output comes when the command ends."""


class ServerEvents:
    """Convert the notifications about one turn to events.

    Args:
        review: True if it is a review. The increments of its messages are JSON, and are ignored.
    """

    def __init__(self, *, review: bool = False) -> None:
        self._review = review
        self.ended: str | None = None
        """The server's final status of the turn; None while it runs."""
        self.raw: dict[str, Mapping[str, Any]] = {}
        """The last form of each item, by the server's ids."""
        self._ids: dict[str, str] = {}
        self._count = 0
        self._warnings = 0
        self._begun = False
        self._running: set[str] = set()
        """The server's ids of the items that were started and not completed."""
        self._started: set[str] = set()
        self._parts: dict[str, list[list[str]]] = {}
        """Increments of an item: a list for each of its parts."""
        self._changed: dict[str, None] = {}
        """The items with increments that no event contains yet, in order."""
        self._usage = Usage()
        self._failed: str | None = None

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
        return bool(self._changed)

    def take(self, method: str, params: Mapping[str, Any]) -> list[ThreadEvent]:
        """Convert a notification about the turn.

        Returns:
            Its events. Increments are merged until `flush`, or until the next other event.
        """
        if method in _INCREMENTS:
            self._gather(method, params)
            return []
        item = params.get("item")
        if method == "item/completed" and isinstance(item, dict):
            self._changed.pop(str(item.get("id")), None)  # the completed item replaces its increments
        events: list[ThreadEvent] = self.flush() if self._changed else []
        match method:
            case "turn/started":
                events += [] if self._begun else [TurnStartedEvent()]
                self._begun = True
            case "item/started" | "item/completed":
                if isinstance(item, dict):
                    events += self._item(item, done=method == "item/completed")
            case "turn/plan/updated":
                events.append(self._plan(params))
            case "thread/tokenUsage/updated":
                self._usage = _usage((params.get("tokenUsage") or {}).get("total") or {})
            case "error":
                events.append(ThreadErrorEvent(message=_message(params.get("error"))))
            case "warning":
                self._warnings += 1
                item = ErrorItem(id=self._number(f"warning {self._warnings}"), message=str(params.get("message") or ""))
                events.append(ItemCompletedEvent(item=item))
            case "turn/completed":
                events += self._end(params.get("turn") or {})
        return events

    def flush(self) -> list[ThreadEvent]:
        """Return events for the items with new increments."""
        changed, self._changed = self._changed, {}
        events: list[ThreadEvent] = []
        for server_id in changed:
            item = self._pieced(server_id)
            if item is not None:
                events.append(self._event(server_id, item, done=False))
        return events

    def _gather(self, method: str, params: Mapping[str, Any]) -> None:
        server_id, piece = str(params.get("itemId")), str(params.get("delta") or "")
        parts = self._parts.setdefault(server_id, [])
        index = params.get("summaryIndex")
        index = index if isinstance(index, int) and 0 <= index < 1000 else 0
        while len(parts) <= index:
            parts.append([])
        if method == "item/agentMessage/delta" and self._review:
            return
        if piece:
            parts[index].append(piece)
            if method == "item/commandExecution/outputDelta" and len(parts[index]) > _MANY:
                parts[index][:] = ["".join(parts[index])[-LIVE_OUTPUT:]]
            self._changed[server_id] = None

    def _pieced(self, server_id: str) -> ThreadItem | None:
        """Return an item that is still being written, from its increments."""
        raw, parts = self.raw.get(server_id), self._parts.get(server_id, [])
        if raw is None:
            return None  # its start was lost, and its end will contain all of it
        for pieces in parts:
            pieces[:] = ["".join(pieces)]
        texts = [pieces[0] for pieces in parts if pieces]
        number = self._number(server_id)
        match raw.get("type"):
            case "agentMessage":
                return AgentMessageItem(id=number, text="".join(texts))
            case "reasoning":
                return ReasoningItem(id=number, text="\n".join(texts))
            case "commandExecution":
                return self._command(number, raw, "".join(texts)[-LIVE_OUTPUT:])
        return None

    def _item(self, raw: dict[str, Any], *, done: bool) -> list[ThreadEvent]:
        server_id = str(raw.get("id"))
        self.raw[server_id] = raw
        (self._running.discard if done else self._running.add)(server_id)
        self._changed.pop(server_id, None)
        if not done and raw.get("type") in ("agentMessage", "reasoning"):
            return []  # it is still empty
        item = self._mapped(server_id, raw, done=done)
        if item is None:
            return []
        self._parts.pop(server_id, None)
        return [self._event(server_id, item, done=done)]

    def _mapped(self, server_id: str, raw: dict[str, Any], *, done: bool) -> ThreadItem | None:
        status = _STATUS.get(str(raw.get("status")), str(raw.get("status")))
        match raw.get("type"):
            case "agentMessage":
                return AgentMessageItem(id=self._number(server_id), text=str(raw.get("text") or ""))
            case "reasoning":
                text = "\n".join(map(str, raw.get("summary") or ()))
                return ReasoningItem(id=self._number(server_id), text=text) if text.strip() else None
            case "commandExecution":
                return self._command(self._number(server_id), raw, str(raw.get("aggregatedOutput") or ""))
            case "fileChange":
                # `exec` does not report where a file is moved to.
                changes = file_changes(change for change in raw.get("changes") or () if isinstance(change, dict))
                files = [FileUpdateChange(path=change.path, kind=change.kind) for change in changes]
                return FileChangeItem(id=self._number(server_id), changes=files, status=status)
            case "mcpToolCall":
                return self._tool_call(self._number(server_id), raw, status)
            case "webSearch":
                given = raw.get("action")
                action = {name: value for name, value in given.items() if value is not None} if isinstance(given, dict) else None
                # With `exec`, the provider's id of a search overwrites the item's id.
                return WebSearchItem(id=self._number(server_id, keep=True), query=str(raw.get("query") or ""), action=action)
            case "collabAgentToolCall":
                return self._collab(self._number(server_id), raw, status)
        return None

    def _command(self, number: str, raw: Mapping[str, Any], output: str) -> CommandExecutionItem:
        return CommandExecutionItem(
            id=number,
            command=str(raw.get("command") or ""),
            aggregated_output=output,
            exit_code=raw.get("exitCode") if isinstance(raw.get("exitCode"), int) else None,
            status=_STATUS.get(str(raw.get("status")), str(raw.get("status"))),
        )

    def _tool_call(self, number: str, raw: Mapping[str, Any], status: str) -> McpToolCallItem:
        result, error = raw.get("result"), raw.get("error")
        return McpToolCallItem(
            id=number,
            server=str(raw.get("server")),
            tool=str(raw.get("tool")),
            arguments=raw.get("arguments"),
            result=McpToolCallResult(content=list(result.get("content") or ()), structured_content=result.get("structuredContent"))
            if isinstance(result, dict)
            else None,
            error=McpToolCallError(message=str(error.get("message"))) if isinstance(error, dict) else None,
            status=status,
        )

    def _collab(self, number: str, raw: Mapping[str, Any], status: str) -> CollabToolCallItem:
        tools = {"spawnAgent": "spawn_agent", "sendInput": "send_input", "closeAgent": "close_agent"}
        states = {
            str(thread): CollabAgentState(
                status=_AGENT_STATUS.get(str(state.get("status")), str(state.get("status"))), message=state.get("message")
            )
            for thread, state in (raw.get("agentsStates") or {}).items()
            if isinstance(state, dict)
        }
        return CollabToolCallItem(
            id=number,
            tool=tools.get(str(raw.get("tool")), str(raw.get("tool"))),
            sender_thread_id=str(raw.get("senderThreadId") or ""),
            receiver_thread_ids=[str(thread) for thread in raw.get("receiverThreadIds") or ()],
            prompt=raw.get("prompt"),
            agents_states=states,
            status=status,
        )

    def _plan(self, params: Mapping[str, Any]) -> ThreadEvent:
        steps = [
            TodoItem(text=str(step.get("step") or ""), completed=step.get("status") == "completed")
            for step in params.get("plan") or ()
            if isinstance(step, dict)
        ]
        item = TodoListItem(id=self._number(_PLAN), items=steps)
        self.raw[_PLAN] = {"type": _PLAN, "item": item}
        return self._event(_PLAN, item, done=False)

    def _end(self, turn: Mapping[str, Any]) -> list[ThreadEvent]:
        self.ended = str(turn.get("status"))
        plan = self.raw.get(_PLAN)
        events: list[ThreadEvent] = [ItemCompletedEvent(item=plan["item"])] if plan is not None and self.ended != "interrupted" else []
        if self.ended == "completed":
            events.append(TurnCompletedEvent(usage=self._usage))
        elif self.ended == "failed":
            error = turn.get("error")
            info = error.get("codexErrorInfo") if isinstance(error, Mapping) else None
            events.append(TurnFailedEvent(error=TurnError(message=_message(error), codex_error_info=info)))
        return events

    def _event(self, server_id: str, item: ThreadItem, *, done: bool) -> ThreadEvent:
        if done:
            return ItemCompletedEvent(item=item)
        if server_id in self._started:
            return ItemUpdatedEvent(item=item)
        self._started.add(server_id)
        return ItemStartedEvent(item=item)

    def _number(self, server_id: str, *, keep: bool = False) -> str:
        """Return the id in the turn of an item. It is assigned at the first call; `keep` uses the server's id."""
        if server_id not in self._ids:
            self._ids[server_id] = server_id if keep else f"item_{self._count}"
            self._count += 1
        return self._ids[server_id]


def _message(error: object) -> str:
    """Return the message of an error, with its details."""
    if not isinstance(error, Mapping) or not error.get("message"):
        return "The server reported an error without a message."
    details = error.get("additionalDetails")
    return f"{error['message']} ({details})" if details else str(error["message"])


def _usage(total: Mapping[str, Any]) -> Usage:
    names = {
        "input_tokens": "inputTokens",
        "cached_input_tokens": "cachedInputTokens",
        "cache_write_input_tokens": "cacheWriteInputTokens",
        "output_tokens": "outputTokens",
        "reasoning_output_tokens": "reasoningOutputTokens",
    }
    return Usage(**{ours: value for ours, theirs in names.items() if isinstance(value := total.get(theirs), int)})
