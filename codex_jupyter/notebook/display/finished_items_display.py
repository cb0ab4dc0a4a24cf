"""Show a turn where an output cannot be changed: each item once, when it has ended."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from codex_jupyter.notebook.render import TurnInfo, closing_bundle, header_bundle, items_bundle
from codex_jupyter.sdk import Turn


@dataclass(slots=True)
class FinishedItemsDisplay:
    """Display of a turn in outputs that are never changed.

    Args:
        info: Facts about the turn that are known at its start.
        show: Shows a bundle as a new output.
        close: Returns the bundle at the end of the turn.
    """

    info: TurnInfo
    show: Callable[[dict[str, Any]], object]
    close: Callable[[Turn, TurnInfo], dict[str, Any]] = closing_bundle
    shown: int = 0
    """The number of items that were shown."""
    _headed: bool = False

    def update(self, turn: Turn) -> None:
        """Show the ended items up to the first that has not ended."""
        self._update(turn)

    def add_note(self, note: str) -> None:
        """Show one more line in the header, if it was not shown yet."""
        self.info = replace(self.info, notes=(*self.info.notes, note))

    def mark(self, turn: Turn, info: TurnInfo) -> None:
        """Show nothing, because the outputs cannot be changed."""

    def ask(self, *_: object) -> bool:
        """Leave a question to the prompt of the keyboard."""
        return False

    def answered(self, *_: object) -> None:
        """Show nothing: the prompt and the answer are on the screen."""

    def finish(self, turn: Turn, info: TurnInfo) -> None:
        """Show the remaining items and the footer. Show nothing if the turn has not started."""
        if turn.thread_id is not None:
            # Items of an interrupted turn may never end.
            self._update(turn, final=True)
            self.show(self.close(turn, info))

    def _update(self, turn: Turn, *, final: bool = False) -> None:
        # The rights are reported shortly after the id, and a header that was shown cannot be changed.
        if not self._headed and turn.thread_id is not None and (turn.rights or turn.items or turn.status != "in_progress"):
            self._headed = True
            self.show(header_bundle(self.info, turn.rights))
        for item in turn.items[self.shown :]:
            if item.id in turn.open_item_ids and not final:
                break
            self.shown += 1
            self.show(items_bundle([item], cwd=self.info.cwd, diffs=turn.diffs))
