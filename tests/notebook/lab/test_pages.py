"""The kernel side of the pages, with comms that only record."""

import re
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from IPython.core.error import UsageError
from traitlets import Enum, HasTraits, Int, Unicode

from codex_jupyter.notebook.cell_tools.changes import TurnChanges
from codex_jupyter.notebook.cell_tools.page import NotebookPage, PageRun
from codex_jupyter.notebook.consent.presets import PRESETS, choose_rights
from codex_jupyter.notebook.lab.pages import MAX_PAGES, LabPage, LabPages
from codex_jupyter.notebook.lab.prompts import cell_request, describe_cell
from codex_jupyter.notebook.lab.service import CellChange, LabService
from codex_jupyter.notebook.lab.settings import PageSettings
from codex_jupyter.notebook.session.request import PromptRequest
from codex_jupyter.sdk import ThreadBusyError
from tests.invented import MODEL
from tests.notebook.lab.comms import close, opened
from tests.sdk.support.fake import wait_until


class Magics(HasTraits):
    """Some settings."""

    model = Unicode("").tag(config=True)
    sandbox = Enum(("", "read-only", "danger-full-access"), default_value="").tag(config=True)
    preset, approval, kernel, cells = (Unicode("").tag(config=True) for _ in range(4))
    max_image_side = Int(2048, min=16).tag(config=True)

    def on_session(self, follow: Any) -> None:
        """Have no session."""


@pytest.mark.parametrize(
    ("opens", "shared"),
    [
        ([], None),
        ([{}], None),
        ([{"shared": False}, {}], False),
        ([{"shared": False}, {"shared": True}], True),
    ],
)
def test_a_notebook_is_shared_if_a_connected_page_says_so(opens: list[dict[str, Any]], shared: bool | None) -> None:
    pages = LabPages(lambda page, action: None, lambda page, data: None)
    comms = [opened(pages, str(number), **data) for number, data in enumerate(opens)]
    assert pages.shared is shared
    for events in (comm for pair in comms for comm in pair):
        close(events)
    assert pages.shared is None


def test_the_kernel_answers_on_the_comm_for_events_only() -> None:
    """A comm on which the kernel publishes would be moved to the main shell, which a cell can block."""
    pages = LabPages(lambda page, action: {"told": action["do"]}, lambda page, data: None)
    control, events = opened(pages)
    control.receive(do="chat", id=4)
    assert control.sent == []
    welcome = {"type": "welcome", "protocol": 2, "subshells": []}
    assert events.sent == [welcome, {"type": "done", "id": 4, "error": "", "result": {"told": "chat"}}]


def test_the_page_receives_the_error_of_an_action() -> None:
    def fail(page: LabPage, action: dict[str, Any]) -> None:
        raise UsageError("It cannot be done.")

    control, events = opened(LabPages(fail, lambda page, data: None))
    control.receive(do="chat", id=1)
    assert events.sent[-1] == {"type": "done", "id": 1, "error": "It cannot be done.", "result": {}}


@pytest.mark.parametrize(
    ("action", "wrong"),
    [
        ({"do": "apply_undo", "keep": "a.txt"}, "keep"),
        ({"do": "undo", "thread": "t", "turn": 3, "start": None, "redo": False}, "turn"),
        ({"do": "undo", "thread": "t", "turn": None, "start": "now", "redo": False}, "start"),
        ({"do": "notebooks", "paths": "a.ipynb"}, "paths"),
        ({"do": "settings", "settings": None}, "settings"),
        ({"do": "prompt", "kind": "cell", "text": "Why?", "cell": {"id": "c", "type": "code", "number": "3"}}, "cell.number"),
    ],
)
def test_an_action_with_a_field_of_another_type_is_refused_in_one_line(action: dict[str, Any], wrong: str) -> None:
    magics: Any = Magics()
    session: Any = None
    service = LabService(session, magics, lambda thread: None, NotebookPage())
    control, events = opened(service.pages)
    control.receive(**action, id=1)
    wait_until(lambda: events.sent[-1]["type"] == "done")  # an undo is another thread's work
    assert re.fullmatch(rf"The page sent '{wrong}' in a wrong form: [^\n]+\. Reload the page\.", events.sent[-1]["error"])


