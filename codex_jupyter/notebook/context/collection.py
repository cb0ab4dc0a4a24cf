"""Collect the context once, bounded in size and time."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import partial
from itertools import islice
from typing import Any, Final

from IPython.core.error import UsageError

from codex_jupyter._shortening import shorten, shorten_middle
from codex_jupyter.notebook.context.cells import GAP, CellLog, CellRecord
from codex_jupyter.notebook.context.describe import FULL, SHORT, Describer
from codex_jupyter.notebook.context.introspection import group_of
from codex_jupyter.notebook.context.model import Context, ContextPart, SentContext
from codex_jupyter.notebook.context.spec import CellRange, Spec
from codex_jupyter.notebook.context.untrusted_text import neutralize
from codex_jupyter.notebook.namespace import Namespace
from codex_jupyter.sdk import ContextInput
from codex_jupyter.sdk.models.envelope import MARKS_SIZE
from codex_jupyter.sdk.redaction import as_literals, is_secret_name, is_secret_variable, mask

MAX_VARIABLES: Final = 300
"""Maximum number of examined variables. Of more, the newest are examined."""
MAX_CELL: Final = 4_000
"""Maximum characters of one cell's source or output that are sent."""
MAX_REMOVED: Final = 30
"""Maximum number of names of removed variables that are sent."""
_LEVELS: Final = (None, SHORT, FULL)
_SINGULAR: Final = {"modules": "module", "functions": "function", "classes": "class"}
_TITLES: Final = {
    "error": "The last error",
    "variables": "Variables",
    "cells": "Cells, oldest first",
    "outputs": "Text outputs of cells, oldest first",
}


@dataclass(frozen=True)
class _Entry:
    """A variable as it is sent.

    Attributes:
        name: Its name.
        group: See `group_of`.
        brief: The line without values.
        details: The text after the line.
        changed: True if it differs from the variable that was sent before.
        fingerprints: Fingerprints of the text by level of detail.
    """

    name: str
    group: str
    brief: str
    details: str
    changed: bool
    fingerprints: dict[int, int]

    @property
    def text(self) -> str:
        brief = f"{_SINGULAR[self.group]} {self.brief}" if self.group and self.details else self.brief
        return f"{brief}{' (changed)' if self.changed else ''}{self.details}"


