"""Record the cells that ran: source, text output, error. IPython's events and history are used, and nothing is patched."""

import os
import re
import sys
import traceback
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, count, islice
from traceback import FrameSummary, TracebackException
from typing import Any, Final, TypeAlias

from codex_jupyter._shortening import shorten_middle, without_overwritten

MAX_CELLS: Final = 500
"""Number of cells that are kept. Older ones are dropped."""
MAX_SOURCE: Final = 20_000
"""Maximum characters that are kept of a cell's source."""
MAX_OUTPUT: Final = 8_000
"""Maximum characters that are kept of a cell's text output: its start and its end."""
MAX_HISTORY: Final = 100
"""Maximum number of cells that are read from the history at the start."""
MAX_FRAMES: Final = 20
"""Maximum number of frames of a traceback that are kept: the outermost and the innermost ones."""
MAX_DEPTH: Final = 50
"""Maximum number of examined frames of a traceback, innermost first."""
GAP: Final = "\n[…]\n"

_PROMPT: Final = r"\A(?:\s*%%\w[^\n]*\n)*\s*%%codex\b|\A\s*(?:\w+\s*=\s*)?%codex\b[^\n]*\s*\Z"
"""A cell that is a prompt or a `%codex` command, also below other cell magics such as `%%time`."""
_USES_CODEX: Final = r"(?m)^[^\S\n]*(?:\w+\s*=\s*)?%codex\b"


_PACKAGE: Final = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(__file__))), "")
_MAGIC: Final = os.path.join(_PACKAGE, "notebook", "magic", "magics.py")


OutputMarks: TypeAlias = Mapping[int, tuple[int, int]]
"""Positions in the outputs that IPython recorded, by the number under which it recorded them."""


@dataclass
class CellRecord:
    """A cell that ran or is running.

    Attributes:
        id: Number of the run. Another run of the same cell has another id.
        number: The number in `In[...]`, or 0.
        source: The source, bounded.
        prompt: True for a prompt to the agent. The output of such a cell is the agent's.
        running: True until the cell ends.
        output: The text output, bounded.
        error: The error in one line. Empty if the cell did not fail.
        nested: True if another cell ran it, such as one with `%%capture`. It is not a cell of the notebook, and is not counted as one.
    """

    id: int
    number: int
    source: str
    prompt: bool
    running: bool = True
    output: str = ""
    error: str = ""
    nested: bool = False

    @property
    def label(self) -> str:
        """The name of the cell in the notebook, such as `In[3]`."""
        return f"In[{self.number or ' '}]"


