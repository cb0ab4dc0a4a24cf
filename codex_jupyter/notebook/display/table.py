"""A table as the value of a cell."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any


@dataclass(frozen=True, slots=True, repr=False)
class Table:
    """Rows with named columns. Notebooks show it as a table, and `pandas.DataFrame` accepts it.

    Attributes:
        rows: The rows. Each has all columns.
        columns: The names of the columns, in order.
        empty: Text that is shown instead of a table without rows.
        total: The last line, such as sums. It is not one of the rows.
    """

    rows: Sequence[Mapping[str, Any]]
    columns: Sequence[str]
    empty: str = field(default="There are no rows.", kw_only=True)
    total: Mapping[str, Any] | None = field(default=None, kw_only=True)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return iter(self.rows)

    def column(self, name: str) -> list[Any]:
        """Return the values of a column.

        Args:
            name: The name of the column.

        Raises:
            KeyError: If there is no such column.
        """
        if name not in self.columns:
            raise KeyError(f"There is no column {name!r}. The columns are {', '.join(self.columns)}.")
        return [row[name] for row in self.rows]

    def __repr__(self) -> str:
        if not self.rows:
            return self.empty
        rows = [*self.rows, *([self.total] if self.total is not None else [])]
        lines = [list(self.columns), *([_text(row.get(name)) for name in self.columns] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)

    def _repr_html_(self) -> str:
        if not self.rows:
            return f"<p>{escape(self.empty)}</p>"
        # Texts are aligned at the left, numbers at the right.
        alignments = {name: "left" if all(isinstance(value, str) for value in self.column(name)) else "right" for name in self.columns}
        head = "".join(_cell("th", name, align) for name, align in alignments.items())
        body = "".join(f"<tr>{''.join(_cell('td', row[name], align) for name, align in alignments.items())}</tr>" for row in self.rows)
        total = "" if self.total is None else "".join(_cell("td", self.total.get(name), align) for name, align in alignments.items())
        foot = f'<tfoot><tr style="font-weight: bold">{total}</tr></tfoot>' if total else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody>{foot}</table>"


def _cell(tag: str, value: Any, align: str) -> str:
    return f'<{tag} style="text-align: {align}">{escape(_text(value))}</{tag}>'


def _text(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "" if value is None else str(value)
