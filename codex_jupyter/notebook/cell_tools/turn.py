"""A turn, as the tools for cells see it."""

from dataclasses import dataclass
from typing import Any

from anyio import to_thread

from codex_jupyter.notebook.cell_tools.changes import Edit, TurnChanges
from codex_jupyter.notebook.cell_tools.page import ANSWER_SECONDS, NotebookPage
from codex_jupyter.notebook.cell_tools.text import fingerprint
from codex_jupyter.notebook.kernel_tools.access import TurnAccess


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnCells:
    """The rights of the cell tools in one turn, and the page that they use.

    Attributes:
        access: The access of the turn to the kernel.
        changes: The changes of cells by the turn.
        page: The page of the notebook.
        home: The id of the cell that runs the turn. Empty if none does, or it is not known.
        in_cell: A cell waits for the turn on the main thread.
    """

    access: TurnAccess
    changes: TurnChanges
    page: NotebookPage
    home: str = ""
    in_cell: bool = False

    async def request(self, do: str, arguments: dict[str, Any], seconds: float = ANSWER_SECONDS) -> dict[str, Any]:
        """Send a request to the page, and wait for its result.

        Raises:
            PageUnavailableError: If there is no page that can answer.
            ValueError: If the page refuses it, or the cell does not have the expected source.
        """
        result = await to_thread.run_sync(self._request, do, arguments, seconds, abandon_on_cancel=True)
        return _checked(str(arguments.get("cell")), result)

    async def edit(self, edit: Edit) -> dict[str, Any]:
        """Have the page make or propose an edit. Raises as `request` does."""
        result = await to_thread.run_sync(self.changes.send, edit, self._request, abandon_on_cancel=True)
        return _checked(str(edit["cell"]), result)

    def post(self, do: str, arguments: dict[str, Any]) -> None:
        """Send a request to the page whose result is not needed."""
        self.page.post(do, arguments, home=self.home)

    def _request(self, do: str, arguments: dict[str, Any], seconds: float = ANSWER_SECONDS) -> dict[str, Any]:
        return self.page.request(do, arguments, home=self.home, blocked=self.in_cell, seconds=seconds)


def changed(cell: str, source: str) -> ValueError:
    """Return the error for a cell that does not have the source that the agent has read, but another one."""
    return ValueError(
        f"Nothing was done: the cell {cell} does not have the source that you have read. Someone may have changed it meanwhile. Its "
        f"fingerprint is now {fingerprint(source)}. Read it with read_notebook(cell={cell!r}) first, and keep what was changed."
    )


def _checked(cell: str, result: dict[str, Any]) -> dict[str, Any]:
    if isinstance(source := result.get("conflict"), str):
        raise changed(cell, source)
    return result
