"""Decide whether an executable that was found, not named by the user, may be run.

Two parties must not be able to put a program where we look for one: other users of the machine, and the agent, whose sandbox lets it write
into the working folder, the additional folders and the temporary folders. Everything that the system visits to open the file counts: its
folders up to the root, and the links on the way with their own folders. All of it is examined, nothing is run.
"""

import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias

FolderId: TypeAlias = tuple[int, int]
"""Device and inode, which identify a folder independently of its path."""
MAX_LINKS: Final = 40
"""Links on the way to one file; Linux follows as many."""
_ROOT: Final = 0
_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH


def agent_folders(folders: Iterable[Path], env: Mapping[str, str]) -> dict[FolderId, Path]:
    """Return the folders that an agent may write to in the sandbox mode `workspace-write`, by their identity.

    Args:
        folders: The working folder and the additional folders. Those that do not exist are left out.
        env: The environment that TMPDIR is read from.
    """
    temporary = (Path(value) for value in ("/tmp", env.get("TMPDIR", "")) if os.path.isabs(value))  # noqa: S108 - where the sandbox lets the agent write
    identities = {}
    for folder in (*folders, *temporary):
        try:
            status = folder.stat()
        except OSError:
            continue
        identities[status.st_dev, status.st_ino] = folder
    return identities


def agent_problem(path: Path, writable: Mapping[FolderId, Path]) -> str | None:
    """Explain how an agent could replace a file; None if it cannot.

    Args:
        path: Absolute path of the file.
        writable: The folders that the agent may write to, as `agent_folders` returns them.

    Raises:
        OSError: If there is no such file, or its folders cannot be examined.
    """
    inside: Path | None = None
    for step, status in _steps(path):
        if step.parent == step:
            inside = None  # the way starts again at a root: at the beginning, or after an absolute link
        inside = writable.get((status.st_dev, status.st_ino), inside)
        # A folder of root within a folder of the agent's is safe, because the sandbox gives no rights that the user does not have.
        if inside is not None and _is_ours(step, status):
            return f"it lies in {inside}, where the agent may write"
    return None


def owner_problem(path: Path) -> str | None:
    """Explain how another user could replace a file; None if no one but this user and root can.

    Args:
        path: Absolute path of the file.

    Raises:
        OSError: If there is no such file, or its folders cannot be examined.
    """
    if sys.platform == "win32":
        return "on Windows it cannot be seen who may write there"
    for step, status in _steps(path):
        if status.st_uid not in (_ROOT, os.geteuid()):
            return f"{step} belongs to another user"
        # In a sticky folder, such as /tmp, only its owner and the entry's owner can replace an entry. Both are checked.
        sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
        if not stat.S_ISLNK(status.st_mode) and status.st_mode & _BY_OTHERS and not sticky:
            return f"{step} is writable by other users"
    return None


def _is_ours(step: Path, status: os.stat_result) -> bool:
    """Return whether this user can change a file, or replace the entries of a folder."""
    return not stat.S_ISLNK(status.st_mode) and (sys.platform == "win32" or status.st_uid == os.geteuid() or os.access(step, os.W_OK))


def _steps(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield everything that the system visits to open a file, from the root on: every folder, every link, and the file."""
    current, pending, links = Path(path.anchor), list(reversed(path.parts[1:])), 0
    yield current, current.lstat()
    while pending:
        name = pending.pop()
        if name == "..":
            current = current.parent  # it has no links, so that this is the folder above
            yield current, current.lstat()
            continue
        step = current / name
        status = step.lstat()
        yield step, status
        if not stat.S_ISLNK(status.st_mode):
            current = step
            continue
        links += 1
        if links > MAX_LINKS:
            raise OSError(f"{path} goes through more than {MAX_LINKS} links")
        target = Path(os.readlink(step))
        pending += reversed(target.parts[1:] if target.is_absolute() else target.parts)
        if target.is_absolute():
            current = Path(target.anchor)
            yield current, current.lstat()
