"""The diffs of what a turn changed, against the snapshot of the files before it."""

from pathlib import Path

import pytest

from codex_jupyter.notebook.workspace import file_diffs
from codex_jupyter.notebook.workspace.file_diffs import FileHistory
from codex_jupyter.sdk import FileUpdateChange, SnapshotStore, ThreadOptions, TurnRecording

pytestmark = pytest.mark.anyio


def change(path: Path, kind: str) -> FileUpdateChange:
    return FileUpdateChange(path=str(path), kind=kind)


async def recorded(work: Path) -> FileHistory:
    """Return the history of a folder, whose state is recorded now."""
    options = ThreadOptions(working_directory=work)
    recording = TurnRecording(SnapshotStore(work.parent / "state"), options, work.parent / "home", lambda: False)
    await recording.start()
    assert recording.problem is None
    history = FileHistory(work)
    history.remember(recording)
    return history


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "kept.py").write_text("one\ntwo\nthree\n")
    (folder / "gone.txt").write_text("bye\n")
    return folder


async def test_a_change_is_shown_against_what_was_there(work: Path) -> None:
    """Lines removed and added, with their surroundings, under names relative to the folder."""
    history = await recorded(work)
    (work / "kept.py").write_text("one\n2\nthree\n")
    assert history.diff([change(work / "kept.py", "update")]) == "--- a/kept.py\n+++ b/kept.py\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"


async def test_each_change_is_shown_against_the_one_before_it(work: Path) -> None:
    """A second patch of the same file does not show the first again."""
    history = await recorded(work)
    (work / "kept.py").write_text("one\n2\nthree\n")
    history.diff([change(work / "kept.py", "update")])
    (work / "kept.py").write_text("one\n2\n3\n")
    assert "-two" not in history.diff([change(work / "kept.py", "update")])


async def test_new_and_deleted_files_are_shown_whole(work: Path) -> None:
    """Several files of one patch stand one after the other."""
    history = await recorded(work)
    (work / "new.txt").write_text("hello")
    (work / "gone.txt").unlink()
    diff = history.diff([change(work / "new.txt", "add"), change(work / "gone.txt", "delete")])
    assert "--- /dev/null\n+++ b/new.txt\n" in diff
    assert "+hello\n\\ No newline at end of file\n" in diff
    assert "--- a/gone.txt\n+++ /dev/null\n" in diff
    assert "-bye\n" in diff


async def test_what_is_not_known_has_no_diff(work: Path) -> None:
    """A binary file, one that is too large, one in an environment, one outside the folder, and all of a turn that was not recorded."""
    large = work / "large.csv"
    large.write_text("x" * (file_diffs.MAX_FILE_BYTES + 1))
    (work / "node_modules").mkdir()
    (work / "node_modules" / "a.js").write_text("a")
    history = await recorded(work)
    (work / "kept.py").write_bytes(b"\xff\x00\xfe")
    large.write_text("small now")
    (work / "node_modules" / "a.js").write_text("b")
    for path in (work / "kept.py", large, work / "node_modules" / "a.js", Path("/etc/hostname")):
        assert history.diff([change(path, "update")]) == ""
    history.remember(None)
    (work / "gone.txt").write_text("new")
    assert history.diff([change(work / "gone.txt", "update")]) == ""
