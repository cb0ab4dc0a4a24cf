"""Questions of the agent while a chat exists: their receiver, answers that must fit the question, and refusal where no one can answer."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from codex_jupyter.testing import ScriptedModel, call, shell
from codex_jupyter.testing.script import Script
from tests.notebook.chat.test_chat import act, sent_to_page
from tests.notebook.chat.test_faults import WAIT
from tests.notebook.conftest import Execution, Kernel
from tests.sdk.support.fake import wait_until

Scripted = Callable[[Script], ScriptedModel]
SETTINGS = "%config CodexMagics.approval = 'on-request'\n%config CodexMagics.sandbox = 'read-only'"


@pytest.fixture
def asking(kernel: Kernel, scripted: Scripted) -> Iterator[Kernel]:
    """A kernel with a `chat` whose model asks twice in a turn."""
    scripted([[[shell("echo > one", justification="first")], [shell("echo > two", justification="second")], "Done."]])
    assert kernel.execute(f"{SETTINGS}\n{WAIT}\nimport codex_jupyter\nchat = codex_jupyter.chat()").error is None
    yield kernel
    kernel.execute("%codex stop\nchat.close()\n%config CodexMagics.approval = ''\n%config CodexMagics.sandbox = ''")


def wait_for_card(kernel: Kernel, why: str) -> int:
    """Return the number of a question as soon as the page receives it."""
    code = f"until(lambda: chat._controller.thread_view._question is not None and chat._controller.thread_view._question.reason == {why!r})"
    assert kernel.execute(code).error is None
    (card,) = sent_to_page(kernel.execute("chat._controller.channel.receive({'do': 'sync'})"), "question")
    assert {"name": "reason", "text": why} in card["question"]["facts"]
    assert {"choice": "decline", "meaning": "no; the agent is informed and continues"} in card["question"]["choices"]
    number: int = card["number"]
    return number


def refusal(done: Execution) -> str:
    (answer,) = sent_to_page(done, "done")
    said: str = answer["error"]
    return said


def test_an_answer_fits_one_question_only(asking: Kernel, tmp_path: Path) -> None:
    """A second click on yes does not say yes to what is asked next."""
    asking.execute("chat._controller.channel.receive({'do': 'sync'})\nchat.ask('go')")
    first = wait_for_card(asking, "first")
    assert refusal(act(asking, do="answer", number=first, choice="accept")) == ""
    second = wait_for_card(asking, "second")
    assert second != first
    assert "not asked any more" in refusal(act(asking, do="answer", number=first, choice="accept"))
    assert not (tmp_path / "work" / "two").exists()
    for wrong in ("nonsense", "", "accept_always ", "yes"):
        assert refusal(act(asking, do="answer", number=second, choice=wrong)) == "This is not an answer to what is asked."
    assert "not an answer" in refusal(act(asking, do="answer", number=second, answers={"q": "A"}))
    assert refusal(act(asking, do="answer", number=second, choice="decline")) == ""
    assert asking.execute("until(lambda: ended(1))").error is None
    assert (tmp_path / "work" / "one").exists()
    assert not (tmp_path / "work" / "two").exists()
    decided = asking.execute("print(*chat._controller.thread_view.history[-1].info.decisions, sep='\\n')").text
    assert "accept: " in decided


def test_requests_are_declined_where_no_page_shows_the_chat(asking: Kernel, tmp_path: Path) -> None:
    """As in nbconvert: the turn continues and completes."""
    asking.execute("chat.ask('go')")
    assert asking.execute("until(lambda: ended(1))\nchat.turns[-1].status").value == "'completed'"
    assert not (tmp_path / "work" / "one").exists()


def test_a_question_ends_with_its_turn(asking: Kernel, tmp_path: Path) -> None:
    """Stop takes the card away."""
    asking.execute("chat._controller.channel.receive({'do': 'sync'})\nchat.ask('go')")
    number = wait_for_card(asking, "first")
    stopped = asking.execute("chat.stop(); until(lambda: ended(1))\nchat.turns[-1].status")
    assert stopped.value == "'interrupted'"
    assert sent_to_page(stopped, "question")[-1]["question"] is None
    assert "not asked any more" in refusal(act(asking, do="answer", number=number, choice="accept"))
    assert not (tmp_path / "work" / "one").exists()


def test_the_card_of_code_in_the_kernel_shows_it_and_an_answer_runs_it_between_cells(kernel: Kernel, scripted: Scripted) -> None:
    code = "made_by_chat = 40 + 2"
    model = scripted(["Hello.", [call("run", {"code": code, "keep": True}, namespace="kernel"), "Done."]])
    kernel.execute("%codex hello\n%codex new")  # two programs that start at once in a new CODEX_HOME disturb each other
    settings = "%config CodexMagics.kernel = 'ask'\n%config CodexMagics.context = 'auto'"
    assert kernel.execute(f"{settings}\n{WAIT}\nimport codex_jupyter\nchat = codex_jupyter.chat()").error is None
    try:
        kernel.execute("chat._controller.channel.receive({'do': 'sync'})\nchat.ask('go')")
        assert kernel.execute("until(lambda: chat._controller.thread_view._question is not None)").error is None
        (card,) = sent_to_page(kernel.execute("chat._controller.channel.receive({'do': 'sync'})"), "question")
        assert card["question"]["title"] == "Run this code in your kernel?"
        assert {"name": "code", "text": code} in card["question"]["facts"]
        assert kernel.execute("'made_by_chat' in globals()").value == "False"
        assert refusal(act(kernel, do="answer", number=card["number"], choice="accept")) == ""
        wait_until(lambda: kernel.execute("ended(1)").value == "True", 20)
        assert kernel.execute("made_by_chat").value == "42"
        assert "The code completed" in str(model.requests[-1].input)
    finally:
        kernel.execute("%codex stop\nchat.close()\n%config CodexMagics.kernel = 'off'\n%config CodexMagics.context = 'none'")
