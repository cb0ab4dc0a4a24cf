"""Render answers that are JSON, such as those of `--schema`: small objects and lists of them as a table, others indented."""

import json
from typing import Any, Final

from codex_jupyter.notebook.render import colors, phrases
from codex_jupyter.notebook.render.html_parts import block
from codex_jupyter.notebook.render.sanitizer import escape

MAX_READ: Final = 100_000
"""Maximum characters of an answer that is read as JSON."""
MAX_ROWS: Final = 50
MAX_COLUMNS: Final = 8
MAX_CELL: Final = 200
"""Maximum characters of a cell of a table."""
_CELL: Final = f"padding:3px 10px;border:1px solid {colors.LINE};vertical-align:top;text-align:left"


def json_html(text: str) -> str | None:
    """Return the HTML of an answer that is a JSON object or list. None for any other text. The result must be sanitized."""
    if not text.lstrip().startswith(("{", "[")) or len(text) > MAX_READ:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, dict) and len(value) == 1:
        # A schema must be an object, so a list of rows stands in one.
        (name, rows), *_ = value.items()
        if isinstance(rows, list) and (table := _rows(rows)) is not None:
            return f'<div style="font-size:.9em;font-weight:600;margin-top:.6em">{escape(name)}</div>{table}'
    if isinstance(value, dict) and _is_small([value]):
        return _table([[_head(name), _cell(value[name])] for name in value])
    table = _rows(value) if isinstance(value, list) else None
    return table or block(escape(phrases.pretty(value)), wrap=False)


def _rows(rows: list[Any]) -> str | None:
    """Return a list as a table, if it contains small objects with the same keys. None otherwise."""
    if not rows or not all(isinstance(row, dict) and row.keys() == rows[0].keys() for row in rows) or not _is_small(rows):
        return None
    names = list(rows[0])
    return _table([[_head(name) for name in names], *([_cell(row[name]) for name in names] for row in rows)])


def _is_small(rows: list[dict[str, Any]]) -> bool:
    """Return True if rows fit into a table: few, with short values that are not lists or objects."""
    columns = MAX_COLUMNS if len(rows) > 1 else MAX_ROWS
    if not 0 < len(rows[0]) <= columns or len(rows) > MAX_ROWS:
        return False
    return all(not isinstance(value, dict | list) and len(str(value)) <= MAX_CELL for row in rows for value in row.values())


def _table(rows: list[list[str]]) -> str:
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f'<table style="border-collapse:collapse;margin:.6em 0;font-size:.95em"><tbody>{body}</tbody></table>'


def _head(name: str) -> str:
    return f'<th style="{_CELL};background:{colors.SURFACE};font-weight:600">{escape(name) or "&nbsp;"}</th>'


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f'<td style="{_CELL};white-space:{"pre-wrap" if isinstance(value, str) else "nowrap"}">{escape(text)}</td>'
