"""The extension in JupyterLab and Notebook 7: where it appears, the consent, and the panel."""

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
import pytest
import tomli_w
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Locator, Page, expect

from codex_jupyter.testing import ScriptedModel
from tests.browser.accessibility import violations
from tests.browser.chats import run_cell
from tests.browser.conftest import KERNEL_IDLE, TOKEN, Lab

MODEL = """from codex_jupyter.testing import ScriptedModel, ScriptedTurn
FENCE = "`" * 3
model = ScriptedModel([
    ScriptedTurn(["It divides by zero."], match="Explain"),
    ScriptedTurn([f"Divide by one.\\n\\n{FENCE}python\\n1/1\\n{FENCE}"], match="failed"),
    ScriptedTurn(["It is a line."]),
]).start()
'codex_jupyter' in get_ipython().extension_manager.loaded"""
USE = """%codex use model
%config CodexMagics.sandbox = 'danger-full-access'"""
PLOT = """from PIL import Image
Image.new("RGB", (40, 30), "green")"""
PROMPT = "%%codex\nis it for all of us, and not in vain?"
WITHOUT = "import sys; sys.modules['codex_jupyter'] = None; from ipykernel.kernelapp import main; main()"
"""Starts a kernel in which the package cannot be imported."""


def write(path: Path, *sources: str, kernel: str = "python3") -> Path:
    cells = [new_code_cell(source) for source in sources]
    metadata = {"kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}}
    nbformat.write(new_notebook(cells=cells, metadata=metadata), path)
    return path


def toolbar_button(page: Page) -> Locator:
    return page.locator(".jp-NotebookPanel-toolbar").get_by_role("button", name="Open Codex")


@pytest.fixture
def without_consent(lab: Lab) -> None:
    """The user has not used Codex in JupyterLab yet."""
    shutil.rmtree(lab.root.parent / "settings" / "codex-jupyter", ignore_errors=True)


@pytest.mark.usefixtures("without_consent")
def test_the_first_use_asks_once_loads_the_extension_and_shows_the_chat(
    tmp_path: Path, lab: Lab, open_notebook: Callable[..., Page]
) -> None:
    page = open_notebook(write(tmp_path / "face.ipynb", MODEL, USE, PLOT, "1/0", PROMPT), "face.ipynb")
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    run_cell(page, 0)
    # Nothing is loaded into a kernel in which Codex is not used.
    expect(page.locator(".jp-CodeCell").nth(0).locator(".jp-OutputArea-output")).to_have_text("False")
    toolbar_button(page).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("codex_jupyter is loaded into the kernel")
    dialog.get_by_role("button", name="Use Codex").click()
    panel = page.get_by_role("region", name="Codex", exact=True)
    expect(panel.get_by_label("Message to Codex")).to_be_visible()
    stored = lab.root.parent / "settings" / "codex-jupyter" / "plugin.jupyterlab-settings"
    assert re.search(r'"load_into_kernels": true', stored.read_text())
    # A prompt is prose: it has no colours of Python.
    expect(page.locator(".codex-lab-prompt")).to_have_count(1)
    expect(page.locator(".codex-lab-prompt .cm-line span")).to_have_count(0)
    for number in (1, 2, 3):
        run_cell(page, number)
    actions = page.get_by_role("group", name="Codex", exact=True)
    expect(actions).to_have_count(2)
    expect(actions.nth(1).get_by_role("button")).to_have_text(["Fix with Codex", "Explain"])
    actions.nth(1).get_by_role("button", name="Explain").click()
    expect(panel).to_contain_text("It divides by zero.")
    actions.nth(0).get_by_role("button", name="Ask about this plot").click()
    box = page.get_by_label("Ask Codex about this plot")
    box.fill("What is this?")
    box.press("Enter")
    expect(panel).to_contain_text("It is a line.")
    page.locator(".jp-CodeCell").nth(3).locator(".jp-OutputArea-output").first.click(button="right")
    expect(page.locator(".lm-Menu").get_by_text("Fix with Codex")).to_be_visible()
    page.keyboard.press("Escape")
    # The chat of the same kernel returns after a reload, without a question.
    page.reload()
    toolbar_button(page).click(timeout=60_000)
    expect(panel).to_contain_text("It is a line.", timeout=60_000)
    assert errors == []


@pytest.fixture
def consent(lab: Lab) -> Iterator[None]:
    """The user has allowed to load the extension into kernels."""
    file = lab.root.parent / "settings" / "codex-jupyter" / "plugin.jupyterlab-settings"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('{"load_into_kernels": true}')
    yield
    file.write_text('{"load_into_kernels": true}')  # the test may have changed settings


def source(cell: Locator) -> Locator:
    return cell.locator(".cm-content")


@pytest.mark.usefixtures("consent")
def test_a_fix_is_a_change_of_the_cell_that_the_user_keeps_or_undoes(tmp_path: Path, open_notebook: Callable[..., Page]) -> None:
    page = open_notebook(write(tmp_path / "fix.ipynb", MODEL, USE, "1/0"), "fix.ipynb")
    cell, review = page.locator(".jp-CodeCell").nth(2), page.get_by_role("group", name="Change by Codex")
    for number in (0, 1, 2):
        run_cell(page, number)
    cell.get_by_role("button", name="Fix with Codex").click(timeout=30_000)
    expect(review.locator(".codex-lab-line")).to_have_text(["-1/0", "+1/1"])
    expect(source(cell)).to_have_text("1/0")
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        page.evaluate("theme => jupyterapp.commands.execute('apputils:change-theme', { theme })", theme)
        page.wait_for_function("theme => document.body.dataset.jpThemeName === theme", arg=theme)
        for part in (".codex-lab-review", ".codex-lab-panel", ".codex-lab-output-actions"):
            assert violations(page, part, without=("region",)) == []
    review.get_by_role("button", name="Keep and run").click()
    expect(cell.locator(".jp-OutputArea-output")).to_have_text("1.0")
    expect(review).to_have_count(0)
    page.evaluate("window.jupyterapp.commands.execute('notebook:undo-cell-action')")
    expect(source(cell)).to_have_text("1/0")


FIXES = """from codex_jupyter.testing import ScriptedModel, ScriptedTurn
FENCE = "`" * 3
def fix(number, match):
    return ScriptedTurn([f"Look.\\n{FENCE}python\\n# cell helper\\ndef half(x): return x / {number}\\n{FENCE}"], match=match)
model = ScriptedModel([fix("2", "run again with your last fix"), fix("(1 - 1)", "failed")]).start()"""


@pytest.mark.usefixtures("consent")
def test_a_fix_of_an_earlier_cell_runs_the_cells_from_there_until_they_work(tmp_path: Path, open_notebook: Callable[..., Page]) -> None:
    """With full access, nothing is asked: the first fix fails, and the second one works."""
    load = "%load_ext codex_jupyter\n%codex use model\n%config CodexMagics.preset = 'full'"
    path = write(
        tmp_path / "earlier.ipynb", FIXES, load, "def half(x): return x / 0", "runs = 1 + globals().get('runs', 0)", "(half(2), runs)"
    )
    content = nbformat.read(path, as_version=4)
    content.cells[2].id = "helper"
    nbformat.write(content, path)
    page = open_notebook(path, "earlier.ipynb")
    cells, review = page.locator(".jp-CodeCell"), page.get_by_role("group", name="Change by Codex")
    for number in range(5):
        run_cell(page, number)
    cells.nth(4).get_by_role("button", name="Fix with Codex").click(timeout=30_000)
    expect(cells.nth(4).locator(".jp-OutputArea-output")).to_have_text("(1.0, 3)", timeout=60_000)
    expect(source(cells.nth(2))).to_have_text("def half(x): return x / 2")
    expect(review).to_have_count(1)
    expect(cells.nth(2).locator(".codex-lab-added")).to_have_text("+def half(x): return x / 2")


TURNS = """from codex_jupyter.testing import ScriptedModel, shell
FENCE = "`" * 3
model = ScriptedModel([[shell("echo 1 > made.txt; echo 2 > kept.txt"), f"Done.\\n{FENCE}python\\n1 + 1\\n{FENCE}"], "Next."]).start()"""


@pytest.mark.usefixtures("consent")
def test_a_turn_has_buttons_and_is_undone_and_redone_with_a_choice_of_files(
    tmp_path: Path, lab: Lab, open_notebook: Callable[..., Page]
) -> None:
    prompt = "%%codex\nwrite two files"
    page = open_notebook(write(tmp_path / "turns.ipynb", TURNS, f"%load_ext codex_jupyter\n{USE}", prompt), "turns.ipynb")
    cell, new, kept = page.locator(".jp-CodeCell").nth(2), lab.root / "made.txt", lab.root / "kept.txt"
    for number in (0, 1, 2):
        run_cell(page, number)
    actions = cell.get_by_role("group", name="Codex", exact=True)
    expect(actions.get_by_role("button")).to_have_text(["Open all", "Copy answer", "Insert code", "Ask further", "Undo…"], timeout=30_000)
    work = cell.locator(".jp-OutputArea details").first
    expect(work).not_to_have_attribute("open", "")
    actions.get_by_role("button", name="Open all").click()
    expect(work).to_have_attribute("open", "")
    toolbar_button(page).click()
    panel = page.get_by_role("region", name="Codex", exact=True)
    expect(panel).to_contain_text("Done.", timeout=30_000)
    actions.get_by_role("button", name="Undo…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Undo the last turn: 2 files, 0 cells, 1 turn.", timeout=30_000)
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
    expect(source(page.locator(".jp-CodeCell").nth(3))).to_have_text("1 + 1")
    actions.get_by_role("button", name="Ask further").click()
    expect(source(page.locator(".jp-CodeCell").nth(3))).to_have_text("%%codex")


@pytest.mark.usefixtures("consent")
def test_a_turn_of_an_earlier_kernel_is_marked_as_undone_and_redone(tmp_path: Path, open_notebook: Callable[..., Page]) -> None:
    """Its outputs stay. The kernel itself cannot update them."""
    with ScriptedModel(["It is kept."], codex_home=tmp_path / "home") as model:
        (tmp_path / "home" / "config.toml").write_text(tomli_w.dumps(model.config))
        own = model.env({}) | {"XDG_STATE_HOME": str(tmp_path / "state")}
        setup = f"import os\nos.environ.update({own!r})\n%load_ext codex_jupyter"
        page = open_notebook(write(tmp_path / "earlier-kernel.ipynb", setup, "%%codex\nhello", "%codex redo --yes"), "earlier-kernel.ipynb")
        cells = page.locator(".jp-CodeCell")
        turn, redo = cells.nth(1), cells.nth(2)
        for number in (0, 1):
            run_cell(page, number)
        expect(turn.get_by_role("button", name="Undo…")).to_be_visible(timeout=60_000)
        page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
        page.wait_for_function(KERNEL_IDLE)
        cells.nth(0).locator(".cm-content").click()
        page.evaluate("() => jupyterapp.commands.execute('notebook:run-cell').then(() => null)")
        turn.get_by_role("button", name="Undo…").click()
        page.get_by_role("dialog").get_by_role("button", name="Undo").click()
        expect(turn.get_by_role("button", name="Redo…")).to_be_visible()
        expect(turn.locator(".jp-OutputArea-output").first).to_have_text("↶ undone")
        expect(turn.locator(".jp-OutputArea")).to_contain_text("It is kept.")
        run_cell(page, 2)
        expect(redo.locator(".jp-OutputArea")).to_contain_text("Redone: 0 files, 0 cells, 1 turn.")
        expect(turn.get_by_role("button", name="Undo…")).to_be_visible()
        expect(turn.locator(".jp-OutputArea")).not_to_contain_text("undone")


FILES = """from codex_jupyter.testing import ScriptedModel, shell
model = ScriptedModel([[shell("echo new > open.txt; echo new > unsaved.txt"), "Done."]]).start()"""
OPEN = "path => jupyterapp.commands.execute('docmanager:open', { path }).then(() => null)"
SOURCE_OF = "path => [...jupyterapp.shell.widgets('main')].find(one => one.context?.path === path).context.model.sharedModel.getSource()"


@pytest.mark.usefixtures("consent", "own_page")
def test_the_panel_follows_the_active_notebook_and_open_files_are_loaded_again(
    tmp_path: Path, lab: Lab, open_notebook: Callable[..., Page]
) -> None:
    for name in ("open.txt", "unsaved.txt"):
        (lab.root / name).write_text("old\n")
    write(lab.root / "second.ipynb", "1")
    page = open_notebook(write(tmp_path / "first.ipynb", FILES, f"%load_ext codex_jupyter\n{USE}", "%%codex\nwrite"), "first.ipynb")
    for name in ("open.txt", "unsaved.txt"):
        page.evaluate(OPEN, name)
        page.wait_for_function(SOURCE_OF, arg=name)
    page.locator(".jp-FileEditor:visible .cm-content").press_sequentially("mine ")
    page.wait_for_function(SOURCE_OF.replace("sharedModel.getSource()", "dirty"), arg="unsaved.txt")
    page.evaluate(OPEN, "first.ipynb")
    for number in (0, 1, 2):
        run_cell(page, number)
    expect(page.locator(".jp-toast-message")).to_contain_text(
        "unsaved.txt was changed on disk. It is not loaded again, because it has changes that are not saved.", timeout=60_000
    )
    page.wait_for_function(f"path => ({SOURCE_OF})(path) === 'new\\n'", arg="open.txt")
    assert page.evaluate(SOURCE_OF, "unsaved.txt") == "mine old\n"
    toolbar_button(page).click()
    panel = page.get_by_role("region", name="Codex", exact=True)
    expect(panel).to_contain_text("Done.", timeout=60_000)
    page.evaluate(OPEN, "second.ipynb")
    expect(panel.get_by_role("button", name="Start Codex")).to_be_visible(timeout=60_000)
    expect(panel).not_to_contain_text("Done.")
    page.evaluate(OPEN, "first.ipynb")
    expect(panel).to_contain_text("Done.", timeout=60_000)


def _add_kernel(lab: Lab, name: str, **spec: Any) -> None:
    folder = lab.root.parent / "share" / "kernels" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kernel.json").write_text(json.dumps({"display_name": name, "language": "python", **spec}))


@pytest.mark.usefixtures("own_page")
def test_a_kernel_without_the_package_says_how_to_install_it_and_other_languages_have_no_button(
    tmp_path: Path, lab: Lab, open_notebook: Callable[..., Page]
) -> None:
    _add_kernel(lab, "bare", argv=[sys.executable, "-c", WITHOUT, "-f", "{connection_file}"])
    _add_kernel(lab, "other", argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], language="R")
    page = open_notebook(write(tmp_path / "bare.ipynb", "1/0", kernel="bare"), "bare.ipynb")
    toolbar_button(page).click()
    panel = page.get_by_role("region", name="Codex", exact=True)
    expect(panel.get_by_role("alert")).to_contain_text("does not contain codex-jupyter")
    expect(panel).to_contain_text("%pip install codex-jupyter")
    page = open_notebook(write(tmp_path / "other.ipynb", "1/0", kernel="other"), "other.ipynb")
    run_cell(page, 0)
    expect(page.locator(".jp-OutputArea-output").first).to_contain_text("ZeroDivisionError")
    expect(toolbar_button(page)).to_be_hidden()
    expect(page.get_by_role("button", name="Fix with Codex")).to_have_count(0)


