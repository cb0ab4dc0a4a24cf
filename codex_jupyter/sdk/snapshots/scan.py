"""Read the state of a folder. Files that have not changed since the last time are not read again.

No link is followed, nothing is opened that could block, and no entry is left out because of ignore files: `.gitignore` and filters of git
do not apply, and nested repositories are folders like all others.
"""

import json
import os
import stat
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol, TypeAlias

from codex_jupyter.sdk.file_state import shows_changes
from codex_jupyter.sdk.snapshots.entries import MODE, VERSION_CONTROL, Snapshot, SnapshotEntry
from codex_jupyter.sdk.snapshots.folders import open_folder, open_root, read_file
from codex_jupyter.sdk.snapshots.limits import SnapshotLimits
from codex_jupyter.sdk.snapshots.secret_files import looks_secret

CACHES: Final = frozenset({"__pycache__", ".ipynb_checkpoints", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hg", ".svn"})
"""Folders that are not covered, and that the user need not be told about."""  # words: allow
ENVIRONMENT: Final = "an environment"
_MARKS: Final = frozenset({"pyvenv.cfg", "conda-meta"})
"""Names that only the top folder of a Python environment contains."""
SECRET: Final = "its content looks secret"  # noqa: S105 - a reason for display
TOO_LARGE: Final = "too large"
TOO_MUCH: Final = "too much data"
TOO_MANY: Final = "too many files"
TOO_SLOW: Final = "reading takes too long"
UNREADABLE: Final = "cannot be read"
_OBSERVED_OF_GIT: Final = ("HEAD", "logs/HEAD")
"""The files that each commit, checkout and reset of git changes."""

StatKey: TypeAlias = tuple[int, int, int, int, int]


class KnownFile(NamedTuple):
    """A file of a snapshot, and what identifies its state."""

    key: StatKey
    entry: SnapshotEntry
    line: str
    """The file as a line of JSON, made once."""

    @classmethod
    def of(cls, path: str, key: StatKey, entry: SnapshotEntry) -> "KnownFile":
        """Return a file with its line."""
        return cls(key, entry, json.dumps([path, key, entry.as_json()], separators=(",", ":")))

    @classmethod
    def of_line(cls, line: str) -> "tuple[str, KnownFile]":
        """Return the path and the file of a line.

        Raises:
            ValueError: If the line has another form.
        """
        path, (mtime, ctime, size, inode, mode), entry = json.loads(line)
        return path, cls((mtime, ctime, size, inode, mode), SnapshotEntry.of_json(entry), line)


Known: TypeAlias = Mapping[str, KnownFile]
"""The files of the last snapshot by path."""


class SnapshotCancelledError(Exception):
    """Raised when the reading of a folder was cancelled."""


class Contents(Protocol):
    """Where contents are stored."""

    def put(self, data: bytes, *, store: bool) -> str:
        """Return the hash of a content. Store the content if `store` is true."""
        ...


@dataclass(slots=True)
class Scan:
    """The reading of a folder.

    Args:
        root: The folder, without links in its path.
        contents: Where contents are stored.
        limits: What is read at most.
        earlier: The files of the last time.
        exclude: Paths relative to the root that are left out.
        cancelled: Returns True to stop.
        before: The state before the turn. Its folders do not become environments: a file that a turn creates must not hide its changes.
    """

    root: str
    contents: Contents
    limits: SnapshotLimits
    earlier: Known
    exclude: frozenset[str]
    cancelled: Callable[[], bool]
    before: Snapshot | None = None
    entries: dict[str, SnapshotEntry] = field(default_factory=dict)
    states: dict[str, KnownFile] = field(default_factory=dict)
    """The files for the next time."""
    skipped: dict[str, str] = field(default_factory=dict)
    _files: list[tuple[str, os.stat_result]] = field(default_factory=list)
    _folders: deque[str] = field(default_factory=deque)
    _device: int = 0
    _bytes: int = 0
    _deadline: float = 0.0

    def run(self) -> Snapshot:
        """Read the folder, its upper levels first.

        Raises:
            OSError: If it cannot be opened.
            SnapshotCancelledError: If the reading was cancelled.
        """
        self._deadline = time.monotonic() + self.limits.seconds
        with open_root(self.root) as root:
            self._device = os.fstat(root).st_dev
            self._folders.append("")
            while self._folders:
                self._check()
                path = self._folders.popleft()
                try:
                    with open_folder(root, path) as folder:
                        self._read_folder(folder, path)
                except OSError:
                    self.skipped[path] = UNREADABLE
        return Snapshot(self.root, self.entries, self.skipped)

    def _check(self) -> None:
        if self.cancelled():
            raise SnapshotCancelledError

    def _read_folder(self, folder: int, path: str) -> None:
        prefix = f"{path}/" if path else ""
        left = self.limits.files - len(self.entries)
        children: list[tuple[str, os.stat_result]] = []
        may_be_environment = bool(path) and not (self.before is not None and self.before.reads(path))
        with os.scandir(folder) as iterator:
            for entry in iterator:
                if len(children) >= left:
                    self.skipped[path] = TOO_MANY
                    return
                name = entry.name
                if may_be_environment and name in _MARKS:
                    self.skipped[path] = ENVIRONMENT
                    return
                if prefix + name not in self.exclude:
                    try:
                        children.append((name, entry.stat(follow_symlinks=False)))
                    except FileNotFoundError:
                        continue  # deleted meanwhile
        children.sort()
        for name, status in children:
            self._add(folder, prefix + name, name, status)

    def _add(self, folder: int, path: str, name: str, status: os.stat_result) -> None:
        mode = status.st_mode
        if stat.S_ISREG(mode):
            self._add_file(folder, path, name, status)
        elif stat.S_ISDIR(mode):
            self._add_folder(folder, path, name, status)
        elif stat.S_ISLNK(mode):
            try:
                self.entries[path] = SnapshotEntry("link", 0, os.readlink(name, dir_fd=folder))
            except OSError:
                self.entries[path] = SnapshotEntry("link", 0, identity(status), missing=UNREADABLE)
        else:
            self.entries[path] = SnapshotEntry("other", 0, f"{stat.S_IFMT(mode)}:{status.st_ino}", missing="not a file")

    def _add_folder(self, folder: int, path: str, name: str, status: os.stat_result) -> None:
        self.entries[path] = SnapshotEntry("folder", status.st_mode & MODE)
        if name == ".git":
            self.skipped[path] = ""
            self._observe_git(folder, path)
        elif name in CACHES:
            self.skipped[path] = ""
        elif name == "node_modules":
            self.skipped[path] = ENVIRONMENT
        elif status.st_dev != self._device:
            self.skipped[path] = "another file system"
        else:
            self._folders.append(path)

    def _observe_git(self, folder: int, path: str) -> None:
        """Record when the history of a repository has changed last. So a later snapshot differs from this one."""
        marks = []
        for name in _OBSERVED_OF_GIT:
            try:
                status = os.stat(f".git/{name}", dir_fd=folder, follow_symlinks=False)
                marks.append(identity(status))
            except OSError:
                marks.append("")
        entry = self.entries[path]
        self.entries[path] = SnapshotEntry("folder", entry.mode, " ".join(marks), missing=VERSION_CONTROL)

    def _add_file(self, folder: int, path: str, name: str, status: os.stat_result) -> None:
        size = status.st_size
        key = (status.st_mtime_ns, status.st_ctime_ns, size, status.st_ino, status.st_mode)
        self._bytes += size
        if size > self.limits.file_bytes:
            entry = self._uncovered(status, TOO_LARGE)
        elif self._bytes > self.limits.total_bytes:
            self._bytes -= size
            entry = self._uncovered(status, TOO_MUCH)
        else:
            last = self.earlier.get(path)
            if last is not None and last.key == key:
                self.entries[path] = last.entry
                self.states[path] = last
                return
            self._check()
            entry, is_stable = self._read(folder, name, status)
            if is_stable:
                self.states[path] = KnownFile.of(path, key, entry)
        self.entries[path] = entry

    def _read(self, folder: int, name: str, status: os.stat_result) -> tuple[SnapshotEntry, bool]:
        """Return the entry of a file, and True if its times will change when the file changes."""
        if time.monotonic() > self._deadline:
            return self._uncovered(status, TOO_SLOW), False
        now = time.time_ns()
        try:
            data = read_file(folder, name, self.limits.file_bytes)
        except OSError:
            return self._uncovered(status, UNREADABLE), False
        if data is None:
            return self._uncovered(status, UNREADABLE), False
        is_secret = looks_secret(name, data)
        digest = self.contents.put(data, store=not is_secret)
        entry = SnapshotEntry("file", status.st_mode & MODE, digest, len(data), SECRET if is_secret else "")
        return entry, len(data) == status.st_size and shows_changes(status, now)

    def _uncovered(self, status: os.stat_result, reason: str) -> SnapshotEntry:
        return SnapshotEntry("file", status.st_mode & MODE, identity(status), status.st_size, reason)


def relative_paths(root: str, paths: Iterable[str | os.PathLike[str]]) -> frozenset[str]:
    """Return the paths that lie below the root, relative to it."""
    prefix = root.rstrip("/") + "/"
    forms = {form for path in paths for form in (os.path.abspath(path), os.path.realpath(path))}
    return frozenset(form[len(prefix) :] for form in forms if form.startswith(prefix))


def identity(status: os.stat_result) -> str:
    """Return a text that changes when a file may have changed."""
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ino}"
