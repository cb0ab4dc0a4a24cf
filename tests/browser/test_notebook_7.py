"""Cells and the chat in Notebook 7. One page and one kernel serve all tests of this file, because a page of its own takes each test long.

The front end gives outputs and widgets the same code as JupyterLab. These tests check what a user does, once.
"""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.accessibility import violations
from tests.browser.chats import LOOK_ELSEWHERE, WAIT, check_saved_copy, run_cell, say, spoken
from tests.browser.conftest import TOKEN, VIEWPORT, Lab, new_page, open_in_notebook_7

SETUP: Final = r"""%load_ext codex_jupyter
from codex_jupyter.testing import ScriptedModel, ScriptedTurn, say, shell, think, wait_for, write_file
from threading import Event
import matplotlib.pyplot as plt
held, readings = Event(), [1, 2, 3]
open("notes.txt", "w").close()
CODE = "Use this:\n\n```python\nprint('from the chat')\n```\n"
WRITE = write_file("stats.py", "def mean(values):\n    return sum(values) / len(values)\n")
STEPS = [[shell(f"echo step {n}")] for n in range(6)]
model = ScriptedModel([
    ScriptedTurn([*STEPS, [shell("cat missing.csv")], [wait_for(held, 600), "**All** done."]], match="fold"),
    *(ScriptedTurn([[shell("echo made > made.txt", justification="It is wanted")], "Made it."], match="make") for _ in range(2)),
    *(ScriptedTurn([[WRITE], "Written."], match="write") for _ in range(3)),
    ScriptedTurn(["Narrow."], match="narrow"),
    ScriptedTurn(['{"city": "Bern", "minutes": 58}'], match="table"),
    ScriptedTurn([[shell("sleep 3008")], [wait_for(held, 600), "never"]], match="wait for me"),
    *(ScriptedTurn([[shell("sleep 3007")], [wait_for(held, 600), "never"]], match="slow") for _ in range(2)),
    ScriptedTurn(["This is the rest."], match="Continue where you stopped."),
    ScriptedTurn([say("One sentence of it.\n\nAnother sentence of it.", pace=0.2)], match="speak"),
    *(ScriptedTurn([CODE], match="hello") for _ in range(4)),
    ScriptedTurn(["I see it."], match="image"),
    ScriptedTurn(["Fine."], match="Count"),
]).start()
%codex use model
%config CodexMagics.context = 'none'
%config CodexMagics.sandbox = 'danger-full-access'
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}, "minutes": {"type": "integer"}},
    "required": ["city", "minutes"], "additionalProperties": False}
plt.plot(readings); plt.show()"""
CELLS: Final = {
    "set-up": SETUP,
    "fold": "turn = %codex --bg fold it",
    "release": "held.set(); turn.result(); held.clear()",
    "ask": "%codex -a on-request -s read-only make it",
    "diff": "%codex write it",
    "narrow": "%codex narrow",
    "schema": "%codex --schema SCHEMA table",
    "open": "%config CodexMagics.fold_work = False\n%codex write it",
    "tables": "%codex usage",
    "texts": "%codex doctor\n%codex help\n%codex --dry-run hello",
    "mistake": "%codex --sandbox readonly hello",
    "retry": "%codex retry",
    "chat": "%codex chat talk",
}
OUTPUTS: Final = ".jp-OutputArea-output.jp-RenderedHTMLCommon"
MISSING: Final = """pre => {
  const [card, shown] = [pre.closest("[style*='border-left']"), pre].map(node => node.getBoundingClientRect().right);
  return card - shown;
}"""
"""The pixels between a block and the right edge of its card."""
OFFSET: Final = """cell => {
  const [output, button] = [".jp-OutputArea-output", ".codex-lab-output-actions button"].map(name => cell.querySelector(name));
  return button.getBoundingClientRect().left - output.getBoundingClientRect().left;
}"""
"""The pixels between the left edges of the buttons and of the output above."""
VISIBLE: Final = "cell => cell.querySelector('.jp-OutputArea').innerText"
IN_VIEW: Final = """chat => {
  const [outer, box] = [chat, chat.querySelector('.codex-compose')].map(node => node.getBoundingClientRect());
  return [Math.round(outer.height), box.height > 60 && box.top >= outer.top && box.bottom <= outer.bottom];
}"""
LARGER: Final = "scale => { document.documentElement.style.zoom = scale; }"


