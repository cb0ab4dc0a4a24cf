"""`%%codex` in a real kernel, with the real CLI."""

import threading
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from codex_jupyter.testing import ScriptedModel, fail, say, shell, think, wait_for, write_file
from codex_jupyter.testing.script import Script
from tests.catalogue import DIRECT, OTHER
from tests.notebook.conftest import Kernel, running_below
from tests.processes import command_line, has_ended

Scripted = Callable[[Script], ScriptedModel]


def test_a_cell_shows_what_the_agent_did(kernel: Kernel, scripted: Scripted) -> None:
    """The command's real output, the changed file's name and the answer are shown; the file is there."""
    scripted([[[think("First a look."), shell("echo real $((6 * 7))")], write_file("made.txt", "made\n"), "All **done**."]])
    done = kernel.execute("%%codex -s workspace-write\nMake it.")
    assert done.error is None
    assert "$ echo real $((6 * 7))" in done.text
    assert "real 42" in done.text
    assert "exit 0" in done.text
    assert "made.txt" in done.text
    assert "<strong>done</strong>" in done.html
    assert kernel.execute("print(open('made.txt').read())").text == "made\n\n"


def test_items_appear_while_the_turn_runs(kernel: Kernel, scripted: Scripted) -> None:
    """The first item is on screen before the model has sent the last one."""
    shown = threading.Event()
    model = scripted([[shell("echo first"), [wait_for(shown, timeout=20), say("last")]]])

    def release(message: dict[str, Any]) -> None:
        if "first\n" in message["content"].get("data", {}).get("text/plain", ""):
            shown.set()

    done = kernel.execute("%%codex\ngo", release)
    assert shown.is_set()
    assert "last" in done.text
    assert "did not come" not in done.text
    assert len(model.requests) == 2


def test_the_next_cell_continues_the_same_thread(kernel: Kernel, scripted: Scripted) -> None:
    """The second request holds the first prompt and its answer; `%codex new` ends that."""
    model = scripted(["First answer.", "Second answer.", "Third answer."])
    kernel.execute("%%codex\nFirst prompt")
    kernel.execute("%%codex\nSecond prompt")
    assert "First answer." in str(model.requests[1].input)
    kernel.execute("%codex new")
    kernel.execute("%%codex\nThird prompt")
    assert "Second prompt" not in str(model.requests[2].input)


def test_the_value_of_a_cell_is_the_turn_and_is_not_shown_twice(kernel: Kernel, scripted: Scripted) -> None:
    """`_` is the turn, the cell has no value on screen, and the turn shows itself when asked."""
    scripted(["The answer.", "Another answer."])
    done = kernel.execute("%%codex\nhello")
    assert done.value is None
    assert kernel.execute("_.final_response").value == "'The answer.'"
    assert kernel.execute("turn = %codex hello again\nturn.status").value == "'completed'"
    assert "Another answer." in kernel.execute("turn").text


def test_options_of_the_cell_win_over_those_of_the_notebook(kernel: Kernel, scripted: Scripted) -> None:
    """Model, sandbox and folder reach the CLI."""
    model = scripted([[shell("pwd"), "one"], "two"])
    kernel.execute("import os; os.makedirs('sub', exist_ok=True)")
    kernel.execute(f"%config CodexMagics.model = '{DIRECT}'")
    done = kernel.execute("%%codex -C sub -s workspace-write\nwhere")
    assert "/work/sub" in done.text
    assert model.requests[-1].body["model"] == DIRECT
    kernel.execute(f"%%codex --model {OTHER}\nagain")
    assert model.requests[-1].body["model"] == OTHER
    kernel.execute("%config CodexMagics.model = ''")


def test_an_interrupt_stops_the_turn_and_the_thread_can_continue(kernel: Kernel, scripted: Scripted) -> None:
    """Nothing runs any more, what was shown stays, the cell ends with one line, and the next cell continues the thread."""
    model = scripted([[shell("echo begun; sleep 3001"), "never"], "After it."])

    def interrupt(message: dict[str, Any]) -> None:
        if "sleep 3001\n    → running" in message["content"].get("data", {}).get("text/plain", ""):
            kernel.manager.interrupt_kernel()

    done = kernel.execute("%%codex -s danger-full-access\nrun it", interrupt)
    assert done.error == "The turn was interrupted. The next %%codex cell continues the same thread."
    assert "→ interrupted" in done.text
    assert "■ interrupted" in done.text
    assert running_below(kernel.process, "sleep 3") == []
    assert not [line for process in psutil.process_iter(["cmdline"]) if "sleep 3001" in (line := " ".join(process.info["cmdline"] or []))]
    assert "After it." in kernel.execute("%%codex\ngo on").text
    assert "run it" in str(model.requests[-1].input)


def test_a_failure_in_mid_turn_keeps_the_items(kernel: Kernel, scripted: Scripted) -> None:
    """The work that was done stays on screen, the error is short and gives the reason, and the next cell continues the thread."""
    scripted([[shell("echo kept"), fail(400, message="the model broke")], "Fine again."])
    done = kernel.execute("%%codex\ngo")
    assert "kept" in done.text
    assert "failed" in done.text
    assert done.error is not None
    assert done.error.startswith("TurnFailedError: ")
    assert "the model broke" in done.error
    assert len(done.error.splitlines()) <= 3
    assert "Fine again." in kernel.execute("%%codex\nagain").text


