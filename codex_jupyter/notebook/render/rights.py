"""The rights of a turn in words, the same for HTML and plain text: what it may do, what goes along, and what was refused."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from codex_jupyter._visible_text import reveal
from codex_jupyter.notebook.render import phrases
from codex_jupyter.notebook.render.colors import Tone
from codex_jupyter.sdk.models.items import CommandExecutionItem, FileChangeItem, ThreadItem
from codex_jupyter.sdk.models.rights import EffectiveRights
from codex_jupyter.sdk.models.turn import Turn
from codex_jupyter.sdk.rollout_follower import REFUSED

NAMED: Final = 4
"""Names that a line has room for."""


class Sandbox(NamedTuple):
    """The sandbox of a turn in a few words, and a tone for what is above read-only."""

    words: str
    tone: Tone


def sandbox(rights: EffectiveRights | None, requested: str | None) -> Sandbox | None:
    """Return the sandbox that the CLI reports, or the requested one, marked as such; None if nothing is known.

    Args:
        rights: What the CLI reports; None if it has not.
        requested: The mode that was asked for.
    """
    name = requested if rights is None else rights.sandbox
    if name is None:
        return None
    text = "no sandbox (danger-full-access)" if name == "danger-full-access" else f"sandbox {_exact(name)}"
    if rights is None:
        text += " (requested)"
    else:
        text += ", network on" if rights.network and name != "danger-full-access" else ""
        text += f", profile {_exact(rights.profile)}" if rights.profile else ""
    return Sandbox(text, "quiet" if name == "read-only" else "bad" if name == "danger-full-access" else "warn")


def cautions(rights: EffectiveRights | None, cwd: str | None) -> list[str]:
    """Return what a user should know about rights above read-only, a line each.

    Args:
        rights: What the CLI reports.
        cwd: The working folder.
    """
    if rights is None:
        return []
    lines = []
    if len(rights.writable) > 1:
        lines.append(f"Also writable: {_named([_shown(path, cwd) for path in rights.writable[1:]])}.")
    if rights.unprotected and rights.sandbox != "workspace-write":
        lines.append("Nothing keeps the agent from changing what this kernel runs: files that it writes can run here.")
    elif rights.unprotected:
        named = _named([_shown(path, cwd) for path in rights.unprotected])
        lines.append(f"The agent can change {named}: files that it writes there can run in this kernel.")
    return lines


def sent_along(rights: EffectiveRights | None, cwd: str | None) -> list[str]:
    """Return the names of the instruction files and skills that go along with the prompt.

    Args:
        rights: What the CLI reports.
        cwd: The working folder.
    """
    if rights is None:
        return []
    return [*(_shown(path, cwd) for path in rights.instructions), *(f"skill {_exact(name)}" for name in rights.skills)]


def sent_summary(names: Sequence[str]) -> str:
    """Return those names as one line; empty if there are none."""
    return f"also sent: {_named(names)}" if names else ""


def refusal(turn: Turn, cwd: str | None) -> str:
    """Return one line about what was refused in a turn that has ended, and how it can be allowed; empty if nothing was.

    Args:
        turn: The turn.
        cwd: The working folder.
    """
    rights = turn.rights
    refused = [item for item in turn.items if _is_refused(item, rights)] if turn.status != "in_progress" else []
    if not refused:
        return ""
    boxed = rights is None or rights.sandbox != "danger-full-access"
    what = f"{'The sandbox, or a rule of Codex,' if boxed else 'A rule of Codex'} refused {phrases.count(len(refused), 'step')}."
    said = "\n".join(_text(item) for item in refused)
    kept = [path for path in (rights.protected if rights is not None else ()) if str(path) in said or _shown(path, cwd) in said]
    ways = ["`-s workspace-write` lets the agent change files in the folder"] if boxed else []
    if kept:
        what += f" Read-only, because this kernel runs what is there: {_named([_shown(path, cwd) for path in kept])}."
        ways = ["`--add-dir FOLDER` makes a folder writable all the same"] if any(path.is_dir() for path in kept) else []
    elif rights is not None and rights.sandbox == "workspace-write":
        ways = ["`--add-dir FOLDER` makes another folder writable"]
    if rights is None or rights.approvals in (None, "never"):
        ways.append("`-a on-request` lets it ask you")
    return f"{what} To allow it: {', '.join(ways)}." if ways else what


def _is_refused(item: ThreadItem, rights: EffectiveRights | None) -> bool:
    if getattr(item, "status", None) == REFUSED:
        return True
    boxed = rights is None or rights.sandbox != "danger-full-access"
    return boxed and isinstance(item, CommandExecutionItem) and "Read-only file system" in item.aggregated_output


def _text(item: ThreadItem) -> str:
    if isinstance(item, CommandExecutionItem):
        return f"{item.command}\n{item.aggregated_output}"
    return "\n".join(change.path for change in item.changes) if isinstance(item, FileChangeItem) else ""


def _shown(path: Path, cwd: str | None) -> str:
    """A path from the working folder, or from the user's home."""
    text = str(path)
    shown = phrases.relative_path(text, cwd)
    home = os.path.expanduser("~")
    return _exact(f"~{text[len(home) :]}" if shown == text and text.startswith(home + os.sep) else shown)


def _exact(name: str) -> str:
    """A name that a folder or a file brings: it must not pass for something else, or for a line of ours."""
    return reveal(phrases.short(name), one_line=True)


def _named(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    left = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {left} more" if left > 0 else "")
