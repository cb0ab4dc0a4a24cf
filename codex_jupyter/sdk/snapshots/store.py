"""The store of snapshots in the user's state folder: contents by their hash, the last state of each folder, and a record per turn.

```text
objects/ab/cdef…    contents, each once
folders/ID.json     the state of a folder as a process has read it last, so that unchanged files are not read again
turns/ID.json       the changes of a turn
```

Each file is written completely before it gets its name. Contents are written before the records that refer to them, and deleted only if
nothing refers to them for an hour. So neither a killed process nor a second kernel makes a record incomplete.
"""

import hashlib
import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final
from weakref import WeakSet

import platformdirs
from filelock import FileLock

from codex_jupyter.sdk.errors import ConfigError
from codex_jupyter.sdk.snapshots.entries import Snapshot, SnapshotEntry
from codex_jupyter.sdk.snapshots.folder_states import FolderState, prepared, read_state, used_contents, write_whole
from codex_jupyter.sdk.snapshots.folders import SUPPORTED
from codex_jupyter.sdk.snapshots.limits import SnapshotLimits, SnapshotRetention
from codex_jupyter.sdk.snapshots.objects import GRACE, Objects
from codex_jupyter.sdk.snapshots.plan import RestorePlan, plan_restore
from codex_jupyter.sdk.snapshots.records import TurnRecord
from codex_jupyter.sdk.snapshots.restore import RestoreResult, restore
from codex_jupyter.sdk.snapshots.scan import Known, Scan, relative_paths

LOCK_SECONDS: Final = 10.0
"""Maximum time to wait for another process that writes, in seconds."""
COLLECT_SECONDS: Final = 6 * 3600.0
"""Seconds between two collections."""
_DAY: Final = 86_400.0


