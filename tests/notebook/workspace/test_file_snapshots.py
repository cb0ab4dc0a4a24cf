"""The diffs of what a turn changed."""

from pathlib import Path

import pytest

from codex_jupyter.notebook.workspace import file_snapshots
from codex_jupyter.notebook.workspace.file_snapshots import FileHistory
from codex_jupyter.sdk import FileUpdateChange


def change(path: Path, kind: str) -> FileUpdateChange:
    return FileUpdateChange(path=str(path), kind=kind)


@pytest.fixture
def history(tmp_path: Path) -> FileHistory:
    (tmp_path / "kept.py").write_text("one\ntwo\nthree\n")
    (tmp_path / "gone.txt").write_text("bye\n")
    history = FileHistory(tmp_path)
    history.remember()
    return history


def test_a_change_is_shown_against_what_was_there(tmp_path: Path, history: FileHistory) -> None:
    """Lines removed and added, with their surroundings, under names relative to the folder."""
    (tmp_path / "kept.py").write_text("one\n2\nthree\n")
    assert (
        history.diff([change(tmp_path / "kept.py", "update")]) == "--- a/kept.py\n+++ b/kept.py\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"
    )


def test_each_change_is_shown_against_the_one_before_it(tmp_path: Path, history: FileHistory) -> None:
    """A second patch of the same file does not show the first again."""
    (tmp_path / "kept.py").write_text("one\n2\nthree\n")
    history.diff([change(tmp_path / "kept.py", "update")])
    (tmp_path / "kept.py").write_text("one\n2\n3\n")
    assert "-two" not in history.diff([change(tmp_path / "kept.py", "update")])


def test_new_and_deleted_files_are_shown_whole(tmp_path: Path, history: FileHistory) -> None:
    """Several files of one patch stand one after the other."""
    (tmp_path / "new.txt").write_text("hello")
    (tmp_path / "gone.txt").unlink()
    diff = history.diff([change(tmp_path / "new.txt", "add"), change(tmp_path / "gone.txt", "delete")])
    assert "--- /dev/null\n+++ b/new.txt\n" in diff
    assert "+hello\n\\ No newline at end of file\n" in diff
    assert "--- a/gone.txt\n+++ /dev/null\n" in diff
    assert "-bye\n" in diff


def test_what_is_not_known_has_no_diff(tmp_path: Path, history: FileHistory) -> None:
    """A binary file, one that was too large to remember, and one outside the folder are left out."""
    (tmp_path / "kept.py").write_bytes(b"\xff\x00\xfe")
    large = tmp_path / "large.csv"
    large.write_text("x" * (file_snapshots.MAX_FILE_BYTES + 1))
    fresh = FileHistory(tmp_path)
    fresh.remember()
    large.write_text("small now")
    assert history.diff([change(tmp_path / "kept.py", "update")]) == ""
    assert fresh.diff([change(large, "update")]) == ""
    assert fresh.diff([change(Path("/etc/hostname"), "update")]) == ""


def test_the_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with more than the limits is looked at in part, and heavy folders not at all."""
    monkeypatch.setattr(file_snapshots, "MAX_FILES", 5)
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "a.js").write_text("a")
    for number in range(20):
        (tmp_path / f"{number:02}.txt").write_text("text\n")
    history = FileHistory(tmp_path)
    history.remember()
    for number in range(20):
        (tmp_path / f"{number:02}.txt").write_text("other\n")
    shown = [number for number in range(20) if history.diff([change(tmp_path / f"{number:02}.txt", "update")])]
    assert len(shown) == 5
    (tmp_path / "node_modules" / "a.js").write_text("b")
    assert history.diff([change(tmp_path / "node_modules" / "a.js", "update")]) == ""
