"""Remove the empty files and folders that a stopped sandbox of Codex leaves in a workspace."""

import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Final

from codex_jupyter._paths import is_below
from codex_jupyter._system_errors import NO_FOLDER
from codex_jupyter.sdk.errors import ConfigError
from codex_jupyter.sdk.models.options import ThreadOptions

METADATA: Final = (".git", ".agents", ".aws", ".codex")
"""Folders that are read-only in each folder that a profile names as writable. On Linux the sandbox mounts over them."""
_MOUNT_POINT: Final = 0o444
"""Permissions of a file that the sandbox makes in order to mount over it."""
_TOGETHER: Final = 0.5
"""Seconds within which the sandbox creates all its mount points. It takes about a millisecond."""


def absolute(path: Path | None) -> Path:
    """Return the absolute form of a path. `~` is the home folder, and a relative path starts at the current folder.

    Args:
        path: The path. None is the current folder.

    Raises:
        ConfigError: If the path is relative and the current folder was deleted.
    """
    try:
        if path is None or not path.parts:
            return _folder(os.getcwd())
        return path if path.is_absolute() else path.expanduser().absolute()
    except OSError:
        name = f"{path}: " if path is not None and path.parts else ""
        raise ConfigError(f"{name}{NO_FOLDER}.") from None


@lru_cache(maxsize=8)
def _folder(path: str) -> Path:
    """Return the path of a folder. Always the same object, because each turn asks for the current folder several times."""
    return Path(path)


def existing_folder(path: Path | None) -> Path:
    """Return the absolute form of the path of a working directory. None is the current folder.

    Raises:
        ConfigError: If the path is not a folder, is relative and the current folder was deleted, or cannot be sent to Codex.
    """
    folder = absolute(path)
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        raise ConfigError(
            f"The path of the working directory {str(folder)!a} is not UTF-8, so Codex cannot work there. Rename it."
        ) from None
    if not os.path.isdir(folder):
        raise ConfigError(f"The working directory {folder} does not exist, or is not a folder.")
    return folder


def absent_mount_points(options: ThreadOptions) -> list[str]:
    """Return the paths that the sandbox of this turn may create, and that do not exist yet.

    Raises:
        ConfigError: If the working directory is not a folder, or is relative and the current folder was deleted.
    """
    folder = existing_folder(options.working_directory)
    if options.sandbox_mode == "danger-full-access":
        return []
    writable = [str(folder), *(str(folder / root) for root in options.additional_directories)]
    # Joined as text: each turn waits for it, and `Path` takes three times as long.
    places = [f"{root.rstrip(os.sep)}{os.sep}{name}" for root in writable for name in METADATA]
    if options.sandbox_mode != "read-only" and options.read_only_paths:
        roots = [os.path.realpath(root) for root in writable]
        places += [first_missing(os.path.realpath(folder / path.expanduser()), roots) for path in options.read_only_paths]
    return [path for path in dict.fromkeys(places) if not os.path.lexists(path)]


def first_missing(path: str, roots: Iterable[str]) -> str:
    """Return the outermost part of a path that does not exist, or else the path. The sandbox can only mount over something in a folder.

    Args:
        path: An absolute path.
        roots: The writable folders.
    """
    for folder in map(str, Path(path).parents):
        if folder in roots or os.path.lexists(folder) or not any(is_below(folder, root) for root in roots):
            break
        path = folder
    return path


def remove_empty(places: Sequence[str]) -> None:
    """Remove what a stopped sandbox has left behind: empty folders, and empty files that no one may write to.

    The sandbox creates all missing places when a command starts. So an empty folder that was created alone, although several places were
    missing, is the user's and stays.

    Args:
        places: The places that were missing before the turn.
    """
    created: dict[str, os.stat_result] = {}
    for place in places:
        with suppress(OSError):
            created[place] = os.lstat(place)
    for place, status in created.items():
        others = [other.st_mtime for path, other in created.items() if path != place]
        is_alone = len(places) > 1 and all(abs(status.st_mtime - other) > _TOGETHER for other in others)
        with suppress(OSError):
            if stat.S_ISDIR(status.st_mode) and not is_alone:
                os.rmdir(place)
            elif stat.S_ISREG(status.st_mode) and status.st_size == 0 and stat.S_IMODE(status.st_mode) == _MOUNT_POINT:
                os.unlink(place)
