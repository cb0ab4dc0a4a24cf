"""What there is of earlier kernels: in the saved notebook, whose outputs know more about each turn, and with Codex, which has all turns."""

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
    """What the outputs of a notebook hold of a thread; nothing without a notebook."""
    saved = past_turns(notebook, thread_id) if notebook is not None else ()
    return [FinishedTurn(info.prompt, turn, info) for turn, info in saved]


def named_threads(store: ThreadStore, notebook: Path, home: Path) -> tuple[SavedThread, ...]:
    """Return the threads that the outputs of a notebook name, as far as they can be its own.

    The notebook may have been renamed or moved, or what was remembered of it is lost. It may also come from someone else, who wrote any
    thread of this user into it. So these threads are continued only when the user asks for it, and nothing is remembered until then.

    Args:
        store: Where threads are remembered. A thread of another notebook that still exists is left out: this notebook is a copy.
        notebook: The notebook.
        home: The CODEX_HOME. Threads that it does not have are left out.
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
    """Return True if a text has the form of a thread's id."""
    return re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text) is not None


def stored_turns(stored: ThreadHistory, info: TurnInfo) -> list[FinishedTurn]:
    """What Codex has kept of a thread.

    Args:
        stored: The thread.
        info: What is known about all of its turns.
    """
    turns = []
    for one in stored.turns:
        about = TurnInfo(
            thread_name=info.thread_name,
            demo=info.demo,
            cwd=str(stored.working_directory),
            prompt=one.prompt,
            context=one.context,
            context_summary="told by the kernel" if one.context else "",
        )
        turns.append(FinishedTurn(one.prompt, one.turn, about))
    return turns


def fuller(saved: Sequence[FinishedTurn], stored: Sequence[FinishedTurn]) -> list[FinishedTurn]:
    """The one that has more turns; of two that have the same, what the notebook has saved."""
    return list(saved if len(saved) >= len(stored) else stored)
