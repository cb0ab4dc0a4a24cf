"""Describe the rights of a turn in words, the same for HTML and plain text: sandbox, data sent along, and refused steps."""

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

KERNEL_RUN: Final = "The agent may run code in this kernel: outside of Codex's sandbox, with all rights of the kernel, without asking."
NAMED: Final = 4
"""Maximum number of names in a line."""


class Sandbox(NamedTuple):
    """Description of a turn's sandbox, with a tone for rights above read-only."""

    words: str
    tone: Tone


def sandbox(rights: EffectiveRights | None, requested: str | None) -> Sandbox | None:
    """Return the sandbox that the CLI reports, or the requested one, marked as requested. None if both are unknown.

    Args:
        rights: The rights that the CLI reported, or None.
        requested: The requested mode.
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
    tones: dict[str, Tone] = {"read-only": "quiet", "danger-full-access": "bad"}
    return Sandbox(text, tones.get(name, "warn"))


def kernel_access(mode: str) -> Sandbox:
    """Return what the agent may do in the kernel.

    Args:
        mode: `read`, `ask`, `once` or `run`.
    """
    words = {"read": "kernel read", "ask": "kernel ask before each run", "once": "kernel ask once", "run": "kernel run"}
    tones: dict[str, Tone] = {"read": "quiet", "ask": "warn", "once": "warn"}
    return Sandbox(words.get(mode, f"kernel {_exact(mode)}"), tones.get(mode, "bad"))


def cautions(rights: EffectiveRights | None, cwd: str | None) -> list[str]:
    """Return warnings about rights above read-only, one line each.

    Args:
        rights: The rights that the CLI reported.
        cwd: The working folder.
    """
    if rights is None:
        return []
    lines = []
    if len(rights.writable) > 1:
        lines.append(f"Also writable: {_listed([_shown(path, cwd) for path in rights.writable[1:]])}.")
    if rights.unprotected and rights.sandbox != "workspace-write":
        lines.append("Nothing keeps the agent from changing what this kernel runs: files that it writes can run here.")
    elif rights.unprotected:
        named = _listed([_shown(path, cwd) for path in rights.unprotected])
        lines.append(f"The agent can change {named}: files that it writes there can run in this kernel.")
    return lines


def sent_along(rights: EffectiveRights | None, cwd: str | None) -> list[str]:
    """Return the names of the instruction files and skills that are sent with the prompt.

    Args:
        rights: The rights that the CLI reported.
        cwd: The working folder.
    """
    if rights is None:
        return []
    return [*(_shown(path, cwd) for path in rights.instructions), *(f"skill {_exact(name)}" for name in rights.skills)]


def sent_summary(names: Sequence[str]) -> str:
    """Return one line with the names of `sent_along`. Empty if there are no names."""
    return f"also sent: {_listed(names)}" if names else ""


class Remedies(NamedTuple):
    """The ways to allow refused steps, in the words of the place that shows them."""

    write: str
    add_folder: str
    add_other_folder: str
    ask: str


IN_CELLS: Final = Remedies(
    "`-s workspace-write` lets the agent change files in the folder",
    "`--add-dir FOLDER` makes a folder writable all the same",
    "`--add-dir FOLDER` makes another folder writable",
    "`-a on-request` lets it ask you",
)
IN_CHAT: Final = Remedies(
    "the sandbox workspace-write lets the agent change files in the folder",
    "`%config CodexMagics.add_dir` makes a folder writable all the same",
    "`%config CodexMagics.add_dir` makes another folder writable",
    "the preset Ask lets it ask you",
)


def refusal(turn: Turn, cwd: str | None, remedies: Remedies = IN_CELLS) -> str:
    """Return one line about the refused steps of an ended turn and how to allow them. Empty if no step was refused.

    Args:
        turn: The turn.
        cwd: The working folder.
        remedies: The ways to allow them.
    """
    rights = turn.rights
    refused = [item for item in turn.items if _is_refused(item, rights)] if turn.status != "in_progress" else []
    if not refused:
        return ""
    is_sandboxed = rights is None or rights.sandbox != "danger-full-access"
    summary = f"{'The sandbox, or a rule of Codex,' if is_sandboxed else 'A rule of Codex'} refused {phrases.count(len(refused), 'step')}."
    texts = "\n".join(_text(item) for item in refused)
    kept = [path for path in (rights.protected if rights is not None else ()) if str(path) in texts or _shown(path, cwd) in texts]
    ways = [remedies.write] if is_sandboxed else []
    run = [path for path in kept if path.suffix != ".ipynb"]
    if kept:
        is_open = [path for path in kept if path not in run]
        summary += f" Read-only, because it is open: {_listed([_shown(path, cwd) for path in is_open])}." if is_open else ""
        summary += f" Read-only, because this kernel runs what is there: {_listed([_shown(path, cwd) for path in run])}." if run else ""
        ways = [remedies.add_folder] if any(path.is_dir() for path in kept) else []
    elif rights is not None and rights.sandbox == "workspace-write":
        ways = [remedies.add_other_folder]
    if rights is None or rights.approvals in (None, "never"):
        ways.append(remedies.ask)
    return f"{summary} To allow it: {', '.join(ways)}." if ways else summary


def _is_refused(item: ThreadItem, rights: EffectiveRights | None) -> bool:
    if getattr(item, "status", None) == REFUSED:
        return True
    is_sandboxed = rights is None or rights.sandbox != "danger-full-access"
    return is_sandboxed and isinstance(item, CommandExecutionItem) and "Read-only file system" in item.aggregated_output


def _text(item: ThreadItem) -> str:
    if isinstance(item, CommandExecutionItem):
        return f"{item.command}\n{item.aggregated_output}"
    return "\n".join(change.path for change in item.changes) if isinstance(item, FileChangeItem) else ""


def _shown(path: Path, cwd: str | None) -> str:
    """Return a path relative to the working folder or to the user's home."""
    text = str(path)
    shown = phrases.relative_path(text, cwd)
    home = os.path.expanduser("~")
    return _exact(f"~{text[len(home) :]}" if shown == text and text.startswith(home + os.sep) else shown)


def _exact(name: str) -> str:
    """Return a name in exact form, so that it cannot look like another name or a line of this package."""
    return reveal(phrases.short(name), one_line=True)


def _listed(names: Sequence[str]) -> str:
    """Return the first names and the number of the others."""
    others = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {others} more" if others > 0 else "")
