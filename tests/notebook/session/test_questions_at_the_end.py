"""Questions that are open when their turn ends, in a real kernel with the real CLI: they close at once, and nothing is run."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from codex_jupyter.testing import ScriptedModel, js
from codex_jupyter.testing.parts import fail, wait_for
from codex_jupyter.testing.script import Script
from tests.notebook.chat.pages import ChatPage
from tests.notebook.conftest import Kernel
from tests.sdk.support.fake import wait_until

Scripted = Callable[[Script], ScriptedModel]
YIELD = '// @exec: {"yield_time_ms": 1}\n'
"""The CLI lets the model continue at once. By default it does so after 30 s, so that a turn can end while the user still reads."""
CODE = f"{YIELD}text(await tools.kernel__run({{code: 'leak = 1', keep: true}}));"
COMMAND = f"{YIELD}text(await tools.exec_command({{cmd: 'touch made', sandbox_permissions: 'require_escalated', justification: 'go'}}));"
ENDED = "The turn ended before you answered “{}”, so nothing was done."
RUN_CODE = "Run this code in your kernel?"
ASKS_FOR_CODE = "%%codex --kernel ask\nGo."
CASES = {
    "code": (CODE, ASKS_FOR_CODE, RUN_CODE),
    "command": (COMMAND, "%%codex -a on-request -s read-only\nGo.", "Run this command?"),
}


@pytest.fixture(autouse=True)
def context(kernel: Kernel) -> Iterator[None]:
    """Let the agent see the kernel."""
    kernel.execute("%config CodexMagics.context = 'auto'")
    yield
    kernel.execute("%config CodexMagics.context = 'none'\nglobals().pop('leak', None)")


@pytest.mark.parametrize("case", CASES)
def test_the_question_of_a_cell_closes_when_the_model_ends_the_turn(kernel: Kernel, scripted: Scripted, tmp_path: Path, case: str) -> None:
    """The cell ends without an answer, and an answer after that does nothing."""
    script, cell, title = CASES[case]
    asked = threading.Event()
    scripted([[[js(script)], [wait_for(asked), "I did not wait."]], ["After."]])
    ended = answered_late(kernel, cell, asked.set)
    assert ended.count(ENDED.format(title)) == 1
    assert "I did not wait." in ended
    assert "→ not run" in ended
    assert "you declined" not in ended
    assert "After." in kernel.execute("%%codex\nGo on.").text
    assert kernel.execute("'leak' in globals()").value == "False"
    assert not (tmp_path / "work" / "made").exists()


def test_the_question_of_a_cell_that_waits_for_a_turn_closes_with_it(kernel: Kernel, scripted: Scripted) -> None:
    asked = threading.Event()
    scripted([[[js(CODE)], [wait_for(asked), "I did not wait."]]])
    kernel.client.execute("turn = %codex --bg --kernel ask Go.", allow_stdin=True, reply=True, timeout=60)
    answered_late(kernel, "%codex wait", asked.set)
    assert ENDED.format(RUN_CODE) in kernel.execute("%codex show").text
    assert kernel.execute("'leak' in globals()").value == "False"


STOP = """
import os, threading
os.mkfifo("stop")
def stop():
    open("stop").read()
    for thread in get_ipython().magics_manager.registry["CodexMagics"].session.threads.running:
        thread.running.stop()
threading.Thread(target=stop).start()
"""


@pytest.mark.parametrize("end", ["failed", "interrupted"])
def test_the_question_of_a_cell_closes_with_a_turn_that_does_not_complete(
    kernel: Kernel, scripted: Scripted, tmp_path: Path, end: str
) -> None:
    """The model does not receive that the user has declined."""
    asked = threading.Event()
    model = scripted([[[js(CODE)], [wait_for(asked), fail(400, "No.")]], ["After."]])
    finish: Callable[[], object] = asked.set
    if end == "interrupted":
        kernel.execute(STOP)
        finish = partial((tmp_path / "work" / "stop").write_text, "")
    ended = answered_late(kernel, ASKS_FOR_CODE, finish)
    asked.set()
    assert ended.count(ENDED.format(RUN_CODE)) == 1
    assert "→ not run" in ended
    assert end in ended
    assert "After." in kernel.execute("%%codex\nGo on.").text
    assert "user declined" not in str(model.requests[-1].input)
    assert kernel.execute("'leak' in globals()").value == "False"


def test_the_card_of_a_chat_closes_when_the_model_ends_the_turn(kernel: Kernel, scripted: Scripted) -> None:
    """The answer of the user after that is refused."""
    asked = threading.Event()
    scripted(["Hello.", [[js(CODE)], [wait_for(asked), "I did not wait."]]])
    kernel.execute("%codex hello\n%codex new\n%config CodexMagics.kernel = 'ask'\nimport codex_jupyter\nchat = codex_jupyter.chat()")
    try:
        page = ChatPage(kernel)
        page.sync()
        kernel.execute("chat.ask('go')")
        card = page.wait_for_question()
        asked.set()
        page.wait_for_turns()
        assert page.last("end")["status"] == "completed"
        assert page.last("question")["question"] is None
        assert "not asked any more" in page.do(do="answer", number=card["number"], choice="accept")["error"]
        shown = str(page.sync()["turns"][-1]["blocks"])
        assert shown.count("The turn ended before you answered") == 1
        assert "not run" in shown
        assert "interrupted" not in shown
        assert kernel.execute("'leak' in globals()").value == "False"
    finally:
        kernel.execute("%codex stop\nchat.close()\n%config CodexMagics.kernel = 'off'")


def answered_late(kernel: Kernel, code: str, end: Callable[[], object]) -> str:
    """Run a cell that asks, end its turn, and answer yes after the end of the cell. Return its text."""
    texts = dict[str, str]()
    request = kernel.client.execute(code, allow_stdin=True)
    wait_until(kernel.client.stdin_channel.msg_ready, 30)
    kernel.client.get_stdin_msg(timeout=1)
    end()
    while True:
        message = kernel.client.get_iopub_msg(timeout=60)
        content = message["content"]
        if "data" in content:
            texts[content.get("transient", {}).get("display_id", str(len(texts)))] = content["data"].get("text/plain", "")
        if content.get("execution_state") == "idle" and message["parent_header"].get("msg_id") == request:
            break
    while kernel.client.get_shell_msg(timeout=60)["parent_header"].get("msg_id") != request:
        pass
    kernel.client.input("y")
    return "\n".join(texts.values())
