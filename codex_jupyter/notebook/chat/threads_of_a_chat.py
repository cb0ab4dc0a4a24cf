"""The threads that a page of a chat can choose from, create, fork, rename and resume."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from IPython.core.error import UsageError

from codex_jupyter.notebook.render import plain
from codex_jupyter.sdk import InputError

if TYPE_CHECKING:
    from codex_jupyter.notebook.session.registry import ThreadRegistry

STORED_THREADS: Final = 30
"""Limit of stored threads that a page can choose from."""


def stored(threads: "ThreadRegistry") -> list[dict[str, Any]]:
    """Return the stored threads that can be resumed, in the form of the page's messages."""
    return [
        {"id": thread.id, "title": plain(thread.name or thread.title), "at": thread.updated.timestamp(), "turns": thread.turns}
        for thread in threads.stored_threads(STORED_THREADS)
    ]


def change(threads: "ThreadRegistry", how: str, shown: str, name: str) -> None:
    """Create a thread, or fork or rename the shown one.

    Args:
        threads: The threads of the notebook.
        how: `new`, `fork` or `rename`.
        shown: Name of the shown thread.
        name: The new name.

    Raises:
        UsageError: If the name or the way is not valid.
        InputError: If there is a thread of this name.
    """
    if not name.isidentifier():
        raise UsageError(f"{name or 'Nothing'} is not a name. Use letters, digits and underscores, as in the name of a variable.")
    if name in threads.names:
        raise InputError(f"There is already a thread named {name}. Choose another name.")
    match how:
        case "new":
            threads.conversation(name)
        case "fork":
            threads.fork(shown, name)
        case "rename":
            threads.rename(shown, name)
        case _:
            raise UsageError(f"A thread cannot be {how}.")


def resume(threads: "ThreadRegistry", thread_id: str, free: str | None) -> str:
    """Return the name of the thread with an id. A thread that the notebook does not know gets one.

    Args:
        threads: The threads of the notebook.
        thread_id: Its UUID.
        free: A name that the thread can have. If it is None, it gets a new one.

    Raises:
        UsageError: If the id is not a UUID.
        ThreadNotFoundError: If there is no such thread.
    """
    if not re.fullmatch(r"[0-9a-fA-F-]{32,36}", thread_id):
        raise UsageError(f"{thread_id or 'Nothing'} is not a thread id. Thread ids are UUIDs, see Thread.id.")
    name = next((conversation.name for conversation in threads.conversations.values() if conversation.thread.id == thread_id), None)
    name = name or next((record.name for record in threads.remembered.threads if record.id == thread_id), None)
    if name is None:
        name = free or _free_name(threads.names, "resumed")
        threads.adopt(name, thread_id)
    return name


def _free_name(names: Sequence[str], stem: str) -> str:
    """Return a name that no thread has."""
    return next(name for name in (stem, *(f"{stem}_{number}" for number in range(2, len(names) + 3))) if name not in names)
