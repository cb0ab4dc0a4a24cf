"""The turns of a resumed thread: from the saved notebook, which knows more about each, or from Codex, which knows all of them."""

from collections.abc import Sequence
from pathlib import Path

from codex_jupyter.notebook.export import ExportedTurn
from codex_jupyter.notebook.render import TurnInfo
from codex_jupyter.notebook.store import past_turns
from codex_jupyter.sdk import StoredThread


def saved_turns(notebook: Path | None, thread_id: str) -> list[ExportedTurn]:
    """What the outputs of a notebook hold of a thread; nothing without a notebook."""
    saved = past_turns(notebook, thread_id) if notebook is not None else ()
    return [ExportedTurn(info.prompt, turn, info) for turn, info in saved]


def stored_turns(stored: StoredThread, info: TurnInfo) -> list[ExportedTurn]:
    """What Codex has kept of a thread.

    Args:
        stored: The thread.
        info: What is known about all of its turns.
    """
    # Only turns with a context have anything to take out of their prompt.
    from codex_jupyter.notebook.context.fence import unfenced

    turns = []
    for one in stored.turns:
        context, prompt = unfenced(one.prompt)
        about = TurnInfo(
            thread_name=info.thread_name,
            demo=info.demo,
            cwd=str(stored.working_directory),
            prompt=prompt,
            context=context,
            context_summary="told by the kernel" if context else "",
        )
        turns.append(ExportedTurn(prompt, one.turn, about))
    return turns


def fuller(saved: Sequence[ExportedTurn], stored: Sequence[ExportedTurn]) -> list[ExportedTurn]:
    """The one that has more turns; of two that have the same, what the notebook has saved."""
    return list(saved if len(saved) >= len(stored) else stored)
