"""Folders for the files of a turn that the CLI reads: images and the output schema."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from codex_jupyter.sdk.processes.forks import forget_after_fork
from codex_jupyter.sdk.processes.guardian import guardian
from codex_jupyter.sdk.processes.guardian_program import STAGING_PREFIX, lock_folder
from codex_jupyter.sdk.processes.spawn import system_error

_UNLOCKED_PREFIX: Final = "codex-jupyter-new-"
"""Start of the name of a folder that is not locked, so that no guardian takes it for the folder of a dead process."""


class _Folder:
    """A staged folder. It is locked as long as this process lives, where the system can do that."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=_UNLOCKED_PREFIX))
        self._handle: int | None = None
        with suppress(OSError):  # such as a network folder, whose abandoned folders are not recognised
            self._handle = lock_folder(str(self.path))
        if self._handle is not None:
            self.path = self.path.rename(self.path.with_name(STAGING_PREFIX + self.path.name.removeprefix(_UNLOCKED_PREFIX)))
        self._is_parents = False
        forget_after_fork(self)
        guardian.staged(str(self.path.parent))

    def remove(self) -> None:
        if not self._is_parents:
            shutil.rmtree(self.path, ignore_errors=True)
            self._unlock()

    def forget_parent(self) -> None:
        """Leave it to the parent. See `ForkAware`."""
        self._is_parents = True
        self._unlock()

    def _unlock(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


@contextmanager
def staging_folder() -> Iterator[Path]:
    """Create a folder that only this user can read, and remove it at the end of the block.

    If this process dies before, the guardian removes it, or else the guardian of the next process that runs codex.

    Raises:
        TransportError: If it cannot be created.
    """
    try:
        folder = _Folder()
    except OSError as error:
        raise system_error("The images of the turn cannot be staged", error) from error
    try:
        yield folder.path
    finally:
        folder.remove()
