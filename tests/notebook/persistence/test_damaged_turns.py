"""Damaged and forged turns in saved outputs: each is read as a whole or skipped, and no front fails because of one."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codex_jupyter.notebook.persistence.exporting import export_turns
from codex_jupyter.notebook.persistence.finished_turn import FinishedTurn
from codex_jupyter.notebook.persistence.notebook_file import past_turns
from codex_jupyter.notebook.render import TURN_MIME, TURNS_MIME, turn_bundle, turn_from_json, turn_to_json
from codex_jupyter.testing import ScriptedModel
from tests.codex_home import used_home
from tests.notebook.conftest import Kernel
from tests.notebook.persistence.test_exporting import TURNS

SAVED: list[dict[str, Any]] = [json.loads(json.dumps(turn_to_json(past.turn, past.info))) for past in TURNS]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["\ud800", "\0", "in_progress", 10**400]),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=4), values, max_size=3),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each value inside of a JSON value."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield (*path, key)
        yield from places(part, (*path, key))


@st.composite
def damaged(draw: st.DrawFn) -> dict[str, Any]:
    """Replace, remove or add values in a saved turn."""
    turn: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(SAVED)))
    for _ in range(draw(st.integers(1, 3))):
        *path, last = draw(st.sampled_from(list(places(turn))))
        parent: Any = turn
        for key in path:
            parent = parent[key]
        if draw(st.booleans()):
            parent[last] = draw(JSON)
        elif isinstance(parent, dict) and draw(st.booleans()):
            parent[draw(st.text(max_size=4))] = draw(JSON)
        else:
            del parent[last]
    return turn


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(data=damaged())
def test_a_damaged_turn_is_skipped_or_can_be_shown_and_exported(data: dict[str, Any], tmp_path: Path) -> None:
    try:
        turn, info = turn_from_json(data)
    except ValueError:
        return
    assert "cannot be displayed as usual" not in turn_bundle(turn, info)["text/plain"]
    for form in ("md", "html"):
        export_turns([FinishedTurn(info.prompt, turn, info)], form, tmp_path / f"turn.{form}")


FORGED: list[Callable[[dict[str, Any]], object]] = [
    lambda data: data["turn"].update(diffs=[1]),
    lambda data: data["turn"].update(diffs={"a": 5}),
    lambda data: data["turn"].update(status="exploded"),
    lambda data: data["turn"].update(thread_id=7),
    lambda data: data["turn"].update(warnings="no list"),
    lambda data: data["turn"].update(warnings=[None]),
    lambda data: data["turn"].update(open_items=[{}]),
    lambda data: data["turn"].update(error=["x"]),
    lambda data: data["turn"].update(duration=float("nan")),
    lambda data: data["turn"].update(surprise=1),
    lambda data: data["turn"].pop("items"),
    lambda data: data.update(turn=None),
    lambda data: data.update(info=None),
    lambda data: data["info"].update(prompt=None),
    lambda data: data["info"].update(elapsed="soon"),
    lambda data: data["info"].update(elapsed=float("inf")),
    lambda data: data["info"].update(attached=[{"url": 1, "caption": 2}]),
    lambda data: data["info"].update(remarks=[{}]),
    lambda data: data["info"].update(thread_name=[]),
]


@pytest.mark.parametrize("forge", FORGED)
def test_every_part_of_a_saved_turn_is_checked(forge: Callable[[dict[str, Any]], object]) -> None:
    data = copy.deepcopy(SAVED[0])
    forge(data)
    with pytest.raises(ValueError, match=r"^A saved turn is damaged") as raised:
        turn_from_json(data)
    assert len(str(raised.value)) < 400


def test_a_notebook_with_forged_turns_can_be_used(new_kernel: Callable[..., Kernel], tmp_path: Path) -> None:
    """In a real kernel: the first prompt, the list of threads, the export and the chat."""
    forged = []
    for forge in FORGED:
        data = copy.deepcopy(SAVED[0])
        forge(data)
        forged.append(json.loads(json.dumps(data)))
    notebook = nbformat.v4.new_notebook()
    outputs = [nbformat.v4.new_output("display_data", {TURN_MIME: data}) for data in [*forged, SAVED[-1]]]
    outputs.append(nbformat.v4.new_output("display_data", {TURNS_MIME: {"turns": forged}}))
    notebook.cells = [nbformat.v4.new_code_cell("%%codex\ngo", outputs=outputs)]
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps(notebook))
    assert [turn for turn, _ in past_turns(path)] == [turn_from_json(SAVED[-1])[0]]
    kernel = new_kernel(JPY_SESSION_NAME=str(path))
    with ScriptedModel(["The answer."], codex_home=used_home(tmp_path / "home")) as model:
        kernel.use(model)
        done = kernel.execute("%%codex\ngo")
        assert (done.error, "The answer." in done.text) == (None, True)
        for cell in ("%codex threads", "%codex export md", "%codex chat", "%codex show"):
            assert kernel.execute(cell).error is None, cell
