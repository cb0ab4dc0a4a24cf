"""Threads that a saved notebook names are hints: nothing is continued or taken over unless the user asks for it."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from codex_jupyter.notebook.persistence.history import named_threads
from codex_jupyter.notebook.persistence.thread_store import SavedNotebook, SavedThread, ThreadStore
from codex_jupyter.notebook.render import TURN_MIME, TurnInfo, turn_to_json
from codex_jupyter.sdk import Turn
from codex_jupyter.testing import ScriptedModel
from tests.codex_home import used_home
from tests.notebook.chat.pages import ChatPage
from tests.notebook.conftest import Execution, Kernel, kernels_in
from tests.notebook.session.test_registry import named_kernel, start_named

__all__ = ["named_kernel"]

NamedKernel = Callable[[], Kernel]
Victim = tuple[ScriptedModel, dict[str, str], str]
THREAD = "01a20000-0000-7000-8000-000000000000"
OTHER = "01a20000-0000-7000-8000-000000000001"
STORED = "rows = %codex threads\nrows.column('id')"


def notebook(*executions: Execution) -> str:
    """A notebook that holds what cells displayed."""
    cells = [
        {
            "cell_type": "code",
            "source": "",
            "metadata": {},
            "execution_count": 1,
            "id": f"cell-{number}",
            "outputs": [{"output_type": "display_data", "data": data, "metadata": {}} for data in execution.outputs.values()],
        }
        for number, execution in enumerate(executions)
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def state(folder: Path) -> dict[str, Any]:
    """All that is remembered, by notebook."""
    records = (json.loads(file.read_text()) for file in (folder / "state").rglob("notebooks/*.json"))
    return {record["notebook"]: {thread["name"]: thread["id"] for thread in record["threads"]} for record in records}


def open_as(kernel: Kernel, path: Path) -> None:
    kernel.execute(f"import os\nos.environ['JPY_SESSION_NAME'] = {str(path)!r}")


@dataclass(frozen=True)
class Used:
    """A folder in which a notebook was used and then deleted, and what its cells displayed, by thread."""

    folder: Path
    main: Execution
    side: Execution


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Used:
    folder = tmp_path_factory.mktemp("used")
    (folder / "analysis.ipynb").write_text(notebook())
    with ScriptedModel(["One.", "Two."], codex_home=used_home(folder / "home")) as model, kernels_in(folder) as start:
        kernel = start_named(start, folder)
        kernel.use(model)
        main = kernel.execute("%%codex\nMy private number is 7")
        side = kernel.execute("%%codex -t side\nMy other number is 8")
        kernel.close()
    (folder / "analysis.ipynb").unlink()
    return Used(folder, main, side)


@pytest.fixture
def victim(used: Used, tmp_path: Path) -> Iterator[Victim]:
    """A notebook with two threads, which was moved after it was used: the model, the ids by name, and a hostile notebook."""
    for name in ("home", "state"):
        shutil.copytree(used.folder / name, tmp_path / name)
    (threads,) = state(tmp_path).values()
    (tmp_path / "moved").mkdir()
    (tmp_path / "moved" / "analysis.ipynb").write_text(notebook(used.main, used.side))
    with ScriptedModel(["More."] * 8, codex_home=used_home(tmp_path / "home")) as model:
        yield model, threads, notebook(used.main)


def test_a_notebook_that_names_a_thread_of_a_moved_notebook_takes_nothing_over(
    named_kernel: NamedKernel, tmp_path: Path, victim: Victim
) -> None:
    model, threads, hostile = victim
    before = state(tmp_path)
    (tmp_path / "hostile.ipynb").write_text(hostile)
    kernel = named_kernel()
    kernel.use(model)
    open_as(kernel, tmp_path / "hostile.ipynb")
    said = kernel.execute("%codex hello").text
    assert "The saved outputs of this notebook name an earlier thread (1 turn); `%codex resume` continues it." in said
    assert "private number" not in str(model.requests[-1].input)
    now = state(tmp_path)
    own = now.pop(str(tmp_path / "hostile.ipynb"))
    assert now == before
    assert set(own.values()).isdisjoint(threads.values())
    assert kernel.execute("%codex -t side hello").text.count("earlier thread") == 0


def test_a_moved_notebook_keeps_its_threads_although_another_one_named_them_first(
    named_kernel: NamedKernel, tmp_path: Path, victim: Victim
) -> None:
    model, threads, hostile = victim
    (tmp_path / "hostile.ipynb").write_text(hostile)
    kernel = named_kernel()
    kernel.use(model)
    open_as(kernel, tmp_path / "hostile.ipynb")
    kernel.execute("%codex hello")
    kernel.close()
    mine = named_kernel()
    mine.use(model)
    open_as(mine, tmp_path / "moved" / "analysis.ipynb")
    assert set(threads.values()) <= set(json.loads((mine.execute(STORED).value or "[]").replace("'", '"')))
    assert "My private number is 7" in mine.execute("%codex resume").text
    mine.execute("%codex go on")
    assert "private number" in str(model.requests[-1].input)
    assert "My other number is 8" in mine.execute("%codex resume side").text
    mine.execute("%codex -t side go on")
    assert "other number" in str(model.requests[-1].input)
    assert state(tmp_path)[str(tmp_path / "moved" / "analysis.ipynb")] == threads


@pytest.mark.parametrize("setting", ["'last'", "''"])
def test_no_setting_continues_a_thread_that_only_outputs_name(
    named_kernel: NamedKernel, tmp_path: Path, victim: Victim, setting: str
) -> None:
    """`resume = "last"` is about threads that this user's kernels used in this notebook."""
    model, _, hostile = victim
    (tmp_path / "hostile.ipynb").write_text(hostile)
    kernel = named_kernel()
    kernel.use(model)
    open_as(kernel, tmp_path / "hostile.ipynb")
    kernel.execute(f"%config CodexMagics.resume = {setting}")
    assert kernel.execute("%codex hello").error is None
    assert "private number" not in str(model.requests[-1].input)


