"""Show a turn in a terminal."""

import dataclasses
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from codex_jupyter.notebook.display.finished_items_display import FinishedItemsDisplay
from codex_jupyter.notebook.display.terminal_markdown import terminal_markdown
from codex_jupyter.notebook.render import TurnInfo, footer_bundle, items_bundle
from codex_jupyter.sdk import Turn

TICK: Final = 1.0
"""Seconds between two updates of the status line."""


def print_plainly(text: str, end: str = "\n") -> None:
    """Print a text, with escapes for characters that the terminal's encoding does not have.

    Args:
        text: The text.
        end: Text printed after it.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    print(text.encode(encoding, "backslashreplace").decode(encoding), end=end, flush=not end)  # noqa: T201


@dataclass(slots=True)
class TerminalDisplay:
    """Display of a turn in a terminal: each item once, when it has ended, and a status line before that.

    Args:
        info: Facts about the turn that are known at its start.
        write: Writes a text and a newline.
        status: Replaces the status line by a text. An empty text clears it. None if there is no status line.
        clock: Returns the time in seconds.
        shows_error: Show the error of the turn. False if the cell raises it.
        styled: Show the styles of Markdown.
    """

    info: TurnInfo
    write: Callable[[str], object] = print_plainly
    status: Callable[[str], object] | None = None
    clock: Callable[[], float] = time.monotonic
    shows_error: bool = True
    styled: bool = False
    _items: FinishedItemsDisplay = field(init=False)
    _started: float | None = None
    _ticked: float = 0.0
    _written: bool = False

    def __post_init__(self) -> None:
        self._items = FinishedItemsDisplay(self.info, self._write, partial(footer_bundle, error=self.shows_error))

    def update(self, turn: Turn) -> None:
        """Write the ended items up to the first that has not ended."""
        now = self.clock()
        self._started = now if self._started is None else self._started
        self._items.update(turn)
        if self.status is not None and now - self._ticked >= TICK and turn.status == "in_progress":
            self._ticked = now
            self.status(self._progress(turn, now - self._started))

    def add_note(self, note: str) -> None:
        """Write one more line with the header, if it was not written yet."""
        self._items.add_note(note)

    def mark(self, turn: Turn, info: TurnInfo) -> None:
        """Write nothing, because the lines of the turn cannot be changed."""

    def ask(self, *_: object) -> bool:
        """Clear the status line, and leave a question to the prompt of the keyboard, on lines of its own."""
        if self.status is not None:
            self.status("")
            self._ticked = 0.0
        return False

    def answered(self, *_: object) -> None:
        """Show nothing: the prompt and the answer are on the screen."""

    def finish(self, turn: Turn, info: TurnInfo) -> None:
        """Write the remaining items and the footer. Write nothing if the turn has not started."""
        if self.status is not None:
            self.status("")
        self._items.finish(turn, info)

    def _write(self, bundle: dict[str, Any]) -> None:
        if self.status is not None:
            self.status("")
            self._ticked = 0.0
        text = bundle["text/plain"]
        self.write("\n" * self._written + (terminal_markdown(text) if self.styled else text))
        self._written = True

    def _progress(self, turn: Turn, elapsed: float) -> str:
        """Return the status line: running time and current item."""
        running = next((item for item in turn.items[self._items.shown :] if item.id in turn.open_item_ids), None)
        text: str = footer_bundle(turn, dataclasses.replace(self.info, elapsed=elapsed))["text/plain"]
        if running is not None:
            text += " · " + items_bundle([running], cwd=self.info.cwd)["text/plain"].strip()
        return text.splitlines()[0]


def status_line(text: str) -> None:
    """Replace the last line of the terminal by a text."""
    width = shutil.get_terminal_size().columns - 1
    print_plainly(f"\r\x1b[K{text[:width]}", end="")
