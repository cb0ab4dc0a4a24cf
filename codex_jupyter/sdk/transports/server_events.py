"""What `codex app-server` tells, as the events of `codex exec`: one way to see a turn, whichever transport runs it.

The server tells more and in smaller pieces. An item is started when there is something of it to see, updated with the whole of it so
far, and completed as the server has it in the end, which replaces what was pieced together: increments may be lost. Items are numbered
as `exec` numbers them. What `exec` does not tell either (the user's own message, rate limits, ...) is left out.
"""

from collections.abc import Mapping
from typing import Any, Final

from codex_jupyter.sdk.approvals import kind_of
from codex_jupyter.sdk.events import (
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
from codex_jupyter.sdk.items import (
    AgentMessageItem,
    CollabAgentState,
    CollabToolCallItem,
    CommandExecutionItem,
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

_STATUS: Final = {"inProgress": "in_progress"}
_AGENT_STATUS: Final = {"pendingInit": "pending_init", "notFound": "not_found"}
_PLAN: Final = "plan"
_INCREMENTS: Final = frozenset(
    {
        "item/agentMessage/delta",
        "item/reasoning/summaryTextDelta",
        "item/reasoning/summaryPartAdded",
        "item/commandExecution/outputDelta",
    }
)


class ServerEvents:
    """The events of one turn, from the notifications about it."""

    def __init__(self) -> None:
        self.ended: str | None = None
        """How the turn ended, in the server's words; None while it runs."""
        self.raw: dict[str, Mapping[str, Any]] = {}
        """The items as the server told them last, by its own ids."""
        self._numbers: dict[str, str] = {}
        self._started: set[str] = set()
        self._parts: dict[str, list[list[str]]] = {}
        """What was told of an item in pieces: its parts, each in pieces."""
        self._changed: dict[str, None] = {}
        """The items whose pieces have not been told on, in order."""
        self._usage = Usage()
        self._failed: str | None = None

    @property
    def pending(self) -> bool:
        """Whether there are pieces that have not been told on."""
        return bool(self._changed)

    def take(self, method: str, params: Mapping[str, Any]) -> list[ThreadEvent]:
        """Take in a notification about the turn.

        Returns:
            The events that it amounts to. Pieces of text are gathered until `flush` or the next other event of the item.
        """
        if method in _INCREMENTS:
            self._gather(method, params)
            return []
        events: list[ThreadEvent] = self.flush() if self._changed else []
        match method:
            case "turn/started":
                events.append(TurnStartedEvent())
            case "item/started" | "item/completed":
                item = params.get("item")
                if isinstance(item, dict):
                    events += self._item(item, done=method == "item/completed")
            case "turn/plan/updated":
                events.append(self._plan(params))
            case "thread/tokenUsage/updated":
                self._usage = _usage((params.get("tokenUsage") or {}).get("total") or {})
            case "error":
                message = str((params.get("error") or {}).get("message") or "The server reported an error without saying which.")
                events.append(ThreadErrorEvent(message=message))
            case "turn/completed":
                events += self._end(params.get("turn") or {})
        return events

    def flush(self) -> list[ThreadEvent]:
        """The items that have grown since they were told last, as far as they are known."""
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
        if piece:
            parts[index].append(piece)
            self._changed[server_id] = None

    def _pieced(self, server_id: str) -> ThreadItem | None:
        """An item that is still written, from its pieces."""
        raw, parts = self.raw.get(server_id), self._parts.get(server_id, [])
        if raw is None:
            return None
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
                return self._command(number, raw, "".join(texts))
        return None

    def _item(self, raw: dict[str, Any], *, done: bool) -> list[ThreadEvent]:
        server_id = str(raw.get("id"))
        self.raw[server_id] = raw
        self._changed.pop(server_id, None)
        if not done and raw.get("type") in ("agentMessage", "reasoning"):
            return []  # there is nothing to see yet
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
                return ReasoningItem(id=self._number(server_id), text=text) if text else None
            case "commandExecution":
                return self._command(self._number(server_id), raw, str(raw.get("aggregatedOutput") or ""))
            case "fileChange":
                changes = [one for one in raw.get("changes") or () if isinstance(one, dict)]
                files = [FileUpdateChange(path=str(one.get("path")), kind=kind_of(one.get("kind"))) for one in changes]
                return FileChangeItem(id=self._number(server_id), changes=files, status=status)
            case "mcpToolCall":
                return self._tool_call(self._number(server_id), raw, status)
            case "webSearch":
                told = raw.get("action")
                action = {name: value for name, value in told.items() if value is not None} if isinstance(told, dict) else None
                return WebSearchItem(id=self._number(server_id), query=str(raw.get("query") or ""), action=action)
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
                status=_AGENT_STATUS.get(str(one.get("status")), str(one.get("status"))), message=one.get("message")
            )
            for thread, one in (raw.get("agentsStates") or {}).items()
            if isinstance(one, dict)
        }
        return CollabToolCallItem(
            id=number,
            tool=tools.get(str(raw.get("tool")), str(raw.get("tool"))),
            sender_thread_id=str(raw.get("senderThreadId") or ""),
            receiver_thread_ids=[str(one) for one in raw.get("receiverThreadIds") or ()],
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
        events: list[ThreadEvent] = [ItemCompletedEvent(item=plan["item"])] if plan is not None else []
        if self.ended == "completed":
            events.append(TurnCompletedEvent(usage=self._usage))
        elif self.ended == "failed":
            error = turn.get("error") or {}
            events.append(TurnFailedEvent(error=TurnError(message=str(error.get("message") or "The turn failed without a reason."))))
        return events

    def _event(self, server_id: str, item: ThreadItem, *, done: bool) -> ThreadEvent:
        if done:
            return ItemCompletedEvent(item=item)
        if server_id in self._started:
            return ItemUpdatedEvent(item=item)
        self._started.add(server_id)
        return ItemStartedEvent(item=item)

    def _number(self, server_id: str) -> str:
        return self._numbers.setdefault(server_id, f"item_{len(self._numbers)}")


def _usage(total: Mapping[str, Any]) -> Usage:
    names = {
        "input_tokens": "inputTokens",
        "cached_input_tokens": "cachedInputTokens",
        "cache_write_input_tokens": "cacheWriteInputTokens",
        "output_tokens": "outputTokens",
        "reasoning_output_tokens": "reasoningOutputTokens",
    }
    return Usage(**{ours: value for ours, theirs in names.items() if isinstance(value := total.get(theirs), int)})
