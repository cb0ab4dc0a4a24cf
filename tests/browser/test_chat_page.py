"""The chat's page without JupyterLab around it: its requests, and its display of messages. Text stays text."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from codex_jupyter.notebook.chat.transcript import TurnView
from codex_jupyter.notebook.render import TurnInfo
from codex_jupyter.sdk import Turn
from codex_jupyter.sdk.models.items import AgentMessageItem, CommandExecutionItem
from tests.browser.pages import ADDRESS, META, asked, open_page, past, send, show

CODE = "Use this:\n\n```python\nprint(1)\n```\n\nor\n\n```bash\nls\n```\n"


def test_it_needs_nothing_but_what_anywidget_documents(page: Page) -> None:
    """As in VS Code and Colab: no kernel to look at, no cells. Everything goes by the widget's own messages; code is copied."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=ADDRESS)
    chat = open_page(page)
    assert [request["do"] for request in asked(page)] == ["sync", "ideas"]
    box = chat.get_by_label("Message to Codex")
    expect(box).to_have_value("kept")
    box.fill("hello")
    box.press("Enter")
    expect(box).to_have_value("")
    page.wait_for_function("sent.at(-1).do === 'send'")
    sent = asked(page)[-1]
    assert (sent["do"], sent["text"], sent["secret"]) == ("send", "hello", "secret")
    send(page, type="turn", id="key:0", prompt="hello", at=0)
    send(page, **META | {"running": True, "action": "Thinking"})
    expect(chat.get_by_text("Thinking")).to_be_visible()
    chat.get_by_label("Stop the turn").click()
    page.wait_for_function("sent.at(-1).do === 'stop'")
    show(page, past(0, "hello", AgentMessageItem(id="m", text=CODE)))
    chat.get_by_label("Insert the code into a new cell").nth(1).click()
    page.wait_for_function("async () => await navigator.clipboard.readText() === '%%bash\\nls'")
    expect(chat.locator(".codex-language")).to_have_text(["python", "bash"])


def test_a_lost_message_is_asked_for(page: Page) -> None:
    """And what came after it is not drawn upon a state that is not there."""
    chat = open_page(page)
    send(page, type="turn", id="key:0", prompt="hello", at=0)
    block = {"block": "m", "kind": "agent_message", "html": "", "text": "one"}
    send(page, type="blocks", turn="key:0", blocks=[block])
    expect(chat.get_by_text("one", exact=True)).to_be_visible()
    page.evaluate("deliver({type: 'blocks', turn: 'key:0', blocks: [{block: 'm', kind: 'agent_message', append: ' three'}]}, 1)")
    page.wait_for_function("sent.at(-1).do === 'sync'")
    expect(chat.get_by_text("one", exact=True)).to_be_visible()


def test_a_message_is_drawn_while_it_is_written(page: Page) -> None:
    """Its paragraphs as they end; also on a page that comes in the middle. In the end it is the whole again, with its buttons."""
    chat = open_page(page)
    view = TurnView("key:0", "hello", TurnInfo())
    send(page, type="turn", id="key:0", prompt="hello", at=0)
    text = f"# Title\n\n{CODE}\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nThe **end** is near"

    def turn(length: int, *, open_: bool = True) -> Turn:
        return Turn(thread_id="t", items=(AgentMessageItem(id="m", text=text[:length]),), open_item_ids=frozenset({"m"} if open_ else ()))

    for length in range(1, len(text) + 1, 3):
        send(page, type="blocks", turn="key:0", blocks=view.changes(turn(length)))
    send(page, type="blocks", turn="key:0", blocks=view.changes(turn(len(text))))
    message = chat.locator(".codex-agent_message")

    def drawn() -> None:
        expect(message.get_by_role("heading", name="Title")).to_have_count(1)
        expect(message.locator("pre")).to_have_text(["print(1)", "ls"])
        expect(message.get_by_role("cell")).to_have_text(["1", "2"])
        expect(message.locator(".codex-growing")).to_have_text("The **end** is near")

    drawn()
    show(page, view.state())
    drawn()
    send(page, type="blocks", turn="key:0", blocks=view.changes(turn(len(text), open_=False)))
    expect(message.locator("strong")).to_have_text("end")
    expect(message.get_by_role("heading", name="Title")).to_have_count(1)
    expect(message.get_by_label("Copy the code")).to_have_count(2)


