"""Read the turns of a thread that this kernel did not run."""

from functools import partial
from pathlib import Path

from codex_jupyter.notebook.persistence.finished_turn import FinishedTurn
from codex_jupyter.notebook.persistence.history import longer_history, saved_turns, stored_turns
from codex_jupyter.notebook.render import TurnInfo
from codex_jupyter.notebook.session.client import NotebookClient
from codex_jupyter.notebook.session.notebook_thread import MAIN
from codex_jupyter.sdk import Codex, CodexError, ThreadHistory, ThreadNotFoundError


def past_turns_of(client: NotebookClient, notebook: Path | None, name: str, thread_id: str) -> list[FinishedTurn]:
    """Return the turns of a thread of earlier kernels or of another program, as far as they are known.

    Args:
        client: The client of the notebook.
        notebook: The notebook, whose outputs can contain turns. None if it is not known.
        name: The name that the thread will have.
        thread_id: Its UUID.

    Raises:
        ThreadNotFoundError: If there is no such thread, where the transport can find out.
    """
    saved = saved_turns(notebook, thread_id)
    try:
        stored = client.event_loop.call(partial(_read, client.codex, thread_id))
    except ThreadNotFoundError:
        raise
    except CodexError:
        return saved  # if nothing works, the next turn reports why
    info = TurnInfo(thread_name=None if name == MAIN else name, demo=client.demo is not None)
    return longer_history(saved, stored_turns(stored, info))


async def _read(codex: Codex, thread_id: str) -> ThreadHistory:
    """Read a thread. `exec` cannot, so a short-lived app-server does."""
    if codex.transport.has_history:
        return await codex.read_thread(thread_id)
    async with Codex(codex.options, transport="app-server") as reader:
        return await reader.read_thread(thread_id)
