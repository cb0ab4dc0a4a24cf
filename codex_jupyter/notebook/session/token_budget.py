"""Stop a turn that uses more tokens than it may."""

import time
from pathlib import Path
from typing import Final

from codex_jupyter.sdk.rollouts import stored_usage

CHECK_INTERVAL: Final = 0.5
"""Seconds between two checks of the used tokens."""


class Budget:
    """The tokens that a turn may use. The CLI reports them only at the end of a turn, but records them in the thread's file meanwhile.

    Args:
        limit: Input and output tokens together.
        home: The CODEX_HOME of the thread.
        thread_id: The thread, if it exists already.
    """

    def __init__(self, limit: int, home: Path, thread_id: str | None) -> None:
        self._limit, self._folder = limit, home
        self._base = 0 if thread_id is None else self._used(thread_id)
        self._checked = 0.0

    def exceeded(self, thread_id: str) -> str:
        """Return the reason to stop the turn. Empty if it may continue. Read the file at most every `CHECK_INTERVAL` seconds."""
        if time.monotonic() - self._checked < CHECK_INTERVAL:
            return ""
        self._checked = time.monotonic()
        used = self._used(thread_id) - self._base
        return (
            f"The turn was stopped: it has used {used:,} tokens, more than max_tokens_per_turn ({self._limit:,})."
            if used > self._limit
            else ""
        )

    def _used(self, thread_id: str) -> int:
        usage = stored_usage(self._folder, thread_id)
        return 0 if usage is None else usage.total_tokens
