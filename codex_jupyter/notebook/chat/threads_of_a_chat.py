"""The threads that a page of a chat can choose from, create, fork, name, resume, archive and delete."""

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from IPython.core.error import UsageError

from codex_jupyter.notebook.chat.channel import Channel
from codex_jupyter.notebook.render import plain
from codex_jupyter.notebook.session import thread_changes
from codex_jupyter.notebook.session.notebook_thread import MAIN
from codex_jupyter.sdk.thread import check_thread_id

if TYPE_CHECKING:
    from codex_jupyter.notebook.session.registry import ThreadRegistry
    from codex_jupyter.notebook.session.session import NotebookSession

STORED_THREADS: Final = 30
"""Limit of stored threads that a page can choose from."""


def stored(session: "NotebookSession", search: str = "", *, archived: bool = False) -> list[dict[str, Any]]:
    """Return the stored threads that can be resumed, in the form of the page's messages.

    Args:
        session: The notebook's session.
        search: Text that their titles contain.
        archived: Return the archived threads instead of the others.
    """
    threads = session.threads.stored_threads(STORED_THREADS, search=search, archived=archived)
    return [
        {"id": thread.id, "title": plain(thread.name or thread.title), "at": thread.updated.timestamp(), "turns": thread.turns}
        for thread in threads
    ]


def change(session: "NotebookSession", how: str, shown: str, name: str) -> str:
    """Change the threads, and return the name of the thread to show.

    Args:
        session: The notebook's session.
        how: `new`, `fork`, `rename`, `resume`, `archive`, `unarchive` or `delete`.
        shown: Name of the shown thread.
        name: The new title for `rename`; the id of a thread for `resume`, `archive`, `unarchive` and `delete`. Empty is the shown thread.

    Raises:
        UsageError: If there is no such way.
        ThreadNotFoundError: If the text is not a thread id.
        CodexError: If it cannot be done.
    """
    threads = session.threads
    match how:
        case "new":
            return _new(threads, shown)
        case "fork":
            copy = free_name(threads.names, f"{shown}_fork")
            threads.fork(shown, copy)
            return copy
        case "rename":
            thread_changes.set_title(session, shown, name)
            return shown
        case "resume":
            return _resume(threads, check_thread_id(name), None if _has_turn(threads, shown) else shown)
        case "unarchive":
            thread_changes.unarchive(session, check_thread_id(name))
            return shown
        case "archive" | "delete":
            return _remove(session, how, shown, name)
    raise UsageError(f"A thread cannot be {how}.")


def free_name(names: Sequence[str], stem: str) -> str:
    """Return a name that no thread has."""
    return next(name for name in (stem, *(f"{stem}_{number}" for number in range(2, len(names) + 3))) if name not in names)


def _new(threads: "ThreadRegistry", shown: str) -> str:
    """Return the name of a thread without a turn: the shown one, or a new one."""
    if not _has_turn(threads, shown):
        return shown
    name = free_name(threads.names, "chat")
    threads.conversation(name)
    return name


def _remove(session: "NotebookSession", how: str, shown: str, thread_id: str) -> str:
    threads = session.threads
    conversation = threads.conversations.get(shown)
    own = conversation.thread.id if conversation is not None else None
    if not thread_id and own is None:  # nothing is stored yet
        if conversation is not None:
            threads.check_idle(shown)
            del threads.conversations[shown]
        return MAIN
    remove = thread_changes.archive if how == "archive" else thread_changes.delete
    remove(session, check_thread_id(thread_id or own or ""))
    return shown if thread_id and thread_id != own else MAIN


def _has_turn(threads: "ThreadRegistry", name: str) -> bool:
    conversation = threads.conversations.get(name)
    if conversation is not None:
        return conversation.thread.id is not None or conversation.running is not None
    return any(record.name == name for record in threads.remembered.threads)


def _resume(threads: "ThreadRegistry", thread_id: str, free: str | None) -> str:
    """Return the name of the thread with an id. A thread that the notebook does not know gets one: `free`, or a new one."""
    name = next((conversation.name for conversation in threads.conversations.values() if conversation.thread.id == thread_id), None)
    name = name or next((record.name for record in threads.remembered.threads if record.id == thread_id), None)
    if name is None:
        name = free or free_name(threads.names, "resumed")
        threads.adopt(name, thread_id)
    return name


def compact(session: "NotebookSession", name: str, channel: Channel, report: Callable[[Exception], None]) -> None:
    """Let the model summarise the history of a thread, in the background.

    Args:
        session: The notebook's session.
        name: Name of the thread.
        channel: The connection with the pages, which receive a notice at the end.
        report: Called with the error if it fails.

    Raises:
        ThreadBusyError: If a turn of the thread runs.
    """

    def run() -> None:
        try:
            thread_changes.compact(session, name)
            channel.send("notice", text="The conversation is compacted. Codex keeps a summary of it.")
        except Exception as error:
            report(error)

    session.threads.check_idle(name)
    threading.Thread(target=run, daemon=True, name="codex-compact").start()
