"""The live transport in a real page: text grows while it is written, output while a command runs; questions are answered in the cell."""

import os
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.chats import run_cell
from tests.browser.conftest import Lab
from tests.browser.test_magic import opened

SCRIPT = """from codex_jupyter.testing import ScriptedModel, ScriptedTurn, say, shell
live = ScriptedModel([
    ScriptedTurn([[say("First words, last words.", chunks=["First words, ", "last words."], pace=3.0)]], match="slowly"),
    ScriptedTurn([[shell("for i in 1 2 3; do echo tick $i; sleep 1.5; done")], "Counted."], match="count"),
    ScriptedTurn([[shell("echo made > made.txt", justification="It is wanted")], "Made it."], match="make"),
    ScriptedTurn([[shell("echo made > declined.txt", justification="It is wanted")], "Well then."], match="try"),
]).start()
%codex use live
"""


def set_up(tmp_path: Path, open_notebook: Callable[..., Page], name: str, *sources: str) -> Page:
    page = opened(tmp_path, open_notebook, name, SCRIPT, *sources)
    run_cell(page, 1)
    expect(page.locator(".jp-CodeCell").nth(1).locator(".jp-InputPrompt")).to_have_text("[2]:", timeout=60_000)
    return page


WATCH = """cell => {
  cell.shown = [];
  new MutationObserver(() => cell.shown.push(cell.querySelector(".jp-OutputArea").textContent))
    .observe(cell, { childList: true, subtree: true, characterData: true });
}"""


def run_and_watch(page: Page, number: int, end: str) -> list[str]:
    """Run a cell until its output contains some words, and return all that it showed on the way."""
    cell = page.locator(".jp-CodeCell").nth(number)
    cell.evaluate(WATCH)
    run_cell(page, number)
    expect(cell.locator(".jp-OutputArea")).to_contain_text(end, timeout=60_000)
    shown: list[str] = cell.evaluate("cell => cell.shown")
    return shown


def test_text_and_output_grow(tmp_path: Path, open_notebook: Callable[..., Page]) -> None:
    """The beginning is to be read before the end is there."""
    page = set_up(tmp_path, open_notebook, "live-growth.ipynb", "%codex say it slowly", "%codex count")
    assert any("First words," in text and "last words." not in text for text in run_and_watch(page, 2, "First words, last words."))
    counted = run_and_watch(page, 3, "Counted.")
    assert any("tick 2" in text and "tick 3" not in text for text in counted)
    expect(page.locator(".jp-CodeCell").nth(3)).to_contain_text("tick 3")


def test_a_question_is_answered_in_the_cell(tmp_path: Path, lab: Lab, open_notebook: Callable[..., Page]) -> None:
    """By a letter in the box below it; nothing happens before, and the decision stays on screen."""
    page = set_up(
        tmp_path,
        open_notebook,
        "live-question.ipynb",
        "%codex -a on-request -s read-only make it",
        "%codex -a on-request -s read-only try it",
    )
    folder = lab.root
    for number, letter, decided in ((2, "y", "allowed this once"), (3, "n", "declined")):
        cell = page.locator(".jp-CodeCell").nth(number)
        run_cell(page, number)
        box = cell.locator(".jp-Stdin-input")
        expect(box).to_be_visible(timeout=60_000)
        card = cell.locator(".jp-RenderedHTMLCommon").filter(has_text="Run this command?")
        expect(card).to_contain_text("It is wanted")
        expect(cell).to_contain_text("Waiting for your answer")
        expect(cell.locator(".jp-Stdin-prompt")).to_have_text("Run this command? y, s, n, c > ")
        assert not (folder / "made.txt").exists() or number == 3
        if shots := os.environ.get("SCREENSHOTS"):
            cell.screenshot(path=Path(shots) / f"cell-asks-{letter}.png")
        page.evaluate("() => new Promise(done => setTimeout(done, 1200))")  # an answer that comes at once is not taken
        box.fill(letter)
        box.press("Enter")
        expect(cell).to_contain_text("1 decision", timeout=60_000)
        expect(cell).to_contain_text(f"you {decided}: ")
        expect(card).to_have_count(0)
    expect(page.locator(".jp-CodeCell").nth(3)).to_contain_text("Well then.")
    assert (folder / "made.txt").read_text() == "made\n"
    assert not (folder / "declined.txt").exists()
