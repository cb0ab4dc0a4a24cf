"""The chat after the end of its kernel: its cell, run again, continues the conversation."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
import tomli_w
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Locator, Page, expect

from codex_jupyter.notebook.render import TURNS_MIME
from codex_jupyter.testing import ScriptedModel
from tests.browser.chats import run_cell, say, until
from tests.browser.conftest import KERNEL_IDLE, TOKEN, Lab
from tests.codex_home import used_home

DEMO = """from codex_jupyter.testing import ScriptedModel
model = ScriptedModel(["The first answer.", "The second answer.", "The third answer."])
%load_ext codex_jupyter
%codex use model"""

ASK_KERNEL = """async model => {
    const session = window.jupyterapp.serviceManager.sessions.connectTo({ model });
    const code = "import os; os.chdir('/'); from codex_jupyter.notebook.persistence.notebook_file import notebook_path";
    const reply = await session.kernel.requestExecute({ code, user_expressions: { path: "str(notebook_path(get_ipython()))" } }).done;
    return reply.content.user_expressions.path.data["text/plain"];
}"""
"""Returns what the kernel of a session takes for its notebook."""


@pytest.fixture
def model(tmp_path: Path) -> Iterator[ScriptedModel]:
    """The user's own Codex, by its configuration file: a model that outlives kernels."""
    answers = ["The first answer.", "The second answer.", "The third answer."]
    with ScriptedModel(answers, codex_home=used_home(tmp_path / "home")) as model:
        (tmp_path / "home" / "config.toml").write_text(tomli_w.dumps(model.config))
        yield model


def start(page: Page, lab: Lab, model: ScriptedModel, name: str, *sources: str) -> Locator:
    """Open a notebook whose first cell points Codex at the model, run all of it, and return its chat."""
    own = model.env({}) | {"XDG_STATE_HOME": str(model.codex_home.parent / "state")}
    cells = [f"import os\nos.environ.update({own!r})", *sources]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new_notebook(cells=[new_code_cell(cell) for cell in cells], metadata=kernel), lab.root / name)
    page.goto(lab.notebook(name))
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
    page.wait_for_function(KERNEL_IDLE, timeout=60_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    chat = page.locator(".codex-chat").first
    expect(chat.get_by_label("Thread", exact=True)).to_have_value("main", timeout=60_000)
    return chat


def restart(page: Page) -> None:
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:restart-kernel') }")
    page.get_by_role("button", name="Confirm Kernel Restart").click()
    page.wait_for_function(KERNEL_IDLE, timeout=60_000)


def run_and_wait(page: Page, *numbers: int) -> None:
    for number in numbers:
        prompt = page.locator(".jp-CodeCell").nth(number).locator(".jp-InputPrompt")
        run_cell(page, number)
        expect(prompt).to_have_text(re.compile(r"\[\d+\]:"), timeout=60_000)


def saved_prompts(page: Page, path: Path) -> list[str]:
    """Save the notebook, and return the prompts of the readable copies in it. The list is empty while the server writes the file."""
    page.keyboard.press("Control+s")
    text = path.read_text()
    cells: list[dict[str, Any]] = json.loads(text)["cells"] if text.endswith("}\n") else []
    bundles = [output["data"] for cell in cells for output in cell.get("outputs", ()) if TURNS_MIME in output.get("data", {})]
    for data in bundles:
        for turn in data[TURNS_MIME]["turns"]:
            assert turn["info"]["prompt"] in "".join(data["text/html"])
            assert turn["info"]["prompt"] in "".join(data["text/plain"])
    return [turn["info"]["prompt"] for data in bundles for turn in data[TURNS_MIME]["turns"]]


def converse(chat: Locator, prompt: str, answer: str) -> None:
    say(chat, prompt)
    expect(chat.get_by_role("log").get_by_text(answer)).to_be_visible(timeout=60_000)
    expect(chat.get_by_label("Stop the turn")).to_be_hidden()


CELLS: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    "restart-function": (("import codex_jupyter\ncodex_jupyter.chat()",), (0, 1)),
    "restart-magic": (("%load_ext codex_jupyter", "%codex chat"), (0, 1, 2)),
    "restart-exec": (("%load_ext codex_jupyter\n%config CodexMagics.transport = 'exec'", "%codex chat"), (0, 1, 2)),
    "restart-demo": ((DEMO, "%codex chat"), (0, 1, 2)),
}
"""Notebooks: their cells, and those that a user runs again."""


