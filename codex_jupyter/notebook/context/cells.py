"""The cells that ran: source, text output, error. Watched through IPython's own events and history; nothing is patched."""

import re
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count, islice
from traceback import FrameSummary, TracebackException
from typing import Any, Final, TypeAlias

MAX_CELLS: Final = 500
"""Cells that are remembered; older ones are forgotten."""
MAX_SOURCE: Final = 20_000
"""Characters of a cell's source that are remembered."""
MAX_OUTPUT: Final = 8_000
"""Characters of a cell's text output that are remembered: its beginning and its end."""
MAX_HISTORY: Final = 100
"""Cells that ran before this was loaded, and are read."""
MAX_FRAMES: Final = 20
MAX_DEPTH: Final = 50
"""Frames of a traceback that are looked at, innermost first."""
GAP: Final = "\n[…]\n"

_PROMPT: Final = re.compile(r"\A(?:\s*%%\w[^\n]*\n)*\s*%%codex\b|\A\s*(?:\w+\s*=\s*)?%codex\b[^\n]*\s*\Z")
"""A cell that is a prompt or a command of ours, also below other cell magics such as `%%time`."""
_USES_CODEX: Final = re.compile(r"^\s*(?:\w+\s*=\s*)?%codex\b", re.MULTILINE)
_FIRST_WORD: Final = re.compile(r"\A\S+")
_LAST_WORD: Final = re.compile(r"(?<!\S)\S+\Z")
_OVERWRITTEN: Final = re.compile(r"[^\n]*\r(?!\n)")
"""What a progress bar wrote before it wrote the line anew."""


Marks: TypeAlias = Mapping[int, tuple[int, int]]
"""How far the outputs go that IPython filed, by the number that they are filed under."""


@dataclass
class CellRecord:
    """A cell that ran, or runs.

    Attributes:
        id: Counts the runs; the same cell run again has another.
        number: The number in `In[...]`; 0 if it has none.
        source: What was run.
        prompt: Whether it is a prompt to the agent. Its output is the agent's own.
        running: Whether it has not ended.
        output: Its text output, bounded.
        error: What it failed with, in one line; empty if it did not fail.
    """

    id: int
    number: int
    source: str
    prompt: bool
    running: bool = True
    output: str = ""
    error: str = ""

    @property
    def label(self) -> str:
        """How the notebook calls it."""
        return f"In[{self.number or ' '}]"


