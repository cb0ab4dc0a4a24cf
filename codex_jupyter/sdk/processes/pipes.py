"""Files for the input and output of a child process."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import IO, Final

if sys.platform == "linux":
    import fcntl

PIPE_SIZE: Final = 256 * 1024
"""Bytes in the buffer of a pipe after it was full once, so that the process can write while we read. Linux limits each user to 64 MiB."""


def pipe(readers: ExitStack, writers: ExitStack) -> tuple[int, int]:
    """Return the ends of a new pipe, which are closed with the stacks."""
    read_end, write_end = os.pipe()
    readers.callback(os.close, read_end)
    writers.callback(os.close, write_end)
    return read_end, write_end


def grow_pipe_buffer(handle: int) -> None:
    """Grow the buffer of a pipe to `PIPE_SIZE`, if the system allows that."""
    if sys.platform == "linux":
        with suppress(OSError):
            fcntl.fcntl(handle, fcntl.F_SETPIPE_SZ, PIPE_SIZE)


@contextmanager
def exit_handle(pid: int) -> Iterator[int | None]:
    """Return a file that becomes readable when a child process exits; None if the system cannot do that."""
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
    """Return a file without a name, in memory if the system can do that."""
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("codex"), "r+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)
