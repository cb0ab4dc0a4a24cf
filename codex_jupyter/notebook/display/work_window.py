"""Decide which steps of a running turn are visible as they happen, and which are folded into chunks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from codex_jupyter.sdk import ThreadItem

VISIBLE: Final = 3
"""Steps that are visible. When there are more, all but the last `KEPT` are folded, so that not every step moves the others."""
KEPT: Final = 2
CHUNK_ITEMS: Final = 20
"""Items after which a chunk is full. A full chunk is never sent again."""
CHUNK_SIZE: Final = 64 * 1024
"""Characters of a bundle after which a chunk is full."""


@dataclass(slots=True)
class Chunk:
    """Folded steps that share an output.

    Attributes:
        last: The last possible chunk, which takes all further items.
        ids: The ids of its items.
        size: Characters of its bundle, when it was sent.
    """

    last: bool
    ids: set[str] = field(default_factory=set)
    size: int = 0

    @property
    def sealed(self) -> bool:
        """True if it takes no more items."""
        return not self.last and (len(self.ids) >= CHUNK_ITEMS or self.size >= CHUNK_SIZE)


@dataclass(slots=True)
class WorkWindow:
    """The steps of a turn: chunks of folded ones, and those that are visible.

    Args:
        max_chunks: Maximum number of chunks. The last one takes all further items.
    """

    max_chunks: int
    chunks: list[Chunk] = field(default_factory=list)
    _folded: set[str] = field(default_factory=set)

    @property
    def open_chunk(self) -> int:
        """The number of the chunk that takes the next item. It may not exist yet."""
        return len(self.chunks) - (1 if self.chunks and not self.chunks[-1].sealed else 0)

    def visible(self, items: Sequence[ThreadItem]) -> list[ThreadItem]:
        """Return the items that are not folded, in order.

        Args:
            items: The steps of the turn so far.
        """
        return [item for item in items if item.id not in self._folded]

    def fold(self, items: Sequence[ThreadItem], running: frozenset[str], *, everything: bool = False) -> None:
        """Fold finished steps if too many are visible.

        Args:
            items: The steps of the turn so far.
            running: The ids of the items that have not ended. They stay visible.
            everything: Fold all steps, because the turn has ended.
        """
        visible = self.visible(items)
        if not everything and len(visible) <= VISIBLE:
            return
        finished = [item for item in visible if everything or item.id not in running]
        for item in finished if everything else finished[: len(visible) - KEPT]:
            if self.open_chunk == len(self.chunks):
                self.chunks.append(Chunk(last=self.open_chunk + 1 == self.max_chunks))
            self.chunks[-1].ids.add(item.id)
            self._folded.add(item.id)

    def of(self, chunk: Chunk, items: Sequence[ThreadItem]) -> tuple[ThreadItem, ...]:
        """Return the items of a chunk, in order."""
        return tuple(item for item in items if item.id in chunk.ids)
