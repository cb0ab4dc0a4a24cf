"""The tools for the cells of the open notebook, as the agent sees them. They are in the group of the kernel's tools.

The page makes or proposes each change. Where no page can be reached, a new cell is inserted below the running one, and the other tools
explain what to do instead.
"""

import math
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

from anyio import to_thread

from codex_jupyter.notebook.cell_tools.changes import Edit, InsertedCell
from codex_jupyter.notebook.cell_tools.page import ANSWER_SECONDS, PageUnavailableError
from codex_jupyter.notebook.cell_tools.running import CellRunner
from codex_jupyter.notebook.cell_tools.text import describe, describe_all, fingerprint, is_shown_whole
from codex_jupyter.notebook.cell_tools.turn import TurnCells, changed
from codex_jupyter.notebook.kernel_tools.access import NAMESPACE, AccessRefusedError, SentLog, SentRecord, call_main_thread
from codex_jupyter.sdk import Tool, ToolContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_jupyter.notebook.cell_tools.in_place import CellNumbers
    from codex_jupyter.notebook.context.cells import CellLog

MAX_WAIT: Final = 600.0
"""Seconds that one call waits for the end of a cell at most."""
_PROMPT: Final = re.compile(r"^[^\S\n]*(?:%%?codex\b|\w+\s*=\s*%codex\b)", re.MULTILINE)
_INSTEAD: Final = {
    "read_notebook": "Use read_cells for the cells that ran.",
    "insert_cell": "Put the code into your answer.",
    "run_cell": "Use run to run code, or propose the code in your answer.",
}
_DONE: Final = {
    "propose": "Proposed. The user keeps or declines it in the notebook, maybe after your turn; until then nothing has changed.",
    "review": "Done. The user can keep or undo it.",
    "apply": "Done.",
}