@pytest.fixture(scope="module", autouse=True)
def _no_kernel_left(lab: Lab) -> Iterator[None]:
    """Keep the kernel until the last test of this file."""
    yield
    lab.clear()


@pytest.fixture(scope="module")
def page(browser: Browser, lab: Lab) -> Iterator[Page]:
    """Open the notebook, and run its first cell."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new_notebook(cells=[new_code_cell(source) for source in CELLS.values()], metadata=kernel), lab.root / "whole.ipynb")
    page = new_page(browser)
    open_in_notebook_7(page, lab, "whole.ipynb")
    run(page, "set-up")
    yield page
    page.context.close()


@pytest.fixture(scope="module")
def chat(page: Page) -> Locator:
    run(page, "chat")
    return page.locator(".codex-chat").first


def cell(page: Page, name: str) -> Locator:
    return page.locator(".jp-CodeCell").nth(list(CELLS).index(name))


def start(page: Page, name: str) -> Locator:
    """Run a cell, and return it."""
    run_cell(page, list(CELLS).index(name))
    return cell(page, name)


def run(page: Page, name: str) -> Locator:
    """Run a cell to its end, and return it."""
    shown = start(page, name)
    expect(shown.locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[\d+\]:"), timeout=60_000)
    shoot(page, shown, name)
    return shown


def shoot(page: Page, shown: Locator, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        shown.scroll_into_view_if_needed()
        shown.screenshot(path=Path(folder) / f"seven-{name.replace(' ', '-')}.png")


def test_the_work_folds_while_it_runs_and_below_the_answer(page: Page) -> None:
    """A status line with counts, the last steps, older ones folded; then the answer, one line, and the failure."""
    shown = run(page, "fold")
    expect(shown).to_contain_text("exit 1")
    expect(shown).to_contain_text(re.compile(r"● Thinking\s+· [\d.]+ s · 7 commands"))
    status = shown.evaluate(VISIBLE)
    assert "step 5" in status
    assert "step 0" not in status
    run(page, "release")
    expect(shown).to_contain_text("All done.")
    expect(shown).to_contain_text("Worked for")
    ended = shown.evaluate(VISIBLE)
    assert ended.index("All done.") < ended.index("Worked for") < ended.index("✗ exit 1 · cat missing.csv")
    assert "step" not in ended
    shoot(page, shown, "folded")
    shown.locator("summary").filter(has_text="Worked for").click()
    expect(shown.get_by_text("echo step 0")).to_be_visible()
    assert len(shown.locator(".jp-OutputArea-child").all()) <= 12


def test_a_question_is_a_card_and_then_one_line(page: Page) -> None:
    """The step waits, and does not run."""
    shown = start(page, "ask")
    box = shown.locator(".jp-Stdin-input")
    expect(box).to_be_visible(timeout=60_000)
    card = shown.locator(OUTPUTS).filter(has_text="Run this command?")
    expect(card).to_contain_text("It is wanted")
    expect(shown).to_contain_text("Waiting for your answer")
    shoot(page, shown, "question")
    page.wait_for_timeout(1_200)  # an answer that comes at once is not taken
    box.fill("n")
    box.press("Enter")
    expect(shown).to_contain_text("you declined: ", timeout=60_000)
    expect(card).to_have_count(0)


def test_a_difference_an_answer_of_a_schema_and_one_header(page: Page) -> None:
    """Name, counts and line numbers without raw headers; a table; model, sandbox, demo, once."""
    shown = run(page, "diff")
    text = shown.evaluate(VISIBLE)
    assert re.search(r"\+ added\s+stats\.py\s+\+2 −0", text)
    assert "@@" not in text
    assert "+++" not in text
    assert text.count("scripted demo") == text.count("danger-full-access") == 1
    shown.locator("summary").filter(has_text="added").first.click()
    expect(shown.locator("pre").filter(has_text="def mean").first).to_contain_text("1 +")
    answer = run(page, "schema")
    expect(answer.get_by_role("rowheader", name="minutes")).to_be_visible()
    expect(answer.get_by_role("cell", name="Bern")).to_be_visible()


def test_the_buttons_of_a_turn_start_where_its_output_starts(page: Page) -> None:
    """Also in a narrow window, where the prompts are above the outputs."""
    shown = run(page, "narrow")
    expect(shown.get_by_role("button", name="Ask further")).to_be_visible()
    assert shown.evaluate(OFFSET) == 0
    page.set_viewport_size({"width": 700, "height": VIEWPORT["height"]})
    assert shown.evaluate(OFFSET) == 0
    page.set_viewport_size(VIEWPORT)


def test_all_work_stays_open_if_the_setting_says_so(page: Page) -> None:
    """An open difference is as wide as its card."""
    diff = run(page, "open").locator("pre").filter(has_text="def mean").first
    expect(diff).to_be_visible()
    assert diff.evaluate(MISSING) <= 1


def test_commands_print_tables_and_texts_that_wrap_between_words(page: Page) -> None:
    """`usage` has a sum, `doctor` starts with problems, `help` is grouped, and `--dry-run` shows the requests."""
    table = run(page, "tables")
    expect(table.locator("tfoot")).to_be_visible()
    texts = run(page, "texts")
    shown = texts.evaluate(VISIBLE)
    assert shown.startswith(("! ", "No problem"))
    for part in ("Set-up:", "thread/resume", "turn/start"):
        assert part in shown
    broken = texts.locator("[style*='word-break']").or_(run(page, "mistake").locator("pre"))
    assert broken.evaluate_all("nodes => nodes.map(node => getComputedStyle(node).wordBreak)") == ["normal"] * 4
    expect(run(page, "retry")).to_contain_text("Written.")


def test_the_chat_keeps_its_height_with_the_composer_in_view(page: Page, chat: Locator) -> None:
    """It opens at the newest turn and shows what applies: preset, sandbox, model, effort, and the context."""
    before = chat.evaluate(IN_VIEW)
    say(chat, "hello there")
    log = chat.get_by_role("log")
    expect(log.get_by_text("print('from the chat')")).to_be_visible()
    assert before == chat.evaluate(IN_VIEW) == [before[0], True]
    for chooser in ("Rights", "Model", "Effort", "Sandbox"):
        expect(chat.get_by_label(chooser, exact=True)).to_be_visible()
    expect(chat.get_by_label("Sandbox", exact=True)).to_have_value("danger-full-access")
    expect(chat.locator(".codex-meter")).to_be_visible()
    log.get_by_label(re.compile("Insert the code into a new cell")).click()
    below = page.locator(".jp-CodeCell").nth(len(CELLS))
    expect(below.locator(".cm-content")).to_contain_text("print('from the chat')")


def test_what_is_added_to_a_running_turn_is_a_message(chat: Locator) -> None:
    log, box = chat.get_by_role("log"), chat.get_by_label("Message to Codex")
    say(chat, "wait for me")
    expect(log.get_by_text("sleep 3008")).to_be_visible()
    box.fill("and be brief")
    chat.get_by_label("Steer: add this to the running turn").click()
    expect(log.locator(".codex-steered").get_by_text("and be brief")).to_be_visible()
    expect(chat.get_by_label("Stop the turn")).to_be_hidden()  # the script has no answer for it, which ends the turn


def test_a_turn_of_the_chat_is_stopped_continued_edited_and_retried(chat: Locator) -> None:
    """The running time of a command is shown."""
    log, box = chat.get_by_role("log"), chat.get_by_label("Message to Codex")
    count = log.get_by_role("article").count() + 1
    say(chat, "slow please")
    expect(log.get_by_text("sleep 3007")).to_be_visible()
    expect(log.locator(".codex-timer")).to_have_text(re.compile(r"\d+ s"))
    chat.get_by_label("Stop the turn").click()
    last = log.get_by_role("article").last
    expect(last).to_have_attribute("data-status", "interrupted")
    last.get_by_label(re.compile("^Continue after")).dblclick()
    expect(log.get_by_role("article")).to_have_count(count + 1)
    expect(log.get_by_text("This is the rest.")).to_be_visible()
    last = log.get_by_role("article").filter(has_text="slow please")
    last.get_by_label(re.compile("^Edit and send again")).click()
    expect(box).to_have_value("slow please")
    box.fill("hello again")
    box.press("Enter")
    expect(log.get_by_text("slow please")).to_have_count(0)
    expect(log.get_by_role("article")).to_have_count(count)
    expect(log.get_by_role("article").last.get_by_text("print('from the chat')")).to_be_visible()
    say(chat, "/retry")
    expect(log.get_by_role("article")).to_have_count(count)
    expect(chat.get_by_label("Stop the turn")).to_be_hidden()


def test_commands_and_mentions_are_completed(chat: Locator) -> None:
    """Files of the folder, variables and plots. What the user attaches stands in the user's bubble."""
    box, log = chat.get_by_label("Message to Codex"), chat.get_by_role("log")
    for typed, offered in (("/comp", "/compact"), ("@read", "@readings"), ("@note", "@notes.txt"), ("image @plo", "@plot")):
        box.fill("")
        box.press_sequentially(typed)
        expect(chat.get_by_role("option", name=offered).first).to_be_visible()
    box.press("Enter")
    expect(box).to_have_value("image @plot ")
    box.press("Enter")
    expect(log.get_by_text("I see it.")).to_be_visible()
    expect(log.get_by_role("article").last.locator(".codex-prompt img")).to_be_visible()


