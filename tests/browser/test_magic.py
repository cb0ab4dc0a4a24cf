"""Effects of the magic on a real page: new cells, output of a turn in the background, completion."""

from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Page, expect

from codex_jupyter.notebook.session.cut_output import NOTICE
from tests.browser.chats import run_cell
from tests.browser.conftest import KERNEL_IDLE

SETUP = """%load_ext codex_jupyter
from codex_jupyter.testing import ScriptedModel, ScriptedTurn, delay, shell
FIXED = "So it works:\\n\\n```python\\nmean = 0\\n```\\n"
model = ScriptedModel([
    ScriptedTurn([FIXED], match="failed"),
    ScriptedTurn([[shell("sleep 2; echo from the background")], "The background is done."], match="slowly"),
    ScriptedTurn([[shell("sleep 4")], "The end that the page missed."], match="long"),
    ScriptedTurn(["After the reload."], match="next"),
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


def test_a_repaired_cell_comes_below(tmp_path: Path, open_notebook: Callable[..., Page]) -> None:
    """`%codex fix` and `%codex insert` make a cell each; neither is run."""
    page = opened(tmp_path, open_notebook, "magic-fix.ipynb", "1 / 0", "%codex fix", "%codex insert")
    run_cell(page, 1)
    expect(page.locator(".jp-CodeCell").nth(1)).to_contain_text("ZeroDivisionError")
    run_cell(page, 2)
    new_cell = page.locator(".jp-CodeCell").nth(3)
    expect(new_cell.locator(".cm-content")).to_contain_text("mean = 0")
    expect(new_cell.locator(".jp-InputPrompt")).to_have_text("[ ]:")
    run_cell(page, 4)
    expect(page.locator(".jp-CodeCell").nth(5).locator(".cm-content")).to_contain_text("mean = 0")


def test_a_turn_in_the_background_stays_in_its_cell(tmp_path: Path, open_notebook: Callable[..., Page]) -> None:
    """While another cell runs and prints."""
    page = opened(tmp_path, open_notebook, "magic-background.ipynb", "job = %codex --bg work slowly", "for i in range(3): print('mine', i)")
    for number in (1, 2):
        run_cell(page, number)
    cells = page.locator(".jp-CodeCell")
    expect(cells.nth(2)).to_contain_text("mine 2")
    expect(cells.nth(1)).to_contain_text("The background is done.")
    expect(cells.nth(1)).to_contain_text("from the background")
    expect(cells.nth(2)).not_to_contain_text("background is")


def test_a_cell_continues_to_update_after_a_reload_of_its_page(tmp_path: Path, open_notebook: Callable[..., Page]) -> None:
    """JupyterLab drops what a running cell sends to a page that was reloaded. The extension shows it."""
    page = opened(tmp_path, open_notebook, "magic-reload.ipynb", "print('mine')\n%codex take long", "%codex next")
    cells = page.locator(".jp-CodeCell")
    run_cell(page, 1)
    expect(cells.nth(1)).to_contain_text("sleep 4")
    page.on("dialog", lambda dialog: dialog.accept())
    page.keyboard.press("Control+s")
    page.wait_for_function("!window.jupyterapp.shell.currentWidget.context.model.dirty")
    page.reload()
    expect(cells.nth(1)).to_contain_text("The end that the page missed.", timeout=60_000)
    expect(cells.nth(1)).not_to_contain_text("running")
    expect(cells.nth(1).locator(".jp-OutputArea-output").first).to_have_text("mine")
    expect(cells.nth(1).get_by_text("The end that the page missed.")).to_have_count(1)
    page.wait_for_function(KERNEL_IDLE, timeout=60_000)
    run_cell(page, 2)
    expect(cells.nth(2)).to_contain_text("After the reload.")
    expect(cells.nth(2)).not_to_contain_text(NOTICE)


def test_tab_completes_options_and_values(tmp_path: Path, open_notebook: Callable[..., Page]) -> None:
    """Without other guesses among them."""
    page = opened(tmp_path, open_notebook, "magic-tab.ipynb", "x = 1")
    editor = page.locator(".jp-CodeCell").nth(1).locator(".cm-content")
    expect(page.locator(".jp-CodeCell").nth(0).locator(".jp-InputPrompt")).to_have_text("[1]:")
    editor.fill("%%codex --sandbox ")
    editor.press("End")
    editor.press("Tab")
    box = page.locator(".jp-Completer")
    expect(box).to_be_visible()
    # JupyterLab itself adds words of the notebook, below.
    assert box.locator(".jp-Completer-match").all_inner_texts()[:3] == ["read-only", "workspace-write", "danger-full-access"]
