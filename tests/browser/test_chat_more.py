"""The chat for everybody: by keyboard, zoomed, narrow, while it is read, and when the kernel or a way to it is gone."""

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.chats import Opened, run_cell, say, until
from tests.browser.conftest import Lab

STREAM = """import threading
gate, gate2 = threading.Event(), threading.Event()
from codex_jupyter.testing import say
model.close()
model = ScriptedModel([
    ScriptedTurn([[shell("seq 200"), "\\n\\n".join(f"Paragraph {n}." for n in range(60))]], match="long"),
    ScriptedTurn([[wait_for(gate, 60), shell("echo first")], [wait_for(gate2, 60), "The end."]], match="wait"),
    ScriptedTurn(["Fine."]),
]).start()
%codex use model
%codex chat"""


def cells(page: Page) -> Locator:
    return page.locator(".jp-CodeCell")


def test_everything_is_done_by_keyboard(opened: Opened) -> None:
    """A key for the chat is not a command of the notebook. Everything that can be clicked has a name and is reached by Tab."""
    page, chat = opened("chat-keys.ipynb", "%codex chat")
    count = cells(page).count()
    box = chat.get_by_label("Message to Codex")
    box.click()
    page.keyboard.type("hello there")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("b")
    expect(box).to_have_value("hello there\nb")
    page.keyboard.press("Control+Enter")
    log = chat.get_by_role("log")
    expect(log.get_by_text("print('from the chat')")).to_be_visible()
    expect(log.get_by_role("article")).to_have_count(1)
    box.fill("a draft")
    box.press("Home")
    page.keyboard.press("ArrowUp")
    expect(box).to_have_value("hello there\nb")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(box).to_have_value("a draft")
    box.fill("")
    log.focus()
    for key in ("b", "a", "d", "d", "Shift+Enter", "x", "m"):
        page.keyboard.press(key)
    page.keyboard.press("Tab")
    for key in ("b", "d", "d"):
        page.keyboard.press(key)
    page.wait_for_timeout(300)
    assert cells(page).count() == count
    expect(cells(page).nth(1).locator(".jp-InputPrompt")).to_have_text("[2]:")
    reached = set[str]()
    chat.get_by_label("Thread", exact=True).focus()
    for _ in range(40):
        reached.add(page.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent"))
        page.keyboard.press("Tab")
    named = chat.locator("button:visible, select:visible, textarea:visible").evaluate_all(
        "nodes => nodes.map(node => node.getAttribute('aria-label') ?? node.textContent)"
    )
    assert all(named)
    assert set(named) <= reached
    chat.get_by_label("Copy the message").focus()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.keyboard.press("Enter")
    expect(chat.get_by_label("Copy the message")).to_have_text("copied")
    assert page.evaluate("navigator.clipboard.readText()") == "Use this:\n\n```python\nprint('from the chat')\n```\n"
    say(chat, "slow please")
    expect(log.get_by_text("sleep 3005")).to_be_visible()
    page.keyboard.press("Escape")
    expect(log.locator("article[data-status=interrupted]")).to_be_visible()
    if folder := os.environ.get("SCREENSHOTS"):
        chat.screenshot(path=Path(folder) / "chat-keys.png")


def test_the_reader_stays_where_he_reads(opened: Opened) -> None:
    """New text below does not move the text. The newest message is one key away. A fold stays open."""
    page, chat = opened("chat-reading.ipynb", STREAM, "gate.set()", "gate2.set()")
    # All cells have run by now: hold the model back again.
    page.locator(".jp-CodeCell").nth(2).locator(".cm-content").fill("gate.clear(); gate2.clear()")
    run_cell(page, 2)
    log = chat.get_by_role("log")
    say(chat, "a long answer")
    expect(log.get_by_text("Paragraph 59.")).to_be_visible()
    say(chat, "now wait")
    jump = chat.get_by_label("Go to the newest message")
    # The log may still follow what comes with the prompt in the moment of the scrolling.
    until(lambda: log.evaluate("element => { element.scrollTop = element.scrollHeight / 2; }"), jump.is_visible)
    fold = log.locator("details:not(.codex-facts)").first
    fold.evaluate("element => { element.open = true; }")
    page.wait_for_timeout(200)
    before = log.evaluate("element => element.scrollTop")
    page.locator(".jp-CodeCell").nth(2).locator(".cm-content").fill("gate.set()")
    run_cell(page, 2)
    expect(log.get_by_text("echo first")).to_be_attached()
    assert log.evaluate("element => element.scrollTop") == before
    assert fold.evaluate("element => element.open")
    jump.click()
    expect(log.get_by_text("echo first")).to_be_in_viewport()
    run_cell(page, 3)
    expect(log.get_by_text("The end.")).to_be_in_viewport()


COUNT = """import gc
from codex_jupyter.notebook.chat.channel import Channel
pages = sum(len(one.pages) for one in gc.get_objects() if isinstance(one, Channel))
others = sum(isinstance(one, codex_jupyter.CodexChat) and one.comm is not None and one not in chats for one in gc.get_objects())
print('comms', sum(one.comm is not None for one in chats), pages - others, len(chats))"""
"""Counts the open chats of the cell, their ways around a running cell, and all chats of the cell. The panel can have a chat too."""


def test_it_says_when_the_kernel_has_ended(opened: Opened) -> None:
    """A closed chat sends nothing. The same cell starts a new chat and releases the old one."""
    page, chat = opened(
        "chat-restart.ipynb",
        "import codex_jupyter\nchat = codex_jupyter.chat()\nchats = [*globals().get('chats', []), chat]\nchat",
        COUNT,
    )
    counted = cells(page).nth(2).locator(".jp-OutputArea-output")
    expect(counted).to_contain_text("comms")
    for _ in range(3):
        run_cell(page, 1)
    # One chat is open, with one way around a running cell.
    until(lambda: run_cell(page, 2), lambda: counted.inner_text().strip() == "comms 1 1 4")
    say(chat, "slow please")
    expect(chat.locator(".codex-timer")).to_have_text(re.compile(r"\d s"))
    page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    expect(chat.locator(".codex-timer")).to_have_text("stopped with the kernel")
    expect(chat.get_by_role("alert")).to_contain_text("The kernel has ended")
    expect(chat.get_by_label("Message to Codex")).to_be_disabled()
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / "chat-restart.png")
    run_cell(page, 0)
    run_cell(page, 1)
    expect(chat.get_by_label("Message to Codex")).to_be_enabled(timeout=60_000)
    say(chat, "hello there")
    expect(chat.get_by_role("log").get_by_text("print('from the chat')")).to_be_visible()


