"""Costs of the chat's page: opening a long conversation, and a key while text arrives. Prints a table and decides nothing about time."""

import re
import time

import pytest
from playwright.sync_api import Page

from codex_jupyter.sdk.models.items import AgentMessageItem, CommandExecutionItem
from tests.benchmarks.test_rendering import README, table
from tests.browser.pages import FOLDER, SCRIPT, open_page, past, send, show

pytestmark = pytest.mark.benchmark
TURNS = 500
KEYS = 100
# From the key to the moment at which the page has been drawn with it.
LISTEN = """() => {
  window.waits = [];
  document.querySelector('.codex-input').addEventListener('keydown', () => {
    const began = performance.now();
    requestAnimationFrame(() => setTimeout(() => waits.push(performance.now() - began)));
  });
}"""
STREAM = """() => {
  let count = 0;
  const timer = setInterval(() => {
    for (let n = 0; n < (window.typed ? 500 : 5) && count < 5000; n += 1, count += 1) {
      const block = { block: 'm', kind: 'agent_message', append: `word ${count} of many and a few more ` };
      deliver({ type: 'blocks', turn: 'key:new', blocks: [block] });
    }
    if (count >= 5000) { clearInterval(timer); window.streamed = true; }
  }, 20);
}"""


def test_a_long_conversation_and_a_key(page: Page) -> None:
    """500 turns in the page at once, which the kernel never sends; 5,000 increments at 250 a second, where it sends 10."""
    chat = open_page(page)
    size = len(SCRIPT.encode()), (FOLDER / "chat.css").stat().st_size
    command = CommandExecutionItem(id="c", command="ls", aggregated_output="a\nb\n" * 20, exit_code=0, status="completed")
    began = time.perf_counter()
    turns = [past(number, f"prompt {number}", command, AgentMessageItem(id="m", text=README[:2_000])) for number in range(TURNS)]
    rendered = time.perf_counter() - began
    page.evaluate(LISTEN)
    empty = _keys(page)
    began = time.perf_counter()
    newest = [past(number, f"prompt {number}", command, AgentMessageItem(id="m", text=README[:2_000])) for number in range(TURNS)[-20:]]
    opened = page.evaluate(
        "turns => new Promise(done => { const began = performance.now(); deliver({ type: 'state', turns, start: 0, secret: '' });"
        " requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began))); })",
        newest,
    )
    whole = time.perf_counter() - began
    everything = time.perf_counter()
    show(page, *turns)
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    everything = time.perf_counter() - everything
    assert chat.get_by_role("article").count() == TURNS
    still = _keys(page)
    send(page, type="turn", id="key:new", prompt="more", at=0)
    send(page, type="blocks", turn="key:new", blocks=[{"block": "m", "kind": "agent_message", "html": "", "text": "first "}])
    page.evaluate(STREAM)
    streaming = _keys(page)
    page.evaluate("window.typed = true")  # the rest may arrive faster: on a busy machine, the timer alone would take minutes
    page.wait_for_function("window.streamed", timeout=300_000)
    assert re.search("word 4999 of many", chat.locator(".codex-growing").text_content() or "")
    rows = [
        ("", "ms"),
        ("the last 20 turns, as a page opens", f"{opened:.0f}"),
        ("  with rendering them in the kernel and sending them", f"{whole * 1000:.0f}"),
        (f"all {TURNS} turns at once", f"{everything * 1000:.0f}"),
        (f"  rendering them in the kernel, once, all of {TURNS}", f"{rendered * 1000:.0f}"),
        ("a key, empty chat (median, 95 %, worst)", empty),
        (f"a key, {TURNS} turns", still),
        ("a key, and 250 increments a second", streaming),
        ("bytes of the script and of chat.css", f"{size[0]:,}, {size[1]:,}"),
    ]
    table("the chat's page", rows)


def _keys(page: Page) -> str:
    """Type, and how long each key took until it was seen."""
    page.locator(".codex-input").focus()
    page.evaluate("waits.length = 0")
    for number in range(KEYS):
        page.keyboard.press("abcdefghij "[number % 11])
    page.wait_for_function(f"waits.length >= {KEYS}")
    waits = sorted(page.evaluate("waits"))
    return f"{waits[KEYS // 2]:.0f}, {waits[KEYS * 95 // 100]:.0f}, {waits[-1]:.0f}"
