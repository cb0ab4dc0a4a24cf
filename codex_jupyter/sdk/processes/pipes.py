"""The files between us and a process."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import IO, Final

if sys.platform == "linux":
    import fcntl

PIPE_SIZE: Final = 256 * 1024
"""Bytes that a pipe may hold once it was full, so that the process writes while we read. Linux allows each user 64 MiB in all."""


def pipe(readers: ExitStack, writers: ExitStack) -> tuple[int, int]:
    """A pipe whose ends are closed with the stacks."""
    read_end, write_end = os.pipe()
    readers.callback(os.close, read_end)
    writers.callback(os.close, write_end)
    return read_end, write_end


def widen(handle: int) -> None:
    """Let a pipe hold more, if the system can and the user may."""
    if sys.platform == "linux":
        with suppress(OSError):
            fcntl.fcntl(handle, fcntl.F_SETPIPE_SZ, PIPE_SIZE)


@contextmanager
def exit_handle(pid: int) -> Iterator[int | None]:
    """A file that becomes readable when a child of ours exits; None where the system has none."""
    try:
        handle = os.pidfd_open(pid) if sys.platform == "linux" else None
    except OSError:
        handle = None
    try:
        yield handle
    finally:
        if handle is not None:
            os.close(handle)


def anonymous_file() -> IO[bytes]:
    """A file without a name, in memory where the system can."""
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("codex"), "r+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)
