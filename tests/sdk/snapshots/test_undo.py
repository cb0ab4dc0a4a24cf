"""Undo and redo of what turns did to files."""

import os
import shutil
from pathlib import Path

from codex_jupyter.sdk.snapshots.limits import SnapshotLimits
from codex_jupyter.sdk.snapshots.store import SnapshotStore
from tests.sdk.snapshots.conftest import Work, tree


def fill(root: Path) -> None:
    (root / "src").mkdir()
    (root / "src" / "a.py").write_bytes(b"one\r\n\x00\xff")
    (root / "run.sh").write_text("true\n")
    (root / "run.sh").chmod(0o755)
    (root / "link").symlink_to("src/a.py")
    (root / "empty").mkdir(mode=0o750)
    (root / ".gitignore").write_text("*.log\n")
    (root / "ignored.log").write_text("log")
    (root / "nested" / ".git").mkdir(parents=True)
    (root / "nested" / "kept.txt").write_text("inner")
    (root / os.fsdecode(b"bad \xff\n name")).write_text("odd")


def test_undo_and_redo_restore_contents_rights_links_and_folders_byte_by_byte(work: Work) -> None:
    root = work.root
    fill(root)
    before = tree(root)

    def change() -> None:
        (root / "src" / "a.py").write_bytes(b"two")
        (root / "run.sh").chmod(0o644)
        (root / "link").unlink()
        (root / "link").symlink_to("elsewhere")
        (root / "empty").rmdir()
        (root / "ignored.log").unlink()
        (root / "nested" / "kept.txt").write_text("outer")
        (root / os.fsdecode(b"bad \xff\n name")).rename(root / "good name")
        (root / "new" / "deep").mkdir(parents=True)
        (root / "new" / "deep" / "file").write_text("new")

    turn = work.turn(change)
    after = tree(root)
    plan, result = work.undo(turn)
    assert tree(root) == before
    assert (plan.refused, result.failed) == ((), ())
    assert {step.path: step.kind for step in plan.files} == {
        "src/a.py": "change",
        "run.sh": "change",
        "link": "change",
        "ignored.log": "create",
        "nested/kept.txt": "change",
        os.fsdecode(b"bad \xff\n name"): "create",
        "good name": "delete",
        "new/deep/file": "delete",
    }
    plan, result = work.redo(turn)
    assert tree(root) == after
    assert (plan.refused, result.failed) == ((), ())


def test_entries_that_become_another_kind_are_restored(work: Work) -> None:
    root = work.root
    (root / "file").write_text("file")
    (root / "folder").mkdir()
    (root / "folder" / "inner").write_text("inner")
    (root / "dir").mkdir()
    (root / "dir" / "x").write_text("x")
    before = tree(root)

    def change() -> None:
        (root / "file").unlink()
        (root / "file").mkdir()
        (root / "file" / "inner").write_text("new")
        shutil.rmtree(root / "folder")
        (root / "folder").write_text("now a file")
        shutil.rmtree(root / "dir")
        (root / "dir").symlink_to("folder")

    turn = work.turn(change)
    after = tree(root)
    work.undo(turn)
    assert tree(root) == before
    work.redo(turn)
    assert tree(root) == after


def test_what_changed_since_is_refused_by_name_and_the_rest_is_undone(work: Work) -> None:
    root = work.root
    for name in ("a", "b", "c", "kept"):
        (root / name).write_text("old")

    def change() -> None:
        for name in ("a", "b", "kept", "new", "new2"):
            (root / name).write_text("agent")
        (root / "c").unlink()
        (root / "made").mkdir()
        (root / "made" / "file").write_text("agent")

    turn = work.turn(change)
    (root / "b").write_text("mine")
    (root / "c").write_text("mine")
    (root / "new").write_text("mine")
    (root / "new2").unlink()
    (root / "made" / "note").write_text("mine")
    plan, _ = work.undo(turn, keep=(root / "kept",))
    assert {refusal.path: refusal.reason for refusal in plan.refused} == {
        "b": "was changed after the turn",
        "c": "was created after the turn",
        "new": "was changed after the turn",
        "made": "contains files that stay",
    }
    assert plan.kept == (str(root / "kept"),)
    assert [(root / name).read_text() for name in ("a", "b", "c", "kept", "new")] == ["old", "mine", "mine", "agent", "mine"]
    assert os.listdir(root / "made") == ["note"]


