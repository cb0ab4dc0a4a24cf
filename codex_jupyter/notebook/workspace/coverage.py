"""Describe which files an undo does not cover."""

import os
from pathlib import Path
from typing import Final

from codex_jupyter._paths import is_below
from codex_jupyter._visible_text import reveal
from codex_jupyter.notebook.render.phrases import count
from codex_jupyter.sdk import TurnRecording

NAMED: Final = 3
"""Maximum number of names in the line."""


def uncovered(recording: TurnRecording | None, home: Path) -> str:
    """Return one line about the files that an undo of a turn does not cover. Empty if it covers all, or nothing is recorded.

    Args:
        recording: The recording of the turn, which has started.
        home: The folder that names are relative to.
    """
    if recording is None:
        return ""
    if recording.problem is not None:
        return recording.problem
    paths = [(os.path.join(snapshot.root, path), reason) for snapshot in recording.before for path, reason in snapshot.uncovered.items()]
    if not paths:
        return ""
    names = [f"{shown_path(path, home)} ({reason})" for path, reason in paths[:NAMED]]
    more = [count(len(paths) - NAMED, "more path")] if len(paths) > NAMED else []
    return f"Undo does not cover: {', '.join([*names, *more])}."


def shown_path(path: str, home: Path) -> str:
    """Return a path for display: relative to the folder if it lies there, with escapes for characters that cannot be seen."""
    top = os.path.realpath(home)
    name = os.path.relpath(path, top) if path == top or is_below(path, top) else path
    return reveal(os.fsencode(name).decode("utf-8", "backslashreplace"), one_line=True)
