"""Consent in a real kernel with the real CLI: the agent's first call of a kernel tool asks, and a grant belongs to the notebook's path."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from codex_jupyter.testing import RecordedRequest, ScriptedModel
from tests.notebook.conftest import LIMIT, Kernel
from tests.notebook.kernel_tools.test_in_a_kernel import k, output, play
from tests.notebook.session.test_app_server import execute_with_keyboard

__all__ = ["play"]  # the fixture
Play = Callable[..., ScriptedModel]
LOOKS = [k("list_variables"), k("inspect", name="visible"), "Done."]
DECLINED = "The user declined"


@pytest.fixture(autouse=True)
def notebook(kernel: Kernel, tmp_path: Path) -> Iterator[Path]:
    """Let the kernel belong to a notebook, whose state is in the folder of the test."""
    path = tmp_path / "work" / "mine.ipynb"
    kernel.execute(
        f"import os; os.environ.update(JPY_SESSION_NAME={str(path)!r}, XDG_STATE_HOME={str(tmp_path / 'state')!r}); visible = 41"
    )
    kernel.execute("%unload_ext codex_jupyter\n%load_ext codex_jupyter")
    yield path
    kernel.execute("del os.environ['JPY_SESSION_NAME'], os.environ['XDG_STATE_HOME']")


def results(requests: list[RecordedRequest], count: int) -> list[str]:
    return [output(request) for request in requests[1 : count + 1]]


@pytest.mark.parametrize(("typed", "allowed"), [(["y"], True), (["n"], False), (["d", "Y es", "n"], False)])
def test_the_first_look_in_a_turn_asks_and_the_answer_holds_for_the_turn(
    kernel: Kernel, play: Play, typed: list[str], *, allowed: bool
) -> None:
    model = play(LOOKS, LOOKS)
    prompts, text = execute_with_keyboard(kernel, "%%codex\nLook.", *typed)
    assert len(prompts) == len(typed)
    assert "Codex asks: Let the agent look at your kernel?" in prompts[0]
    assert "kernel.list_variables" in prompts[0]
    assert [("visible" in result, DECLINED in result) for result in results(model.requests, 2)] == [(allowed, not allowed)] * 2
    # The call that is not asked for, too: the answer holds for the turn.
    assert text.count("→ declined") == (0 if allowed else 2)
    assert text.count("you declined: ") == (0 if allowed else 1)
    assert "AccessDeclinedError" not in text
    # The next turn asks again. No one can answer there.
    assert "kernel read" not in text
    kernel.execute("%%codex\nLook.")
    assert "no one can be asked" in output(model.requests[-1])


def test_a_grant_for_the_notebook_holds_for_its_path_until_it_is_revoked(
    kernel: Kernel, play: Play, notebook: Path, tmp_path: Path
) -> None:
    turn = [k("list_variables"), k("run", code="left = 1", keep=True), "Done."]
    model = play(turn, turn, turn, turn)
    prompts, _ = execute_with_keyboard(kernel, "%%codex\nLook.", "s", "n")
    assert ["look at your kernel" in prompt or "run this code" in prompt.lower() for prompt in prompts] == [True, True]
    assert ["visible" in result or DECLINED in result for result in results(model.requests, 2)] == [True, True]
    assert list((tmp_path / "state" / "codex-jupyter" / "notebooks" / "grants").glob("*.json")) != []

    def looked() -> bool:
        kernel.execute("%%codex\nLook.")
        return "no one can be asked" not in output(model.requests[-2])

    assert looked()
    assert "look at the kernel" in kernel.execute("%codex rules").text
    kernel.execute(f"os.environ['JPY_SESSION_NAME'] = {str(notebook.with_name('copy.ipynb'))!r}")
    assert not looked()
    kernel.execute(f"os.environ['JPY_SESSION_NAME'] = {str(notebook)!r}")
    assert "Not approved permanently any more: look at the kernel" in kernel.execute("%codex rules revoke 1").text
    assert not looked()
    assert kernel.execute("'left' in globals()").value == "False"


def test_the_answer_to_stop_stops_the_turn(kernel: Kernel, play: Play) -> None:
    model = play(LOOKS)
    execute_with_keyboard(kernel, "%%codex\nLook.", "c")
    assert kernel.execute("visible").value == "41"
    assert len(model.requests) == 1


def test_a_turn_in_the_background_asks_in_the_cell_that_waits_for_it(kernel: Kernel, play: Play) -> None:
    """Without such a cell, the turn shows that it waits."""
    model = play([k("run", code="made = visible + 1", keep=True), "Done."])
    execute_with_keyboard(kernel, "turn = %codex --bg Go.")
    while "The agent waits for your answer" not in str(kernel.receive(LIMIT)["content"]):
        pass
    prompts, _ = execute_with_keyboard(kernel, "%codex wait", "y")
    assert "Run this code in your kernel?" in prompts[0]
    assert "The code completed" in output(model.requests[1])
    assert kernel.execute("made").value == "42"


@pytest.mark.parametrize(
    ("ceiling", "tool", "reason"),
    [("read", k("run", code="left = 1", keep=True), "The administrator does not allow agents to run code"), ("off", "Done.", "")],
)
def test_no_answer_gives_more_than_the_ceiling(kernel: Kernel, play: Play, tmp_path: Path, ceiling: str, tool: Any, reason: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'[ceiling]\nsandbox = "workspace-write"\nkernel = "{ceiling}"\n')
    room = "codex_jupyter.notebook.consent.ceiling"
    kernel.execute(f"import pathlib, {room} as c; unlimited = c.CEILING_FILE; c.CEILING_FILE = pathlib.Path({str(file)!r})")
    try:
        model = play([tool, "Done."] if reason else ["Done."])
        for refused in ("--kernel run", "--preset full", "-s danger-full-access"):
            message = kernel.execute(f"%%codex {refused}\nGo.").text
            assert "is above the administrator's ceiling" in message
            assert str(file) in message
        assert model.requests == []
        assert kernel.execute("%%codex\nGo.").error is None
        if reason:
            assert reason in output(model.requests[1])
        assert ("list_variables" in str(model.requests[0].body)) is bool(reason)
        status = kernel.execute("%codex status").text
        assert f"ceiling     sandbox workspace-write, kernel {ceiling} ({file})" in status
        assert "sandbox     read-only" in status
        file.write_text("[ceiling")
        assert "so no prompt runs" in kernel.execute("%%codex\nGo.").text
    finally:
        kernel.execute("c.CEILING_FILE = unlimited")
