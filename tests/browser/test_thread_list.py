"""The head of the chat: the title of the thread, and the list of stored threads, on wide and narrow pages."""

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from codex_jupyter.sdk.models.items import AgentMessageItem
from tests.browser.pages import META, asked, open_page, past, send, set_theme, show

TITLE = "What is in the data frame measurements? Plot it, and look at the plot."


@pytest.fixture
def chat(page: Page) -> Locator:
    return open_page(page)


def open_list(page: Page, chat: Locator, *, archived: bool, titles: tuple[str, ...] = (TITLE,)) -> Locator:
    """Open the list of stored threads, answer it, and return its entries."""
    chat.get_by_label("resume thread").click()
    if archived:
        chat.get_by_label("archived").check()
    threads = [{"id": str(number), "title": title, "at": 1, "turns": 2} for number, title in enumerate(titles)]
    send(page, type="stored", search="", archived=archived, threads=threads)
    return chat.locator(".codex-stored li")


@pytest.mark.parametrize("width", [340, 900])
def test_the_title_of_the_thread_takes_the_room_of_the_bar(page: Page, chat: Locator, width: int) -> None:
    """Also beside the badge of a demo. The buttons stay in the page."""
    page.set_viewport_size({"width": width, "height": 700})
    send(page, **META | {"demo": True, "threads": [{"name": "main", "title": TITLE * 3}]})
    free = chat.locator(".codex-bar .codex-space").bounding_box()
    assert free is not None
    assert free["width"] < 4
    expect(chat.get_by_label("More about this thread")).to_be_in_viewport(ratio=1)
    expect(chat.get_by_text("demo", exact=True)).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_question_about_a_deletion_is_read_in_full_before_it_can_be_confirmed(page: Page, chat: Locator, theme: str) -> None:
    """The focus is on the answer that deletes nothing, because a key can be pressed twice."""
    set_theme(page, theme)
    page.set_viewport_size({"width": 340, "height": 700})
    entry = open_list(page, chat, archived=False)
    entry.get_by_label(f"Delete: {TITLE}").press("Enter")
    expect(entry.get_by_label(f"Keep: {TITLE}")).to_be_focused()
    question = entry.get_by_text(f"Delete “{TITLE}” for good? Files stay as they are.")
    assert question.evaluate("node => node.scrollWidth <= node.clientWidth && node.scrollHeight <= node.clientHeight")
    page.keyboard.press("Enter")
    assert {"do": "thread", "how": "delete", "name": "0"} not in [
        {key: sent.get(key) for key in ("do", "how", "name")} for sent in asked(page)
    ]


def test_the_menu_asks_before_it_deletes_with_the_focus_on_cancel(page: Page, chat: Locator) -> None:
    chat.get_by_label("More about this thread").click()
    chat.get_by_role("menuitem", name="Delete…").press("Enter")
    expect(chat.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Enter")
    expect(chat.get_by_text("Delete this thread for good?")).to_be_hidden()
    assert not [sent for sent in asked(page) if sent.get("how") == "delete"]


def test_an_archived_thread_has_a_button_that_puts_it_back(page: Page, chat: Locator) -> None:
    entry = open_list(page, chat, archived=True)
    expect(entry.get_by_role("button")).to_have_count(3)
    entry.get_by_role("button", name=f"Put back: {TITLE}").click()
    assert [sent["name"] for sent in asked(page) if sent.get("how") == "unarchive"] == ["0"]


def test_an_empty_list_says_which_threads_there_are_not(page: Page, chat: Locator) -> None:
    expect(open_list(page, chat, archived=True, titles=())).to_have_text("There are no archived threads.")


def test_the_copy_button_covers_no_text_on_a_touch_screen(browser: Browser) -> None:
    """There it is always visible."""
    context = browser.new_context(viewport={"width": 340, "height": 700}, is_mobile=True, has_touch=True)
    page = context.new_page()
    chat = open_page(page)
    show(page, past(0, "hello", AgentMessageItem(id="m", text="mmmm " * 60)))
    copy, text = chat.get_by_label("Copy the message of turn 1"), chat.locator(".codex-agent_message p")
    assert page.evaluate("matchMedia('(hover: none)').matches")
    button, paragraph = copy.bounding_box(), text.bounding_box()
    context.close()
    assert button is not None
    assert paragraph is not None
    assert paragraph["x"] + paragraph["width"] <= button["x"] + 4, "the icon is smaller than its button"
