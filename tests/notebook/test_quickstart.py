"""The quickstart, cell by cell, in a real kernel: what a new user gets."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat

from tests.notebook.conftest import Execution, Kernel

QUICKSTART = Path(__file__).parents[2] / "notebooks" / "quickstart.ipynb"


def test_the_quickstart_shows_a_real_turn_as_it_happens(new_kernel: Callable[[], Kernel]) -> None:
    """Real output of a real command, the changed file, the answer; each shown before the turn is over; and a second turn of the thread."""
    kernel = new_kernel()
    arrivals: list[str] = []

    def note(message: dict[str, Any]) -> None:
        text = message["content"].get("data", {}).get("text/plain", "")
        arrivals.extend(mark for mark in ("$ ls", "+ added summary.py", "days: 7", "I wrote `summary.py`", "✓ completed") if mark in text)

    cells = [cell.source for cell in nbformat.read(QUICKSTART, 4).cells if cell.cell_type == "code"]
    turns: list[Execution] = []
    for source in cells:
        done = kernel.execute(source, note if "mean of the measurements" in source else None)
        assert done.error is None, f"{source}\n{done.error}"
        if source.startswith("%%codex"):
            turns.append(done)

    first, second = turns
    assert "days: 7\n    mean: 6.0" in first.text
    assert "+ added summary.py" in first.text
    assert "| **mean** | **6.0** |" in first.text
    assert "a script, not a model" in first.text
    assert list(dict.fromkeys(arrivals)) == ["$ ls", "+ added summary.py", "days: 7", "I wrote `summary.py`", "✓ completed"]
    assert "median: 6.0" in second.text
    thread = first.text.partition("thread ")[2].split()[0]
    assert f"thread {thread}" in second.text
    assert "median" in kernel.execute("print((folder / 'summary.py').read_text())").text
