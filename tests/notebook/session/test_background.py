"""Turns in the background: the kernel stays free, and output stays where it belongs."""

import re
import threading
from collections.abc import Callable
from typing import Any

from codex_jupyter.testing import Reply, ScriptedModel, ScriptedTurn, say, shell, wait_for
from codex_jupyter.testing.script import Script
from tests.notebook.conftest import Kernel, running_below
from tests.sdk.support.fake import wait_until

Scripted = Callable[[Script], ScriptedModel]


def shown_by_id(messages: list[dict[str, Any]]) -> dict[str, str]:
    return {
        message["content"]["transient"]["display_id"]: message["content"]["data"]["text/plain"]
        for message in messages
        if message["msg_type"] in ("display_data", "update_display_data")
    }


def test_a_turn_in_the_background_leaves_the_kernel_free(kernel: Kernel, scripted: Scripted) -> None:
    """The cell ends at once, other cells run, and everything that the turn shows goes into the outputs of its own cell."""
    gate = threading.Event()
    scripted([[shell("echo early"), [wait_for(gate, 30), shell("echo late")], "The end."]])
    started = kernel.execute("%%codex --bg\ngo")
    assert started.error is None
    assert started.value is None, "the output of the cell shows the turn"
    assert "running for" in (kernel.execute("_").value or "")
    own = set(shown_by_id(started.messages))
    assert kernel.execute("6 * 7").value == "42"
    gate.set()
    waited = kernel.execute("%codex wait")
    assert waited.error is None
    updates = [message for message in waited.messages if message["msg_type"] == "update_display_data"]
    assert not [message for message in waited.messages if message["msg_type"] in ("display_data", "stream")]
    assert {message["content"]["transient"]["display_id"] for message in updates} <= own
    text = "\n".join(shown_by_id(started.messages + waited.messages).values())
    assert text.index("The end.") < text.index("echo early") < text.index("echo late") < text.index("✓ completed")


def test_the_running_turn_is_a_future(kernel: Kernel, scripted: Scripted) -> None:
    """It gives its result, can be awaited and cancelled, and knows its state."""
    scripted(["First.", "Second.", [shell("sleep 3004"), "never"]])
    assert kernel.execute("job = %codex --bg one\njob.result(30).final_response").value == "'First.'"
    assert kernel.execute("job = %codex --bg two\n(await job).final_response").value == "'Second.'"
    kernel.execute("job = %codex --bg -s danger-full-access three")
    done = kernel.execute("job.cancel()\njob.result(30)")
    assert (done.error or "") == "TurnInterruptedError: The turn was cancelled."
    assert kernel.execute("job.finished, job.turn.status").value == "(True, 'interrupted')"
    assert re.fullmatch(r"<turn of thread \S+: interrupted after \d+ s>", kernel.execute("job").value or "")
    assert running_below(kernel.process, "sleep 3") == []


def test_the_result_is_shown_with_all_that_is_known(kernel: Kernel, scripted: Scripted) -> None:
    """Its thread's name and its time, however soon it is had."""
    scripted(["First."])
    shown = kernel.execute("job = %codex --bg -t side one\njob.result(30)").messages[-1]["content"]["data"]["text/plain"]
    assert "thread side" in shown
    assert re.search(r"completed · [\d.]+ s", shown)


def test_a_busy_thread_is_said_to_be_busy(kernel: Kernel, scripted: Scripted) -> None:
    """A second prompt for it gets one clear line, another thread runs meanwhile, and `%codex stop` ends the first."""
    scripted(
        [
            ScriptedTurn([[shell("sleep 3005")], "never"], match="slow"),
            ScriptedTurn(["From the other thread."], match="hello"),
            ScriptedTurn(["After the stop."], match="now"),
        ]
    )
    kernel.execute("%%codex --bg -s danger-full-access\nslow")
    busy = kernel.execute("%%codex\nagain")
    assert (busy.error or "").startswith("ThreadBusyError: A turn of the thread main runs in the background: `%codex wait`")
    assert "running     main" in kernel.execute("%codex status").text
    assert "From the other thread." in kernel.execute("%%codex -t other\nhello").text
    assert "Stopped 1 turn." in kernel.execute("%codex stop").text
    assert running_below(kernel.process, "sleep 3") == []
    assert kernel.execute("%codex stop").text.strip() == "No turn runs."
    assert "After the stop." in kernel.execute("%%codex\nnow").text


def test_a_long_turn_in_the_background_shows_every_item(kernel: Kernel, scripted: Scripted) -> None:
    """More items than there are outputs share the last one."""
    replies: list[Reply | str] = [Reply((say(f"Message {number}."), shell(f"true {number}"))) for number in range(15)]
    scripted([[*replies, "The end."]])
    started = kernel.execute("%%codex --bg\ngo")
    waited = kernel.execute("%codex wait")
    text = "\n".join(shown_by_id(started.messages + waited.messages).values())
    for number in range(15):
        assert f"Message {number}." in text
        assert f"$ true {number}" in text


def test_a_running_turn_can_be_shown_again_live(kernel: Kernel, scripted: Scripted) -> None:
    """`%codex show` follows it in the cell where it is run, as after a reload of the page. The first cell continues, too."""
    gate = threading.Event()
    scripted([[shell("echo early"), [wait_for(gate, 30), shell("echo late")], "The end."]])
    started = kernel.execute("%%codex --bg\ngo")

    def release(message: dict[str, Any]) -> None:
        if message["msg_type"] == "display_data":
            gate.set()

    again = kernel.execute("%codex show", release)
    new = {m["content"]["transient"]["display_id"] for m in again.messages if m["msg_type"] == "display_data"}
    kernel.execute("%codex wait")
    assert not new & set(shown_by_id(started.messages))
    text = "\n".join(value for key, value in shown_by_id(again.messages).items() if key in new)
    assert text.index("The end.") < text.index("echo early") < text.index("echo late") < text.index("✓ completed")


def test_the_status_says_what_runs(kernel: Kernel, scripted: Scripted) -> None:
    """Since when, and with how many tokens so far."""
    gate = threading.Event()
    model = scripted([[[shell("true")], [wait_for(gate, 60), "Done."]]])
    kernel.execute("%%codex --bg -s danger-full-access\ngo")
    wait_until(lambda: len(model.requests) == 2)
    done = kernel.execute("%codex status")
    gate.set()
    assert re.search(r"running     main: for \d+ s, \d+,\d+ tokens so far", done.text)
    kernel.execute("%codex wait")