def test_a_large_image_is_sent_in_pieces(page: Page, tmp_path: Path) -> None:
    """Below what a server takes at once; what is refused says why."""
    chat = open_page(page)
    (tmp_path / "large.png").write_bytes(b"x" * 5_000_000)
    chat.get_by_label("Image files", exact=True).set_input_files(tmp_path / "large.png")
    page.wait_for_function("sent.at(-1).last === true")
    assert page.evaluate("sizes.flat()") == [2_097_152, 2_097_152, 805_696]
    (tmp_path / "huge.png").write_bytes(b"x" * (20 * 1024 * 1024 + 1))
    chat.get_by_label("Image files", exact=True).set_input_files(tmp_path / "huge.png")
    expect(chat.get_by_role("alert")).to_have_text("huge.png is too large: at most 20 MiB can be attached.")


def test_what_is_refused_comes_back(page: Page) -> None:
    """Nothing that was written is lost, and the reason is read aloud."""
    chat = open_page(page)
    box = chat.get_by_label("Message to Codex")
    page.evaluate("window.refusal = 'There is no plot.'")
    box.fill("what is @plot?")
    box.press("Enter")
    expect(chat.get_by_role("alert")).to_have_text("There is no plot.")
    expect(box).to_have_value("what is @plot?")


def test_a_warning_of_a_running_turn_is_in_sight(page: Page) -> None:
    """The reason why nothing happens. After a completed turn, it is folded away with the other facts."""
    chat = open_page(page)
    view = TurnView("key:0", "hello", TurnInfo())
    send(page, type="turn", id="key:0", prompt="hello", at=0)
    waiting = Turn(thread_id="t", warnings=("Reconnecting... 2/5",))
    send(page, type="blocks", turn="key:0", blocks=view.changes(waiting))
    expect(chat.get_by_text("Reconnecting... 2/5").first).to_be_visible()
    ended = Turn(thread_id="t", status="completed", warnings=waiting.warnings)
    send(page, type="blocks", turn="key:0", blocks=view.changes(ended))
    send(page, type="end", turn="key:0", status="completed", took="1 s", copy=1)
    expect(chat.get_by_text("Reconnecting... 2/5").first).to_be_hidden()


PAYLOADS = [
    "<img src=x onerror=window.hacked=1>",
    "\"'><script>window.hacked=1</script><svg onload=window.hacked=1>",
    "javascript:window.hacked=1",
    "[x](javascript:window.hacked=1) ![y](https://evil.example/p.png) <iframe srcdoc='<script>parent.hacked=1</script>'></iframe>",
]


STRANGE = """chat => [...chat.querySelectorAll('*')].filter(node =>
  node.matches('script, iframe, object, embed, link, form:not(.codex-naming)')
  || [...node.attributes].some(({ name, value }) => name.startsWith('on') || (/^(href|src)$/.test(name) && /^\\s*javascript:/i.test(value)))
).map(node => node.outerHTML)"""