@pytest.mark.parametrize("name", CELLS)
def test_after_a_restart_the_cell_of_a_chat_restores_and_continues_it(page: Page, lab: Lab, model: ScriptedModel, name: str) -> None:
    """On screen and in the saved copy, at once; the next prompt is one of the same thread. Also if nothing was saved before."""
    cells, again = CELLS[name]
    path = lab.root / f"{name}.ipynb"
    chat = start(page, lab, model, path.name, *cells)
    converse(chat, "hello there", "The first answer.")
    restart(page)
    expect(chat.get_by_role("alert")).to_contain_text("run %load_ext codex_jupyter and then this cell")
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}-gone.png")
    run_and_wait(page, *again)
    expect(chat.get_by_role("log").get_by_text("The first answer.")).to_be_visible(timeout=60_000)
    expect(chat.get_by_role("log").get_by_text("hello there")).to_be_visible()
    until(lambda: None, lambda: saved_prompts(page, path) == ["hello there"])
    if name == "restart-demo":
        return  # its model ended with the kernel
    converse(chat, "and now?", "The second answer.")
    assert "The first answer." in str(model.requests[-1].input)
    until(lambda: None, lambda: saved_prompts(page, path) == ["hello there", "and now?"])


def test_an_error_of_the_chats_cell_does_not_take_the_saved_copy(page: Page, lab: Lab, model: ScriptedModel) -> None:
    """As after a restart, when the extension is not loaded yet. The copy says how to continue, and that works."""
    path = lab.root / "restart-error.ipynb"
    chat = start(page, lab, model, path.name, "%load_ext codex_jupyter", "%codex chat")
    converse(chat, "hello there", "The first answer.")
    restart(page)
    run_and_wait(page, 2)
    cell = page.locator(".jp-CodeCell").nth(2)
    expect(cell).to_contain_text("`%codex` not found")
    expect(cell.get_by_text("The first answer.")).to_be_visible()
    expect(cell).to_contain_text("To continue it, run %load_ext codex_jupyter and then this cell.")
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / "restart-error.png")
    until(lambda: None, lambda: saved_prompts(page, path) == ["hello there"])
    run_and_wait(page, 0, 1, 2)
    expect(chat.get_by_role("log").get_by_text("The first answer.")).to_be_visible(timeout=60_000)
    expect(cell.get_by_text("`%codex` not found")).to_be_hidden()
    expect(cell.get_by_text("To continue it, run")).to_be_hidden()
    until(lambda: None, lambda: saved_prompts(page, path) == ["hello there"])


@pytest.mark.parametrize("names", [{}, {"name": "sub/rest.ipynb"}, {"name": "rest.ipynb"}], ids=["no name", "a path", "a name"])
def test_a_session_that_a_program_started_over_rest_knows_its_notebook(page: Page, lab: Lab, names: dict[str, str]) -> None:
    """So its threads are remembered."""
    (lab.root / "sub").mkdir()
    nbformat.write(new_notebook(), lab.root / "sub" / "rest.ipynb")
    body = {"path": "sub/rest.ipynb", "type": "notebook", "kernel": {"name": "python3"}, **names}
    headers = {"Authorization": f"token {TOKEN}"}
    session = page.request.post(f"{lab.url}/api/sessions", data=body, headers=headers).json()
    page.goto(f"{lab.url}/lab?token={TOKEN}&reset")
    page.wait_for_function("window.jupyterapp?.serviceManager?.isReady", timeout=60_000)
    assert page.evaluate(ASK_KERNEL, session) == repr(str(lab.root / "sub" / "rest.ipynb"))
    page.request.delete(f"{lab.url}/api/sessions/{session['id']}", headers=headers)


def test_a_thread_that_is_resumed_is_in_the_saved_copy_at_once(page: Page, lab: Lab, model: ScriptedModel) -> None:
    """Of another notebook, found in the list by what the user wrote."""
    chat = start(page, lab, model, "resume-first.ipynb", "%load_ext codex_jupyter", "%codex chat")
    converse(chat, "hello there", "The first answer.")
    run_cell(page, 0)
    path = lab.root / "resume-second.ipynb"
    chat = start(page, lab, model, path.name, "%load_ext codex_jupyter", "%codex chat")
    chat.get_by_label("resume thread").click()
    row = chat.get_by_text("hello there")
    expect(row).to_be_visible()
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / "resume-list.png")
    row.click()
    expect(chat.get_by_role("log").get_by_text("The first answer.")).to_be_visible(timeout=60_000)
    until(lambda: None, lambda: saved_prompts(page, path) == ["hello there"])
