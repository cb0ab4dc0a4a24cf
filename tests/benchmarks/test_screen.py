"""Time until the first words of the model can be read in a real JupyterLab. Prints a table; decides nothing about time."""

import re
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
from playwright.sync_api import Page, expect

from tests.benchmarks.test_sdk import ROUNDS, table
from tests.browser.chats import run_cell
from tests.browser.test_magic import opened

pytestmark = pytest.mark.benchmark
SCRIPT = """import threading, time
from codex_jupyter.testing import ScriptedModel, delay, say, wait_for

class Clock(threading.Event):
    "Is set whenever it is asked, and knows when that was."
    def is_set(self):
        self.asked = time.time() * 1e3
        return True
    def wait(self, timeout=None):
        return self.is_set()

clocks = [Clock() for _ in range(99)]
live = ScriptedModel(
    [[[wait_for(clock), say(f"First words {number:02}."), delay(1.0), say("Last words.")]] for number, clock in enumerate(clocks)]
).start()
%codex use live
%config CodexMagics.context = 'none'
"""
WATCH = r"""() => {
  window.seen = {};
  new MutationObserver(() => {
    const text = document.querySelector(".jp-Notebook").textContent;
    for (const [words] of text.matchAll(/First words \d+\./g)) window.seen[words] ??= Date.now();
  }).observe(document.body, { childList: true, subtree: true, characterData: true });
}"""


def test_the_first_words_on_screen(tmp_path: Path, open_notebook: Callable[..., Page]) -> None:
    """From the moment that the model says them; it says no more for a second."""
    lab_page = opened(
        tmp_path,
        open_notebook,
        "screen.ipynb",
        SCRIPT,
        *["%codex go"] * (ROUNDS + 1),
        "print(*(clock.asked for clock in clocks if hasattr(clock, 'asked')))",
    )
    prompts = lab_page.locator(".jp-CodeCell .jp-InputPrompt")
    for number in range(1, ROUNDS + 4):
        if number == 2:
            lab_page.evaluate(WATCH)
        run_cell(lab_page, number)
        expect(prompts.nth(number)).to_have_text(f"[{number + 1}]:", timeout=60_000)
    output = lab_page.locator(".jp-CodeCell").last.locator(".jp-OutputArea").inner_text()
    said = [float(number) for number in re.findall(r"[\d.]{10,}", output)]
    seen = lab_page.evaluate("window.seen")
    # The first turn makes the outputs' styles and starts the server; the others are what a user sees.
    late = [seen[words] - asked for words, asked in zip(sorted(seen), said, strict=True)][1:]
    table("The first words in JupyterLab", [["median ms", "worst ms"], [f"{median(late):.0f}", f"{max(late):.0f}"]])
