"""Contents by their hash, in a folder that only the user can read."""

import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

GRACE: Final = 3600.0
"""Seconds for which an unused content stays, because another process may be about to refer to it."""


class Objects:
    """The stored contents.

    Args:
        folder: Their folder. It is created when something is stored.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._made = set[str]()

    def put(self, data: bytes, *, store: bool = True) -> str:
        """Return the hash of a content, and store it if it is not stored yet.

        Args:
            data: The content.
            store: False only computes the hash.

        Raises:
            OSError: If it cannot be stored.
        """
        digest = hashlib.sha256(data).hexdigest()
        if store:
            self._store(digest, data)
        return digest

    def _store(self, digest: str, data: bytes) -> None:
        path = self._path(digest)
        try:
            if os.path.getsize(path) == len(data):
                os.utime(path)  # it is in use again
                return
        except OSError:
            pass
        folder = os.path.dirname(path)
        if folder not in self._made:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            self._made.add(folder)
        temporary = f"{path}.{os.getpid()}-{time.monotonic_ns()}.tmp"
        try:
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data)
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise

    def get(self, digest: str) -> bytes | None:
        """Return a content. None if it is not stored, or damaged, as after a power failure."""
        try:
            data = Path(self._path(digest)).read_bytes()
        except OSError:
            return None
        return data if hashlib.sha256(data).hexdigest() == digest else None

    def size(self, digest: str) -> int | None:
        """Return the size of a stored content, None if it is not stored."""
        try:
            return os.path.getsize(self._path(digest))
        except OSError:
            return None

    def collect(self, used: set[str]) -> int:
        """Delete unused contents, and what a killed process has left. Return the bytes of the contents that stay."""
        self._made.clear()
        total, oldest = 0, time.time() - GRACE
        for parent in _entries(self._folder):
            for entry in _entries(parent.path):
                with suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    if parent.name + entry.name not in used and status.st_mtime < oldest:
                        os.unlink(entry.path)
                    else:
                        total += status.st_size
        return total

    def _path(self, digest: str) -> str:
        return f"{self._folder}/{digest[:2]}/{digest[2:]}"


def _entries(folder: str) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []
