"""The agent's tools for cells in JupyterLab: what they see, what they change, who decides, and where outputs appear."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from playwright.sync_api import Locator, Page, expect

from tests.browser.chats import run_cell
from tests.browser.conftest import KERNEL_IDLE, TOKEN, Lab
from tests.browser.test_lab_extension import consent as consent

SETUP = """%load_ext codex_jupyter
from hashlib import sha256
from codex_jupyter.testing import ScriptedModel, ScriptedTurn, call
def tool(name, before=None, /, **arguments):
    if before is not None:
        arguments["fingerprint"] = sha256(before.encode()).hexdigest()[:8]
    return call(name, arguments, namespace="kernel")
def answers():
    seen = [item for request in agent.requests for item in request.input if str(item.get("type")).endswith("_call_output")]
    return "\\n".join(dict((item["call_id"], str(item["output"])) for item in seen).values())
%config CodexMagics.context = "auto"
%config CodexMagics.sandbox = 'danger-full-access'
%config CodexMagics.kernel = 'run'
"""
SOURCES = "() => jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.sharedModel.getSource())"
OPEN = "path => jupyterapp.commands.execute('docmanager:open', { path }).then(panel => panel.sessionContext.ready)"
REVIEW = "%config CodexMagics.cells = 'review'"
RUN = """id => {
  const notebook = jupyterapp.shell.currentWidget.content;
  notebook.activeCellIndex = notebook.widgets.findIndex(cell => cell.model.id === id);
  jupyterapp.commands.execute('notebook:run-cell');
}"""
UNDO_CELLS = "() => jupyterapp.commands.execute('notebook:undo-cell-action').then(() => null)"
REDO_CELLS = UNDO_CELLS.replace("undo", "redo")

pytestmark = pytest.mark.usefixtures("consent")


def write(path: Path, *cells: Any) -> Path:
    written = [new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    for number, cell in enumerate(written):
        cell["id"] = f"cell-{number}"
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new_notebook(cells=written, metadata=metadata), path)
    return path


def sources(page: Page, first: int = 0) -> list[str]:
    texts: list[str] = page.evaluate(SOURCES)
    return texts[first:]


def shoot(place: Locator, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        place.screenshot(path=Path(folder) / f"{name}.png")


def test_edits_are_applied_and_cells_run_in_place_while_the_prompt_holds_the_kernel(
    tmp_path: Path, open_notebook: Callable[..., Page]
) -> None:
    script = SETUP + (
        "%config CodexMagics.cells = 'apply'\n"
        "agent = ScriptedModel([[\n"
        "    tool('read_notebook'),\n"
        "    tool('replace_cell', 'x = 1', cell='cell-1', source='x = 41\\nprint(x + 1)\\nx * 2'),\n"
        "    tool('run_cell', 'x = 41\\nprint(x + 1)\\nx * 2', cell='cell-1'),\n"
        "    tool('insert_cell', None, source='z = 3', after='cell-2'),\n"
        "    tool('move_cell', 'first', cell='cell-3', after='cell-0'),\n"
        "    tool('delete_cell', 'second', cell='cell-4'),\n"
        "    tool('run_cell', '1/0', cell='cell-5'),\n"
        "    'All of it.',\n"
        "]])\n"
        "%codex use agent"
    )
    cells = ["x = 1", new_markdown_cell("# Title"), "first", "second", "1/0", "%%codex\nWork on it.", "print(answers())\nlen(In), x"]
    page = open_notebook(write(tmp_path / "apply.ipynb", script, *cells), "apply.ipynb")
    run_cell(page, 0)
    expect(page.locator(".jp-CodeCell").nth(0).locator(".jp-InputPrompt")).to_have_text("[1]:", timeout=60_000)
    prompt = page.locator(".jp-CodeCell").nth(5)
    run_cell(page, 5)
    expect(prompt.locator(".jp-InputPrompt")).to_have_text("[2]:", timeout=60_000)
    assert sources(page, 1)[:6] == ["first", "x = 41\nprint(x + 1)\nx * 2", "# Title", "z = 3", "1/0", "%%codex\nWork on it."]
    code = page.locator(".jp-CodeCell")
    expect(code.nth(2).locator(".jp-InputPrompt")).to_have_text("[3]:")
    expect(code.nth(2).locator(".jp-OutputArea-output")).to_have_text(["42", "82"])
    expect(code.nth(4).locator(".jp-InputPrompt")).to_have_text("[4]:")
    expect(code.nth(4)).to_contain_text("ZeroDivisionError")
    shoot(page.locator(".jp-Notebook"), "cells-applied")
    run_cell(page, 6)
    expect(code.nth(6).locator(".jp-InputPrompt")).to_have_text("[5]:", timeout=30_000)
    expect(code.nth(6)).to_contain_text("Cell 3 of 8 · id cell-2 · markdown")
    expect(code.nth(6)).to_contain_text("[The cell failed.]")
    expect(code.nth(6).locator(".jp-OutputArea-output").last).to_have_text("(6, 41)")
    page.evaluate(UNDO_CELLS)
    assert sources(page, 1)[:6] == ["x = 1", "# Title", "first", "second", "1/0", "%%codex\nWork on it."]


RELOADED = SETUP + (
    "agent = ScriptedModel([\n"
    "    ScriptedTurn([tool('read_notebook'), tool('run_cell', SOURCE, cell=f'cell-{n}'), 'It ended.'], match=word)\n"
    "    for n, word in ((1, 'inside'), (2, 'behind'))\n"
    "])\n"
    "%codex use agent"
)
SUBSHELLS = "import threading\nprint('one subshell per page:', sum('subshell' in thread.name for thread in threading.enumerate()) <= 3)"
LONG = """print("early")
open("NAME-go").close()
print("late")
6 * 7"""


def test_a_cell_that_runs_for_the_agent_continues_after_a_reload_of_its_page(
    tmp_path: Path, lab: Lab, open_notebook: Callable[..., Page]
) -> None:
    """In place of a blocking prompt, and as a cell that the page runs for a turn in the background."""
    names = ("inside", "behind")
    longs = [LONG.replace("NAME", name) for name in names]
    prompts = ["%%codex\ninside", "%%codex --bg\nbehind", f"{SUBSHELLS}\nprint(answers())"]
    for name in names:
        os.mkfifo(lab.root / f"{name}-go")  # the cell waits for the other end
    script = RELOADED.replace("SOURCE", f"{longs!r}[n - 1]")
    page = open_notebook(write(tmp_path / "reloaded.ipynb", script, *longs, *prompts), "reloaded.ipynb")
    page.on("dialog", lambda dialog: dialog.accept())
    cells = page.locator(".jp-CodeCell")
    run_cell(page, 0)
    expect(cells.nth(0).locator(".jp-InputPrompt")).to_have_text("[1]:", timeout=60_000)
    for number, name in enumerate(names, start=1):
        run_cell(page, number + 2)
        expect(cells.nth(number).locator(".jp-OutputArea-output")).to_have_text("early", timeout=60_000)
        page.reload()
        expect(cells.nth(number)).to_contain_text("The page was reloaded while this cell ran.", timeout=60_000)
        (lab.root / f"{name}-go").open("w").close()
        expect(cells.nth(number + 2)).to_contain_text("It ended.", timeout=30_000)
        expect(cells.nth(number).locator(".jp-OutputArea-output")).to_have_text(
            ["[The page was reloaded while this cell ran. Its output from before is not shown.]", "late", "42"]
        )
        if name == "inside":
            expect(cells.nth(number).locator(".jp-InputPrompt")).to_have_text("[3]:")
    page.wait_for_function(KERNEL_IDLE, timeout=60_000)
    run_cell(page, 5)
    for text in ("one subshell per page: True", "The page was reloaded while this cell ran.", "late", "[The cell completed.]"):
        expect(cells.nth(5)).to_contain_text(text)
    shoot(page.locator(".jp-Notebook"), "cells-reloaded")


def test_a_notebook_that_was_renamed_is_read_only_for_the_agent(tmp_path: Path, lab: Lab, open_notebook: Callable[..., Page]) -> None:
    """JupyterLab does not report the new name to a kernel that runs."""
    script = SETUP.replace("danger-full-access", "workspace-write") + "agent = ScriptedModel(['Hello.'])\n%codex use agent"
    shows = "options = get_ipython().magics_manager.registry['CodexMagics'].session.setup.options"
    protected = f"{shows}\nfrom codex_jupyter import ThreadOptions\n[path.name for path in options(ThreadOptions())[1].read_only_paths]"
    page = open_notebook(write(tmp_path / "before.ipynb", script, "%%codex\nhello", protected), "before.ipynb")
    shown = page.locator(".jp-CodeCell").nth(2)
    for number in range(3):
        run_cell(page, number)
    expect(shown).to_contain_text("'before.ipynb'", timeout=60_000)
    page.evaluate("() => jupyterapp.shell.currentWidget.context.rename('after.ipynb')")
    page.wait_for_function("() => jupyterapp.shell.currentWidget.context.path === 'after.ipynb'")
    run_cell(page, 2)
    expect(shown).to_contain_text("'after.ipynb'", timeout=60_000)
    assert not (lab.root / "before.ipynb").exists()


def test_the_user_decides_about_proposals_and_an_undo_takes_cells_back_unless_they_changed(
    tmp_path: Path, open_notebook: Callable[..., Page]
) -> None:
    script = SETUP + (
        "propose = [\n"
        "    tool('read_notebook'),\n"
        "    tool('replace_cell', 'a = 1', cell='cell-1', source='a = 2'),\n"
        "    tool('insert_cell', after='cell-1', source='b = 3'),\n"
        "    tool('delete_cell', 'old', cell='cell-2'),\n"
        "    'I have three.',\n"
        "]\n"
        "again = [tool('replace_cell', 'a = 1', cell='cell-1', source='a = 9'), 'It was changed.']\n"
        "review = [\n"
        "    tool('read_notebook'),\n"
        "    tool('replace_cell', 'a = 4', cell='cell-1', source='a = 5'),\n"
        "    tool('insert_cell', after='cell-2', source='c = 6'),\n"
        "    tool('move_cell', 'old', cell='cell-2', after='start'),\n"
        "    tool('delete_cell', 'a = 5', cell='cell-1'),\n"
        "    'Changed.',\n"
        "]\n"
        "turns = {'propose': propose, 'again': again, 'review': review}\n"
        "agent = ScriptedModel([ScriptedTurn(turn, match=word) for word, turn in turns.items()])\n"
        "%codex use agent"
    )
    commands = [
        "%%codex\npropose",
        "%codex undo --yes",
        "%codex redo --yes",
        "%%codex\nagain",
        "print(answers())",
        REVIEW,
        "%%codex\nreview",
    ]
    page = open_notebook(write(tmp_path / "propose.ipynb", script, "a = 1", "old", *commands), "propose.ipynb")
    active, boxes = page.locator(".jp-CodeCell.jp-mod-active"), page.get_by_role("group", name="Change by Codex")

    def execute(number: int, count: int) -> Locator:
        page.evaluate(RUN, f"cell-{number}")
        expect(active.locator(".jp-InputPrompt").first).to_have_text(f"[{count}]:", timeout=60_000)
        return active.locator(".jp-OutputArea")

    execute(0, 1)
    execute(3, 2)
    expect(boxes).to_have_count(3)
    assert sources(page, 1)[:2] == ["a = 1", "old"]
    shoot(page.locator(".jp-Notebook"), "cells-proposed")
    boxes.filter(has_text="-a = 1").get_by_role("button", name="Keep", exact=True).click()
    boxes.filter(has_text="+b = 3").get_by_role("button", name="Keep", exact=True).click()
    boxes.filter(has_text="-old").get_by_role("button", name="Undo", exact=True).click()
    expect(boxes).to_have_count(0)
    assert sources(page, 1)[:3] == ["a = 2", "b = 3", "old"]
    expect(execute(4, 3)).to_contain_text(": 2 cells, 1 turn")
    assert sources(page, 1)[:2] == ["a = 1", "old"]
    expect(execute(5, 4)).to_contain_text(": 2 cells, 1 turn")
    assert sources(page, 1)[:3] == ["a = 2", "b = 3", "old"]
    page.locator(".jp-CodeCell").nth(1).locator(".cm-content").fill("a = 4")
    expect(execute(4, 5)).to_contain_text("cell 2 (a = 2): was changed after the turn")
    assert sources(page, 1)[:2] == ["a = 4", "old"]
    execute(6, 6)
    expect(execute(7, 7)).to_contain_text("Nothing was done: the cell cell-1 does not have the source that you have read.")
    assert sources(page, 1)[:1] == ["a = 4"]
    execute(8, 8)
    execute(9, 9)
    expect(boxes).to_have_count(3)
    assert sources(page)[0] == "old"
    assert sources(page)[2:4] == ["c = 6", "%%codex\npropose"]
    shoot(page.locator(".jp-Notebook"), "cells-review")
    boxes.first.get_by_role("button", name="Undo all").click()
    expect(boxes).to_have_count(0)
    assert sources(page, 1)[:3] == ["a = 4", "old", "%%codex\npropose"]


def test_two_notebooks_change_and_run_their_own_cells_in_the_background(
    tmp_path: Path, lab: Lab, open_notebook: Callable[..., Page]
) -> None:
    script = SETUP + (
        "%config CodexMagics.cells = 'review'\n"
        "agent = ScriptedModel([[\n"
        "    tool('read_notebook'),\n"
        "    tool('replace_cell', '# NAME', cell='cell-1', source='print(\"from NAME\")'),\n"
        "    tool('run_cell', 'print(\"from NAME\")', cell='cell-1'),\n"
        "    'All of it.',\n"
        "]])\n"
        "%codex use agent"
    )
    names = ("one", "two")
    for name, folder in zip(names, (tmp_path, lab.root), strict=True):
        write(folder / f"{name}.ipynb", script.replace("NAME", name), f"# {name}", "%%codex --bg\nWork.")
    page = open_notebook(tmp_path / "one.ipynb", "one.ipynb")
    for name in names:
        page.evaluate(OPEN, f"{name}.ipynb")
        page.evaluate("() => jupyterapp.commands.execute('notebook:run-all-cells').then(() => null)")
    for name in names:
        page.evaluate(OPEN, f"{name}.ipynb")
        cell = page.locator(".jp-NotebookPanel").filter(has_text=f"from {name}").locator(".jp-CodeCell").nth(1)
        expect(cell.locator(".jp-OutputArea-output")).to_have_text(f"from {name}", timeout=60_000)
        expect(cell.locator(".codex-lab-line")).to_have_text([f"-# {name}", f'+print("from {name}")'])
        cell.get_by_role("button", name="Undo", exact=True).click()
        expect(cell.locator(".cm-content")).to_have_text(f"# {name}")


EVERYTHING = SETUP + (
    "%config CodexMagics.cells = 'review'\n"
    "change = [\n"
    "    tool('read_notebook'),\n"
    "    tool('replace_cell', 'x = 1', cell='cell-1', source='x = 41\\nx'),\n"
    "    tool('run_cell', 'x = 41\\nx', cell='cell-1'),\n"
    "    tool('insert_cell', after='cell-1', source='# new', kind='markdown'),\n"
    "    tool('move_cell', 'last', cell='cell-3', after='start'),\n"
    "    tool('delete_cell', 'old', cell='cell-2'),\n"
    "    'Changed.',\n"
    "]\n"
    "again = [\n"
    "    tool('replace_cell', 'x = 41\\nx', cell='cell-1', source='x = 42'),\n"
    "    tool('insert_cell', after='cell-1', source='y = 2'),\n"
    "    'Changed again.',\n"
    "]\n"
    "agent = ScriptedModel([ScriptedTurn(change, match='change'), ScriptedTurn(again, match='again')])\n"
    "%codex use agent"
)
TURNS = ("%%codex\nchange", "%%codex\nagain", "%codex undo 2 --yes")


def write_everything(path: Path) -> Path:
    """Write a notebook for `check_everything`."""
    return write(path, EVERYTHING, "x = 1", "old", "last", *TURNS)


def check_everything(page: Page) -> None:
    """Let the agent use each tool for cells, decide about its changes, and take them back: in any front end with the extension."""
    boxes = page.get_by_role("group", name="Change by Codex")

    def execute(number: int, count: int) -> Locator:
        page.evaluate(RUN, f"cell-{number}")
        cell = page.locator(".jp-CodeCell.jp-mod-active")
        expect(cell.locator(".jp-InputPrompt").first).to_have_text(f"[{count}]:", timeout=60_000)
        return cell.locator(".jp-OutputArea")

    execute(0, 1)
    execute(4, 2)
    assert sources(page) == ["last", EVERYTHING, "x = 41\nx", "# new", *TURNS]
    changed = page.locator(".jp-CodeCell").nth(2)
    expect(changed.locator(".jp-InputPrompt").first).to_have_text("[3]:")
    expect(changed.locator(".jp-OutputArea-output")).to_have_text("41")
    expect(boxes).to_have_count(4)
    boxes.filter(has_text="-old").get_by_role("button", name="Undo", exact=True).click()
    boxes.filter(has_text="+x = 41").get_by_role("button", name="Keep", exact=True).click()
    boxes.filter(has_text="moved").get_by_role("button", name="Undo", exact=True).click()
    expect(boxes).to_have_count(1)
    assert sources(page) == [EVERYTHING, "x = 41\nx", "# new", "old", "last", *TURNS]
    execute(5, 4)
    again = [EVERYTHING, "x = 42", "y = 2", "# new", "old", "last", *TURNS]
    assert sources(page) == again
    page.evaluate(UNDO_CELLS)
    assert sources(page) == [EVERYTHING, "x = 41\nx", "# new", "old", "last", *TURNS]
    page.evaluate(REDO_CELLS)
    assert sources(page) == again
    # The cell that both turns changed is changed back to its first source.
    expect(execute(6, 5)).to_contain_text("Undone: 3 cells, 2 turns.")
    assert sources(page) == [EVERYTHING, "x = 1", "old", "last", *TURNS]
    expect(boxes).to_have_count(0)


def test_notebook_7_has_all_tools_for_cells_and_two_turns_are_undone_at_once(tmp_path: Path, lab: Lab, page: Page) -> None:
    shutil.copy(write_everything(tmp_path / "seven-cells.ipynb"), lab.root)
    page.goto(f"{lab.url}/notebooks/seven-cells.ipynb?token={TOKEN}")
    page.wait_for_function(KERNEL_IDLE, timeout=60_000)
    check_everything(page)
