"""Threads by name, and across kernels."""

import json
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from codex_jupyter.testing import ScriptedModel, shell, wait_for
from codex_jupyter.testing.script import Script
from tests.codex_home import used_home
from tests.invented import OLDEST
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
    assert "`-t branch` continues from here" in kernel.execute("%codex fork branch").text
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


def test_retry_repeats_the_last_prompt_with_its_options(kernel: Kernel, scripted: Scripted) -> None:
    """In the thread of the prompt."""
    model = scripted(["one", "two"])
    kernel.execute("%%codex -t side -o answer\nfirst")
    assert "two" in kernel.execute("%codex retry").text
    assert kernel.execute("answer").value == "'two'"
    assert [request.prompts[-1] for request in model.requests] == ["first\n", "first\n"]
    assert len({request.thread_id for request in model.requests}) == 1


def start_named(start: Callable[[], Kernel], folder: Path) -> Kernel:
    """Start a kernel as a Jupyter server does: it knows its notebook, and keeps its state apart."""
    kernel = start()
    kernel.execute(
        "import os\n"
        f"os.environ['JPY_SESSION_NAME'] = {str(folder / 'analysis.ipynb')!r}\n"
        f"os.environ['XDG_STATE_HOME'] = {str(folder / 'state')!r}"
    )
    return kernel