def test_a_chat_asks_before_it_continues_a_thread_that_only_outputs_name(named_kernel: NamedKernel, tmp_path: Path, victim: Victim) -> None:
    """A prompt that is sent before that starts its own thread, and the offer is removed."""
    model, threads, hostile = victim
    (tmp_path / "hostile.ipynb").write_text(hostile)
    kernel = named_kernel()
    kernel.use(model)
    open_as(kernel, tmp_path / "hostile.ipynb")
    kernel.execute("import codex_jupyter\nchat = codex_jupyter.chat()")
    assert kernel.execute("len(chat.turns)").value == "0"
    page = ChatPage(kernel)
    assert page.last("meta")["offer"] == {"id": threads["main"], "turns": 1, "prompt": "My private number is 7"}
    kernel.execute("chat.ask('hello').result()")
    page.wait_for_turns()
    assert page.last("meta")["offer"] is None
    assert "private number" not in str(model.requests[-1].input)


def test_a_chat_continues_a_named_thread_when_the_user_asks_for_it(named_kernel: NamedKernel, tmp_path: Path, victim: Victim) -> None:
    model, threads, hostile = victim
    (tmp_path / "hostile.ipynb").write_text(hostile)
    kernel = named_kernel()
    kernel.use(model)
    open_as(kernel, tmp_path / "hostile.ipynb")
    kernel.execute("import codex_jupyter\nchat = codex_jupyter.chat()")
    page = ChatPage(kernel)
    assert page.do(do="thread", how="resume", name=threads["main"])["error"] == ""
    assert "My private number is 7" in str(page.last("state")["turns"])
    kernel.execute("chat.ask('go on').result()")
    assert "private number" in str(model.requests[-1].input)


def test_a_copy_of_a_notebook_that_still_exists_offers_none_of_its_threads(
    named_kernel: NamedKernel, tmp_path: Path, used: Used, victim: Victim
) -> None:
    model, _, hostile = victim
    original = used.folder / "analysis.ipynb"
    for path in (original, tmp_path / "copy.ipynb"):
        path.write_text(hostile)
    try:
        kernel = named_kernel()
        kernel.use(model)
        open_as(kernel, tmp_path / "copy.ipynb")
        assert "outputs of this notebook name" not in kernel.execute("%codex hello").text
    finally:
        original.unlink()


@pytest.mark.parametrize(
    ("thread_id", "name"),
    [
        ("*", None),
        ("../../etc/passwd", None),
        ("", None),
        ("01a20000-0000-7000-8000-00000000000*", None),
        (THREAD, "no name"),
        (THREAD, "../side"),
        (THREAD, "a\nb"),
    ],
)
def test_forged_names_and_ids_in_outputs_are_passed_over(tmp_path: Path, thread_id: str, name: str | None) -> None:
    turns = [(thread_id, name), (OTHER, "good")]
    datas = [turn_to_json(Turn(thread_id=key, status="completed"), TurnInfo(thread_name=name, prompt="x")) for key, name in turns]
    outputs = [{"output_type": "display_data", "data": {TURN_MIME: data}} for data in datas]
    (tmp_path / "hostile.ipynb").write_text(json.dumps({"cells": [{"cell_type": "code", "outputs": outputs}]}))
    sessions = tmp_path / "home" / "sessions" / "2026" / "01" / "01"
    sessions.mkdir(parents=True)
    for key in (THREAD, OTHER):
        (sessions / f"rollout-2026-01-01T00-00-00-{key}.jsonl").write_text("{}\n")
    store = ThreadStore(tmp_path / "state")
    (named,) = named_threads(store, tmp_path / "hostile.ipynb", tmp_path / "home")
    assert (named.id, named.name) == (OTHER, "good")


def test_a_thread_belongs_to_every_notebook_that_exists_and_remembers_it(tmp_path: Path) -> None:
    """The record of a notebook that is not there any more does not hide the one that is."""
    store, thread = ThreadStore(tmp_path / "state"), SavedThread("main", THREAD)
    for name in ("gone.ipynb", "there.ipynb"):
        store.save(tmp_path / name, SavedNotebook("main", (thread,)))
    assert sorted(path.name for path in store.owners(thread.id)) == ["gone.ipynb", "there.ipynb"]
