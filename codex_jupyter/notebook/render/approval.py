"""Requests of the agent for approval, as exact text. The keyboard, the card and the record of a decision use the same words.

Titles and labels are written here. All other text comes from the agent or a tool. It passes `reveal` and is placed to the right of a
gutter, so that it cannot hide a part of the action or look like a line of this package.
"""

import json
import shlex
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from codex_jupyter._visible_text import reveal
from codex_jupyter.notebook.render import phrases
from codex_jupyter.sdk.models.approvals import MEANINGS, ApprovalChoice, ApprovalDecision, ApprovalRequest

GUTTER: Final = "│ "
"""Prefix of a line of the agent's text."""
CONTINUED: Final = "┆ "
"""Prefix of the rest of a line that is too long."""
MIN_WIDTH: Final = 8
"""Minimum columns of text to the right of the gutter, in a terminal of any width."""
_MAX_RECORDED: Final = 200_000
"""Maximum characters recorded of a decision. A shell accepts commands of at most 131,072."""
_DECIDED: Final[Mapping[ApprovalChoice, str]] = {
    "accept": "you allowed this once",
    "accept_for_session": "you allowed this for the session",
    "accept_always": "you allowed this permanently",
    "decline": "you declined",
    "cancel": "you declined, and stopped the turn",
}
_TITLES: Final = {
    "file_change": "Apply this patch?",
    "tool": "Call this tool of an MCP server?",
    "question": "The agent has a question.",
    "permissions": "Grant more permissions?",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A part of a request.

    Attributes:
        name: Label, written by this package.
        text: The exact text, see `reveal`.
    """

    name: str
    text: str


def title(request: ApprovalRequest) -> str:
    """Return the title of a request. It contains no text of the agent."""
    if request.kind == "command":
        if request.host:
            return "Let this command reach a host?"
        return "Type into this running command?" if request.is_input else "Run this command?"
    if request.kind == "tool" and not request.server:
        if is_kernel_code(request):
            return "Run this code in your kernel?"
        return "Let the agent look at your kernel?" if is_kernel_look(request) else "Call this function of the notebook?"
    if request.kind == "form":
        return "An MCP server wants you to open a page." if request.url else "An MCP server asks."
    return _TITLES[request.kind]


def facts(request: ApprovalRequest) -> tuple[Fact, ...]:
    """Return all parts of a request, the most important first."""
    is_permissions = request.kind == "permissions"
    texts = {
        "command": reveal(request.command),
        "host": _line(f"{request.host} ({request.protocol})" if request.host else ""),
        "permissions": _json(request.arguments if is_permissions else request.additional_permissions),
        "files": _files(request),
        "may write": _line(request.grant_root),
        "patch": reveal(request.diff),
        "server": _line(request.server),
        "code": reveal(request.arguments["code"]) if is_kernel_code(request) else "",
        "tool": _line(request.tool) if not is_kernel_code(request) else "",
        "arguments": "" if is_permissions or is_kernel_code(request) else _json(request.arguments),
        "address": _line(request.url),
        "message": reveal(request.message) if request.kind in ("tool", "form") else "",
        "reason": reveal(request.reason),
        "folder": _line(request.cwd),
    }
    return tuple(Fact(name, text) for name, text in texts.items() if text)


def is_kernel_code(request: ApprovalRequest) -> bool:
    """Return True if the agent asks to run code in the kernel."""
    return request.kind == "tool" and not request.server and request.tool == "kernel.run"


def is_kernel_look(request: ApprovalRequest) -> bool:
    """Return True if the agent asks to look at the kernel."""
    return request.kind == "tool" and not request.server and request.tool.startswith("kernel.") and not is_kernel_code(request)


def meaning(choice: ApprovalChoice, request: ApprovalRequest) -> str:
    """Return the effect of a choice in words. It contains no text of the agent."""
    if choice == "accept_always":
        scope = "this host" if request.host else "this tool" if request.kind == "tool" else "every command that starts as shown"
        return f"yes, for good: {scope}; `%codex rules` revokes it"
    if choice in ("accept", "accept_for_session") and request.grant_root:
        return f"{MEANINGS[choice]}; the agent may write below the folder shown for the rest of the session"
    if is_kernel_look(request) and choice in ("accept", "accept_for_session"):
        return "yes, in this turn" if choice == "accept" else "yes, in this notebook from now on; `%codex rules` revokes it"
    if choice == "accept_for_session" and is_kernel_code(request):
        return "yes, and run any code of the agent in this notebook without asking; `%codex rules` revokes it"
    return MEANINGS[choice]


def label(choice: ApprovalChoice, request: ApprovalRequest) -> str:
    """Return the label of a choice on a button. Empty is the usual one. It contains no text of the agent."""
    if choice == "accept_for_session" and (is_kernel_code(request) or is_kernel_look(request)):
        return "Allow in this notebook"
    return "Allow in this turn" if choice == "accept" and is_kernel_look(request) else ""


def always(request: ApprovalRequest) -> tuple[Fact, ...]:
    """Return the commands that `accept_always` allows, if it is offered."""
    if "accept_always" not in request.choices or not request.rule:
        return ()
    return (Fact("always", _line(shlex.join(request.rule))),)


def decision_words(request: ApprovalRequest, decision: ApprovalDecision | None) -> str:
    """Return a decision in words. None means that no one could be asked, so the request was declined."""
    if decision is None:
        return "no one could be asked, so this was declined"
    if decision == "accept_for_session" and (is_kernel_code(request) or is_kernel_look(request)):
        return "you allowed this in this notebook"
    return _DECIDED[decision] if isinstance(decision, str) else "you answered"


def unanswered(request: ApprovalRequest) -> str:
    """Return one line about a request that was open when its turn ended. It contains no text of the agent."""
    outcome = "" if request.kind in ("question", "form") else ", so nothing was done"
    return f"The turn ended before you answered “{title(request)}”{outcome}."


def record(request: ApprovalRequest, decision: ApprovalDecision | None) -> str:
    """Return one line that records a decision and what it is about."""
    return f"{decision_words(request, decision)}: {phrases.exact(_subject(request), _MAX_RECORDED)}"


def quoted(fact: Fact, width: int, label: int) -> list[str]:
    """Return a fact as lines of a terminal.

    Args:
        fact: The fact.
        width: Columns of the terminal.
        label: Columns of the labels.

    Returns:
        Lines with a gutter, narrower than the terminal, because a line that the terminal wraps has no gutter.
    """
    room = max(MIN_WIDTH, width - label - len(GUTTER) - 2)
    lines = []
    for text in fact.text.split("\n"):
        first, *continued = wrapped(text, room)
        lines += [GUTTER + first, *(CONTINUED + rest for rest in continued)]
    blank = " " * label
    return [f"{fact.name if index == 0 else blank:>{label}} {line}" for index, line in enumerate(lines)]


def wrapped(text: str, room: int) -> list[str]:
    """Split a line into pieces of at most `room` columns."""
    if len(text) <= room and text.isascii() and "\t" not in text:
        return [text]
    pieces, piece, used = [], "", 0
    for character in text:
        columns = _columns(character)
        if used + columns > room and piece:
            pieces.append(piece)
            piece, used = "", 0
        piece, used = piece + character, used + columns
    return [*pieces, piece]


def _columns(character: str) -> int:
    """Return the maximum columns that a character takes in a terminal."""
    if character == "\t":
        return 8
    if character.isascii():
        return 1
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _subject(request: ApprovalRequest) -> str:
    """Return the subject of a request without escapes."""
    match request.kind:
        case "command":
            return f"{request.command} ({request.protocol} {request.host})" if request.host else request.command
        case "file_change":
            moves = (f" -> {change.move_path}" if change.move_path else "" for change in request.changes)
            return ", ".join(f"{change.kind} {change.path}{move}" for change, move in zip(request.changes, moves, strict=True))
        case "tool" if is_kernel_code(request):
            return str(request.arguments["code"])
        case "tool":
            return f"{request.server}.{request.tool} {json.dumps(request.arguments, ensure_ascii=False, default=str)}"
        case "permissions":
            return json.dumps(request.arguments, ensure_ascii=False, default=str)
    return request.url or request.message


def _files(request: ApprovalRequest) -> str:
    """Return a line for each file, and one for the place to which it moves."""
    lines = []
    for change in request.changes:
        lines.append(_line(f"{change.kind} {change.path}"))
        if change.move_path:
            lines.append(f"  to {_line(change.move_path)}")
    return "\n".join(lines)


def _line(text: str) -> str:
    return reveal(text, one_line=True)


def _json(value: Any) -> str:
    """Return a whole JSON value, without the names that have no value."""
    if value is None:
        return ""
    value = {name: item for name, item in value.items() if item is not None} if isinstance(value, Mapping) else value
    return reveal(value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False, default=str))
