"""Run cells for the agent: by the page, or by the kernel itself while a cell waits for the turn."""

import time
from typing import TYPE_CHECKING, Any, Final

import anyio
from anyio import to_thread

from codex_jupyter.notebook.cell_tools.page import ANSWER_SECONDS, PageRun, PageUnavailableError
from codex_jupyter.notebook.kernel_tools.access import call_main_thread, start_on_main_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_jupyter.notebook.cell_tools.in_place import CellNumbers, CellRun
    from codex_jupyter.notebook.cell_tools.turn import TurnCells
    from codex_jupyter.notebook.context.cells import CellLog

BUSY: Final = "[The kernel is busy with another cell, so this cell was not run. Try again later.]"
STILL_RUNS: Final = "[The cell still runs. Call run_cell again with the same arguments to wait for its end.]"
LOOK_SECONDS: Final = 1.0
"""Seconds between two looks if a cell has ended, or a page is there again, after the page was closed."""


class CellRunner:
    """Runs cells of the notebook for one thread.

    Args:
        shell: The notebook's shell.
        cells: The log of the user's cells.
        numbers: Returns what numbers the cells that run inside of another cell. It is the same for all threads of the kernel.
    """

    def __init__(self, shell: Any, cells: "CellLog", numbers: "Callable[[], CellNumbers]") -> None:
        self._shell, self._cells, self._numbers = shell, cells, numbers
        self._run: CellRun | None = None
        self._in_page = ""
        self._followed_cell = ""

    def end_turn(self, turn: "TurnCells") -> None:
        """Interrupt the cell that the turn runs."""
        run, self._run = self._run, None
        cell, self._in_page = self._in_page, ""
        turn.page.runs.pop(self._followed_cell, None)
        if run is not None and not run.finished:
            run.cancel()
        if cell:
            turn.post("interrupt", {"cell": cell})

    async def run(self, turn: "TurnCells", cell: str, source: str, seconds: float) -> tuple[dict[str, Any], str]:
        """Run a cell, and wait for its end.

        Args:
            turn: The turn.
            cell: The id of the cell.
            source: The source that the cell must have.
            seconds: Seconds to wait for the end.

        Returns:
            The cell as the page sends it, and a line about its state.

        Raises:
            PageUnavailableError: If there is no page that can answer.
            ValueError: If the cell cannot run.
        """
        deadline = time.monotonic() + seconds
        current: dict[str, Any] = (await turn.request("read", {"cell": cell, "before": source}))["cells"][0]
        if not current.get("running"):
            held = await self._main_thread_is_held(turn, seconds)
            if held is None:
                return current, BUSY
            await self._start(turn, cell, source, in_place=held)
        return await self._followed(turn, cell, max(0.0, deadline - time.monotonic()))

    async def _start(self, turn: "TurnCells", cell: str, source: str, *, in_place: bool) -> None:
        started = await turn.request("run", {"cell": cell, "before": source, "inPlace": in_place})
        header = started.get("header")
        if header is not None:
            ends: list[tuple[int | None, str]] = []
            self._run = self._cell_run(turn, cell, source, header, ends)
            self._follow(turn, PageRun(cell, str(header.get("msg_id")), lambda: ends[0] if ends else None))
            start_on_main_thread(turn.access, self._run)
        elif not in_place:
            self._in_page = cell
            self._follow(turn, PageRun(cell, str(started.get("request")), lambda: None if self._cells.is_running else (None, "ended")))

    def _follow(self, turn: "TurnCells", run: PageRun) -> None:
        """Let a page that is reloaded show the run."""
        self._followed_cell = run.cell
        turn.page.runs[run.cell] = run

    async def _followed(self, turn: "TurnCells", cell: str, seconds: float) -> tuple[dict[str, Any], str]:
        """Wait until the page shows the end of the cell. If the page is closed, the kernel alone knows the end.

        Raises:
            ValueError: If the cell has ended, or the time is over, without a page that shows the output.
        """
        deadline, run, reason = time.monotonic() + seconds, turn.page.runs.get(cell), ""
        while True:
            left = max(0.0, deadline - time.monotonic())
            try:
                result = await turn.request("wait", {"cell": cell, "seconds": left}, left + ANSWER_SECONDS)
                break
            except PageUnavailableError as error:
                if run is None:
                    raise
                reason = reason or str(error)
                if (end := run.end()) is not None or left == 0.0:
                    raise ValueError(_unseen(end, reason)) from None
            await anyio.sleep(LOOK_SECONDS)
        ended: dict[str, Any] = result["cells"][0]
        if ended.get("running"):
            return ended, STILL_RUNS
        self._in_page = ""
        turn.page.runs.pop(cell, None)
        return ended, "[The cell failed.]" if ended.get("failed") else "[The cell completed.]"

    async def _main_thread_is_held(self, turn: "TurnCells", seconds: float) -> bool | None:
        """Return True if a cell waits for the turn on the main thread, and None if the main thread does not answer in time."""
        if turn.in_cell:
            return True
        try:
            return await to_thread.run_sync(call_main_thread, turn.access, lambda: self._cells.is_running, seconds, abandon_on_cancel=True)
        except TimeoutError:
            return None

    def _cell_run(self, turn: "TurnCells", cell: str, source: str, header: dict[str, Any], ends: list[tuple[int | None, str]]) -> "CellRun":
        from codex_jupyter.notebook.cell_tools.in_place import CellRun

        def ended(number: int | None, state: str) -> None:
            ends.append((number, state))
            turn.post("finish", {"cell": cell, "number": number, "state": state})

        return CellRun(self._shell, self._cells, source, cell=cell, header=header, numbers=self._numbers(), ended=ended)


def _unseen(end: tuple[int | None, str] | None, reason: str) -> str:
    """Return what the agent and the user read about a cell that runs, or has ended, without a page that shows its output."""
    number, state = end or (None, "")
    place = f" as In[{number}]" if number is not None else ""
    facts = {
        "": "The cell still runs in the kernel",
        "ok": f"The cell has completed{place}",
        "error": f"The cell has failed{place}",
        "ended": "The cell has ended",
        "aborted": "The cell did not run",
    }
    return f"{facts[state]}, but its output cannot be shown: {reason}. read_cells has its text output as soon as it has ended."
