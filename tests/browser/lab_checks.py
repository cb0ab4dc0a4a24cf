"""Actions of a user in JupyterLab and in Notebook 7, with what they must show."""

import re
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Locator, Page, expect

from tests.browser.chats import run_cell

MODEL = """from codex_jupyter.testing import ScriptedModel, ScriptedTurn, shell
FENCE = "`" * 3
model = ScriptedModel([
    ScriptedTurn(["It divides by zero."], match="Explain"),
    ScriptedTurn([f"Divide by one.\\n\\n{FENCE}python\\n1/1\\n{FENCE}"], match="failed"),
    ScriptedTurn([shell("echo 1 > made.txt; echo 2 > kept.txt"), f"Done.\\n{FENCE}python\\n1 + 1\\n{FENCE}"], match="write two files"),
    ScriptedTurn(["It is a line."]),
]).start()
'codex_jupyter' in get_ipython().extension_manager.loaded"""
USE = """%codex use model
%config CodexMagics.sandbox = 'danger-full-access'"""
PLOT = """from PIL import Image
Image.new("RGB", (40, 30), "green")"""
PROMPT = "%%codex\nis it for all of us, and not in vain?"
WRITES = "%%codex\nwrite two files"
HELPER = "def half(x): return x / 0"
FIXES = (
    """from codex_jupyter.testing import ScriptedModel, ScriptedTurn
FENCE = "`" * 3
def fix(number, match):
    return ScriptedTurn([f"Look.\\n{FENCE}python\\n# cell helper\\ndef half(x): return x / {number}\\n{FENCE}"], match=match)
model = ScriptedModel([fix("2", "run again with your last fix"), fix("(1 - 1)", "failed")]).start()""",
    "%load_ext codex_jupyter\n%codex use model\n%config CodexMagics.preset = 'full'",
    HELPER,
    "runs = 1 + globals().get('runs', 0)",
    "(half(2), runs)",
)
"""Cells of which the last one fails because of an earlier one: the first fix fails, and the second one works."""


