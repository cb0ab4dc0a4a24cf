"""The kernel's tools in a real kernel with the real CLI: the scripted model calls them, and sees the results in its next request."""

import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from codex_jupyter.testing import RecordedRequest, ScriptedModel, call
from codex_jupyter.testing.parts import Call
from tests.catalogue import DIRECT
from tests.notebook.conftest import Kernel
from tests.notebook.session.test_app_server import execute_with_keyboard
from tests.sdk.support.fake import wait_until

MODELS = [pytest.param(None, id="code mode"), pytest.param(DIRECT, id="direct")]
Play = Callable[..., ScriptedModel]


@pytest.fixture
def play(kernel: Kernel, tmp_path: Path) -> Iterator[Play]:
    """Have a script answer the kernel's prompts, which may use the context."""
    (tmp_path / "temporary").mkdir()
    with ExitStack() as stack:

        def start(*turns: Any, model: str | None = None) -> ScriptedModel:
            scripted = stack.enter_context(ScriptedModel(turns, codex_home=tmp_path / "home", model=model))
            kernel.use(scripted, TMPDIR=str(tmp_path / "temporary"))
            kernel.execute("%config CodexMagics.context = 'auto'\n%matplotlib inline")
            return scripted

        yield start


def k(tool: str, **arguments: Any) -> Call:
    return call(tool, arguments, namespace="kernel")


def output(request: RecordedRequest) -> str:
    """The newest output of a tool that the model sees."""
    content = [item["output"] for item in request.input if str(item.get("type")).endswith("_call_output")][-1]
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)


FRAME = """import pandas as pd
df = pd.DataFrame({'city': ['Bern', 'Basel'], 'people': [140, None]})
_hidden = 'unseen'
api_key = 'sk-verysecretvalue1234567890'
df"""
FAILS = "df.people.astype(int)"
PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 2]);"


@pytest.mark.parametrize("kind", MODELS)
def test_the_agent_looks_at_everything_with_each_read_tool(kernel: Kernel, play: Play, kind: str | None) -> None:
    """Secrets and names with an underscore are not seen, and images are images."""
    calls = [
        k("list_variables"),
        k("inspect", name="df"),
        k("inspect", name="_hidden"),
        k("inspect", name="api_key"),
        k("read_cells", cells="-4.."),
        k("last_error"),
        k("view_plot"),
        k("search_docs", name="pandas.DataFrame.merge"),
    ]
    model = play([*calls, "Done."], model=kind)
    kernel.execute(FRAME)
    kernel.execute(PLOT)
    kernel.execute(FAILS)
    execution = kernel.execute("%%codex --kernel read\nLook.")
    assert execution.error is None
    assert "kernel read" in execution.text
    variables, frame, hidden, secret, cells, error, plot, docs = (output(request) for request in model.requests[1:9])
    assert "df: pandas.DataFrame, 2 rows" in variables
    assert "_hidden" not in variables
    assert "city" in frame
    assert "Basel" in frame
    assert "There is no variable _hidden" in hidden
    assert FAILS in cells
    assert "IntCastingNaNError" in error
    assert "1 image of the notebook" in plot
    assert len(model.requests[7].images) == 1
    assert "Merge DataFrame" in docs
    whole = str([item for request in model.requests for item in request.input])
    assert "verysecret" not in whole
    assert "unseen" not in "".join((variables, frame, hidden, secret, error))


@pytest.mark.parametrize("kind", MODELS)
def test_the_agent_runs_code_sees_plots_and_fixes_a_pipeline(kernel: Kernel, play: Play, kind: str | None) -> None:
    """New names are discarded unless they are kept. Nothing of the code reaches the cell, `In` or `Out`."""
    model = play(
        [
            k("run", code=FAILS),
            k("run", code="clean = df.dropna()\nprint(len(clean))\nclean.people.astype(int).sum()"),
            k("run", code="df = df.dropna()\nfresh = 1\ndf.people.plot()", keep=True),
            k("run", code="df.people.astype(int).sum()"),
            "Fixed.",
        ],
        model=kind,
    )
    kernel.execute(FRAME)
    kernel.execute("globals().pop('fresh', None)\ncounts = (len(In), len(Out))")
    execution = kernel.execute("%%codex --kernel run\nFix it.")
    assert execution.error is None
    assert "kernel run" in execution.text
    assert "with all rights of the kernel" in execution.text
    failed, tried, kept, checked = (output(request) for request in model.requests[1:5])
    assert "IntCastingNaNError" in failed
    assert "The code failed." in failed
    assert "1\nnp.int64(140)\n[The code completed." in tried
    assert "restored after the run: bound clean" in tried
    assert "Names: bound fresh; rebound df." in kept
    assert len(model.requests[3].images) == 1
    assert "140" in checked
    # The item shows code, output and images as a cell does, in both modes, and the saved notebook keeps them.
    assert ">>> print(len(clean))" in execution.text
    assert "np.int64(140)" in execution.text
    assert execution.html.count("data:image/png;base64,") == 1
    assert "ran 3 lines in the kernel" in execution.text
    for command, code in (("%codex insert", "df.people.astype(int).sum()"), ("%codex insert 1", FAILS)):
        reply = kernel.client.execute(command, reply=True, store_history=False, timeout=30)
        assert [payload["text"] for payload in reply["content"]["payload"]] == [code]
    state = kernel.execute("len(df), 'clean' in globals(), len(In) - counts[0], len(Out) - counts[1]")
    assert state.value == "(1, False, 2, 1)"  # the value of the prompt itself


