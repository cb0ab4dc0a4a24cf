"""The extension in JupyterLab and Notebook 7: where it appears, the consent, and the panel."""

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import tomli_w
from playwright.sync_api import Page, expect

from codex_jupyter.testing import ScriptedModel, ScriptedTurn, shell, wait_for
from tests.browser.accessibility import violations
from tests.browser.chats import run_cell, until
from tests.browser.conftest import CLOSE_NOTEBOOKS, KERNEL_IDLE, TOKEN, Lab
from tests.browser.lab_checks import (
    FIXES,
    MODEL,
    PLOT,
    PROMPT,
    USE,
    WRITES,
    ask_for_fix,
    buttons_of,
    check_explain_and_plot,
    check_fix,
    check_prose,
    check_reruns,
    check_shortcuts,
    check_turn,
    code_cell,
    panel_of,
    review_of,
    run_cells,
    toolbar_button,
    use_codex_first,
    write,
)
from tests.quickstart import SETUP, SUGGESTED

WITHOUT = "import sys; sys.modules['codex_jupyter'] = None; from ipykernel.kernelapp import main; main()"
"""Starts a kernel in which the package cannot be imported."""


@pytest.fixture
def without_consent(lab: Lab) -> Iterator[None]:
    """The user has not used Codex in JupyterLab yet."""
    folder = lab.root.parent / "settings" / "codex-jupyter"
    shutil.rmtree(folder, ignore_errors=True)
    yield
    shutil.rmtree(folder, ignore_errors=True)  # the test may have changed settings


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
    panel = use_codex_first(page)
    stored = lab.root.parent / "settings" / "codex-jupyter" / "plugin.jupyterlab-settings"
    assert re.search(r'"load_into_kernels": true', stored.read_text())
    check_prose(page, 4)
    run_cells(page, 1, 2, 3)
    check_explain_and_plot(page, error=3, plot=2)
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
    shutil.rmtree(file.parent)  # the test may have changed settings


@pytest.mark.usefixtures("consent")
def test_a_fix_is_a_change_of_the_cell_that_the_user_keeps_or_undoes(tmp_path: Path, open_notebook: Callable[..., Page]) -> None:
    page = open_notebook(write(tmp_path / "fix.ipynb", MODEL, USE, "1/0"), "fix.ipynb")
    run_cells(page, 0, 1, 2)
    ask_for_fix(page, 2)
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        page.evaluate("theme => jupyterapp.commands.execute('apputils:change-theme', { theme })", theme)
        page.wait_for_function("theme => document.body.dataset.jpThemeName === theme", arg=theme)
        for part in (".codex-lab-review", ".codex-lab-panel", ".codex-lab-output-actions"):
            assert violations(page, part, without=("region",)) == []
    check_fix(page, 2)


@pytest.mark.usefixtures("consent")
def test_the_script_of_the_quickstart_fixes_the_cell_that_the_notebook_suggests(tmp_path: Path, open_notebook: Callable[..., Page]) -> None:
    page = open_notebook(write(tmp_path / "suggested.ipynb", *SETUP, SUGGESTED), "suggested.ipynb")
    run_cells(page, *range(len(SETUP) + 1))
    cell = code_cell(page, len(SETUP))
    cell.get_by_role("button", name="Fix with Codex").click(timeout=60_000)
    review_of(page).get_by_role("button", name="Keep and run").click(timeout=60_000)
    expect(cell.locator(".jp-OutputArea-output")).to_have_text("6.0")


@pytest.mark.usefixtures("consent")
def test_a_fix_of_an_earlier_cell_runs_the_cells_from_there_until_they_work(tmp_path: Path, open_notebook: Callable[..., Page]) -> None:
    """With full access, nothing is asked: the first fix fails, and the second one works."""
    page = open_notebook(write(tmp_path / "earlier.ipynb", *FIXES), "earlier.ipynb")
    check_reruns(page, 0)


