"""A notebook with a chat, and what a user does there."""

import re
import time
from collections.abc import Callable
from typing import TypeAlias

import nbformat
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Locator, Page, expect

Opened: TypeAlias = Callable[..., tuple[Page, Locator]]
"""Opens a notebook and runs it: its name, the sources of its cells; gives the page and its first chat."""

SETUP = """%load_ext codex_jupyter
from codex_jupyter.testing import ScriptedModel, ScriptedTurn, mcp, shell, wait_for
from threading import Event
held = Event()
FORM = {"type": "object", "properties": {"age": {"type": "integer", "title": "Age"}}, "required": ["age"]}
CODE = "Use this:\\n\\n```python\\nprint('from the chat')\\n```\\n"
model = ScriptedModel([
    ScriptedTurn([[shell("echo looked"), CODE]], match="hello"),
    ScriptedTurn([[shell("sleep 3005")], [wait_for(held, 600), "never"]], match="slow"),
    ScriptedTurn([[shell("sleep 3006")], [wait_for(held, 600), "never"]], match="slow"),
    ScriptedTurn(["The cell and the chat are one."], match="cell"),
    ScriptedTurn(["I see it."], match="picture"),
    ScriptedTurn(["<img src=x onerror=window.hacked=1> <script>window.hacked=1</script>"], match="attack"),
    ScriptedTurn([[shell("echo asked > asked.txt", justification="to show it")], "Asked."], match="ask me"),
    ScriptedTurn([[mcp("desk", "ask", {"message": "Who are you?", "requestedSchema": FORM})], "Thanks."], match="form"),
    ScriptedTurn(["Fine."]),
]).start()
%codex use model
%config CodexMagics.context = "none"
%config CodexMagics.sandbox = 'danger-full-access'"""

LOOK_ELSEWHERE = """() => {
  window.notified = [];
  document.hasFocus = () => !window.away;
  window.away = true;
  window.Notification = class {
    static permission = 'default';
    static async requestPermission() { return window.Notification.permission = 'granted'; }
    constructor(title, { body }) { window.notified.push(`${title}: ${body}`); }
  };
  const now = Date.now.bind(Date);
  Date.now = () => now() + (window.later ?? 0);
}"""
"""Lets the page believe that the user looks elsewhere, until `away` is false. `notified` has the notifications."""
WAIT = "length => { window.later = (window.later ?? 0) + length; }"
"""Lets some milliseconds pass, after `LOOK_ELSEWHERE`."""

TRUSTED = """() => {
  const { cells } = window.jupyterapp.shell.currentWidget.content.model;
  return [...cells].filter(({ type }) => type === 'code').every(({ trusted }) => trusted);
}"""


def notebook(*sources: str) -> nbformat.NotebookNode:
    document: nbformat.NotebookNode = new_notebook(
        cells=[new_code_cell(source) for source in (SETUP.replace('\\"', '"'), *sources)],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    return document


def say(chat: Locator, text: str) -> None:
    box = chat.get_by_label("Message to Codex")
    box.fill(text)
    box.press("Enter")


def run_cell(page: Page, number: int) -> None:
    page.locator(".jp-CodeCell").nth(number).locator(".cm-content").click()
    page.keyboard.press("Control+Enter")


def until(act: Callable[[], object], done: Callable[[], bool]) -> None:
    """Do something again and again until it has had its effect."""
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        act()
        time.sleep(0.5)


def spoken(chat: Locator) -> Locator:
    """The texts that a screen reader says, oldest first."""
    return chat.locator(".codex-announcement > div")


def check_saved_copy(page: Page, text: str, *, trusted: bool) -> None:
    """Check that a notebook without the kernel of its chat shows the saved copy of the conversation, and no error."""
    expect(page.locator(".jp-OutputArea-output").filter(has_text=text).last).to_be_visible(timeout=60_000)
    assert page.evaluate(TRUSTED) is trusted
    expect(page.get_by_text("Error displaying widget")).to_have_count(0)
    assert re.search(r"Error displaying widget|CodexChat\(", page.locator(".jp-Notebook").inner_text()) is None
