"""Convert the items of the app-server to the items of this package.

Names become snake_case. Fields that `codex exec` also sends get its form. All other fields are kept, in `model_extra` if the class does not
have them. An item of an unknown type, or in an unknown form, is an `UnknownItem`.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from codex_jupyter.sdk.models.app_server_items import (
    ContextCompactionItem,
    DynamicToolCallItem,
    EnteredReviewModeItem,
    ExitedReviewModeItem,
    HookPromptItem,
    ImageGenerationItem,
    ImageViewItem,
    PlanItem,
    SleepItem,
    SubAgentActivityItem,
)
from codex_jupyter.sdk.models.items import (
    AgentMessageItem,
    CollabToolCallItem,
    CommandExecutionItem,
    FileChangeItem,
    McpToolCallItem,
    ReasoningItem,
    ThreadItem,
    UnknownItem,
    WebSearchItem,
)
from codex_jupyter.sdk.models.wire import time_of
from codex_jupyter.sdk.transports.app_server.diffs import unified_diff

DROPPED: Final = frozenset({"userMessage"})
"""Types of items that are not converted. The prompt is an argument of the turn."""
OF_EXEC: Final = frozenset(
    {"agentMessage", "reasoning", "commandExecution", "fileChange", "mcpToolCall", "webSearch", "collabAgentToolCall"}
)
"""Types of items that `codex exec` also sends."""
_COLLAB_TOOLS: Final = {"spawnAgent": "spawn_agent", "sendInput": "send_input", "closeAgent": "close_agent"}


def convert(raw: Mapping[str, Any], item_id: str, cwd: str | None = None) -> ThreadItem | None:
    """Convert an item.

    Args:
        raw: The item as the server sends it, with `startedAtMs` and `completedAtMs` if they are known.
        item_id: The id that the item gets.
        cwd: The working folder. Diffs name the files below it relative to it.

    Returns:
        The item; None if it has no content, or is not part of a turn's result.
    """
    kind = str(raw.get("type"))
    if kind in DROPPED:
        return None
    fields = {snake_case(name): value for name, value in raw.items() if value is not None and name not in ("id", "type")}
    fields |= {name: _time(fields.pop(f"{name}_ms", None)) for name in ("started_at", "completed_at")}
    fields["id"] = item_id
    if "status" in fields:
        fields["status"] = snake_case(str(fields["status"]))
    try:
        return CONVERTERS[kind](fields, cwd) if kind in CONVERTERS else _unknown(kind, fields)
    except (ValidationError, TypeError, AttributeError):
        return _unknown(kind, fields)


def snake_case(name: str) -> str:
    """Return a name of the wire, such as `exitCode`, in the form of `codex exec`, such as `exit_code`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: f"_{match[1].lower()}", name)


def _unknown(kind: str, fields: Mapping[str, Any]) -> UnknownItem:
    return UnknownItem.model_validate({**fields, "type": snake_case(kind)})


def _time(milliseconds: object) -> datetime | None:
    return time_of(milliseconds, parts=1000)


def _message(fields: dict[str, Any], _cwd: str | None) -> ThreadItem:
    return AgentMessageItem(**{"text": "", **fields})


def _reasoning(fields: dict[str, Any], _cwd: str | None) -> ThreadItem | None:
    text = "\n".join(map(str, fields.pop("summary", ())))
    if not fields.get("content"):
        fields.pop("content", None)
    return ReasoningItem(**{**fields, "text": text}) if text.strip() else None


def _command(fields: dict[str, Any], _cwd: str | None) -> ThreadItem:
    return CommandExecutionItem(**{"command": "", **fields})


def _file_change(fields: dict[str, Any], cwd: str | None) -> ThreadItem:
    changes = [change for change in fields.pop("changes", ()) if isinstance(change, Mapping)]
    return FileChangeItem(**fields, changes=[_change(change, cwd) for change in changes])


def _change(change: Mapping[str, Any], cwd: str | None) -> dict[str, Any]:
    kind = change.get("kind")
    kind = kind if isinstance(kind, Mapping) else {"type": kind}
    path, move_path, body = str(change.get("path")), kind.get("move_path"), change.get("diff")
    diff = unified_diff(str(kind.get("type")), path, move_path, body, cwd) if isinstance(body, str) else None
    return {**change, "path": path, "kind": str(kind.get("type")), "move_path": move_path, "diff": diff}


def _tool_call(fields: dict[str, Any], _cwd: str | None) -> ThreadItem:
    result, error = fields.pop("result", None), fields.pop("error", None)
    if isinstance(result, Mapping):
        fields["result"] = {snake_case(name): value for name, value in result.items() if value is not None}
    if isinstance(error, Mapping):
        fields["error"] = {**error, "message": str(error.get("message"))}
    return McpToolCallItem(**fields)


def _web_search(fields: dict[str, Any], _cwd: str | None) -> ThreadItem:
    action = fields.pop("action", None)
    if isinstance(action, Mapping):
        fields["action"] = {name: value for name, value in action.items() if value is not None}
    return WebSearchItem(**fields)


def _collab(fields: dict[str, Any], _cwd: str | None) -> ThreadItem:
    states = {
        str(thread): {**state, "status": snake_case(str(state.get("status")))}
        for thread, state in (fields.pop("agents_states", None) or {}).items()
        if isinstance(state, Mapping)
    }
    tool = str(fields.pop("tool", None))
    return CollabToolCallItem(**fields, tool=_COLLAB_TOOLS.get(tool, tool), agents_states=states)


def _hook_prompt(fields: dict[str, Any], _cwd: str | None) -> ThreadItem:
    fragments = [{snake_case(name): value for name, value in part.items()} for part in fields.pop("fragments", ())]
    return HookPromptItem(**fields, fragments=fragments)


def _plain(kind: Callable[..., ThreadItem]) -> Callable[[dict[str, Any], str | None], ThreadItem | None]:
    return lambda fields, _cwd: kind(**fields)


CONVERTERS: Final[Mapping[str, Callable[[dict[str, Any], str | None], ThreadItem | None]]] = {
    "agentMessage": _message,
    "reasoning": _reasoning,
    "commandExecution": _command,
    "fileChange": _file_change,
    "mcpToolCall": _tool_call,
    "webSearch": _web_search,
    "collabAgentToolCall": _collab,
    "hookPrompt": _hook_prompt,
    "contextCompaction": _plain(ContextCompactionItem),
    "dynamicToolCall": _plain(DynamicToolCallItem),
    "enteredReviewMode": _plain(EnteredReviewModeItem),
    "exitedReviewMode": _plain(ExitedReviewModeItem),
    "imageGeneration": _plain(ImageGenerationItem),
    "imageView": _plain(ImageViewItem),
    "plan": _plain(PlanItem),
    "sleep": _plain(SleepItem),
    "subAgentActivity": _plain(SubAgentActivityItem),
}
"""Functions that convert the fields of an item, by the type of the item."""
