"""The chat's page on screens of all sizes, in both themes, and for a screen reader."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from codex_jupyter.notebook.chat.transcript import TurnView
from codex_jupyter.notebook.render import TurnInfo
from codex_jupyter.sdk import Turn
from codex_jupyter.sdk.models.items import AgentMessageItem, CommandExecutionItem
from tests.browser.accessibility import violations
from tests.browser.chats import spoken
from tests.browser.pages import META, open_page, past, send, set_theme, show

CODE = """The **fix** uses `numpy`:

```python
import numpy as np

def f(x: int) -> str:
    return 'a' + str(x)  # why
```

| a | b |
|---|---|
| 1 | 2 |
"""
FAILED = CommandExecutionItem(id="c", command="make check", aggregated_output="\x1b[31mred\x1b[0m\n" * 9, exit_code=2, status="failed")
QUESTION = {
    "title": "Run this command?",
    "facts": [{"name": "command", "text": "rm -r build"}, {"name": "reason", "text": "to clean"}],
    "choices": [{"choice": "accept", "meaning": "yes, this once"}, {"choice": "decline", "meaning": "no"}],
    "questions": [],
}
IN_VIEW = """chat => {
  const [outer, box] = [chat, chat.querySelector('.codex-compose')].map(node => node.getBoundingClientRect());
  return box.height > 60 && box.top >= outer.top && box.bottom <= outer.bottom && box.left >= outer.left && box.right <= outer.right;
}"""
WITHIN = """node => {
  const [inner, outer] = [node, node.closest('.codex-log')].map(element => element.getBoundingClientRect());
  return inner.left >= outer.left && inner.right <= outer.right;
}"""
PANEL = (
    "() => { const root = document.getElementById('root'); root.className = 'codex-panel'; root.style = 'width: 300px; height: 320px'; }"
)


def turns(count: int = 2) -> list[dict[str, object]]:
    items = (FAILED, AgentMessageItem(id="m", text=CODE))
    return [past(number, f"prompt {number}", *items) for number in range(count)]


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """One page for all tests of this file. Each test opens its chat in it."""
    context = browser.new_context(viewport={"width": 1100, "height": 800})
    yield context.new_page()
    context.close()


@pytest.fixture
def chat(page: Page) -> Locator:
    page.set_viewport_size({"width": 1100, "height": 800})
    return open_page(page)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(page: Page, chat: Locator, theme: str) -> None:
    set_theme(page, theme)
    show(page, *turns())
    picture = {"item": "i", "url": "data:image/png;base64,", "caption": "plot 1"}
    queued = {"item": "q", "text": "then this", "images": [picture]}
    send(page, **META | {"running": True, "can_steer": True, "queue": [queued], "attached": [picture]})
    send(page, type="question", number=1, question=QUESTION)
    send(page, type="done", id=None, error="There is no plot.")
    expect(chat.get_by_role("alertdialog")).to_be_visible()
    assert violations(page, ".codex-chat") == []


def test_the_composer_stays_where_it_is(page: Page, chat: Locator) -> None:
    """From the empty chat on, however much is said, asked and reported. A chat opens at its newest turn."""
    before = chat.locator(".codex-compose").bounding_box()
    show(page, *turns(20))
    expect(chat.get_by_role("article").last).to_be_in_viewport()
    assert chat.locator(".codex-compose").bounding_box() == before
    send(page, type="question", number=1, question=QUESTION)
    assert chat.locator(".codex-compose").bounding_box() == before


@pytest.mark.parametrize(("width", "height"), [(1400, 900), (900, 700), (340, 700), (700, 450)])
def test_nothing_is_cut_off_at_any_width_and_at_200_percent(page: Page, chat: Locator, width: int, height: int) -> None:
    """A zoom of 200 % makes a page of 1,400 x 900 one of 700 x 450. The answers to a question stay in sight."""
    page.set_viewport_size({"width": width, "height": height})
    show(page, *turns())
    assert chat.evaluate(IN_VIEW)
    send(page, type="question", number=1, question=QUESTION)
    for answer in ("Allow once", "Decline"):
        expect(chat.get_by_role("button", name=answer)).to_be_in_viewport(ratio=1)
    send(page, type="question", number=2, question=None)
    assert chat.evaluate("chat => chat.scrollWidth <= chat.clientWidth")
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(("width", "height"), [(1100, 800), (340, 700)])
def test_no_text_of_another_pushes_a_question_or_the_composer_out_of_sight(page: Page, chat: Locator, width: int, height: int) -> None:
    """An error can quote a name of a file that the agent made. A queue can be long."""
    page.set_viewport_size({"width": width, "height": height})
    long, queued = "W" * 3000, [{"item": str(number), "text": "W" * 3000, "images": []} for number in range(100)]
    show(page, *turns())
    send(page, **META | {"running": True, "queue": queued})
    send(page, type="done", id=None, error=f"There is no file {long}.")
    send(page, type="question", number=1, question=QUESTION)
    for name in ("Allow once", "Decline", "Close this message"):
        expect(chat.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)
    assert chat.evaluate(IN_VIEW)
    send(page, type="question", number=2, question=None)
    preview = {"redo": False, "title": "This takes back:", "files": [{"path": long, "name": long, "action": "restore"}], "notes": [long]}
    send(page, type="undo", preview=preview)
    assert (chat.get_by_role("group", name="Undo", exact=True).bounding_box() or {"height": 0})["height"] > 60
    assert chat.evaluate(IN_VIEW)


def test_a_long_name_of_an_offered_file_stays_within_the_chat(page: Page, chat: Locator) -> None:
    chat.get_by_label("Message to Codex").fill("@W")
    offer = {"name": "W" * 250, "text": "`x`", "description": "file"}
    send(page, type="offers", offers=[offer, offer | {"description": "W" * 250}])
    expect(chat.locator(".codex-offers small").first).to_be_in_viewport(ratio=1)
    assert chat.evaluate("chat => chat.scrollWidth <= chat.clientWidth")


def test_it_fits_a_small_panel(page: Page, chat: Locator) -> None:
    show(page, *turns())
    page.evaluate(PANEL)
    assert chat.evaluate(IN_VIEW)
    assert chat.bounding_box() == page.locator("#root").bounding_box()


def test_the_buttons_below_a_failed_turn_are_whole_in_a_narrow_panel(page: Page, chat: Locator) -> None:
    """Notebook 7 opens the panel 250 pixels wide."""
    page.set_viewport_size({"width": 266, "height": 800})  # with the margins of the page
    show(page, past(0, "prompt") | {"status": "failed"})
    page.evaluate("root.className = 'codex-panel'; root.style = 'width: 250px; height: 600px'")
    for name in ("Retry turn 1", "Continue after turn 1", "Undo turn 1 and later ones"):
        assert chat.get_by_label(name, exact=True).evaluate(WITHIN), name


def test_code_in_a_message_is_shown_as_code(page: Page, chat: Locator) -> None:
    """In a notice, and in the second question about a permanent choice, whose names for a screen reader are plain."""
    send(page, type="done", id=None, error="Use `%codex wait`, not <b>.")
    notice = chat.locator(".codex-notice")
    expect(notice).to_have_text("Use %codex wait, not <b>.")
    expect(notice.locator("code")).to_have_text("%codex wait")
    always = {"choice": "accept_always", "meaning": "yes, for good; `%codex rules` revokes it"}
    send(page, type="question", number=1, question=QUESTION | {"choices": [always]})
    chat.get_by_label("Always allow: yes, for good; %codex rules revokes it", exact=True).click()
    expect(chat.locator(".codex-confirm code")).to_have_text("%codex rules")
    expect(chat.get_by_label("Allow for good: yes, for good; %codex rules revokes it", exact=True)).to_be_visible()


def test_turns_and_buttons_have_different_names(page: Page, chat: Locator) -> None:
    show(page, *turns())
    names = chat.locator("article, button").evaluate_all("nodes => nodes.map(node => node.getAttribute('aria-label') ?? node.textContent)")
    assert len(names) > 12
    assert sorted(set(names)) == sorted(names)
    expect(chat.get_by_role("article", name="Turn 2: prompt 1")).to_have_count(1)
    expect(chat.get_by_label("Copy the code of block 1 of turn 2")).to_have_count(1)


def test_a_screen_reader_says_paragraphs_and_not_pieces(page: Page, chat: Locator) -> None:
    said = spoken(chat)
    view, text = TurnView("key:0", "hello", TurnInfo()), "First paragraph.\n\nSecond paragraph."
    send(page, type="turn", id="key:0", prompt="hello", at=0)
    send(page, **META | {"running": True})
    for length in range(1, len(text) - 5):  # its end comes with the end of the message
        item = AgentMessageItem(id="m", text=text[:length])
        send(page, type="blocks", turn="key:0", blocks=view.changes(Turn(thread_id="t", items=(item,), open_item_ids=frozenset({"m"}))))
    expect(said).to_have_text(["Codex is working.", "First paragraph."])
    for waits in (True, True, False):
        send(page, type="progress", action="Waiting for the network" if waits else "Writing", waits=waits, usage=META["usage"])
    expect(chat.get_by_text("Writing")).to_be_visible()
    ended = Turn(thread_id="t", items=(AgentMessageItem(id="m", text=text),), status="completed")
    send(page, type="blocks", turn="key:0", blocks=view.changes(ended))
    send(page, type="end", turn="key:0", status="completed", took="1 s", copy=1)
    expect(said).to_have_text(
        ["Codex is working.", "First paragraph.", "Waiting for the network", "Second paragraph.", "Codex has finished."]
    )
    expect(chat.get_by_role("log")).to_have_attribute("aria-live", "off")


def test_waiting_is_not_running(page: Page, chat: Locator) -> None:
    """While a question is open, neither the time of the turn nor that of its item passes."""
    page.evaluate("const now = Date.now.bind(Date); window.later = 0; Date.now = () => now() + window.later")
    send(page, type="turn", id="key:0", prompt="hello", at=0)
    for number, name in enumerate(("asks", "runs")):
        block = {"block": name, "kind": "command_execution", "html": f"<p>{name}</p>", "text": "", "running": 5 + number}
        send(page, type="blocks", turn="key:0", blocks=[block])
    send(page, **META | {"running": True, "seconds": 20})
    clock, timers = chat.locator(".codex-clock"), chat.locator(".codex-timer")
    send(page, type="question", number=1, question=QUESTION | {"item": "asks"})
    send(page, type="progress", action="Waiting for your answer", waits=True, usage=META["usage"])
    expect(chat.get_by_text("Waiting for your answer", exact=True)).to_be_visible()
    page.evaluate("window.later += 60000")
    send(page, type="question", number=2, question=None)
    expect(clock).to_have_text(re.compile(r"^2[0-5] s"))
    expect(timers).to_have_text([re.compile(r"^(5|6|7|8|9) s"), re.compile(r"^1 min")])
    page.evaluate("window.later += 30000")
    send(page, type="question", number=3, question=QUESTION | {"item": "asks"})
    expect(timers).to_have_text(["", re.compile(r"^1 min 3\d s")])
    expect(clock).to_have_text(re.compile(r"^5[0-5] s"))


def test_a_chooser_shows_what_applies(page: Page, chat: Locator) -> None:
    """Not the sandbox of the notebook, of which the preset of the chat takes the place."""
    shown = chat.get_by_label("Sandbox", exact=True).locator("option:checked")
    send(page, **META | {"settings": META["settings"] | {"sandbox": "danger-full-access"}})
    expect(shown).to_have_text("workspace-write")
    send(page, **META | {"settings": META["settings"] | {"sandbox": "workspace-write"}})
    expect(shown).to_have_attribute("value", "workspace-write")


def test_mentions_are_marked_in_the_text(page: Page, chat: Locator) -> None:
    """At the places of their characters, also where lines wrap and where the text is scrolled."""
    box, marks = chat.get_by_label("Message to Codex"), chat.locator(".codex-marks")
    box.fill("Compare {df} with @plot and `data/a.csv`, " + "and so on " * 60 + "{last}")
    expect(marks.locator("mark")).to_have_text(["{df}", "@plot", "`data/a.csv`", "{last}"])
    box.press("Control+End")
    same = "nodes => new Set(nodes.map(node => [node.scrollTop, node.scrollHeight, node.clientWidth].join())).size"
    page.wait_for_function(f"({same})([...document.querySelectorAll('.codex-marks, .codex-input')]) === 1")
    box.fill("no mention")
    expect(marks).to_be_empty()


DISTANCE = "log => Math.round(log.scrollHeight - log.clientHeight - log.scrollTop)"
"""Pixels from the end of a log."""
FRAMES = "async count => { for (let n = 0; n < count; n++) await new Promise(requestAnimationFrame); }"
"""Waits until the page was painted some times."""
SHRINK_AND_GROW = """async ([short, long]) => {
  // Both between two paints: the event of the first change comes after the second one.
  const painted = new Promise(done => requestAnimationFrame(() => { deliver(short); setTimeout(done); }));
  await painted;
  deliver(long);
}"""


@pytest.mark.parametrize("hide", ["root.style.display = 'none'", "root.style.height = 0", "root.remove()"])
def test_a_chat_that_is_hidden_while_turns_arrive_opens_at_its_end(page: Page, chat: Locator, hide: str) -> None:
    page.evaluate(f"{PANEL}; window.root = document.getElementById('root'); {hide}")
    show(page, *turns(6))
    page.evaluate(FRAMES, 3)
    page.evaluate("root.style = 'width: 300px; height: 620px'; document.body.append(root)")
    page.evaluate(FRAMES, 6)
    assert chat.get_by_role("log").evaluate(DISTANCE) == 0


@pytest.mark.parametrize("count", [1, 6])
def test_a_chat_that_is_moved_in_the_page_stays_at_its_end(page: Page, chat: Locator, count: int) -> None:
    """Such as the panel to the other side, or the chat's cell to another place: its size does not change, and its position is lost."""
    show(page, *turns(count))
    page.evaluate(FRAMES, 6)
    page.evaluate("const root = document.getElementById('root'); root.remove(); document.body.append(root)")
    page.evaluate(FRAMES, 6)
    assert chat.get_by_role("log").evaluate(DISTANCE) == 0