def test_a_new_thread_starts_at_once_and_is_named_by_its_prompt(chat: Locator) -> None:
    """It is renamed, found, archived, put back and deleted."""
    thread, more = chat.get_by_label("Thread", exact=True), chat.get_by_role("menuitem")
    chat.get_by_label("new thread").click()
    expect(chat.get_by_role("article")).to_have_count(0)
    expect(chat.locator(".codex-ideas button").first).to_be_visible()
    say(chat, "Count the cities")
    expect(thread.locator("option:checked")).to_have_text("Count the cities")
    expect(chat.get_by_role("log").get_by_text("Fine.")).to_be_visible()
    chat.get_by_label("More about this thread").click()
    more.get_by_text("Rename").click()
    chat.get_by_label("Title of this thread").fill("Cities")
    chat.get_by_label("Title of this thread").press("Enter")
    expect(thread.locator("option:checked")).to_have_text("Cities")
    chat.get_by_label("resume thread").click()
    chat.get_by_label("Search threads").fill("cities")
    expect(chat.locator(".codex-stored li")).to_have_count(1)
    chat.get_by_label("Archive: Cities").click()
    expect(chat.get_by_text("No thread matches.")).to_be_visible()
    chat.get_by_label("archived").check()
    chat.get_by_title("Put this thread back into the lists").filter(has_text="Cities").click()
    expect(chat.get_by_text("No thread matches.")).to_be_visible()
    chat.get_by_label("archived").uncheck()
    chat.get_by_label("Delete: Cities").click()
    chat.get_by_label("Delete for good: Cities").click()
    expect(chat.get_by_text("No thread matches.")).to_be_visible()
    expect(thread.locator("option:checked")).not_to_have_text("Cities")
    chat.get_by_label("Close the list").click()


