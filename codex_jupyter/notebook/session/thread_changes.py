"""Change the threads of a notebook: give them titles, archive, delete, revert and compact them."""

from functools import partial
from typing import TYPE_CHECKING

from codex_jupyter.notebook.session.notebook_thread import MAIN, title_of
from codex_jupyter.sdk import InputError, ThreadNotFoundError

if TYPE_CHECKING:
    from codex_jupyter.notebook.session.notebook_thread import NotebookThread
    from codex_jupyter.notebook.session.session import NotebookSession


def titles(session: "NotebookSession") -> dict[str, str]:
    """Return the titles of all threads by their names. A thread without a prompt has its name.

    The notebook's own thread comes first, and then the others by name.
    """
    threads = session.threads
    by_name = {record.name: record.title or title_of(record.last_prompt) for record in threads.remembered.threads}
    by_name |= {name: conversation.shown_title for name, conversation in threads.conversations.items()}
    return {name: by_name[name] or name for name in sorted(by_name, key=lambda name: (name != MAIN, name))}


def set_title(session: "NotebookSession", name: str, title: str) -> None:
    """Give a thread a title, here and in the lists of Codex.

    Raises:
        InputError: If the title is empty.
        ThreadNotFoundError: If there is no thread of this name in use.
        CodexError: If Codex cannot store the title.
    """
    title = title_of(title)
    if not title:
        raise InputError("The title is empty.")
    conversation = _conversation(session, name)
    if conversation.thread.id is not None:
        session.client.event_loop.call(partial(session.client.codex.set_thread_name, conversation.thread.id, title))
    conversation.title = title
    session.threads.remember(conversation)
    session.threads.notify(name)


def archive(session: "NotebookSession", thread_id: str) -> None:
    """Move a stored thread out of the lists, and out of this notebook. Raises as `Codex.archive_thread` does."""
    _check_idle(session, thread_id)
    session.client.event_loop.call(partial(session.client.codex.archive_thread, thread_id))
    forget(session, thread_id)


def unarchive(session: "NotebookSession", thread_id: str) -> None:
    """Undo `archive`. Raises as `Codex.unarchive_thread` does."""
    session.client.event_loop.call(partial(session.client.codex.unarchive_thread, thread_id))


def delete(session: "NotebookSession", thread_id: str) -> None:
    """Delete a stored thread for good. Raises as `Codex.delete_thread` does."""
    _check_idle(session, thread_id)
    session.client.event_loop.call(partial(session.client.codex.delete_thread, thread_id))
    forget(session, thread_id)


def forget(session: "NotebookSession", thread_id: str) -> None:
    """Let no name of this notebook stand for a thread."""
    threads = session.threads
    path = threads.notebook
    names = {name for name, conversation in threads.conversations.items() if conversation.thread.id == thread_id}
    names |= {record.name for record in threads.remembered.threads if record.id == thread_id}
    for name in names:
        conversation = threads.conversations.get(name)
        if conversation is not None and conversation.thread.id == thread_id:
            del threads.conversations[name]
        if path is not None:
            threads.warning = threads.store.forget(path, name)
        threads.notify(name)


def revert(session: "NotebookSession", name: str, turns: int) -> None:
    """Remove the last turns of a thread from its history. Files that they changed stay as they are.

    Args:
        session: The notebook's session.
        name: Name of the thread.
        turns: The number of turns, 1 or more.

    Raises:
        ThreadNotFoundError: If there is no thread of this name in use.
        CodexError: As `Thread.revert` does.
    """
    session.threads.check_idle(name)
    conversation = _conversation(session, name)
    if turns >= len(conversation.history):
        # Codex keeps at least the start of a thread, so a new one takes its place.
        session.threads.new_thread(name)
        return
    session.client.event_loop.call(partial(conversation.thread.revert, turns))
    kept = len(conversation.turns) - turns
    conversation.turns[:] = conversation.turns[: max(0, kept)]
    if kept < 0:
        conversation.past = conversation.past[:kept]
    session.threads.notify(name)


def compact(session: "NotebookSession", name: str) -> None:
    """Let the model summarise the history of a thread. Takes as long as a turn. Raises as `Thread.compact` does."""
    session.threads.check_idle(name)
    session.client.event_loop.call(_conversation(session, name).thread.compact)


def _conversation(session: "NotebookSession", name: str) -> "NotebookThread":
    conversation = session.threads.conversations.get(name)
    if conversation is None:
        raise ThreadNotFoundError(f"The thread {name} has no turn yet.")
    return conversation


def _check_idle(session: "NotebookSession", thread_id: str) -> None:
    for conversation in session.threads.running:
        if conversation.thread.id == thread_id:
            session.threads.check_idle(conversation.name)
