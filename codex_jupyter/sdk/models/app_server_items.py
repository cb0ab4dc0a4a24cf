"""Items that only the app-server sends. `codex exec` has no event for them.

Their ids are those of the server, so that the ids of all other items are the same with both transports.
"""

from typing import Any, Literal, TypeAlias

from pydantic import Field

from codex_jupyter.sdk.models.wire import ItemModel, ToolCallStatus, WireModel

SubAgentActivityKind: TypeAlias = Literal["started", "interacted", "interrupted", "completed"] | str
HookStatus: TypeAlias = Literal["running", "completed", "failed", "blocked", "stopped"] | str
ApprovalReviewStatus: TypeAlias = Literal["in_progress", "approved", "denied", "timed_out", "aborted"] | str


class PlanItem(ItemModel):
    """The plan that the agent proposes in plan mode, as Markdown. The steps of its work are a `TodoListItem`."""

    type: Literal["plan"] = "plan"
    text: str = ""


class ImageViewItem(ItemModel):
    """An image file that the agent looked at."""

    type: Literal["image_view"] = "image_view"
    path: str
    """Absolute path of the file."""


class ImageGenerationItem(ItemModel):
    """An image that the model generated."""

    type: Literal["image_generation"] = "image_generation"
    status: str = "in_progress"
    result: str = ""
    """The image, base64-encoded. Empty while it is generated, and if the server sent a file instead."""
    saved_path: str | None = None
    """Absolute path of the file with the image."""
    revised_prompt: str | None = None
    """The prompt that the model used."""
    failure: Any = None
    """The reason why the image was not generated, as the server sends it."""


class ContextCompactionItem(ItemModel):
    """The model summarised the history of the thread, because its context was nearly full or the user asked for it."""

    type: Literal["context_compaction"] = "context_compaction"


class SubAgentActivityItem(ItemModel):
    """An event of a sub-agent, which works in its own thread."""

    type: Literal["sub_agent_activity"] = "sub_agent_activity"
    kind: SubAgentActivityKind
    agent_thread_id: str = ""
    """Id of the thread of the sub-agent."""
    agent_path: str = ""
    """Name of the sub-agent below the names of its parents, such as `/root/helper`."""
    model: str | None = None
    reasoning_effort: str | None = None


class DynamicToolCallItem(ItemModel):
    """A call of a tool that the client provides."""

    type: Literal["dynamic_tool_call"] = "dynamic_tool_call"
    tool: str
    namespace: str | None = None
    """Namespace of the tool, if it has one."""
    arguments: Any = None
    """The arguments of the call, as JSON values."""
    content_items: list[dict[str, Any]] = Field(default_factory=list)
    """The result: `{"type": "inputText", "text": ...}` or `{"type": "inputImage", "imageUrl": ...}`. While the tool runs,
    the text that it has reported."""
    error: str | None = None
    """The exception of the function with its traceback, for the user. The model received one line of it. None in stored threads, and if
    no code of the user raised."""
    success: bool | None = None
    """The success that the client reported. None while the tool runs."""
    status: ToolCallStatus = "in_progress"


class EnteredReviewModeItem(ItemModel):
    """A code review has started."""

    type: Literal["entered_review_mode"] = "entered_review_mode"
    review: str = ""
    """Description of the code to review."""


class ExitedReviewModeItem(ItemModel):
    """A code review is complete."""

    type: Literal["exited_review_mode"] = "exited_review_mode"
    review: str = ""
    """The findings, as text."""


class HookPromptFragment(WireModel):
    """A part of a `HookPromptItem`."""

    text: str
    hook_run_id: str = ""
    """Id of the `HookRunItem` that added it."""


class HookPromptItem(ItemModel):
    """Text that a hook of the user's configuration added to the prompt."""

    type: Literal["hook_prompt"] = "hook_prompt"
    fragments: list[HookPromptFragment] = Field(default_factory=list)


class HookOutput(WireModel):
    """An output of a hook."""

    kind: str
    """Such as `warning`, `stop`, `feedback`, `context` or `error`."""
    text: str


class HookRunItem(ItemModel):
    """A run of a hook of the user's configuration."""

    type: Literal["hook_run"] = "hook_run"
    event_name: str
    """The event that started the hook, such as `preToolUse`."""
    status: HookStatus = "running"
    status_message: str | None = None
    """Message of the hook about its work."""
    entries: list[HookOutput] = Field(default_factory=list)
    """Outputs of the hook."""
    source_path: str | None = None
    """File of the configuration that defines the hook."""


class ApprovalReviewItem(ItemModel):
    """A decision of the automatic reviewer about an action that needs approval."""

    type: Literal["approval_review"] = "approval_review"
    status: ApprovalReviewStatus = "in_progress"
    risk_level: str | None = None
    """Risk of the action, such as `low`."""
    rationale: str | None = None
    """Reason of the decision."""
    action: dict[str, Any] = Field(default_factory=dict)
    """The reviewed action, as the server sends it."""
    target_item_id: str | None = None
    """Id of the reviewed item in this turn."""


class SleepItem(ItemModel):
    """A pause of the agent."""

    type: Literal["sleep"] = "sleep"
    duration_ms: int = 0
    """Length of the pause in milliseconds."""
