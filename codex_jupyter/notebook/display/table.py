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
    """

    rows: Sequence[Mapping[str, Any]]
    columns: Sequence[str]
    empty: str = field(default="There are no rows.", kw_only=True)

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
        lines = [list(self.columns), *([_text(row[name]) for name in self.columns] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)

    def _repr_html_(self) -> str:
        if not self.rows:
            return f"<p>{escape(self.empty)}</p>"
        # Texts are aligned at the left, numbers at the right.
        alignments = {name: "left" if all(isinstance(value, str) for value in self.column(name)) else "right" for name in self.columns}
        head = "".join(_cell("th", name, align) for name, align in alignments.items())
        body = "".join(f"<tr>{''.join(_cell('td', row[name], align) for name, align in alignments.items())}</tr>" for row in self.rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(tag: str, value: Any, align: str) -> str:
    return f'<{tag} style="text-align: {align}">{escape(_text(value))}</{tag}>'


def _text(value: Any) -> str:
    return "" if value is None else str(value)
