"""The quickstart in real JupyterLab, as a new user runs it."""

import os
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page, expect

from tests.quickstart import QUICKSTART


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """The quickstart without its outputs."""
    notebook = nbformat.read(QUICKSTART, 4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    path = tmp_path / "quickstart.ipynb"
    nbformat.write(notebook, path)
    return path


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_running_all_cells_shows_the_agents_work(bare: Path, open_notebook: Callable[..., Page], theme: str) -> None:
    """The command's real output, the changed file and the answer are on the page, and no cell failed."""
    page = open_notebook(bare, f"quickstart-{theme}.ipynb", dark=theme == "dark")
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    outputs = page.locator(".jp-OutputArea-output")
    expect(outputs.filter(has_text="in the kernel").locator("img").first).to_be_visible(timeout=60_000)
    expect(outputs.filter(has_text="python3 summary.py").first).to_be_visible(timeout=60_000)
    expect(outputs.filter(has_text="days: 7").first).to_be_visible(timeout=60_000)
    expect(outputs.filter(has_text="highest (day 6)").first).to_be_visible(timeout=60_000)
    expect(outputs.filter(has_text="agent_message").first).to_be_visible(timeout=60_000)
    expect(page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']")).to_have_count(0)
    if folder := os.environ.get("SCREENSHOTS"):
        cell = page.locator(".jp-CodeCell").filter(has_text="What is the mean")
        cell.scroll_into_view_if_needed()
        cell.screenshot(path=Path(folder) / f"quickstart-{theme}.png")
