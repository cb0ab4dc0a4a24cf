"""A folder in the user's state with one small file per notebook, found by the notebook's path.

Several kernels can use it at once. What is stored belongs to a path, never to the content of a notebook.
"""

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import platformdirs
from filelock import FileLock, Timeout

LOCK_SECONDS: Final = 10.0
"""Maximum time to wait for another process that writes, in seconds. A write takes milliseconds."""


class StateFolder:
    """The files of notebooks in a folder.

    Args:
        folder: The folder. It is created by the first `locked`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder: Path = folder

    def file(self, notebook: Path) -> Path:
        """Return the file of a notebook."""
        return self.folder / f"{hashlib.sha256(os.fsencode(resolved(notebook))).hexdigest()[:32]}.json"

    def files(self) -> Iterator[Path]:
        """Yield the files of all notebooks."""
        yield from self.folder.glob("*.json")

    def write(self, notebook: Path, data: Mapping[str, Any]) -> None:
        """Replace the file of a notebook. Call it inside of `locked`.

        Raises:
            OSError: If it cannot be written. The previous file stays.
        """
        # A killed process leaves its temporary file. No other process writes now, because this one holds the lock.
        for leftover in self.folder.glob("*.tmp"):
            leftover.unlink(missing_ok=True)
        handle, name = tempfile.mkstemp(dir=self.folder, suffix=".tmp")  # readable for the owner only
        try:
            with open(handle, "w", encoding="utf-8") as file:
                # JSON escapes also encode a path that is not valid Unicode.
                json.dump(data, file, indent=1)
                file.flush()
                os.fsync(handle)
            os.replace(name, self.file(notebook))
        except BaseException:
            os.unlink(name)
            raise

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Create the folder, and lock it against other processes.

        Raises:
            OSError: If the folder cannot be created, or the lock is not released within `LOCK_SECONDS`.
        """
        for folder in reversed([self.folder, *self.folder.parents]):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
        lock = FileLock(self.folder / ".lock", timeout=LOCK_SECONDS, mode=0o600)
        try:
            lock.acquire()
        except Timeout:
            raise OSError(f"another process has locked it for {LOCK_SECONDS:g} seconds; the next prompt tries again") from None
        try:
            yield
        finally:
            lock.release()


def notebooks_folder() -> Path:
    """Return the folder of the stored threads. Other data about notebooks is below it, so that one rule protects all."""
    return platformdirs.user_state_path("codex-jupyter", appauthor=False) / "notebooks"


def set_aside(file: Path) -> str:
    """Rename a file that cannot be used, and return a sentence about it. The time in the new name keeps earlier ones."""
    aside = file.with_name(f"{file.stem}-{time.time_ns()}.corrupt")
    try:
        os.replace(file, aside)
    except OSError as error:
        return f"It could not be set aside ({reason(error)}): {file}"
    return f"It was set aside as {aside}"


def resolved(notebook: Path) -> str:
    """Return the path that a notebook is stored by."""
    return os.path.realpath(notebook)


def reason(error: OSError) -> str:
    """Return an error in a few words."""
    return (error.strerror or str(error)).lower()
