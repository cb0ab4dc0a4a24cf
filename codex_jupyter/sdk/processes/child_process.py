"""The owner of a codex process: its start, its error output, its stop, and its registration for the exit of this process.

A turn of `codex exec` and a connection to `codex app-server` differ in how they read the output, and in the steps of their stop protocol.
The rest is the same, and is here.

Stopping is not killing. Codex runs each command in an exclusive session. Killing codex, or its process group, leaves the commands running.
So a stop first lets codex end them itself. Then it kills everything that is left: the process tree as it was at the start of the stop, and
all processes with the mark in their environment, wherever they are (`nohup`, `setsid`, a double fork).
"""

import atexit
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from codex_jupyter.sdk.processes.guardian import guardian
from codex_jupyter.sdk.processes.process_log import ProcessLog
from codex_jupyter.sdk.processes.process_tree import descendants, kill_left
from codex_jupyter.sdk.processes.spawn import spawn

if TYPE_CHECKING:
    import psutil

STDERR_TAIL: Final = 64 * 1024
"""Bytes at the end of the error output that are kept."""
_READ_SIZE: Final = 64 * 1024


class ProcessState(Enum):
    """The state of a child process, as its owner sees it."""

    RUNNING = "running"
    """It was not asked to stop. It may have exited by itself."""
    STOPPING = "stopping"
    """It was asked to stop."""
    STOPPED = "stopped"
    """The stop protocol is complete: nothing that it started is left."""
    INHERITED = "inherited"
    """It belongs to the process that this one was forked from, and must not be touched."""


class StopStep(NamedTuple):
    """A step of a stop protocol."""

    action: Callable[[], None]
    """Asks the process to exit. Returns at once."""
    grace: float
    """Seconds to wait for the exit after the action."""


class ChildProcess:
    """A codex process that this process owns.

    Args:
        popen: The process.
        mark: The mark in its environment.
        log: The log of the process.

    Attributes:
        popen: The process.
        log: The log of the process.
        steps: The stop protocol. The owner sets it before it shares the object.
        wait: Waits for the exit until a time of `time.monotonic`, and returns True if the process has exited. The owner may set it, to
            read the output meanwhile.
        lock: Held while the process is stopped.
    """

    def __init__(self, popen: "subprocess.Popen[bytes]", mark: str, log: ProcessLog | None = None) -> None:
        self.popen = popen
        self.log: ProcessLog = log or ProcessLog()
        self.steps: Sequence[StopStep] = ()
        self.wait: Callable[[float], bool] | None = None
        self.lock: threading.RLock = threading.RLock()
        self._mark = mark
        self._state = ProcessState.RUNNING
        self._stderr = bytearray()
        self._tree: list[psutil.Process] = []
        self._asked_at = 0.0
        owned_processes.add(self)

    @classmethod
    def start(
        cls,
        argv: Sequence[str],
        env: Mapping[str, str],
        *,
        stdin: int,
        stdout: int,
        stderr: int,
        log: ProcessLog | None = None,
    ) -> Self:
        """Start a process in an exclusive session, so that an interrupt of this process does not reach it.

        Args:
            argv: Executable and arguments.
            env: The whole environment, to which a mark is added.
            stdin: The standard input.
            stdout: The standard output.
            stderr: The standard error.
            log: The log of the process.

        Raises:
            OSError: If the system does not start it.
            ValueError: If an argument contains a NUL character.
        """
        child = cls(*spawn(argv, env, stdin=stdin, stdout=stdout, stderr=stderr), log)
        child.log.started(argv, child.pid)
        return child

    @property
    def pid(self) -> int:
        """The process id."""
        return self.popen.pid

    @property
    def state(self) -> ProcessState:
        """The state of the process."""
        return self._state

    @property
    def asked_to_stop(self) -> bool:
        """True if it was asked to stop."""
        return self._state in (ProcessState.STOPPING, ProcessState.STOPPED)

    @property
    def is_inherited(self) -> bool:
        """True if it belongs to the process that this one was forked from."""
        return self._state is ProcessState.INHERITED

    @property
    def exited(self) -> bool:
        """True if it has exited."""
        return self.popen.poll() is not None

    def add_stderr(self, chunk: bytes) -> None:
        """Keep a part of the error output, and log it."""
        self.log.stderr(chunk)
        self._stderr += chunk
        if len(self._stderr) > 2 * STDERR_TAIL:
            del self._stderr[:-STDERR_TAIL]

    def drain_stderr(self, handle: int) -> None:
        """Read the error output to its end. Blocks."""
        with suppress(OSError, ValueError):
            while chunk := os.read(handle, _READ_SIZE):
                self.add_stderr(chunk)

    def stderr_tail(self) -> str:
        """Return the end of the error output, at most `STDERR_TAIL` bytes, decoded with replacement characters."""
        return bytes(self._stderr[-STDERR_TAIL:]).decode(errors="replace")

    def request_stop(self) -> None:
        """Run the first step of the stop protocol, from any thread. Returns at once. Does nothing if the process has exited."""
        if self._state is not ProcessState.RUNNING:
            return
        with self.lock:
            if self._state is ProcessState.RUNNING and not self.exited:
                self._tree = descendants(self.pid)  # unknown as soon as the process has exited
                self._state = ProcessState.STOPPING
                self._asked_at = time.monotonic()
                self.steps[0].action()

    def stop(self) -> None:
        """Run the whole stop protocol, and kill everything that is left. Blocks. Does nothing if the process has exited by itself."""
        with self.lock:
            self.request_stop()
            if self._state is not ProcessState.STOPPING:
                return
            deadline = self._asked_at
            for number, step in enumerate(self.steps):
                deadline += step.grace
                if number:
                    step.action()
                if (self.wait or self._wait)(deadline):
                    break
            self.sweep()
            self._state = ProcessState.STOPPED

    def sweep(self) -> None:
        """Kill everything that the process has left behind. Blocks."""
        kill_left(self._tree, self._mark)

    def release(self) -> None:
        """Stop watching the process, which has exited. Safe to call twice."""
        if self in owned_processes:
            owned_processes.discard(self)
            guardian.ended(self.pid)
            self.log.exited(self.popen.poll())

    def forget_parent(self) -> None:
        """Leave the process to the parent. See `ForkAware`; the owner calls it."""
        self._state = ProcessState.INHERITED
        self.lock = threading.RLock()
        self._tree = []
        if self.popen.returncode is None:
            self.popen.returncode = 0  # only the parent can wait for it
        owned_processes.discard(self)

    def _wait(self, deadline: float) -> bool:
        try:
            self.popen.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return False
        return True


owned_processes: set[ChildProcess] = set()
"""The processes that this process must stop before it exits."""


@atexit.register
def stop_all() -> None:
    """Stop all processes, because this process exits."""
    processes = list(owned_processes)
    # All are asked first, so that the waits for processes that do not obey overlap.
    for process in processes:
        process.request_stop()
    for process in processes:
        process.stop()