@pytest.mark.parametrize(
    ("options", "tool", "reason"),
    [
        ("--kernel read", k("run", code="leak = 1"), "may not run code in the kernel"),
        ("--kernel ask", k("run", code="leak = 1"), "The user declined to run this code"),
        ("--kernel read --context none", k("list_variables"), "excluded the notebook's context"),
        ("--kernel read", k("inspect", name="__builtins__"), "no variable __builtins__"),
        ("--kernel read", k("search_docs", name="df.__class__"), "must not start with an underscore"),
        ("--kernel read", k("view_plot", spec="/etc/passwd"), "Use plot for the newest image"),
        ("--kernel read", k("read_cells", cells="1+error"), "Use a cell such as 4"),
    ],
)
def test_a_call_beyond_the_mode_is_refused(kernel: Kernel, play: Play, options: str, tool: Call, reason: str) -> None:
    """Without a user who can answer, the request is declined."""
    model = play([tool, "Done."])
    assert kernel.execute(f"%%codex {options}\nGo.").error is None
    assert reason in output(model.requests[1])
    assert kernel.execute("'leak' in globals()").value == "False"


def test_the_mode_holds_for_its_prompt_only_and_an_old_thread_gets_no_tools(kernel: Kernel, play: Play) -> None:
    model = play("Plain.", [k("run", code="kept = 1", keep=True), "Ran."], [k("run", code="leak = 1", keep=True), "Refused."])
    kernel.execute("%%codex\nHello.")
    assert "Add --new" in kernel.execute("%%codex --kernel run\nGo.").text
    kernel.execute("%%codex --kernel run --new\nGo.")
    assert kernel.execute("kept").value == "1"
    kernel.execute("%%codex\nGo on.")
    assert "not available in this turn" in output(model.requests[-1])
    assert kernel.execute("'leak' in globals()").value == "False"


def test_code_runs_between_cells_for_a_turn_in_the_background(kernel: Kernel, play: Play) -> None:
    model = play([k("run", code="made = 40 + 2\nprint(made)", keep=True), "Done."])
    execution = kernel.execute("turn = %codex --bg --kernel run Go.")
    assert execution.error is None
    kernel.execute("%codex wait")
    assert "42" in output(model.requests[1])
    assert kernel.execute("made").value == "42"


def test_a_function_of_the_notebook_is_a_tool_and_the_newest_definition_counts(kernel: Kernel, play: Play) -> None:
    model = play([call("double", {"number": 4}), "Done."], [call("double", {"number": 4}), "Done."])
    kernel.execute("def double(number: int) -> int:\n    'Double it.'\n    return number * 2")
    assert kernel.execute("%%codex --tool double\nGo.").error is None
    assert "8" in output(model.requests[1])
    kernel.execute("def double(number: int) -> str:\n    return 'new'")
    kernel.execute("%%codex --tool double\nGo.")
    assert "new" in output(model.requests[3])
    assert "nothing is not defined" in kernel.execute("%%codex --tool nothing\nGo.").text
    kernel.execute("def other() -> None: ...")
    assert "Add --new" in kernel.execute("%%codex --tool other\nGo.").text


