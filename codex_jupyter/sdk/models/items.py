"""The items of a turn, such as messages and commands: the `ThreadItem` union.

The models mirror the items of `codex exec --experimental-json` (0.163 to 0.171), field by field and with the wire's names.
The CLI is often newer than this package, so parsing is tolerant. Unknown fields are kept in `model_extra`. Statuses and kinds are open
strings, and the types name their known values. An item that matches no known type is an `UnknownItem`.

Item ids are opaque. The CLI starts again at `item_0` in every turn, so an id is unique within one turn, not within a thread.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

CommandExecutionStatus: TypeAlias = Literal["in_progress", "completed", "failed", "declined", "interrupted"] | str
"""`interrupted` is added by this package: the turn ended while the command was running."""
PatchApplyStatus: TypeAlias = Literal["in_progress", "completed", "failed", "interrupted"] | str
PatchChangeKind: TypeAlias = Literal["add", "delete", "update"] | str
ToolCallStatus: TypeAlias = Literal["in_progress", "completed", "failed", "interrupted"] | str
CollabTool: TypeAlias = Literal["spawn_agent", "send_input", "wait", "close_agent"] | str
CollabAgentStatus: TypeAlias = Literal["pending_init", "running", "interrupted", "completed", "errored", "shutdown", "not_found"] | str


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
        rest = {name: value for name, value in data.items() if name not in ("type", "wire_type")}
        return {**identity, "type": self.wire_type, **rest}


class AgentMessageItem(WireModel):
    """A message of the agent, as Markdown. The last one of a turn is its answer."""

    id: str
    type: Literal["agent_message"] = "agent_message"
    text: str
    """The message; the JSON text itself when the turn asked for an output schema."""


class ReasoningItem(WireModel):
    """A summary of the agent's reasoning."""

    id: str
    type: Literal["reasoning"] = "reasoning"
    text: str
    """The summary's parts, joined by newlines."""


class CommandExecutionItem(WireModel):
    """A shell command that the agent ran."""

    id: str
    type: Literal["command_execution"] = "command_execution"
    command: str
    """The command line as one shell string, such as `/bin/bash -lc 'ls'`."""
    aggregated_output: str = ""
    """Standard output and standard error, empty while the command runs. The CLI keeps the start and the end of 1 MiB."""
    exit_code: int | None = None
    """The exit code. None while the command runs, or if it was stopped."""
    status: CommandExecutionStatus = "in_progress"


class FileUpdateChange(WireModel):
    """One file of a `FileChangeItem`."""

    path: str
    """Absolute path. For a move this is the old path, with kind `update`."""
    kind: PatchChangeKind


class FileChangeItem(WireModel):
    """A patch that the agent applied, or tried to apply, to files."""

    id: str
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


class McpToolCallItem(WireModel):
    """A call of a tool of an MCP server."""

    id: str
    type: Literal["mcp_tool_call"] = "mcp_tool_call"
    server: str
    tool: str
    arguments: Any = None
    result: McpToolCallResult | None = None
    """The result. If the tool reports an error, the status is `failed` and the error is in the result, not in `error`."""
    error: McpToolCallError | None = None
    status: ToolCallStatus = "in_progress"


class CollabAgentState(WireModel):
    """The last known state of a sub-agent."""

    status: CollabAgentStatus
    message: str | None = None


class CollabToolCallItem(WireModel):
    """A call that starts, waits for or ends a sub-agent. The sub-agents' own work is not part of the stream."""

    id: str
    type: Literal["collab_tool_call"] = "collab_tool_call"
    tool: CollabTool
    sender_thread_id: str = ""
    receiver_thread_ids: list[str] = Field(default_factory=list)
    prompt: str | None = None
    agents_states: dict[str, CollabAgentState] = Field(default_factory=dict)
    """State by sub-agent thread id."""
    status: ToolCallStatus = "in_progress"


class WebSearchItem(WireModel):
    """A web search or page visit."""

    id: str
    type: Literal["web_search"] = "web_search"
    query: str = ""
    """The query. Empty while the search runs."""
    action: dict[str, Any] | None = None
    """The action: `{"type": "search" | "open_page" | "find_in_page" | "other", ...}`."""


class TodoItem(WireModel):
    """One step of a plan."""

    text: str
    completed: bool = False


class TodoListItem(WireModel):
    """The agent's plan, sent again after each completed step."""

    id: str
    type: Literal["todo_list"] = "todo_list"
    items: list[TodoItem] = Field(default_factory=list)


class ErrorItem(WireModel):
    """A warning of the CLI, such as a deprecated setting. It does not end the turn."""

    id: str
    type: Literal["error"] = "error"
    message: str


class UnknownItem(UnknownModel):
    """An item of a type, or in a form, that this version does not know. Its fields are in `model_extra`."""

    id: str
    wire_type: str = ""
    """The type that the CLI sent; empty if it sent none."""


KnownItem: TypeAlias = Annotated[
    AgentMessageItem
    | ReasoningItem
    | CommandExecutionItem
    | FileChangeItem
    | McpToolCallItem
    | CollabToolCallItem
    | WebSearchItem
    | TodoListItem
    | ErrorItem,
    Field(discriminator="type"),
]
ThreadItem: TypeAlias = Annotated[KnownItem | UnknownItem, Field(union_mode="left_to_right")]
"""Any item of a thread. Distinguish items by class or by `item.type`."""
