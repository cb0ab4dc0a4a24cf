"""Phrases for the items that only the app-server sends. Each is one line."""

import re
from collections.abc import Sequence
from typing import Final, TypeAlias

from codex_jupyter.notebook.render import phrases
from codex_jupyter.notebook.render.phrases import State
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

AppServerItem: TypeAlias = (
    ApprovalReviewItem
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
    | SubAgentActivityItem
)
_ACTIVITIES: Final = {"started": "started", "interacted": "was sent a message", "interrupted": "was interrupted", "completed": "is done"}
_STATES: Final = {
    "approved": State("approved", "✓", "good"),
    "denied": State("denied", "⊘", "warn"),
    "blocked": State("blocked", "⊘", "warn"),
    "stopped": State("stopped", "⊘", "warn"),
}


def title(item: AppServerItem, cwd: str | None) -> str:
    """Return the line that describes an item, with invisible characters as escapes."""
    match item:
        case ImageViewItem():
            text = f"looked at image {phrases.relative_path(item.path, cwd)}"
        case ImageGenerationItem():
            text = "image generation" + (f": {item.revised_prompt}" if item.revised_prompt else "")
        case ContextCompactionItem():
            text = "summarised the thread, to free space in the model's context"
        case SubAgentActivityItem():
            name = item.agent_path.rstrip("/").rpartition("/")[2] or phrases.short_id(item.agent_thread_id)
            text = f"sub-agent {name} {_ACTIVITIES.get(item.kind, item.kind)}"
        case DynamicToolCallItem() if (code := kernel_code(item)) is not None:
            lines = phrases.count(code.count("\n") + 1, "line")
            # A call is in progress also while it waits for approval, and fails if it is refused or cancelled. Code that raises is a result.
            text = f"ran {lines} in the kernel" if item.status == "completed" else f"{lines} of code for the kernel"
        case DynamicToolCallItem():
            arguments = phrases.inline_arguments(item.arguments)
            text = f"tool {item.namespace}.{item.tool}" if item.namespace else f"tool {item.tool}"
            text += f"({arguments})" if arguments else ""
        case EnteredReviewModeItem():
            text = "code review" + (f": {item.review}" if item.review else "")
        case ExitedReviewModeItem():
            text = "code review complete"
        case HookRunItem():
            text = f"hook {_words(item.event_name)}" + (f": {item.status_message}" if item.status_message else "")
        case HookPromptItem():
            text = "a hook added to the prompt"
        case ApprovalReviewItem():
            risk = f", {item.risk_level} risk" if item.risk_level else ""
            text = f"automatic review of {_words(str(item.action.get('type') or 'an action'))}{risk}"
        case PlanItem():
            text = "proposed plan"
        case SleepItem():
            text = f"waited {phrases.duration(item.duration_ms / 1000)}"
    return phrases.exact(text)


def state(item: AppServerItem) -> State:
    """Return the state of an item."""
    status = getattr(item, "status", "completed")
    return _STATES.get(status) or phrases.state_of(status)


def details(item: AppServerItem) -> Sequence[str]:
    """Return more texts of an item, without images. They can be long."""
    match item:
        case DynamicToolCallItem():
            code = kernel_code(item)
            prompt = [] if code is None else ["\n".join(f">>> {line}" for line in phrases.exact_excerpt(code).lines)]
            texts = [str(part.get("text") or "") for part in item.content_items if part.get("type") == "inputText"]
            return [*prompt, *texts, *([item.error] if item.error else [])]
        case HookRunItem():
            return [f"{entry.kind}: {entry.text}" for entry in item.entries]
        case HookPromptItem():
            return [fragment.text for fragment in item.fragments]
        case ApprovalReviewItem():
            return [item.rationale] if item.rationale else []
        case ImageGenerationItem():
            return [phrases.pretty(item.failure)] if item.failure else []
        case PlanItem():
            return [item.text]
    return []


def kernel_code(item: DynamicToolCallItem) -> str | None:
    """Return the code that the agent ran in the kernel; None for a call of another tool."""
    code = item.arguments.get("code") if isinstance(item.arguments, dict) else None
    return code if (item.namespace, item.tool) == ("kernel", "run") and isinstance(code, str) else None


def image_urls(item: AppServerItem) -> Sequence[str]:
    """Return the data URLs of the images in an item, unchecked."""
    match item:
        case DynamicToolCallItem():
            return [str(part.get("imageUrl") or "") for part in item.content_items if part.get("type") == "inputImage"]
        case ImageGenerationItem(result=result) if result:
            return [result if result.startswith("data:") else f"data:image/png;base64,{result}"]
    return []


def _words(name: str) -> str:
    """Return a name such as `preToolUse` as words."""
    return re.sub(r"(?<=[a-z])([A-Z])", lambda match: f" {match[1].lower()}", name)
