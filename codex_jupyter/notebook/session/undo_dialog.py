"""An undo or a redo that a page shows before it is done. The user chooses there which files stay as they are."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, TypedDict

from IPython.core.error import UsageError

from codex_jupyter.notebook.persistence.finished_turn import FinishedTurn
from codex_jupyter.notebook.persistence.history import is_thread_id
from codex_jupyter.notebook.render import plain
from codex_jupyter.notebook.session.notebook_thread import NotebookThread
from codex_jupyter.notebook.session.registry import ThreadRegistry
from codex_jupyter.notebook.session.undo import Undo
from codex_jupyter.notebook.session.undo_plan import UndoPlan
from codex_jupyter.notebook.workspace.coverage import shown_path

CHANGED: Final = "Something changed after the preview, so nothing was done. Look at the preview again."


class UndoFile(TypedDict):
    """A file that an undo would change. `action` is what happens to it, and `name` how it is shown."""

    path: str
    name: str
    action: str


class UndoPreview(TypedDict):
    """An undo, or a redo, that was not done yet."""

    redo: bool
    title: str
    files: list[UndoFile]
    notes: list[str]


@dataclass(slots=True)
class UndoDialog:
    """Previews an undo or a redo for a page, and does what was previewed.

    Args:
        undo: Takes back the turns of the notebook.
    """

    undo: Undo
    _shown: UndoPlan | None = None

    def preview(self, thread: NotebookThread, past: FinishedTurn, *, redo: bool) -> UndoPreview:
        """Return what an undo of a turn and of the later ones would do, or the redo of the last undo of the thread. Changes nothing.

        Args:
            thread: The thread.
            past: The turn.
            redo: Preview the redo of the undo that took back the turn.

        Raises:
            UsageError: If the turn cannot be undone or redone.
            ThreadBusyError: If a turn of the thread runs.
        """
        plan = self._shown = self.undo.plan_redo(thread=thread) if redo else self.undo.plan_from(thread, past)
        if redo and all(other.turn is not past.turn for other in plan.turns):
            raise UsageError("Other turns were undone after this one. Redo them first.")
        if plan.is_empty:
            raise UsageError(f"There is nothing to {'redo' if redo else 'undo'}: the files are as they would be.")
        files = [UndoFile(path=step.file, name=plain(shown_path(step.file, plan.home)), action=verb) for verb, step in plan.changes]
        return UndoPreview(redo=redo, title=plain(plan.title), files=files, notes=[plain(note) for note in plan.notes])

    def apply(self, keep: Collection[str]) -> str:
        """Do what was previewed. It may wait for a page, so it must not run on the thread that handles the messages of pages.

        Args:
            keep: The paths of files that stay as they are.

        Returns:
            Lines about what was done, and what was not.

        Raises:
            UsageError: If there was no preview, or it does not hold any more.
            CodexError: As `Undo.apply` does.
        """
        shown, self._shown = self._shown, None
        if shown is None:
            raise UsageError(CHANGED)
        thread, first = shown.thread, shown.turns[0] if shown.turns else None
        if shown.files.redo:
            plan = self.undo.plan_redo(keep, thread)
        else:
            past = next((past for past in thread.history if first is not None and past.turn is first.turn), None)
            if past is None:
                raise UsageError(CHANGED)
            plan = self.undo.plan_from(thread, past, keep)
        if _turns(plan) != _turns(shown) or _files(plan) != _files(shown) - set(keep):
            raise UsageError(CHANGED)
        return self.undo.apply(plan)


def find_turn(threads: ThreadRegistry, thread_id: str, turn_id: str | None, start: float | None) -> tuple[NotebookThread, FinishedTurn]:
    """Return a turn that an output of the notebook shows, and its thread. Load the thread if an earlier kernel of the notebook used it.

    Args:
        threads: The threads of the notebook.
        thread_id: Id of the thread in the output. The output can come from anyone.
        turn_id: Id of the turn. None if it is not known.
        start: When it started, in seconds since the epoch. None if it is not known.

    Raises:
        UsageError: If the turn is not in a thread that this notebook uses.
    """

    def find() -> tuple[NotebookThread, FinishedTurn] | None:
        for thread in threads.conversations.values():
            for past in thread.history:
                if (turn_id is not None and past.turn.id == turn_id) or (start is not None and past.info.began == start):
                    return thread, past
        return None

    remembered = next((record for record in threads.remembered.threads if record.id == thread_id), None)
    place = find()
    if place is None and remembered is not None:
        present = threads.conversations.get(remembered.name)
        if present is None or present.thread.id is None:
            threads.adopt(remembered.name, remembered.id, remembered)
            place = find()
    if place is None:
        # The output can come from anyone, so only an id may become a part of the advice.
        remedy = f" `%codex resume {thread_id}` continues its thread." if is_thread_id(thread_id) else ""
        raise UsageError(f"This turn is not in a thread that the notebook uses now.{remedy}")
    return place


def _turns(plan: UndoPlan) -> list[int]:
    return [id(past.turn) for past in plan.turns]


def _files(plan: UndoPlan) -> set[str]:
    return {step.file for step in plan.files.files}
