"""The state that a thread shares with its turns."""

from collections.abc import Callable
from dataclasses import dataclass

from codex_jupyter.sdk.models.events import Usage
from codex_jupyter.sdk.models.options import ThreadOptions
from codex_jupyter.sdk.transports.base import Transport


@dataclass(slots=True)
class ThreadState:
    """The state that a thread shares with its turns."""

    transport: Transport
    options: ThreadOptions
    id: str | None
    usage: Usage | None
    """The tokens that the thread has used so far; None if unknown."""
    stored_usage: Callable[[str], Usage | None] | None = None
    """Returns the tokens that the CLI has stored for a thread id. Blocks."""
    running: bool = False
    """True if a turn runs."""