@dataclass
class Collection:
    """One collection.

    Attributes:
        shell: The notebook's shell.
        log: The cells of the shell.
        previous: Data that the thread has received and that is not sent again.
        remaining: Returns the seconds that are left.
        slow: Ids of classes whose self-description took too long. It is not called again.
        names: The names that the spec can use.
        sent: The data in the result.
    """

    shell: Any
    log: CellLog
    previous: SentContext
    remaining: Callable[[], float]
    slow: set[int]
    names: Namespace
    is_prompt: bool = True
    """See `ContextCollector.collect`."""
    sent: SentContext = field(default_factory=SentContext)

    def collect(self, spec: Spec, max_chars: int) -> Context:
        """Collect the context of a spec, at most `max_chars` characters."""
        self._literals = as_literals(self._secrets())
        self._describer = Describer(self._literals, self.remaining, self.slow)
        wanted: dict[str, Callable[[int], tuple[list[str], int]]] = {}
        if spec.last_error or spec.fresh_error:
            wanted["error"] = lambda room: self._error(spec, room)
        if spec.overview or spec.names:
            wanted["variables"] = lambda room: self._variables(spec, room)
        if self.is_prompt:
            self._check_numbers(spec)
        if spec.cells:
            wanted["cells"] = lambda room: self._cells(spec.cells, room)
        if spec.outputs:
            wanted["outputs"] = lambda room: self._outputs(spec.outputs, room)
        parts: list[ContextPart] = []
        room = max_chars - MARKS_SIZE
        for left, (name, build) in zip(range(len(wanted), 0, -1), wanted.items(), strict=True):
            title = f"## {_TITLES[name]}"
            lines, count = build(room // left - len(title) - 3)
            if lines:
                parts.append(ContextPart(name, "\n".join([title, *lines]), count))
                room -= len(parts[-1].text) + 2
        block = ContextInput(text="\n\n".join(part.text for part in parts), name="notebook") if parts else None
        return Context(tuple(parts), block, self.sent)

    def describe(self, name: str, max_rows: int, max_chars: int) -> str:
        """Describe one variable of the user in detail. See `ContextCollector.describe`."""
        names = self._user_names()
        if name not in names:
            near = get_close_matches(name, names[-MAX_VARIABLES:], n=1)
            raise UsageError(f"There is no variable {name} that can be looked at.{f' Did you mean {near[0]}?' if near else ''}")
        self._literals = as_literals(self._secrets())
        self._describer = Describer(self._literals, self.remaining, self.slow)
        value = self.shell.user_ns.get(name)
        detail = replace(FULL, rows=max_rows)
        texts = []
        describer = self._describer
        for part in (
            partial(describer.brief, name, value),
            partial(describer.details, name, value, detail),
            partial(describer.statistics, name, value),
        ):
            try:
                texts.append(neutralize(mask(part(), self._literals, code=True)))
            except Exception as error:
                texts.append(f" (it cannot be described further: {type(error).__name__})")
        return shorten_middle("".join(texts), max_chars, GAP)

    def _secrets(self) -> Iterator[str]:
        """Yield the values of secrets. They are masked in all texts, such as in the output of a cell that printed one."""
        for name, value in list(os.environ.items()):
            if len(value) <= MAX_CELL and is_secret_variable(name, value):
                yield value
        values = list(self.shell.user_ns.items()) + [(name, self.names.values[name]) for name in self.names.foreign]
        for name, value in values:
            if type(name) is not str or type(value) is not str or len(value) > MAX_CELL or not is_secret_name(name):
                continue
            # A common word with a vague name, such as `key = "species"`, would be removed from every text.
            if is_secret_name(name, grave=True) or any(map(str.isdigit, value)):
                yield value

    def _variables(self, spec: Spec, room: int) -> tuple[list[str], int]:
        values = self.names.values
        self._check_names(spec.names)
        user_names = self._user_names() if spec.overview else []
        removed = [name for name in self.previous.variables if name not in values and (spec.overview or name in spec.names)]
        levels = {name: 2 for name in spec.names if name in values}
        # The newest first, because they matter most if there are too many.
        others = (name for name in reversed(user_names) if name not in levels and name not in self.previous.omitted)
        levels |= {name: int(spec.values) for name in list(islice(others, MAX_VARIABLES))}
        last = _removed(removed)
        chosen, seen = self._choose(levels, room - 80 - sum(map(len, last)))
        left = {*user_names, *levels} - seen - self.previous.variables.keys() - self.previous.omitted
        # A variable of a function is not the notebook's variable of that name, so it is sent each time, and is not removed later.
        foreign = self.names.foreign.intersection(spec.names)
        self.sent.variables = {entry.name: entry.fingerprints for entry in chosen if entry.name not in foreign}
        # Variables that were skipped for lack of time may be sent next time. Variables that were skipped for lack of room are not.
        self.sent.omitted, self.sent.removed = left if self.remaining() > 0 else set(), set(removed)
        lines = [*_grouped(chosen), *([f"... and {len(left)} more variables"] if left else []), *last]
        if lines and self.previous.variables:
            lines.insert(0, "(only what is new or has changed since the last time)")
        return lines, len(chosen) + len(removed)

    def _choose(self, levels: dict[str, int], room: int) -> tuple[list[_Entry], set[str]]:
        """Return the variables to send, in the order of their creation, and the names of all variables that need no more details."""
        chosen: list[_Entry] = []
        seen: set[str] = set()
        for name, level in levels.items():
            if self.remaining() <= 0 or room <= 0:
                break
            for entry in self._entries(name, level):
                if entry.fingerprints.items() <= self.previous.variables.get(name, {}).items():
                    seen.add(name)
                    break
                if len(entry.text) + 12 <= room:
                    seen.add(name)
                    chosen.append(entry)
                    room -= len(entry.text) + 12
                    break
        return chosen[::-1], seen

    def _entries(self, name: str, level: int) -> Iterator[_Entry]:
        """Yield a variable with its details, and then without them in case they are too long."""
        is_named = level == len(_LEVELS) - 1
        try:
            value = self.names.values[name] if is_named else self.shell.user_ns[name]
        except KeyError:  # another thread has deleted it
            return
        group = group_of(value)
        brief, *details = (self._safely(name, value, i) for i in range(level + 1))
        previous = {} if is_named and name in self.names.foreign else self.previous.variables.get(name, {})
        fingerprints = dict(enumerate(map(hash, [brief, *details])))
        changed = any(previous.get(i, fingerprint) != fingerprint for i, fingerprint in fingerprints.items())
        yield _Entry(name, group, brief, details[-1] if details else "", changed, fingerprints)
        if details:
            yield _Entry(name, group, brief, "", changed, {0: fingerprints[0]})

    def _safely(self, name: str, value: object, level: int) -> str:
        try:
            detail = _LEVELS[level]
            text = self._describer.brief(name, value) if detail is None else self._describer.details(name, value, detail)
        except Exception:
            text = f"{name}: cannot be described" if level == 0 else ""
        return neutralize(mask(text, self._literals, code=True))

    def _user_names(self) -> list[str]:
        """Return the names that the user defined, in order. Names that start with an underscore are hidden."""
        hidden = self.shell.user_ns_hidden
        items = list(self.shell.user_ns.items())
        names = [name for name, value in items if type(name) is str and name[:1] != "_" and hidden.get(name, hidden) is not value]
        return list(filter(str.isidentifier, names))

    def _check_names(self, names: Sequence[str]) -> None:
        for name in names:
            if name in self.names.hidden:
                raise UsageError(f"--context: {self.names.hidden[name]}")
            if name not in self.names.values and name not in self.previous.variables:
                near = get_close_matches(name, [*self._user_names()[-MAX_VARIABLES:], *self.names.foreign], n=1)
                raise UsageError(f"--context: there is no variable {name}.{f' Did you mean {near[0]}?' if near else ''}")

    def _check_numbers(self, spec: Spec) -> None:
        """Refuse cells that the user named by numbers, if there is nothing of them."""
        for word, ranges in {"cells": spec.cells, "outputs": spec.outputs}.items():
            for cell_range in ranges:
                cells = list(self._cells_in([cell_range]))
                if not cell_range.is_numbered or any(cell.output or word == "cells" for cell in cells):
                    continue
                if cells:
                    raise UsageError(f"--context: {word}:{cell_range} is empty, because these cells showed no text.")
                numbers = [cell.number for cell in self.log.finished if cell.number]
                recorded = f"The recorded cells are In[{min(numbers)}] to In[{max(numbers)}]" if numbers else "No cell is recorded"
                raise UsageError(f"--context: there is no cell for {word}:{cell_range}. {recorded}.")

    def _cells(self, ranges: Sequence[CellRange], room: int) -> tuple[list[str], int]:
        cells = [cell for cell in self._cells_in(ranges) if cell.id not in self.previous.cells]
        self.sent.cells = {cell.id for cell in cells}
        return self._newest(cells, lambda cell: self._source(cell, min(MAX_CELL, room // 2)), room)

    def _outputs(self, ranges: Sequence[CellRange], room: int) -> tuple[list[str], int]:
        cells = [cell for cell in self._cells_in(ranges) if cell.output and cell.id not in self.previous.outputs]
        self.sent.outputs = {cell.id for cell in cells}
        return self._newest(cells, lambda cell: f"{cell.label} printed:\n{self._text(cell.output, min(MAX_CELL, room // 2))}", room)

    def _cells_in(self, ranges: Sequence[CellRange]) -> Iterator[CellRecord]:
        cells = [cell for cell in self.log.finished if not cell.nested]
        for behind, cell in enumerate(cells, -len(cells)):
            if any(cell_range.covers(cell.number, behind) for cell_range in ranges):
                yield cell

    def _newest(self, cells: Sequence[CellRecord], text_of: Callable[[CellRecord], str], room: int) -> tuple[list[str], int]:
        """Return the texts of the newest cells that fit, oldest first."""
        texts: list[str] = []
        room -= 40
        for cell in reversed(cells):
            text = text_of(cell) if self.remaining() > 0 else ""
            if not text or len(text) + 1 > room:
                break
            texts.append(text)
            room -= len(text) + 1
        left = len(cells) - len(texts)
        return [*([f"... and {left} earlier cells"] if left else []), *reversed(texts)], len(texts)

    def _source(self, cell: CellRecord, limit: int) -> str:
        if cell.prompt:
            return f"{cell.label} was a prompt to Codex: {shorten(' '.join(self._text(cell.source, 200, code=True).split()), 120)}"
        failed = f" (failed: {shorten(self._text(cell.error, 200), 200)})" if cell.error else ""
        return f"{cell.label}{failed}:\n{self._text(cell.source, limit, code=True)}"

    def _error(self, spec: Spec, room: int) -> tuple[list[str], int]:
        last = self.log.last_error()
        if last is None or last[0].id in self.previous.errors or not (spec.last_error or last[0] is self.log.failed_before()):
            return [], 0
        cell, pieces = last
        self.sent.errors = {cell.id}
        source = f"{cell.label} failed:\n{self._text(cell.source, min(MAX_CELL, room // 2), code=True)}\n"
        # Only the frames are code. A message can contain `password: ...` like a log.
        masked = "".join(mask(piece, self._literals, code=piece.startswith("  File")) for piece in pieces)
        message = neutralize(masked).rstrip("\n")
        return [source, shorten_middle(message, max(0, min(MAX_CELL, room - len(source) - 2)), GAP)], 1

    def _text(self, text: str, limit: int, *, code: bool = False) -> str:
        """Return a text without secrets and without lookalikes of the envelope, shortened in its middle."""
        return shorten_middle(neutralize(mask(text, self._literals, code=code)).strip("\n"), limit, GAP)


def _removed(names: Sequence[str]) -> list[str]:
    more = f" and {len(names) - MAX_REMOVED} more" if len(names) > MAX_REMOVED else ""
    return [f"removed since: {', '.join(shorten(neutralize(name), 60) for name in names[:MAX_REMOVED])}{more}"] if names else []


def _grouped(entries: Iterable[_Entry]) -> Iterator[str]:
    """Yield the lines of variables. Modules, functions and classes without details share one line each."""
    names: dict[str, list[str]] = {group: [] for group in _SINGULAR}
    for entry in entries:
        if entry.group and not entry.details:
            names[entry.group].append(entry.text)
        else:
            yield entry.text
    yield from (f"{group}: {', '.join(shared)}" for group, shared in names.items() if shared)
