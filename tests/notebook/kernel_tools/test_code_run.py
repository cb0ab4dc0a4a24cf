"""Code of the agent in a real kernel: where its output goes, and what it leaves behind."""

import json
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.notebook.conftest import Kernel
from tests.sdk.support.fake import wait_until

HELPER = """
import json, threading, time
from codex_jupyter.notebook.context.cells import CellLog
from codex_jupyter.notebook.images.display_log import log_of
from codex_jupyter.notebook.kernel_tools.code_run import CodeRun
cells = CellLog(get_ipython())
cells.start()
def report(run):
    return {"text": run.output.text, "images": len(run.output.images), "failed": run.failed, "interrupted": run.interrupted,
            "names": run.names.describe(kept=run.keep)}
def here(code, keep=False):
    run = CodeRun(get_ipython(), cells, code, keep=keep)
    run.work()
    print(json.dumps(report(run)))
def between(code, keep=False):
    global later
    later = CodeRun(get_ipython(), cells, code, keep=keep)
    get_ipython().kernel.io_loop.add_callback(later.work)
"""
PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"


@pytest.fixture(scope="module")
def ready(shared_kernel: Kernel) -> Kernel:
    assert shared_kernel.execute("%matplotlib inline\n" + HELPER).error is None
    return shared_kernel


def run(kernel: Kernel, code: str, *, place: str, keep: bool = False) -> dict[str, Any]:
    """Run code in a cell, or between two cells."""
    if place == "in a cell":
        execution = kernel.execute(f"here({code!r}, keep={keep})")
    else:
        assert kernel.execute(f"between({code!r}, keep={keep})").error is None
        execution = kernel.execute("print(json.dumps(report(later)))")
    assert execution.error is None
    # What the code shows goes nowhere else.
    assert {message["msg_type"] for message in execution.messages} == {"stream"}
    result: dict[str, Any] = json.loads("".join(message["content"]["text"] for message in execution.messages))
    return result


def value(kernel: Kernel, expression: str) -> str | None:
    return kernel.execute(expression).value


@pytest.fixture(params=["in a cell", "between cells"])
def place(request: pytest.FixtureRequest) -> str:
    place: str = request.param
    return place


@pytest.mark.parametrize(
    ("code", "text", "failed"),
    [
        ("print('out'); import sys; print('err', file=sys.stderr)\n1 + 1", "out\nerr\n2", False),
        ("1 + 1;", "", False),
        ("display('shown')", "'shown'", False),
        ("%time 1 + 1", "Wall time", False),
        ("!echo from the shell", "from the shell", False),
        ("import subprocess; subprocess.run(['echo', 'child']);", "child", False),
        ("1 / 0", "ZeroDivisionError", True),
        ("1 +", "SyntaxError", True),
        ("%no_such_magic", "not found", True),
        ("import sys; sys.exit(3)", "SystemExit", True),
        ("exit()", "cannot end the kernel", True),
        ("quit()", "cannot end the kernel", True),
        ("input('name? ')", "input() is not available", True),
        ("import getpass; getpass.getpass()", "input() is not available", True),
        ("import asyncio\nawait asyncio.sleep(0)", "Top-level await is not available", True),
        ("print('a\\rb'); print('\\x1b[31mred\\x1b[0m')", "b\nred", False),
        ("from IPython.display import clear_output\nprint('old'); clear_output(); print('new')", "new", False),
        ("h = display('one', display_id=True); h.update('two')", "'two'", False),
    ],
)
def test_the_output_of_code_is_caught_and_goes_nowhere_else(ready: Kernel, place: str, code: str, text: str, failed: bool) -> None:
    result = run(ready, code, place=place)
    assert text in result["text"]
    assert result["failed"] is failed
    assert "codex_jupyter" not in result["text"]
    for gone in ("old", "\x1b", "a\r"):
        assert gone not in result["text"] or gone in text


def test_what_the_running_cell_sends_to_the_front_end_is_sent(ready: Kernel) -> None:
    """The code of the agent does not replace it, and what the code itself writes into the next cell is dropped."""
    code = """get_ipython().set_next_input('of the cell'); here("get_ipython().set_next_input('of the code')")"""
    reply = ready.client.execute(code, reply=True, store_history=False, timeout=30)
    assert [payload["text"] for payload in reply["content"]["payload"]] == ["of the cell"]


def test_what_the_code_shows_in_the_pager_is_output(ready: Kernel, place: str) -> None:
    report = run(ready, "import textwrap\ntextwrap.dedent?", place=place)
    assert "common leading whitespace" in report["text"]
    assert not report["failed"]


def test_a_figure_belongs_to_the_code_and_not_to_the_cell(ready: Kernel, place: str) -> None:
    result = run(ready, PLOT, place=place)
    assert result["images"] == 1
    assert value(ready, "len(log_of(get_ipython()).images)") == "0"


def test_names_are_restored_unless_they_are_kept(ready: Kernel, place: str) -> None:
    ready.execute("old = 1; gone = 2; kept = [1]")
    code = "old = 5; new = 6; del gone; kept.append(2); _hidden = 1"  # the last one is not listed
    result = run(ready, code, place=place)
    assert result["names"] == "Names, restored after the run: bound new; rebound old; deleted gone. Use keep=true to keep them."
    assert value(ready, "old, gone, kept, 'new' in globals(), '_hidden' in globals()") == "(1, 2, [1, 2], False, False)"
    assert run(ready, code, place=place, keep=True)["names"] == "Names: bound new; rebound old; deleted gone."
    assert value(ready, "old, new, 'gone' in globals()") == "(5, 6, False)"
    ready.execute("del new, _hidden")


