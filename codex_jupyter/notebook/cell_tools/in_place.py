"""Run a cell of the notebook while another cell holds the kernel, as if the user ran it.

The outputs have the message of the page as their parent, so that the page shows them in the right cell.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from codex_jupyter.notebook.kernel_tools.code_run import AWAIT_REFUSED, CodeRun

if TYPE_CHECKING:
    from codex_jupyter.notebook.context.cells import CellLog


class CellNumbers:
    """Numbers the cells that run inside of another cell, so that no two cells of a kernel have the same number.

    The reply of the outer cell has its number from the shell's counter. So the counter is advanced after that reply.

    Args:
        shell: The notebook's shell.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._last = 0

    @contextmanager
    def next(self) -> Iterator[int]:
        """Give the shell the number of the next cell inside of the block."""
        shell = self._shell
        outer = shell.execution_count
        # IPython 9 advances the counter when a cell starts, IPython 8 when it ends.
        self._last = shell.execution_count = max(self._last + 1, outer, len(shell.user_ns.get("In", ())))
        try:
            yield self._last
        finally:
            shell.execution_count = outer
            # The loop of the main thread continues after the reply, and calls this before it starts another cell.
            shell.kernel.io_loop.add_callback(self._advance)

    def _advance(self) -> None:
        self._shell.execution_count = max(self._shell.execution_count, self._last + 1)


class CellRun(CodeRun):
    """A cell that runs, or will run, on the main thread inside of another cell.

    Args:
        shell: The notebook's shell.
        cells: The log of the user's cells.
        code: The source of the cell.
        cell: Its id.
        header: The header of the page's message that outputs belong to.
        numbers: Numbers the cells.
        ended: Called on the main thread when the cell has ended, with its number and its state: `ok` or `error`; or when it will not run,
            with None and `aborted`.
    """

    def __init__(
        self,
        shell: Any,
        cells: "CellLog",
        code: str,
        *,
        cell: str,
        header: dict[str, Any],
        numbers: CellNumbers,
        ended: Callable[[int | None, str], object],
    ) -> None:
        super().__init__(shell, cells, code, keep=True)
        self._cell, self._numbers, self._ended = cell, numbers, ended
        header = {str(name): value for name, value in header.items() if isinstance(value, str)}
        self._parent = {"header": header, "parent_header": {}, "metadata": {"cellId": cell}, "content": {"allow_stdin": True}}

    def cancel(self) -> None:
        """Interrupt the cell, or prevent its start."""
        super().cancel()
        if self.finished and self.started_at is None:
            self._ended(None, "aborted")

    def _run(self) -> None:
        shell = self._shell
        error: BaseException | None = None
        with self._outputs_in_place(), self._exec_result_kept(), self._numbers.next() as number:
            try:
                transformed = self.code
                with suppress(Exception):  # `run_cell` reports it
                    transformed = shell.transform_cell(self.code)
                if shell.should_run_async(self.code, transformed_cell=transformed):
                    raise RuntimeError(AWAIT_REFUSED)
                with self._interrupts_raise():
                    result = shell.run_cell(self.code, store_history=True, cell_id=self._cell)
                error = result.error_before_exec or result.error_in_exec
            except RuntimeError as raised:
                error = raised
                shell.showtraceback(exception_only=True)
            except BaseException as raised:
                error = raised
                raise
            finally:
                self._record_end(error)
                self._ended(number, "error" if self.failed else "ok")

    @contextmanager
    def _outputs_in_place(self) -> Iterator[None]:
        kernel = self._shell.kernel
        outer, ident = kernel.get_parent("shell"), kernel._parent_ident["shell"]
        kernel.set_parent(ident, self._parent, channel="shell")
        try:
            yield
        finally:
            kernel.set_parent(ident, outer, channel="shell")

    @contextmanager
    def _exec_result_kept(self) -> Iterator[None]:
        """Keep the place where IPython stores the value of the outer cell."""
        hook = self._shell.displayhook
        result = getattr(hook, "exec_result", None)
        try:
            yield
        finally:
            hook.exec_result = result
