"""Threads by name, and across kernels."""

from collections.abc import Callable
from pathlib import Path

import pytest

from codex_jupyter.demo import ScriptedModel, shell
from codex_jupyter.demo.script import Script
from tests.notebook.conftest import Kernel

Scripted = Callable[[Script], ScriptedModel]


def test_threads_have_names(kernel: Kernel, scripted: Scripted) -> None:
    """Each goes its own way; they are listed, and the list is data."""
    model = scripted(["one", "two", "three"])
    kernel.execute("%%codex\nfirst of main")
    kernel.execute("%%codex -t side\nfirst of side")
    kernel.execute("%%codex\nsecond of main")
    assert "first of side" not in str(model.requests[-1].input)
    listed = kernel.execute("%codex threads")
    assert "first of side" in (listed.value or "")
    assert kernel.execute("table = %codex threads\n[(row['name'], row['turns']) for row in table]").value == "[('main', 2), ('side', 1)]"


def test_a_thread_is_forked(kernel: Kernel, scripted: Scripted) -> None:
    """The new one knows what was said; the old one does not learn what the new one hears."""
    model = scripted(["one", "two", "three"])
    assert "nothing to fork" in (kernel.execute("%codex fork").error or "")
    kernel.execute("%%codex\nRemember the number 7")
    assert "`-t branch` goes on from here" in kernel.execute("%codex fork branch").text
    kernel.execute("%%codex -t branch\nWhat was it?")
    assert "Remember the number 7" in str(model.requests[-1].input)
    kernel.execute("%%codex\nGo on")
    assert "What was it?" not in str(model.requests[-1].input)


def test_usage_is_listed_by_turn(kernel: Kernel, scripted: Scripted) -> None:
    """One row per turn, with the tokens that it used itself."""
    scripted(["one", "two"])
    kernel.execute("%%codex\nfirst")
    kernel.execute("%%codex\nsecond")
    value = kernel.execute("table = %codex usage\n[(row['status'], row['tokens in'] > 0) for row in table]").value
    assert value == "[('completed', True), ('completed', True)]"


@pytest.fixture
def named_kernel(new_kernel: Callable[[], Kernel], tmp_path: Path) -> Callable[[], Kernel]:
    """Start a kernel as a Jupyter server does: it knows its notebook, and keeps its state apart."""

    def start() -> Kernel:
        kernel = new_kernel()
        kernel.execute(
            "import os\n"
            f"os.environ['JPY_SESSION_NAME'] = {str(tmp_path / 'analysis.ipynb')!r}\n"
            f"os.environ['XDG_STATE_HOME'] = {str(tmp_path / 'state')!r}"
        )
        return kernel

    (tmp_path / "analysis.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    return start


def test_a_new_kernel_knows_the_thread_of_the_one_before(named_kernel: Callable[[], Kernel], tmp_path: Path) -> None:
    """A plain prompt says in one line that there is an earlier thread; `%codex resume` goes on with it."""
    with ScriptedModel(["First answer.", "Fresh answer.", "Resumed answer."], codex_home=tmp_path / "home") as model:
        first = named_kernel()
        first.use(model)
        first.execute("%%codex\nRemember the number 7")
        first.close()

        second = named_kernel()
        second.use(model)
        said = second.execute("%%codex\nplain").text
        assert "An earlier thread of this notebook exists (1 turn, " in said
        assert "`%codex resume` continues it" in said
        assert "earlier thread" not in second.execute("%codex status").text
        second.close()

        third = named_kernel()
        third.use(model)
        listed = third.execute("rows = %codex threads\nlen(rows), rows[0]['name']").value
        assert listed == "(1, 'main')"
        resumed = third.execute("%codex resume")
        assert resumed.error is None
        third.execute("%%codex\nWhat was it?")
        assert "plain" in str(model.requests[-1].input)


def test_resuming_what_is_not_there_is_one_clear_line(kernel: Kernel, scripted: Scripted) -> None:
    """An unknown name, an unknown id and nothing at all."""
    scripted(["never"])
    assert "There is no earlier thread of this notebook" in kernel.execute("%codex resume").text
    assert "There is no thread nonsense (known: none)" in kernel.execute("%codex resume nonsense").text
    kernel.execute("%%codex\nthe thread before")
    done = kernel.execute("%codex resume 01a20000-0000-7000-8000-000000000000")
    assert (done.error or "").startswith("ThreadNotFoundError")
    assert "start a new one" in (done.error or "")
    assert kernel.execute("rows = %codex threads\nrows[0]['last prompt'], rows[0]['in use']").value == "('the thread before', True)"


def test_a_thread_of_another_program_is_shown_with_what_it_was_asked(kernel: Kernel, scripted: Scripted, tmp_path: Path) -> None:
    """No notebook has it, but Codex does: prompts apart from what the kernel told, commands, answers; export has them, too."""
    model = scripted([[[shell("echo treasure")], "It is <b>there</b>."], "And here.", "Go on."])
    kernel.execute("hidden_number = 7")
    kernel.execute("%%codex --context vars\nWhere is <i>it</i>?")
    kernel.execute("%%codex --context none\nAnd then?")
    thread_id = kernel.execute("rows = %codex threads\nprint(rows[0]['id'])").text.strip()
    kernel.use(model)
    shown = kernel.execute(f"%codex resume {thread_id}")
    assert shown.error is None
    places = [shown.html.index(part) for part in ("Where is &lt;i&gt;it&lt;/i&gt;?", "hidden_number", "treasure", "And then?", "And here.")]
    assert places == sorted(places)
    assert "> And then?" in shown.text
    assert kernel.execute("rows = %codex threads\nrows[0]['turns'], rows[0]['in use']").value == "(2, True)"
    kernel.execute("%codex export md out.md")
    exported = (tmp_path / "work" / "out.md").read_text()
    assert exported.index("> And then?") < exported.index("And here.")
    kernel.execute("%%codex\nnow")
    assert "And then?" in str(model.requests[-1].input)


def test_a_thread_is_exported(kernel: Kernel, scripted: Scripted, tmp_path: Path) -> None:
    """As a readable file, named on request."""
    scripted(["The answer."])
    assert "There is no turn to export yet" in kernel.execute("%codex export md").text
    kernel.execute("%%codex\nThe question")
    done = kernel.execute(f"%codex export md {tmp_path / 'out.md'}")
    assert "Wrote 1 turn to" in done.text
    text = (tmp_path / "out.md").read_text()
    assert text.index("The question") < text.index("The answer.")


def test_the_doctor_tells_what_there_is(kernel: Kernel) -> None:
    """The executable and where it was found, the sandbox, the login, the front end."""
    done = kernel.execute("%codex doctor")
    assert done.error is None
    for part in ("looked at ", ": found", "codex 0.163.0 at ", "codex login", "front end: "):
        assert part in done.text
