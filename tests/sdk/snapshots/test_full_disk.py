"""Undo when a disk is full in the middle, and when another process undoes the same turn. A limit of the size of files is the full disk."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from codex_jupyter.sdk.errors import ConfigError
from codex_jupyter.sdk.snapshots.store import SnapshotStore
from tests.sdk.snapshots.conftest import Work, tree

if sys.platform == "win32":  # pragma: no cover
    pytest.skip("Windows has no undo of files", allow_module_level=True)

import resource

FULL = "file too large"


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let writing beyond this size fail."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_no_file_is_changed_if_the_undo_cannot_be_recorded(work: Work) -> None:
    turn = work.turn(lambda: [(work.root / f"new{number}").write_text("x") for number in range(50)])
    plan, before = work.store.plan_undo([turn]), tree(work.root)
    with pytest.raises(OSError, match="too large"), largest_file(1000):
        work.store.restore(plan)
    assert tree(work.root) == before
    assert work.store.turn(turn.id) == turn
    assert not list(work.store.folder.glob("*/*.tmp"))


def test_a_file_that_replaces_a_folder_is_written_before_the_folder_is_removed(work: Work) -> None:
    name = work.root / "data"
    name.write_bytes(b"old" * 10_000)
    earlier = tree(work.root)

    def replace() -> None:
        name.unlink()
        name.mkdir()
        (name / "part").write_text("new")

    turn = work.turn(replace)
    later = tree(work.root)
    with largest_file(10_000):
        _, result = work.undo(turn)
    assert {refusal.path: refusal.reason for refusal in result.failed} == {"data": FULL}
    assert list(work.root.iterdir()) == [name]
    assert name.is_dir()
    work.redo(turn)
    assert tree(work.root) == later
    work.undo(turn)
    assert tree(work.root) == earlier


def test_an_undo_that_another_process_did_meanwhile_is_not_done_twice(work: Work) -> None:
    (work.root / "a").write_text("old")
    turn = work.turn(lambda: (work.root / "a").write_text("new"))
    plan = work.store.plan_undo([turn])
    SnapshotStore(work.store.folder).restore(plan)
    with pytest.raises(ConfigError, match="meanwhile, so nothing was changed"):
        work.store.restore(plan)
    work.redo(turn)
    assert (work.root / "a").read_text() == "new"
