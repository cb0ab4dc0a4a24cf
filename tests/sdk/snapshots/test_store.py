"""The store: what is read again, what is kept, and two processes at once."""

import os
import time
from functools import partial
from pathlib import Path

import pytest
from filelock import FileLock

from codex_jupyter.sdk import file_state
from codex_jupyter.sdk.snapshots import folders, scan, store
from codex_jupyter.sdk.snapshots.limits import SnapshotRetention
from codex_jupyter.sdk.snapshots.scan import SnapshotCancelledError
from codex_jupyter.sdk.snapshots.store import SnapshotStore
from tests.sdk.snapshots.conftest import Work


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read. All times count as older than a change could be."""
    names: list[str] = []

    def read(folder: int, name: str, limit: int) -> bytes | None:
        names.append(name)
        return folders.read_file(folder, name, limit)

    monkeypatch.setattr(scan, "read_file", read)
    monkeypatch.setattr(file_state, "RACY", -1_000_000_000)
    return names


def test_unchanged_files_are_read_once_also_by_the_next_process(work: Work, reads: list[str]) -> None:
    for name in "abc":
        (work.root / name).write_text(name)
    first = work.store.take(work.root)
    assert sorted(reads) == ["a", "b", "c"]
    assert work.store.take(work.root) is first
    other = SnapshotStore(work.store.folder)
    assert other.take(work.root).entries == first.entries
    assert len(reads) == 3
    (work.root / "b").write_text("B!")
    assert first.changes(other.take(work.root)).keys() == {"b"}
    assert reads[3:] == ["b"]


def test_a_file_that_changed_just_before_is_read_again(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its times could stay as they are at another change."""
    monkeypatch.setattr(file_state, "RACY", 1 << 62)
    file = work.root / "a"
    file.write_text("one")
    status = file.stat()
    before = work.store.take(work.root)
    real = os.DirEntry.stat
    file.write_text("two")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert real is os.DirEntry.stat
    assert before.changes(work.store.take(work.root)).keys() == {"a"}


def test_a_store_of_another_process_can_undo(work: Work) -> None:
    (work.root / "a").write_text("old")
    turn = work.turn(lambda: (work.root / "a").write_text("agent"))
    work.store = SnapshotStore(work.store.folder)
    work.undo(*work.store.turns())
    assert (work.root / "a").read_text() == "old"
    undone = work.store.turn(turn.id)
    assert undone is not None
    assert undone.undone


def test_collection_keeps_what_records_and_running_turns_refer_to(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codex_jupyter.sdk.snapshots.objects.GRACE", -1.0)
    (work.root / "a").write_text("old")
    (work.root / "b").write_text("0")
    turn = work.turn(lambda: (work.root / "a").write_text("agent"))
    before = work.store.take(work.root)  # of a turn that runs now
    (work.root / "b").write_text("1")
    work.store.take(work.root)  # of another turn in the same kernel
    SnapshotStore(work.store.folder).collect()
    (work.root / "b").write_text("2")
    second = work.store.keep("second", [(before, work.store.take(work.root))])
    work.undo(turn)
    work.undo(second)
    assert [(work.root / name).read_text() for name in "ab"] == ["old", "0"]


def test_the_store_is_bounded_in_turns_and_bytes(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codex_jupyter.sdk.snapshots.objects.GRACE", -1.0)
    for number in range(6):
        work.turn(partial((work.root / "a").write_bytes, bytes([number]) * 10_000))
    limited = SnapshotStore(work.store.folder, retention=SnapshotRetention(turns=4))
    limited.collect()
    assert len(limited.turns()) == 4
    SnapshotStore(work.store.folder, retention=SnapshotRetention(total_bytes=25_000)).collect()
    assert sum(file.stat().st_size for file in (limited.folder / "objects").rglob("*") if file.is_file()) <= 25_000
    assert len(limited.turns()) == 1
    SnapshotStore(work.store.folder, retention=SnapshotRetention(days=-1)).collect()
    assert limited.turns() == []


def test_what_a_killed_process_left_is_deleted_after_an_hour(work: Work) -> None:
    (work.root / "a").write_text("old")
    work.store.take(work.root)
    (parent,) = (work.store.folder / "objects").iterdir()
    leftovers = [parent / "x.tmp", work.store.folder / "turns" / "x.tmp"]
    for file in leftovers:
        file.write_text("half")
    work.store.collect()
    assert all(map(Path.exists, leftovers))
    for file in leftovers:
        os.utime(file, (time.time() - 7200,) * 2)
    work.store.collect()
    assert not any(map(Path.exists, leftovers))


def test_reading_can_be_cancelled(work: Work) -> None:
    (work.root / "a").write_text("x")
    with pytest.raises(SnapshotCancelledError):
        work.store.take(work.root, cancelled=lambda: True)
    assert work.store.take(work.root).entries.keys() == {"a"}


def test_excluded_files_and_the_store_itself_are_left_out(work: Work) -> None:
    (work.root / "a.ipynb").write_text("{}")
    inside = SnapshotStore(work.root / "state" / "snapshots")
    inside.take(work.root)
    assert inside.take(work.root, exclude=[work.root / "a.ipynb"]).entries.keys() == {"state"}


def test_a_lock_of_another_process_ends_the_wait_with_an_error(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "LOCK_SECONDS", 0.01)
    with FileLock(work.store.folder / ".lock"), pytest.raises(OSError, match=r"\.lock"):
        SnapshotStore(work.store.folder).keep("a", [])
