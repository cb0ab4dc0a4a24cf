"""The plan of an undo or a redo, in words for the user."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from codex_jupyter.notebook.persistence.finished_turn import FinishedTurn, Undoable
from codex_jupyter.notebook.render.phrases import count, counts
from codex_jupyter.notebook.session.notebook_thread import MAIN, NotebookThread
from codex_jupyter.notebook.workspace.coverage import shown_path
from codex_jupyter.sdk import RestorePlan, RestoreRefusal, RestoreStep

NAMED: Final = 30
"""Maximum number of files that a preview names."""
VARIABLES: Final = "Variables of the kernel stay as they are."
NOT_REMEMBERED: Final = "The thread does not get its turns back, because {reason}: the agent does not remember them."
_VERBS: Final = {"create": "bring back", "change": "restore", "delete": "delete"}


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """An undo or a redo that was not done yet."""

    thread: NotebookThread
    turns: tuple[FinishedTurn, ...]
    """The turns, oldest first."""
    files: RestorePlan
    cells: tuple[Undoable, ...]
    """The cells that can be changed back, in the order of the changes."""
    stays: tuple[str, ...]
    """Lines about things besides the files that stay as they are, with the reasons."""
    home: Path
    """The working folder, which names of files are relative to."""
    changes_thread: bool
    """True if the thread loses the turns, or gets them back."""
    copy: str = ""
    """The id of an archived copy of the thread with the turns, from which a redo continues. Empty if there is none."""
    lost: str = ""
    """The reason why a redo does not bring the turns back into the thread."""

    @property
    def is_empty(self) -> bool:
        """True if nothing would change. A redo without files still lets earlier undos be redone."""
        return not (self.files.steps or self.cells or self.changes_thread or self.files.redo)

    @property
    def summary(self) -> str:
        """The parts in a few words, such as `3 files, 2 cells, 1 turn`, or `nothing to change`."""
        turns = len(self.turns) if self.changes_thread else 0
        return counts((len(self.files.files), "file"), (len(self.cells), "cell"), (turns, "turn")) or "nothing to change"

    @property
    def title(self) -> str:
        """The plan in one line."""
        name = "" if self.thread.name == MAIN else f" of the thread {self.thread.name}"
        number = len(self.turns) or len(self.files.turns)  # a thread of an earlier kernel may not have the turns any more
        turns = "turn" if number == 1 else count(number, "turn")
        return f"{'Redo' if self.files.redo else 'Undo'} the last {turns}{name}: {self.summary}."

    @property
    def changes(self) -> list[tuple[str, RestoreStep]]:
        """The files that would change, each with what happens to it in words."""
        return [(_VERBS[step.kind], step) for step in self.files.files]

    @property
    def stay(self) -> list[str]:
        """A line for each thing that stays as it is, with the reason."""
        kept = [f"{shown_path(path, self.home)}: kept, as you asked" for path in self.files.kept]
        return [*refusals(self.files.refused, self.home), *self.stays, *kept]

    @property
    def limits(self) -> list[str]:
        """Lines about what the plan does not change, or cannot take back."""
        final = [shown_path(step.file, self.home) for step in self.files.files if step.is_final]
        lines = [f"A redo cannot bring back, because the content is not stored: {', '.join(final)}."] if final else []
        return [*lines, *([NOT_REMEMBERED.format(reason=self.lost)] if self.lost else []), VARIABLES]

    @property
    def notes(self) -> list[str]:
        """Everything about the plan besides the files that would change, in lines."""
        cells = [f"{cell.name}: is changed back" for cell in self.cells]
        return [*cells, *(f"Stays as it is: {line}" for line in self.stay), *self.limits]

    @property
    def preview(self) -> str:
        """The whole plan as lines."""
        lines = [self.title, *(f"  {verb:12}{shown_path(step.file, self.home)}" for verb, step in self.changes[:NAMED])]
        hidden = len(self.changes) - NAMED
        lines += [f"  and {count(hidden, 'more file')}"] if hidden > 0 else []
        lines += [f"  {'change back':12}{cell.name}" for cell in self.cells]
        lines += ["Stays as it is:", *(f"  {line}" for line in self.stay)] if self.stay else []
        return "\n".join([*lines, *self.limits])


def refusals(refused: Collection[RestoreRefusal], home: Path) -> list[str]:
    """Return one line for each path that stays as it is."""
    return [f"{shown_path(refusal.file, home)}: {refusal.reason}" for refusal in refused]
