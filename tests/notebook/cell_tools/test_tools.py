"""The tools for cells without a page of JupyterLab, and with a page that only records."""

import queue
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from codex_jupyter.notebook.cell_tools.changes import TurnChanges
from codex_jupyter.notebook.cell_tools.page import NotebookPage
from codex_jupyter.notebook.cell_tools.text import MAX_SOURCE, fingerprint
from codex_jupyter.notebook.cell_tools.toolbox import CellTools
from codex_jupyter.notebook.cell_tools.turn import TurnCells
from codex_jupyter.notebook.consent.grants import GrantStore, NotebookGrants
from codex_jupyter.notebook.kernel_tools.access import SentLog, TurnAccess
from codex_jupyter.sdk import ToolNamespace
from codex_jupyter.sdk.tools import ToolCall, ToolRunner, ToolSet

SECRET = f"key = 'sk-proj-{'a1B2' * 12}'"


class Page:
    """A page with two cells. It answers like JupyterLab, but applies nothing."""

    def __init__(self, *, concurrent: bool = True) -> None:
        self.concurrent = concurrent
        self.sources = {"a": "x = 1", "s": SECRET, "p": "%%codex\nhello"}
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def request(self, do: str, home: str, arguments: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        self.asked.append((do, dict(arguments)))
        edit = arguments.get("edit", arguments)
        if edit.get("before", self.sources.get(edit.get("cell", ""))) != self.sources.get(edit.get("cell", "")):
            return {"conflict": self.sources[edit["cell"]]}
        if do == "edit":
            return {"inverse": {**edit, "before": edit.get("after")}, "name": "cell 1"} if arguments["mode"] != "propose" else {}
        cells = {arguments["cell"]: self.sources[arguments["cell"]]} if arguments.get("cell") else self.sources
        shown = [{"id": cell, "type": "code", "position": 1, "total": 2, "source": source} for cell, source in cells.items()]
        return {"cells": shown, "header": None}

    def post(self, do: str, home: str, arguments: Mapping[str, Any]) -> None:
        self.asked.append((do, dict(arguments)))


class Bench:
    """A thread with the tools, whose turn is started by `start`."""

    def __init__(self, portal: BlockingPortal, folder: Path) -> None:
        self.portal, self.page, self.shell = portal, NotebookPage(), SimpleNamespace(kernel=object())
        self.page.on_connect()
        self.calls: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.undoables: list[Any] = []
        self.grants = NotebookGrants(lambda: None, lambda: GrantStore(folder))
        cells: Any = SimpleNamespace(is_running=False)
        self.sent = SentLog()
        self.tools = CellTools(self.shell, cells, self.sent, lambda: pytest.fail("nothing runs in place"))
        self.runner = ToolRunner(ToolSet([ToolNamespace("kernel", self.tools.tools)]), thread_id="T")

    def start(self, mode: str = "read", cells: str = "propose", *, in_cell: bool = True) -> None:
        access = TurnAccess(
            thread="main",
            mode=mode,
            ceiling="run",
            sees_context=True,
            max_rows=1,
            ask=lambda request: None,
            ended=lambda: False,
            stop=lambda: None,
            on_main_thread=self.calls.put,
            grants=self.grants,
        )
        changes = TurnChanges(self.page, cells, self.undoables)
        self.tools.start_turn(TurnCells(access=access, changes=changes, page=self.page, in_cell=in_cell))

    def call(self, name: str, **arguments: Any) -> str:
        future = self.portal.start_task_soon(
            self.runner.run, ToolCall(thread_id="T", turn_id="U", call_id="C", namespace="kernel", name=name, arguments=arguments)
        )
        future.add_done_callback(lambda _: self.calls.put(None))
        while (function := self.calls.get(timeout=60)) is not None:
            function()
        return "\n".join(getattr(part, "text", "[image]") for part in future.result().parts)


@pytest.fixture(scope="module")
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture
def bench(portal: BlockingPortal, tmp_path: Path) -> Bench:
    return Bench(portal, tmp_path)


def test_without_a_page_one_cell_is_inserted_below_and_the_other_tools_say_what_to_do_instead(bench: Bench) -> None:
    inserted: list[str] = []
    bench.shell.set_next_input = lambda source, replace: inserted.append(source)
    bench.start("run", "apply")
    assert "Use read_cells for the cells that ran." in bench.call("read_notebook")
    assert "Propose the change in your answer." in bench.call("replace_cell", cell="a", fingerprint="f", source="y")
    assert "Use run to run code" in bench.call("run_cell", cell="a", fingerprint="f")
    assert "A new cell with this source will be below" in bench.call("insert_cell", source="y = 1")
    assert "one cell was inserted below already. Put the code into your answer." in bench.call("insert_cell", source="z = 1")
    assert inserted == ["y = 1"]
    assert bench.undoables[0].problem() == "the kernel cannot delete cells; delete it in the notebook"
    bench.start("run", "apply", in_cell=False)
    assert "insert_cell cannot be used here" in bench.call("insert_cell", source="y = 1")


def test_a_page_whose_answers_wait_for_the_running_cell_is_not_asked(bench: Bench) -> None:
    page = Page(concurrent=False)
    bench.page.connection = lambda: page
    bench.start()
    assert "needs ipykernel 7 or newer" in bench.call("read_notebook")
    assert page.asked == []
    bench.start(in_cell=False)
    assert "x = 1" in bench.call("read_notebook")


@pytest.mark.parametrize(
    ("mode", "read", "run"),
    [
        ("off", "switched the kernel tools off", "switched the kernel tools off"),
        ("read", "x = 1", "may not run code in the kernel (kernel mode read)"),
        ("ask", "x = 1", "no one can be asked here"),
        ("run", "x = 1", "[The cell completed.]"),
    ],
)
def test_the_mode_of_the_kernel_decides_about_reading_and_running(bench: Bench, mode: str, read: str, run: str) -> None:
    page = Page()
    bench.page.connection = lambda: page
    bench.start(mode)
    assert read in bench.call("read_notebook")
    assert run in bench.call("run_cell", cell="a", fingerprint=fingerprint("x = 1"))
    assert any(do == "run" for do, _ in page.asked) is (mode == "run")


def test_a_cell_that_was_not_read_or_has_changed_is_not_replaced_until_it_is_read_again(bench: Bench) -> None:
    page = Page()
    bench.page.connection = lambda: page
    bench.start("read", "apply")
    change = {"cell": "a", "fingerprint": fingerprint("x = 1"), "source": "x = 2"}
    assert "Nothing was done" in bench.call("replace_cell", **change)
    bench.call("read_notebook")
    page.sources["a"] = "x = 3"
    refused = bench.call("replace_cell", **change)
    assert f"Its fingerprint is now {fingerprint('x = 3')}. Read it with read_notebook(cell='a') first" in refused
    assert "Nothing was done" in bench.call("replace_cell", **{**change, "fingerprint": fingerprint("x = 3")})
    bench.call("read_notebook", cell="a")
    assert "Done." in bench.call("replace_cell", **{**change, "fingerprint": fingerprint("x = 3")})
    assert [undoable.name for undoable in bench.undoables] == ["cell 1"]


def test_a_cell_that_the_agent_does_not_see_as_it_is_cannot_be_replaced_and_a_prompt_cannot_be_run(bench: Bench) -> None:
    page = Page()
    page.sources["l"] = "y" * (MAX_SOURCE + 1)
    bench.page.connection = lambda: page
    bench.start("run", "apply")
    assert "a1B2a1B2" not in bench.call("read_notebook")
    bench.call("read_notebook", cell="l")
    for cell in ("s", "l"):
        replaced = bench.call("replace_cell", cell=cell, fingerprint=fingerprint(page.sources[cell]), source="")
        assert "You cannot see the whole source" in replaced
    assert "is a prompt for Codex" in bench.call("run_cell", cell="p", fingerprint=fingerprint(page.sources["p"]))
    assert all(do == "read" for do, _ in page.asked)


def test_a_proposal_is_undoable_once_the_user_keeps_it_and_a_change_is_not_once_the_user_has_undone_it(bench: Bench) -> None:
    page = Page()
    bench.page.connection = lambda: page
    bench.start("read", "propose")
    bench.call("read_notebook")
    assert "Proposed." in bench.call("insert_cell", source="y = 1")
    assert bench.undoables == []
    bench.page.decide(page.asked[-1][1]["id"], "keep", {"inverse": {"kind": "delete", "cell": "new"}, "name": "cell 2"})
    assert [undoable.name for undoable in bench.undoables] == ["cell 2"]
    bench.start("read", "review")
    assert "The user can keep or undo it." in bench.call("replace_cell", cell="a", fingerprint=fingerprint("x = 1"), source="x = 2")
    assert len(bench.undoables) == 2
    bench.page.decide(page.asked[-1][1]["id"], "undo", {})
    assert [undoable.name for undoable in bench.undoables] == ["cell 2"]


def test_what_left_the_kernel_is_listed_under_the_name_of_the_tool(bench: Bench) -> None:
    bench.page.connection = lambda: page
    page = Page()
    bench.start("run", in_cell=False)
    bench.call("read_notebook", cell="a")
    bench.call("run_cell", cell="a", fingerprint=fingerprint("x = 1"))
    assert [record.what for record in bench.sent.records] == ["kernel.read_notebook", "kernel.run_cell"]
