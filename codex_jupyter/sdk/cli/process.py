r"""The one place that owns a process: start it, read its lines, stop it with everything it started.

The prompt and the error output go through anonymous files, not pipes: nothing has to be written or drained while the process runs, so
there is no task beside the reader, no deadlock and no broken pipe. Output is read in large chunks and cut at the byte `\n` only; a line may
have any length.

Stopping is not killing. Codex puts each command it runs into a session of its own, and only SIGINT makes it end them; killing codex, or its
process group, leaves them behind. So: SIGINT, SIGTERM, SIGKILL, each with a bounded wait, then whatever is left of the process tree.
"""

import atexit
import os
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, Final

import anyio
from anyio import to_thread

from codex_jupyter.sdk.errors import TransportError

if TYPE_CHECKING:
    import psutil

READ_SIZE: Final = 256 * 1024
"""Bytes to read at once, more than a pipe holds by default."""
WATCH_INTERVAL: Final = 0.2
"""Seconds between two looks at a process that is silent: has it been asked to stop, is it dead with its pipe still open?"""
PIPE_GRACE: Final = 0.3
"""Seconds to wait for the end of the output after the process is gone, because something it started may hold the pipe."""
EXIT_GRACE: Final = 2.0
"""Seconds to wait for the exit of a process that has closed its output."""
STOP_STEPS: Final = (("SIGINT", 2.0), ("SIGTERM", 1.0), ("SIGKILL", 2.0))
"""The signals of a stop, and how many seconds each is given. Codex obeys the first within 0.1 s."""
KILL_GRACE: Final = 1.0
"""Seconds to wait for what was killed to be gone."""
STDERR_LIMIT: Final = 8 * 1024 * 1024
"""Bytes of error output to hold; of more than that only the last `STDERR_TAIL` bytes are kept."""
STDERR_TAIL: Final = 64 * 1024
"""Bytes at the end of the error output that are shown to a caller at most."""


class LineFramer:
    r"""Cuts a stream of bytes into lines at `\n`, whatever the pieces are that it comes in."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take in the next piece; gives the lines that it completes, without their newline."""
        lines = chunk.split(b"\n")
        if len(lines) > 1:
            lines[0] = b"".join((*self._parts, lines[0]))
            self._parts.clear()
        if tail := lines.pop():
            self._parts.append(tail)
        return lines

    def flush(self) -> list[bytes]:
        """Give what came after the last newline, as a line; nothing if that is nothing."""
        lines = [b"".join(self._parts)] if self._parts else []
        self._parts.clear()
        return lines


