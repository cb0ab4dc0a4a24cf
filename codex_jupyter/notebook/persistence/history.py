"""Turns of earlier kernels: from the saved notebook, whose outputs contain more data, and from Codex, which has all turns."""

import re
from collections.abc import Sequence
from pathlib import Path

from codex_jupyter.notebook.persistence.finished_turn import FinishedTurn
from codex_jupyter.notebook.persistence.notebook_file import past_turns
from codex_jupyter.notebook.persistence.thread_store import MAIN, MAX_PROMPT, SavedThread, ThreadStore
from codex_jupyter.notebook.render import TurnInfo
from codex_jupyter.sdk import ThreadHistory
from codex_jupyter.sdk.rollouts import is_stored


def saved_turns(notebook: Path | None, thread_id: str) -> list[FinishedTurn]:
    """Return the turns of a thread in the outputs of a notebook. Empty without a notebook."""
    saved = past_turns(notebook, thread_id) if notebook is not None else ()
    return [FinishedTurn(info.prompt, turn, info) for turn, info in saved]


def named_threads(store: ThreadStore, notebook: Path, home: Path) -> tuple[SavedThread, ...]:
    """Return the threads that the outputs of a notebook name, if they can belong to it.

    The notebook may have been renamed or moved, or its stored threads are lost. It may also come from another person, who could write any
    thread of this user into it. So these threads are continued only on the user's request, and nothing is stored before that.

    Args:
        store: The stored threads. A thread of another existing notebook is left out, because then this notebook is a copy.
        notebook: The notebook.
        home: The CODEX_HOME. Threads that it does not contain are left out.
    """
    records: dict[str, SavedThread] = {}
    for turn, info in past_turns(notebook):
        name, thread_id = info.thread_name or MAIN, turn.thread_id
        if info.demo or not name.isidentifier() or thread_id is None or not is_thread_id(thread_id):
            continue
        earlier = records.get(name)
        turns = earlier.turns + 1 if earlier is not None and earlier.id == thread_id else 1
        tokens = turn.thread_usage.total_tokens if turn.thread_usage is not None else 0
        records[name] = SavedThread(name, thread_id, turns, tokens, info.prompt[:MAX_PROMPT])
    owned = {record.id for record in records.values() if any(owner.exists() and owner != notebook for owner in store.owners(record.id))}
    return tuple(record for record in records.values() if record.id not in owned and is_stored(home, record.id))


def is_thread_id(text: str) -> bool:
    """Return True if a text has the form of a thread id."""
    return re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text) is not None


def stored_turns(stored: ThreadHistory, info: TurnInfo) -> list[FinishedTurn]:
    """Return the turns of a thread as stored by Codex.

    Args:
        stored: The thread.
        info: Facts about all of its turns.
    """
    turns = []
    for stored_turn in stored.turns:
        about = TurnInfo(
            thread_name=info.thread_name,
            demo=info.demo,
            cwd=str(stored.working_directory),
            prompt=stored_turn.prompt,
            context=stored_turn.context,
            context_summary="context from the kernel" if stored_turn.context else "",
        )
        turns.append(FinishedTurn(stored_turn.prompt, stored_turn.turn, about))
    return turns


def longer_history(saved: Sequence[FinishedTurn], stored: Sequence[FinishedTurn]) -> list[FinishedTurn]:
    """Return the longer list. If both have the same length, return the saved turns, because they contain more data."""
    return list(saved if len(saved) >= len(stored) else stored)
