"""A kernel ends at some moment of a turn, and the next kernel shows the chat."""

import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codex_jupyter.notebook.persistence.thread_store import SavedNotebook, SavedThread, ThreadStore
from codex_jupyter.testing import ScriptedModel, ScriptedTurn, say, shell, wait_for
from tests.notebook.chat.pages import ChatPage
from tests.notebook.conftest import Kernel
from tests.notebook.session.test_registry import start_named

HELD = threading.Event()
MOMENTS: dict[str, tuple[Any, str]] = {
    "before the first word": ([wait_for(HELD), "Never."], ""),
    "after a command": ([shell("echo looked")], "looked"),
    "within a message": ([say("Half of it", pace=0.1), wait_for(HELD)], "Half"),
}
"""The work of the model until the kernel ends, and a text of the page by which the moment is recognized."""
CUT = "The kernel ended during the last turn, so the end of the turn is missing. Retry sends its prompt again."
pytestmark = pytest.mark.integration


@pytest.fixture
def open_chat(new_kernel: Callable[[], Kernel], tmp_path: Path) -> Callable[[ScriptedModel], tuple[Kernel, ChatPage]]:
    """Start a kernel of the same notebook, and open its chat."""
    (tmp_path / "analysis.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')

    def opened(model: ScriptedModel) -> tuple[Kernel, ChatPage]:
        kernel = start_named(new_kernel, tmp_path)
        kernel.use(model)
        assert kernel.execute("import codex_jupyter\nchat = codex_jupyter.chat()").error is None
        page = ChatPage(kernel)
        page.sync()
        return kernel, page

    return opened


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "shut down"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_turn_that_the_kernel_did_not_end_is_shown_after_a_restart(
    open_chat: Callable[[ScriptedModel], tuple[Kernel, ChatPage]], tmp_path: Path, moment: str, killed: bool
) -> None:
    """Also if it is the first one of its thread. One line says what happened, until the next turn starts."""
    said, text = MOMENTS[moment]
    turns = [ScriptedTurn([said, [wait_for(HELD), "Never."]], match="hello"), ScriptedTurn(["Again."])]
    HELD.clear()
    with ScriptedModel(turns, codex_home=tmp_path / "home") as model:
        kernel, page = open_chat(model)
        assert kernel.execute("turn = chat.ask('hello there')").error is None
        page.wait(lambda: bool(model.requests) and text in str(page.of("blocks")))
        kernel.close(now=killed)
        HELD.set()
        kernel, page = open_chat(model)
        (turn,) = page.last("state")["turns"]
        assert (turn["prompt"], turn["status"]) == ("hello there", "interrupted")
        assert page.last("meta")["loss"] == (CUT if killed else "")
        assert kernel.execute("chat.ask('and now?').result().final_response").value == "'Again.'"
        page.wait_for_turns()
        assert page.last("meta")["loss"] == ""
        assert "hello there" in str(model.requests[-1].input)


def test_a_prompt_that_codex_did_not_store_is_named_after_a_restart(
    open_chat: Callable[[ScriptedModel], tuple[Kernel, ChatPage]], tmp_path: Path
) -> None:
    """The kernel ended before the thread had an id, or before Codex had stored the thread."""
    store = ThreadStore(tmp_path / "state" / "codex-jupyter" / "notebooks")
    store.save(tmp_path / "analysis.ipynb", SavedNotebook("main", started={"main": "Describe the data"}))
    with ScriptedModel(["One."], codex_home=tmp_path / "home") as model:
        kernel, page = open_chat(model)
        lost = "The kernel ended before Codex had stored the last prompt. Send it again: “Describe the data”"
        assert (page.last("state")["turns"], page.last("meta")["loss"]) == ([], lost)
        kernel.close(now=True)
        store.save(tmp_path / "analysis.ipynb", SavedNotebook("main", (SavedThread("main", str(uuid.uuid4()), last_prompt="Plot it"),)))
        kernel, page = open_chat(model)
        assert page.last("state")["turns"] == []
        assert page.last("meta")["loss"].startswith("The conversation of the earlier kernel cannot be shown: ")
        assert page.last("meta")["loss"].endswith(" Its last prompt was “Describe the data”.")
        assert kernel.execute("chat.ask('hello').result().final_response").value == "'One.'"
        page.wait_for_turns()
        assert store.load(tmp_path / "analysis.ipynb").started == {}