def test_history_counts_values_and_errors_of_the_user_stay(ready: Kernel, place: str) -> None:
    ready.execute("'mine'")
    ready.execute("last = (max(Out), len(Out))")
    run(ready, "'theirs'", place=place)
    run(ready, "1 / 0", place=place)
    ready.execute("import sys; state = (Out[last[0]], len(Out) - last[1], hasattr(sys, 'last_value'), [c.source for c in cells.finished])")
    assert value(ready, "state[:3]") == "('mine', 0, False)"
    assert value(ready, "\"'theirs'\" in state[3] or '1 / 0' in state[3] or \"'theirs'\" in In") == "False"


def test_an_interrupt_of_the_kernel_ends_the_code_and_the_kernel_lives(ready: Kernel, place: str, tmp_path: Path) -> None:
    started = tmp_path / "started"

    def interrupt() -> None:
        wait_until(started.exists, 20)
        ready.process.send_signal(signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    # The code does not block: an interrupt just before a call blocks would not end the call.
    result = run(ready, f"print(1); open({str(started)!r}, 'w').close()\nwhile True: pass", place=place)
    thread.join()
    assert (result["interrupted"], result["failed"]) == (True, True)
    assert result["text"].startswith("1\n")
    assert "KeyboardInterrupt" in result["text"]


def test_code_is_cancelled_from_another_thread_and_a_cancelled_run_does_not_start(ready: Kernel) -> None:
    execution = ready.execute(
        "began = threading.Event()\nrun = CodeRun(get_ipython(), cells, 'began.set(); threading.Event().wait()')\n"
        "def stop():\n    began.wait()\n    run.cancel()\n"
        "threading.Thread(target=stop).start()\nrun.work()\nprint(run.interrupted, run.finished)\n"
        "run = CodeRun(get_ipython(), cells, 'started = True')\nrun.cancel()\nrun.work()\nprint(run.finished, 'started' in globals())"
    )
    assert execution.text.split() == ["True", "True", "True", "False"]


def test_a_cancellation_is_repeated_until_the_code_notices(ready: Kernel) -> None:
    """A signal that arrives just before a call blocks does not end the call. Here the first signal is lost on purpose."""
    execution = ready.execute(
        "from codex_jupyter.notebook.kernel_tools import code_run\nbegan = threading.Event()\nsent = []\n"
        "send = code_run.signal_main_thread\n"
        "def lose_first():\n    sent.append(1)\n    if len(sent) > 1:\n        send()\n"
        "code_run.signal_main_thread = lose_first\n"
        "run = CodeRun(get_ipython(), cells, 'began.set(); threading.Event().wait()')\n"
        "def stop():\n    began.wait()\n    run.cancel()\n    run.cancel()\n"
        "threading.Thread(target=stop).start()\nrun.work()\ncode_run.signal_main_thread = send\nprint(run.interrupted, len(sent))"
    )
    assert execution.text.split() == ["True", "2"]


def test_code_that_caught_an_interrupt_can_be_interrupted_again(ready: Kernel) -> None:
    code = "try:\n    began.set(); threading.Event().wait()\nexcept KeyboardInterrupt:\n    again.set(); threading.Event().wait()"
    execution = ready.execute(
        f"began, again = threading.Event(), threading.Event()\nrun = CodeRun(get_ipython(), cells, {code!r})\n"
        "def stop():\n    for event in (began, again):\n        event.wait()\n        run.cancel()\n"
        "threading.Thread(target=stop).start()\nrun.work()\nprint(run.interrupted)"
    )
    assert execution.text.split() == ["True"]


@pytest.mark.parametrize(("change", "reached"), [(1, "False"), (2, "True")], ids=["before the code", "after the code"])
def test_an_interrupt_while_the_handlers_are_changed_is_not_lost(ready: Kernel, change: int, reached: str) -> None:
    execution = ready.execute(
        "import signal\ninstall, before = signal.signal, signal.getsignal(signal.SIGINT)\nhandlers = []\n"
        "def install_and_raise(number, handler):\n    handlers.append(handler)\n"
        f"    if len(handlers) == 2 == {change}:\n        signal.raise_signal(number)\n    earlier = install(number, handler)\n"
        f"    if len(handlers) == 1 == {change}:\n        signal.raise_signal(number)\n    return earlier\n"
        "signal.signal = install_and_raise\nrun = CodeRun(get_ipython(), cells, 'reached = True', keep=True)\n"
        "globals().pop('reached', None)\nrun.work()\nsignal.signal = install\n"
        "print(run.interrupted, 'reached' in globals(), signal.getsignal(signal.SIGINT) == before)"
    )
    assert execution.text.split() == ["True", reached, "True"]


def test_the_kernel_still_works_for_the_user_after_all_this(ready: Kernel) -> None:
    execution = ready.execute("import subprocess, sys\nprint('out')\nsubprocess.run(['echo', 'child'])\n" + PLOT + "\n1 / 0")
    kinds = [message["msg_type"] for message in execution.messages]
    assert "display_data" in kinds
    assert "ZeroDivisionError" in (execution.error or "")
    assert "out" in execution.text