def test_a_screen_reader_says_sentences_and_not_pieces(chat: Locator) -> None:
    """The text streams word by word."""
    expect(chat.get_by_role("log")).to_have_attribute("aria-live", "off")
    say(chat, "speak")
    expect(spoken(chat).filter(has_text="Another sentence of it.")).to_have_count(1)
    expect(spoken(chat).last).to_have_text("Codex has finished.")
    said = "|".join(spoken(chat).all_inner_texts()).rpartition("Codex is working.|")[2]
    # Texts that come in the same moment are said together.
    assert re.fullmatch(r"One sentence of it\.[| ]Another sentence of it\.[| ]Codex has finished\.", said)


def test_the_title_of_the_tab_and_a_notification_call_the_user(page: Page, chat: Locator) -> None:
    """When a long turn has ended, or Codex asks, and the user looks elsewhere."""
    page.evaluate(LOOK_ELSEWHERE)
    title, stop = page.title(), chat.get_by_label("Stop the turn", exact=True)
    chat.get_by_label("More about this thread").click()
    chat.get_by_role("menuitem", name="Notify me when it is done").click()
    say(chat, "slow again")
    expect(chat.get_by_role("log").get_by_text("sleep 3007")).to_be_visible()
    assert page.title() == title
    page.evaluate(WAIT, 9_000)
    stop.click()
    expect(page).to_have_title(f"The turn was stopped. · {title}")
    chat.get_by_label("Rights", exact=True).select_option(label="Ask")
    say(chat, "make it")
    expect(chat.get_by_role("alertdialog", name="Run this command?")).to_contain_text("It is wanted")
    expect(page).to_have_title(f"Codex asks · {title}")
    assert set(page.evaluate("notified")) == {"Codex: The turn was stopped.", "Codex: Codex asks"}
    chat.get_by_role("alertdialog").get_by_role("button", name=re.compile("^Decline")).first.click()
    expect(stop).to_be_hidden()
    page.evaluate("window.away = false; window.dispatchEvent(new Event('focus'))")
    assert page.title() == title


