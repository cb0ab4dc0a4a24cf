"""Make objects forget, in a forked child, the processes, threads and locks that belong to the parent."""

import os
from typing import Final, Protocol
from weakref import WeakSet

import anyio

FORKED: Final = "This process was forked while the turn ran, and the turn belongs to the parent process. Start a new turn here."
"""Error message for a turn of the parent that is used in a forked child."""


class ForkAware(Protocol):
    """An object that owns something of this process."""

    def forget_parent(self) -> None:
        """Drop what belongs to the parent without touching it. Called in the child, right after the fork."""
        ...


_registered: WeakSet[ForkAware] = WeakSet()


def forget_after_fork(owner: ForkAware) -> None:
    """Call `owner.forget_parent` in each forked child, as long as the object lives."""
    _registered.add(owner)


class ForkAwareLock:
    """A lock for tasks. A forked child gets it unlocked, because a task of the parent never unlocks it there."""

    def __init__(self) -> None:
        self.forget_parent()
        forget_after_fork(self)

    async def __aenter__(self) -> None:
        await self._lock.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()

    def locked(self) -> bool:
        """Return True if a task has locked it."""
        return self._lock.locked()

    def forget_parent(self) -> None:
        """Replace the lock by a new one. See `ForkAware`."""
        self._lock = anyio.Lock(fast_acquire=True)


def _forget_all() -> None:
    for owner in list(_registered):
        owner.forget_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
