"""A stored thread with its turns, as the server tells it."""

from dataclasses import dataclass
from pathlib import Path

from codex_jupyter.sdk.models.turn import Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTurn:
    """A turn of a stored thread."""

    prompt: str
    """What the user wrote, without images and data."""
    turn: Turn
    context: str = ""
    """The data that went along, with its marks; empty if there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredThread:
    """A stored thread, with its history."""

    id: str
    title: str
    """The beginning of its first prompt."""
    working_directory: Path
    turns: tuple[StoredTurn, ...]
    """Its turns, oldest first. Their usage is not stored."""
