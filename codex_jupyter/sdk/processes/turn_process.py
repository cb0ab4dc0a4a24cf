r"""The one place that owns a process: start it, read its lines, stop it with everything it started.

The prompt is an anonymous file, not a pipe: nothing has to be written while the process runs. Output and error output are two pipes
behind one selector, which is itself a file that an event loop can wait for. So there is no task beside the reader, no deadlock, no broken
pipe, and nothing grows that nobody reads. Output is taken in large chunks and cut at the byte `\n` only; a line may have any length.

Stopping is not killing. Codex puts each command it runs into a session of its own, and only SIGINT makes it end them; killing codex, or its
process group, leaves them behind. So: SIGINT, SIGTERM, SIGKILL, each with a bounded wait, then whatever is left: of the process tree as it
was when the stop began, and of the processes that bear its mark in their environment, wherever they hid (`nohup`, `setsid`, a double fork).
"""

import atexit
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final

import anyio
from anyio import to_thread

from codex_jupyter.sdk.errors import TransportError
from codex_jupyter.sdk.processes.forks import FORKED, forget_after_fork
from codex_jupyter.sdk.processes.framing import LineFramer
from codex_jupyter.sdk.processes.guardian import guardian
from codex_jupyter.sdk.processes.pipes import PIPE_SIZE, anonymous_file, exit_handle, pipe, widen
from codex_jupyter.sdk.processes.process_tree import descendants, kill_left
from codex_jupyter.sdk.processes.spawn import spawn, system_error

if TYPE_CHECKING:
    import psutil

