"""A second process that ends what this one has started when this one dies, also by a signal or `os._exit`.

It is started with the first process of codex, and shared by all. It is not a child of this process, and has none of its files open. If
someone ends it, the next start of a codex process starts another one. What it does is in `guardian_program`.
"""

import atexit
import os
import select
import subprocess
import sys
import tempfile
import threading
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Final

from codex_jupyter.sdk.processes.forks import forget_after_fork
from codex_jupyter.sdk.processes.guardian_program import HAS_PROC

_PROGRAM: Final = Path(__file__).with_name("guardian_program.py")
_ENVIRONMENT: Final = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TEMP")
"""Environment variables that Python itself may need. All others may be secret, and are not passed on."""


class Guardian:
    """The guardian of this process."""

    def __init__(self) -> None:
        forget_after_fork(self)
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._pipe: int | None = None
        self._popen: subprocess.Popen[bytes] | None = None
        self._running: set[int] = set()
        self._folders: list[str] = []
        self.mark: str = uuid.uuid4().hex
        """Contained in the environment of all processes that the guardian ends."""

    @property
    def pipe(self) -> int | None:
        """The file through which the guardian is reached; None if it does not run."""
        return self._pipe

    def ensure(self) -> None:
        """Start the guardian unless it runs. Returns at once.

        Without a Python executable to run, as in a program that embeds Python, there is no guardian.

        Raises:
            OSError: If the system has no room for it.
        """
        with self._lock:
            if not self._runs():
                self._start()

    def started(self, pid: int) -> None:
        """Report a process that was started."""
        with self._lock:
            self._running.add(pid)
            self._report(f"start {pid}")

    def ended(self, pid: int) -> None:
        """Report that a started process has ended, before its pid can be used again."""
        with self._lock:
            self._running.discard(pid)
            self._report(f"end {pid}")

    def staged(self, parent: str) -> None:
        """Report where folders are staged."""
        with self._lock:
            if parent not in self._folders:
                self._folders.append(parent)
                self._send(f"folder {parent}")

    def close(self) -> None:
        """Close the pipe: the guardian ends what still runs, and itself."""
        with self._lock:
            if self._pipe is not None:
                os.close(self._pipe)
                self._pipe = None

    def forget_parent(self) -> None:
        """Leave the guardian to the parent. See `ForkAware`."""
        if self._pipe is not None:
            os.close(self._pipe)
        if self._popen is not None:
            self._popen.returncode = 0  # otherwise Popen would wait for it, which only the parent can do
        self._reset()

    def _start(self) -> None:
        if not _PROGRAM.is_file() or not Path(sys.executable or "").name.lower().startswith(("python", "pypy")):
            return
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
        read_end, write_end = os.pipe()
        try:
            self._popen = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-I", "-S", str(_PROGRAM), str(os.getpid())],
                stdin=read_end,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                cwd=os.path.abspath(os.sep),
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except BaseException:
            os.close(write_end)
            raise
        finally:
            os.close(read_end)
        # A guardian that was stopped must not hold up this process.
        if sys.platform != "win32":
            os.set_blocking(write_end, False)
        self._pipe = write_end
        if sys.platform != "win32":
            with suppress(RuntimeError):  # no room for a thread: the system then keeps an entry of the process table
                threading.Thread(target=self._popen.wait, name="codex-guardian", daemon=True).start()
        if not self._folders:
            with suppress(OSError):
                self._folders.append(tempfile.gettempdir())
        for message in (f"mark {self.mark}", *(f"start {pid}" for pid in self._running), *(f"folder {folder}" for folder in self._folders)):
            self._send(message)

    def _runs(self) -> bool:
        """Return True if the guardian runs. On Linux without waking it, because each turn asks."""
        if self._pipe is None or sys.platform != "linux":
            return self._send(f"mark {self.mark}")
        poll = select.poll()
        poll.register(self._pipe, 0)  # an error is reported in any case: no one can read the pipe
        return not poll.poll(0)

    def _report(self, message: str) -> None:
        """Send a message about a process, where the guardian cannot find the processes by their marks."""
        if not HAS_PROC:
            self._send(message)

    def _send(self, message: str) -> bool:
        """Send a message. Return True if the guardian runs."""
        if self._pipe is None:
            return False
        try:
            os.write(self._pipe, os.fsencode(message) + b"\0")
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True


guardian: Final = Guardian()
# Registered before the exit hook that stops the processes, so that it runs after that hook.
atexit.register(guardian.close)
