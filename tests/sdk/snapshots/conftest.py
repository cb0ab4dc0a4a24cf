"""A folder with a store of snapshots, and turns that change it."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from codex_jupyter.sdk.snapshots.plan import RestorePlan
from codex_jupyter.sdk.snapshots.records import TurnRecord
from codex_jupyter.sdk.snapshots.restore import RestoreResult
from codex_jupyter.sdk.snapshots.store import SnapshotStore


def tree(root: Path) -> dict[str, Any]:
    """Return all entries below a folder: kind, permissions, and content or target."""
    entries: dict[str, Any] = {}
    for parent, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(parent, name)
            status = path.lstat()
            content: Any = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else path.is_dir()
            entries[str(path.relative_to(root))] = (0 if path.is_symlink() else status.st_mode & 0o777, content)
    return entries


@dataclass
class Work:
    """A folder, and the turns that ran in it."""

    root: Path
    store: SnapshotStore

    def turn(self, change: Callable[[], object]) -> TurnRecord:
        """Run a turn, which is a function."""
        before = self.store.take(self.root)
        change()
        return self.store.keep(uuid4().hex, [(before, self.store.take(self.root, before=before))])

    def undo(self, *turns: TurnRecord, keep: tuple[Path, ...] = ()) -> tuple[RestorePlan, RestoreResult]:
        plan = self.store.plan_undo(turns, keep)
        return plan, self.store.restore(plan)

    def redo(self, *turns: TurnRecord) -> tuple[RestorePlan, RestoreResult]:
        records = [record for record in map(self.store.turn, (turn.id for turn in turns)) if record is not None]
        plan = self.store.plan_redo(records)
        return plan, self.store.restore(plan)

    def refused(self, *turns: TurnRecord) -> dict[str, str]:
        """Return the paths that an undo refuses, with the reasons, and check that it changes nothing of them."""
        return {refusal.path: refusal.reason for refusal in self.store.plan_undo(turns).refused}


@pytest.fixture
def work(tmp_path: Path) -> Work:
    root = tmp_path / "work"
    root.mkdir()
    return Work(root.resolve(), SnapshotStore(tmp_path / "state"))
