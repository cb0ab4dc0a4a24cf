"""Show a turn in a terminal."""

import dataclasses
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from codex_jupyter.notebook.render import TurnInfo, footer_bundle, header_bundle, items_bundle
from codex_jupyter.sdk import Turn

TICK: Final = 1.0
"""Seconds between two updates of the status line."""


def print_plainly(text: str, end: str = "\n") -> None:
    """Print a text, with escapes for what the terminal's encoding does not have.

    Args:
        text: The text.
        end: What follows it.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    print(text.encode(encoding, "backslashreplace").decode(encoding), end=end, flush=not end)  # noqa: T201


@dataclass(slots=True)
class TerminalDisplay:
    """Shows a turn in a terminal: each item once, when it has ended, and until then a line that says what runs.

    Args:
        info: What is known about the turn when it begins.
        write: Writes a text, followed by a newline.
        status: Writes a text in place of the one that it wrote before; an empty one clears the line. None where no line can be replaced.
        clock: Seconds, for tests.
    """

    info: TurnInfo
    write: Callable[[str], object] = print_plainly
    status: Callable[[str], object] | None = None
    clock: Callable[[], float] = time.monotonic
    _shown: int = 0
    _headed: bool = False
    _began: float | None = None
    _ticked: float = 0.0

    def update(self, turn: Turn) -> None:
        """Write the items that have ended, up to the first that has not."""
        now = self.clock()
        self._began = now if self._began is None else self._began
        # The rights come a moment after the id, and what is written stays.
        if not self._headed and turn.thread_id is not None and (turn.rights or turn.items or turn.status != "in_progress"):
            self._headed = True
            self._write(header_bundle(self.info, turn.thread_id, turn.rights)["text/plain"])
        for item in turn.items[self._shown :]:
            if item.id in turn.open_item_ids:
                break
            self._shown += 1
            self._write("\n" + items_bundle([item], cwd=self.info.cwd, diffs=turn.diffs)["text/plain"])
        if self.status is not None and now - self._ticked >= TICK and turn.status == "in_progress":
            self._ticked = now
            self.status(self._progress(turn, now - self._began))

    def finish(self, turn: Turn, info: TurnInfo) -> None:
        """Write what is left, and the footer; nothing if the turn never began."""
        if turn.thread_id is not None:
            self.update(turn)
            self._write("\n" + footer_bundle(turn, info)["text/plain"])
        elif self.status is not None:
            self.status("")

    def _write(self, text: str) -> None:
        if self.status is not None:
            self.status("")
            self._ticked = 0.0
        self.write(text)

    def _progress(self, turn: Turn, elapsed: float) -> str:
        """How long the turn runs, and with what."""
        running = next((item for item in turn.items[self._shown :] if item.id in turn.open_item_ids), None)
        text: str = footer_bundle(turn, dataclasses.replace(self.info, elapsed=elapsed))["text/plain"]
        if running is not None:
            text += " · " + items_bundle([running], cwd=self.info.cwd)["text/plain"].strip()
        return text.splitlines()[0]


def status_line(text: str) -> None:
    """Write a text in place of the last line of the terminal."""
    width = shutil.get_terminal_size().columns - 1
    print_plainly(f"\r\x1b[K{text[:width]}", end="")