BLOCKS = """FENCE = chr(96) * 3
CODE = [("python", "first = 1"), ("python", "second = 2"), ("sql", "SELECT 0"), ("bash", "echo third")]
model.close()
model = ScriptedModel([["\\n\\n".join(f"{FENCE}{language}\\n{code}\\n{FENCE}" for language, code in CODE)]]).start()
%codex use model
%codex chat"""


def test_any_number_of_cells_is_inserted_in_order(opened: Opened) -> None:
    """Below the chat, one after the other, and above what stood there; a shell's code as a cell that the shell runs."""
    page, chat = opened("chat-insert.ipynb", BLOCKS, "last = 1")
    say(chat, "three blocks")
    insert = chat.get_by_label("Insert the code into a new cell")
    expect(insert).to_have_count(3)
    for number in range(3):
        insert.nth(number).click()
    expected = ["first = 1", "second = 2", "%%bashecho third", "last = 1"]
    expect(cells(page).locator(".cm-content")).to_have_count(6)
    assert [text.replace("\n", "") for text in cells(page).locator(".cm-content").all_inner_texts()[2:]] == expected


WATCHED = """import codex_jupyter
chat, seen = codex_jupyter.chat(), []
chat.observe(lambda change: seen.append(change['new']), 'running')
chat"""