@pytest.fixture
def named_kernel(new_kernel: Callable[[], Kernel], tmp_path: Path) -> Callable[[], Kernel]:
    """Start kernels of a notebook; see `start_named`."""
    (tmp_path / "analysis.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    return partial(start_named, new_kernel, tmp_path)


def test_a_renamed_thread_is_stored_under_its_new_name_only(named_kernel: Callable[[], Kernel], tmp_path: Path) -> None:
    """A name that is used is refused, and so is another name for a thread while it runs."""
    gate = threading.Event()
    with ScriptedModel(["An answer.", "Another answer.", [[wait_for(gate), "Late."]]], codex_home=used_home(tmp_path / "home")) as model:
        kernel = named_kernel()
        kernel.use(model)
        kernel.execute("%codex hello\n%codex -t other hello")
        done = kernel.execute(
            "threads = get_ipython().magics_manager.registry['CodexMagics'].session.threads\n"
            "thread_id = threads.conversations['main'].thread.id\nthreads.rename('main', 'renamed')\n"
            "sorted(thread.name for thread in threads.remembered.threads), "
            "[thread.id == thread_id for thread in threads.remembered.threads if thread.name == 'renamed']"
        )
        assert done.value == "(['other', 'renamed'], [True])"
        assert "There is a thread other already" in (kernel.execute("threads.rename('renamed', 'other')").error or "")
        kernel.execute("turn = %codex --bg -t other more")
        assert "A turn of the thread other runs" in (kernel.execute("threads.rename('other', 'third')").error or "")
        gate.set()
        assert kernel.execute("turn.result().final_response, threads.names").value == "('Late.', ['other', 'renamed'])"


@pytest.mark.parametrize("how", ["archive", "delete"])
def test_a_thread_that_is_archived_or_deleted_is_not_remembered(named_kernel: Callable[[], Kernel], tmp_path: Path, how: str) -> None:
    with ScriptedModel(["An answer.", "Another answer."], codex_home=used_home(tmp_path / "home")) as model:
        kernel = named_kernel()
        kernel.use(model)
        kernel.execute("%codex hello\n%codex -t other hello")
        done = kernel.execute(
            "from codex_jupyter.notebook.session import thread_changes\n"
            "session = get_ipython().magics_manager.registry['CodexMagics'].session\n"
            f"thread_changes.{how}(session, session.threads.conversations['other'].thread.id)\n"
            "sorted(thread.name for thread in session.threads.remembered.threads)"
        )
        assert done.value == "['main']"


def test_a_new_kernel_knows_the_thread_of_the_one_before(named_kernel: Callable[[], Kernel], tmp_path: Path) -> None:
    """A plain prompt reports in one line that there is an earlier thread. `%codex resume` continues it."""
    with ScriptedModel(["First answer.", "Fresh answer.", "Resumed answer."], codex_home=used_home(tmp_path / "home")) as model:
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
        resumed = second.execute("%codex resume")
        assert "> Remember the number 7" in resumed.text
        assert "plain" not in resumed.text
        assert "> Remember the number 7" in second.execute("%codex resume").text  # again: it is in use already
        assert second.execute("rows = %codex threads\n[row['last prompt'] for row in rows if row['in use']]").value == (
            "['Remember the number 7']"
        )
        second.execute("%codex new")
        second.execute("%%codex -t side\nbeside")
        second.close()

        third = named_kernel()
        third.use(model)
        listed = third.execute("rows = %codex threads\n[(row['name'], row['last prompt']) for row in rows]").value
        assert listed == "[('main', 'plain'), ('side', 'beside'), ('main', 'Remember the number 7')]"
        assert "continues thread" in third.execute("%codex resume").text
        third.execute("%%codex\nWhat was it?")
        assert "plain" in str(model.requests[-1].input)
        said = third.execute("%%codex -t side\nagain").text
        assert "An earlier thread side of this notebook exists" in said
        assert "`%codex resume side` continues it" in said
        third.execute("%codex resume side")
        third.execute("%%codex -t side\nand again")
        assert "beside" in str(model.requests[-1].input)


def test_the_first_prompt_may_resume_by_itself(named_kernel: Callable[[], Kernel], tmp_path: Path) -> None:
    """`%config CodexMagics.resume = "last"`, also where there is nothing to resume."""
    with ScriptedModel(["One.", "Two.", "Three."], codex_home=used_home(tmp_path / "home")) as model:
        for prompt in ("first", "second"):
            kernel = named_kernel()
            kernel.use(model)
            kernel.execute("%config CodexMagics.resume = 'last'")
            assert kernel.execute(f"%codex {prompt}").error is None
            kernel.execute("%codex third")
            kernel.close()
        assert all(word in str(model.requests[-1].input) for word in ("first", "second"))


def test_threads_of_a_notebook_that_was_renamed_are_resumed_on_request(named_kernel: Callable[[], Kernel], tmp_path: Path) -> None:
    """Its outputs name them. A copy does not share them, and a notebook from elsewhere has none."""
    with ScriptedModel(["One.", "Two."], codex_home=used_home(tmp_path / "home")) as model:
        first = named_kernel()
        first.use(model)
        shown = first.execute("%%codex\nRemember the number 7")
        first.close()
        outputs = [{"output_type": "display_data", "data": data, "metadata": {}} for data in shown.outputs.values()]
        cell = {"cell_type": "code", "source": "", "metadata": {}, "execution_count": 1, "id": "a", "outputs": outputs}
        notebook = json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
        (tmp_path / "copy.ipynb").write_text(notebook)
        second = named_kernel()
        second.use(model)
        listed = "rows = %codex threads\n[row['last prompt'] for row in rows]"
        second.execute(f"os.environ['JPY_SESSION_NAME'] = {str(tmp_path / 'copy.ipynb')!r}")
        assert second.execute(listed).value == "[]"
        (tmp_path / "analysis.ipynb").rename(tmp_path / "renamed.ipynb")
        (tmp_path / "renamed.ipynb").write_text(notebook)
        second.execute(f"os.environ['JPY_SESSION_NAME'] = {str(tmp_path / 'renamed.ipynb')!r}")
        assert second.execute(listed).value == "['Remember the number 7']"
        for state in (tmp_path / "state").rglob("notebooks/*.json"):
            state.unlink()
        third = named_kernel()
        third.use(model)
        third.execute(f"os.environ['JPY_SESSION_NAME'] = {str(tmp_path / 'renamed.ipynb')!r}")
        assert "outputs of this notebook name an earlier thread (1 turn)" in third.execute("%codex hello").text
        assert "Remember the number 7" in third.execute("%codex resume").text
        (tmp_path / "copy.ipynb").write_text(notebook.replace("01a2", "02b3"))
        third.execute(f"os.environ['JPY_SESSION_NAME'] = {str(tmp_path / 'copy.ipynb')!r}")
        assert "exists" not in third.execute("%codex new\n%codex -t other hello").text


def test_an_earlier_thread_is_exported(named_kernel: Callable[[], Kernel], tmp_path: Path) -> None:
    """In each format, after a restart, without continuing it."""
    with ScriptedModel(["First answer."], codex_home=used_home(tmp_path / "home")) as model:
        first = named_kernel()
        first.use(model)
        first.execute("%codex Remember the number 7")
        first.close()
        second = named_kernel()
        second.use(model)
        for form in ("md", "html", "ipynb", "jsonl"):
            assert f"Wrote 1 turn to out.{form}" in second.execute(f"%codex export {form} out.{form}").text
            text = (tmp_path / f"out.{form}").read_text()
            assert text.index("Remember the number 7") < text.index("First answer.")
        assert second.execute("rows = %codex threads\nrows.column('in use')").value == "[False]"


def test_a_damaged_state_file_is_reported_once(named_kernel: Callable[[], Kernel], tmp_path: Path) -> None:
    """In one line, by the first command that reads it. The file is kept, and the next turn is stored."""
    with ScriptedModel(["One.", "Two."], codex_home=used_home(tmp_path / "home")) as model:
        kernel = named_kernel()
        kernel.use(model)
        kernel.execute("%codex one")
        [state] = (tmp_path / "state").rglob("notebooks/*.json")
        state.write_text("{broken")
        text = kernel.execute("%codex threads").text
        assert "its file is damaged). It was set aside as" in text
        assert "set aside" not in kernel.execute("%codex two\n%codex threads").text
        assert [file.read_text() for file in (tmp_path / "state").rglob("*.corrupt")] == ["{broken"]
        assert "two" in state.read_text()


def test_a_thread_that_was_unloaded_is_not_lost(kernel: Kernel, scripted: Scripted) -> None:
    """Without a named notebook, too: it is listed, counted and resumed with all that is known of its turns."""
    model = scripted(["one", "two", "three"])
    kernel.execute("%codex apricot")
    assert "starts a new thread" in kernel.execute("%codex new").text
    kernel.execute("%codex blueberry")
    assert kernel.execute(
        "rows = %codex threads\nrows.column('last prompt'), rows.column('in use'), len(rows), len(rows.columns)"
    ).value == ("(['apricot', 'blueberry'], [False, True], 2, 6)")
    assert kernel.execute("rows = %codex usage\nrows.column('prompt')").value == "['apricot', 'blueberry']"
    assert "tokens in" in kernel.execute("%codex resume").text
    kernel.execute("%codex cherry")
    assert (
        kernel.execute("rows = %codex usage\nrows.column('turn'), rows.column('tokens in')[2] > rows.column('tokens in')[0] > 0").value
        == "([1, 1, 2], True)"
    )
    assert "apricot" in str(model.requests[-1].input)
    assert "blueberry" not in str(model.requests[-1].input)
    assert "The columns are thread, turn," in (kernel.execute("rows.column('nonsense')").error or "")


def test_resuming_what_is_not_there_is_one_clear_line(kernel: Kernel, scripted: Scripted) -> None:
    """An unknown name, an unknown id and nothing at all."""
    scripted(["never"])
    assert "There is no earlier thread of this notebook" in kernel.execute("%codex resume").text
    assert "There is no thread nonsense (known: none)" in kernel.execute("%codex resume nonsense").text
    kernel.execute("%%codex\nthe thread before")
    done = kernel.execute("%codex resume 01a20000-0000-7000-8000-000000000000")
    assert (done.error or "").startswith("ThreadNotFoundError")
    assert "Start a new one." in (done.error or "")
    assert (
        kernel.execute("rows = %codex threads\nrows.rows[0]['last prompt'], rows.rows[0]['in use']").value == "('the thread before', True)"
    )


def test_a_thread_of_another_program_is_shown_with_what_it_was_asked(kernel: Kernel, scripted: Scripted, tmp_path: Path) -> None:
    """The notebook does not have it, but Codex does: prompts without the kernel's context, commands, answers. Export has them, too."""
    model = scripted([[[shell("echo treasure")], "It is <b>there</b>."], "And here.", "Go on."])
    kernel.execute("hidden_number = 7")
    kernel.execute("%%codex --context vars\nWhere is <i>it</i>?")
    kernel.execute("%%codex --context none\nAnd then?")
    thread_id = kernel.execute("rows = %codex threads\nprint(rows.rows[0]['id'])").text.strip()
    kernel.use(model)
    shown = kernel.execute(f"%codex resume {thread_id}")
    assert shown.error is None
    places = [shown.html.index(part) for part in ("Where is &lt;i&gt;it&lt;/i&gt;?", "hidden_number", "treasure", "And then?", "And here.")]
    assert places == sorted(places)
    assert "> And then?" in shown.text
    assert kernel.execute("rows = %codex threads\nrows.rows[0]['turns'], rows.rows[0]['in use']").value == "(2, True)"
    kernel.execute("%codex export md out.md")
    exported = (tmp_path / "work" / "out.md").read_text()
    assert exported.index("> And then?") < exported.index("And here.")
    kernel.execute("%%codex\nnow")
    assert "And then?" in str(model.requests[-1].input)


def test_the_thread_of_a_demo_never_stands_for_the_users_own(new_kernel: Callable[..., Kernel], tmp_path: Path) -> None:
    """Both are remembered, each for its own kind, and a demo whose home is another one does not continue either."""
    env = {"XDG_STATE_HOME": str(tmp_path / "state"), "JPY_SESSION_NAME": str(tmp_path / "demo.ipynb")}
    first = (
        "from codex_jupyter.testing import ScriptedModel\n"
        f"model = ScriptedModel(['An answer.'] * 9, codex_home={str(tmp_path / 'home')!r})\n%codex use model\n%codex asked in the demo"
    )
    prompts = "threads = %codex threads\n[thread['last prompt'] for thread in threads]"
    with ScriptedModel(["An answer."] * 9, codex_home=used_home(tmp_path / "own")) as own:
        kernel = new_kernel(**env)
        kernel.use(own)
        kernel.execute("%codex asked for real")
        assert kernel.execute(first).error is None
        assert kernel.execute(prompts).value == "['asked in the demo']"

        kernel = new_kernel(**env)
        kernel.use(own)
        assert kernel.execute(prompts).value == "['asked for real']"
        kernel.execute(first.rpartition("\n")[0])
        assert kernel.execute(prompts).value == "['asked in the demo']"
        turns = "import codex_jupyter\nchat = codex_jupyter.chat()\n[turn.final_response for turn in chat.turns]"
        assert kernel.execute(turns).value == "['An answer.']"
        kernel.execute("chat.close()\n" + first.rpartition("\n")[0].replace("/home'", "/elsewhere'"))
        assert kernel.execute(turns).value == "[]"


def test_a_thread_is_exported(kernel: Kernel, scripted: Scripted, tmp_path: Path) -> None:
    """As a readable file, named on request."""
    scripted(["The answer."])
    assert "There is no turn to export yet" in kernel.execute("%codex export md").text
    kernel.execute("%%codex\nThe question")
    done = kernel.execute(f"%codex export md {tmp_path / 'out.md'}")
    assert "Wrote 1 turn to" in done.text
    text = (tmp_path / "out.md").read_text()
    assert text.index("The question") < text.index("The answer.")


def test_messages_of_commands_wrap_between_words(kernel: Kernel) -> None:
    """JupyterLab breaks printed lines within words."""
    for command in ("new", "status", "context", "stop", "wait", "release", "demo", "demo off"):
        done = kernel.execute(f"%codex {command}")
        assert done.error is None, command
        assert "white-space:pre-wrap;word-break:normal" in done.html, command
        assert [message for message in done.messages if message["msg_type"] == "stream"] == [], command


def test_the_doctor_reports_the_installation(kernel: Kernel) -> None:
    """The executable and where it was found, the sandbox, the login, the front end."""
    done = kernel.execute("%codex doctor")
    assert done.error is None
    lines = done.text.splitlines()
    problems = [number for number, line in enumerate(lines) if line.startswith("! ")]
    assert problems == list(range(len(problems)))  # they are first
    for part in ("looked at ", ": found", f"codex {OLDEST} at ", "%codex login", "front end: "):
        assert part in done.text
    assert "white-space:pre-wrap;word-break:normal" in done.html  # JupyterLab breaks printed lines within words
