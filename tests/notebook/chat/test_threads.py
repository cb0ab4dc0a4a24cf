"""Threads of a chat in a kernel: titles, prompts that are sent again, archive and deletion. The codex CLI is real."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from codex_jupyter.testing import ScriptedModel, shell, wait_for
from codex_jupyter.testing.script import Script
from tests.notebook.chat.pages import ChatPage
from tests.notebook.conftest import Kernel
from tests.sdk.test_fork_review import FINDINGS


@pytest.fixture
def chat(kernel: Kernel, scripted: Callable[[Script], ScriptedModel]) -> Iterator[Kernel]:
    scripted(["one", "two", "three", "four", "five"])
    assert kernel.execute("import codex_jupyter\nchat = codex_jupyter.chat('edited')").error is None
    yield kernel
    kernel.execute("%codex stop\nchat.layout.close(); chat.close(); del chat")


def ask(chat: Kernel, page: ChatPage, *prompts: str) -> None:
    """Send prompts, each after the turn of the one before."""
    for prompt in prompts:
        count = len(page.of("end"))
        assert chat.execute(f"chat.ask({prompt!r}).result()").error is None
        page.wait_for_turns(count + 1)


def state(chat: Kernel, page: ChatPage) -> tuple[str, str, dict[str, str]]:
    """Return the answers, the name of the thread, and the titles of all threads by their names."""
    answers = chat.execute("print([turn.final_response for turn in chat.turns])").text.strip()
    meta = page.last("meta")
    return answers, meta["thread"], {entry["name"]: entry["title"] for entry in meta["threads"]}


def test_a_thread_is_named_edited_retried_archived_and_deleted(chat: Kernel, page: ChatPage) -> None:
    """Its first prompt is its title until the user gives it one. A prompt that is sent again replaces its turn and all later ones."""

    def do(**action: Any) -> str:
        return str(page.do(**action)["error"])

    ask(chat, page, "Describe the   data", "and then?")
    answers, thread, titles = state(chat, page)
    assert (answers, thread, titles["edited"]) == ("['one', 'two']", "edited", "Describe the data")
    assert do(do="thread", how="rename", name="A title of words") == ""
    assert page.last("meta")["threads"][-1]["title"] == "A title of words"
    first, second = (turn["id"] for turn in page.sync()["turns"])
    assert do(do="again", turn=second, text="and what else?") == ""
    page.wait_for_turns(3)
    assert state(chat, page)[0] == "['one', 'three']"
    assert [turn["prompt"] for turn in page.sync()["turns"]] == ["Describe the   data", "and what else?"]
    assert do(do="again", turn=first, text="") == ""
    page.wait_for_turns(4)
    answers, thread, titles = state(chat, page)
    assert (answers, thread) == ("['four']", "edited")
    assert do(do="again", turn="other:0", text="") == "This turn is not a part of the conversation any more."
    assert do(do="thread", how="new", name="") == ""
    assert state(chat, page)[:2] == ("[]", "chat")
    ask(chat, page, "In the new one")
    thread_id = page.last("meta")["thread_id"]
    assert do(do="thread", how="archive", name="") == ""
    assert state(chat, page)[1] == "main"
    assert do(do="stored", search="new one", archived=True) == ""
    assert [stored["id"] for stored in page.last("stored")["threads"]] == [thread_id]
    assert do(do="thread", how="delete", name=thread_id) == ""
    assert do(do="stored", search="", archived=True) == ""
    assert page.last("stored")["threads"] == []


def test_all_turns_of_a_thread_are_searched(chat: Kernel, page: ChatPage) -> None:
    """The page gets the turns from the last one on that contains the text, of those that it does not have."""

    def found(text: str, before: int) -> list[tuple[int, list[str]]]:
        count = len(page.of("earlier"))
        assert page.do(do="find", text=text, before=before)["error"] == ""
        return [(message["start"], [turn["prompt"] for turn in message["turns"]]) for message in page.of("earlier")[count:]]

    ask(chat, page, "First prompt", "Second prompt", "Third prompt")
    assert found("FIRST", 2) == [(0, ["First prompt", "Second prompt"])]
    assert found("two", 2) == [(1, ["Second prompt"])]
    for text, before in (("three", 2), ("nowhere", 2), ("first", 0)):
        assert found(text, before) == []


def test_a_review_is_that_of_codex_in_a_thread_of_its_own(
    chat: Kernel, page: ChatPage, scripted: Callable[[Script], ScriptedModel], tmp_path: Path
) -> None:
    """Of the changes that are not committed, or of what the user describes. The thread then continues with the findings."""
    model = scripted(["one", [[FINDINGS]], "Corrected.", [[FINDINGS]], [[FINDINGS]]])
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    ask(chat, page, "Describe the data")
    for text, prompt in (("", "Review the uncommitted changes."), ("Look at the names only.", "Review: Look at the names only.")):
        count = len(page.of("end"))
        assert page.do(do="review", text=text)["error"] == ""
        page.wait_for_turns(count + 1)
        answers, thread, titles = state(chat, page)
        assert answers.count("Wrong sign") == 1
        assert len(page.sync()["turns"]) == 1
        assert titles[thread] == prompt
        assert ("Look at the names only." if text else "staged") in str(model.requests[-1].prompt)
        if not text:
            ask(chat, page, "Correct it.")
            assert chat.execute("chat.turns[-1].final_response").value == "'Corrected.'"
    assert "Codex reviews only in a thread without turns" in page.last("notice")["text"]
    (review,) = page.sync()["turns"]
    count = len(page.of("end"))
    assert page.do(do="again", turn=review["id"], text="")["error"] == ""
    page.wait_for_turns(count + 1)
    answers, thread, titles = state(chat, page)
    assert (titles[thread], answers.count("Wrong sign")) == ("Review: Look at the names only.", 1)
    assert "Look at the names only." in str(model.requests[-1].prompt)
    assert len([title for title in titles.values() if title == "Review: Look at the names only."]) == 2


def test_a_conversation_is_compacted(chat: Kernel, page: ChatPage, scripted: Callable[[Script], ScriptedModel]) -> None:
    """The next turn builds on the summary instead of the history."""
    model = scripted(["The first answer.", "The summary.", "two"])
    ask(chat, page, "Describe the data")
    assert page.do(do="compact")["error"] == ""
    page.wait(lambda: "compacted" in str(page.of("notice")))
    ask(chat, page, "and then?")
    assert len(model.requests) == 3
    assert "The first answer." not in str(model.requests[-1].input)


def test_a_turn_can_be_steered_as_soon_as_it_runs(chat: Kernel, page: ChatPage, scripted: Callable[[Script], ScriptedModel]) -> None:
    """The page learns it without another reason to report the state."""
    held = threading.Event()
    model = scripted([[[shell("echo looked")], [wait_for(held), "one"]]])
    try:
        assert chat.execute("turn = chat.ask('Describe the data')").error is None
        page.wait(lambda: page.last("meta")["can_steer"] is True)
        page.wait(lambda: "looked" in str(page.of("blocks")))
        assert page.do(do="steer", text="Be brief.")["error"] == ""
    finally:
        held.set()
    page.wait_for_turns()
    assert "Be brief." in str(model.requests[-1].input)
    assert page.last("meta")["can_steer"] is False
