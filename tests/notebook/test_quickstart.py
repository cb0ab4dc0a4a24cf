"""The quickstart, cell by cell, in a real kernel: what a new user gets."""

from collections.abc import Callable
from typing import Any

import nbformat

from tests.notebook.conftest import Execution, Kernel
from tests.quickstart import QUICKSTART, SETUP, SUGGESTED


def test_the_quickstart_shows_a_real_turn_as_it_happens(new_kernel: Callable[[], Kernel]) -> None:
    """A plot of the user's data frame; real output of a real command, the changed file, the answer; each shown before the turn is over."""
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

    look, first, second = turns
    assert "kernel run" in look.text
    assert "ran 6 lines in the kernel" in look.text
    assert look.html.count("data:image/png;base64,") == 1
    assert "`measurements` has seven days" in look.text
    assert "days: 7\n    mean: 6.0" in first.text
    assert "+ added summary.py" in first.text
    assert "| **mean** | **6.0** |" in first.text
    assert "scripted demo" in first.text
    assert list(dict.fromkeys(arrivals)) == ["$ ls", "+ added summary.py", "days: 7", "I wrote `summary.py`", "✓ completed"]
    assert "median: 6.0" in second.text
    assert "thread" not in first.text + second.text  # both are in the notebook's own thread
    assert "median" in kernel.execute("print((folder / 'summary.py').read_text())").text


def test_the_script_of_the_quickstart_repairs_the_cell_that_the_notebook_suggests(new_kernel: Callable[[], Kernel]) -> None:
    kernel = new_kernel()
    for source in (*SETUP, SUGGESTED):
        done = kernel.execute(source)
        assert (done.error is None) == (source != SUGGESTED), f"{source}\n{done.error}"
    reply = kernel.client.execute("%codex fix", reply=True, timeout=30)
    (fixed,) = [payload["text"] for payload in reply["content"]["payload"] if payload["source"] == "set_next_input"]
    assert kernel.execute(fixed).text.strip().endswith("6.0")
