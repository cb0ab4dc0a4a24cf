"""The first call of a kernel tool asks the user: by the input of a running cell, and by the card of the chat."""

import os
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.browser.chats import Opened, say
from tests.browser.conftest import Lab
from tests.browser.test_card_keys import READ

AGENT = """from codex_jupyter.testing import call
measurements = [3, 5, 4]
agent = ScriptedModel([
    ScriptedTurn([call("inspect", {"name": "measurements"}, namespace="kernel"), "I looked."], match="look"),
    ScriptedTurn([call("run", {"code": "print(sum(measurements))"}, namespace="kernel"), "I ran it."], match="run"),
])
%codex use agent
%config CodexMagics.context = "auto"
%codex chat"""


def test_the_first_call_asks_in_the_chat_and_in_a_cell(opened: Opened) -> None:
    """An answer for the notebook holds in both. Code that ran can be inserted from the chat."""
    page, chat = opened("kernel-consent.ipynb", AGENT, "ready = 1")
    say(chat, "look")
    card = chat.get_by_role("alertdialog", name="Let the agent look at your kernel?")
    expect(card).to_contain_text("measurements")
    # The page knows that the notebook is not shared.
    expect(card).to_contain_text("The model receives what it sees.")
    expect(card).not_to_contain_text("everyone who can run cells can answer")
    page.evaluate(READ)
    _shoot(chat, "consent-chat")
    card.focus()
    page.keyboard.press("s")
    expect(chat.get_by_role("log").get_by_text("I looked.", exact=True)).to_be_visible()

    cell = _run(page, 2, "%codex run it")
    line = cell.locator(".jp-Stdin-input")
    expect(line).to_be_visible()
    expect(cell).to_contain_text("Run this code in your kernel?")
    expect(cell).to_contain_text("print(sum(measurements))")
    page.evaluate(READ)
    _shoot(cell, "consent-cell")
    line.fill("y")
    line.press("Enter")
    expect(cell).to_contain_text("I ran it.")
    # The grant holds: the cell looks without asking.
    expect(_run(page, 2, "%codex look again")).to_contain_text("I looked.")

    before = page.locator(".jp-CodeCell").count()
    chat.get_by_label("Insert the code into a new cell: run 1 in the kernel").click()
    expect(page.locator(".jp-CodeCell")).to_have_count(before + 1)
    expect(page.locator(".jp-CodeCell .cm-content").filter(has_text="print(sum(measurements))").last).to_be_visible()


NO_WAIT = """import os, threading
from codex_jupyter.testing import js
answered = threading.Event()
CALL = '// @exec: {"yield_time_ms": 1}\\ntext(await tools.kernel__run({code: "leak = 1"}));'
agent = ScriptedModel([ScriptedTurn([[js(CALL)], [wait_for(answered), "I did not wait."]], match="run")])
os.mkfifo("end")
def wait():
    open("end").read()
    answered.set()
threading.Thread(target=wait).start()
%codex use agent
%config CodexMagics.context = "auto"
%codex chat"""


def test_the_input_of_a_cell_closes_with_its_turn(opened: Opened, lab: Lab) -> None:
    """JupyterLab would leave it, and run no other cell before an answer."""
    page, _ = opened("kernel-consent-ends.ipynb", NO_WAIT, "ready = 1")
    cell = _run(page, 2, "%codex run it")
    expect(cell.locator(".jp-Stdin-input")).to_be_visible()
    (lab.root / "end").write_text("")
    expect(cell).to_contain_text("The turn ended before you answered “Run this code in your kernel?”, so nothing was done.")
    expect(cell).to_contain_text("not run")
    expect(cell.locator(".jp-Stdin-input")).to_have_count(0)
    _shoot(cell, "consent-ended")
    cell = _run(page, 2, "print(6 * 7, 'leak' in globals())")
    expect(cell).to_contain_text("42 False")


def _run(page: Page, number: int, source: str) -> Locator:
    """Run a source in a cell, and return the cell."""
    cell = page.locator(".jp-CodeCell").nth(number)
    cell.locator(".cm-content").fill(source)
    cell.locator(".cm-content").press("Control+Enter")
    return cell


def _shoot(place: Locator, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        place.screenshot(path=Path(folder) / f"{name}.png")