class CellTools:
    """The tools of one thread for the cells of the open notebook.

    Args:
        shell: The notebook's shell.
        cells: The log of the user's cells.
        sent: Records the data that leaves the kernel.
        numbers: Numbers the cells that run inside of another cell. One object for all threads of the kernel.
    """

    def __init__(self, shell: Any, cells: "CellLog", sent: SentLog, numbers: "Callable[[], CellNumbers]") -> None:
        self._shell, self._sent = shell, sent
        self._runner = CellRunner(shell, cells, numbers)
        self._turn: TurnCells | None = None
        self._seen: dict[str, str] = {}
        """The sources that the agent has seen last, by the ids of the cells."""
        self._place = ""
        """The id of the cell that the turn has inserted last, or of its own cell."""
        self._inserted_below = False
        functions: tuple[Any, ...] = (
            self.read_notebook,
            self.insert_cell,
            self.replace_cell,
            self.move_cell,
            self.delete_cell,
        )
        # Consent is asked here, and the wait for it must not count. So the SDK neither asks nor limits the time.
        self.tools: tuple[Tool[..., Any], ...] = (
            *(Tool(function, read_only=True, timeout=math.inf) for function in functions),
            Tool(self.run_cell, read_only=True, exclusive=True, timeout=math.inf),
        )
        """The tools, for the group of the kernel's tools."""

    def start_turn(self, turn: TurnCells) -> None:
        """Let a turn use the tools."""
        self._turn, self._place, self._inserted_below = turn, turn.home, False

    def end_turn(self) -> None:
        """Refuse further calls, and interrupt a cell that the turn runs."""
        turn, self._turn = self._turn, None
        if turn is not None:
            self._runner.end_turn(turn)

    # The tools. Their docstrings are what the model reads.

    async def read_notebook(self, cell: str = "", *, context: ToolContext) -> list[Any]:
        """Read the cells of the open notebook as its page has them, in order: also unsaved ones, Markdown, and cells that never ran.

        Each cell has an id and a fingerprint of its source, which the other tools for cells need.

        Args:
            cell: The id of one cell, to see its whole source, its whole output and its images. Empty lists all cells.
            context: The call.
        """
        turn = await self._allowed("read_notebook", {"cell": cell}, context)
        with _explained("read_notebook"):
            result = await turn.request("read", {"cell": cell})
        return self._shown("read_notebook", turn, result["cells"], alone=bool(cell))

    async def insert_cell(self, source: str, after: str = "", kind: Literal["code", "markdown"] = "code", *, context: ToolContext) -> str:
        """Insert a new cell into the open notebook. It does not run.

        Args:
            source: The source of the cell.
            after: The id of the cell above the new one; `start` for the top. Empty is the end, or below the cell of this turn.
            kind: The kind of the cell.
            context: The call.
        """
        turn = await self._allowed("insert_cell", {"after": after, "source": source}, context)
        cell = uuid.uuid4().hex[:12]
        edit: Edit = {"kind": "insert", "cell": cell, "type": kind, "source": source, "place": after or self._place}
        try:
            done = await self._edited(turn, edit, after=source)
        except PageUnavailableError as error:
            return await self._inserted(turn, source if kind == "code" else f"%%markdown\n{source}", str(error))
        if not after:
            self._place = cell
        return done

    async def replace_cell(self, cell: str, fingerprint: str, source: str, *, context: ToolContext) -> str:
        """Replace the source of a cell. Give the whole new source. The cell does not run.

        Args:
            cell: The id of the cell.
            fingerprint: The fingerprint of the source that you have read. If the cell has changed since, nothing happens.
            source: The whole new source.
            context: The call.
        """
        turn = await self._allowed("replace_cell", {"cell": cell, "source": source}, context)
        before = await self._expected(turn, "replace_cell", cell, fingerprint)
        if not is_shown_whole(before):
            raise ValueError(f"You cannot see the whole source of {cell}: it is long, or has a secret. Ask the user to make the change.")
        edit: Edit = {"kind": "replace", "cell": cell, "before": before, "after": source}
        with _explained("replace_cell"):
            return await self._edited(turn, edit, after=source)

    async def move_cell(self, cell: str, fingerprint: str, after: str, *, context: ToolContext) -> str:
        """Move a cell.

        Args:
            cell: The id of the cell.
            fingerprint: The fingerprint of its source.
            after: The id of the cell that will be above it; `start` for the top.
            context: The call.
        """
        turn = await self._allowed("move_cell", {"cell": cell, "after": after}, context)
        before = await self._expected(turn, "move_cell", cell, fingerprint)
        with _explained("move_cell"):
            return await self._edited(turn, {"kind": "move", "cell": cell, "before": before, "place": after})

    async def delete_cell(self, cell: str, fingerprint: str, *, context: ToolContext) -> str:
        """Delete a cell with its outputs.

        Args:
            cell: The id of the cell.
            fingerprint: The fingerprint of its source.
            context: The call.
        """
        turn = await self._allowed("delete_cell", {"cell": cell}, context)
        before = await self._expected(turn, "delete_cell", cell, fingerprint)
        with _explained("delete_cell"):
            return await self._edited(turn, {"kind": "delete", "cell": cell, "before": before})

    async def run_cell(self, cell: str, fingerprint: str, seconds: float = 60.0, *, context: ToolContext) -> list[Any]:
        """Run a cell of the open notebook, as if the user ran it: with In, Out and the cell's own output. You see the output.

        A Markdown cell is rendered. If the cell runs already, this waits for its end.

        Args:
            cell: The id of the cell.
            fingerprint: The fingerprint of its source.
            seconds: Seconds to wait for the end, at most 600. The cell then continues; call this again to wait.
            context: The call.
        """
        turn = await self._allowed("run_cell", {"cell": cell}, context)
        before = await self._expected(turn, "run_cell", cell, fingerprint)
        if _PROMPT.search(before):
            raise ValueError("The cell is a prompt for Codex, so you cannot run it.")
        note = f"It is the source of the cell {cell}, which shows the output."
        await to_thread.run_sync(turn.access.require_running, before, context.call_id, note, abandon_on_cancel=True)
        self._check_active(turn)
        with _explained("run_cell"):
            ended, note = await self._runner.run(turn, cell, before, min(max(seconds, 0.0), MAX_WAIT))
        return self._shown("run_cell", turn, [ended], alone=True, note=note)

    # Access.

    @property
    def _active(self) -> TurnCells:
        if self._turn is None:
            raise AccessRefusedError("The turn has ended, or it may not use the tools for cells.")
        return self._turn

    def _check_active(self, turn: TurnCells) -> None:
        if self._turn is not turn:
            raise AccessRefusedError("The turn has ended, so nothing was done.")

    async def _allowed(self, tool: str, arguments: dict[str, Any], context: ToolContext) -> TurnCells:
        """Return the turn, if the user lets it see the notebook. `TurnChanges.mode` decides if changes are made or proposed."""
        turn = self._active
        await to_thread.run_sync(turn.access.require_reading, tool, arguments, context.call_id, abandon_on_cancel=True)
        self._check_active(turn)
        return turn

    async def _expected(self, turn: TurnCells, tool: str, cell: str, given: str) -> str:
        """Return the source with a fingerprint that the agent has seen.

        Raises:
            ValueError: If it has not seen this source. The message has the fingerprint of the present one.
        """
        source = self._seen.get(cell)
        if source is not None and fingerprint(source) == given:
            return source
        with _explained(tool):
            result = await turn.request("read", {"cell": cell})
        raise changed(cell, str(result["cells"][0]["source"]))

    # Results.

    async def _edited(self, turn: TurnCells, edit: Edit, after: str | None = None) -> str:
        """Have the page make or propose an edit, and return what the agent reads about it.

        Raises:
            PageUnavailableError: If there is no page that can answer.
        """
        await turn.edit(edit)
        cell = str(edit["cell"])
        facts = [_DONE[turn.changes.mode]]
        if after is not None and turn.changes.mode != "propose":
            self._seen[cell] = after
            facts.append(f"The cell has the id {cell} and the fingerprint {fingerprint(after)}.")
        elif edit["kind"] == "insert":
            facts.append(f"Its id will be {cell}.")
        return " ".join(facts)

    async def _inserted(self, turn: TurnCells, source: str, reason: str) -> str:
        """Insert a cell below the running one by the reply of the kernel, where there is no page. A front end takes one per cell."""
        if not turn.in_cell or not hasattr(self._shell, "kernel") or self._inserted_below:
            why = f" ({reason})" if not self._inserted_below else ", and one cell was inserted below already"
            raise ValueError(f"insert_cell cannot be used here{why}. {_INSTEAD['insert_cell']}")
        self._inserted_below = True
        insert = partial(self._shell.set_next_input, source, replace=False)
        await to_thread.run_sync(call_main_thread, turn.access, insert, ANSWER_SECONDS, abandon_on_cancel=True)
        turn.changes.undoables.append(InsertedCell("the cell that was inserted below"))
        return "A new cell with this source will be below the cell of this turn when the turn ends, if the front end supports it."

    def _shown(self, tool: str, turn: TurnCells, cells: list[dict[str, Any]], *, alone: bool, note: str = "") -> list[Any]:
        """Return cells for the model: a text as data, and images."""
        from codex_jupyter.notebook.cell_tools.images import images_of
        from codex_jupyter.notebook.kernel_tools.reading import as_data

        if alone:
            text, most = describe(cells[0]), math.inf
        else:
            text, most = describe_all(cells)
        self._seen |= {str(cell["id"]): str(cell["source"]) for cell in cells if len(str(cell["source"])) <= most}
        images = images_of(cells[0]) if alone else []
        size = sum(len(image.data) for image in images)
        self._sent.add(SentRecord(turn.access.thread, f"{NAMESPACE}.{tool}", len(text), len(images), size))
        return [as_data(text), *images, *([note] if note else [])]


@contextmanager
def _explained(tool: str) -> Iterator[None]:
    """Turn the lack of a page into an error that explains what to do instead."""
    try:
        yield
    except PageUnavailableError as error:
        raise ValueError(f"{tool} cannot be used here: {error}. {_INSTEAD.get(tool, 'Propose the change in your answer.')}") from None
