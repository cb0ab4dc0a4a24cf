"""Statistics of frames, series and arrays of supported libraries, in bounded time. No code of the user runs, and no library is imported.

Columns with values of any Python type are only counted, because comparing or hashing such values could run code of the user.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from codex_jupyter._shortening import shorten
from codex_jupyter.notebook.context.introspection import bare_name, lookup, module_name
from codex_jupyter.notebook.context.libraries import kind_of
from codex_jupyter.sdk.redaction import is_secret_name

MAX_VALUES: Final = 200_000
"""Values of a column or an array that are read: the first ones."""
MAX_COLUMNS: Final = 40
_NUMERIC: Final = "biuf"
_LIBRARIES: Final = ("numpy", "pandas")
_WORDS: Final = ("min", "mean", "max", "std", "median")
"""The methods of a column that give numbers. An array has no `median`."""
MAX_EXACT: Final = 2**53
"""Integers up to this are exact as floats."""
_HASHABLE: Final = (("pandas", "CategoricalDtype"), ("pandas", "StringDtype"))
"""Types of columns whose values can be counted without running code of the user."""


def statistics_of(name: str, value: Any, remaining: Callable[[], float]) -> list[str]:
    """Return lines with the statistics of a value; empty if its type has none, or its name is that of a secret.

    Args:
        name: The name of the variable.
        value: Any value.
        remaining: Returns the seconds that are left. It is checked between two columns.
    """
    if kind_of(type(value)) is None or is_secret_name(name):
        return []
    columns, size = _columns(value)
    with _numpy_warnings_ignored():
        lines = list(_lines(columns, remaining))
    if not lines:
        return []
    return [f"statistics{f' of the first {MAX_VALUES:,} of {size:,}' if size > MAX_VALUES else ''}:", *lines]


def _columns(value: Any) -> tuple[list[tuple[str, Any]], int]:
    """Return the columns of a value by their names, and the number of its rows. Only names that are texts count."""
    match _kind(type(value)):
        case ("numpy", "ndarray"):
            return [("", value.flat[:MAX_VALUES])], value.size
        case ("pandas", "DataFrame"):
            labels = enumerate(value.columns[:MAX_COLUMNS])
            return [(label, value.iloc[:MAX_VALUES, place]) for place, label in labels if type(label) is str], len(value)
        case ("polars", "DataFrame"):
            part = value.head(MAX_VALUES)
            return [(label, part[label]) for label in part.columns[:MAX_COLUMNS]], value.height
        case ("pandas" | "polars", "Series"):
            return [("", value.head(MAX_VALUES))], len(value)
    return [], 0


def _kind(cls: type) -> tuple[str, str]:
    """Return the library of a class and its name there."""
    return module_name(cls).partition(".")[0], bare_name(cls)


def _numpy_warnings_ignored() -> AbstractContextManager[object]:
    """Ignore warnings about infinite values, which numpy would print into the running cell."""
    errstate: Any = lookup("numpy", "errstate")
    return nullcontext() if errstate is None else errstate(all="ignore")


def _lines(columns: Sequence[tuple[str, Any]], remaining: Callable[[], float]) -> Iterator[str]:
    for label, column in columns:
        if remaining() <= 0:
            yield "... (no time for the other columns)"
            return
        if is_secret_name(label, grave=True):
            continue
        summary = ", ".join(f"{word} {number}" for word, number in _summary(column))
        if summary:
            yield f"{shorten(label, 40)}: {summary}" if label else summary


def _summary(column: Any) -> list[tuple[str, str]]:
    """Return the numbers about a column with their names."""
    if _kind(type(column))[0] == "polars":
        return _polars_summary(column)
    library, name = _kind(type(column.dtype))
    if library not in _LIBRARIES:
        return []
    if _kind(type(column)) == ("numpy", "ndarray"):
        return _array_summary(column)
    missing = int(column.isna().sum())
    facts = [("missing", f"{missing:,}")] if missing else []
    if len(column) == missing:
        return facts
    if column.dtype.kind in _NUMERIC:
        values = column.dropna()
        return [*facts, *_numbers(values, values.astype("float64"), _WORDS)]
    if column.dtype.kind in "mM":
        return [*facts, ("min", str(column.min())), ("max", str(column.max()))]
    return [*facts, ("distinct", f"{int(column.nunique()):,}")] if (library, name) in _HASHABLE else facts


def _array_summary(array: Any) -> list[tuple[str, str]]:
    if array.dtype.kind not in _NUMERIC or array.dtype.itemsize > 8:  # a larger float can be infinite as a float64
        return []
    numbers = array[array == array]  # NaN differs from itself
    missing = len(array) - len(numbers)
    facts = [("missing", f"{missing:,}")] if missing else []
    return [*facts, *_numbers(numbers, numbers.astype("float64"), _WORDS[:4])] if len(numbers) else facts


def _polars_summary(column: Any) -> list[tuple[str, str]]:
    missing = int(column.null_count())
    facts = [("missing", f"{missing:,}")] if missing else []
    if column.len() == missing or str(column.dtype) == "Object":
        return facts
    if column.dtype.is_numeric():
        return [*facts, *_numbers(column, column, _WORDS)]
    if column.dtype.is_temporal():
        return [*facts, ("min", str(column.min())), ("max", str(column.max()))]
    return [*facts, ("distinct", f"{int(column.drop_nulls().n_unique()):,}")] if str(column.dtype) in ("String", "Categorical") else facts


def _numbers(values: Any, floats: Any, words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the numbers about values, which are not missing, with their names. Of integers, the smallest and the largest are exact."""
    low, high = values.min(), values.max()
    is_large = max(abs(int(low)), abs(int(high))) > MAX_EXACT if _is_integer(low) and _is_integer(high) else False
    for word in words:
        if is_large and word in ("min", "max"):
            yield word, str(int(low if word == "min" else high))
        elif not (is_large and word == "std"):  # the rounding of the values can be larger than their deviation
            yield word, _number(getattr(floats, word)())


def _is_integer(number: Any) -> bool:
    return hasattr(type(number), "__index__")


def _number(number: Any) -> str:
    """Return a number with six significant digits; an integer as it is. A single value has no deviation."""
    if number is None:
        return "none"
    value = float(number)
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"
