"""Compute the differences that a patch makes, because `codex exec` reports only the names of the files.

Small text files of the working folder are read when a turn starts, while the CLI starts up. After a patch, its files are read again. The
stored data is limited, so that a folder full of data costs little. A change of a file that was not stored has no diff.
"""

import difflib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from codex_jupyter.sdk import FileUpdateChange

MAX_FILE_BYTES: Final = 256 * 1024
"""Maximum size of a stored file, in bytes."""
MAX_TOTAL_BYTES: Final = 16 * 1024 * 1024
MAX_FILES: Final = 2_000
MAX_SECONDS: Final = 0.5
"""Maximum time to read the folder, in seconds."""
SKIPPED_FOLDERS: Final = frozenset({".git", ".venv", "venv", "node_modules", "__pycache__", ".ipynb_checkpoints", ".mypy_cache"})


class FileHistory:
    """The text files of a folder in their last known state.

    Args:
        folder: The working folder of the turns.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._texts: dict[str, str] = {}
        self._complete = False

    def remember(self) -> None:
        """Read the small text files below the folder, within the limits. Blocks for at most `MAX_SECONDS`."""
        self._texts.clear()
        deadline, total = time.monotonic() + MAX_SECONDS, 0
        for path in walk(self._folder):
            if len(self._texts) >= MAX_FILES or total >= MAX_TOTAL_BYTES or time.monotonic() > deadline:
                self._complete = False
                return
            if (text := _text(path)) is not None:
                self._texts[path] = text
                total += len(text)
        self._complete = True

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
        is_new = change.kind == "add" or (self._complete and path not in self._texts and not os.path.lexists(path))
        before = self._texts.get(path, "" if is_new else None)
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


def walk(folder: Path, *, hidden: bool = True, skipped: str = "") -> Iterable[str]:
    """Yield the files below a folder, except those of version control, environments and caches.

    Args:
        folder: The folder.
        hidden: Include folders whose name starts with a dot.
        skipped: Real path of another folder to leave out. Empty for none.
    """
    for parent, folders, names in os.walk(folder):
        folders[:] = [
            name
            for name in folders
            if name not in SKIPPED_FOLDERS
            and (hidden or not name.startswith("."))
            and not (skipped and os.path.realpath(os.path.join(parent, name)) == skipped)
        ]
        yield from (os.path.join(parent, name) for name in names)


def _text(path: str) -> str | None:
    """Return the text of a small text file, or None for any other file."""
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > MAX_FILE_BYTES:
            return None
        return Path(path).read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