@pytest.mark.usefixtures("without_consent")
def test_notebook_7_has_the_buttons_and_the_panel(tmp_path: Path, lab: Lab, page: Page) -> None:
    shutil.copy(write(tmp_path / "seven.ipynb", MODEL, USE, "1/0"), lab.root / "seven.ipynb")
    page.goto(f"{lab.url}/notebooks/seven.ipynb?token={TOKEN}")
    toolbar_button(page).click(timeout=60_000)
    page.get_by_role("dialog").get_by_role("button", name="Use Codex").click(timeout=30_000)
    panel = page.get_by_role("region", name="Codex", exact=True)
    expect(panel.get_by_label("Message to Codex")).to_be_visible()
    for number in (0, 1, 2):
        run_cell(page, number)
    page.get_by_role("group", name="Codex", exact=True).get_by_role("button", name="Explain").click(timeout=30_000)
    expect(panel).to_contain_text("It divides by zero.")


@pytest.mark.usefixtures("consent")
def test_shortcuts_the_palette_and_the_launcher_reach_codex(tmp_path: Path, open_notebook: Callable[..., Page]) -> None:
    page = open_notebook(write(tmp_path / "places.ipynb", "x = 1"), "places.ipynb")
    page.locator(".jp-CodeCell .cm-content").click()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+Alt+k")
    expect(page.get_by_role("textbox", name="Ask Codex")).to_be_focused(timeout=30_000)
    page.keyboard.press("Escape")
    page.locator(".jp-CodeCell .jp-InputPrompt").click()
    page.keyboard.press("Control+Alt+c")
    expect(page.get_by_role("region", name="Codex", exact=True)).to_be_visible(timeout=30_000)
    page.evaluate("() => jupyterapp.commands.execute('apputils:activate-command-palette').then(() => null)")
    entries = page.locator(".lm-CommandPalette-item[data-command^='codex:']")
    expect(entries.filter(has_text="Open Codex")).to_have_count(1)
    expect(entries.filter(has_text="Rewrite This Cell with Codex")).to_have_count(1)
    expect(entries.filter(has_text="Fix with Codex")).to_have_count(0)  # the cell has no error
    page.keyboard.press("Escape")
    page.evaluate("() => jupyterapp.commands.execute('launcher:create').then(() => null)")
    before = page.locator(".jp-NotebookPanel").count()
    page.locator(".jp-LauncherCard", has_text="Codex Notebook").locator("visible=true").click()
    expect(page.locator(".jp-NotebookPanel")).to_have_count(before + 1, timeout=30_000)


