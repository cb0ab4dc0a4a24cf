"""Lists of everything that the app-server reports and `codex exec` cannot."""

from typing import Any

from codex_jupyter.sdk import (
    AgentMessageItem,
    CommandExecutionItem,
    FileUpdateChange,
    ItemCompletedEvent,
    ItemModel,
    ItemStartedEvent,
    ItemUpdatedEvent,
    McpToolCallItem,
    TodoItem,
    TodoListItem,
    Turn,
    TurnError,
    WireModel,
)

EVENTS_OF_THE_APP_SERVER = {
    "account.rate_limits",
    "deprecation",
    "mcp_server.status",
    "model.rerouted",
    "turn.diff",
    "turn.timing",
}
ITEMS_OF_THE_APP_SERVER = {
    "approval_review",
    "context_compaction",
    "dynamic_tool_call",
    "entered_review_mode",
    "exited_review_mode",
    "hook_prompt",
    "hook_run",
    "image_generation",
    "image_view",
    "plan",
    "sleep",
    "sub_agent_activity",
}
FIELDS_OF_THE_APP_SERVER: dict[type[Any], set[str]] = {
    ItemModel: {"completed_at", "started_at"},
    AgentMessageItem: {"phase"},
    CommandExecutionItem: {"cwd"},
    FileUpdateChange: {"diff", "move_path"},
    McpToolCallItem: {"progress"},
    TodoItem: {"status"},
    TodoListItem: {"explanation"},
    ItemStartedEvent: {"delta"},
    ItemUpdatedEvent: {"delta"},
    ItemCompletedEvent: {"delta"},
    TurnError: {"codex_error_info"},
    Turn: {
        "completed_at",
        "diffs",
        "duration",
        "id",
        "net_diff",
        "rate_limits",
        "started_at",
    },
}
"""All that `codex exec` cannot report. Unknown fields of items are also sent by the app-server only."""


def common(value: Any) -> Any:
    """Return a model as JSON values, without the fields that only the app-server reports."""
    if isinstance(value, list):
        return [common(part) for part in value]
    if not isinstance(value, WireModel):
        return value
    left_out = {name for kind in type(value).__mro__ for name in FIELDS_OF_THE_APP_SERVER.get(kind, ())}
    return {name: common(getattr(value, name)) for name in type(value).model_fields if name not in left_out}
