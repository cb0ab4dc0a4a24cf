"""Folders that were prepared to make an undo read, delete or overwrite something else."""

import os
import shutil
import socket
from pathlib import Path

import pytest

from codex_jupyter.sdk.snapshots.limits import SnapshotLimits
from codex_jupyter.sdk.snapshots.plan import RestorePlan
from codex_jupyter.sdk.snapshots.records import TurnRecord
from codex_jupyter.sdk.snapshots.store import SnapshotStore
from tests.sdk.snapshots.conftest import Work, tree


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of the user that no undo may change."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "data").write_text("precious")
    return folder


def test_a_folder_that_became_a_link_during_the_turn_is_restored_beside_its_target(work: Work, outside: Path) -> None:
    (work.root / "folder").mkdir()
    (work.root / "folder" / "data").write_text("old")

    def change() -> None:
        shutil.rmtree(work.root / "folder")
        (work.root / "folder").symlink_to(outside)

    work.undo(work.turn(change))
    assert (work.root / "folder" / "data").read_text() == "old"
    assert not (work.root / "folder").is_symlink()
    assert tree(outside) == {"data": (0o644, b"precious")}


@pytest.mark.parametrize("moment", ["before the plan", "after the plan"])
def test_a_folder_that_became_a_link_after_the_turn_is_not_followed(work: Work, outside: Path, moment: str) -> None:
    """Neither for writing nor for deleting."""
    folder = work.root / "folder"
    folder.mkdir()
    (folder / "data").write_text("old")
    turn = work.turn(lambda: [(folder / "data").write_text("precious"), (folder / "new").write_text("precious")])
    (outside / "new").write_text("precious")

    def replace() -> None:
        shutil.rmtree(folder)
        folder.symlink_to(outside)

    if moment == "before the plan":
        replace()
        assert work.refused(turn) == {"folder/data": "was deleted after the turn"}
        work.undo(turn)
    else:
        plan = work.store.plan_undo([turn])
        replace()
        result = work.store.restore(plan)
        assert {refusal.path for refusal in result.failed} == {"folder/data", "folder/new"}
    assert tree(outside) == {"data": (0o644, b"precious"), "new": (0o644, b"precious")}


def test_a_root_that_became_a_link_is_refused(work: Work, outside: Path) -> None:
    (work.root / "data").write_text("old")
    turn = work.turn(lambda: (work.root / "data").write_text("precious"))
    plan = work.store.plan_undo([turn])
    shutil.rmtree(work.root)
    work.root.symlink_to(outside)
    assert "is not a folder any more" in next(iter(work.refused(turn).values()))
    assert len(work.store.restore(plan).failed) == 1
    assert tree(outside) == {"data": (0o644, b"precious")}


def test_a_hard_link_to_a_file_outside_is_replaced_and_the_file_stays(work: Work, outside: Path) -> None:
    (work.root / "data").write_text("old")

    def change() -> None:
        (work.root / "data").unlink()
        os.link(outside / "data", work.root / "data")
        os.link(outside / "data", work.root / "new")

    work.undo(work.turn(change))
    assert tree(work.root) == {"data": (0o644, b"old")}
    assert tree(outside) == {"data": (0o644, b"precious")}


def test_pipes_and_sockets_are_neither_opened_nor_created_and_are_deleted(work: Work) -> None:
    os.mkfifo(work.root / "pipe")
    assert work.store.take(work.root).uncovered == {"pipe": "not a file"}

    def change() -> None:
        os.unlink(work.root / "pipe")
        os.mkfifo(work.root / "new")
        with socket.socket(socket.AF_UNIX) as server:
            place = os.getcwd()
            os.chdir(work.root)  # the path of a socket must be short
            server.bind("socket")
            os.chdir(place)

    turn = work.turn(change)
    assert work.refused(turn) == {"pipe": "its earlier state was not stored (not a file)"}
    work.undo(turn)
    assert os.listdir(work.root) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_unreadable_files_and_folders_are_not_covered(work: Work) -> None:
    (work.root / "file").write_text("x")
    (work.root / "file").chmod(0)
    (work.root / "folder").mkdir(mode=0)
    assert work.store.take(work.root).uncovered == {"file": "cannot be read", "folder": "cannot be read"}
    (work.root / "folder").chmod(0o700)


@pytest.mark.parametrize("successor", ["nothing", "a file", "a folder"])
def test_what_a_turn_created_in_a_folder_that_it_made_read_only_is_removed(work: Work, successor: str) -> None:
    folder = work.root / "cache"
    if successor == "a file":
        folder.write_text("old")
    elif successor == "a folder":
        folder.mkdir()
    earlier = tree(work.root)

    def change() -> None:
        if folder.is_file():
            folder.unlink()
        folder.mkdir(exist_ok=True)
        (folder / "module").write_text("new")
        folder.chmod(0o555)

    turn = work.turn(change)
    later = tree(work.root)
    _, result = work.undo(turn)
    assert result.failed == ()
    assert tree(work.root) == earlier
    work.redo(turn)
    assert tree(work.root) == later
    folder.chmod(0o755)


