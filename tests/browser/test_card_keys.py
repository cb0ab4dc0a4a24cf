"""The card of a question: its keys answer only while it has the focus, and not at once; what lasts for good takes two acts."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from codex_jupyter.notebook.chat.transcript import question_card
from codex_jupyter.sdk.transports.app_server.approvals import request_of
from tests.browser.chats import Opened, say
from tests.browser.pages import asked, open_page, send
from tests.browser.test_chat import APPROVING

ALWAYS = {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["git", "status"]}}
READ = "() => new Promise(done => setTimeout(done, 1100))"
"""The user reads: in its first second the card takes no key."""


def card_of(**params: Any) -> dict[str, Any]:
    params = {"command": "git status", "availableDecisions": ["accept", ALWAYS, "cancel"], **params}
    request = request_of("item/commandExecution/requestApproval", params)
    assert request is not None
    return question_card(request)


def ask(page: Page, number: int = 1, **params: Any) -> Locator:
    send(page, type="question", number=number, question=card_of(**params))
    card = page.get_by_role("alertdialog")
    expect(card).to_be_visible()
    return card


def answers(page: Page) -> list[str]:
    return [request["choice"] for request in asked(page) if request["do"] == "answer"]


@pytest.mark.parametrize(("key", "choice"), [("y", "accept"), ("n", "decline"), ("s", "accept_for_session")])
def test_a_key_answers_while_the_card_has_the_focus(page: Page, key: str, choice: str) -> None:
    open_page(page)
    card = ask(page)
    page.evaluate(READ)
    for _ in range(2):
        page.keyboard.press(key)  # the focus is elsewhere
    card.focus()
    for other in ("a", "Enter", "Escape", "x", f"Control+{key}", f"Alt+{key}", f"Meta+{key}"):
        page.keyboard.press(other)
    assert answers(page) == []
    page.keyboard.press(key)
    page.wait_for_function("sent.some(one => one.do === 'answer')")
    assert answers(page) == [choice]
    page.keyboard.press("y")
    assert answers(page) == [choice]


def test_what_was_typed_ahead_answers_nothing(page: Page) -> None:
    """The focus stays in the text that is being written, and a key within the first second is not taken."""
    chat = open_page(page)
    box = chat.get_by_label("Message to Codex")
    box.fill("")
    box.focus()
    card = ask(page)
    expect(box).to_be_focused()
    page.keyboard.type("yes, so")
    expect(box).to_have_value("yes, so")
    card.focus()
    page.evaluate("number => { deliver({type: 'question', number, question: null}); }", 2)
    card = ask(page, 3)
    card.focus()
    page.evaluate("""() => {
      for (const key of 'ysn') {
        document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
      }
    }""")
    assert answers(page) == []
    page.evaluate(READ)
    page.keyboard.press("s")
    page.wait_for_function("sent.some(one => one.do === 'answer')")
    assert answers(page) == ["accept_for_session"]


def test_a_key_of_a_choice_that_is_not_offered_does_nothing(page: Page) -> None:
    open_page(page)
    card = ask(page, availableDecisions=["accept", "cancel"])
    page.evaluate(READ)
    card.focus()
    page.keyboard.press("s")
    page.keyboard.press("a")
    assert answers(page) == []
    expect(card.get_by_role("button")).to_have_count(3)


def test_for_good_takes_its_button_and_a_second_act(page: Page) -> None:
    """A key, or the button that comes in its place; a double click is not two acts, and there is a way back."""
    open_page(page)
    card = ask(page)
    page.evaluate(READ)
    card.get_by_role("button", name=re.compile("^Always allow")).dblclick()
    expect(card).to_contain_text("Sure? yes, for good: every command that starts as shown")
    page.keyboard.press("y")
    assert answers(page) == []
    page.keyboard.press("Escape")
    expect(card.get_by_role("button", name=re.compile("^Allow once"))).to_be_visible()
    page.keyboard.press("a")
    assert answers(page) == []
    card.get_by_role("button", name=re.compile("^Always allow")).click()
    page.keyboard.press("a")
    page.wait_for_function("sent.some(one => one.do === 'answer')")
    assert answers(page) == ["accept_always"]


def test_a_card_shows_all_of_a_long_text(page: Page) -> None:
    """Behind a button; and what cannot be seen as escapes."""
    open_page(page)
    command = "\n".join(f"echo {line}" for line in range(400)) + "\x1b]0;title\x07\u200b; rm -rf x"
    card = ask(page, command=command)
    text = card.locator("[data-fact=command] pre")
    assert json.loads(json.dumps(text.inner_text())).endswith(r"\x1b]0;title\x07\u200b; rm -rf x")
    assert "echo 200\n" in text.inner_text()
    expect(card).to_contain_text("a character that cannot be seen")
    tall = text.evaluate("element => element.clientHeight")
    card.get_by_role("button", name="Show all: 400 lines").click()
    assert text.evaluate("element => element.clientHeight") > 5 * tall
    assert text.evaluate("element => element.scrollHeight <= element.clientHeight")
    card.get_by_role("button", name="Show less").click()
    assert text.evaluate("element => element.clientHeight") == tall


def test_letters_of_other_scripts_do_not_reorder_a_command(page: Page) -> None:
    """The parts of a command are read in the order in which they run."""
    open_page(page)
    card = ask(page, command="rm א ; ב ls", reason="שלום")
    exact, said = (
        card.locator(f"[data-fact={name}] pre").evaluate("e => getComputedStyle(e).unicodeBidi") for name in ("command", "reason")
    )
    assert (exact, said) == ("bidi-override", "plaintext")


def test_the_keys_answer_a_real_question(opened: Opened, lab: Any) -> None:
    """In JupyterLab, with the real CLI: no shortcut of the notebook runs, and the command does."""
    page, chat = opened("card-keys.ipynb", APPROVING)
    cells = page.locator(".jp-CodeCell").count()
    say(chat, "ask me")
    card = chat.get_by_role("alertdialog", name="Run this command?")
    expect(card).to_be_visible()
    page.evaluate(READ)
    assert not (lab.root / "asked.txt").exists()
    card.focus()
    if folder := os.environ.get("SCREENSHOTS"):
        chat.screenshot(path=Path(folder) / "card-keys.png")
    page.keyboard.press("y")
    expect(chat.get_by_role("log").get_by_text("Asked.", exact=True)).to_be_visible()
    expect(card).to_be_hidden()
    assert (lab.root / "asked.txt").read_text() == "asked\n"
    assert page.locator(".jp-CodeCell").count() == cells
