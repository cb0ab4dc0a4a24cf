"""What the agent asks the user, as exact text: the same words for the keyboard, for a card and for the record.

Titles and labels are ours. All other text comes from the agent or a tool. It passes `reveal`, and stands right of a gutter, so that it can
neither hide a part of what will run nor pass for a line of ours.
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
"""Stands before a line of the agent's text."""
CONTINUED: Final = "┆ "
"""Stands before the rest of a line that was too long."""
MIN_WIDTH: Final = 8
"""Columns of text right of the gutter, however narrow the terminal is."""
_SAID: Final = 200_000
"""Characters of what was decided that are recorded. A command of a shell has 131,072 at most."""
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
        name: Our label.
        text: The exact text; see `reveal`.
    """

    name: str
    text: str


def title(request: ApprovalRequest) -> str:
    """Return what is asked, in words of ours alone."""
    if request.kind == "command":
        if request.host:
            return "Let this command reach a host?"
        return "Type into this running command?" if request.is_input else "Run this command?"
    if request.kind == "form":
        return "An MCP server wants you to open a page." if request.url else "An MCP server asks."
    return _TITLES[request.kind]


def facts(request: ApprovalRequest) -> tuple[Fact, ...]:
    """Return all parts of a request, what matters most first."""
    is_permissions = request.kind == "permissions"
    named = {
        "command": reveal(request.command),
        "host": _line(f"{request.host} ({request.protocol})" if request.host else ""),
        "permissions": _json(request.arguments if is_permissions else request.additional_permissions),
        "files": _files(request),
        "may write": _line(request.grant_root),
        "patch": reveal(request.diff),
        "server": _line(request.server),
        "tool": _line(request.tool),
        "arguments": "" if is_permissions else _json(request.arguments),
        "address": _line(request.url),
        "message": reveal(request.message) if request.kind in ("tool", "form") else "",
        "reason": reveal(request.reason),
        "folder": _line(request.cwd),
    }
    return tuple(Fact(name, text) for name, text in named.items() if text)


def meaning(choice: ApprovalChoice, request: ApprovalRequest) -> str:
    """Return what a choice does, in words of ours alone."""
    if choice == "accept_always":
        what = "this host" if request.host else "this tool" if request.kind == "tool" else "every command that starts as shown"
        return f"yes, for good: {what}; `%codex rules` revokes it"
    if choice in ("accept", "accept_for_session") and request.grant_root:
        return f"{MEANINGS[choice]}; the agent may write below the folder shown for the rest of the session"
    return MEANINGS[choice]


def always(request: ApprovalRequest) -> tuple[Fact, ...]:
    """Return what `accept_always` allows, if it is offered."""
    if "accept_always" not in request.choices or not request.rule:
        return ()
    return (Fact("always", _line(shlex.join(request.rule))),)


def record(request: ApprovalRequest, decision: ApprovalDecision | None) -> str:
    """Return a decision in one line; None is the no where no one could be asked."""
    said = decision.replace("_", " ") if isinstance(decision, str) else "answered"
    who = "no one could be asked, so the answer was no" if decision is None else f"you decided: {said}"
    return f"{who}: {phrases.exact(_subject(request), _SAID)}"


def quoted(fact: Fact, width: int, label: int) -> list[str]:
    """Return a fact as lines of a terminal.

    Args:
        fact: The fact.
        width: Columns of the terminal.
        label: Columns of the labels.

    Returns:
        Lines with a gutter; all are narrower than the terminal, because what a terminal wraps has no gutter.
    """
    room = max(MIN_WIDTH, width - label - len(GUTTER) - 2)
    lines = []
    for text in fact.text.split("\n"):
        first, *more = wrapped(text, room)
        lines += [GUTTER + first, *(CONTINUED + rest for rest in more)]
    blank = " " * label
    return [f"{fact.name if not at else blank:>{label}} {line}" for at, line in enumerate(lines)]


def wrapped(text: str, room: int) -> list[str]:
    """Return a line in pieces that are at most `room` columns wide."""
    if len(text) <= room and text.isascii() and "\t" not in text:
        return [text]
    pieces, piece, used = [], "", 0
    for one in text:
        columns = _columns(one)
        if used + columns > room and piece:
            pieces.append(piece)
            piece, used = "", 0
        piece, used = piece + one, used + columns
    return [*pieces, piece]


def _columns(character: str) -> int:
    """The columns that a character takes in a terminal, at most."""
    if character == "\t":
        return 8
    if character.isascii():
        return 1
    return 0 if unicodedata.category(character) in ("Mn", "Me") else 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _subject(request: ApprovalRequest) -> str:
    """What a request is about, as it is."""
    match request.kind:
        case "command":
            return f"{request.command} ({request.protocol} {request.host})" if request.host else request.command
        case "file_change":
            return ", ".join(f"{one.kind} {one.path}" + (f" -> {one.move_path}" if one.move_path else "") for one in request.changes)
        case "tool":
            return f"{request.server}.{request.tool} {json.dumps(request.arguments, ensure_ascii=False, default=str)}"
        case "permissions":
            return json.dumps(request.arguments, ensure_ascii=False, default=str)
    return request.url or request.message


def _files(request: ApprovalRequest) -> str:
    """A line for each file, and one for where it moves to."""
    pairs = ((_line(f"{one.kind} {one.path}"), f"  to {_line(one.move_path)}" if one.move_path else "") for one in request.changes)
    return "\n".join(line for pair in pairs for line in pair if line)


def _line(text: str) -> str:
    return reveal(text, one_line=True)


def _json(value: Any) -> str:
    """A JSON value, whole; without the names that stand for nothing."""
    if value is None:
        return ""
    value = {name: one for name, one in value.items() if one is not None} if isinstance(value, Mapping) else value
    return reveal(value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False, default=str))
