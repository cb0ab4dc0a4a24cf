"""Offers of the page for a prompt: names after an `@`, and prompts that suit the notebook."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from codex_jupyter.notebook.chat.ideas import USUAL, find_ideas
from codex_jupyter.notebook.chat.mentions import find_mentions
from codex_jupyter.notebook.chat.transcript import TurnView, diff_html, finished_turn
from codex_jupyter.notebook.persistence.finished_turn import FinishedTurn
from codex_jupyter.notebook.render import TurnInfo
from codex_jupyter.sdk import AgentMessageItem, CommandExecutionItem, Turn


class DataFrame:
    """A data frame of any library."""


def mentioned(word: str, **variables: object) -> dict[str, str]:
    shell = SimpleNamespace(user_ns=variables, user_ns_hidden={})
    finder: Any = SimpleNamespace(offers=lambda: ["plot"])
    return {offer["name"]: offer["text"] for offer in find_mentions(shell, finder, word)}


def test_files_and_folders_of_the_folder_are_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is written as code, and a folder is completed further. Nothing outside of the folder is offered."""
    (tmp_path / "data").mkdir()
    for name in ("data/sales.csv", "data/`odd`.csv", "notes.md", ".hidden"):
        (tmp_path / name).write_text("")
    monkeypatch.chdir(tmp_path)
    assert mentioned("", day=1) == {"plot": "@plot", "day": "{day}", "data/": "@data/", "notes.md": "`notes.md`"}
    assert mentioned("da", day=1) == {"day": "{day}", "data/": "@data/"}
    assert mentioned("data/s") == {"data/sales.csv": "`data/sales.csv`"}
    assert mentioned("data/`") == mentioned("/etc/") == mentioned("../") == mentioned("missing/") == {}
    assert mentioned(".h") == {".hidden": "`.hidden`"}


@pytest.mark.parametrize("name", ["value\n.csv", "value\u200b.csv", "value\u200f.csv"])
def test_a_file_whose_name_hides_something_is_not_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).touch()
    (tmp_path / "värde 1.csv").touch()
    assert list(mentioned("v")) == ["värde 1.csv"]


def test_many_variables_do_not_hide_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "value.csv").write_text("")
    monkeypatch.chdir(tmp_path)
    offers = mentioned("v", **{f"v{number}": number for number in range(50)})
    assert len(offers) == 10
    assert "value.csv" in offers


def ideas(*, error: bool = False, plots: tuple[object, ...] = (), **variables: object) -> list[str]:
    session: Any = SimpleNamespace(
        shell=SimpleNamespace(user_ns=variables, user_ns_hidden={}),
        collector=SimpleNamespace(collect=lambda spec, key: SimpleNamespace(sizes={"error": 9} if error else {})),
        display_log=SimpleNamespace(newest=lambda count: plots),
    )
    return find_ideas(session)


def test_ideas_suit_what_the_notebook_contains() -> None:
    def analyse() -> None: ...

    analyse.__module__ = "__main__"
    assert ideas(number=1) == list(USUAL)
    texts = ideas(error=True, plots=(1,), sales=DataFrame(), analyse=analyse)
    assert [("error" in text, "{sales}" in text, "@plot" in text, "`analyse`" in text).index(True) for text in texts] == [0, 1, 2, 3]


def test_what_was_steered_stands_where_it_was_said() -> None:
    """In a finished turn, and in a running one."""
    items = (AgentMessageItem(id="a", text="first"), AgentMessageItem(id="b", text="second"))
    info = TurnInfo(steered=((1, "between"), (2, "after")))
    done = finished_turn(FinishedTurn("hello", Turn(items=items, status="completed"), info))
    names = [block["block"] for block in done["blocks"]]
    assert names[: names.index("foot")] == ["a", "steered:0", "b", "steered:1"]
    assert [block["source"] for block in done["blocks"] if block["kind"] == "steered"] == ["between", "after"]
    view = TurnView("key:0", "hello", TurnInfo())
    view.changes(Turn(items=items[:1]))
    assert [block["block"] for block in view.changes(Turn(items=items[:1]), TurnInfo(steered=((1, "between"),)))] == ["steered:0"]


def test_an_item_that_runs_has_its_running_time() -> None:
    """Also for a page that opens later. It has none when it has ended."""
    now = [100.0]
    view = TurnView("key:0", "hello", TurnInfo(), clock=lambda: now[0])
    command = CommandExecutionItem(id="c", command="sleep 9", aggregated_output="", status="in_progress")
    (block,) = view.changes(Turn(items=(command,), open_item_ids=frozenset({"c"})))
    now[0] = 107.0
    assert (block["running"], view.state()["blocks"][-1]["running"]) == (0.0, 7.0)
    (block,) = view.changes(Turn(items=(command.model_copy(update={"status": "completed"}),)))
    assert "running" not in block


def test_the_changes_of_all_turns_are_one_diff() -> None:
    turns = [
        FinishedTurn("", Turn(diffs={"a": "--- a\n+++ a\n@@ -1 +1 @@\n-old\n+```new\n"}), TurnInfo()),
        FinishedTurn("", Turn(), TurnInfo()),
    ]
    assert "```new" in diff_html(turns).replace("&#96;", "`")
    assert diff_html(turns[1:]) == ""
