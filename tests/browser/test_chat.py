"""The chat widget in real front ends, against the scripted model."""

import os
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Locator, Page, expect

SETUP = """%load_ext codex_jupyter
from codex_jupyter.demo import ScriptedModel, ScriptedTurn, shell, wait_for
CODE = "Use this:\\n\\n```python\\nprint('from the chat')\\n```\\n"
model = ScriptedModel([
    ScriptedTurn([[shell("echo looked"), CODE]], match="hello"),
    ScriptedTurn([[shell("sleep 3005"), "never"]], match="slow"),
    ScriptedTurn(["The cell and the chat are one."], match="cell"),
    ScriptedTurn(["I see it."], match="picture"),
    ScriptedTurn(["<img src=x onerror=window.hacked=1> <script>window.hacked=1</script>"], match="attack"),
    ScriptedTurn(["Fine."]),
]).start()
%codex use model
%config CodexMagics.context = "none"
%config CodexMagics.sandbox = 'danger-full-access'"""


def notebook(*sources: str) -> nbformat.NotebookNode:
    return new_notebook(
        cells=[new_code_cell(source) for source in (SETUP.replace('\\"', '"'), *sources)],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )


@pytest.fixture
def opened(tmp_path: Path, open_notebook: Callable[..., Page]) -> Callable[..., tuple[Page, Locator]]:
    """A notebook whose first cells have run, and its chat."""

    def open_chat(name: str, *sources: str, dark: bool = False) -> tuple[Page, Locator]:
        nbformat.write(notebook(*sources), tmp_path / name)
        page = open_notebook(tmp_path / name, name, dark=dark)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        chat = page.locator(".codex-chat").first
        expect(chat).to_be_visible(timeout=60_000)
        expect(chat.get_by_label("Thread", exact=True)).to_have_value("main", timeout=20_000)
        return page, chat

    return open_chat


def say(chat: Locator, text: str) -> None:
    box = chat.get_by_label("Message to Codex")
    box.fill(text)
    box.press("Enter")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_conversation(opened: Callable[..., tuple[Page, Locator]], theme: str) -> None:
    """What is asked and what is done appear; code goes into a new cell; agent text stays text."""
    page, chat = opened(f"chat-{theme}.ipynb", "import codex_jupyter\nchat = codex_jupyter.chat()\nchat", dark=theme == "dark")
    say(chat, "hello there")
    log = chat.get_by_role("log")
    expect(log.get_by_text("hello there")).to_be_visible()
    expect(log.get_by_text("echo looked")).to_be_visible(timeout=30_000)
    expect(log.get_by_text("print('from the chat')")).to_be_visible(timeout=30_000)
    say(chat, "attack")
    expect(log.get_by_text("<script>window.hacked=1</script>")).to_be_visible(timeout=30_000)
    assert page.evaluate("window.hacked") is None
    if folder := os.environ.get("SCREENSHOTS"):
        chat.screenshot(path=Path(folder) / f"chat-{theme}.png")
    log.get_by_label("Insert the code into a new cell").click()
    expect(page.locator(".jp-CodeCell").nth(2).locator(".cm-content")).to_contain_text("print('from the chat')")
