"""Effects of the magic on a real page: new cells, output of a turn in the background, completion."""

from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Page, expect

SETUP = """%load_ext codex_jupyter
from codex_jupyter.testing import ScriptedModel, ScriptedTurn, delay, shell
FIXED = "So it works:\\n\\n```python\\nmean = 0\\n```\\n"
model = ScriptedModel([
    ScriptedTurn([FIXED], match="failed"),
    ScriptedTurn([[shell("sleep 2; echo from the background")], "The background is done."], match="slowly"),
]).start()
%codex use model
%config CodexMagics.sandbox = 'danger-full-access'
"""


def opened(tmp_path: Path, open_notebook: Callable[..., Page], name: str, *sources: str) -> Page:
    notebook = new_notebook(
        cells=[new_code_cell(source) for source in (SETUP, *sources)],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, tmp_path / name)
    page = open_notebook(tmp_path / name, name)
    run_cell(page, 0)
    return page


def run_cell(page: Page, number: int) -> None:
    cell = page.locator(".jp-CodeCell").nth(number)
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+Enter")


def test_a_repaired_cell_comes_below(tmp_path: Path, open_notebook: Callable[..., Page]) -> None:
    """`%codex fix` and `%codex insert` make a cell each; neither is run."""
    page = opened(tmp_path, open_notebook, "magic-fix.ipynb", "1 / 0", "%codex fix", "%codex insert")
    run_cell(page, 1)
    expect(page.locator(".jp-CodeCell").nth(1)).to_contain_text("ZeroDivisionError", timeout=30_000)
    run_cell(page, 2)
    new_cell = page.locator(".jp-CodeCell").nth(3)
    expect(new_cell.locator(".cm-content")).to_contain_text("mean = 0", timeout=30_000)
    expect(new_cell.locator(".jp-InputPrompt")).to_have_text("[ ]:")
    run_cell(page, 4)
    expect(page.locator(".jp-CodeCell").nth(5).locator(".cm-content")).to_contain_text("mean = 0", timeout=30_000)


def test_a_turn_in_the_background_stays_in_its_cell(tmp_path: Path, open_notebook: Callable[..., Page]) -> None:
    """While another cell runs and prints."""
    page = opened(tmp_path, open_notebook, "magic-background.ipynb", "job = %codex --bg work slowly", "for i in range(3): print('mine', i)")
    for number in (1, 2):
        run_cell(page, number)
    cells = page.locator(".jp-CodeCell")
    expect(cells.nth(2)).to_contain_text("mine 2", timeout=30_000)
    expect(cells.nth(1)).to_contain_text("The background is done.", timeout=30_000)
    expect(cells.nth(1)).to_contain_text("from the background")
    expect(cells.nth(2)).not_to_contain_text("background is")


def test_tab_completes_options_and_values(tmp_path: Path, open_notebook: Callable[..., Page]) -> None:
    """Without other guesses among them."""
    page = opened(tmp_path, open_notebook, "magic-tab.ipynb", "x = 1")
    editor = page.locator(".jp-CodeCell").nth(1).locator(".cm-content")
    expect(page.locator(".jp-CodeCell").nth(0).locator(".jp-InputPrompt")).to_have_text("[1]:", timeout=30_000)
    editor.fill("%%codex --sandbox ")
    editor.press("End")
    editor.press("Tab")
    box = page.locator(".jp-Completer")
    expect(box).to_be_visible(timeout=20_000)
    # JupyterLab itself adds words of the notebook, below.
    assert box.locator(".jp-Completer-match").all_inner_texts()[:3] == ["read-only", "workspace-write", "danger-full-access"]