@pytest.mark.parametrize("frames", [0, 6])
def test_a_reader_of_earlier_turns_finds_the_same_place_in_a_chat_that_was_out_of_the_page(page: Page, chat: Locator, frames: int) -> None:
    show(page, *turns(6))
    page.evaluate(FRAMES, 6)
    log = chat.get_by_role("log")
    log.evaluate("log => { log.scrollTop = log.scrollHeight / 2; }")
    page.evaluate(FRAMES, 6)
    before = log.evaluate("log => log.scrollTop")
    page.evaluate("window.root = document.getElementById('root'); root.remove()")
    page.evaluate(FRAMES, frames)
    page.evaluate("document.body.append(root)")
    page.evaluate(FRAMES, 6)
    assert log.evaluate("log => log.scrollTop") == before > 0
    expect(chat.get_by_role("button", name="Go to the newest message")).to_be_visible()


def test_a_turn_that_becomes_shorter_and_then_longer_does_not_stop_following(page: Page, chat: Locator) -> None:
    """Its work folds, and its answer comes below. The first change moves the position to the start, but no one has scrolled."""
    send(page, type="turn", id="key:1", prompt="hello", at=0)
    block = {"block": "b", "kind": "command_execution", "html": "<p style='height: 1500px'>work</p>", "text": "", "running": 1}
    send(page, type="blocks", turn="key:1", blocks=[block])
    page.evaluate(FRAMES, 6)
    short = {"type": "blocks", "turn": "key:1", "blocks": [block | {"html": "<p>folded</p>"}]}
    long = {"type": "blocks", "turn": "key:1", "blocks": [block | {"block": "c", "html": "<p style='height: 1200px'>answer</p>"}]}
    page.evaluate(SHRINK_AND_GROW, [short, long])
    page.evaluate(FRAMES, 6)
    assert chat.get_by_role("log").evaluate(DISTANCE) == 0


def test_an_image_that_loads_later_moves_the_chat_to_its_new_end(page: Page, chat: Locator) -> None:
    show(page, *turns(2))
    send(page, type="turn", id="key:2", prompt="plot", at=0)
    send(page, type="blocks", turn="key:2", blocks=[{"block": "b", "kind": "image", "html": "<img alt='plot'>", "text": ""}])
    page.evaluate(FRAMES, 6)
    svg = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' width='400' height='900'/>"
    chat.get_by_alt_text("plot").evaluate("async (image, url) => { image.src = url; await image.decode(); }", svg)
    page.evaluate(FRAMES, 6)
    assert chat.get_by_role("log").evaluate(DISTANCE) == 0


@pytest.mark.parametrize("count", [2, 6])
def test_a_state_that_comes_twice_leaves_the_chat_at_its_end(page: Page, chat: Locator, count: int) -> None:
    """As a first opening in JupyterLab does. The heights of turns are estimates until they are in sight."""
    for _ in range(2):
        show(page, *turns(count))
        page.evaluate(FRAMES, 6)
    assert chat.get_by_role("log").evaluate(DISTANCE) == 0
