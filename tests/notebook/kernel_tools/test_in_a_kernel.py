"""The kernel's tools in a real kernel with the real CLI: the scripted model calls them, and sees the results in its next request."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from codex_jupyter.testing import RecordedRequest, ScriptedModel, call
from codex_jupyter.testing.parts import Call
from tests.catalogue import DIRECT
from tests.notebook.conftest import LIMIT, Kernel
from tests.notebook.session.test_app_server import execute_with_keyboard
from tests.sdk.support.fake import wait_until

MODELS = [pytest.param(None, id="code mode"), pytest.param(DIRECT, id="direct")]
Play = Callable[..., ScriptedModel]


@pytest.fixture
def play(kernel: Kernel, tmp_path: Path, codex_home: Path) -> Iterator[Play]:
    """Have a script answer the kernel's prompts, which may use the context."""
    (tmp_path / "temporary").mkdir()
    with ExitStack() as stack:

        def start(*turns: Any, model: str | None = None) -> ScriptedModel:
            scripted = stack.enter_context(ScriptedModel(turns, codex_home=codex_home, model=model))
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
        ("--kernel ask", k("run", code="leak = 1"), "no one can be asked here. Say in your answer that `%%codex --kernel run` allows"),
        ("", k("run", code="leak = 1"), "no one can be asked here. Say in your answer that `%%codex --kernel run` allows"),
        ("", k("list_variables"), "no one can be asked here. Say in your answer that `%%codex --kernel read` allows"),
        ("--kernel off", k("list_variables"), "not available in this turn"),
        ("--kernel read --context none", k("list_variables"), "excluded the notebook's context"),
        ("--kernel read", k("inspect", name="__builtins__"), "no variable __builtins__"),
        ("--kernel read", k("search_docs", name="df.__class__"), "must not start with an underscore"),
        ("--kernel read", k("view_plot", spec="/etc/passwd"), "Use plot for the newest image"),
        ("--kernel read", k("read_cells", cells="1+error"), "Use a cell such as 4"),
    ],
)
def test_a_call_beyond_the_mode_is_refused(kernel: Kernel, play: Play, options: str, tool: Call, reason: str) -> None:
    """Without a user who can answer, the request is declined. The item shows the reason, and none of our code."""
    model = play([tool, "Done."])
    execution = kernel.execute(f"%%codex {options}\nGo.")
    assert execution.error is None
    assert reason in output(model.requests[1])
    assert reason.partition(" `")[0] in execution.html
    assert "Traceback" not in execution.html
    assert ("1 line of code for the kernel" in execution.text) is ("leak" in str(tool.arguments))
    assert kernel.execute("'leak' in globals()").value == "False"


def test_a_new_thread_has_the_tools_and_the_mode_holds_for_its_prompt_only(kernel: Kernel, play: Play) -> None:
    """The first call imports what the tools need."""
    model = play("Plain.", [k("run", code="kept = 1", keep=True), "Ran."], [k("run", code="leak = 1", keep=True), "Refused."])
    lazy = [f"codex_jupyter.notebook.kernel_tools.{name}" for name in ("reading", "code_run", "capture", "output")]
    kernel.execute(f"import sys\nfor name in {lazy!r}: sys.modules.pop(name, None)")
    kernel.execute("%%codex\nHello.")
    assert kernel.execute(f"[name for name in {lazy!r} if name in sys.modules]").value == "[]"
    kernel.execute("%%codex --kernel run\nGo.")
    assert kernel.execute("kept").value == "1"
    kernel.execute("%%codex --kernel off\nGo on.")
    assert "not available in this turn" in output(model.requests[-1])
    assert kernel.execute("'leak' in globals()").value == "False"


