"""What there is of earlier kernels: in the saved notebook, whose outputs know more about each turn, and with Codex, which has all turns."""

from collections.abc import Sequence
from pathlib import Path

from codex_jupyter.notebook.export import ExportedTurn
from codex_jupyter.notebook.render import TurnInfo
from codex_jupyter.notebook.store import MAIN, MAX_PROMPT, NotebookRecord, ThreadRecord, ThreadStore, past_turns
from codex_jupyter.sdk import StoredThread
from codex_jupyter.sdk.threads import is_stored


def saved_turns(notebook: Path | None, thread_id: str) -> list[ExportedTurn]:
    """What the outputs of a notebook hold of a thread; nothing without a notebook."""
    saved = past_turns(notebook, thread_id) if notebook is not None else ()
    return [ExportedTurn(info.prompt, turn, info) for turn, info in saved]


def adopt_outputs(store: ThreadStore, notebook: Path, home: Path) -> str | None:
    """Remember the threads that the outputs of a notebook tell of: it was renamed, moved, or what was remembered of it is lost.

    Threads of another notebook that is still there stay that one's alone: this one is a copy.

    Args:
        store: Where threads are remembered.
        notebook: A notebook that nothing is remembered of.
        home: The CODEX_HOME; threads that it does not have are no use.

    Returns:
        None, or one line that says what went wrong.
    """
    records: dict[str, ThreadRecord] = {}
    for turn, info in past_turns(notebook):
        name, earlier = info.thread_name or MAIN, records.get(info.thread_name or MAIN)
        if turn.thread_id is not None and not info.demo:
            turns = earlier.turns + 1 if earlier is not None and earlier.id == turn.thread_id else 1
            tokens = turn.thread_usage.total_tokens if turn.thread_usage is not None else 0
            records[name] = ThreadRecord(name, turn.thread_id, turns, tokens, info.prompt[:MAX_PROMPT])
    for record in list(records.values()):
        owner = store.owner(record.id)
        if owner is not None and not owner.exists():
            return store.rename(owner, notebook)
        if owner is not None or not is_stored(home, record.id):
            del records[record.name]
    return store.save(notebook, NotebookRecord(next(reversed(records)), tuple(records.values()))) if records else None


def stored_turns(stored: StoredThread, info: TurnInfo) -> list[ExportedTurn]:
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
        turns.append(ExportedTurn(one.prompt, one.turn, about))
    return turns


def fuller(saved: Sequence[ExportedTurn], stored: Sequence[ExportedTurn]) -> list[ExportedTurn]:
    """The one that has more turns; of two that have the same, what the notebook has saved."""
    return list(saved if len(saved) >= len(stored) else stored)