@pytest.mark.usefixtures("consent")
def test_a_turn_has_buttons_and_is_undone_and_redone_with_a_choice_of_files(
    tmp_path: Path, lab: Lab, open_notebook: Callable[..., Page]
) -> None:
    page = open_notebook(write(tmp_path / "turns.ipynb", MODEL, f"%load_ext codex_jupyter\n{USE}", WRITES), "turns.ipynb")
    run_cells(page, 0, 1)
    toolbar_button(page).click()
    check_turn(page, 2, lab.root)


@pytest.mark.usefixtures("consent")
def test_a_turn_of_an_earlier_kernel_is_marked_as_undone_and_redone(tmp_path: Path, open_notebook: Callable[..., Page]) -> None:
    """Its outputs stay. The kernel itself cannot update them."""
    held = Event()
    slow = ScriptedTurn([[shell("echo working")], [wait_for(held, 600), "never"]], match="slow")
    with ScriptedModel([slow, ScriptedTurn(["It is kept."])], codex_home=tmp_path / "home") as model:
        (tmp_path / "home" / "config.toml").write_text(tomli_w.dumps(model.config))
        own = model.env({}) | {"XDG_STATE_HOME": str(tmp_path / "state")}
        setup = f"import os\nos.environ.update({own!r})\n%load_ext codex_jupyter"
        cells = ("%%codex\nhello", "%codex redo --yes", "%%codex -t other\nslow")
        page = open_notebook(write(tmp_path / "earlier-kernel.ipynb", setup, *cells), "earlier-kernel.ipynb")
        turn, redo, running = (code_cell(page, number) for number in (1, 2, 3))
        run_cells(page, 0, 1, 3)
        expect(turn.get_by_role("button", name="Undo…")).to_be_visible(timeout=60_000)
        expect(running).to_contain_text("echo working", timeout=60_000)
        page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
        expect(running).to_contain_text("[The kernel ended while this turn ran.]", timeout=60_000)
        held.set()
        page.wait_for_function(KERNEL_IDLE)
        code_cell(page, 0).locator(".cm-content").click()
        page.evaluate("() => jupyterapp.commands.execute('notebook:run-cell').then(() => null)")
        turn.get_by_role("button", name="Undo…").click()
        page.get_by_role("dialog").get_by_role("button", name="Undo").click()
        expect(turn.get_by_role("button", name="Redo…")).to_be_visible()
        expect(turn.locator(".jp-OutputArea-output").first).to_have_text("↶ undone")
        expect(turn.locator(".jp-OutputArea")).to_contain_text("It is kept.")
        run_cell(page, 2)
        expect(redo.locator(".jp-OutputArea")).to_contain_text("Redone: 1 turn.")
        expect(turn.get_by_role("button", name="Undo…")).to_be_visible()
        expect(turn.locator(".jp-OutputArea")).not_to_contain_text("undone")


@pytest.mark.usefixtures("consent")
@pytest.mark.parametrize("cells", [(MODEL, f"%load_ext codex_jupyter\n{USE}"), (MODEL, "%load_ext codex_jupyter", USE)])
def test_run_all_does_not_load_the_extension_before_the_cell_that_loads_it(
    cells: tuple[str, ...], tmp_path: Path, open_notebook: Callable[..., Page]
) -> None:
    """IPython would print that it is already loaded."""
    page = open_notebook(write(tmp_path / "loads.ipynb", *cells, "%codex status", PROMPT), "loads.ipynb")
    page.evaluate("() => jupyterapp.commands.execute('notebook:run-all-cells').then(() => null)")
    expect(code_cell(page, len(cells) + 1)).to_contain_text("It is a line.", timeout=60_000)
    expect(code_cell(page, 1).locator(".jp-OutputArea")).not_to_contain_text("already loaded")
    expect(buttons_of(code_cell(page, len(cells) + 1)).get_by_role("button", name="Undo…")).to_be_visible()  # it is connected


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


