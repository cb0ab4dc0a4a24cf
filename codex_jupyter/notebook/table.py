"""Rows with names, as a value: shown as a table, iterated as dicts, and taken by `pandas.DataFrame` as they are."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any


class Table(list[dict[str, Any]]):
    """A list of rows, each a dict with the same keys.

    Args:
        rows: The rows; they may be empty.
        empty: What is shown in place of a table without rows.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]], *, empty: str) -> None:
        super().__init__(dict(row) for row in rows)
        self._empty = empty

    @property
    def columns(self) -> list[str]:
        """The names of the columns; none without rows."""
        return list(self[0]) if self else []

    def __repr__(self) -> str:
        if not self:
            return self._empty
        cells = [self.columns, *([str(value) for value in row.values()] for row in self)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in cells)

    def _repr_html_(self) -> str:
        if not self:
            return f"<p>{escape(self._empty)}</p>"
        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        body = "".join(f"<tr>{''.join(f'<td>{escape(str(value))}</td>' for value in row.values())}</tr>" for row in self)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
