"""The commands of `%codex` that return a table: threads, tokens, and what left the kernel."""

from collections import Counter
from typing import Any, Final

from codex_jupyter.notebook.display.table import Table
from codex_jupyter.notebook.session.notebook_thread import MAIN
from codex_jupyter.notebook.session.session import NotebookSession

PROMPT_EXCERPT: Final = 60
"""Characters of a prompt in a table."""


def threads(session: NotebookSession) -> Table:
    """Return the threads of this notebook, of this kernel and of earlier ones."""
    in_use = {conversation.thread.id for conversation in session.threads.conversations.values()}
    rows = (
        {
            "name": record.name,
            "id": record.id,
            "turns": record.turns,
            "tokens": record.tokens,
            "last prompt": _excerpt(record.last_prompt),
            "in use": record.id in in_use,
        }
        for record in session.threads.records
    )
    return Table(tuple(rows), ("name", "id", "turns", "tokens", "last prompt", "in use"), empty="This notebook has no thread yet.")


def usage(session: NotebookSession) -> Table:
    """Return the tokens of each turn of this kernel."""
    numbers: Counter[str | None] = Counter()
    rows = list[dict[str, Any]]()
    for past in session.threads.turns:
        numbers[past.turn.thread_id] += 1
        used = past.turn.usage
        rows.append(
            {
                "thread": past.info.thread_name or MAIN,
                "turn": numbers[past.turn.thread_id],
                "status": past.turn.status,
                "seconds": round(past.info.elapsed or 0.0, 1),
                "tokens in": used and used.input_tokens,
                "cached": used and used.cached_input_tokens,
                "tokens out": used and used.output_tokens,
                "prompt": _excerpt(past.prompt),
            }
        )
    names = ("thread", "turn", "status", "seconds", "tokens in", "cached", "tokens out", "prompt")
    summed = {name: sum(row[name] or 0 for row in rows) for name in ("tokens in", "cached", "tokens out")}
    seconds = round(sum(row["seconds"] for row in rows), 1)
    total = {"thread": "sum", **summed, "seconds": seconds} if len(rows) > 1 else None
    return Table(rows, names, empty="No turn has ended yet.", total=total)


def sent(session: NotebookSession) -> Table:
    """Return what left this kernel: context, images, and results of tools. Results of functions are listed when their turn has ended."""
    rows = [
        {
            "thread": record.thread,
            "what": record.what,
            "characters": record.characters,
            "images": record.images,
            "image bytes": record.image_bytes,
        }
        for record in session.tools.sent.records
    ]
    names = ("thread", "what", "characters", "images", "image bytes")
    return Table(rows, names, empty="Nothing has left this kernel beside the prompts.")


def _excerpt(prompt: str) -> str:
    return " ".join(prompt.split())[:PROMPT_EXCERPT]
