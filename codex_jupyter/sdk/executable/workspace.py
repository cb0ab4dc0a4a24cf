"""Folders that the sandbox of the codex executable leaves in a workspace."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from codex_jupyter.sdk.errors import ConfigError
from codex_jupyter.sdk.models.options import ThreadOptions

METADATA: Final = (".git", ".agents", ".aws", ".codex")
"""Folders that are read-only in each folder that a profile names as writable. On Linux the sandbox mounts over them."""


def absent_mount_points(options: ThreadOptions) -> list[str]:
    """The folders that the sandbox of this turn may leave behind.

    Raises:
        ConfigError: If the working directory is none.
    """
    folder = options.working_directory or Path.cwd()
    if not folder.is_dir():
        raise ConfigError(f"The working directory {folder} is not there, or is no folder.")
    if options.sandbox_mode == "danger-full-access":
        return []
    writable = [folder.absolute(), *(folder.absolute() / root for root in options.additional_directories)]
    # Joined as text: each turn waits for it, and `Path` takes three times as long.
    return [path for root in writable for name in METADATA if not os.path.lexists(path := os.path.join(root, name))]


def remove_empty(folders: Sequence[str]) -> None:
    """Remove those of the folders that are there and empty."""
    for folder in folders:
        with suppress(OSError):
            os.rmdir(folder)
