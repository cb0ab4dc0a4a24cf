"""Open folders and files below a root, without following a link on the way. A hostile turn may replace a folder by a link at any time."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

SUPPORTED: Final = os.open in os.supports_dir_fd and os.scandir in os.supports_fd and hasattr(os, "O_NOFOLLOW")
"""True if the system can open an entry of an open folder. Windows cannot."""
_FLAGS: Final = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_FOLDER: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _FLAGS
_READ: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _FLAGS


@contextmanager
def open_root(root: str) -> Iterator[int]:
    """Open the root.

    Args:
        root: Its absolute path.

    Raises:
        OSError: If it is not a folder, or if a part of its path is a link.
    """
    if os.path.realpath(root) != root:
        raise NotADirectoryError(f"{root} is reached by a link now")
    handle = os.open(root, _FOLDER)
    try:
        yield handle
    finally:
        os.close(handle)


@contextmanager
def open_folder(root: int, path: str) -> Iterator[int]:
    """Open a folder below an open root.

    Args:
        root: The open root.
        path: The path relative to it. Empty is the root itself.

    Raises:
        OSError: If a part of the path does not exist, or is a link or another kind of entry.
    """
    handle = os.dup(root)
    try:
        for part in path.split("/") if path else ():
            inner = os.open(part, _FOLDER, dir_fd=handle)
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


def read_file(folder: int, name: str, limit: int) -> bytes | None:
    """Return the content of a regular file. None if it is another kind of entry, or larger than the limit.

    Raises:
        OSError: If it cannot be read.
    """
    handle = os.open(name, _READ, dir_fd=folder)  # without O_NONBLOCK, a pipe would wait for a writer
    with open(handle, "rb", buffering=0) as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
            return None
        parts, left = [], limit + 1
        while left > 0 and (part := file.read(min(left, 1 << 20))):
            parts.append(part)
            left -= len(part)
    data = b"".join(parts)
    return data if len(data) <= limit else None
