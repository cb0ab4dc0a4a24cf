"""A turn that has ended, with the prompt that started it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from codex_jupyter.notebook.render import TurnInfo
from codex_jupyter.sdk import Turn


class Undoable(Protocol):
    """Something that a turn changed besides files, such as a cell. The code that changes it adds one to `FinishedTurn.undoables`."""

    @property
    def name(self) -> str:
        """The name of the thing for the user, such as `cell 5`."""
        ...

    def problem(self) -> str:
        """Return the reason why it stays as it is, such as `was changed after the turn`. Empty if it can be undone, or redone, now."""
        ...

    def undo(self) -> None:
        """Return it to its state before the turn."""
        ...

    def redo(self) -> None:
        """Return it to its state after the turn."""
        ...

    def joined(self, earlier: "Undoable") -> "Undoable | None":
        """Return this change and an earlier one of the same thing as one. None if the other one is about something else."""
        ...


@dataclass(frozen=True, slots=True)
class FinishedTurn:
    """A turn that has ended.

    Attributes:
        prompt: The prompt as the user wrote it. Empty if it is no longer known.
        turn: The turn.
        info: What else is known about the turn.
        undoables: Cells that the turn, or a command after it, changed.
        mark: Shows the turn again in its output, with other facts. None if its output cannot be changed any more.
    """

    prompt: str
    turn: Turn
    info: TurnInfo
    undoables: list[Undoable] = field(default_factory=list, compare=False, repr=False)
    mark: Callable[[Turn, TurnInfo], object] | None = field(default=None, compare=False, repr=False)
