"""Files that an earlier version wrote can still be read: saved notebooks, exported threads and stored threads.

`tests/data/earlier_version` was written by the package before its modules were moved. It must not be written again by a newer version.
"""

from pathlib import Path

from codex_jupyter.notebook.persistence.exporting import read_jsonl
from codex_jupyter.notebook.persistence.notebook_file import past_turns
from codex_jupyter.notebook.persistence.thread_store import ThreadStore
from codex_jupyter.notebook.render import turn_bundle

DATA = Path(__file__).parents[2] / "data" / "earlier_version"
THREAD = "01a2023e-ec8b-7f50-89d6-35f1e90c87a4"


def test_the_turns_of_a_saved_notebook_are_read_and_rendered_again() -> None:
    """All parts of the turns of a cell and of a chat are there: items, diffs, images, decisions, context and errors."""
    turns = past_turns(DATA / "saved_notebook.json", THREAD)
    assert [(info.prompt, turn.status) for turn, info in turns] == [
        ("Write a file.", "completed"),
        ("Call the tool.", "completed"),
        ("Try.", "failed"),
    ]
    (first, first_info), (_, second_info), (third, _) = turns
    assert [item.type for item in first.items] == ["file_change", "agent_message"]
    assert "+new" in next(iter(first.diffs.values()))
    assert first_info.written[0].path == "a.png"
    assert first_info.decisions == ("you decided: accept: touch a.txt",)
    assert second_info.attached[0].url.startswith("data:image/png;base64,")
    assert second_info.context == "## Variables\nx: int"
    assert third.error
    for turn, info in turns:
        assert "cannot be displayed" not in turn_bundle(turn, info)["text/plain"]


def test_an_exported_thread_is_read() -> None:
    """The JSON lines contain the same turns as the notebook."""
    assert [(finished.turn, finished.info) for finished in read_jsonl(DATA / "exported.jsonl")] == past_turns(DATA / "saved_notebook.json")


def test_stored_threads_are_read() -> None:
    """Names, ids, counts and the order of the threads are those that were stored."""
    record = ThreadStore(DATA / "notebooks").load(Path("/nowhere/analysis.ipynb"))
    assert record.warning is None
    assert record.current == "main"
    assert [(thread.name, thread.turns, thread.tokens) for thread in record.threads] == [("main", 3, 1234), ("side", 1, 10)]
    assert record.threads[0].id == THREAD
    assert record.threads[0].codex_home == "/nowhere/.codex"
    assert len(record.threads[1].last_prompt) == 200
    assert [thread.last_prompt for thread in record.earlier] == ["Earlier."]
