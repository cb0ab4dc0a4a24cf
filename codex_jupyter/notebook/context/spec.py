"""The words of `--context`, such as `vars:df,model+cells:-3..`."""

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
        first: The number in `In[...]` to begin with; below zero it counts from the last cell, which is -1; None is the first cell of all.
        last: The end, in the same way; None is the last cell.
    """

    first: int | None = None
    last: int | None = None

    def covers(self, number: int, behind: int) -> bool:
        """Whether a cell is in the range.

        Args:
            number: The cell's number in `In[...]`.
            behind: Its place from the end, -1 for the last one.
        """
        after_start = self.first is None or (number if self.first > 0 else behind) >= self.first
        return after_start and (self.last is None or (number if self.last > 0 else behind) <= self.last)


ALL_CELLS: Final = CellRange()


@dataclass(frozen=True)
class Spec:
    """What is to be told.

    Attributes:
        overview: Names, types and shapes of all variables.
        values: Short values of all variables too.
        names: Variables to tell more of, in the order they were named.
        cells: Cells whose source is wanted.
        outputs: Cells whose text output is wanted.
        fresh_error: The error, if the cell before failed.
        last_error: The last error, however long ago.
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
    """Read what stands after `--context`.

    Args:
        specs: Words joined by `+` or commas; one string for each time that the option was given. Without any it is `auto`. In
            `vars:a,b` a comma goes on with names, unless a word of the grammar follows.

    Raises:
        UsageError: If something is none of the choices, or `none` is joined with others.
    """
    terms = [term for spec in specs for term in _terms(spec)] if specs else ["auto"]
    if "none" in terms and len(set(terms)) > 1:
        raise UsageError("--context none stands alone; leave it out to send something.")
    result = Spec()
    for term in terms:
        result |= _spec(term)
    return result


def _terms(spec: str) -> Iterator[str]:
    """The words with their arguments; arguments after a comma are given back to the word that they belong to."""
    for piece in spec.split("+"):
        word = ""
        for part in map(str.strip, piece.split(",")):
            head = part.partition(":")[0].strip()
            word = head if head in _WORDS else word
            # A number or a name behind `cells:1,` or `vars:a,` is one more of the same.
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
    """The range `a..b`, `a..`, `..b` or `a`; None if it is none, or is empty."""
    first, dots, last = (part.strip() for part in text.partition(".."))
    if not (first or last) or any(part and not _NUMBER.fullmatch(part) for part in (first, last)):
        return None
    start = int(first) if first else None
    cells = CellRange(start, int(last) if last else None) if dots else CellRange(start, start)
    if cells.first and cells.last and (cells.first > 0) == (cells.last > 0) and cells.first > cells.last:
        return None
    return cells