def _change_setting(page: Page, lab: Lab, name: str, value: str) -> None:
    """Change a setting in the settings page, and wait until JupyterLab has saved it. It waits for a pause of the user first."""
    page.locator(f"input[id$='_{name}']").fill(value)
    until(lambda: page.wait_for_timeout(100), lambda: f'"{name}": "{value}"' in "".join(lab.codex_settings().values()))


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
def test_notebook_7_has_all_of_it(tmp_path: Path, lab: Lab, page: Page) -> None:
    """It has no launcher, its settings page is a tab beside the list of files, and files are opened in other windows."""
    page.goto(f"{lab.url}/tree?token={TOKEN}")
    page.get_by_role("menuitem", name="Settings", exact=True).click()
    page.locator(".lm-Menu").get_by_text("Settings Editor", exact=True).click()
    page.locator(".jp-PluginList-entry", has_text="Codex").click()
    _change_setting(page, lab, "effort", "low")

    effort = "get_ipython().magics_manager.registry['CodexMagics'].effort"
    write(lab.root / "seven.ipynb", MODEL, USE, effort, PLOT, PROMPT, WRITES, "1/0", *FIXES)
    page.goto(f"{lab.url}/notebooks/seven.ipynb?token={TOKEN}")
    use_codex_first(page)
    check_shortcuts(page)
    check_prose(page, 4)
    run_cells(page, 0, 1, 2, 3)
    expect(code_cell(page, 2).locator(".jp-OutputArea-output")).to_have_text("'low'", timeout=60_000)
    check_turn(page, 5, lab.root)
    error = page.locator(".jp-CodeCell").count() - len(FIXES) - 1
    run_cells(page, error)
    check_explain_and_plot(page, error=error, plot=3)
    ask_for_fix(page, error)
    check_fix(page, error)
    check_reruns(page, error + 1)


@pytest.mark.usefixtures("consent")
def test_shortcuts_the_palette_and_the_launcher_reach_codex(tmp_path: Path, open_notebook: Callable[..., Page]) -> None:
    page = open_notebook(write(tmp_path / "places.ipynb", "x = 1"), "places.ipynb")
    check_shortcuts(page)
    page.evaluate(CLOSE_NOTEBOOKS)
    expect(panel_of(page)).to_contain_text("Open a notebook")
    page.evaluate("() => jupyterapp.commands.execute('launcher:create').then(() => null)")
    tile = page.locator(".jp-LauncherCard", has_text="Codex Notebook").locator("visible=true")
    assert tile.locator("img").evaluate("image => image.naturalWidth") > 0
    tile.click()
    # The chat of the new notebook, without another click.
    expect(panel_of(page).get_by_label("Message to Codex")).to_be_visible(timeout=60_000)
    # All of it, also in a window of the width of a phone.
    page.set_viewport_size({"width": 340, "height": 800})
    page.wait_for_function("document.querySelector('.codex-lab-panel .codex-chat').getBoundingClientRect().right <= innerWidth")


@pytest.mark.usefixtures("consent")
def test_a_setting_that_is_changed_in_the_settings_page_is_used_by_a_connected_kernel_and_others_stay(
    tmp_path: Path, lab: Lab, open_notebook: Callable[..., Page]
) -> None:
    """JupyterLab saves the values of all settings with the changed one."""
    setup = "%load_ext codex_jupyter\n%config CodexMagics.effort = 'low'\nmagics = get_ipython().magics_manager.registry['CodexMagics']"
    page = open_notebook(write(tmp_path / "settings.ipynb", setup, "magics.model, magics.effort"), "settings.ipynb")
    shown = code_cell(page, 1).locator(".jp-OutputArea-output")
    for number in range(2):
        run_cell(page, number)
    expect(shown).to_have_text("('', 'low')")
    page.evaluate("() => jupyterapp.commands.execute('settingeditor:open', { query: 'Codex' }).then(() => null)")
    _change_setting(page, lab, "model", "a-model")
    page.evaluate(OPEN, "settings.ipynb")
    # The kernel receives it when the connection is open.
    until(lambda: run_cell(page, 1), lambda: shown.inner_text() == "('a-model', 'low')")
    page.evaluate("() => jupyterapp.commands.execute('settingeditor:open', { query: 'Codex' }).then(() => null)")
    _change_setting(page, lab, "context", "nonsense")
    expect(page.locator(".jp-toast-message")).to_contain_text("Correct context in the Settings Editor, under Codex")
    page.locator(".jp-toast-button", has_text="Show all").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("joined by +.")  # JupyterLab has left this part out
    dialog.get_by_role("button", name="Close").click()
