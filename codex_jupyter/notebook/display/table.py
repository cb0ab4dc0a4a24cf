"""Rows with names, as a value: shown as a table, iterated as dicts, and taken by `pandas.DataFrame` as they are."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, SupportsIndex, overload


class Table(list[dict[str, Any]]):
    """A list of rows, each a dict with the same keys; as with a data frame, `table["name"]` is a column.

    Args:
        rows: The rows; they may be empty.
        columns: The names of the columns.
        empty: What is shown in place of a table without rows.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, empty: str) -> None:
        super().__init__(dict(row) for row in rows)
        self.columns: list[str] = list(columns)
        """The names of the columns."""
        self._empty = empty

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows and columns it has."""
        return len(self), len(self.columns)

    @overload
    def __getitem__(self, key: str) -> list[Any]: ...
    @overload
    def __getitem__(self, key: SupportsIndex) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, key: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, key: Any) -> Any:
        """A row by its place, rows by a slice, or the values of a column by its name."""
        if not isinstance(key, str):
            return super().__getitem__(key)
        if key not in self.columns:
            raise KeyError(f"There is no column {key!r}; there are {', '.join(self.columns)}.")
        return [row[key] for row in self]

    def __repr__(self) -> str:
        if not self:
            return self._empty
        cells = [self.columns, *(["" if value is None else str(value) for value in row.values()] for row in self)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in cells)

    def _repr_html_(self) -> str:
        if not self:
            return f"<p>{escape(self._empty)}</p>"
        texts = {name: all(isinstance(value, str) for value in self[name]) for name in self.columns}
        head = "".join(_cell("th", name, text=text) for name, text in texts.items())
        body = "".join(f"<tr>{''.join(_cell('td', value, text=texts[name]) for name, value in row.items())}</tr>" for row in self)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(tag: str, value: Any, *, text: bool) -> str:
    """A cell of the table: texts to the left, numbers to the right."""
    return f'<{tag} style="text-align: {"left" if text else "right"}">{escape("" if value is None else str(value))}</{tag}>'
