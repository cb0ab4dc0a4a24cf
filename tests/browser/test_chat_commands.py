"""Commands of the chat's page, and how it calls a user who looks elsewhere."""

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from codex_jupyter.sdk.models.items import AgentMessageItem
from tests.browser.chats import LOOK_ELSEWHERE, WAIT, say
from tests.browser.conftest import CHROMIUM_FLAGS, WHOLE_BROWSERS, find_chromium, new_page
from tests.browser.pages import ADDRESS, META, asked, open_page, past, send

LOOK_ELSEWHERE_REALLY = """() => {
  window.shown = [];
  document.hasFocus = () => false;
  window.Notification = class extends Notification {
    constructor(title, options) {
      super(title, options);
      this.addEventListener('show', () => shown.push(`${this.title}: ${this.body}`));
    }
  };
  const now = Date.now.bind(Date);
  Date.now = () => now() + (window.later ?? 0);
}"""
"""Chromium shows the notifications, and reports those that it has shown."""
QUESTION = {
    "title": "Run this command?",
    "facts": [{"name": "command", "text": "rm -r build"}],
    "choices": [{"choice": "accept", "meaning": "yes, this once"}, {"choice": "decline", "meaning": "no"}],
    "questions": [],
}


@pytest.fixture
def chat(page: Page) -> Locator:
    return open_page(page)


def take_turn(page: Page, number: int, milliseconds: int) -> None:
    """Let a turn of some length pass."""
    send(page, type="turn", id=f"key:{number}", prompt="hello", at=0)
    page.evaluate(WAIT, milliseconds)
    send(page, type="end", turn=f"key:{number}", status="completed", took="9 s", copy=1)


def test_the_title_of_the_window_calls_the_user(page: Page, chat: Locator) -> None:
    """When a long turn has ended, or Codex asks, and the user looks elsewhere. It is restored when the user comes back."""
    page.evaluate(LOOK_ELSEWHERE)
    page.evaluate("document.title = 'Untitled.ipynb'")
    take_turn(page, 0, 1_000)
    assert page.title() == "Untitled.ipynb"
    take_turn(page, 1, 9_000)
    assert page.title() == "Codex has finished. · Untitled.ipynb"
    send(page, type="question", number=1, question=QUESTION)
    assert page.title() == "Codex asks · Untitled.ipynb"
    assert page.evaluate("notified") == []
    page.evaluate("window.away = false; window.dispatchEvent(new Event('focus'))")
    assert page.title() == "Untitled.ipynb"


def test_a_notification_of_the_browser_calls_the_user_on_request(page: Page, chat: Locator) -> None:
    page.evaluate(LOOK_ELSEWHERE)
    chat.get_by_label("More about this thread").click()
    chat.get_by_role("menuitem", name="Notify me when it is done").click()
    expect(chat.get_by_text("You will be notified when a long turn ends, or Codex asks.")).to_be_visible()
    take_turn(page, 0, 9_000)
    assert page.evaluate("notified") == ["Codex: Codex has finished."]
    chat.get_by_label("More about this thread").click()
    chat.get_by_role("menuitem", name="Do not notify me").click()
    take_turn(page, 1, 9_000)
    assert page.evaluate("notified.length") == 1


def test_chromium_shows_the_notification(browser: Browser) -> None:
    """With the permission of the user. The headless shell has no notifications."""
    whole = browser.browser_type.launch(executable_path=find_chromium(*WHOLE_BROWSERS), args=CHROMIUM_FLAGS)
    try:
        page = new_page(whole)
        page.context.grant_permissions(["notifications"], origin=ADDRESS)
        chat = open_page(page)
        page.evaluate(LOOK_ELSEWHERE_REALLY)
        chat.get_by_label("More about this thread").click()
        chat.get_by_role("menuitem", name="Notify me when it is done").click()
        expect(chat.get_by_text("You will be notified when a long turn ends, or Codex asks.")).to_be_visible()
        take_turn(page, 0, 9_000)
        page.wait_for_function("shown.length")
        assert page.evaluate("shown") == ["Codex: Codex has finished."]
    finally:
        whole.close()


def test_a_conversation_is_compacted_and_reviewed_by_commands(page: Page, chat: Locator) -> None:
    """Chosen by Tab, or typed. The kernel reports the end."""
    box = chat.get_by_label("Message to Codex")
    box.fill("")
    box.press_sequentially("/comp")
    expect(chat.get_by_role("option", name="/compact replace the history by a summary")).to_be_visible()
    box.press("Tab")
    page.wait_for_function("sent.at(-1).do === 'compact'")
    expect(box).to_have_value("")
    send(page, type="notice", text="The conversation is compacted. Codex keeps a summary of it.")
    expect(chat.get_by_text("The conversation is compacted.")).to_be_visible()
    say(chat, "/review")
    say(chat, "/review the names only")
    assert [(request["do"], request["text"]) for request in asked(page)[-2:]] == [("review", ""), ("review", "the names only")]


def test_a_text_is_found_in_turns_that_are_not_loaded(page: Page, chat: Locator) -> None:
    """The kernel sends them. The same search continues upwards, and starts again at the end."""
    shown = [past(number, f"prompt {number}", AgentMessageItem(id="m", text="needle" if number == 21 else "hay")) for number in (20, 21)]
    send(page, type="state", turns=shown, start=20, secret="secret")  # noqa: S106 - of a page that only this test can reach
    send(page, **META)
    marked = chat.locator(".codex-found")
    say(chat, "/find NEEDLE")
    expect(marked).to_have_attribute("aria-label", "Turn 22: prompt 21")
    page.evaluate("window.mute = true")
    say(chat, "/find NEEDLE")
    page.wait_for_function("sent.at(-1).do === 'find'")
    request = asked(page)[-1]
    assert (request["text"], request["before"]) == ("NEEDLE", 20)
    send(
        page,
        type="earlier",
        start=3,
        turns=[past(number, f"prompt {number}", AgentMessageItem(id="m", text="hay")) for number in range(3, 20)],
    )
    send(page, type="done", id=request["id"], error="")
    expect(marked.get_by_text("prompt 3", exact=True)).to_be_visible()
    page.evaluate("window.mute = false")
    say(chat, "/find NEEDLE")
    expect(marked.get_by_text("prompt 21", exact=True)).to_be_visible()
    say(chat, "/find nowhere")
    expect(chat.get_by_text("“nowhere” is not in this conversation.")).to_be_visible()
    expect(marked).to_have_count(0)
