"""The guardian of a Python process: it ends everything that the process has started after the process itself has died.

`guardian.py` runs this file by its path, with the standard library only. The owner holds the other end of standard input, so its end shows
every death of the owner. The messages end with a NUL byte: `mark TEXT` (contained in the environment of all processes of the owner),
`start PID` and `end PID` (sent where marks are not shown), and `folder PATH` (where the owner stages files).

On Linux, all processes with the mark are found. On other systems the guardian ends the trees of the started processes, so that a command
that has detached itself before may survive. Staged folders of dead owners are removed if the system can lock folders, so not on Windows.
"""

import os
import select
import signal
import sys
import time
from contextlib import suppress
from typing import Final, NamedTuple

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

STAGING_PREFIX: Final = "codex-jupyter-turn-"
"""Start of the names of staged folders. Each is locked by its owner as long as that lives."""
TERM_GRACE: Final = 1.0
"""Seconds between SIGTERM and SIGKILL."""
LIMIT: Final = 4.0
"""Seconds after which the guardian gives up."""
HAS_PROC: Final = os.path.isdir("/proc/self")
"""True if the system shows the environment of processes."""
INTERVAL: Final = 0.03
"""Seconds between two scans of the processes."""


class Seen(NamedTuple):
    """A process in a scan."""

    parent: int
    start: str
    """The start time; empty if it is unknown. Together with the pid it identifies a process, because pids are reused."""
    marked: bool


def main(owner: int) -> None:
    """Wait for the end of the owner, then clean up."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if hasattr(os, "fork") and os.fork():
        # Not a child of the owner: a kernel that shuts down ends its children first, and waits for them.
        os._exit(0)
    state = State()
    state.follow(owner)
    end_processes(state.mark, state.running)
    for folder in state.folders:
        remove_abandoned(folder)


class State:
    """The processes and folders that the owner has reported."""

    def __init__(self) -> None:
        self.mark = b""
        self.running: set[int] = set()
        self.folders: list[str] = []

    def follow(self, owner: int) -> None:
        """Read messages until the owner is dead, or has closed the pipe."""
        handles = [0]
        if hasattr(os, "pidfd_open"):
            # A copy of the pipe in another process must not hide the owner's end.
            with suppress(OSError):
                handles.append(os.pidfd_open(owner))
        unread = b""
        while True:
            ready = [0] if os.name == "nt" else select.select(handles, [], [])[0]
            chunk = os.read(0, 65536) if 0 in ready else b""
            if not chunk:
                return
            *messages, unread = (unread + chunk).split(b"\0")
            for message in messages:
                self.take(message)

    def take(self, message: bytes) -> None:
        """Apply one message."""
        kind, _, value = message.partition(b" ")
        if kind == b"mark":
            self.mark = value
        elif kind == b"start":
            self.running.add(int(value))
        elif kind == b"end":
            self.running.discard(int(value))
        elif kind == b"folder":
            self.folders.append(os.fsdecode(value))
            remove_abandoned(self.folders[-1])


def end_processes(mark: bytes, started: set[int]) -> None:
    """End all processes with a mark. If the system shows no marks, end the trees of the started processes.

    Each gets SIGTERM, and SIGKILL if it still runs after `TERM_GRACE` seconds.
    """
    if os.name == "nt":
        return _end_on_windows(started)
    begin = time.monotonic()
    has_marks = HAS_PROC
    ours: set[tuple[int, str]] = set()
    asked: set[tuple[int, str]] = set()
    quiet = 0
    while quiet < 2 and (elapsed := time.monotonic() - begin) < LIMIT:
        seen = snapshot_proc(mark) if has_marks else snapshot_ps()
        ours |= {(pid, process.start) for pid, process in seen.items() if (process.marked if has_marks else pid in started)}
        _add_descendants(ours, seen)
        alive = [(pid, start) for pid, start in ours if pid in seen and seen[pid].start == start]
        number = signal.SIGTERM if elapsed < TERM_GRACE else signal.SIGKILL
        for pid, start in alive:
            if number == signal.SIGKILL or (pid, start) not in asked:
                asked.add((pid, start))
                _signal(pid, start, number)
        # One scan may miss a process that was just being started.
        quiet = 0 if alive else quiet + 1
        time.sleep(INTERVAL)
    return None


def _add_descendants(ours: set[tuple[int, str]], seen: dict[int, Seen]) -> None:
    grown = True
    while grown:
        parents = {pid for pid, process in seen.items() if (pid, process.start) in ours}
        more = {(pid, process.start) for pid, process in seen.items() if process.parent in parents} - ours
        ours |= more
        grown = bool(more)


def _signal(pid: int, start: str, number: int) -> None:
    """Send a signal. If the system can do that, make sure that the pid was not reused."""
    with suppress(OSError):
        if start and hasattr(os, "pidfd_open") and hasattr(signal, "pidfd_send_signal"):
            handle = os.pidfd_open(pid)
            try:
                if (now := _stat_of(pid)) is not None and now[2] == start:
                    signal.pidfd_send_signal(handle, number)
            finally:
                os.close(handle)
        else:
            os.kill(pid, number)


def snapshot_proc(mark: bytes) -> dict[int, Seen]:
    """Return the running processes of this user, on Linux."""
    seen = {}
    user = os.geteuid()
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with suppress(OSError):
            if os.stat(f"/proc/{name}").st_uid != user and user != 0:
                continue
            state = _stat_of(int(name))
            if state is None or state[0] in "ZX":
                continue
            environment = b""
            with suppress(OSError), open(f"/proc/{name}/environ", "rb") as file:  # closed to us for some, which can be descendants
                environment = file.read()
            seen[int(name)] = Seen(int(state[1]), state[2], bool(mark) and mark in environment)
    return seen


def _stat_of(pid: int) -> tuple[str, str, str] | None:
    """Return state, parent and time of start of a process, on Linux."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b") ")[2].split()
        return fields[0].decode(), fields[1].decode(), fields[19].decode()
    except (OSError, IndexError):
        return None


def snapshot_ps() -> dict[int, Seen]:
    """Return the running processes, on other Unix systems."""
    import subprocess

    command = ["ps", "-axo", "pid=,ppid=,stat="]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603
    rows = [line.split() for line in listed.splitlines()]
    return {int(row[0]): Seen(int(row[1]), "", marked=False) for row in rows if len(row) > 2 and not row[2].startswith("Z")}


def _end_on_windows(started: set[int]) -> None:
    import subprocess

    for pid in started:
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(pid)], capture_output=True, check=False)  # noqa: S603, S607


def remove_abandoned(parent: str) -> None:
    """Remove the staged folders of dead owners: those of this user that no one has locked.

    A lock is seen by all processes of a machine, in every container, and ends with its owner.
    """
    with suppress(OSError):
        names = [name for name in os.listdir(parent) if name.startswith(STAGING_PREFIX)]
        for name in names:
            with suppress(OSError):
                _remove_unlocked(os.path.join(parent, name))


def lock_folder(path: str) -> int | None:
    """Lock a folder for as long as the returned file is open in this process. None where the system cannot.

    Raises:
        OSError: If another process has locked it.
    """
    if fcntl is None:
        return None
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _remove_unlocked(path: str) -> None:
    handle = lock_folder(path)
    if handle is None:
        return
    try:
        if os.fstat(handle).st_uid == os.geteuid():
            for name in os.listdir(handle):
                os.unlink(name, dir_fd=handle)
            os.rmdir(path)
    finally:
        os.close(handle)


if __name__ == "__main__":
    main(int(sys.argv[1]))