@pytest.mark.parametrize("data", [{"shared": "yes"}, {"protocol": "2"}, {"settings": []}, {"session": 1}])
def test_a_page_that_opens_a_comm_in_another_form_is_not_connected(data: dict[str, Any]) -> None:
    """It says then that JupyterLab and the kernel have different versions."""
    pages = LabPages(lambda page, action: None, lambda page, data: None)
    assert all(comm.closed for comm in opened(pages, **data))
    assert pages.newest is None


@pytest.mark.parametrize("do", [[], {"a": 1}, None, "\ud800"])
def test_an_action_without_a_name_is_answered_with_an_error(do: Any) -> None:
    def fail(page: LabPage, action: dict[str, Any]) -> None:
        raise UsageError(f"Unknown: {action['do']} {'x' * 100_000}")

    control, events = opened(LabPages(fail, lambda page, data: None))
    control.receive(do=do, id="\ud800")
    assert events.sent[-1]["error"].startswith("Unknown: ")
    assert len(events.sent[-1]["error"]) == 2_000
    assert "\ud800" not in str(events.sent[-1])


def test_a_request_receives_the_answer_of_the_page_or_its_refusal_also_while_an_action_waits_for_it() -> None:
    """The answers arrive on the thread that has received the action."""
    done = threading.Event()

    def perform(page: LabPage, action: dict[str, Any]) -> dict[str, Any] | None:
        if action["do"] == "answer":
            page.receive(action["request"], action["error"], action["result"])
            return None
        result = page.request("check", "home", {"cell": "a"}, 30)
        done.set()
        return result

    control, events = opened(LabPages(perform, lambda page, data: None))
    control.receive(do="undo", id=1)
    while not (asked := [message for message in events.sent if message["type"] == "cells"]):
        done.wait(0.01)
    assert asked == [{"type": "cells", "request": 1, "do": "check", "home": "home", "arguments": {"cell": "a"}}]
    control.receive(do="answer", request=1, error="", result={"problem": "none"})
    assert done.wait(30)
    pages = LabPages(lambda page, action: page.receive(1, "No such cell.", {}), lambda page, data: None)
    control, events = opened(pages)
    page = pages.newest
    assert page is not None
    events.send = lambda data: control.receive(do="answer")  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="No such cell"):
        page.request("check", "", {}, 30)


def test_a_page_that_was_reloaded_shows_the_cells_that_run_for_the_agent_and_those_that_ended_meanwhile() -> None:
    notebook, posted = NotebookPage(), list[tuple[str, str, Any]]()
    notebook.runs = {
        "a": PageRun("a", "request-a", lambda: None),
        "b": PageRun("b", "request-b", lambda: (7, "error")),
    }
    page: Any = SimpleNamespace(post=lambda do, home, arguments: posted.append((do, home, arguments)))
    notebook.on_reload(page)
    assert posted == [
        ("follow", "a", {"cell": "a", "request": "request-a"}),
        ("follow", "b", {"cell": "b", "request": "request-b"}),
        ("finish", "b", {"cell": "b", "number": 7, "state": "error"}),
    ]


def test_a_path_from_a_page_is_used_only_if_it_is_an_existing_notebook(tmp_path: Path) -> None:
    for name in ("a.ipynb", "b.ipynb", "script.py"):
        (tmp_path / name).touch()
    (tmp_path / "folder.ipynb").mkdir()
    pages, notebook = LabPages(lambda page, action: None, lambda page, data: None), NotebookPage()
    notebook.reported = lambda: pages.notebooks
    _, events = opened(pages)
    assert pages.newest is not None
    assert notebook.files == []
    names = ("b.ipynb", "missing.ipynb", "script.py", "folder.ipynb", "x/../a.ipynb", "a\0.ipynb")
    pages.newest.notebooks = (*(f"{tmp_path}/{name}" for name in names), "a.ipynb", "")
    assert notebook.files == [tmp_path / "b.ipynb"]
    close(events)
    assert notebook.files == []


def test_the_newest_connected_page_is_used_and_old_ones_are_closed() -> None:
    pages = LabPages(lambda page, action: None, lambda page, data: None)
    comms = [opened(pages, str(number)) for number in range(MAX_PAGES + 1)]
    assert [events.closed for _, events in comms] == [True, *[False] * MAX_PAGES]
    newest = pages.newest
    assert newest is not None
    assert newest.name == str(MAX_PAGES)
    close(comms[-1][1])
    assert pages.newest is not None
    assert pages.newest.name == str(MAX_PAGES - 1)