class CellLog:
    """The last cells of a shell.

    Args:
        shell: An `InteractiveShell`.
    """

    def __init__(self, shell: Any) -> None:
        self.records: deque[CellRecord] = deque(maxlen=MAX_CELLS)
        self._shell = shell
        self._ids = count(1)
        self._running: list[tuple[str | None, CellRecord, Marks]] = []
        self._failed: tuple[CellRecord, TracebackException] | None = None
        self._watching = False

    def start(self) -> None:
        """Read what the shell remembers, and watch the cells from now on; does nothing if it does so already."""
        if not self._watching:
            self._watching = True
            self._read_history()
            self._shell.events.register("pre_run_cell", self._begin)
            self._shell.events.register("post_run_cell", self._end)

    def stop(self) -> None:
        """Watch no longer, and forget everything."""
        if self._watching:
            self._watching = False
            self._shell.events.unregister("pre_run_cell", self._begin)
            self._shell.events.unregister("post_run_cell", self._end)
        self.records.clear()
        self._running.clear()
        self._failed = None

    @property
    def finished(self) -> list[CellRecord]:
        """The cells that ended, in the order in which they were begun."""
        return [record for record in self.records if not record.running]

    def last_error(self) -> tuple[CellRecord, list[str]] | None:
        """The cell that failed last, and the pieces of its traceback; None if none failed. Prompts do not count."""
        return None if self._failed is None else (self._failed[0], list(self._traceback(self._failed[1])))

    def failed_before(self) -> CellRecord | None:
        """The cell that was run last, prompts aside, if it failed."""
        last = next((record for record in reversed(self.records) if not (record.running or record.prompt)), None)
        return last if last is not None and last.error else None

    def _read_history(self) -> None:
        history, result = self._shell.history_manager, self._shell.last_execution_result
        sources: Sequence[str] = history.input_hist_raw if history is not None else []
        for number in range(max(1, len(sources) - MAX_HISTORY), len(sources)):
            record, marks = self._record(sources[number]), {number: (0, 0)}
            record.number = number
            if number == len(sources) - 1 and (result is None or result.execution_count != number):
                # The newest is the cell that starts this: it has no result yet, and its beginning was not seen.
                self._running.append((None, record, marks))
            else:
                self._finish(record, _error_of(result) if number == len(sources) - 1 else None, marks)

    def _record(self, source: str) -> CellRecord:
        source = source if len(source) <= MAX_SOURCE else source[:MAX_SOURCE] + GAP
        record = CellRecord(next(self._ids), 0, source, prompt=_PROMPT.search(source) is not None)
        self.records.append(record)
        return record

    def _begin(self, info: Any) -> None:
        number = self._shell.execution_count
        # IPython files streams and values under the cell's number or the one before, and displays one later, for want of a better.
        self._running.append(
            (info.raw_cell, self._record(info.raw_cell), {key: _length(self._entries(key)) for key in (number, number - 1)})
        )

    def _end(self, result: Any) -> None:
        info = getattr(result, "info", None)
        # By its source: a cell whose error cannot be shown has another info at its end. An empty cell ends without having begun.
        ends = [i for i, (source, *_) in enumerate(self._running) if info is None or source in (info.raw_cell, None)]
        if not ends:
            return
        _, record, marks = self._running[ends[-1]]
        del self._running[ends[-1] :]
        if info is not None and info.store_history:
            record.number = result.execution_count or self._shell.execution_count - 1
        self._finish(record, sys.exc_info()[1] if result is None else _error_of(result), marks)

    def _finish(self, record: CellRecord, error: BaseException | None, marks: Marks) -> None:
        record.running = False
        if record.prompt:
            return
        if not _USES_CODEX.search(record.source):
            record.output = self._output(record.number, marks)
        if error is not None:
            # Not the exception itself: it would keep all variables of its frames alive. Source lines are read when they are shown.
            trace = TracebackException(type(error), error, error.__traceback__, limit=-MAX_DEPTH, lookup_lines=False, compact=True)
            record.error = " ".join("".join(trace.format_exception_only()).split())[:300]
            self._failed = (record, trace)

    def _entries(self, number: int) -> Sequence[Any]:
        outputs = getattr(self._shell.history_manager, "outputs", None)
        return () if outputs is None else outputs.get(number, ())  # `outputs[number]` would make an entry

    def _output(self, number: int, marks: Marks) -> str:
        """The text output filed behind the marks."""
        if getattr(self._shell.history_manager, "outputs", None) is None:  # IPython 8 keeps values only
            return str(self._shell.history_manager.output_hist_reprs.get(number, ""))[:MAX_OUTPUT]
        text = _excerpt([run for key, mark in marks.items() for run in _runs(self._entries(key), *mark)])
        return _OVERWRITTEN.sub("", text).strip("\n")

    def _traceback(self, trace: TracebackException) -> Iterator[str]:
        """A traceback that begins in the notebook and names its cells as the notebook does."""
        link: TracebackException | None = trace
        while link is not None:
            frames: list[FrameSummary] = link.stack
            # What comes before the first cell is IPython; a SyntaxError has no cell, but the compiler's frames.
            end = len(frames) if issubclass(link.exc_type, SyntaxError) else 0
            del frames[: next((i for i, frame in enumerate(frames) if self._cell_name(frame.filename)), end)]
            del frames[MAX_FRAMES // 2 : -MAX_FRAMES // 2]
            for frame in frames:
                _ = frame.line  # read now, by the name that it is filed under
                frame.filename = self._cell_name(frame.filename) or frame.filename
            if isinstance(filename := getattr(link, "filename", None), str):  # a SyntaxError
                link.filename = self._cell_name(filename) or filename
            link = link.__cause__ or link.__context__
        return trace.format()

    def _cell_name(self, filename: str) -> str:
        name = self._shell.compile.format_code_name(filename)
        return " ".join(name) if name else filename if filename.startswith("Cell In[") else ""


def _error_of(result: Any) -> BaseException | None:
    error: BaseException | None = result.error_before_exec or result.error_in_exec
    return error


def _length(entries: Sequence[Any]) -> tuple[int, int]:
    """How many outputs there are, and how many pieces the last one has: more may be added to it."""
    return len(entries), len(entries[-1].bundle.get("stream", ())) if entries else 0


def _runs(entries: Sequence[Any], done: int, pieces: int) -> Iterator[Sequence[str]]:
    """The texts of the outputs behind a mark."""
    if done:
        yield entries[done - 1].bundle.get("stream", ())[pieces:]
    for entry in entries[done:]:
        text = entry.bundle.get("text/plain")
        yield entry.bundle.get("stream") or ((text, "\n") if isinstance(text, str) else ())


def _excerpt(runs: Sequence[Sequence[str]]) -> str:
    """The beginning and the end of a text in many pieces, without putting it together. No word is cut: it may be a secret."""
    head = _taken(chain.from_iterable(runs))
    left = sum(map(len, runs)) - len(head)
    tail = _taken(islice(chain.from_iterable(map(reversed, reversed(runs))), left))[::-1]
    text = "".join([*head, *([GAP] if left > len(tail) else []), *tail])
    if len(text) <= MAX_OUTPUT:
        return text
    return f"{_LAST_WORD.sub('', text[: MAX_OUTPUT // 2])}{GAP}{_FIRST_WORD.sub('', text[-MAX_OUTPUT // 2 :])}"


def _taken(chunks: Iterable[str]) -> list[str]:
    """The first pieces, until there is enough of them."""
    taken, size = [], 0
    for chunk in chunks:
        taken.append(_shortened(chunk))
        size += len(taken[-1])
        if size > MAX_OUTPUT:
            break
    return taken


def _shortened(text: str) -> str:
    return text if len(text) <= 2 * MAX_OUTPUT else f"{_LAST_WORD.sub('', text[:MAX_OUTPUT])}{GAP}{_FIRST_WORD.sub('', text[-MAX_OUTPUT:])}"
