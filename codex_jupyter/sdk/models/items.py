"""The items of a turn, such as messages and commands: the `ThreadItem` union.

The models mirror the items of `codex exec --experimental-json` (0.163 to 0.171), field by field and with the wire's names.
The CLI is often newer than this package, so parsing is tolerant. Unknown fields are kept in `model_extra`. Statuses and kinds are open
strings, and the types name their known values. An item that matches no known type is an `UnknownItem`.

The app-server sends more fields, which are None with `codex exec`, and the items of `app_server_items`.

Item ids are opaque. The CLI starts again at `item_0` in every turn, so an id is unique within one turn, not within a thread.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from codex_jupyter.sdk.models.app_server_items import (
    ApprovalReviewItem,
    ContextCompactionItem,
    DynamicToolCallItem,
    EnteredReviewModeItem,
    ExitedReviewModeItem,
    HookPromptItem,
    HookRunItem,
    ImageGenerationItem,
    ImageViewItem,
    PlanItem,
    SleepItem,
    SubAgentActivityItem,
)
from codex_jupyter.sdk.models.wire import ItemModel, ToolCallStatus, UnknownModel, WireModel

CommandExecutionStatus: TypeAlias = Literal["in_progress", "completed", "failed", "declined", "interrupted"] | str
"""`interrupted` is added by this package: the turn ended while the command was running."""
PatchApplyStatus: TypeAlias = Literal["in_progress", "completed", "failed", "interrupted"] | str
MessagePhase: TypeAlias = Literal["commentary", "partial_answer", "final_answer"] | str
TodoStatus: TypeAlias = Literal["pending", "in_progress", "completed"] | str
PatchChangeKind: TypeAlias = Literal["add", "delete", "update"] | str
CollabTool: TypeAlias = Literal["spawn_agent", "send_input", "wait", "close_agent"] | str
CollabAgentStatus: TypeAlias = Literal["pending_init", "running", "interrupted", "completed", "errored", "shutdown", "not_found"] | str


class AgentMessageItem(ItemModel):
    """A message of the agent, as Markdown. `Turn.final_response` selects the answer of a turn."""

    type: Literal["agent_message"] = "agent_message"
    text: str
    """The message; the JSON text itself when the turn asked for an output schema."""
    phase: MessagePhase | None = None
    """Purpose of the message. None if the model did not report it, and with `codex exec`."""


class ReasoningItem(ItemModel):
    """A summary of the agent's reasoning."""

    type: Literal["reasoning"] = "reasoning"
    text: str
    """The summary's parts, joined by newlines."""


class CommandExecutionItem(ItemModel):
    """A shell command that the agent ran."""

    type: Literal["command_execution"] = "command_execution"
    command: str
    """The command line as one shell string, such as `/bin/bash -lc 'ls'`."""
    aggregated_output: str = ""
    """Standard output and standard error, empty while the command runs. The CLI keeps the start and the end of 1 MiB."""
    exit_code: int | None = None
    """The exit code. None while the command runs, or if it was stopped."""
    status: CommandExecutionStatus = "in_progress"
    cwd: str | None = None
    """Working folder of the command. None with `codex exec`."""


class FileUpdateChange(WireModel):
    """One file of a `FileChangeItem`."""

    path: str
    """Absolute path. For a move this is the old path, with kind `update`."""
    kind: PatchChangeKind
    move_path: str | None = None
    """The new path of a moved file. None for other changes, and with `codex exec`."""
    diff: str | None = None
    """The change as a unified diff with the names `a/PATH` and `b/PATH`. None with `codex exec`."""


class FileChangeItem(ItemModel):
    """A patch that the agent applied, or tried to apply, to files."""

    type: Literal["file_change"] = "file_change"
    changes: list[FileUpdateChange] = Field(default_factory=list)
    status: PatchApplyStatus = "in_progress"


class McpToolCallResult(WireModel):
    """The result of an MCP tool."""

    content: list[Any] = Field(default_factory=list)
    """MCP content blocks: dicts such as `{"type": "text", "text": ...}` or `{"type": "image", "data": ..., "mimeType": ...}`."""
    structured_content: Any = None


class McpToolCallError(WireModel):
    """The reason why an MCP tool call failed."""

    message: str


class McpToolCallItem(ItemModel):
    """A call of a tool of an MCP server."""

    type: Literal["mcp_tool_call"] = "mcp_tool_call"
    server: str
    tool: str
    arguments: Any = None
    result: McpToolCallResult | None = None
    """The result. If the tool reports an error, the status is `failed` and the error is in the result, not in `error`."""
    error: McpToolCallError | None = None
    status: ToolCallStatus = "in_progress"
    progress: str | None = None
    """Last progress message of the tool. None if there is none, and with `codex exec`."""


class CollabAgentState(WireModel):
    """The last known state of a sub-agent."""

    status: CollabAgentStatus
    message: str | None = None


class CollabToolCallItem(ItemModel):
    """A call that starts, waits for or ends a sub-agent. The sub-agents' own work is not part of the stream."""

    type: Literal["collab_tool_call"] = "collab_tool_call"
    tool: CollabTool
    sender_thread_id: str = ""
    receiver_thread_ids: list[str] = Field(default_factory=list)
    prompt: str | None = None
    agents_states: dict[str, CollabAgentState] = Field(default_factory=dict)
    """State by sub-agent thread id."""
    status: ToolCallStatus = "in_progress"


class WebSearchItem(ItemModel):
    """A web search or page visit."""

    type: Literal["web_search"] = "web_search"
    query: str = ""
    """The query. Empty while the search runs."""
    action: dict[str, Any] | None = None
    """The action: `{"type": "search" | "open_page" | "find_in_page" | "other", ...}`."""


class TodoItem(WireModel):
    """One step of a plan."""

    text: str
    completed: bool = False
    status: TodoStatus | None = None
    """State of the step. None with `codex exec`, which reports `completed` only."""


class TodoListItem(ItemModel):
    """The agent's plan, sent again after each completed step."""

    type: Literal["todo_list"] = "todo_list"
    items: list[TodoItem] = Field(default_factory=list)
    explanation: str | None = None
    """The agent's reason for a change of the plan. None if there is none, and with `codex exec`."""


class ErrorItem(ItemModel):
    """A warning of the CLI, such as a deprecated setting. It does not end the turn."""

    type: Literal["error"] = "error"
    message: str


class UnknownItem(UnknownModel):
    """An item of a type, or in a form, that this version does not know. Its fields are in `model_extra`."""

    id: str
    wire_type: str = ""
    """The type that the CLI sent; empty if it sent none."""
    started_at: datetime | None = Field(default=None, repr=False)
    """See `ItemModel`."""
    completed_at: datetime | None = Field(default=None, repr=False)
    """See `ItemModel`."""


KnownItem: TypeAlias = Annotated[
    AgentMessageItem
    | ReasoningItem
    | CommandExecutionItem
    | FileChangeItem
    | McpToolCallItem
    | CollabToolCallItem
    | WebSearchItem
    | TodoListItem
    | ErrorItem
    | ApprovalReviewItem
    | ContextCompactionItem
    | DynamicToolCallItem
    | EnteredReviewModeItem
    | ExitedReviewModeItem
    | HookPromptItem
    | HookRunItem
    | ImageGenerationItem
    | ImageViewItem
    | PlanItem
    | SleepItem
    | SubAgentActivityItem,
    Field(discriminator="type"),
]
ThreadItem: TypeAlias = Annotated[KnownItem | UnknownItem, Field(union_mode="left_to_right")]
"""Any item of a thread. Distinguish items by class or by `item.type`."""
