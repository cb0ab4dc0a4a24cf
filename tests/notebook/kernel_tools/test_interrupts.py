"""An interrupt of the kernel at each point of a call of a kernel tool, in a real kernel with the real CLI."""

import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from codex_jupyter.testing.parts import wait_for
from tests.notebook.conftest import Kernel
from tests.notebook.kernel_tools.test_in_a_kernel import Play, k, output, play
from tests.sdk.support.fake import wait_until

__all__ = ["play"]  # the fixture
HOLD = """
import threading
from codex_jupyter.notebook.kernel_tools import code_run, reading, toolbox
from codex_jupyter.notebook.session import turn_questions
gate = threading.Event()
def hold(owner, name, began):
    original = getattr(owner, name)
    def held(*args, **kwargs):
        open(began, "w").close()
        gate.wait(20)
        return original(*args, **kwargs)
    setattr(owner, name, held)
    return lambda: (gate.set(), setattr(owner, name, original))
release = lambda: None
"""


@dataclass(frozen=True)
class Point:
    """A point of a call at which the kernel is interrupted.

    Attributes:
        tools: The calls of the agent.
        held: The function that waits there, if no other thing waits.
        mode: The mode of the turn.
    """

    tools: tuple[Any, ...]
    held: str = ""
    mode: str = "run"


LEAK = (k("run", code="leak = 1", keep=True),)
# It does not block: an interrupt just before a call blocks would not end the call.
SLOW = "open('began', 'w').close()\nwhile True: pass"
POINTS = {
    "before the card": Point(LEAK, "turn_questions.TurnQuestions, 'ask_user'", "ask"),
    "at the question": Point(LEAK, mode="ask"),
    "between the consent and the code": Point(LEAK, "code_run.CodeRun, '__init__'"),
    "while code runs": Point((k("run", code=SLOW),)),
    "while the agent waits for code": Point((k("run", code=SLOW, seconds=0.1), k("wait"))),
    "while the agent looks": Point((k("list_variables"),), "reading.KernelReader, 'variables'"),
    "between the code and its result": Point((k("run", code="1"),), "toolbox, 'result_of'"),
    "after the result": Point((k("run", code="1"),)),
}


@pytest.mark.parametrize("name", POINTS)
def test_an_interrupt_at_any_point_of_a_call_stops_the_turn(kernel: Kernel, play: Play, tmp_path: Path, name: str) -> None:
    """Neither code nor a question is left, and the next turn works."""
    point, began, answer = POINTS[name], tmp_path / "work" / "began", threading.Event()
    model = play([*point.tools, wait_for(answer), "Never."], ["After."])
    kernel.execute(HOLD)
    if point.held:
        assert kernel.execute(f"release = hold({point.held}, {str(began)!r})").error is None
    request = kernel.client.execute(f"%%codex --kernel {point.mode}\nGo.", allow_stdin=True)
    if name == "at the question":
        wait_until(kernel.client.stdin_channel.msg_ready, 20)
    elif name == "after the result":
        wait_until(lambda: len(model.requests) == 2, 20)
    else:
        wait_until(began.exists, 20)
        wait_until(lambda: len(model.requests) == len(point.tools), 20)
    kernel.process.send_signal(signal.SIGINT)
    reply = kernel.client.get_shell_msg(timeout=30)
    assert reply["parent_header"]["msg_id"] == request
    assert "The turn was interrupted" in str(reply["content"]["evalue"])
    assert kernel.client.stdin_channel.msg_ready() is (name == "at the question")
    while kernel.client.stdin_channel.msg_ready():
        kernel.client.get_stdin_msg(timeout=1)
    answer.set()
    kernel.execute("release()")
    assert "After." in kernel.execute("%%codex\nGo.").text
    assert "Never." not in str(list(model.requests[-1].input))
    assert kernel.execute("'leak' in globals()").value == "False"


def test_code_that_waits_for_a_busy_kernel_never_runs_if_the_turn_is_stopped(kernel: Kernel, play: Play, tmp_path: Path) -> None:
    model = play([k("run", code="leak = 1", keep=True, seconds=0.1), k("wait"), "Never."])
    kernel.execute("turn = %codex --bg --kernel run Go.")
    # The main thread is busy in this cell. The agent has seen that its code waits.
    waits = "any(getattr(item, 'tool', '') == 'wait' for item in turn.turn.items)"
    busy = f"for _ in turn.updates():\n    if {waits}: turn.stop()"
    kernel.execute(busy)
    kernel.execute("%codex wait")
    assert "waits for the kernel" in output(model.requests[1])
    assert kernel.execute("'leak' in globals()").value == "False"


def test_a_stopped_turn_in_the_background_stops_its_code(kernel: Kernel, play: Play, tmp_path: Path) -> None:
    kernel.execute("import threading\nbegan = threading.Event()")
    play([k("run", code="began.set(); threading.Event().wait()"), "Never."])
    kernel.execute(
        "def stop():\n    began.wait()\n    turn.stop()\nturn = %codex --bg --kernel run Go.\nthreading.Thread(target=stop).start()"
    )
    assert kernel.execute("%codex wait\nprint(turn.turn.status)").text.startswith("interrupted")
