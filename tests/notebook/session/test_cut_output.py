"""A page that is reloaded while a turn runs loses the rest of its output; the next cell says so."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest

from codex_jupyter.notebook.render import TURN_MIME, TurnInfo, turn_bundle
from codex_jupyter.notebook.session.cut_output import NOTICE, CutOutput
from codex_jupyter.sdk import Turn
from codex_jupyter.testing import ScriptedModel
from tests.codex_home import used_home
from tests.notebook.conftest import Execution, Kernel


def cell(session: str | None, cell_id: str | None = "cell") -> Any:
    return SimpleNamespace(parent_header={"header": {"session": session}, "metadata": {"cellId": cell_id}})


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    return tmp_path / "a.ipynb"


def save(notebook: Path, *outputs: dict[str, Any]) -> None:
    """Write a notebook with a cell that has some outputs."""
    saved = nbformat.v4.new_notebook()
    displays = [nbformat.v4.new_output("display_data", json.loads(json.dumps(data))) for data in outputs]
    saved.cells = [nbformat.v4.new_code_cell("%%codex\ngo", outputs=displays)]
    nbformat.write(saved, notebook)


@pytest.mark.parametrize(
    ("first", "then", "saved", "cut"),
    [
        (cell("a"), cell("b"), True, False),  # reloaded after the turn had ended and was saved
        (cell("a"), cell("b"), False, True),
        (cell("a"), cell("a"), False, False),  # the same page
        (cell("a"), cell("b", None), False, False),  # a console on the same kernel
        (cell("a", None), cell("b"), False, False),
        (cell("a"), cell(None), False, False),
        (cell(None), cell("b"), False, False),
        (SimpleNamespace(), cell("b"), False, False),
    ],
)
def test_a_new_page_without_the_end_of_the_turn_has_cut_it(notebook: Path, first: Any, then: Any, saved: bool, cut: bool) -> None:
    info = TurnInfo(began=1764400000.1234567)
    running = {name: data for name, data in turn_bundle(Turn(), TurnInfo(began=1.5)).items() if name != TURN_MIME}
    save(notebook, running, *([turn_bundle(Turn(status="completed"), info)] if saved else []))
    output = CutOutput()
    output.shown(first, info.began)
    assert output.notice(then, notebook) == (NOTICE if cut else None)
    assert output.notice(then, notebook) is None  # once
    assert output.began == (info.began if cut else None)


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"cells": 3}'])
def test_a_notebook_that_cannot_be_read_does_not_contain_the_turn(notebook: Path, content: bytes | None) -> None:
    if content is not None:
        notebook.write_bytes(content)
    output = CutOutput()
    output.shown(cell("a"), 2.5)
    assert output.notice(cell("b"), notebook) == NOTICE


def test_without_a_known_notebook_a_reload_is_not_mentioned() -> None:
    output = CutOutput()
    output.shown(cell("a"), 2.5)
    assert output.notice(cell("b"), None) is None


def test_after_a_reload_the_next_cell_says_that_the_turn_was_cut_and_show_shows_it(
    new_kernel: Callable[..., Kernel], notebook: Path, tmp_path: Path
) -> None:
    """In a real kernel: the second client has another session, as a reloaded page has."""
    save(notebook)
    kernel = new_kernel(JPY_SESSION_NAME=str(notebook))
    with ScriptedModel(
        ["The answer that was cut.", "The next answer.", "The last answer."], codex_home=used_home(tmp_path / "home")
    ) as model:
        kernel.use(model)
        kernel.execute("%%codex\ngo")
        reload(kernel)
        done = kernel.execute("%%codex\nand now?")
        assert done.text.count(NOTICE) == 1
        assert "The next answer." in done.text
        assert text_of(kernel.execute("%codex show")) == ["The answer that was cut."]
        assert text_of(kernel.execute("%codex show")) == ["The next answer."]
        assert NOTICE not in kernel.execute("%%codex\nand now?").text


def reload(kernel: Kernel) -> None:
    """Use a new session, as a page does when it is loaded."""
    kernel.client.stop_channels()
    kernel.client = kernel.manager.client()
    kernel.client.session = kernel.client.session.clone()
    kernel.client.session.session = "a new page"
    kernel.client.start_channels()
    kernel.client.wait_for_ready(timeout=60)


def text_of(execution: Execution) -> list[str]:
    return [answer for answer in ("The answer that was cut.", "The next answer.", "The last answer.") if answer in execution.text]
