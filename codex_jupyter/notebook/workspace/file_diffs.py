"""Compute the differences that a patch makes, because `codex exec` reports only the names of the files.

The files before the turn are those of its snapshot. After a patch, its files are read. A change of a file that is not in the snapshot, or
that is not a small text file, has no diff.
"""

import difflib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from codex_jupyter.sdk import FileUpdateChange, Snapshot, SnapshotEntry, TurnRecording

MAX_FILE_BYTES: Final = 256 * 1024
"""Maximum size of a file with a diff, in bytes."""


class FileHistory:
    """The text files of a folder in their last known state.

    Args:
        folder: The working folder of the turns.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._recording: TurnRecording | None = None
        self._texts: dict[str, str] = {}
        """The files that a patch has changed already, in their last state."""

    def remember(self, recording: TurnRecording | None) -> None:
        """Use the snapshot of a turn. None if the files of the turn are not recorded; then no file has a diff."""
        self._recording = recording
        self._texts.clear()

    def diff(self, changes: Iterable[FileUpdateChange]) -> str:
        """Return the difference that a patch made, and store the new state.

        Args:
            changes: The files of an applied patch.

        Returns:
            A unified diff with the names `a/...` and `b/...`. Files of which the state before or after is unknown are left out.
        """
        return "".join(self._diff_of(change) for change in changes)

    def _diff_of(self, change: FileUpdateChange) -> str:
        path = os.path.normpath(self._folder / change.path)
        before = self._before(path, change)
        after = "" if not os.path.lexists(path) else _text(path)
        if after is None:
            self._texts.pop(path, None)
            return ""
        self._texts[path] = after
        if before is None or before == after:
            return ""
        try:
            name = Path(path).relative_to(self._folder).as_posix()
        except ValueError:
            name = Path(path).as_posix().lstrip("/")
        old, new = ("/dev/null" if change.kind == "add" else f"a/{name}"), ("/dev/null" if change.kind == "delete" else f"b/{name}")
        lines = difflib.unified_diff(before.splitlines(keepends=True), after.splitlines(keepends=True), old, new)
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)

    def _before(self, path: str, change: FileUpdateChange) -> str | None:
        """Return the text of a file before a patch, empty if it did not exist. None if it is unknown."""
        if path in self._texts:
            return self._texts[path]
        parent, name = os.path.split(path)
        real = os.path.join(os.path.realpath(parent), name)
        for snapshot in () if self._recording is None else self._recording.before:
            prefix = snapshot.root.rstrip("/") + "/"
            if real.startswith(prefix):
                return self._recorded(snapshot, real[len(prefix) :])
        return "" if change.kind == "add" else None

    def _recorded(self, snapshot: Snapshot, path: str) -> str | None:
        entry: SnapshotEntry | None = snapshot.entries.get(path)
        if entry is None:
            return "" if snapshot.covers(path) else None
        if self._recording is None or entry.size > MAX_FILE_BYTES:
            return None
        data = self._recording.store.read(entry)
        try:
            return None if data is None else data.decode("utf-8")
        except UnicodeDecodeError:
            return None


def _text(path: str) -> str | None:
    """Return the text of a small text file, or None for any other file."""
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > MAX_FILE_BYTES:
            return None
        return Path(path).read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