class SnapshotStore:
    """The stored snapshots. Its methods block, and may be called from several threads.

    Args:
        folder: Its folder, readable for the user only. None is `snapshots` in the package's state folder. It is created at the first use.
        limits: Limits of one snapshot.
        retention: Limits of the store.
    """

    def __init__(
        self, folder: Path | None = None, *, limits: SnapshotLimits | None = None, retention: SnapshotRetention | None = None
    ) -> None:
        self.folder: Path = folder or platformdirs.user_state_path("codex-jupyter", appauthor=False) / "snapshots"
        self.limits: SnapshotLimits = limits or SnapshotLimits()
        self.retention: SnapshotRetention = retention or SnapshotRetention()
        self._objects = Objects(self.folder / "objects")
        self._process = uuid.uuid4().hex[:12]
        self._known: dict[str, tuple[Snapshot, Known]] = {}
        """The last snapshot of each folder."""
        self._live: WeakSet[Snapshot] = WeakSet()
        """The snapshots in use, of which another process must not delete the contents."""
        self._scanning = threading.Lock()

    def __repr__(self) -> str:
        return f"SnapshotStore({str(self.folder)!r})"

    @property
    def supported(self) -> bool:
        """True if the system has what a safe restore needs. Windows has not."""
        return SUPPORTED

    def take(
        self,
        root: str | os.PathLike[str],
        *,
        exclude: Iterable[str | os.PathLike[str]] = (),
        cancelled: Callable[[], bool] = lambda: False,
        before: Snapshot | None = None,
    ) -> Snapshot:
        """Record the state of a folder. The same state gives the same object.

        Args:
            root: The folder.
            exclude: Files and folders to leave out.
            cancelled: Called often. If it returns True, the reading stops.
            before: The state before the turn that has ended. What it covers stays covered, if possible.

        Raises:
            OSError: If the folder cannot be read, or the store cannot be written to.
            SnapshotCancelledError: If `cancelled` returned True.
        """
        folder = os.path.realpath(root)
        with self._scanning:
            self._make_folders()
            last, last_files = self._last(folder)
            excluded = relative_paths(folder, (*exclude, self.folder))
            scan = Scan(folder, self._objects, self.limits, last_files, excluded, cancelled, before)
            snapshot = scan.run()
            if last is not None and (snapshot.entries, snapshot.skipped) == (last.entries, last.skipped):
                snapshot = last
            self._live.add(snapshot)
            if scan.states != last_files or snapshot is not last:
                self._save(snapshot, scan.states)
            else:
                with suppress(OSError):
                    os.utime(self._state_file(folder))
            self._known[folder] = (snapshot, scan.states)
            return snapshot

    def read(self, entry: SnapshotEntry) -> bytes | None:
        """Return the content of a file. None if it is not stored."""
        return self._objects.get(entry.content) if entry.kind == "file" and not entry.missing else None

    def keep(
        self, record_id: str, pairs: Sequence[tuple[Snapshot, Snapshot]], *, thread_id: str | None = None, turn_id: str | None = None
    ) -> TurnRecord:
        """Store the changes of a turn.

        Args:
            record_id: A new unique id, of letters, digits and `-`.
            pairs: The states before and after, for each folder of the turn.
            thread_id: The thread of the turn.
            turn_id: The server's id of the turn.

        Raises:
            OSError: If the store cannot be written to.
        """
        changes = {before.root: before.changes(after) for before, after in pairs}
        lost = {before.root: folders for before, after in pairs if (folders := before.lost(after))}
        record = TurnRecord(_checked(record_id), thread_id, time.time(), changes, turn_id, lost=lost)
        with self._locked():
            self._write_record(record)
            collected = self.folder / "collected"
            is_due = not collected.exists() or time.time() - collected.stat().st_mtime > COLLECT_SECONDS
        if is_due:
            self.collect()
        return record

    def turns(self, thread_id: str | None = None) -> list[TurnRecord]:
        """Return the records, oldest first. Records that cannot be read are left out.

        Args:
            thread_id: Return only those of this thread.
        """
        records = filter(None, (self._load(file) for file in (self.folder / "turns").glob("*.json")))
        return sorted((record for record in records if thread_id in (None, record.thread_id)), key=lambda record: record.time)

    def turn(self, record_id: str) -> TurnRecord | None:
        """Return one record. None if there is none, for example because it was deleted after its time."""
        return self._load(self._record_file(_checked(record_id)))

    def plan_undo(self, turns: Sequence[TurnRecord], keep: Collection[str | os.PathLike[str]] = ()) -> RestorePlan:
        """Compare the files with the states of turns, and return what an undo would do. Changes nothing.

        Args:
            turns: The records of consecutive turns, oldest first.
            keep: Files and folders that stay as they are.
        """
        return plan_restore(turns, self._objects, keep, redo=False)

    def plan_redo(self, turns: Sequence[TurnRecord], keep: Collection[str | os.PathLike[str]] = ()) -> RestorePlan:
        """Return what a redo would do, as `plan_undo` does.

        Args:
            turns: The records of the turns that were undone together, oldest first.
            keep: Files and folders that stay as they are.
        """
        return plan_restore(turns, self._objects, keep, redo=True)

    def restore(self, plan: RestorePlan) -> RestoreResult:
        """Do what a plan says, and record it. What has changed since the plan is refused.

        Args:
            plan: The plan.

        Raises:
            OSError: If the store cannot be written to. Nothing was changed then.
            ConfigError: If the turns were undone or redone since the plan, for example by another kernel. Nothing was changed then.
        """
        undo = "" if plan.redo else f"{time.time_ns():020}-{uuid.uuid4().hex}"

        def after(turn: TurnRecord, reached: Callable[[str, str], bool]) -> str:
            paths = {root: frozenset(path for path in changes if reached(root, path)) for root, changes in turn.folders.items()}
            return _as_text(replace(turn, undone=undo, restored={} if plan.redo else paths))

        with self._locked(), ExitStack() as stack:
            for turn in plan.turns:
                stored = self.turn(turn.id)
                if stored is None or (stored.undone, stored.restored) != (turn.undone, turn.restored):
                    raise ConfigError("The turns were undone, redone or deleted meanwhile, so nothing was changed. Undo or redo again.")
            # The records are written first, because the disk may be full. They have all paths of the plan.
            planned = {(step.root, step.path) for step in plan.steps}
            files = [self._record_file(turn.id) for turn in plan.turns]
            texts = [after(turn, lambda *path: path in planned) for turn in plan.turns]
            written = [stack.enter_context(prepared(file, text)) for file, text in zip(files, texts, strict=True)]
            result = restore(plan, self._objects)
            for turn, file, text in zip(plan.turns, files, written, strict=True):
                os.replace(text, file)
                if result.failed:
                    with suppress(OSError):  # a redo finds the other paths as they are, and leaves them
                        write_whole(file, after(turn, lambda root, path: path in result.reached.get(root, ())))
        return result

    def collect(self) -> None:
        """Delete what exceeds the retention, and contents that nothing refers to."""
        with self._locked():
            now, oldest = time.time(), time.time() - self.retention.days * _DAY
            records = self.turns()
            kept = [record for record in records if record.time >= oldest][-self.retention.turns :]
            states = self._newest_states(now, oldest)
            for leftover in self.folder.glob("*/*.tmp"):
                if leftover.stat().st_mtime < now - GRACE:
                    leftover.unlink(missing_ok=True)  # of a killed process
            total = self._objects.collect(used_contents(states.values(), kept))
            while total > self.retention.total_bytes and (kept or len(states) > 1):
                kept = kept[len(kept) // 2 + 1 :] if kept else kept
                if not kept and len(states) > 1:
                    states.popitem()[0].unlink(missing_ok=True)
                total = self._objects.collect(used_contents(states.values(), kept))
            present = {record.id for record in kept}
            for record in records:
                if record.id not in present:
                    self._record_file(record.id).unlink(missing_ok=True)
            (self.folder / "collected").touch(mode=0o600)

    def _newest_states(self, now: float, oldest: float) -> dict[Path, FolderState]:
        """Return the states of the folders that are kept, newest first: one of each, and those that a process may use."""
        files = sorted(((file.stat().st_mtime, file) for file in (self.folder / "folders").glob("*.json")), reverse=True)
        states, roots = dict[Path, FolderState](), set[str]()
        for modified, file in files:
            name = file.name.partition("-")[0]
            state = read_state(file) if modified >= oldest and (name not in roots or modified > now - _DAY) else None
            if state is None:
                file.unlink(missing_ok=True)
            else:
                states[file] = state
                roots.add(name)
        return states

    def _last(self, root: str) -> tuple[Snapshot | None, Known]:
        """Return the last state of a folder. Its file protects the contents, so without it nothing is known."""
        if root in self._known and self._state_file(root).exists():
            return self._known[root]
        files = (self.folder / "folders").glob(f"{_name(root)}-*.json")
        for file in sorted(files, key=lambda file: file.stat().st_mtime, reverse=True):
            state = read_state(file)
            if state is not None and state.root == root:
                return None, state.files
        return None, {}

    def _save(self, snapshot: Snapshot, states: Known) -> None:
        pinned = set[str]()
        for live in list(self._live):
            for path, entry in live.entries.items():
                file = states.get(path)
                if (file is None or file.entry is not entry) and entry.kind == "file" and not entry.missing:
                    pinned.add(entry.content)
        head = json.dumps({"root": snapshot.root, "pinned": sorted(pinned)})
        write_whole(self._state_file(snapshot.root), "\n".join([head, *(file.line for file in states.values())]))

    def _state_file(self, root: str) -> Path:
        return self.folder / "folders" / f"{_name(root)}-{self._process}.json"

    def _load(self, file: Path) -> TurnRecord | None:
        try:
            record = TurnRecord.of_json(json.loads(file.read_bytes()))
        except (OSError, ValueError, RecursionError):
            return None
        return record if record.id == file.stem else None

    def _write_record(self, record: TurnRecord) -> None:
        write_whole(self._record_file(record.id), _as_text(record))

    def _record_file(self, record_id: str) -> Path:
        return self.folder / "turns" / f"{record_id}.json"

    def _make_folders(self) -> None:
        if self.folder.exists() and self.folder.stat().st_mode & 0o077:
            self.folder.chmod(0o700)
        for folder in (*reversed(self.folder.parents), self.folder, *(self.folder / name for name in ("objects", "folders", "turns"))):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the store against other processes.

        Raises:
            OSError: If it cannot be created, or the lock is not released within `LOCK_SECONDS`.
        """
        self._make_folders()
        with FileLock(self.folder / ".lock", timeout=LOCK_SECONDS, mode=0o600):
            yield


def _as_text(record: TurnRecord) -> str:
    return json.dumps(record.as_json(), separators=(",", ":"))


def _checked(turn_id: str) -> str:
    if not turn_id or not turn_id.replace("-", "").isalnum() or not turn_id.isascii():
        raise ValueError(f"{turn_id!r} is not an id of a turn's record. It has letters, digits and '-'.")
    return turn_id


def _name(root: str) -> str:
    return hashlib.sha256(os.fsencode(root)).hexdigest()[:32]