def test_a_thread_that_was_started_without_the_tools_does_not_get_them(kernel: Kernel, play: Play) -> None:
    """The protocol accepts tools only when a thread starts."""
    model = play("Plain.", "Hello.")
    kernel.execute("thread = codex_jupyter.Codex(client.options).start_thread(skip_git_repo_check=True)\n_ = await thread.run('Hi.')")
    old = (kernel.execute("thread.id").value or "").strip("'")
    assert "Add --new" in kernel.execute(f"%%codex --kernel run --resume {old}\nGo.").text
    assert "Hello." in kernel.execute(f"%%codex --resume {old}\nGo.").text
    assert len(model.requests) == 2


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
    ("mode", "typed", "ran", "said"),
    [
        ("ask", ["Y es", "y", "n"], [True, False], "allowed this once"),
        ("ask", ["s", "n", "n"], [False, False], "declined"),
        ("once", ["y", "s"], [True, True], "allowed this in this notebook"),
        ("once", ["n", "n"], [False, False], "declined"),
    ],
)
def test_a_mode_that_asks_shows_the_exact_code_and_only_an_exact_answer_grants(
    kernel: Kernel, play: Play, mode: str, typed: list[str], ran: list[bool], said: str
) -> None:
    """In the mode `ask` each run is asked for. In `once`, an answer for the notebook holds until `%codex rules` revokes it."""
    code = "first = 1\n# \u202e reversed \u200b"
    model = play([k("run", code=code, keep=True), k("run", code="second = 1", keep=True), "Done."])
    kernel.execute("for name in ('first', 'second'): globals().pop(name, None)")
    prompts, text = execute_with_keyboard(kernel, f"%%codex --kernel {mode} --new\nGo.", *typed)
    assert len(prompts) == len(typed)
    assert "Codex asks: Run this code in your kernel?" in prompts[0]
    assert "code │ first = 1\n" in prompts[0]
    assert r"\u202e reversed \u200b" in prompts[0]
    assert "outside of Codex's sandbox" in prompts[0]
    assert f"you {said}: " in text
    assert ("kernel ask before each run" if mode == "ask" else "kernel ask once") in text
    assert kernel.execute("['first' in globals(), 'second' in globals()]").value == str(ran)
    assert ("The user declined to run this code" in output(model.requests[2])) is not ran[1]
    # Without a keyboard. The header says if code runs without asking. The mode `ask` ignores the grant.
    again = [[k("run", code=f"{name} = 1", keep=True), "Done."] for name in ("third", "fourth", "fifth")]
    play(*again)
    granted = said == "allowed this in this notebook"
    assert ("⚠ kernel run" in kernel.execute("%%codex --kernel once\nGo.").text) is granted
    kernel.execute("%%codex --kernel ask\nGo.")
    assert kernel.execute("[globals().pop('third', 0), 'fourth' in globals()]").value == str([int(granted), False])
    assert ("run code in the kernel" in kernel.execute("%codex rules").text) is granted
    if granted:
        assert "Not approved permanently any more: run code in the kernel" in kernel.execute("%codex rules revoke 1").text
    kernel.execute("%%codex --kernel once\nGo.")
    assert kernel.execute("'fifth' in globals()").value == "False"


@pytest.mark.parametrize("line", ["%%codex --kernel run\nGo.", "turn = %codex --bg --kernel run Go."])
def test_the_output_of_code_appears_while_it_runs(kernel: Kernel, play: Play, tmp_path: Path, line: str) -> None:
    """The code ends when its first output was seen."""
    go = tmp_path / "go"
    os.mkfifo(go)
    model = play([k("run", code=f"print('ha' + 'lf')\nprint(open({str(go)!r}).read())"), "Done."])
    seen: list[bool] = []

    def release(message: dict[str, Any]) -> None:
        if not seen and "half" in str(message["content"].get("data", {}).get("text/plain", "")):
            seen.append(True)
            go.write_text("seen")

    assert kernel.execute(line, release).error is None
    kernel.execute("%codex wait", release)
    assert "half\nseen" in output(model.requests[1])