@pytest.mark.usefixtures("consent")
def test_a_setting_that_is_changed_in_the_settings_page_is_used_by_a_connected_kernel(
    tmp_path: Path, open_notebook: Callable[..., Page]
) -> None:
    value = "get_ipython().magics_manager.registry['CodexMagics'].model"
    page = open_notebook(write(tmp_path / "settings.ipynb", "%load_ext codex_jupyter", value), "settings.ipynb")
    shown = page.locator(".jp-CodeCell").nth(1)
    for number in range(2):
        run_cell(page, number)
    expect(shown.locator(".jp-OutputArea-output")).to_have_text("''", timeout=20_000)
    page.evaluate("() => jupyterapp.commands.execute('settingeditor:open', { query: 'Codex' }).then(() => null)")
    page.locator("input[id$='_model']").fill("a-model", timeout=30_000)
    page.evaluate("() => jupyterapp.commands.execute('docmanager:open', { path: 'settings.ipynb' }).then(() => null)")

    for _ in range(5):  # the settings page saves after a pause
        run_cell(page, 1)
        with suppress(AssertionError):
            expect(shown.locator(".jp-OutputArea-output")).to_have_text("'a-model'", timeout=3_000)
            break
    expect(shown.locator(".jp-OutputArea-output")).to_have_text("'a-model'")