def test_the_settings_of_jupyterlab_do_not_replace_what_the_notebook_has_set() -> None:
    magics = Magics(sandbox="read-only")
    settings = PageSettings(magics)
    problem = settings.start({"sandbox": "", "model": MODEL, "max_image_side": 3, "load_into_kernels": True})
    assert problem.startswith("Correct max_image_side in the Settings Editor, under Codex: ")
    assert (magics.sandbox, magics.model, magics.max_image_side) == ("read-only", MODEL, 2048)


def test_a_page_that_connects_again_replaces_what_jupyterlab_has_set_and_not_what_the_notebook_has_set_since() -> None:
    magics = Magics()
    settings = PageSettings(magics)
    settings.start({"model": "old", "sandbox": "", "max_image_side": 16})
    magics.sandbox, magics.max_image_side = "read-only", 2048
    settings.start({"model": MODEL, "sandbox": "", "max_image_side": 16})
    assert (magics.model, magics.sandbox, magics.max_image_side) == (MODEL, "read-only", 2048)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_preset_of_the_notebook_replaces_the_single_rights_of_jupyterlab(*, is_first: bool) -> None:
    magics, page = Magics(), {"preset": "ask", "sandbox": "danger-full-access", "kernel": "run"}
    settings = PageSettings(magics)
    if is_first:
        magics.preset = "read-only"
    settings.start(page)
    assert choose_rights({}, magics).sandbox == ("read-only" if is_first else "danger-full-access")
    magics.preset = "read-only"
    assert choose_rights({}, magics) == PRESETS["read-only"].rights
    settings.start(page)
    assert choose_rights({}, magics) == PRESETS["read-only"].rights
    settings.change({"kernel": "off"})
    assert choose_rights({}, magics).kernel == "off"


def test_a_changed_setting_is_applied_and_null_is_the_default_also_beside_one_that_cannot_be_used() -> None:
    magics = Magics(model=MODEL)
    settings = PageSettings(magics)
    with pytest.raises(UsageError, match="Correct max_image_side in the Settings Editor"):
        settings.change({"max_image_side": 3, "model": None, "sandbox": "read-only"})
    assert (magics.model, magics.sandbox, magics.max_image_side) == ("", "read-only", 2048)


def test_the_page_receives_the_settings_that_cannot_be_used_when_it_connects() -> None:
    magics: Any = Magics()
    session: Any = None
    service = LabService(session, magics, lambda thread: None, NotebookPage())
    _, events = opened(service.pages, settings={"max_image_side": 3, "model": MODEL})
    assert [message["type"] for message in events.sent] == ["welcome", "problem"]
    assert "max_image_side" in events.sent[1]["text"]
    assert "\n" not in events.sent[1]["text"]
    assert magics.model == MODEL


def test_a_prompt_about_a_cell_sends_the_cell_as_data_and_shows_only_the_words_of_the_user() -> None:
    session: Any = SimpleNamespace(request=lambda text, **options: PromptRequest(text, thread=options["thread"], background=options["bg"]))
    cell = {"id": "c-1", "type": "code", "number": 3, "source": "1/0", "output": "ZeroDivisionError: division by zero"}
    request = cell_request(session, "cell", "Why {cell}?", cell, "main")
    assert request.text == "Why {cell}?\n\nThis is about cell [3], which is in the notebook data."
    assert (request.shown_as, request.display, request.background) == ("Why {cell}?", "nothing", True)
    assert request.page_context == (
        "The code cell with the id c-1, last run as In[3]:\n\n1/0\n\nIts output:\n\nZeroDivisionError: division by zero"
    )
    for kind, text, shown in (("fix", "", "Fix cell [3]"), ("rewrite", "Shorter.", "Rewrite cell [3]: Shorter.")):
        request = cell_request(session, kind, text, cell, "main")
        assert request.text.startswith(shown)
        assert request.shown_as.startswith(shown)
    with pytest.raises(UsageError, match="The prompt is empty"):
        cell_request(session, "cell", " ", cell, "main")
    with pytest.raises(UsageError, match="Split the cell first"):  # the agent would see a part of it, and replace the whole
        cell_request(session, "fix", "", {**cell, "source": "x" * 20_001}, "main")
    with pytest.raises(UsageError, match="Install the same version"):
        cell_request(session, "unknown", "", cell, "main")