READ_SIZE: Final = 64 * 1024
"""Bytes to read at once: what a pipe holds by default. The memory for more would have to be fetched and given back each time."""
WATCH_INTERVAL: Final = 0.2
"""Seconds between two looks at a process that is silent: has it been asked to stop, is it dead with its pipe still open?"""
PIPE_GRACE: Final = 0.3
"""Seconds to wait for the end of the output after the process is gone, because something it started may hold the pipe."""
EXIT_INTERVAL: Final = 0.02
"""Seconds between two looks at the error output of a process that is about to exit."""
EXIT_GRACE: Final = 5.0
"""Seconds to wait for the exit of a process that has said its last word; codex ends its MCP servers then, each with 2 s of grace."""
STOP_STEPS: Final[tuple[tuple[str, float], ...]] = (("SIGINT", 2.0), ("SIGTERM", 1.0), ("SIGKILL", 2.0))
"""The signals of a stop, and how many seconds each is given. Codex obeys the first within 0.1 s."""
STOP_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of output to keep from the time of a stop on; what a process that does not obey says beyond that is dropped."""
STDERR_TAIL: Final = 64 * 1024
"""Bytes at the end of the error output that are kept."""


class Process:
    """A running child process. Make one with `Process.start`, and end it with `aclose`."""

    def __init__(self, popen: subprocess.Popen[bytes], stdout: int, stderr: int, selector: selectors.DefaultSelector, marker: str) -> None:
        self._popen = popen
        self._stdout = stdout
        self._stderr = stderr
        self._selector = selector
        self._marker = marker
        self._is_parents = False
        self._framer = LineFramer()
        self._backlog: list[bytes] = []
        self._errors = bytearray()
        self._eof = self._widened = False
        self._room = STOP_LIMIT
        self._lock = threading.RLock()
        self._stop_requested_at: float | None = None
        self._stopped = False
        self._steps = STOP_STEPS
        self._tree: list[psutil.Process] = []
        self._exited_at: float | None = None
        self.deaf_to_sigint = False
        """Set while it would swallow a SIGINT; a stop then begins with SIGTERM."""
        _running.add(self)
        forget_after_fork(self)

    @classmethod
    def start(cls, argv: Sequence[str], *, stdin: bytes, env: Mapping[str, str]) -> "Process":
        """Start a process in a session of its own, so that a Ctrl-C meant for us does not reach it.

        Args:
            argv: Executable and arguments.
            stdin: All that it can read from its standard input.
            env: Its whole environment, to which `MARKER` is added.

        Raises:
            TransportError: If the system does not start it.
        """
        # All that the system can refuse comes before the process, and is closed again if something is refused.
        try:
            with ExitStack() as ours, ExitStack() as theirs, anonymous_file() as prompt:
                stdout, their_stdout = pipe(ours, theirs)
                stderr, their_stderr = pipe(ours, theirs)
                selector = selectors.DefaultSelector()
                ours.callback(selector.close)
                if _POLLABLE:
                    for handle in (stdout, stderr):
                        os.set_blocking(handle, False)
                        selector.register(handle, selectors.EVENT_READ)
                prompt.write(stdin)
                prompt.seek(0)
                popen, marker = spawn(argv, env, stdin=prompt, stdout=their_stdout, stderr=their_stderr)
                ours.pop_all()
        except (OSError, ValueError) as error:
            raise system_error(f"The codex executable {argv[0]} cannot be started", error) from error
        process = cls(popen, stdout, stderr, selector, marker)
        if not _POLLABLE:
            threading.Thread(target=process._drain_errors, name="codex-stderr", daemon=True).start()
        return process

    @property
    def returncode(self) -> int | None:
        """Exit code, or minus the signal that ended it; None while it runs."""
        return self._popen.returncode

    @property
    def pid(self) -> int:
        """Its id."""
        return self._popen.pid

    @property
    def stopped(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop_requested_at is not None

    def request_stop(self) -> None:
        """Ask it to stop, from any thread: sends the first signal at once; `read_lines` does the rest if it does not obey."""
        if self.stopped:
            return
        with self._lock:
            if not self.stopped and self._popen.poll() is None:
                # Once codex is gone, nothing tells any more what it had started.
                self._tree = descendants(self._popen.pid)
                self._steps = STOP_STEPS[1:] if self.deaf_to_sigint else STOP_STEPS
                self._stop_requested_at = time.monotonic()
                self._signal(self._steps[0][0])

    async def read_lines(self) -> list[bytes]:
        """Wait for output.

        Returns:
            The lines that have come, at least one; an empty list at the end of the output.

        Raises:
            TransportError: In a forked child, because the process is the parent's.
        """
        while True:
            if self._is_parents:
                raise TransportError(FORKED)
            if self._backlog:
                lines, self._backlog = self._backlog, []
                return lines
            if self._eof:
                return []
            if self.stopped and not self._stopped:
                await self.stop()
            else:
                await self._wait_for_output()

    async def wait_exit(self) -> int | None:
        """Wait for its exit after the end of its output, at most `EXIT_GRACE` seconds; then stop it.

        Returns:
            The exit code as in `returncode`.
        """
        if self._popen.poll() is None:
            deadline = time.monotonic() + EXIT_GRACE
            with exit_handle(self._popen.pid) as handle:
                while self._popen.poll() is None and time.monotonic() < deadline:
                    with anyio.move_on_after(EXIT_INTERVAL):
                        await (anyio.sleep(EXIT_INTERVAL / 10) if handle is None else anyio.wait_readable(handle))
                    self._read()  # it cannot go while its error output is stuck
        if self._popen.poll() is None:
            await self.stop()
        self._read()
        return self._popen.returncode

    async def stop(self) -> None:
        """End it and everything it started, within `STOP_STEPS`. Cannot be cancelled. Does nothing if it has ended by itself."""
        with anyio.CancelScope(shield=True):
            # On a thread, because asyncio's own `Task.cancel` gets through every shield: the thread goes on all the same.
            await to_thread.run_sync(self.stop_now, limiter=anyio.CapacityLimiter(1))

    def stop_now(self) -> None:
        """What `stop` does, on this thread."""
        with self._lock:
            self.request_stop()
            if self._stop_requested_at is None or self._stopped:
                return
            deadline = self._stop_requested_at
            for name, grace in self._steps:
                deadline += grace
                if name != self._steps[0][0]:
                    self._signal(name)
                if self._exited(deadline):
                    break
            kill_left(self._tree, self._marker)
            self._stopped = True

    def sweep(self) -> None:
        """End what it has left behind, after somebody else has killed it."""
        kill_left(self._tree, self._marker)

    async def aclose(self) -> None:
        """Stop it if it runs, and free everything. Safe to call twice."""
        if self._popen.poll() is None or (self.stopped and not self._stopped):
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(self._stop_and_close, limiter=anyio.CapacityLimiter(1))
        else:
            self.close()

    def close(self) -> None:
        """Free the files. The process must have ended."""
        with self._lock:
            if self in _running:
                _running.discard(self)
                guardian.ended(self.pid)
            if self._stdout >= 0:
                self._selector.close()
                os.close(self._stdout)
                os.close(self._stderr)
                self._stdout = self._stderr = -1
                self._eof = True

    @property
    def is_parents(self) -> bool:
        """Whether it was started before this process was forked, so that it is not to be touched."""
        return self._is_parents

    def forget_parent(self) -> None:
        """Leave it to the parent. See `ForkAware`."""
        self._is_parents = self._eof = self._stopped = True
        self._lock = threading.RLock()
        self._backlog, self._tree = [], []
        if self._popen.returncode is None:
            self._popen.returncode = 0  # only the parent can wait for it
        _running.discard(self)
        if self._stdout >= 0:
            self._selector.close()  # its files stay registered in the parent's, which is the same object of the system
            os.close(self._stdout)
            os.close(self._stderr)
            self._stdout = self._stderr = -1

    def stderr_tail(self) -> str:
        """The end of its error output, at most `STDERR_TAIL` bytes, decoded with replacement."""
        return self._errors[-STDERR_TAIL:].decode(errors="replace")

    def _stop_and_close(self) -> None:
        try:
            self.stop_now()
        finally:
            self.close()

    def _signal(self, name: str) -> None:
        if sys.platform == "win32":
            if name == "SIGINT":
                self._popen.send_signal(signal.CTRL_BREAK_EVENT)
            elif name == "SIGKILL":
                self._popen.kill()
        else:
            self._popen.send_signal(getattr(signal, name))

    def _exited(self, deadline: float) -> bool:
        """Wait for the exit until then, and keep its output flowing meanwhile. Whether it has exited."""
        while self._popen.poll() is None:
            if time.monotonic() > deadline:
                return False
            self._read(0.01)
        return True

    async def _wait_for_output(self) -> None:
        """Take what the pipes hold, or wait for it for `WATCH_INTERVAL`."""
        if self._read():
            # A process that always has more to say must not starve the other tasks.
            await anyio.lowlevel.checkpoint()
        else:
            with anyio.move_on_after(WATCH_INTERVAL):
                if _POLLABLE:
                    await anyio.wait_readable(self._selector)
                    self._read()
                else:
                    self._take(await to_thread.run_sync(os.read, self._stdout, READ_SIZE))
        self._watch()

    def _read(self, timeout: float = 0) -> bool:
        """Take what the pipes hold, once something comes within so many seconds. Whether something came, an end included."""
        if not _POLLABLE:
            time.sleep(timeout)
            return False
        if not self._lock.acquire(blocking=False):
            return False  # a thread that stops it takes the output, too
        try:
            ready = self._selector.select(timeout) if self._stdout >= 0 else []
            for key, _ in ready:
                chunk = os.read(key.fd, READ_SIZE)
                if not chunk:
                    self._selector.unregister(key.fd)
                if key.fd == self._stdout:
                    self._take(chunk)
                else:
                    self._take_errors(chunk)
            return bool(ready)
        finally:
            self._lock.release()

    def _take(self, chunk: bytes) -> None:
        if not chunk:
            self._end_of_output()
        elif self._room > 0:
            self._room -= len(chunk) * self.stopped
            if len(chunk) == READ_SIZE and not self._widened:
                self._widened = True
                widen(self._stdout)
            self._backlog += self._framer.feed(chunk)

    def _take_errors(self, chunk: bytes) -> None:
        self._errors += chunk
        if len(self._errors) > 2 * STDERR_TAIL:
            del self._errors[:-STDERR_TAIL]

    def _drain_errors(self) -> None:
        with suppress(OSError):
            while chunk := os.read(self._stderr, READ_SIZE):
                self._take_errors(chunk)

    def _end_of_output(self) -> None:
        self._eof = True
        self._backlog += self._framer.flush()

    def _watch(self) -> None:
        """See whether the process is gone, and only a foreign one holds the pipe."""
        if self._eof or self._popen.poll() is None:
            return
        now = time.monotonic()
        if self._exited_at is None:
            self._exited_at = now
        elif now - self._exited_at > PIPE_GRACE:
            # A consumer that took its time finds here what the process itself has left: a pipe that is full, at most.
            for _ in range(PIPE_SIZE // READ_SIZE):
                self._read()
            self._end_of_output()


_POLLABLE: Final = sys.platform != "win32"
"""Whether a pipe can be waited for; Windows needs a thread for that."""
_running: set[Process] = set()


@atexit.register
def _stop_all() -> None:
    """The interpreter ends, a kernel is shut down or restarted: leave nothing behind."""
    running = list(_running)
    # All are asked first: the waits for those that do not obey then run at the same time.
    for process in running:
        process.request_stop()
    for process in running:
        process.stop_now()
