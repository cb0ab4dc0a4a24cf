"""Parse the words of `--context`, such as `vars:df,model+cells:-3..`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from IPython.core.error import UsageError

CHOICES: Final = (
    "auto, vars, vars:NAME,NAME, cells, cells:-5.., cells:3..7, cells:4, outputs (with cells likewise), error, none; joined by +"
)
_WORDS: Final = ("auto", "vars", "cells", "outputs", "error", "none")
_NUMBER: Final = re.compile(r"-?[1-9]\d{0,8}")


@dataclass(frozen=True)
class CellRange:
    """A range of cells, both ends included.

    Attributes:
        first: First number in `In[...]`. A negative number counts from the last cell, which is -1. None is the first cell.
        last: Last number, in the same form. None is the last cell.
    """

    first: int | None = None
    last: int | None = None

    def __str__(self) -> str:
        return f"{self.first or ''}" if self.first == self.last else f"{self.first or ''}..{self.last or ''}"

    @property
    def is_numbered(self) -> bool:
        """True if the range has the number of a cell, not only a position from the end."""
        return any(number is not None and number > 0 for number in (self.first, self.last))

    def covers(self, number: int, behind: int) -> bool:
        """Return True if a cell is in the range.

        Args:
            number: The cell's number in `In[...]`.
            behind: The cell's position from the end, -1 for the last one.
        """
        after_start = self.first is None or (number if self.first > 0 else behind) >= self.first
        return after_start and (self.last is None or (number if self.last > 0 else behind) <= self.last)


ALL_CELLS: Final = CellRange()


@dataclass(frozen=True)
class Spec:
    """Data to collect.

    Attributes:
        overview: Names, types and shapes of all variables.
        values: Short values of all variables too.
        names: Variables to describe in detail, in this order.
        cells: Cells whose source is sent.
        outputs: Cells whose text output is sent.
        fresh_error: The error, if the previous cell failed.
        last_error: The last error of any cell.
    """

    overview: bool = False
    values: bool = False
    names: tuple[str, ...] = ()
    cells: tuple[CellRange, ...] = ()
    outputs: tuple[CellRange, ...] = ()
    fresh_error: bool = False
    last_error: bool = False

    def __or__(self, other: "Spec") -> "Spec":
        return Spec(
            overview=self.overview or other.overview,
            values=self.values or other.values,
            names=tuple(dict.fromkeys(self.names + other.names)),
            cells=self.cells + other.cells,
            outputs=self.outputs + other.outputs,
            fresh_error=self.fresh_error or other.fresh_error,
            last_error=self.last_error or other.last_error,
        )


def parse_spec(*specs: str) -> Spec:
    """Parse the values of `--context`.

    Args:
        specs: Words joined by `+` or commas, one string per option. Without strings, the result is that of `auto`. In `vars:a,b`, a word
            after a comma is a name, unless it is a word of the grammar.

    Raises:
        UsageError: If a word is unknown, or if `none` is combined with others.
    """
    terms = [term for spec in specs for term in _terms(spec)] if specs else ["auto"]
    if "none" in terms and len(set(terms)) > 1:
        raise UsageError("--context none cannot be combined with other words. Remove none to send context.")
    result = Spec()
    for term in terms:
        result |= _spec(term)
    return result


def _terms(spec: str) -> Iterator[str]:
    """Yield the words with their arguments. An argument after a comma gets the word before it."""
    for piece in spec.split("+"):
        word = ""
        for part in map(str.strip, piece.split(",")):
            head = part.partition(":")[0].strip()
            word = head if head in _WORDS else word
            # A number or a name after `cells:1,` or `vars:a,` is another argument of the same word.
            yield part if head in _WORDS or not word else f"{word}:{part}"


def _spec(term: str) -> Spec:
    word, colon, argument = map(str.strip, term.partition(":"))
    if colon:
        if word == "vars" and argument.isidentifier():
            return Spec(names=(argument,))
        if word in ("cells", "outputs") and (cells := _range(argument)) is not None:
            return Spec(cells=(cells,)) if word == "cells" else Spec(outputs=(cells,))
    elif word in _PLAIN:
        return _PLAIN[word]
    raise UsageError(f"--context does not know {term!r}. It takes {CHOICES}.")


_PLAIN: Final = {
    "auto": Spec(overview=True, fresh_error=True),
    "vars": Spec(overview=True, values=True),
    "cells": Spec(cells=(ALL_CELLS,)),
    "outputs": Spec(outputs=(ALL_CELLS,)),
    "error": Spec(last_error=True),
    "none": Spec(),
}


def _range(text: str) -> CellRange | None:
    """Parse the range `a..b`, `a..`, `..b` or `a`. Return None if it is invalid or empty."""
    first, dots, last = (part.strip() for part in text.partition(".."))
    if not (first or last) or any(part and not _NUMBER.fullmatch(part) for part in (first, last)):
        return None
    start = int(first) if first else None
    cells = CellRange(start, int(last) if last else None) if dots else CellRange(start, start)
    if cells.first and cells.last and (cells.first > 0) == (cells.last > 0) and cells.first > cells.last:
        return None
    return cells