def test_long_code_gives_partial_output_and_is_waited_for_or_stopped(kernel: Kernel, play: Play, tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    model = play(
        [
            k("run", code=f"print('begun')\nprint(open({str(go)!r}).read())", seconds=0.1),
            k("run", code="other = 1"),
            k("wait", seconds=30),
            k("run", code="import threading; threading.Event().wait()", seconds=0.1),
            k("wait", interrupt=True),
            k("wait"),
            "Done.",
        ]
    )

    def release() -> None:
        wait_until(lambda: len(model.requests) == 3, LIMIT)
        go.write_text("ended")

    thread = threading.Thread(target=release)
    thread.start()
    assert kernel.execute("%%codex --kernel run\nGo.").error is None
    thread.join()
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
    model = play([k("list_variables"), k("view_plot"), "Done."], model=DIRECT)
    kernel.execute(f"listed = 'a value of this test'\n{PLOT}")
    kernel.execute("%%codex --kernel read -t listed\nGo.")
    kernel.execute("sent = %codex sent")
    rows = json.loads(kernel.execute("print(json.dumps([row for row in sent if row['thread'] == 'listed']))").text)
    assert [row["what"] for row in rows] == ["prompt: context and images", "kernel.list_variables", "kernel.view_plot plot"]
    prompts = [part["text"] for item in model.requests[0].input for part in item.get("content", []) if "text" in part]
    context = next(text for text in prompts if "<notebook-context" in text)
    assert rows[0]["characters"] == len(context.removeprefix("<external_notebook>").removesuffix("</external_notebook>"))
    listed = output(model.requests[1])
    assert "a value of this test" in listed
    assert 0 < rows[1]["characters"] < len(listed)  # without the marks around it
    assert [row["images"] for row in rows] == [0, 0, 1]
    assert rows[2]["image bytes"] > 1_000


STATE = """
def counts(number):
    try:
        return "history.sqlite" not in os.readlink(f"/proc/self/fd/{number}")
    except OSError:  # that of the list
        return False
def state():
    gc.collect()
    callbacks = get_ipython().events.callbacks
    kinds = [kind for kind in map(type, gc.get_objects()) if str(kind.__module__).startswith("codex_jupyter.notebook.kernel_tools")]
    return {
        "threads": threading.active_count(),
        "files": sum(map(counts, os.listdir("/proc/self/fd"))),
        "names": [name for name in globals() if not name.startswith("_")],
        "values": len(alive),
        "callbacks": sum(map(len, callbacks.values())),
        "objects": collections.Counter(kind.__name__ for kind in kinds if kind.__name__ != "SentRecord"),
    }
import collections, gc, json, os, threading, weakref
alive = weakref.WeakSet()
class Value:
    def __init__(self): alive.add(self)
rows = list(range(1_000))
before = {}
print("x" * 200_000)  # pyzmq starts a thread for its first large message
"""


def test_two_hundred_calls_in_a_turn_leave_nothing_in_the_kernel(kernel: Kernel, play: Play) -> None:
    """Neither threads, open files, names, values nor objects of the calls. What was sent is recorded, up to a limit."""

    def calls(count: int) -> list[Call]:
        return [
            k("run", code=f"value_{number} = Value()\nprint('ran', {number})") if number % 2 else k("inspect", name="rows")
            for number in range(count)
        ]

    model = play([calls(20), "Done."], [calls(200), "Done."], model=DIRECT)
    assert kernel.execute(STATE).error is None
    assert kernel.execute("%%codex --kernel run\nGo.").error is None
    assert kernel.execute("before.update(state())").error is None
    assert kernel.execute("%%codex --kernel run\nGo.").error is None
    assert kernel.execute("after = state()").error is None
    changed = kernel.execute("print(json.dumps({name: (before[name], after[name]) for name in before if before[name] != after[name]}))")
    assert {name: counts for name, counts in json.loads(changed.text).items() if name != "files" or counts[1] > counts[0]} == {}
    results = str([item["output"] for item in model.requests[-1].input if str(item.get("type")).endswith("_call_output")])
    assert all(f"ran {number}\\n" in results for number in range(1, 200, 2))


@pytest.mark.parametrize("kind", MODELS)
def test_results_of_functions_are_listed_as_well(kernel: Kernel, play: Play, kind: str | None) -> None:
    """Also if the kernel's tools are off, with images, and if the function fails."""
    play([call("drawn", {}), call("failing", {}), "Done."], model=kind)
    kernel.execute(
        f"import PIL.Image\n{PLOT}\n"
        "def drawn() -> list:\n    return ['eight ch', PIL.Image.new('RGB', (40, 30))]\n"
        "def failing() -> str:\n    raise ValueError('a value that the model sees')"
    )
    assert kernel.execute("%%codex --new --kernel off --tool drawn --tool failing -t functions\nGo.").error is None
    kernel.execute("sent = %codex sent")
    rows = json.loads(kernel.execute("print(json.dumps([row for row in sent if row['thread'] == 'functions']))").text)
    drawn, failing = [row for row in rows if row["what"].startswith("tool ")][-2:]
    assert (drawn["what"], drawn["characters"], drawn["images"]) == ("tool drawn", 8, 1)
    assert drawn["image bytes"] > 50
    assert failing["characters"] >= len("ValueError: a value that the model sees")
