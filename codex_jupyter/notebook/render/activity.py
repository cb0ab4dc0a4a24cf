"""Describe in words what a turn does and has done: the current action, and counts of steps."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from codex_jupyter.notebook.render import app_server_phrases, phrases
from codex_jupyter.notebook.render.app_server_phrases import AppServerItem
from codex_jupyter.sdk.models.app_server_items import DynamicToolCallItem, ImageGenerationItem, PlanItem
from codex_jupyter.sdk.models.items import (
    AgentMessageItem,
    CollabToolCallItem,
    CommandExecutionItem,
    ErrorItem,
    FileChangeItem,
    McpToolCallItem,
    ReasoningItem,
    ThreadItem,
    TodoListItem,
    WebSearchItem,
)
from codex_jupyter.sdk.models.turn import Turn, answer_of

MAX_ACTION: Final = 80
"""Maximum characters of the current action."""
_KINDS: Final[dict[type[Any], tuple[str, str]]] = {
    CommandExecutionItem: ("command", "commands"),
    FileChangeItem: ("file change", "file changes"),
    McpToolCallItem: ("tool call", "tool calls"),
    DynamicToolCallItem: ("tool call", "tool calls"),
    WebSearchItem: ("search", "searches"),
    CollabToolCallItem: ("sub-agent call", "sub-agent calls"),
}
_FAILED: Final = ("bad", "warn")


def answer_item(turn: Turn) -> AgentMessageItem | None:
    """Return the message that is shown as the answer. None if there is none yet.

    The last message of a completed turn is its answer. In another turn, the agent itself must say that a message is the answer, or the
    turn has ended while it was written.
    """
    answer = answer_of(turn.items)
    if answer is None or turn.status == "completed" or answer.phase == "final_answer":
        return answer
    return answer if turn.status != "in_progress" and turn.items[-1] is answer else None


def work_items(turn: Turn) -> list[ThreadItem]:
    """Return the items of a turn that are not its answer."""
    answer = answer_item(turn)
    return [item for item in turn.items if item is not answer]


def stands_out(item: ThreadItem) -> bool:
    """Return True for an item that stays visible when the work is folded.

    These are failed and refused actions, changed files, images, proposed plans and warnings.
    """
    match item:
        case FileChangeItem() | ErrorItem() | PlanItem():
            return True
        case ImageGenerationItem(result=result) if result:
            return True
        case McpToolCallItem(result=result) if result and any(
            isinstance(part, dict) and part.get("type") == "image" for part in result.content
        ):
            return True
        case DynamicToolCallItem() if any(part.get("type") == "inputImage" for part in item.content_items):
            return True
    # A search has no status. An interrupted item says the same as its turn.
    status = getattr(item, "status", "completed")
    return status not in ("in_progress", "interrupted") and _state(item).tone in _FAILED


def current_action(turn: Turn, *, asks: bool = False) -> str:
    """Return the current action of a running turn in a few words.

    Args:
        turn: The turn.
        asks: If the agent waits for an answer of the user.
    """
    if asks:
        return "Waiting for your answer"
    if turn.status != "in_progress":
        return "Finishing"
    if turn.reconnecting:
        return "Waiting for the network"
    running = [item for item in turn.items if item.id in turn.open_item_ids and not isinstance(item, TodoListItem)]
    if not running and turn.thread_id is None:
        # Without a network, the CLI needs seconds to start a thread.
        return "Starting Codex"
    return phrases.exact(_action(running[-1]) if running else "Thinking", MAX_ACTION)


def _action(item: ThreadItem) -> str:
    match item:
        case AgentMessageItem():
            return "Writing"
        case ReasoningItem():
            return phrases.reasoning_parts(item.text)[0] or "Thinking"
        case CommandExecutionItem():
            return f"Running {phrases.shell_command(item.command)}"
        case FileChangeItem():
            names = [change.path.replace("\\", "/").rpartition("/")[2] for change in item.changes]
            return f"Editing {', '.join(names)}" if names else "Editing files"
        case McpToolCallItem():
            return item.progress or f"Calling {item.server}.{item.tool}"
        case DynamicToolCallItem() if app_server_phrases.kernel_code(item) is not None:
            return "Running code in the kernel"
        case DynamicToolCallItem():
            return f"Calling {item.tool}"
        case WebSearchItem():
            return "Searching the web"
        case CollabToolCallItem():
            return "Working with sub-agents"
    return "Working"


def steps(items: Iterable[ThreadItem]) -> str:
    """Return counts of the steps by their kinds, such as `3 commands · 1 search`."""
    counts: Counter[tuple[str, str]] = Counter(_KINDS[type(item)] for item in items if type(item) in _KINDS)
    return " · ".join(phrases.count(number, *words) for words, number in counts.items())


def work_line(turn: Turn, elapsed: float | None) -> str:
    """Return the line about the work of a turn, such as `Worked for 41 s · 12 commands · 2 tool calls · 3 files`."""
    verb, preposition = {
        "in_progress": ("Working", "for"),
        "completed": ("Worked", "for"),
        "failed": ("Failed", "after"),
        "interrupted": ("Interrupted", "after"),
        "timed_out": ("Timed out", "after"),
    }[turn.status]
    time = "" if elapsed is None else f" {preposition} {phrases.duration(elapsed)}"
    return " · ".join([verb + time, *work_facts(turn)])


def work_facts(turn: Turn) -> list[str]:
    """Return counts of the commands, of the calls of tools and of the changed files of a turn, without zeros."""
    counts = {
        "command": sum(isinstance(item, CommandExecutionItem) for item in turn.items),
        "tool call": sum(isinstance(item, McpToolCallItem | DynamicToolCallItem) for item in turn.items),
        "file": changed_files(turn.items),
    }
    return [phrases.count(number, word) for word, number in counts.items() if number]


def changed_files(items: Sequence[ThreadItem]) -> int:
    """Return the number of files that were changed."""
    done = (item for item in items if isinstance(item, FileChangeItem) and item.status == "completed")
    return len({change.path for item in done for change in item.changes})


def _state(item: ThreadItem) -> phrases.State:
    return app_server_phrases.state(item) if isinstance(item, AppServerItem) else phrases.item_state(item)
