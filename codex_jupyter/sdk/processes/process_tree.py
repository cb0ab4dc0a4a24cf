"""What a process has started: found in its tree, or by a mark in the environment, which all of it inherits; and killed."""

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import psutil

MARKER: Final = "CODEX_JUPYTER_TURN"
"""The environment variable by which everything that a process has started is known, also after its parent is gone."""
KILL_GRACE: Final = 1.0
"""Seconds to wait for what was killed to be gone."""


def descendants(pid: int) -> list["psutil.Process"]:
    """What a process has started, and what that has."""
    import psutil

    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def _bearing(mark: str, variables: Sequence[str], since: float) -> list["psutil.Process"]:
    """The processes begun since then that bear a mark in one of these variables of their environment. Those of other users hide theirs."""
    import psutil

    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            # The time is known from when a process was first seen; an environment is read anew, which takes ten times as long.
            environment = process.environ() if process.create_time() >= since else {}
            if any(mark in environment.get(variable, "") for variable in variables):
                found.append(process)
    return found


def kill_left(tree: Iterable["psutil.Process"], mark: str, variables: Sequence[str] = (MARKER,), *, since: float = 0.0) -> None:
    """Kill what is left of a process tree and of a mark, and wait until it is gone.

    psutil makes sure that no pid has been given to another process meanwhile.

    Args:
        tree: The processes.
        mark: What the others have in their environment.
        variables: Where they have it.
        since: What bears the mark but began before is left alone, in seconds of `time.time`.
    """
    import psutil

    deadline = time.monotonic() + KILL_GRACE
    while (
        survivors := [process for process in {*tree, *_bearing(mark, variables, since)} if _alive(process)]
    ) and time.monotonic() < deadline:
        for process in survivors:
            for member in (process, *descendants(process.pid)):
                with suppress(psutil.Error):
                    member.kill()
        time.sleep(0.01)


def _alive(process: "psutil.Process") -> bool:
    """Whether it still runs. What is dead and only waits for its parent to notice does not."""
    import psutil

    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
