r"""A process that runs one turn: start it, read its lines, and stop it with everything that it started.

The prompt is an anonymous file, not a pipe, so nothing must be written while the process runs. Output and error output are two pipes with
one selector, which an event loop can wait for, and which reports the exit on Linux. So there is no task beside the reader, no deadlock, no
broken pipe, and no buffer that grows unread. Output is read in large chunks and split at the byte `\n` only. A line may have any length.
"""

import math
import os
import selectors
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Final

import anyio
from anyio import to_thread

from codex_jupyter.sdk.errors import TransportError
from codex_jupyter.sdk.processes.child_process import ChildProcess, ProcessState, StopStep
from codex_jupyter.sdk.processes.forks import FORKED, forget_after_fork
from codex_jupyter.sdk.processes.framing import LineFramer
from codex_jupyter.sdk.processes.pipes import PIPE_SIZE, Handles, ReadyWatch, anonymous_file, exit_handle, grow_pipe_buffer, pipe
from codex_jupyter.sdk.processes.process_log import ProcessLog
from codex_jupyter.sdk.processes.spawn import system_error

READ_SIZE: Final = 64 * 1024
"""Bytes of one read, the default size of a pipe. Larger buffers would be allocated and freed for each read."""
WATCH_INTERVAL: Final = 0.2
"""Seconds between two checks if the process is dead while its pipe is still open. Only needed where the system does not report the exit."""
MAX_WATCH_INTERVAL: Final = 1.6
"""The interval doubles up to this while the process is silent. If the system reports the exit, the first interval is as long. It is shorter
than the first step of a stop, so that a process that was asked to stop is checked in time."""
PIPE_GRACE: Final = 0.3
"""Seconds to wait for the end of the output after the exit, because another process may hold the pipe."""
EXIT_INTERVAL: Final = 0.02
"""Seconds between two reads of the error output while the process exits."""
EXIT_GRACE: Final = 5.0
"""Seconds to wait for the exit after the end of the output. Codex ends its MCP servers then, with 2 s of grace for each."""
STOP_STEPS: Final[tuple[tuple[str, float], ...]] = (("SIGINT", 2.0), ("SIGTERM", 1.0), ("SIGKILL", 2.0))
"""The signals of a stop, and the seconds to wait after each. Codex ends its commands only on SIGINT, and exits within 0.1 s."""
STOP_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of output to keep after a stop was requested. More output of a process that does not obey is dropped."""


class TurnProcess:
    """A running process of one turn. Create it with `TurnProcess.start`, and end it with `aclose`."""

    def __init__(self, child: ChildProcess, stdout: int, stderr: int, selector: selectors.DefaultSelector) -> None:
        self._child = child
        self._stdout = stdout
        self._stderr = stderr
        self._selector = selector
        self._watch = ReadyWatch(selector.fileno(), self._read) if _POLLABLE else None
        self._exit = exit_handle(child.pid, selector)
        self._framer = LineFramer()
        self._backlog: list[bytes] = []
        self._at_end = self._grown = False
        self._room = STOP_LIMIT
        self._may_have_exited = self._exit is None
        self._first_interval = self._watch_interval = WATCH_INTERVAL if self._exit is None else MAX_WATCH_INTERVAL
        self._exited_at: float | None = None
        self._steps: tuple[StopStep, ...] = tuple(StopStep(partial(self._signal, name), grace) for name, grace in STOP_STEPS)
        child.steps, child.wait = self._steps, self._exits_before
        forget_after_fork(self)

    @classmethod
    def start(cls, argv: Sequence[str], *, stdin: bytes, env: Mapping[str, str], log: ProcessLog | None = None) -> "TurnProcess":
        """Start a process in an exclusive session, so that a Ctrl-C for this process does not reach it.

        Args:
            argv: Executable and arguments.
            stdin: The whole standard input.
            env: The whole environment, to which `MARKER` is added.
            log: The log of the process.

        Raises:
            TransportError: If the system does not start it.
        """
        # Everything that the system can refuse comes before the process. If something is refused, the rest is closed again.
        try:
            with ExitStack() as ours, Handles() as theirs:
                readers = ours.enter_context(Handles())
                stdout, their_stdout = pipe(readers, theirs)
                stderr, their_stderr = pipe(readers, theirs)
                selector = ours.enter_context(selectors.DefaultSelector())
                if _POLLABLE:
                    for handle in (stdout, stderr):
                        os.set_blocking(handle, False)
                        selector.register(handle, selectors.EVENT_READ)
                prompt = anonymous_file(theirs, stdin)
                child = ChildProcess.start(argv, env, stdin=prompt, stdout=their_stdout, stderr=their_stderr, log=log)
                ours.pop_all()
        except (OSError, ValueError) as error:
            raise system_error(f"The codex executable {argv[0]} cannot be started", error) from error
        child.log.sent(stdin)
        process = cls(child, stdout, stderr, selector)
        if not _POLLABLE:
            threading.Thread(target=child.drain_stderr, args=(stderr,), name="codex-stderr", daemon=True).start()
        return process

    @property
    def returncode(self) -> int | None:
        """Exit code, or minus the signal that ended it; None while it runs."""
        return self._child.popen.returncode

    @property
    def pid(self) -> int:
        """The process id."""
        return self._child.pid

    @property
    def stopped(self) -> bool:
        """True if it was asked to stop."""
        return self._child.asked_to_stop

    @property
    def is_inherited(self) -> bool:
        """True if it was started before this process was forked, so that it must not be touched."""
        return self._child.is_inherited

    def ignore_sigint(self, ignores: bool) -> None:
        """Set whether the process ignores SIGINT now. A stop then starts with SIGTERM."""
        self._child.steps = self._steps[1:] if ignores else self._steps

    def request_stop(self) -> None:
        """Ask it to stop, from any thread. Returns at once. `read_lines` stops a process that does not obey."""
        self._child.request_stop()

    async def read_lines(self, until: float = math.inf) -> list[bytes] | None:
        """Wait for output.

        Args:
            until: The time to wait for, in seconds of `time.monotonic`.

        Returns:
            The next lines, at least one; an empty list at the end of the output; None if there were none in time.

        Raises:
            TransportError: In a forked child, because the process belongs to the parent.
        """
        while True:
            if self.is_inherited:
                raise TransportError(FORKED)
            if self._backlog:
                lines, self._backlog = self._backlog, []
                return lines
            if self._at_end:
                return []
            if until <= time.monotonic():
                return None
            if self._child.state is ProcessState.STOPPING:
                await self.stop()
            else:
                await self._wait_for_output(until)

    async def wait_exit(self) -> int | None:
        """Wait for its exit after the end of its output, at most `EXIT_GRACE` seconds; then stop it.

        Returns:
            The exit code as in `returncode`.
        """
        deadline = time.monotonic() + EXIT_GRACE
        while not self._child.exited and time.monotonic() < deadline:
            if self._exit is None or self._watch is None:
                await anyio.sleep(EXIT_INTERVAL / 10)
            else:
                await self._watch.wait(time.monotonic() + EXIT_INTERVAL)
            self._read()  # it cannot exit while its error output is blocked
        if not self._child.exited:
            await self.stop()
        self._read()
        return self.returncode

    async def stop(self) -> None:
        """End it and everything that it started, within `STOP_STEPS`. Cannot be cancelled. Does nothing if it has exited by itself."""
        self._leave_reading()
        with anyio.CancelScope(shield=True):
            # On a thread, because asyncio's own `Task.cancel` ignores shields. The thread continues nevertheless.
            await to_thread.run_sync(self._child.stop, limiter=anyio.CapacityLimiter(1))

    def sweep(self) -> None:
        """Kill everything that it has left behind, after another program has killed it. Blocks."""
        self._child.sweep()

    async def aclose(self) -> None:
        """Stop it if it runs, and free everything. Safe to call twice."""
        if not self._child.exited or self._child.state is ProcessState.STOPPING:
            self._leave_reading()
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(self._stop_and_close, limiter=anyio.CapacityLimiter(1))
        else:
            self.close()

    def close(self) -> None:
        """Free the files. The process must have exited."""
        with self._child.lock:
            self._child.release()
            self._steps = self._child.steps = ()  # they refer to this object, which is then deleted without the garbage collector
            self._child.wait = None
            self._leave_reading()
            if self._stdout >= 0:
                self._close_files()
                self._at_end = True

    def forget_parent(self) -> None:
        """Leave it to the parent. See `ForkAware`."""
        self._child.forget_parent()
        if self._watch is not None:
            self._watch.forget_parent()
        self._at_end = True
        self._backlog = []
        if self._stdout >= 0:
            self._close_files()  # registered in the parent's selector still, which is the same object of the system

    def stderr_tail(self) -> str:
        """Return the end of its error output. See `ChildProcess.stderr_tail`."""
        return self._child.stderr_tail()

    def _leave_reading(self) -> None:
        """Let the thread that stops the process read its output. A task that waits for output then waits for the stop, too."""
        if self._watch is not None:
            self._watch.pause()
            self._watch.wake()

    def _close_files(self) -> None:
        self._selector.close()
        for handle in (self._stdout, self._stderr, self._exit):
            if handle is not None:
                os.close(handle)
        self._stdout = self._stderr = -1
        self._exit = None

    def _stop_and_close(self) -> None:
        try:
            self._child.stop()
        finally:
            self.close()

    def _signal(self, name: str) -> None:
        popen = self._child.popen
        if sys.platform == "win32":
            if name == "SIGINT":
                popen.send_signal(signal.CTRL_BREAK_EVENT)
            elif name == "SIGKILL":
                popen.kill()
        else:
            popen.send_signal(getattr(signal, name))

    def _exits_before(self, deadline: float) -> bool:
        """Wait for the exit, and read the output meanwhile. Return True if it has exited."""
        while not self._child.exited:
            if time.monotonic() > deadline:
                return False
            self._read(0.01)
        return True

    async def _wait_for_output(self, until: float) -> None:
        """Wait until there was output, or for the next check of the process. Other tasks run meanwhile, also if there is always output."""
        check = time.monotonic() + self._watch_interval
        if self._watch is not None:
            await self._watch.wait(min(until, check))
        else:
            with anyio.move_on_after(min(until, check) - time.monotonic()):
                self._take(await to_thread.run_sync(os.read, self._stdout, READ_SIZE))
        if self._backlog:
            self._watch_interval = self._first_interval
        elif check <= time.monotonic():
            self._watch_interval = min(2 * self._watch_interval, MAX_WATCH_INTERVAL)
        self._check_exit()

    def _read(self, timeout: float = 0) -> None:
        """Read from the pipes, after at most `timeout` seconds."""
        if not _POLLABLE:
            time.sleep(timeout)
            return
        if not self._child.lock.acquire(blocking=False):
            return  # the thread that stops it reads the output, too
        try:
            if not timeout and not self._at_end and self._read_output():
                return
            ready = self._selector.select(timeout) if self._stdout >= 0 else []
            for key, _ in ready:
                if key.fd == self._exit:
                    self._selector.unregister(key.fd)
                    self._may_have_exited = True
                    continue
                chunk = os.read(key.fd, READ_SIZE)
                if not chunk:
                    self._selector.unregister(key.fd)
                if key.fd == self._stdout:
                    self._take(chunk)
                else:
                    self._child.add_stderr(chunk)
        finally:
            self._child.lock.release()

    def _read_output(self) -> bool:
        """Read from the output alone. Return True if that was all: most of the time, nothing else has happened."""
        try:
            chunk = os.read(self._stdout, READ_SIZE)
        except BlockingIOError:
            return False
        if chunk:
            self._take(chunk)
        return 0 < len(chunk) < READ_SIZE

    def _take(self, chunk: bytes) -> None:
        if not chunk:
            self._end_of_output()
        elif self._room > 0:
            self._room -= len(chunk) * self.stopped
            if len(chunk) == READ_SIZE and not self._grown:
                self._grown = True
                grow_pipe_buffer(self._stdout)
            lines = self._framer.feed(chunk)
            if self._child.log.is_on:
                for line in lines:
                    self._child.log.received(line)
            self._backlog += lines

    def _end_of_output(self) -> None:
        self._at_end = True
        self._backlog += self._framer.flush()

    def _check_exit(self) -> None:
        """Detect that the process has exited, and only another process holds the pipe."""
        if self._at_end or not self._may_have_exited or not self._child.exited:
            return
        now = time.monotonic()
        if self._exited_at is None:
            self._exited_at, self._first_interval, self._watch_interval = now, PIPE_GRACE, PIPE_GRACE
        elif now - self._exited_at >= PIPE_GRACE:
            # A slow consumer finds the rest of the output here: a full pipe at most.
            for _ in range(PIPE_SIZE // READ_SIZE):
                self._read()
            self._end_of_output()


_POLLABLE: Final = sys.platform != "win32"
"""True if the system can wait for pipes. On Windows a thread reads them."""