def write(path: Path, *sources: str, kernel: str = "python3") -> Path:
    cells = [new_code_cell(source, **({"id": "helper"} if source == HELPER else {})) for source in sources]
    metadata = {"kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}}
    nbformat.write(new_notebook(cells=cells, metadata=metadata), path)
    return path


def toolbar_button(page: Page) -> Locator:
    return page.locator(".jp-NotebookPanel-toolbar").get_by_role("button", name="Open Codex")


def panel_of(page: Page) -> Locator:
    return page.get_by_role("region", name="Codex", exact=True)


def source(cell: Locator) -> Locator:
    return cell.locator(".cm-content")


def code_cell(page: Page, number: int) -> Locator:
    return page.locator(".jp-CodeCell").nth(number)


def buttons_of(cell: Locator) -> Locator:
    """Return the group of buttons below the outputs of a cell."""
    return cell.get_by_role("group", name="Codex", exact=True)


def use_codex_first(page: Page) -> Locator:
    """Open the panel for the first time, give the consent, and return the panel."""
    toolbar_button(page).click(timeout=60_000)
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("codex_jupyter is loaded into the kernel")
    dialog.get_by_role("button", name="Use Codex").click(timeout=60_000)
    expect(panel_of(page).get_by_label("Message to Codex")).to_be_visible(timeout=60_000)
    return panel_of(page)


def check_prose(page: Page, number: int) -> None:
    """A prompt is prose: it has no colours of Python. Its options are completed."""
    prompt = code_cell(page, number)
    expect(prompt).to_have_class(re.compile(r"\bcodex-lab-prompt\b"))
    expect(prompt.locator(".cm-line span")).to_have_count(0)
    source(prompt).fill("%%codex --sandbox ")
    source(prompt).press("End")
    source(prompt).press("Tab")
    expect(page.locator(".jp-Completer")).to_be_visible()
    # The front end itself adds words of the notebook, below.
    offered = page.locator(".jp-Completer-match").all_inner_texts()[:3]
    assert offered == ["read-only", "workspace-write", "danger-full-access"]
    page.keyboard.press("Escape")


def check_explain_and_plot(page: Page, error: int, plot: int) -> None:
    """The buttons below an error and a plot, and the same in the context menu of an output."""
    panel, actions = panel_of(page), buttons_of(code_cell(page, error))
    expect(actions.get_by_role("button")).to_have_text(["Fix with Codex", "Explain"], timeout=60_000)
    actions.get_by_role("button", name="Explain").click()
    expect(panel).to_contain_text("It divides by zero.", timeout=60_000)
    code_cell(page, plot).get_by_role("button", name="Ask about this plot").click()
    box = page.get_by_label("Ask Codex about this plot")
    box.fill("What is this?")
    box.press("Enter")
    expect(panel).to_contain_text("It is a line.", timeout=60_000)
    code_cell(page, error).locator(".jp-OutputArea-output").first.click(button="right")
    expect(page.locator(".lm-Menu").get_by_text("Fix with Codex")).to_be_visible()
    page.keyboard.press("Escape")


def check_fix(page: Page, number: int) -> None:
    """A fix is a difference in the cell. *Keep and run* makes it and runs the cell; the undo of the notebook takes it back."""
    cell, review = code_cell(page, number), review_of(page)
    review.get_by_role("button", name="Keep and run").click()
    expect(cell.locator(".jp-OutputArea-output")).to_have_text("1.0")
    expect(review).to_have_count(0)
    assert page.evaluate("document.activeElement.closest('.jp-Cell') !== null")
    page.evaluate("window.jupyterapp.commands.execute('notebook:undo-cell-action')")
    expect(source(cell)).to_have_text("1/0")


def check_reruns(page: Page, first: int) -> None:
    """With full access, nothing is asked: a fix of an earlier cell is made, and the cells from there run, until the last one works."""
    helper, last = code_cell(page, first + 2), code_cell(page, first + len(FIXES) - 1)
    run_cells(page, *range(first, first + len(FIXES)))
    last.get_by_role("button", name="Fix with Codex").click(timeout=60_000)
    expect(last.locator(".jp-OutputArea-output")).to_have_text("(1.0, 3)", timeout=60_000)
    expect(source(helper)).to_have_text("def half(x): return x / 2")
    expect(review_of(page)).to_have_count(1)
    expect(helper.locator(".codex-lab-added")).to_have_text("+def half(x): return x / 2")


def ask_for_fix(page: Page, number: int) -> Locator:
    """Ask for the fix of a cell with `1/0`, and return the change that the cell shows."""
    code_cell(page, number).get_by_role("button", name="Fix with Codex").click(timeout=30_000)
    expect(review_of(page).locator(".codex-lab-line")).to_have_text(["-1/0", "+1/1"], timeout=60_000)
    expect(source(code_cell(page, number))).to_have_text("1/0")
    return review_of(page)


def review_of(page: Page) -> Locator:
    return page.get_by_role("group", name="Change by Codex")


def check_turn(page: Page, number: int, folder: Path) -> None:
    """Run `WRITES`. The buttons below the turn: open all, insert, ask further, and undo and redo with a choice of files."""
    cell, panel, new, kept = code_cell(page, number), panel_of(page), folder / "made.txt", folder / "kept.txt"
    for file in (new, kept):
        file.unlink(missing_ok=True)
    run_cell(page, number)
    actions = buttons_of(cell)
    expect(actions.get_by_role("button")).to_have_text(["Open all", "Copy answer", "Insert code", "Ask further", "Undo…"], timeout=30_000)
    work = cell.locator(".jp-OutputArea details").first
    expect(work).not_to_have_attribute("open", "")
    actions.get_by_role("button", name="Open all").click()
    expect(work).to_have_attribute("open", "")
    expect(panel).to_contain_text("Done.", timeout=30_000)
    actions.get_by_role("button", name="Undo…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Undo the last turn: 2 files, 1 turn.", timeout=30_000)
    expect(dialog).to_contain_text("Variables of the kernel stay as they are.")
    dialog.get_by_label("kept.txt").uncheck()
    dialog.get_by_role("button", name="Undo").click()
    expect(cell.locator(".jp-OutputArea")).to_contain_text("undone", timeout=30_000)
    assert (new.exists(), kept.exists()) == (False, True)
    # The chat shows the same turn, and takes the undo back.
    panel.get_by_role("button", name="Redo what was undone: turn 1").click()
    preview = panel.get_by_role("group", name="Redo")
    expect(preview).to_contain_text("delete" if new.exists() else "bring back")
    preview.get_by_role("button", name="Redo this now").click()
    expect(actions.get_by_role("button", name="Undo…")).to_be_visible(timeout=30_000)
    assert (new.exists(), kept.exists()) == (True, True)
    actions.get_by_role("button", name="Insert code").click()
    expect(source(code_cell(page, number + 1))).to_have_text("1 + 1")
    actions.get_by_role("button", name="Ask further").click()
    expect(source(code_cell(page, number + 1))).to_have_text("%%codex")


def check_shortcuts(page: Page) -> None:
    """The shortcuts and the palette, in a notebook whose first cell has no error."""
    source(code_cell(page, 0)).click()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+Alt+k")
    expect(page.get_by_role("textbox", name="Ask Codex")).to_be_focused(timeout=30_000)
    page.keyboard.press("Escape")
    code_cell(page, 0).locator(".jp-InputPrompt").click()
    page.keyboard.press("Control+Alt+c")
    expect(panel_of(page).get_by_label("Message to Codex")).to_be_focused(timeout=60_000)
    page.evaluate("() => jupyterapp.commands.execute('apputils:activate-command-palette').then(() => null)")
    entries = page.locator(".lm-CommandPalette-item[data-command^='codex:']")
    expect(entries.filter(has_text="Open Codex")).to_have_count(1)
    expect(entries.filter(has_text="Rewrite This Cell with Codex")).to_have_count(1)
    expect(entries.filter(has_text="Fix with Codex")).to_have_count(0)  # the cell has no error
    page.keyboard.press("Escape")


def run_cells(page: Page, *numbers: int) -> None:
    for number in numbers:
        run_cell(page, number)
