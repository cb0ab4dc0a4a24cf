"""A stored thread with its turns, as the server tells it."""

from dataclasses import dataclass
from pathlib import Path

from codex_jupyter.sdk.turn import Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTurn:
    """A turn of a stored thread."""

    prompt: str
    """What was asked, without its pictures."""
    turn: Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredThread:
    """A stored thread, with its history."""

    id: str
    title: str
    """The beginning of its first prompt."""
    working_directory: Path
    turns: tuple[StoredTurn, ...]
    """Its turns, oldest first. Their usage is not stored."""