def test_a_file_that_was_edited_by_hand_to_its_earlier_state_needs_nothing(work: Work) -> None:
    (work.root / "a").write_text("old")
    turn = work.turn(lambda: (work.root / "a").write_text("agent"))
    (work.root / "a").write_text("old")
    plan, _ = work.undo(turn)
    assert (plan.steps, plan.refused) == ((), ())
    plan, _ = work.redo(turn)
    assert (plan.steps, (work.root / "a").read_text()) == ((), "old")


def test_several_turns_are_undone_as_one(work: Work) -> None:
    root = work.root
    (root / "a").write_text("0")
    (root / "b").write_text("0")
    first = work.turn(lambda: [(root / "a").write_text("1"), (root / "b").write_text("1"), (root / "c").write_text("1")])
    (root / "b").write_text("mine")
    second = work.turn(lambda: [(root / "a").write_text("2"), (root / "b").write_text("2"), (root / "c").rename(root.parent / "c")])
    plan, _ = work.undo(first, second)
    assert [(refusal.path, refusal.reason) for refusal in plan.refused] == [("b", "was changed between the turns")]
    assert ((root / "a").read_text(), (root / "b").read_text(), (root / "c").exists()) == ("0", "2", False)
    work.redo(first, second)
    assert (root / "a").read_text() == "2"


def test_what_is_not_covered_is_named_before_and_refused_after(work: Work) -> None:
    root = work.root
    store = work.store = SnapshotStore(work.store.folder, limits=SnapshotLimits(file_bytes=100))
    (root / "large.bin").write_bytes(b"x" * 101)
    (root / ".env").write_text("PASSWORD=hunter2")
    (root / "settings.py").write_text("token = 'ghp_0123456789abcdefghij'")
    (root / "venv").mkdir()
    (root / "venv" / "pyvenv.cfg").write_text("")
    (root / "__pycache__").mkdir()
    (root / "__pycache__" / "a.pyc").write_bytes(b"")
    assert store.take(root).uncovered == {
        "large.bin": "too large",
        ".env": "its content looks secret",
        "settings.py": "its content looks secret",
        "venv": "an environment",
    }
    stored = b"".join(file.read_bytes() for file in store.folder.rglob("*") if file.is_file())
    assert b"hunter2" not in stored
    assert b"ghp_" not in stored

    def change() -> None:
        for name in ("large.bin", ".env", "settings.py", "venv/pyvenv.cfg", "__pycache__/a.pyc"):
            (root / name).write_text("agent")
        (root / ".netrc").write_text("agent")

    turn = work.turn(change)
    plan, _ = work.undo(turn)
    assert {refusal.path: refusal.reason for refusal in plan.refused} == {
        "large.bin": "its earlier state was not stored (too large)",
        ".env": "its earlier state was not stored (its content looks secret)",
        "settings.py": "its earlier state was not stored (its content looks secret)",
    }
    # A new secret file is deleted, but a redo cannot bring it back, so the plan says so.
    assert [(step.path, step.is_final) for step in plan.steps] == [(".netrc", True)]
    assert not (root / ".netrc").exists()


def test_commits_of_the_turn_stay_and_are_named(work: Work) -> None:
    git = work.root / ".git"
    (git / "logs").mkdir(parents=True)
    (git / "logs" / "HEAD").write_text("first\n")
    assert work.store.take(work.root).uncovered == {}
    turn = work.turn(lambda: (git / "logs" / "HEAD").write_text("first\nsecond\n"))
    assert work.refused(turn) == {".git": "the history of git changed and stays as it is"}


def test_a_folder_with_too_many_entries_is_not_covered_and_the_others_are(work: Work) -> None:
    work.store = SnapshotStore(work.store.folder, limits=SnapshotLimits(files=5, total_bytes=6))
    for name in ("a", "b"):
        (work.root / name).write_text("text")
    (work.root / "many").mkdir()
    for number in range(9):
        (work.root / "many" / str(number)).write_text("text")
    assert work.store.take(work.root).uncovered == {"b": "too much data", "many": "too many files"}
    turn = work.turn(lambda: [(work.root / "a").write_text("new"), (work.root / "many" / "0").write_text("new")])
    work.undo(turn)
    assert ((work.root / "a").read_text(), (work.root / "many" / "0").read_text()) == ("text", "new")
