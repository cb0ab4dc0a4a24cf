"""Files for the input and output of a child process."""

import asyncio
import math
import os
import selectors
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Self

import anyio

if sys.platform == "linux":
    import fcntl

PIPE_SIZE: Final = 256 * 1024
"""Bytes in the buffer of a pipe after it was full once, so that the process can write while we read. Linux limits each user to 64 MiB."""


class Handles(list[int]):
    """Open files that are closed at the end of a block."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        while self:
            os.close(self.pop())


def pipe(readers: Handles, writers: Handles) -> tuple[int, int]:
    """Return the ends of a new pipe, which are also added to the handles."""
    read_end, write_end = os.pipe()
    readers.append(read_end)
    writers.append(write_end)
    return read_end, write_end


def grow_pipe_buffer(handle: int) -> None:
    """Grow the buffer of a pipe to `PIPE_SIZE`, if the system allows that."""
    if sys.platform == "linux":
        with suppress(OSError):
            fcntl.fcntl(handle, fcntl.F_SETPIPE_SZ, PIPE_SIZE)


def exit_handle(pid: int, selector: selectors.BaseSelector) -> int | None:
    """Return a file that becomes readable when a child process exits. The caller closes it.

    Args:
        pid: The process.
        selector: It reports the exit, too.

    Returns:
        The file; None if the system has no such files, or no room for one.
    """
    if sys.platform != "linux":
        return None
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return None
    try:
        selector.register(handle, selectors.EVENT_READ)
    except OSError:
        os.close(handle)
        return None
    return handle


class ReadyWatch:
    """Waits for a file to be readable, and reads from it at once.

    An asyncio event loop watches the file from one wait to the next, and keeps the timer. So a wait for an event of a turn costs two calls
    of the loop. If the file is readable while no task waits, the loop stops watching it: what is not read stays in the pipe.

    Args:
        handle: The file.
        read: Reads from the file without blocking.
    """

    def __init__(self, handle: int, read: Callable[[], object]) -> None:
        self._handle = handle
        self._read = read
        self._loop: asyncio.AbstractEventLoop | None = None
        """The event loop that watches the file."""
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf

    async def wait(self, until: float = math.inf) -> None:
        """Wait until something was read, or until a time. Can return earlier. One task may wait.

        Args:
            until: The time, in seconds of `time.monotonic`.
        """
        try:
            loop = None if sys.platform == "win32" else asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        if loop is None:  # another event loop, or one of Windows, which watches no files
            with anyio.move_on_after(until - time.monotonic()):
                await anyio.wait_readable(self._handle)
                self._read()
            return
        if loop is not self._loop:
            self.pause()
            loop.add_reader(self._handle, self._on_readable)
            self._loop = loop
        if until < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at, self._timer = until, loop.call_later(until - time.monotonic(), self._on_time)
        self._waiter = loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def wake(self) -> None:
        """Let the waiting task continue. Call it on its event loop."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def pause(self) -> None:
        """Stop watching the file until the next wait. Call it before the file is closed, or read by another thread."""
        loop, self._loop = self._loop, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._timer_at = None, math.inf
        if loop is not None and not loop.is_closed():
            loop.remove_reader(self._handle)

    def forget_parent(self) -> None:
        """Leave the event loop to the parent. See `ForkAware`."""
        self._loop = self._timer = None
        self._timer_at = math.inf

    def _on_readable(self) -> None:
        if self._waiter is None:
            self.pause()
        elif not self._waiter.done():
            self._read()
            self.wake()

    def _on_time(self) -> None:
        self._timer, self._timer_at = None, math.inf
        self.wake()


def anonymous_file(handles: Handles, content: bytes) -> int:
    """Return a file without a name, in memory if the system can do that. It is at its start, and added to the handles."""
    if sys.platform == "linux":
        handle = os.memfd_create("codex")
    else:
        with tempfile.TemporaryFile(buffering=0) as file:
            handle = os.dup(file.fileno())
    handles.append(handle)
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(handle, rest) :]
    os.lseek(handle, 0, os.SEEK_SET)
    return handle
