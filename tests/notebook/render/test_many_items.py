"""A turn with very many or very large items is shown and saved in bounded size, with its start and its end."""

import json
from pathlib import Path
from typing import Any

import pytest

from codex_jupyter.notebook.persistence import exporting
from codex_jupyter.notebook.persistence.exporting import read_jsonl
from codex_jupyter.notebook.persistence.finished_turn import FinishedTurn
from codex_jupyter.notebook.render import TurnInfo, bundles, many_items, turn_bundle, turn_from_json, turn_to_json
from codex_jupyter.notebook.render.turn_json import TURN_MIME
from codex_jupyter.sdk import AgentMessageItem, CommandExecutionItem, ThreadItem, Turn


def turn_of(count: int, output: str = "") -> Turn:
    items = [
        CommandExecutionItem(id=f"item_{number}", command=f"step {number};", aggregated_output=output, exit_code=0, status="completed")
        for number in range(count)
    ]
    return Turn(items=(*items, AgentMessageItem(id="last", text="The answer.")), status="completed")


@pytest.mark.integration  # it takes seconds
@pytest.mark.parametrize(("count", "output"), [(3_000, ""), (1_200, "line of the output\n" * 500)])
def test_the_work_and_the_size_do_not_grow_with_the_items(count: int, output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = []
    item_bundle = bundles.item_bundle

    def counted(item: ThreadItem, **options: Any) -> dict[str, Any]:
        rendered.append(item)
        return item_bundle(item, **options)

    monkeypatch.setattr(bundles, "item_bundle", counted)
    bundle = turn_bundle(turn_of(count, output), TurnInfo())
    assert len(rendered) <= many_items.FIRST + many_items.LAST + 1  # a note
    assert len(json.dumps(bundle)) < 14_000_000
    for text in (bundle["text/plain"], bundle["text/html"], json.dumps(bundle[TURN_MIME])):
        assert "step 0;" in text
        assert f"step {count - 1};" in text
        assert "The answer." in text
        assert "items of this turn are left out here." in text
    turn, _ = turn_from_json(bundle[TURN_MIME])
    assert turn.final_response == "The answer."
    assert "items of this turn are left out here." in turn_bundle(turn, TurnInfo())["text/plain"]


@pytest.mark.parametrize("count", [0, 1, many_items.FIRST + many_items.LAST - 1])
def test_a_turn_of_usual_length_is_complete(count: int) -> None:
    turn = turn_of(count)
    assert turn_from_json(turn_to_json(turn, TurnInfo()))[0] == turn
    assert turn_bundle(turn, TurnInfo())["text/plain"].count("step ") == count


@pytest.mark.integration  # it takes seconds
def test_an_export_is_complete(tmp_path: Path) -> None:
    turn = turn_of(1_500)
    for form in ("jsonl", "md", "html"):
        path = exporting.export_turns([FinishedTurn("go", turn, TurnInfo())], form, tmp_path / f"a.{form}")
        assert all(f"step {number};" in path.read_text() for number in range(1_500))
    assert read_jsonl(tmp_path / "a.jsonl")[0].turn == turn
