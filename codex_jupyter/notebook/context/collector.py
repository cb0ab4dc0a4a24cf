"""The context of a notebook: what may be told, and to which thread it was."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from codex_jupyter.notebook.context.cells import CellLog

if TYPE_CHECKING:
    from codex_jupyter.notebook.context.model import Context, Memory
    from codex_jupyter.notebook.context.spec import Spec

MAX_CHARS: Final = 16_000
MIN_CHARS: Final = 2_000
"""Smallest bound on the size of a context, in characters."""
MAX_SECONDS: Final = 0.5


class ContextCollector:
    """Knows what the kernel can tell the agent.

    Args:
        shell: An `InteractiveShell`.
        max_chars: Largest size of a context in characters, at least `MIN_CHARS`.
        max_seconds: Longest time to collect one in seconds; it is looked at between variables and cells.
        clock: Gives the time in seconds.
    """

    def __init__(
        self, shell: Any, *, max_chars: int = MAX_CHARS, max_seconds: float = MAX_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if max_chars < MIN_CHARS:
            raise ValueError(f"max_chars must be at least {MIN_CHARS}, not {max_chars}.")
        self.cells = CellLog(shell)
        """The cells that ran."""
        self._shell = shell
        self._max_chars, self._max_seconds, self._clock = max_chars, max_seconds, clock
        self._memories: dict[str, Memory] = {}
        self._slow: set[int] = set()

    def start(self) -> None:
        """Watch the cells, and read those that the shell still knows; does nothing if it does so already."""
        self.cells.start()

    def stop(self) -> None:
        """Watch no longer, and forget everything."""
        self.cells.stop()
        self._memories.clear()

    def collect(self, spec: "Spec | str" = "auto", thread: str | None = "main") -> "Context":
        """Collect what is asked for and what the thread does not know yet. Notes nothing: that is for `mark_sent`.

        Args:
            spec: What to tell.
            thread: The key of the thread that it is for; None collects as for a new one.

        Raises:
            UsageError: If the spec is none, or names a variable that does not exist.
        """
        # Not at load: all this takes longer than the rest of the extension, and many notebooks never ask.
        from codex_jupyter.notebook.context.collection import Collection
        from codex_jupyter.notebook.context.model import Memory
        from codex_jupyter.notebook.context.spec import parse_spec

        deadline = self._clock() + self._max_seconds
        collection = Collection(
            self._shell,
            self.cells,
            known=self._memories.get(thread, Memory()) if thread is not None else Memory(),
            remaining=lambda: deadline - self._clock(),
            slow=self._slow,
        )
        return collection.collect(parse_spec(spec) if isinstance(spec, str) else spec, self._max_chars)

    def mark_sent(self, context: "Context", thread: str = "main") -> None:
        """Note that a thread was sent a context: what is in it is not sent to it again until it changes."""
        from codex_jupyter.notebook.context.model import Memory

        self._memories.setdefault(thread, Memory()).add(context.told)

    def forget(self, thread: str) -> None:
        """Forget what a thread was sent: the next context for it is complete."""
        self._memories.pop(thread, None)