@pytest.mark.parametrize(
    ("typed", "ran", "said"),
    [(["Y es", "y", "n"], [True, False], "accept"), (["n", "n"], [False, False], "decline"), (["s"], [True, True], "accept for session")],
)
def test_the_mode_ask_shows_the_exact_code_and_only_an_exact_answer_grants(
    kernel: Kernel, play: Play, typed: list[str], ran: list[bool], said: str
) -> None:
    code = "first = 1\n# \u202e reversed \u200b"
    model = play([k("run", code=code, keep=True), k("run", code="second = 1", keep=True), "Done."])
    kernel.execute("for name in ('first', 'second'): globals().pop(name, None)")
    prompts, text = execute_with_keyboard(kernel, "%%codex --kernel ask --new\nGo.", *typed)
    assert len(prompts) == len(typed)
    assert "Codex asks: Run this code in your kernel?" in prompts[0]
    assert "code │ first = 1\n" in prompts[0]
    assert r"\u202e reversed \u200b" in prompts[0]
    assert "outside of Codex's sandbox" in prompts[0]
    assert f"you decided: {said}: " in text
    assert "kernel ask before each run" in text
    assert kernel.execute("['first' in globals(), 'second' in globals()]").value == str(ran)
    assert ("The user declined to run this code" in output(model.requests[2])) is not ran[1]
    # The answer for the session holds, and the header says so. A prompt with less access revokes it.
    play([k("run", code="third = 1", keep=True), "Done."], "Done.", [k("run", code="fourth = 1", keep=True), "Done."])
    session = said == "accept for session"
    assert ("kernel run" in kernel.execute("%%codex --kernel ask\nGo.").text) is session
    assert kernel.execute("globals().pop('third', 0)").value == str(int(session))
    kernel.execute("%%codex --kernel read\nGo.")
    kernel.execute("%%codex --kernel ask\nGo.")
    assert kernel.execute("'fourth' in globals()").value == "False"


def test_an_interrupt_stops_the_code_and_then_the_turn(kernel: Kernel, play: Play, tmp_path: Path) -> None:
    started = tmp_path / "started"
    model = play([k("run", code=f"import time; open({str(started)!r}, 'w').close(); time.sleep(3003)"), "Never."])

    def interrupt() -> None:
        wait_until(started.exists, 20)
        kernel.process.send_signal(signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    execution = kernel.execute("%%codex --kernel run\nGo.")
    thread.join()
    assert "The turn was interrupted" in (execution.error or "")
    assert len(model.requests) == 1
    assert kernel.execute("40 + 2").value == "42"


def test_a_stopped_turn_in_the_background_stops_its_code(kernel: Kernel, play: Play, tmp_path: Path) -> None:
    started = tmp_path / "started"
    play([k("run", code=f"import time; open({str(started)!r}, 'w').close(); time.sleep(3003)"), "Never."])
    kernel.execute(
        "import pathlib, threading, time\n"
        f"def stop(path=pathlib.Path({str(started)!r})):\n    while not path.exists(): time.sleep(0.01)\n    time.sleep(0.1); turn.stop()\n"
        "turn = %codex --bg --kernel run Go.\nthreading.Thread(target=stop).start()"
    )
    assert kernel.execute("%codex wait\nprint(turn.turn.status)").text.startswith("interrupted")


def test_long_code_gives_partial_output_and_is_waited_for_or_stopped(kernel: Kernel, play: Play) -> None:
    model = play(
        [
            k("run", code="import time\nprint('begun')\ntime.sleep(0.6)\nprint('ended')", seconds=0.1),
            k("run", code="other = 1"),
            k("wait", seconds=30),
            k("run", code="time.sleep(3003)", seconds=0.1),
            k("wait", interrupt=True),
            k("wait"),
            "Done.",
        ]
    )
    assert kernel.execute("import time")
    assert kernel.execute("%%codex --kernel run\nGo.").error is None
    partial, busy, whole, slow, stopped, none = (output(request) for request in model.requests[1:7])
    assert "begun" in partial
    assert "ended" not in partial
    assert "The code still runs" in partial
    assert "Earlier code still runs" in busy
    assert "begun\nended\n[The code completed." in whole
    assert "still runs" in slow
    assert "[The code interrupted." in stopped
    assert "[The code interrupted." in none


def test_what_left_the_kernel_is_listed(kernel: Kernel, play: Play) -> None:
    play([k("list_variables"), k("view_plot"), "Done."])
    kernel.execute(PLOT)
    kernel.execute("%%codex --kernel read -t listed\nGo.")
    kernel.execute("sent = %codex sent")
    rows = json.loads(kernel.execute("print(json.dumps([row for row in sent if row['thread'] == 'listed']))").text)
    assert [row["what"] for row in rows] == ["prompt: context and images", "kernel.list_variables", "kernel.view_plot plot"]
    assert all(row["characters"] > 100 for row in rows[:2])
    assert [row["images"] for row in rows] == [0, 0, 1]
    assert rows[2]["image bytes"] > 1_000
