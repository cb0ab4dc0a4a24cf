"""Cells of the page as text for the agent."""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from codex_jupyter._shortening import shorten_middle
from codex_jupyter.sdk.redaction import mask

MAX_SOURCE: Final = 20_000
"""Characters of the source of a cell that is read alone. The agent cannot replace a longer cell, because it does not see all of it."""
MAX_LISTED: Final = 60_000
"""Characters of all cells together. Of longer notebooks, sources and outputs are shortened."""
MIN_SOURCE: Final = 200
MAX_OUTPUT: Final = 8_000
SHORT_OUTPUT: Final = 500
"""Characters of an output in the list of all cells."""
GAP: Final = "\n[...]\n"


def fingerprint(source: str) -> str:
    """Return the fingerprint of a source."""
    return hashlib.sha256(source.encode()).hexdigest()[:8]


def masked(source: str) -> str:
    """Return a source without secrets."""
    return mask(source, code=True)


def is_shown_whole(source: str) -> bool:
    """Return True if the agent sees a source as it is when it reads the cell alone."""
    return len(source) <= MAX_SOURCE and masked(source) == source


def describe(cell: dict[str, Any], max_source: int | None = None) -> str:
    """Return a cell as text.

    Args:
        cell: The cell, as the page sends it.
        max_source: Characters of a source that is listed with others. None is a cell that is read alone.
    """
    source, number, alone = str(cell["source"]), cell.get("number"), max_source is None
    most = MAX_SOURCE if max_source is None else max_source
    facts = [f"Cell {cell['position']} of {cell['total']}", f"id {cell['id']}", str(cell["type"])]
    facts += [f"In[{number}]"] if isinstance(number, int) else []
    facts += [name for name, given in (("running", cell.get("running")), ("the cell of this turn", cell.get("home"))) if given]
    facts += [f"you proposed: {cell['pending']}"] if cell.get("pending") else []
    facts += [f"fingerprint {fingerprint(source)}"] if alone or len(source) <= most else ["shortened, so read it alone"]
    lines = [" · ".join(facts), shorten_middle(masked(source), most, GAP)]
    if output := str(cell.get("output", "")).strip():
        lines += ["Output:", shorten_middle(mask(output), MAX_OUTPUT if alone else min(SHORT_OUTPUT, most), GAP)]
    return "\n".join(lines)


def describe_all(cells: Sequence[dict[str, Any]]) -> tuple[str, int]:
    """Return all cells as text, and the number of characters above which a source was shortened."""
    size = sum(len(str(cell["source"])) + min(len(str(cell.get("output", ""))), SHORT_OUTPUT) for cell in cells)
    most = MAX_SOURCE if size <= MAX_LISTED else max(MIN_SOURCE, MAX_LISTED // len(cells) - SHORT_OUTPUT)
    return "\n\n".join(describe(cell, most) for cell in cells), most
