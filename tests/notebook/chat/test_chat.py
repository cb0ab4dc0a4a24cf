"""The kernel's side of the chat: its Python interface, the messages to the page, and the requests of the page."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from codex_jupyter import AgentMessageItem, CommandExecutionItem, Turn, Usage
from codex_jupyter.notebook.chat.saved_output import SavedCopy
from codex_jupyter.notebook.chat.transcript import TurnView
from codex_jupyter.notebook.persistence.finished_turn import FinishedTurn
from codex_jupyter.notebook.render import TURNS_MIME, TurnInfo, turn_from_json
from codex_jupyter.notebook.render.activity import current_action
from codex_jupyter.testing import ScriptedModel, ScriptedTurn, cut, fail, say, shell, wait_for
from tests.codex_home import used_home
from tests.notebook.chat.pages import ChatPage
from tests.notebook.conftest import Kernel

Scripted = Callable[..., ScriptedModel]
COMMS = "len(get_ipython().kernel.comm_manager.comms)"


@pytest.fixture
def chat(kernel: Kernel, scripted: Scripted) -> Iterator[Kernel]:
    """A kernel whose `chat` talks to a scripted model; every comm of it must be gone in the end."""
    scripted(["First answer.", "Second answer.", [shell("sleep 3007"), "never"], "After."])
    comms = kernel.execute(COMMS).value
    assert kernel.execute("import codex_jupyter\nchat = codex_jupyter.chat()").error is None
    yield kernel
    kernel.execute("%codex stop\nchat.layout.close(); chat.close(); del chat")
    assert kernel.execute(COMMS).value == comms


def test_python_sends_reads_and_stops(chat: Kernel, page: ChatPage) -> None:
    """`ask` returns the running turn, `turns` are those of the thread, `stop` ends one."""
    done = chat.execute(
        "seen = []\nchat.observe(lambda change: seen.append(change['new']), 'running')\nchat.ask('hello').result().final_response"
    )
    assert done.value == "'First answer.'"
    page.wait_for_turns(1)
    assert (
        chat.execute("[turn.final_response for turn in chat.turns], chat.running, seen").value
        == "(['First answer.'], False, [True, False])"
    )
    assert chat.execute("%codex -q and a cell").text.strip() == "Second answer."
    assert chat.execute("len(chat.turns)").value == "2"
    assert (
        chat.execute("%config CodexMagics.sandbox = 'danger-full-access'\nturn = chat.ask('slow'); chat.ask('queued') is None").value
        == "True"
    )
    page.wait(lambda: "sleep 3007" in str(page.of("blocks")))
    assert chat.execute("chat.stop()").value == "True"
    page.wait_for_turns(3)
    assert [prompt["text"] for prompt in page.last("meta")["queue"]] == ["queued"]
    assert chat.execute("chat.turns[-1].status, chat.stop()").value == "('interrupted', False)"
    chat.execute("%config CodexMagics.sandbox = ''")


def test_a_page_says_the_same_as_a_cell_about_a_lost_connection(kernel: Kernel, scripted: Scripted) -> None:
    """Until the model answers again."""
    held, lost = Event(), current_action(Turn(thread_id="t", reconnecting=True))
    scripted([[[say("Half."), cut()], [wait_for(held), "Whole."]]], max_retries=1)
    kernel.execute("import codex_jupyter\nchat = codex_jupyter.chat()")
    page = ChatPage(kernel)
    turn = kernel.execute("turn = %codex --bg go")
    page.wait(lambda: any(message["waits"] for message in page.of("progress")))
    assert page.last("progress")["action"] == lost
    held.set()
    page.wait_for_turns(1)
    assert turn.error is None
    assert (page.last("meta")["action"], page.last("meta")["waits"]) == ("", False)
    assert [message["action"] for message in page.of("progress") if message["waits"]] == [lost]
    kernel.execute("chat.close()")


@pytest.mark.parametrize("transport", ["app-server", "exec"])
def test_the_resume_list_shows_what_the_user_wrote(kernel: Kernel, scripted: Scripted, transport: str) -> None:
    """Not the data and the names of images that went along; and so does the thread when it is read again."""
    model = scripted(["One."])
    kernel.execute("from PIL import Image\nred = Image.new('RGB', (40, 40), 'red')\nnumber = 5\nimport codex_jupyter")
    kernel.execute(f"client = codex_jupyter.Codex(client.options, transport={transport!r})\n%codex use client")
    assert kernel.execute("%%codex --context vars -i red\nWhat is\n\nthis?").error is None
    assert "number" in str(model.requests[-1].input)
    assert model.requests[-1].prompt.startswith("What is\n\nthis?")
    assert len(model.requests[-1].images) == 1
    kernel.execute("chat = codex_jupyter.chat()")
    page = ChatPage(kernel)
    page.do(do="stored", search="", archived=False)
    assert [thread["title"] for thread in page.last("stored")["threads"]] == ["What is this?"]
    assert kernel.execute("threads = %codex threads\n[thread['last prompt'] for thread in threads]").value == "['What is this?']"
    kernel.execute("chat.layout.close(); chat.close(); del chat")


def test_what_is_queued_goes_when_its_turn_comes(kernel: Kernel, scripted: Scripted) -> None:
    """In order, by itself, after a turn that completed."""
    scripted(["one", "two", "three"])
    kernel.execute("import codex_jupyter\nchat = codex_jupyter.chat()")
    page = ChatPage(kernel)
    kernel.execute("for text in ('a', 'b', 'c'): chat.ask(text)")
    page.wait_for_turns(3)
    assert kernel.execute("[turn.final_response for turn in chat.turns]").value == "['one', 'two', 'three']"
    kernel.execute("chat.close()")


def test_a_prompt_that_cannot_be_sent_says_why(chat: Kernel, page: ChatPage) -> None:
    """And nothing else happens."""
    assert "The prompt is empty" in (chat.execute("chat.ask('  ')").error or "")
    assert "has displayed no image" in page.do(do="send", text="what is @plot?")["error"]
    assert "TraitError" in (chat.execute("chat.sandbox = 'none'").error or "")
    assert chat.execute("chat.sandbox, chat.turns").value == "('', [])"


def test_only_who_knows_the_secret_may_ask_for_anything(chat: Kernel, page: ChatPage) -> None:
    """A message that a notebook brings along starts no turn, stops none, and changes nothing."""
    for secret in ("", "guess", None, 0):
        for action in ({"do": "send", "text": "x"}, {"do": "choose", "trait": "sandbox", "value": "danger-full-access"}, {"do": "copy"}):
            assert page.send_unanswered({**action, "secret": secret}) == []
    assert chat.execute("chat.turns, chat.sandbox").value == "([], '')"


@pytest.mark.parametrize(
    "action", [{}, {"do": "nonsense"}, {"do": "send"}, {"do": "choose", "trait": "comm", "value": "x"}, {"do": "attach", "spec": "no.png"}]
)
def test_a_strange_message_is_answered_and_breaks_nothing(page: ChatPage, action: dict[str, Any]) -> None:
    """The page may be of another version."""
    assert page.do(**action)["error"]


def test_the_page_receives_everything_once_and_then_what_changes(chat: Kernel, page: ChatPage) -> None:
    """Messages are numbered; a finished turn comes whole with the state."""
    chat.execute("chat.ask('hello').result()")
    page.wait_for_turns()
    numbers = [message["sequence"] for message in page.messages]
    assert numbers == list(range(1, 1 + len(numbers)))
    assert [message["prompt"] for message in page.of("turn")] == ["hello"]
    assert page.last("end")["status"] == "completed"
    (turn,) = page.sync()["turns"]
    assert turn["prompt"] == "hello"
    assert [block["kind"] for block in turn["blocks"]] == ["head", "agent_message", "foot"]
    assert "First answer." in turn["blocks"][1]["html"]


def test_a_failed_turn_is_shown_with_its_reason(kernel: Kernel, scripted: Scripted) -> None:
    """Also a turn that never started."""
    scripted([[fail(400, message="broken")]])
    kernel.execute("import codex_jupyter\nchat = codex_jupyter.chat()")
    page = ChatPage(kernel)
    kernel.execute("chat.ask('x').wait()")
    page.wait_for_turns()
    assert page.last("end")["status"] == "failed"
    html = "".join(block.get("html", "") for message in page.of("blocks") for block in message["blocks"])
    assert "broken" in html
    kernel.execute("chat.close()")


def test_a_chat_continues_after_a_restart(new_kernel: Callable[[], Kernel], tmp_path: Path) -> None:
    """The cell of the chat, run in a new kernel, continues the thread, and shows the content of the saved notebook."""
    model = ScriptedModel([ScriptedTurn(["Then."], match="first"), ScriptedTurn(["Now."])], codex_home=used_home(tmp_path / "home")).start()
    notebook = tmp_path / "chat.ipynb"
    begin = f"import os; os.environ['XDG_STATE_HOME'] = {str(tmp_path / 'state')!r}\n__session__ = {str(notebook)!r}"
    try:
        first = new_kernel()
        first.execute(begin)
        first.use(model)
        first.execute("import codex_jupyter\nchat = codex_jupyter.chat(); display(chat)")
        page = ChatPage(first)
        first.execute("chat.ask('the first question').result()")
        page.wait(lambda: "the first question" in str(saved_copies(first)))
        bundle = saved_copies(first)[-1]
        assert "the first question" in bundle["text/html"]
        assert "> the first question" in bundle["text/plain"]
        outputs = [{"output_type": "display_data", "data": bundle, "metadata": {}}]
        cell = {"cell_type": "code", "id": "a", "source": "", "metadata": {}, "execution_count": 1, "outputs": outputs}
        notebook.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
        first.close()
        second = new_kernel()
        second.execute(begin)
        second.use(model)
        done = second.execute("import codex_jupyter\nchat = codex_jupyter.chat()\n[turn.final_response for turn in chat.turns]")
        assert done.value == "['Then.']"
        assert second.execute("chat.ask('and now?').result().final_response").value == "'Now.'"
        assert "the first question" in json.dumps(model.requests[-1].body)
    finally:
        model.close()


def saved_copies(kernel: Kernel) -> list[dict[str, Any]]:
    """Return the copies of chats that the saved notebook would contain, oldest first."""
    updates = [message["content"]["data"] for message in kernel.received if message["msg_type"] == "update_display_data"]
    return [bundle for bundle in updates if TURNS_MIME in bundle]


def message(text: str) -> AgentMessageItem:
    return AgentMessageItem(id="m", text=text)


def writing(text: str) -> Turn:
    """A turn whose message is not finished."""
    return Turn(thread_id="t", items=(message(text),), open_item_ids=frozenset({"m"}))


def test_a_message_travels_as_what_was_added() -> None:
    """And once as HTML, at its end."""
    view = TurnView("t", "p", TurnInfo())
    steps = ["Hel", "Hello", "Hello <b>"]
    sent = [block for text in steps for block in view.changes(writing(text)) if block["kind"] == "agent_message"]
    assert [block.get("append", block.get("text")) for block in sent] == ["Hel", "lo", " <b>"]
    assert view.changes(writing(steps[-1])) == []
    changes = view.changes(Turn(thread_id="t", items=(message(steps[-1]),)))
    (last,) = [block for block in changes if block["kind"] == "agent_message"]
    assert "Hello &lt;b&gt;" in last["html"]
    assert {block["block"] for block in view.state()["blocks"]} == {"head", "m"}


def test_a_paragraph_is_html_as_soon_as_the_next_one_starts() -> None:
    """Each is rendered and sent once; the last one, which may still change, is text."""
    view = TurnView("t", "p", TurnInfo())
    steps = ["one **bo", "one **bold**", "one **bold**\n\n`tw", "one **bold**\n\n`two`\n\n- <b>"]
    sent = [block for text in steps for block in view.changes(writing(text)) if block["kind"] == "agent_message"]
    assert [block.get("append", block.get("text")) for block in sent] == ["one **bo", "ld**", "`tw", "- <b>"]
    assert [block.get("html") for block in sent[:2]] == ["", None]
    assert "<strong" in sent[2]["more"]
    assert "<strong" not in sent[3]["more"]
    assert ">two</code>" in sent[3]["more"]
    (_, block) = view.state()["blocks"]
    assert block["html"] == sent[2]["more"] + sent[3]["more"]
    assert block["text"] == "- <b>"


def test_a_message_of_many_paragraphs_costs_little_more_than_its_text() -> None:
    """However often it grows."""
    view, paragraphs = TurnView("t", "p", TurnInfo()), [f"Paragraph {number} of many words." for number in range(500)]
    sizes = [len(json.dumps(view.changes(writing("\n\n".join(paragraphs[:count]))))) for count in range(1, 500)]
    assert sum(sizes) < 15 * sum(map(len, paragraphs))


def test_mentions_offer_images_and_variables(chat: Kernel, page: ChatPage) -> None:
    """An image is offered by its spec, a variable by its value. Modules, functions and private names are not offered."""
    chat.execute("import math\nfrom PIL import Image\nfrom codex_jupyter.testing import shell as shout\nfig = Image.new('RGB', (9, 9))")
    chat.execute("figures, _figs, Figment = [1], 2, type('Figment', (), {})\nfigment = Figment()")
    page.do(do="offers", word="FI")
    assert page.last("offers")["offers"] == [
        {"name": "fig", "text": "@fig", "description": "image"},
        {"name": "figures", "text": "{figures}", "description": "list"},
        {"name": "figment", "text": "{figment}", "description": "Figment"},
    ]
    for word in ("math", "sho", "_f", "In", "get_ipython"):
        page.do(do="offers", word=word)
        assert page.last("offers")["offers"] == []


def test_what_has_not_changed_is_rendered_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many items a turn has."""
    view, rendered = TurnView("t", "p", TurnInfo()), list[str]()
    from codex_jupyter.notebook.chat import transcript

    def bundle(item: CommandExecutionItem, **_: object) -> dict[str, str]:
        rendered.append(item.id)
        return {"text/html": item.id}

    monkeypatch.setattr(transcript, "item_bundle", bundle)
    items = tuple(CommandExecutionItem(id=str(n), command="x", aggregated_output="", exit_code=0, status="completed") for n in range(50))
    for count in range(1, 51):
        view.changes(Turn(thread_id="t", items=items[:count]))
    assert rendered == [str(number) for number in range(50)]


