"""Changes of cells by a turn: who decides about them, and how an undo takes them back."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from codex_jupyter.notebook.cell_tools.page import NotebookPage, PageUnavailableError
from codex_jupyter.notebook.render import plain

if TYPE_CHECKING:
    from codex_jupyter.notebook.persistence.finished_turn import Undoable

Edit = dict[str, Any]
"""A change of a cell as the page makes it; see `labextension/static/edits.js`."""


@dataclass(slots=True)
class ChangedCell:
    """A cell that a turn has changed.

    Attributes:
        name: The name of the cell for the user.
        page: The page of the notebook.
        cell: The id of the cell.
        inverse: The edits that return it to its state before the turn, in their order. After an undo, those that change it again.
    """

    name: str
    page: NotebookPage
    cell: str = ""
    inverse: list[Edit] = field(default_factory=list)

    def problem(self) -> str:
        """Return the reason why the cell stays as it is. Empty if it can be changed back now."""
        try:
            return str(self.page.request("check", {"edit": self.inverse[0]}, blocked=True)["problem"])
        except (PageUnavailableError, ValueError) as error:
            return str(error)

    def undo(self) -> None:
        """Return the cell to its state before the turn.

        Raises:
            PageUnavailableError: If there is no page.
            ValueError: If the cell was changed meanwhile.
        """
        self._apply()

    def redo(self) -> None:
        """Return the cell to its state after the turn. Raises as `undo` does."""
        self._apply()

    def joined(self, earlier: "Undoable") -> "ChangedCell | None":
        """Return this change and an earlier one of the same cell as one. The state of both stays as it is."""
        if not isinstance(earlier, ChangedCell) or (earlier.page, earlier.cell) != (self.page, self.cell):
            return None
        return ChangedCell(self.name, self.page, self.cell, [*self.inverse, *earlier.inverse])

    def _apply(self) -> None:
        again = [self.page.request("revert", {"edit": edit}, blocked=True)["inverse"] for edit in self.inverse]
        self.inverse = again[::-1]


@dataclass(frozen=True, slots=True)
class InsertedCell:
    """A new cell that the kernel has inserted. The kernel cannot delete cells."""

    name: str = "the cell with the code of the answer"

    def problem(self) -> str:
        """Return the reason why it stays."""
        return "the kernel cannot delete cells; delete it in the notebook"

    def undo(self) -> None:
        """Do nothing, because `problem` says so."""

    def redo(self) -> None:
        """Do nothing, because `problem` says so."""

    def joined(self, earlier: "Undoable") -> None:
        """Return None, because each insertion is a cell of its own."""


@dataclass(slots=True)
class TurnChanges:
    """The changes of cells that one turn makes.

    Attributes:
        page: The page of the notebook.
        mode: The right to change cells: `propose`, `review` or `apply`.
        undoables: Receives the changed cells, for an undo of the turn.
    """

    page: NotebookPage
    mode: str
    undoables: "list[Undoable]"
    key: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Names the turn for the page, which makes its edits one step of the notebook's undo."""
    _cells: dict[str, ChangedCell] = field(default_factory=dict)

    def send(self, edit: Edit, request: Callable[[str, dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
        """Have the page make or propose an edit.

        Args:
            edit: The edit.
            request: Sends a request to the page.

        Returns:
            The result of the page: `conflict` has the current source, if the cell has another one than the edit expects.

        Raises:
            PageUnavailableError: If there is no page.
            ValueError: If the page refuses the edit.
        """
        number = self.expect(edit)
        try:
            result = request("edit", {"id": number, "turn": self.key, "mode": self.mode, "edit": edit})
        except Exception:
            self.page.decided.pop(number, None)
            raise
        if "inverse" in result:
            self._add(number, edit, result)
        if self.mode == "apply" or "conflict" in result:
            self.page.decided.pop(number, None)
        return result

    def expect(self, edit: Edit) -> str:
        """Return an id for an edit that the page will make or propose. The page names it when the edit is made, kept or undone."""
        number = uuid.uuid4().hex
        self.page.decided[number] = lambda decision, result: self._decided(number, edit, decision, result)
        return number

    def _add(self, number: str, edit: Edit, result: dict[str, Any]) -> None:
        cell = self._cells.get(edit["cell"])
        if cell is None:
            cell = self._cells[edit["cell"]] = ChangedCell(plain(str(result.get("name"))), self.page, edit["cell"])
            self.undoables.append(cell)
        cell.inverse.insert(0, {**result["inverse"], "of": number})

    def _decided(self, number: str, edit: Edit, decision: str, result: dict[str, Any]) -> None:
        """Record a change that was made or kept, and forget one that the user has undone in the page."""
        if decision != "undo" and "inverse" in result:
            self._add(number, edit, result)
        elif decision == "undo" and (cell := self._cells.get(edit["cell"])) is not None:
            cell.inverse = [inverse for inverse in cell.inverse if inverse.get("of") != number]
            if not cell.inverse:
                del self._cells[edit["cell"]]
                self.undoables[:] = [undoable for undoable in self.undoables if undoable is not cell]