@pytest.mark.parametrize("evil", PAYLOADS, ids=range(len(PAYLOADS)))
def test_no_field_becomes_more_than_text(page: Page, evil: str) -> None:
    """Names and texts of the agent, a file, the CLI or a variable run nothing and fetch nothing."""
    chat = open_page(page)
    requests = list[str]()
    page.on("request", lambda request: requests.append(request.url))
    command = CommandExecutionItem(id="c", command=evil, aggregated_output=evil, exit_code=0, status="completed")
    turns = [past(0, evil, AgentMessageItem(id="m", text=f"{evil}\n\n```{evil}\n{evil}\n```\n"), command)]
    show(page, *turns)
    picture = {"item": evil, "url": evil, "caption": evil, "spec": evil}
    named: dict[str, Any] = {
        "thread": evil,
        "thread_id": evil,
        "threads": [{"name": evil, "title": evil}, {"name": "main", "title": evil}],
        "presets": [{"name": evil, "label": evil, "description": evil}],
        "preset": evil,
        "effective": dict.fromkeys(("model", "effort", "sandbox", "approval", "kernel"), evil),
        "running": True,
        "settings": dict.fromkeys(("model", "effort", "sandbox", "preset"), evil),
        "choices": {name: [evil] for name in ("model", "effort", "sandbox")},
        "queue": [{"item": evil, "text": evil, "images": [picture]}],
        "attached": [picture, picture | {"url": f'data:image/png"onerror="window.hacked=1" x="{evil}'}],
    }
    send(page, **META | named)
    view = TurnView("key:1", evil, TurnInfo())
    send(page, type="turn", id="key:1", prompt=evil, at=0)
    for text in (evil, f"{evil}\n\n{evil}", f"{evil}\n\n{evil}{evil}"):
        growing = Turn(thread_id=evil, items=(AgentMessageItem(id="m", text=text),), open_item_ids=frozenset({"m"}), warnings=(evil,))
        send(page, type="blocks", turn="key:1", blocks=view.changes(growing))
    send(page, type="done", id=None, error=evil)
    box = chat.get_by_label("Message to Codex")
    box.fill("")
    box.press_sequentially("@")
    send(page, type="offers", offers=[{"name": evil, "text": evil, "description": evil}])
    chat.get_by_label("Attach a plot of the notebook").click()
    send(page, type="plots", plots=[picture])
    chat.get_by_label("resume thread").click()
    send(page, type="stored", search="", archived=False, threads=[{"id": evil, "title": evil, "at": 0, "turns": 1}])
    send(page, type="blocks", turn="key:1", blocks=[{"block": "steered:0", "kind": "steered", "source": evil}])
    send(page, type="notice", text=evil)
    question = {
        "title": evil,
        "facts": [{"name": name, "text": evil} for name in ("why", "command", "patch", evil)],
        "choices": [{"choice": evil, "meaning": evil}],
        "questions": [{"id": evil, "text": evil, "options": [evil], "hints": [evil], "value": evil, "secret": False}],
    }
    send(page, type="question", number=1, question=question)
    expect(chat.get_by_role("alertdialog")).to_be_visible()
    chat.locator("button:visible").filter(has_text="Copy").first.click()
    # Everything that would run has run when the page has been painted twice.
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50))))")
    assert page.evaluate("window.hacked") is None
    assert requests == []
    assert chat.evaluate(STRANGE) == []
    assert json.dumps(chat.inner_text()).count("hacked") > 8


def test_a_thread_that_only_the_saved_outputs_name_is_continued_on_request(page: Page) -> None:
    """The page asks, shows what the file says as text, and asks no more when there is a thread."""
    chat = open_page(page)
    question = chat.get_by_text("The saved outputs of this notebook name an earlier thread (2 turns)")
    expect(question).to_be_hidden()
    offer = {"id": "01a20000-0000-7000-8000-000000000000", "turns": 2, "prompt": "<img src=x onerror=alert(1)> What is it?"}
    send(page, **META | {"offer": offer})
    expect(question).to_be_visible()
    expect(chat.get_by_text("<img src=x onerror=alert(1)> What is it?")).to_be_visible()
    chat.get_by_label(f"Continue thread {offer['id']}").click()
    page.wait_for_function("sent.at(-1).do === 'thread'")
    sent = asked(page)[-1]
    assert (sent["how"], sent["name"]) == ("resume", offer["id"])
    send(page, **META | {"offer": None})
    expect(question).to_be_hidden()


def test_a_locked_page_offers_only_what_its_author_allows(page: Page) -> None:
    chat = open_page(page)
    expect(chat.get_by_label("resume thread")).to_be_visible()
    choices = {"model": [], "effort": [], "sandbox": ["read-only"]}
    settings = {"model": "", "effort": "", "sandbox": "read-only"}
    locked = {
        "presets": [],
        "preset": "Custom",
        "locked": True,
        "variables": False,
        "bounded": ["effort", "model", "sandbox"],
        "choices": choices,
        "settings": settings,
    }
    send(page, **META | locked)
    for label in ("new thread", "resume thread", "More about this thread", "Attach a plot of the notebook"):
        expect(chat.get_by_label(label)).to_be_hidden()
    for label in ("Thread", "Sandbox", "Model", "Effort"):
        expect(chat.get_by_label(label, exact=True)).to_be_disabled()
    expect(chat.get_by_label("Rights", exact=True)).to_be_hidden()
    expect(chat.get_by_label("Message to Codex")).to_have_attribute("placeholder", re.compile("^((?!@).)*$"))
