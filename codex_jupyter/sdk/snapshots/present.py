"""Look at the present state of single paths below a root, without following a link."""

import hashlib
import os
import stat
from contextlib import ExitStack
from typing import Final, Self

from codex_jupyter.sdk.file_state import file_state
from codex_jupyter.sdk.snapshots.entries import MODE, SnapshotEntry, SnapshotEntryKind
from codex_jupyter.sdk.snapshots.folders import open_folder, open_root, read_file
from codex_jupyter.sdk.snapshots.scan import SECRET, identity

_MAX_FILE: Final = 1 << 40


class PresentFolder:
    """The present state of a folder. Use it as a context manager.

    Args:
        root: The folder, without links in its path.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._stack = ExitStack()
        self._handle = -1
        self._names: dict[str, frozenset[str] | None] = {}
        self._hashes: dict[tuple[str, tuple[int, ...]], str] = {}

    def __enter__(self) -> Self:
        """Open the folder.

        Raises:
            OSError: If it is not a folder any more.
        """
        self._handle = self._stack.enter_context(open_root(self._root))
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    @property
    def handle(self) -> int:
        """The open root."""
        return self._handle

    def names(self, folder: str) -> frozenset[str] | None:
        """Return the names in a folder, exactly as they are written. None if it is not a folder, or a link is on the way to it."""
        if folder not in self._names:
            try:
                with open_folder(self._handle, folder) as handle:
                    self._names[folder] = frozenset(os.listdir(handle))
            except OSError:
                self._names[folder] = None
        return self._names[folder]

    def status(self, path: str) -> os.stat_result | None:
        """Return the status of an entry. None if nothing is there under exactly this name."""
        parent, _, name = path.rpartition("/")
        if name not in (self.names(parent) or ()):
            return None  # a file system may ignore case: there, a look at the name alone would find another entry
        try:
            with open_folder(self._handle, parent) as folder:
                return os.stat(name, dir_fd=folder, follow_symlinks=False)
        except OSError:
            return None

    def forget(self, path: str) -> None:
        """Read the folder of this path again at the next look, because it was changed."""
        self._names.pop(path.rpartition("/")[0], None)
        self._names.pop(path, None)

    def matches(self, path: str, expected: SnapshotEntry | None) -> bool:
        """Return whether a path is in an expected state.

        Raises:
            OSError: If the file cannot be read.
        """
        status = self.status(path)
        if status is None or expected is None:
            return status is None and expected is None
        if kind_of(status) != expected.kind:
            return False
        match expected.kind:
            case "file":
                has_hash = not expected.missing or expected.missing == SECRET
                if (status.st_mode & MODE, status.st_size) != (expected.mode, expected.size):
                    return False
                return expected.content == (self._hash(path, status) if has_hash else identity(status))
            case "folder":
                return status.st_mode & MODE == expected.mode
            case "link":
                parent, _, name = path.rpartition("/")
                with open_folder(self._handle, parent) as folder:
                    return os.readlink(name, dir_fd=folder) == expected.content
            case "other":
                return expected.content == f"{stat.S_IFMT(status.st_mode)}:{status.st_ino}"

    def _hash(self, path: str, status: os.stat_result) -> str:
        key = (path, file_state(status))
        if key not in self._hashes:
            parent, _, name = path.rpartition("/")
            with open_folder(self._handle, parent) as folder:
                data = read_file(folder, name, _MAX_FILE)
            self._hashes[key] = "" if data is None else hashlib.sha256(data).hexdigest()
        return self._hashes[key]


def kind_of(status: os.stat_result) -> SnapshotEntryKind:
    """Return the kind of an entry."""
    mode = status.st_mode
    return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "link" if stat.S_ISLNK(mode) else "other"
