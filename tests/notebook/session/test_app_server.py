"""The app-server in cells: text while it is written, questions at the keyboard, steering, and notices where no one can answer."""

import getpass
import itertools
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codex_jupyter.notebook.chat.transcript import question_card
from codex_jupyter.notebook.render.approval import record
from codex_jupyter.notebook.session import keyboard
from codex_jupyter.sdk.transports.app_server.approvals import request_of
from codex_jupyter.testing import ScriptedModel, mcp, say, shell, write_file
from codex_jupyter.testing.script import Script
from tests.notebook.conftest import LIMIT, Kernel
from tests.sdk.support.fake import wait_until

Scripted = Callable[[Script], ScriptedModel]
ASKS = shell("echo made > made.txt", justification="I need it")


READING = 1.3
"""Seconds after which a question is answered: an answer that comes at once is not taken."""


def execute_with_keyboard(kernel: Kernel, code: str, *typed: str, reading: float = READING) -> tuple[list[str], str]:
    """Run a cell, and type into it what it asks for. The prompts, and all text of the outputs."""
    prompts, texts, left = list[str](), dict[str, str](), list(typed)
    answer_at = math.inf
    request = kernel.client.execute(code, allow_stdin=True)
    until = time.monotonic() + LIMIT
    while time.monotonic() < until:
        if kernel.client.stdin_channel.msg_ready():
            prompts.append(kernel.client.get_stdin_msg(timeout=1)["content"]["prompt"])
            answer_at = time.monotonic() + reading
        if time.monotonic() >= answer_at:
            answer_at = math.inf
            kernel.client.input(left.pop(0))
        if not kernel.client.iopub_channel.msg_ready():
            time.sleep(0.01)
            continue
        message = kernel.client.get_iopub_msg(timeout=1)
        content = message["content"]
        if message["msg_type"] == "stream":
            texts["stream"] = texts.get("stream", "") + content["text"]
        if "data" in content:
            texts[content.get("transient", {}).get("display_id", str(len(texts)))] = content["data"].get("text/plain", "")
        if content.get("execution_state") == "idle" and message["parent_header"].get("msg_id") == request:
            break
    while kernel.client.get_shell_msg(timeout=LIMIT)["parent_header"].get("msg_id") != request:
        pass
    return prompts, "\n".join(texts.values())


@pytest.mark.parametrize(
    ("typed", "written", "said"),
    [(["what?", "y"], True, "allowed this once"), (["n"], False, "declined"), (["s"], True, "allowed this for the session")],
)
def test_the_agent_asks_at_the_keyboard(
    kernel: Kernel, scripted: Scripted, tmp_path: Path, typed: list[str], written: bool, said: str
) -> None:
    """The prompt says what and why, another answer is asked for again, and the decision stands in the output."""
    scripted([[[ASKS], "Done."]])
    prompts, text = execute_with_keyboard(kernel, "%%codex -a on-request -s read-only\ngo", *typed)
    assert len(prompts) == len(typed)
    assert "Codex asks: Run this command?" in prompts[0]
    assert " reason │ I need it\n" in prompts[0]
    assert "no; the agent is informed and continues" in prompts[0]
    assert f"you {said}: " in text
    assert "Done." in text
    assert (tmp_path / "work" / "made.txt").exists() == written


def test_a_patch_is_shown_in_the_question(kernel: Kernel, scripted: Scripted, tmp_path: Path) -> None:
    """With what it does."""
    scripted([[[write_file("new.txt", "hello there")], "Done."]])
    prompts, _ = execute_with_keyboard(kernel, "%%codex -a on-request -s read-only\ngo", "y")
    assert "Apply this patch?" in prompts[0]
    assert "hello there" in prompts[0]
    assert (tmp_path / "work" / "new.txt").read_text() == "hello there\n"


def test_a_form_is_filled_in_at_the_keyboard(kernel: Kernel, scripted: Scripted) -> None:
    """Field by field, options by their numbers. An invalid answer is asked for again. An optional field may be left out."""
    fields = {
        "age": {"type": "integer", "title": "Age"},
        "colour": {"type": "string", "oneOf": [{"const": "r", "title": "Red"}, {"const": "g", "title": "Green"}]},
        "days": {"type": "array", "items": {"type": "string", "enum": ["Mon", "Tue", "Wed"]}},
        "note": {"type": "string"},
        "place": {"type": "string", "default": "here"},
    }
    schema = {"type": "object", "properties": fields, "required": ["age", "colour"]}
    ask = mcp("desk", "ask", {"message": "Who are you?", "requestedSchema": schema})
    model = scripted([[[ask], "Done."], [[ask], "Done."]])
    command = {"command": sys.executable, "args": [str(Path(__file__).parents[2] / "sdk" / "support" / "mcp_server.py")]}
    kernel.execute(f"%config CodexMagics.settings = {{'mcp_servers': {{'desk': {command}}}}}")
    prompts, text = execute_with_keyboard(kernel, "%%codex -a on-request\ngo", "old", "41", "2", "1, 3", "", "")
    assert prompts[0].splitlines() == [
        "Codex asks: An MCP server asks.",
        " server │ desk",
        "message │ Who are you?",
        "question │ Age",
        "(an empty line declines) > ",
    ]
    assert prompts[1].splitlines() == ["not an answer │ Age: 'old' is not a whole number.", "> "]
    assert prompts[2].splitlines()[3:] == ["question │ colour", "       1 │ Red", "       2 │ Green", "(an empty line declines) > "]
    assert [prompt.splitlines()[-1] for prompt in prompts[3:]] == [
        "(an empty line leaves it out) > ",
        "(an empty line leaves it out) > ",
        "(an empty line takes the default) > ",
    ]
    answer = str(model.requests[-1].input[-1]).replace("\\", "")
    assert '"content": {"age": 41, "colour": "g", "days": ["Mon", "Wed"], "place": "here"}' in answer
    assert "you answered: Who are you?" in text
    execute_with_keyboard(kernel, "%%codex -a on-request\ngo", "")
    assert '"action": "decline"' in str(model.requests[-1].input[-1]).replace("\\", "")
    kernel.execute("%config CodexMagics.settings = {}")