class CellLog:
    """The last cells that ran in a shell.

    Args:
        shell: An `InteractiveShell`.
    """

    def __init__(self, shell: Any) -> None:
        self.records: deque[CellRecord] = deque(maxlen=MAX_CELLS)
        self._shell = shell
        self._ids = count(1)
        self._running: list[tuple[str | None, CellRecord, OutputMarks]] = []
        self._failed: tuple[CellRecord, TracebackException] | None = None
        self._watching = self._ignoring = False

    def start(self) -> None:
        """Read the shell's history, and record cells from now on. A second call does nothing."""
        if not self._watching:
            self._watching = True
            self._read_history()
            self._shell.events.register("pre_run_cell", self._on_start)
            self._shell.events.register("post_run_cell", self._on_end)

    def stop(self) -> None:
        """Stop recording, and drop all records."""
        if self._watching:
            self._watching = False
            self._shell.events.unregister("pre_run_cell", self._on_start)
            self._shell.events.unregister("post_run_cell", self._on_end)
        self.records.clear()
        self._running.clear()
        self._failed = None

    @contextmanager
    def ignored(self) -> Iterator[None]:
        """Record no cell that runs inside of the block, because it is not the user's."""
        earlier, self._ignoring = self._ignoring, True
        try:
            yield
        finally:
            self._ignoring = earlier

    @property
    def is_running(self) -> bool:
        """True if a cell runs."""
        return bool(self._running)

    @property
    def finished(self) -> list[CellRecord]:
        """The cells that ended, in the order in which they started."""
        return [record for record in self.records if not record.running]

    def last_error(self) -> tuple[CellRecord, list[str]] | None:
        """Return the cell that failed last and the pieces of its traceback, or None. Prompts are ignored."""
        return None if self._failed is None else (self._failed[0], list(self._traceback(self._failed[1])))

    def failed_before(self) -> CellRecord | None:
        """Return the last cell if it failed, else None. Prompts are ignored."""
        last = next((record for record in reversed(self.records) if not (record.running or record.prompt)), None)
        return last if last is not None and last.error else None

    def _read_history(self) -> None:
        history, result = self._shell.history_manager, self._shell.last_execution_result
        sources: Sequence[str] = history.input_hist_raw if history is not None else []
        for number in range(max(1, len(sources) - MAX_HISTORY), len(sources)):
            record, marks = self._record(sources[number]), {number: (0, 0)}
            record.number = number
            if number == len(sources) - 1 and (result is None or result.execution_count != number):
                # The newest is the running cell that loads the extension. It has no result yet, and its start event was missed.
                self._running.append((None, record, marks))
            else:
                self._finish(record, _error_of(result) if number == len(sources) - 1 else None, marks)

    def _record(self, source: str) -> CellRecord:
        source = source if len(source) <= MAX_SOURCE else source[:MAX_SOURCE] + GAP
        record = CellRecord(next(self._ids), 0, source, prompt="%codex" in source and re.search(_PROMPT, source) is not None)
        self.records.append(record)
        return record

    def _on_start(self, info: Any) -> None:
        if self._ignoring:
            return
        number = self._shell.execution_count
        # IPython records streams and values under the cell's number or the one before, and displays under the one after.
        record, marks = self._record(info.raw_cell), {key: _length(self._entries(key)) for key in (number, number - 1)}
        record.nested = self.is_running and not info.store_history
        self._running.append((info.raw_cell, record, marks))

    def _on_end(self, result: Any) -> None:
        if self._ignoring:
            return
        info = getattr(result, "info", None)
        # Compare the source: a cell whose error cannot be shown has another info at its end. An empty cell ends without a start.
        ends = [i for i, (source, *_) in enumerate(self._running) if info is None or source in (info.raw_cell, None)]
        if not ends:
            return
        _, record, marks = self._running[ends[-1]]
        del self._running[ends[-1] :]
        if info is not None and info.store_history:
            record.number = result.execution_count or self._shell.execution_count - 1
        self._finish(record, sys.exc_info()[1] if result is None else _error_of(result), marks)

    def _finish(self, record: CellRecord, error: BaseException | None, marks: OutputMarks) -> None:
        record.running = False
        if record.prompt:
            return
        if "%codex" not in record.source or not re.search(_USES_CODEX, record.source):
            record.output = self._output(record.number, marks)
        if error is not None:
            record.error = " ".join("".join(traceback.format_exception_only(error)).split())[:300]
            if _is_of_magic(error):
                return  # the user knows the error of a prompt, and the agent cannot fix it in a cell
            # Keep no exception, because it would keep the variables of its frames alive. Source lines are read when they are shown.
            trace = TracebackException(type(error), error, error.__traceback__, limit=-MAX_DEPTH, lookup_lines=False, compact=True)
            self._failed = (record, trace)

    def _entries(self, number: int) -> Sequence[Any]:
        outputs = getattr(self._shell.history_manager, "outputs", None)
        return () if outputs is None else outputs.get(number, ())  # `outputs[number]` would create an entry

    def _output(self, number: int, marks: OutputMarks) -> str:
        """Return the text output recorded after the marks."""
        if getattr(self._shell.history_manager, "outputs", None) is None:  # IPython 8 keeps values only
            return str(self._shell.history_manager.output_hist_reprs.get(number, ""))[:MAX_OUTPUT]
        text = _excerpt([run for key, mark in marks.items() for run in _runs(self._entries(key), *mark)])
        return without_overwritten(text).strip("\n")

    def _traceback(self, trace: TracebackException) -> Iterator[str]:
        """Return a traceback that starts in the notebook and has the notebook's names of cells."""
        link: TracebackException | None = trace
        while link is not None:
            frames: list[FrameSummary] = link.stack
            # The frames before the first cell are IPython's. A SyntaxError has no cell, only frames of the compiler.
            end = len(frames) if issubclass(link.exc_type, SyntaxError) else 0
            del frames[: next((i for i, frame in enumerate(frames) if self._cell_name(frame.filename)), end)]
            # The frames of this package say nothing about the user's code.
            del frames[next((i for i, frame in enumerate(frames) if i and frame.filename.startswith(_PACKAGE)), len(frames)) :]
            del frames[MAX_FRAMES // 2 : -MAX_FRAMES // 2]
            for frame in frames:
                _ = frame.line  # reads the line while the frame has its original name
                frame.filename = self._cell_name(frame.filename) or frame.filename
            if isinstance(filename := getattr(link, "filename", None), str):  # a SyntaxError
                link.filename = self._cell_name(filename) or filename
            link = link.__cause__ or link.__context__
        return trace.format()

    def _cell_name(self, filename: str) -> str:
        name = self._shell.compile.format_code_name(filename)
        return " ".join(name) if name else filename if filename.startswith("Cell In[") else ""


def _is_of_magic(error: BaseException) -> bool:
    """Return True if `%codex` raised an error, also when a function called it."""
    codes = (frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(code.co_filename == _MAGIC and code.co_name == "codex" for code in codes)


def _error_of(result: Any) -> BaseException | None:
    error: BaseException | None = result.error_before_exec or result.error_in_exec
    return error


def _length(entries: Sequence[Any]) -> tuple[int, int]:
    """Return the number of outputs and the number of pieces of the last one, because pieces may be added to it."""
    return len(entries), len(entries[-1].bundle.get("stream", ())) if entries else 0


def _runs(entries: Sequence[Any], done: int, pieces: int) -> Iterator[Sequence[str]]:
    """Return the texts of the outputs after a mark."""
    if done:
        yield entries[done - 1].bundle.get("stream", ())[pieces:]
    for entry in entries[done:]:
        text = entry.bundle.get("text/plain")
        yield entry.bundle.get("stream") or ((text, "\n") if isinstance(text, str) else ())


def _excerpt(runs: Sequence[Sequence[str]]) -> str:
    """Return the start and the end of a text in many pieces, without joining all. Words are kept whole, because one may be a secret."""
    head = _taken(chain.from_iterable(runs))
    left = sum(map(len, runs)) - len(head)
    tail = _taken(islice(chain.from_iterable(map(reversed, reversed(runs))), left))[::-1]
    return shorten_middle("".join([*head, *([GAP] if left > len(tail) else []), *tail]), MAX_OUTPUT, GAP, whole_words=True)


def _taken(chunks: Iterable[str]) -> list[str]:
    """Return the first pieces, until they are longer than `MAX_OUTPUT`."""
    taken, size = [], 0
    for chunk in chunks:
        taken.append(shorten_middle(chunk, 2 * MAX_OUTPUT, GAP, whole_words=True))
        size += len(taken[-1])
        if size > MAX_OUTPUT:
            break
    return taken
