"""Collect the context of a notebook, and remember which thread has received which data."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from codex_jupyter.notebook.context.cells import CellLog
from codex_jupyter.notebook.namespace import Namespace, notebook_namespace

if TYPE_CHECKING:
    from codex_jupyter.notebook.context.model import Context, SentContext
    from codex_jupyter.notebook.context.spec import Spec

MAX_CHARS: Final = 16_000
MIN_CHARS: Final = 2_000
"""Minimum of `max_chars`."""
MAX_SECONDS: Final = 0.5


class ContextCollector:
    """Collects the context of a shell.

    Args:
        shell: An `InteractiveShell`.
        max_chars: Maximum size of a context in characters, at least `MIN_CHARS`.
        max_seconds: Maximum time of a collection in seconds. It is checked between variables and between cells.
        clock: Returns the time in seconds.
    """

    def __init__(
        self, shell: Any, *, max_chars: int = MAX_CHARS, max_seconds: float = MAX_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if max_chars < MIN_CHARS:
            raise ValueError(f"max_chars must be at least {MIN_CHARS}, not {max_chars}.")
        self.cells: CellLog = CellLog(shell)
        """The cells that ran."""
        self._shell = shell
        self._max_chars, self._max_seconds, self._clock = max_chars, max_seconds, clock
        self._sent: dict[str, SentContext] = {}
        self._slow: set[int] = set()

    def start(self) -> None:
        """Record cells from now on, and read the shell's history. A second call does nothing."""
        self.cells.start()

    def stop(self) -> None:
        """Stop recording, and forget everything."""
        self.cells.stop()
        self._sent.clear()

    def collect(
        self, spec: "Spec | str" = "auto", thread: str | None = "main", names: Namespace | None = None, *, is_prompt: bool = True
    ) -> "Context":
        """Collect the requested data that the thread has not received yet. Only `mark_sent` records data as received.

        Args:
            spec: The requested data, see `parse_spec`.
            thread: The key of the thread. None collects as for a new thread.
            names: The names that the spec can use. None uses those of the notebook.
            is_prompt: The data is for a prompt, so that cells which it names must have any. The agent may look at cells without output.

        Raises:
            UsageError: If the spec is invalid, or names a variable that does not exist.
        """
        # These imports take longer than the rest of the extension, and many notebooks never need them.
        from codex_jupyter.notebook.context.collection import Collection
        from codex_jupyter.notebook.context.model import SentContext
        from codex_jupyter.notebook.context.spec import parse_spec

        names = names or notebook_namespace(self._shell)
        deadline = self._clock() + self._max_seconds
        collection = Collection(
            self._shell,
            self.cells,
            previous=self._sent.get(thread, SentContext()) if thread is not None else SentContext(),
            remaining=lambda: deadline - self._clock(),
            slow=self._slow,
            names=names,
            is_prompt=is_prompt,
        )
        return collection.collect(parse_spec(spec) if isinstance(spec, str) else spec, self._max_chars)

    def describe(self, name: str, max_rows: int) -> str:
        """Describe one variable in detail, for the agent: type, shape, columns, first rows, or a bounded value. Secrets are masked.

        Args:
            name: The name of a variable of the notebook.
            max_rows: Maximum number of rows of a data frame.

        Raises:
            UsageError: If there is no such variable, or its name starts with an underscore.
        """
        from codex_jupyter.notebook.context.collection import Collection
        from codex_jupyter.notebook.context.model import SentContext

        deadline = self._clock() + self._max_seconds
        names = notebook_namespace(self._shell)
        collection = Collection(self._shell, self.cells, SentContext(), lambda: deadline - self._clock(), self._slow, names)
        return collection.describe(name, max_rows, self._max_chars)

    def mark_sent(self, context: "Context", thread: str = "main") -> None:
        """Record that a thread has received a context. Its data is sent again only after a change."""
        from codex_jupyter.notebook.context.model import SentContext

        self._sent.setdefault(thread, SentContext()).add(context.sent)

    def forget(self, thread: str) -> None:
        """Forget which data a thread has received. Its next context is complete."""
        self._sent.pop(thread, None)
