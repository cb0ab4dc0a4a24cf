"""Find and kill the processes that a process has started, by its tree and by a mark in the environment, which they inherit."""

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import psutil

MARKER: Final = "CODEX_JUPYTER_TURN"
"""The environment variable with the mark. It identifies everything that a process has started, also after its parent has exited."""
KILL_GRACE: Final = 1.0
"""Seconds to wait for the exit of killed processes."""
INTERVAL: Final = 0.01
"""Seconds between two looks for processes."""


def descendants(pid: int) -> list["psutil.Process"]:
    """Return all processes below a process."""
    import psutil

    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def _bearing(mark: str, variables: Sequence[str], since: float) -> list["psutil.Process"]:
    """Return the processes with a mark in one of these environment variables. Processes of other users hide their environment."""
    import psutil

    marked = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            # psutil remembers the start time of a process. Reading an environment takes ten times as long.
            environment = process.environ() if process.create_time() >= since else {}
            if any(mark in environment.get(variable, "") for variable in variables):
                marked.append(process)
    return marked


def kill_left(tree: Iterable["psutil.Process"], mark: str, variables: Sequence[str] = (MARKER,), *, since: float = 0.0) -> None:
    """Kill what is left of a process tree, and the processes with a mark. Wait for their exit.

    psutil makes sure that no pid was reused meanwhile.

    Args:
        tree: The processes of the tree.
        mark: The mark.
        variables: The environment variables that may contain the mark.
        since: Start time in seconds of `time.time`. Processes that started earlier are not killed because of the mark.
    """
    import psutil

    deadline = time.monotonic() + KILL_GRACE
    quiet = 0
    while time.monotonic() < deadline:
        survivors = [process for process in {*tree, *_bearing(mark, variables, since)} if _alive(process)]
        # One look may miss a process that is just being started: it gets its environment a moment after it exists.
        quiet = 0 if survivors else quiet + 1
        if quiet == 2:
            return
        for process in survivors:
            for member in (process, *descendants(process.pid)):
                with suppress(psutil.Error):
                    member.kill()
        time.sleep(INTERVAL)


def _alive(process: "psutil.Process") -> bool:
    """Return True if a process runs and is not a zombie."""
    import psutil

    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