def test_a_refused_key_gets_the_way_to_log_in(kernel: Kernel, scripted: Scripted) -> None:
    """A 401 names `%codex login` and CODEX_API_KEY."""
    scripted([[fail(401, message="Incorrect API key provided")]])
    done = kernel.execute("%%codex\ngo")
    assert done.error is not None
    assert done.error.startswith("AuthenticationError: ")
    assert "`%codex login`" in done.error
    assert "CODEX_API_KEY" in done.error


def test_an_unreachable_model_gets_the_parts_to_check(kernel: Kernel, scripted: Scripted) -> None:
    """The remedy is in the error, and once in the output of a turn whose error is not raised."""
    remedy = "Check the network connection, the proxy settings and the address of the model provider, and try again."
    scripted([]).close()
    done = kernel.execute("%%codex\ngo")
    assert done.error is not None
    assert done.error.startswith("NetworkError: ")
    assert done.error.count(remedy) == 1
    assert kernel.execute("%codex --no-raise go").text.count(remedy) == 1


def test_a_missing_executable_gets_the_places_and_the_remedy(kernel: Kernel) -> None:
    """The error lists what was looked at and how to install the CLI; nothing else is shown."""
    kernel.execute("import codex_jupyter\nclient = codex_jupyter.Codex(codex_path_override='nowhere/codex')\n%codex use client")
    done = kernel.execute("%%codex\ngo")
    assert done.outputs == {}
    assert done.error is not None
    assert "nowhere/codex: not there" in done.error
    assert "pip install openai-codex-cli-bin" in done.error
    assert "There is no turn yet." in kernel.execute("%codex show").text


@pytest.mark.parametrize(
    ("cell", "hint"),
    [
        ("%%codex --sandbocks x\ngo", "There is no option --sandbocks. Did you mean --sandbox?"),
        ("%%codex -s everything\ngo", "invalid choice: 'everything'"),
        ("%%codex -m\ngo", "-m needs a value"),
        ("%codex", "The prompt is empty"),
        ("%%codex -n\n\n  \n", "The prompt is empty"),
        ("%codex use nothing_like_this", "nothing_like_this is not defined"),
        ("%%codex -C nowhere\ngo", "nowhere does not exist"),
    ],
)
def test_bad_input_gets_one_clear_line(kernel: Kernel, cell: str, hint: str) -> None:
    """Usage errors say what is wrong, without a traceback."""
    done = kernel.execute(cell)
    said = done.text + (done.error or "")
    assert hint in said
    assert len(said.strip().splitlines()) == 1


def test_demo_mode_says_that_a_script_answers(kernel: Kernel) -> None:
    """Demo mode is announced at its start and above every turn."""
    assert "a script answers, not a model" in kernel.execute("%codex demo").text
    done = kernel.execute("%codex Hello!")
    assert "scripted demo" in done.text
    assert "a script (demo mode)" in kernel.execute("%codex status").text


def test_the_status_says_that_a_transport_has_no_tools(kernel: Kernel) -> None:
    kernel.execute("%config CodexMagics.transport = 'exec'")
    assert "kernel      off: this transport has no tools\ncells       off: this" in kernel.execute("%codex status").text
    kernel.execute("%config CodexMagics.transport = 'app-server'")
    assert "kernel      asks before the first use\ncells       propose" in kernel.execute("%codex status").text


def test_the_last_turn_can_be_shown_again(kernel: Kernel, scripted: Scripted) -> None:
    """`%codex show` gives the whole turn in one output."""
    scripted([[shell("echo once"), "Answer."]])
    kernel.execute("%%codex\ngo")
    done = kernel.execute("%codex show")
    assert len(done.outputs) == 1
    assert "once" in done.text
    assert "Answer." in done.text


def test_loading_starts_nothing_and_unloading_leaves_nothing(new_kernel: Callable[[], Kernel]) -> None:
    """No process, no thread, no SDK after loading; no magic, no thread, no process after unloading."""
    kernel = new_kernel()
    count = "import threading, sys; len(threading.enumerate())"
    before = kernel.execute(count).value
    kernel.execute("%load_ext codex_jupyter")
    assert kernel.execute("%reload_ext codex_jupyter").messages == []
    assert kernel.execute(count).value == before
    assert kernel.execute("'pydantic' in sys.modules, 'anyio.from_thread' in sys.modules").value == "(False, False)"
    assert running_below(kernel.process) == []
    kernel.execute("%codex demo\n%codex Hello!")
    kernel.execute("%unload_ext codex_jupyter")
    assert kernel.execute(count).value == before
    assert running_below(kernel.process) == []
    assert "not found" in kernel.execute("%codex hello").text


@pytest.mark.parametrize("end", ["shutdown", "restart"])
def test_the_end_of_a_kernel_ends_the_turn(new_kernel: Callable[[], Kernel], end: str) -> None:
    """A kernel that is shut down or restarted in mid-turn leaves no process of it behind."""
    kernel = new_kernel()
    with ScriptedModel([[shell("sleep 3002"), "never"]]) as model:
        kernel.use(model)
        request = kernel.client.execute("%%codex -s danger-full-access\nrun it")
        while True:
            message = kernel.client.get_iopub_msg(timeout=30)
            if message["parent_header"].get("msg_id") == request and "sleep 3002" in str(message["content"].get("data")):
                break
        children = kernel.process.children(recursive=True)
        assert children
        if end == "shutdown":
            kernel.manager.shutdown_kernel()
        else:
            kernel.manager.restart_kernel()
        gone, alive = psutil.wait_procs(children, timeout=10)
        assert [command_line(process) for process in alive if not has_ended(process)] == []
        assert gone or children