def test_axe_finds_nothing_and_nothing_is_cut_off_at_200_percent(page: Page, chat: Locator) -> None:
    """In cells and in the chat."""
    assert violations(page, ".codex-chat") == []
    assert violations(page, OUTPUTS) == []
    page.evaluate(LARGER, "2")
    try:
        assert chat.evaluate("chat => chat.scrollWidth <= chat.clientWidth + 1")
        assert chat.evaluate(IN_VIEW)[1]
    finally:
        page.evaluate(LARGER, "1")


def test_a_reopened_notebook_shows_the_saved_copy(page: Page, chat: Locator, lab: Lab) -> None:
    """Without a kernel that knows the chat. Trusted, and from elsewhere: no one here has signed that file."""
    say(chat, "hello once more")
    expect(chat.get_by_role("log").get_by_text("print('from the chat')")).to_be_visible()
    expect(chat.get_by_label("Stop the turn")).to_be_hidden()
    path = lab.root / "whole.ipynb"
    deadline = time.monotonic() + 30
    while "hello once more" not in path.read_text():
        assert time.monotonic() < deadline
        page.keyboard.press("Control+s")
        page.wait_for_timeout(300)
    page.goto("about:blank")
    lab.shut_down_kernels()
    page.goto(f"{lab.url}/notebooks/{path.name}?token={TOKEN}")
    check_saved_copy(page, "hello once more", trusted=True)
    saved = nbformat.read(path, as_version=4)
    saved.cells = [entry for entry in saved.cells if entry.source == CELLS["chat"]]
    nbformat.write(saved, lab.root / "whole-again.ipynb")
    page.goto(f"{lab.url}/notebooks/whole-again.ipynb?token={TOKEN}")
    check_saved_copy(page, "hello once more", trusted=False)