class Process:
    """A running child process. Make one with `Process.start`, and end it with `aclose`."""

    def __init__(self, popen: subprocess.Popen[bytes], stdout: int, stderr: IO[bytes]) -> None:
        self._popen = popen
        self._stdout = stdout
        self._stderr = stderr
        self._framer = LineFramer()
        self._backlog: list[bytes] = []
        self._eof = False
        self._stop_requested = False
        self._stopped = False
        self._tree: list[psutil.Process] = []
        self._exited_at: float | None = None
        _running.add(self)

    @classmethod
    def start(cls, argv: Sequence[str], *, stdin: bytes, env: Mapping[str, str]) -> "Process":
        """Start a process in a session of its own, so that a Ctrl-C meant for us does not reach it.

        Args:
            argv: Executable and arguments.
            stdin: All that it can read from its standard input.
            env: Its whole environment.

        Raises:
            TransportError: If the system does not start it.
        """
        read_end, write_end = os.pipe()
        stderr = _anonymous_file()
        try:
            with _anonymous_file() as prompt:
                prompt.write(stdin)
                prompt.seek(0)
                popen = subprocess.Popen(  # noqa: S603 - the executable was located, the arguments are no shell text
                    argv, stdin=prompt, stdout=write_end, stderr=stderr, env=env, **_OWN_SESSION
                )
        except (OSError, ValueError) as error:
            os.close(read_end)
            stderr.close()
            raise TransportError(f"The codex executable {argv[0]} cannot be started: {error}.") from error
        finally:
            os.close(write_end)
        if _POLLABLE:
            os.set_blocking(read_end, False)
        return cls(popen, read_end, stderr)

    @property
    def returncode(self) -> int | None:
        """Exit code, or minus the signal that ended it; None while it runs."""
        return self._popen.returncode

    @property
    def stopped(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop_requested

    def request_stop(self) -> None:
        """Ask it to stop, from any thread: sends SIGINT at once; `read_lines` does the rest if it does not obey."""
        if not self._stop_requested and self._popen.poll() is None:
            self._stop_requested = True
            # Once codex is gone, nothing tells any more what it had started.
            self._tree = _descendants(self._popen.pid)
            self._signal("SIGINT")

    async def read_lines(self) -> list[bytes]:
        """Wait for output.

        Returns:
            The lines that have come, at least one; an empty list at the end of the output. Blank lines are left out.
        """
        while True:
            if self._backlog:
                lines, self._backlog = self._backlog, []
                if lines := [line for line in lines if not line.isspace() and line]:
                    return lines
                continue
            if self._eof:
                return []
            if self._stop_requested and not self._stopped:
                await self.stop()
            elif not await self._read_chunk():
                await self._watch()

    async def wait_exit(self) -> int | None:
        """Wait for its exit after the end of its output, at most `EXIT_GRACE` seconds; then stop it.

        Returns:
            The exit code as in `returncode`.
        """
        if not await self._exited(EXIT_GRACE):
            await self.stop()
        return self._popen.returncode

    async def stop(self) -> None:
        """End it and everything it started, within `STOP_STEPS`. Cannot be cancelled. Does nothing if it has ended by itself."""
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(self.request_stop)
            if not self._stop_requested or self._stopped:
                return
            for name, grace in STOP_STEPS:
                if name != "SIGINT":
                    self._signal(name)
                if await self._exited(grace):
                    break
            await to_thread.run_sync(_kill, self._tree)
            self._stopped = True

    async def aclose(self) -> None:
        """Stop it if it runs, and free everything. Safe to call twice."""
        try:
            await self.stop()
        finally:
            self.close()

    def close(self) -> None:
        """Free the files. The process must have ended."""
        _running.discard(self)
        if self._stdout >= 0:
            os.close(self._stdout)
            self._stdout = -1
            self._stderr.close()

    def stderr_tail(self) -> str:
        """The end of its error output, at most `STDERR_TAIL` bytes, decoded with replacement."""
        size = os.fstat(self._stderr.fileno()).st_size
        self._stderr.seek(max(0, size - STDERR_TAIL))
        return self._stderr.read(STDERR_TAIL).decode(errors="replace")

    def stop_now(self) -> None:
        """`stop` without an event loop, for the end of the interpreter."""
        self.request_stop()
        for name, grace in STOP_STEPS:
            if self._popen.poll() is not None:
                break
            if name != "SIGINT":
                self._signal(name)
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(grace)
        _kill(self._tree)

    def _signal(self, name: str) -> None:
        if sys.platform == "win32":
            if name == "SIGINT":
                self._popen.send_signal(signal.CTRL_BREAK_EVENT)
            elif name == "SIGKILL":
                self._popen.kill()
        else:
            self._popen.send_signal(getattr(signal, name))

    async def _read_chunk(self) -> bool:
        """Take what the pipe holds, or wait for it for `WATCH_INTERVAL`. Whether something came, the end included."""
        chunk = self._read_now()
        waited = chunk is None
        if waited:
            with anyio.move_on_after(WATCH_INTERVAL):
                if _POLLABLE:
                    await anyio.wait_readable(self._stdout)
                    chunk = self._read_now()
                else:
                    chunk = await to_thread.run_sync(os.read, self._stdout, READ_SIZE)
        if chunk is not None:
            self._take(chunk)
        if not waited:
            # A process that always has more to say must not starve the other tasks.
            await anyio.lowlevel.checkpoint()
        return chunk is not None

    def _read_now(self) -> bytes | None:
        if not _POLLABLE:
            return None
        try:
            return os.read(self._stdout, READ_SIZE)
        except BlockingIOError:
            return None

    def _take(self, chunk: bytes) -> None:
        if chunk:
            self._backlog += self._framer.feed(chunk)
        else:
            self._end_of_output()

    def _end_of_output(self) -> None:
        self._eof = True
        self._backlog += self._framer.flush()

    async def _watch(self) -> None:
        """A silent moment: keep the error output bounded, and see whether only a foreign process holds the pipe."""
        self._bound_stderr()
        if self._popen.poll() is None:
            return
        now = time.monotonic()
        self._exited_at = self._exited_at or now
        if now - self._exited_at > PIPE_GRACE:
            self._end_of_output()

    async def _exited(self, seconds: float) -> bool:
        """Wait for the exit at most this long, and keep its output flowing meanwhile. Whether it has exited."""
        deadline, pause = time.monotonic() + seconds, 0.001
        while self._popen.poll() is None:
            while not self._eof and (chunk := self._read_now()) is not None:
                self._take(chunk)
            if time.monotonic() > deadline:
                return False
            await anyio.sleep(pause)
            pause = min(pause * 2, 0.02)
        return True

    def _bound_stderr(self) -> None:
        if os.fstat(self._stderr.fileno()).st_size > STDERR_LIMIT:
            tail = self.stderr_tail().encode()
            self._stderr.truncate(0)
            self._stderr.seek(0)
            self._stderr.write(tail)


_POLLABLE: Final = sys.platform != "win32"
"""Whether a pipe can be waited for; Windows needs a thread for that."""
_OWN_SESSION: Final[dict[str, Any]] = (
    {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)} if sys.platform == "win32" else {"start_new_session": True}
)
_running: "weakref.WeakSet[Process]" = weakref.WeakSet()


def _anonymous_file() -> IO[bytes]:
    """A file without a name, in memory where the system can; whatever is written goes to its end."""
    if sys.platform == "linux":
        import fcntl

        handle = os.memfd_create("codex")
        fcntl.fcntl(handle, fcntl.F_SETFL, os.O_APPEND)
        return os.fdopen(handle, "r+b", buffering=0)
    return tempfile.TemporaryFile("a+b", buffering=0)


def _descendants(pid: int) -> list["psutil.Process"]:
    import psutil

    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def _kill(tree: Iterable["psutil.Process"]) -> None:
    """Kill what is left of a process tree; psutil makes sure that no pid has been given to another process meanwhile."""
    import psutil

    survivors = [process for process in tree if _alive(process)]
    for process in survivors:
        for member in (process, *_descendants(process.pid)):
            with suppress(psutil.Error):
                member.kill()
    deadline = time.monotonic() + KILL_GRACE
    while any(_alive(process) for process in survivors) and time.monotonic() < deadline:
        time.sleep(0.01)


def _alive(process: "psutil.Process") -> bool:
    """Whether it still runs. What is dead and only waits for its parent to notice does not."""
    import psutil

    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


@atexit.register
def _stop_all() -> None:
    """The interpreter ends, a kernel is shut down or restarted: leave nothing behind."""
    running = list(_running)
    for process in running:
        process.request_stop()
    for process in running:
        process.stop_now()