def test_a_file_that_changes_between_plan_and_undo_stays(work: Work) -> None:
    (work.root / "a").write_text("old")
    turn = work.turn(lambda: [(work.root / "a").write_text("agent"), (work.root / "b").write_text("agent")])
    plan = work.store.plan_undo([turn])
    (work.root / "a").write_text("mine!")
    (work.root / "b").write_text("mine!")
    assert {refusal.path: refusal.reason for refusal in work.store.restore(plan).failed} == dict.fromkeys("ab", "has changed meanwhile")
    assert tree(work.root) == {"a": (0o644, b"mine!"), "b": (0o644, b"mine!")}


def test_a_name_that_differs_only_in_case_is_another_file(work: Work) -> None:
    (work.root / "name").write_text("old")
    turn = work.turn(lambda: (work.root / "name").rename(work.root / "NAME"))
    work.undo(turn)
    assert os.listdir(work.root) == ["name"]


def test_a_record_with_a_path_outside_of_its_folder_is_not_used(work: Work) -> None:
    turn = work.turn(lambda: (work.root / "a").write_text("agent"))
    (file,) = (work.store.folder / "turns").iterdir()
    file.write_text(file.read_text().replace('"a":', '"../a":'))
    assert work.store.turn(turn.id) is None
    file.write_text("{")
    assert (work.store.turns(), work.store.turn(turn.id)) == ([], None)
    with pytest.raises(ValueError, match="not an id"):
        work.store.turn("../turn")


def test_a_damaged_content_is_not_restored(work: Work) -> None:
    (work.root / "a").write_text("old")
    turn = work.turn(lambda: (work.root / "a").write_text("agent"))
    for file in (work.store.folder / "objects").rglob("*"):
        if file.is_file():
            file.write_bytes(b"bad")
    plan, result = work.undo(turn)
    assert isinstance(plan, RestorePlan)
    assert [refusal.reason for refusal in result.failed] == ["its earlier state is not stored any more"]
    assert (work.root / "a").read_text() == "agent"


def test_the_store_is_for_the_user_only(work: Work) -> None:
    (work.root / "a").write_text("old")
    (work.root / "a").chmod(0o666)
    work.turn(lambda: (work.root / "a").write_text("agent"))
    assert {path.stat().st_mode & 0o077 for path in (work.store.folder, *work.store.folder.rglob("*"))} == {0}


def test_a_turn_record_survives_its_form_as_json(work: Work) -> None:
    turn = work.turn(lambda: (work.root / os.fsdecode(b"\xff")).write_text("x"))
    assert work.store.turn(turn.id) == TurnRecord.of_json(turn.as_json()) == turn
    assert SnapshotStore(work.store.folder).turns() == [turn]


@pytest.mark.parametrize("mark", ["pyvenv.cfg", "conda-meta"])
def test_a_folder_that_a_turn_disguises_as_an_environment_is_restored(work: Work, mark: str) -> None:
    folder = work.root / "src"
    folder.mkdir()
    (folder / "a").write_text("old")
    (folder / "b").write_text("old")

    def change() -> None:
        (folder / mark).mkdir()
        (folder / "a").write_text("agent")
        (folder / "b").unlink()

    work.undo(work.turn(change))
    assert tree(folder) == {"a": (0o644, b"old"), "b": (0o644, b"old")}


def test_a_folder_that_has_too_many_files_after_a_turn_is_named(work: Work) -> None:
    work.store.limits = SnapshotLimits(files=3)
    (work.root / "src").mkdir()
    (work.root / "src" / "a").write_text("old")

    def change() -> None:
        for number in range(3):
            (work.root / "src" / f"new{number}").touch()
        (work.root / "src" / "a").write_text("agent")

    turn = work.turn(change)
    assert work.refused(turn) == {"src": "was not recorded after the turn (too many files)"}
    assert work.store.turn(turn.id) == turn


def test_a_working_folder_that_has_too_many_files_after_a_turn_is_named(work: Work) -> None:
    work.store.limits = SnapshotLimits(files=3)
    (work.root / "a").write_text("old")
    turn = work.turn(lambda: [(work.root / f"new{number}").write_text("x") for number in range(4)])
    (refusal,) = work.store.plan_undo([turn]).refused
    assert (Path(refusal.file), refusal.reason) == (work.root, "was not recorded after the turn (too many files)")


def test_bits_that_change_the_user_or_the_group_are_restored(work: Work) -> None:
    (work.root / "folder").mkdir()
    (work.root / "folder").chmod(0o2775)
    (work.root / "file").write_text("old")

    def change() -> None:
        (work.root / "file").chmod(0o4755)
        (work.root / "folder").chmod(0o1700)

    work.undo(work.turn(change))
    assert [(work.root / name).stat().st_mode & 0o7777 for name in ("file", "folder")] == [0o644, 0o2775]
