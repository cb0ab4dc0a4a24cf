"""Notice that a reload of the page has cut the output of a turn.

JupyterLab drops all outputs of a cell that arrive after a reload. The reloaded page shows what the file contained, and has a new session.
"""

from pathlib import Path
from typing import Any, Final

from codex_jupyter.notebook.display.front_end import cell_id, client_session
from codex_jupyter.notebook.persistence.notebook_file import past_turns

NOTICE: Final = "A reload of the page has cut the output of the turn above. `%codex show` shows the whole turn."


class CutOutput:
    """The page that shows the last turn of a cell, and the turn whose output is cut."""

    def __init__(self) -> None:
        self._session: str | None = None
        self._shown: float | None = None
        self.began: float | None = None
        """Start of the turn whose output is cut, see `TurnInfo.began`. None if there is none, or it was shown since."""

    def shown(self, shell: Any, start: float | None) -> None:
        """Remember the page that shows a turn.

        Args:
            shell: The notebook's shell, in the cell of the turn.
            start: The start of the turn.
        """
        self._session = client_session(shell) if cell_id(shell) is not None else None
        self._shown = start

    def continues(self, session: str) -> None:
        """Remember that a new page shows the outputs of the last turn, and continues to update them."""
        self._session = session if self._session is not None else None

    def notice(self, shell: Any, notebook: Path | None) -> str | None:
        """Return a line for the user if the output of the last turn is cut. Each turn has at most one.

        Args:
            shell: The notebook's shell, in a later cell.
            notebook: The notebook file. None if it is not known; then there is no line, because a reload may have been harmless.
        """
        session, start = self._session, self._shown
        if session is None or cell_id(shell) is None or client_session(shell) in (None, session):
            return None
        self._session = None
        if notebook is None or any(info.began == start for _, info in past_turns(notebook)):
            return None
        self.began = start
        return NOTICE