def test_a_turn_started_in_a_cell_or_in_the_chat_is_in_both(opened: Opened) -> None:
    """Also while it runs. Python code that observes the widget is notified."""
    page, chat = opened("chat-both.ipynb", WATCHED, "busy = 0", "%codex show\nprint(seen, len(chat.turns))")
    log = chat.get_by_role("log")
    cells(page).nth(2).locator(".cm-content").fill("%codex slow in the cell")
    run_cell(page, 2)
    expect(log.get_by_text("sleep 3005")).to_be_visible()
    expect(chat.get_by_text("Running sleep 3005")).to_be_visible()
    chat.get_by_label("Stop the turn").click()
    expect(log.locator("article[data-status=interrupted]")).to_be_visible()
    expect(cells(page).nth(2)).to_contain_text("interrupted")
    say(chat, "ask about the cell")
    expect(log.get_by_text("The cell and the chat are one.")).to_be_visible()
    run_cell(page, 3)
    expect(cells(page).nth(3)).to_contain_text("[True, False, True, False] 2")
    expect(cells(page).nth(3)).to_contain_text("The cell and the chat are one.")


BOXED = """import ipywidgets, codex_jupyter
chat = codex_jupyter.chat("boxed")
ipywidgets.HBox([ipywidgets.Label("beside"), chat])"""


def test_it_lives_inside_other_widgets_and_at_any_size(opened: Opened) -> None:
    """Code still goes below its own cell; at 200 % nothing is cut off."""
    page, chat = opened("chat-boxed.ipynb", BOXED, "last = 1")
    expect(chat).to_be_visible()
    log = chat.get_by_role("log")
    say(chat, "hello there")
    expect(log.get_by_text("print('from the chat')")).to_be_visible()
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / "chat-boxed.png")
    log.get_by_label("Insert the code into a new cell").click(timeout=5000)
    expect(cells(page).nth(2).locator(".cm-content")).to_contain_text("print('from the chat')")
    # What a browser does at 200 %: half as many pixels, each twice as large.
    page.set_viewport_size({"width": 640, "height": 700})
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / "chat-zoom.png")
    assert chat.evaluate("element => element.scrollWidth <= element.clientWidth")
    for button in chat.get_by_role("button").filter(visible=True).all():
        button.scroll_into_view_if_needed()
        box, outer = button.bounding_box(), chat.bounding_box()
        assert box is not None
        assert outer is not None
        assert box["x"] >= outer["x"]
        assert box["x"] + box["width"] <= outer["x"] + outer["width"]


@pytest.mark.usefixtures("own_page")
def test_without_a_way_around_a_running_cell_it_says_so(opened: Opened, lab: Lab) -> None:
    """In front ends without subshells, requests wait. Only a second click on Stop interrupts a cell that the chat did not start."""
    lab.configure("apputils-extension/kernels-settings", commsOverSubshells="disabled")
    try:
        page, chat = opened("chat-plain.ipynb", "%codex chat", "busy = 0")
    finally:
        lab.configure("apputils-extension/kernels-settings")
    log, notice = chat.get_by_role("log"), chat.get_by_role("alert")
    say(chat, "slow please")
    expect(log.get_by_text("sleep 3005")).to_be_visible()
    cells(page).nth(2).locator(".cm-content").fill("import threading; threading.Event().wait()")
    run_cell(page, 2)
    expect(cells(page).nth(2).locator(".jp-InputPrompt")).to_have_text("[*]:")
    stop = chat.get_by_label("Stop the turn")
    stop.click()
    expect(notice).to_contain_text("Press Stop again")
    expect(cells(page).nth(2).locator(".jp-InputPrompt")).to_have_text("[*]:")
    stop.click()
    expect(cells(page).nth(2)).to_contain_text("KeyboardInterrupt")
    expect(log.locator("article[data-status=interrupted]")).to_be_visible()
    cells(page).nth(2).locator(".cm-content").fill("%codex slow in the cell")
    run_cell(page, 2)
    expect(log.get_by_text("sleep 3006")).to_be_visible()
    stop.click()
    expect(log.locator("article[data-status=interrupted]")).to_have_count(2)
