"""The outputs of turns in cells, for a page of JupyterLab that is loaded while they run. JupyterLab itself updates them no more."""

from collections import deque
from dataclasses import dataclass
from typing import Any, Final, TypedDict

from codex_jupyter.notebook.display.front_end import cell_id, client_session, request_id
from codex_jupyter.notebook.display.live_display import LiveDisplay

MAX_CELLS: Final = 8
"""Turns whose outputs are remembered, newest last."""


class CellOutput(TypedDict):
    """An output of a cell: the id under which it is updated, its MIME bundle and its metadata."""

    id: str
    data: dict[str, Any]
    metadata: dict[str, Any]


class TurnInCell(TypedDict):
    """The outputs of a turn in a cell.

    `request` is the id of the message that ran the cell, and `earlier` the number of turns that the cell ran before in it.
    """

    cell: str
    request: str
    earlier: int
    outputs: list[CellOutput]


@dataclass(frozen=True, slots=True)
class _Shown:
    cell: str
    request: str
    session: str
    earlier: int
    display: LiveDisplay

    @property
    def state(self) -> TurnInCell:
        outputs = [CellOutput(id=name, data=data, metadata=metadata) for name, data, metadata in self.display.sent]
        return TurnInCell(cell=self.cell, request=self.request, earlier=self.earlier, outputs=outputs)


class CellOutputs:
    """Remembers which cells show the last turns."""

    def __init__(self) -> None:
        self._shown: deque[_Shown] = deque(maxlen=MAX_CELLS)

    def add(self, shell: Any, display: LiveDisplay) -> None:
        """Remember that the running cell shows a turn."""
        cell, request, session = cell_id(shell), request_id(shell), client_session(shell)
        if cell is None or request is None or session is None:
            return
        earlier = sum(shown.request == request for shown in self._shown)
        kept = [shown for shown in self._shown if shown.cell != cell or shown.request == request]
        self._shown = deque([*kept, _Shown(cell, request, session, earlier, display)], maxlen=MAX_CELLS)

    def of_other_pages(self, session: str) -> list[TurnInCell]:
        """Return the outputs of turns that another page has shown, oldest first.

        Args:
            session: The session of the page that asks.
        """
        return [shown.state for shown in list(self._shown) if shown.session != session]