def test_a_form_and_a_page_as_cards() -> None:
    """Optional fields say so, defaults are in their fields, and an address can be read."""
    fields = {"sure": {"type": "boolean", "default": True}, "note": {"type": "string"}}
    schema = {"type": "object", "properties": fields, "required": ["sure"]}
    form = request_of("mcpServer/elicitation/request", {"message": "Well?", "serverName": "desk", "requestedSchema": schema})
    assert form is not None
    card = question_card(form)
    assert [(question["text"], question["optional"], question["options"], question["value"]) for question in card["questions"]] == [
        ("sure", False, ["true", "false"], "true"),
        ("note", True, [], ""),
    ]
    assert (card["title"], card["facts"]) == (
        "An MCP server asks.",
        [{"name": "server", "text": "desk"}, {"name": "message", "text": "Well?"}],
    )
    page = request_of("mcpServer/elicitation/request", {"mode": "url", "message": "Sign in", "serverName": "desk", "url": "https://a.b/c"})
    assert page is not None
    assert {"name": "address", "text": "https://a.b/c"} in question_card(page)["facts"]


def test_a_secret_is_not_shown_while_it_is_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor in the record of what was decided."""
    monkeypatch.setattr(getpass, "getpass", lambda _: "hunter2")
    params = {"questions": [{"id": "q", "question": "The password?", "isSecret": True}]}
    request = request_of("item/tool/requestUserInput", params)
    assert request is not None
    decision = keyboard.ask(request, keyboard.Keyboard(clock=itertools.count(0, 2).__next__))
    assert decision == {"q": "hunter2"}
    assert "hunter2" not in record(request, decision)


def test_requests_are_declined_where_no_one_can_answer(kernel: Kernel, scripted: Scripted, tmp_path: Path) -> None:
    """As in nbconvert and papermill, and in the background; the output says so."""
    scripted([[[ASKS], "One."], [[ASKS], "Two."]])
    done = kernel.execute("%%codex -a on-request -s read-only\ngo")
    no = "no one could be asked, so this was declined: "
    assert no in done.text
    assert no in done.html
    assert "One." in done.text
    kernel.execute("%%codex --bg -a on-request -s read-only\ngo")
    kernel.execute("%codex wait")
    shown = kernel.execute("%codex show").text
    assert "Two." in shown
    assert no in shown
    assert not (tmp_path / "work" / "made.txt").exists()


def test_text_grows_while_it_is_written(kernel: Kernel, scripted: Scripted) -> None:
    """The first words are on screen before the last are thought of."""
    scripted([[[say("First words, last words.", chunks=["First words, ", "last words."], pace=2.0)]]])
    seen: list[str] = []

    def on_message(message: dict[str, Any]) -> None:
        text = message["content"].get("data", {}).get("text/plain", "")
        if "First words" in text and "last words" not in text:
            seen.append(text)

    assert "last words" in kernel.execute("%%codex\ngo", on_message).text
    assert seen


def test_a_turn_in_the_background_is_steered(kernel: Kernel, scripted: Scripted, tmp_path: Path) -> None:
    """The added text reaches the model in the same turn."""
    model = scripted([[[shell("touch begun; until [ -e steered ]; do sleep 0.1; done")], "Both."]])
    kernel.execute("%%codex --bg -s danger-full-access\ndo A")
    wait_until((tmp_path / "work" / "begun").exists)
    assert kernel.execute("%codex steer and B, please").error is None
    (tmp_path / "work" / "steered").touch()
    kernel.execute("%codex wait")
    assert "and B, please" in str(model.requests[-1].body)
    assert "No turn runs" in (kernel.execute("%codex steer too late").error or "")


def test_the_transport_is_chosen_said_and_changed(kernel: Kernel, scripted: Scripted) -> None:
    """The thread continues over the other transport. Released threads are free."""
    scripted(["One.", "Two.", "Three."])
    kernel.execute("%codex one")
    assert "transport   app-server: it streams text" in kernel.execute("%codex status").text
    assert "can now use the threads" in kernel.execute("%codex release").text
    kernel.execute("%config CodexMagics.transport = 'exec'")
    second = kernel.execute("%codex two")
    assert second.error is None
    assert "transport   exec" in kernel.execute("%codex status").text
    kernel.execute("%config CodexMagics.transport = 'auto'")
    assert "Three." in kernel.execute("%codex three").text
    assert (
        kernel.execute(
            "session = get_ipython().magics_manager.registry['CodexMagics'].session\n"
            "len({past.turn.thread_id for past in session.threads.turns})"
        ).value
        == "1"
    )
