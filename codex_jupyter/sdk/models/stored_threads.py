"""A stored thread with everything that happened in it."""

from dataclasses import dataclass
from pathlib import Path

from codex_jupyter.sdk.models.turn import Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTurn:
    """A turn of a stored thread."""

    prompt: str
    """The text of the prompt. Images are not listed."""
    turn: Turn
    context: str = ""
    """The data that was sent beside the prompt, with its marks. Empty if there was none."""
    id: str = ""
    """The id of the turn, for `Codex.fork_thread`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadHistory:
    """A stored thread with its history."""

    id: str
    title: str
    """The start of its first prompt."""
    working_directory: Path
    turns: tuple[StoredTurn, ...]
    """Its turns, oldest first. Their usage is not stored."""
    name: str | None = None
    """The name that a user gave it; None if there is none."""