def test_the_saved_copy_is_bounded_and_complete_json() -> None:
    """The newest turns are kept, with a note; the package can read them."""
    usage = Usage(input_tokens=1, cached_input_tokens=0, output_tokens=1)
    turn = Turn(thread_id="t", status="completed", items=(message("word " * 2_000),), usage=usage)
    turns = [FinishedTurn(prompt, turn, TurnInfo(prompt=prompt)) for prompt in (f"prompt {number}" for number in range(100))]
    bundle = SavedCopy("mark").bundle(turns, copy=3)
    assert len(bundle["text/html"]) < 450_000
    assert "prompt 99" in bundle["text/html"]
    assert "earlier turns are left out here" in bundle["text/html"]
    saved = [turn_from_json(message) for message in bundle[TURNS_MIME]["turns"]]
    assert saved[-1] == (turns[-1].turn, turns[-1].info)


def test_the_item_that_is_asked_about_waits_and_does_not_run() -> None:
    view = TurnView("key:0", "go", TurnInfo())
    command = CommandExecutionItem(id="c", command="make", status="in_progress")
    turn = Turn(thread_id="t", items=(command,), open_item_ids=frozenset({"c"}))

    def html() -> str:
        return "".join(block["html"] for block in view.changes(turn) if block["block"] == "c")

    assert "running" in html()
    view.pause("c")
    shown = html()
    assert "waiting for you" in shown
    assert "running" not in shown
    view.resume("c")
    assert "running" in html()
