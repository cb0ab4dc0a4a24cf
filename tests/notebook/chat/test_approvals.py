"""Questions of the agent while a chat exists: their receiver, answers that must fit the question, and refusal where no one can answer."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from codex_jupyter.testing import ScriptedModel, call, shell
from codex_jupyter.testing.script import Script
from tests.notebook.chat.pages import ChatPage
from tests.notebook.conftest import Kernel

Scripted = Callable[[Script], ScriptedModel]
SETTINGS = "%config CodexMagics.approval = 'on-request'\n%config CodexMagics.sandbox = 'read-only'"


@pytest.fixture
def asking(kernel: Kernel, scripted: Scripted) -> Iterator[Kernel]:
    """A kernel with a `chat` whose model asks twice in a turn."""
    scripted([[[shell("echo > one", justification="first")], [shell("echo > two", justification="second")], "Done."]])
    assert kernel.execute(f"{SETTINGS}\nimport codex_jupyter\nchat = codex_jupyter.chat()").error is None
    yield kernel
    kernel.execute("%codex stop\nchat.close()\n%config CodexMagics.approval = ''\n%config CodexMagics.sandbox = ''")


def wait_for_card(page: ChatPage, why: str) -> int:
    """Return the number of a question as soon as the page receives it."""
    page.wait(lambda: why in str(page.of("question")))
    card = page.last("question")
    assert {"name": "reason", "text": why} in card["question"]["facts"]
    assert {"choice": "decline", "meaning": "no; the agent is informed and continues"} in card["question"]["choices"]
    number: int = card["number"]
    return number


def start(kernel: Kernel) -> ChatPage:
    """Open a page, which may answer from now on, and start a turn."""
    page = ChatPage(kernel)
    page.sync()
    kernel.execute("chat.ask('go')")
    return page


def test_an_answer_fits_one_question_only(asking: Kernel, tmp_path: Path) -> None:
    """A second click on yes does not say yes to what is asked next."""
    page = start(asking)
    first = wait_for_card(page, "first")
    assert page.do(do="answer", number=first, choice="accept")["error"] == ""
    second = wait_for_card(page, "second")
    assert second != first
    assert "not asked any more" in page.do(do="answer", number=first, choice="accept")["error"]
    assert not (tmp_path / "work" / "two").exists()
    for wrong in ("nonsense", "", "accept_always ", "yes"):
        assert page.do(do="answer", number=second, choice=wrong)["error"] == "This is not an answer to what is asked."
    assert "not an answer" in page.do(do="answer", number=second, answers={"q": "A"})["error"]
    assert page.do(do="answer", number=second, choice="decline")["error"] == ""
    page.wait_for_turns()
    assert (tmp_path / "work" / "one").exists()
    assert not (tmp_path / "work" / "two").exists()
    assert "you allowed this once: " in str(page.sync()["turns"][-1]["blocks"])


def test_requests_are_declined_where_no_page_shows_the_chat(asking: Kernel, tmp_path: Path) -> None:
    """As in nbconvert: the turn continues and completes."""
    assert asking.execute("chat.ask('go').result().status").value == "'completed'"
    assert not (tmp_path / "work" / "one").exists()


def test_a_question_ends_with_its_turn(asking: Kernel, tmp_path: Path) -> None:
    """Stop takes the card away."""
    page = start(asking)
    number = wait_for_card(page, "first")
    asking.execute("chat.stop()")
    page.wait_for_turns()
    assert page.last("end")["status"] == "interrupted"
    assert page.last("question")["question"] is None
    assert "not asked any more" in page.do(do="answer", number=number, choice="accept")["error"]
    assert not (tmp_path / "work" / "one").exists()


def test_the_card_of_code_in_the_kernel_shows_it_and_an_answer_runs_it_between_cells(kernel: Kernel, scripted: Scripted) -> None:
    code = "made_by_chat = 40 + 2"
    model = scripted(["Hello.", [call("run", {"code": code, "keep": True}, namespace="kernel"), "Done."]])
    kernel.execute("%codex hello\n%codex new")  # two programs that start at once in a new CODEX_HOME disturb each other
    settings = "%config CodexMagics.kernel = 'ask'\n%config CodexMagics.context = 'auto'"
    assert kernel.execute(f"{settings}\nimport codex_jupyter\nchat = codex_jupyter.chat()").error is None
    try:
        page = start(kernel)
        card = page.wait_for_question()
        assert card["question"]["title"] == "Run this code in your kernel?"
        assert {"name": "code", "text": code} in card["question"]["facts"]
        assert kernel.execute("'made_by_chat' in globals()").value == "False"
        assert page.do(do="answer", number=card["number"], choice="accept")["error"] == ""
        page.wait_for_turns()
        assert kernel.execute("made_by_chat").value == "42"
        assert "The code completed" in str(model.requests[-1].input)
    finally:
        kernel.execute("%codex stop\nchat.close()\n%config CodexMagics.kernel = 'off'\n%config CodexMagics.context = 'none'")
