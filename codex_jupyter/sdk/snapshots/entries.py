"""The values of a snapshot: files, links and folders with their contents as hashes. No I/O."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

MODE: Final = 0o7777
"""The permission bits, with those that change the user, the group and deletion."""
SnapshotEntryKind: TypeAlias = Literal["file", "link", "folder", "other"]
_KINDS: Final[tuple[str, ...]] = get_args(SnapshotEntryKind)


@dataclass(frozen=True, slots=True)
class SnapshotEntry:
    """An entry of a folder."""

    kind: SnapshotEntryKind
    """`other` is a pipe, a socket or a device."""
    mode: int = 0
    """The permission bits."""
    content: str = ""
    """The SHA-256 of a stored or secret file, or the target of a link. Of others, a text that changes when the content may have changed."""
    size: int = 0
    missing: str = ""
    """The reason why the content is not stored. Empty if the entry can be restored."""

    def as_json(self) -> list[Any]:
        """Return the entry as JSON values."""
        return [self.kind, self.mode, self.content, self.size, self.missing]

    @classmethod
    def of_json(cls, values: Any) -> "SnapshotEntry":
        """Return the entry of `as_json`.

        Raises:
            ValueError: If the values have another form.
        """
        kind, mode, content, size, missing = values
        if kind not in _KINDS or [type(value) for value in (mode, content, size, missing)] != [int, str, int, str]:
            raise ValueError("not an entry of a snapshot")
        return cls(kind, mode, content, size, missing)


@dataclass(frozen=True, slots=True)
class SnapshotChange:
    """The states of a path before and after. None means that nothing was there."""

    before: SnapshotEntry | None
    after: SnapshotEntry | None


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The state of a folder."""

    root: str
    """The folder, without links in its path."""
    entries: Mapping[str, SnapshotEntry]
    """The entries by their path relative to the root, with `/`."""
    skipped: Mapping[str, str]
    """Folders that are not covered, with the reason. The reason is empty if the user need not know, as for caches."""

    @property
    def uncovered(self) -> dict[str, str]:
        """The paths that cannot be restored, with the reasons. Without caches and what was excluded."""
        folders = {path: reason for path, reason in self.skipped.items() if reason}
        return folders | {path: entry.missing for path, entry in self.entries.items() if entry.missing and entry.missing != VERSION_CONTROL}

    def covers(self, path: str) -> bool:
        """Return whether the state of a path is known, also if nothing was there."""
        return not is_below(path, self.skipped)

    def reads(self, folder: str) -> bool:
        """Return whether the entries of a folder are known. The empty path is the root."""
        entry = self.entries.get(folder)
        return folder not in self.skipped and (not folder or (entry is not None and entry.kind == "folder"))

    def lost(self, later: "Snapshot") -> dict[str, str]:
        """Return the folders that this state covers and a later one does not, with the reasons. Changes there are not known."""
        return {path: reason or "a cache" for path, reason in later.skipped.items() if self.reads(path)}

    def changes(self, later: "Snapshot") -> dict[str, SnapshotChange]:
        """Return the differences between this state and a later one, by path. Folders that one of them does not cover are left out."""
        before, after = self.entries, later.entries
        if before is after:
            return {}
        pairs = ((path, entry, after.get(path)) for path, entry in before.items())
        changed = {path: SnapshotChange(entry, other) for path, entry, other in pairs if other is not entry and other != entry}
        changed |= {path: SnapshotChange(None, entry) for path, entry in after.items() if path not in before}
        skipped = {*self.skipped, *later.skipped}
        return {path: change for path, change in sorted(changed.items()) if not is_below(path, skipped)}


VERSION_CONTROL: Final = "version control"
"""The reason for files of git that are observed, but not covered."""


def parents(path: str) -> Iterable[str]:
    """Yield the folders that contain a path, the nearest first, without the root."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def is_below(path: str, folders: Iterable[str]) -> bool:
    """Return whether a path lies in one of the folders. The empty path is the root."""
    folders = folders if isinstance(folders, set | frozenset | Mapping) else set(folders)
    return bool(folders) and ("" in folders or any(parent in folders for parent in parents(path)))