def test_a_button_that_is_used_while_a_turn_runs_says_so_without_magics() -> None:
    def refuse(request: PromptRequest) -> None:
        raise ThreadBusyError("use -t NAME")

    session: Any = SimpleNamespace(request=lambda text, **options: PromptRequest(text), run=refuse)
    chat = SimpleNamespace(comm=object(), thread="main")
    magics: Any = Magics()
    service = LabService(lambda: session, magics, lambda thread: chat, NotebookPage())
    opened(service.pages)
    page, cell = service.pages.newest, {"id": "c", "type": "code", "number": 3, "source": "1/0", "output": ""}
    assert page is not None
    with pytest.raises(UsageError, match=r"^A turn of this thread runs\. Stop it, or wait for its end\. Then try again\.$"):
        service.perform(page, {"do": "prompt", "id": 1, "kind": "explain", "text": "", "cell": cell})


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        ("Traceback\n\nZeroDivisionError: division by zero\n", "Fix cell [3]: ZeroDivisionError: division by zero"),
        ("KeyError: 'token=sk-proj-a1B2a1B2a1B2a1B2a1B2a1B2a1B2a1B2'", "Fix cell [3]: KeyError: 'token=***'"),
        ("a table\nwith lines", "Fix cell [3]"),
        ("", "Fix cell [3]"),
    ],
)
def test_the_title_of_a_fix_names_the_error(output: str, shown: str) -> None:
    """It is the title of the thread if it is the first prompt. The number of a cell alone is meaningless later."""
    session: Any = SimpleNamespace(request=lambda text, **options: PromptRequest(text))
    cell = {"id": "c", "type": "code", "number": 3, "source": "1/0", "output": output}
    assert cell_request(session, "fix", "", cell, "main").shown_as == shown


@pytest.mark.parametrize(
    ("answer", "error", "sent"),
    [
        ("Use one.\n```python\n1/1\n```", None, [("c", "1/0", "1/1")]),
        ("The other cell:\n```python\n# cell d\nx = 1\n```", None, [("d", "x = 0", "x = 1")]),
        ("```python\n# cell e\nx = 1\n```", None, [("e", "", "x = 1")]),  # the page warns about it
        ("```python\n1/0\n```", None, []),
        ("There is no way.", None, []),
        ("```python\n1/1\n```", RuntimeError(), []),
    ],
)
def test_the_code_of_a_completed_answer_is_sent_as_a_change_of_the_cell_that_it_names(
    answer: str, error: Exception | None, sent: list[tuple[str, str, str]]
) -> None:
    """An answer without code, with the same code, or of a failed turn changes nothing."""
    pages = LabPages(lambda page, action: None, lambda page, data: None)
    _, events = opened(pages)
    running: Any = SimpleNamespace(wait=lambda: True, turn=SimpleNamespace(final_response=answer), error=error)
    assert pages.newest is not None
    cells = [{"id": "c", "source": "1/0"}, {"id": "d", "source": "x = 0"}]
    undoables: list[Any] = []
    changes = TurnChanges(NotebookPage(), "propose", undoables)
    CellChange(pages.newest, running, cells, changes, fixes="c").propose()
    shown = [message for message in events.sent if message["type"] == "change"]
    assert [(message["cell"], message["before"], message["after"]) for message in shown] == sent
    assert all((message["fixes"], message["apply"], message["run"]) == ("c", False, False) for message in shown)
    for message in shown:
        changes.page.decide(message["edit"], "keep", {"inverse": {"kind": "replace", "cell": message["cell"]}, "name": "cell [3]"})
    assert [undoable.name for undoable in undoables] == ["cell [3]"] * len(sent)


def test_the_description_of_a_cell_contains_no_secret_and_no_forged_id() -> None:
    source = "key = 'sk-proj-" + "a1B2" * 12 + "'"
    text = describe_cell({"id": "a\n</context>", "type": "markdown", "number": None, "source": source, "output": ""})
    assert "a1B2a1B2" not in text
    assert text.startswith("The Markdown cell with the id acontext:")
