"""Read the turns of a stored thread from a `codex app-server`."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

from codex_jupyter.sdk.errors import ProtocolError
from codex_jupyter.sdk.models.envelope import unmarked
from codex_jupyter.sdk.models.stored_threads import StoredTurn, ThreadHistory
from codex_jupyter.sdk.models.turn import TurnBuilder
from codex_jupyter.sdk.transports.app_server.events import ServerEvents
from codex_jupyter.sdk.transports.app_server.threads import ServerThreads

PAGE: Final = 100
"""Turns of one answer of the server."""
_ENDED: Final = -1
"""The exit code that the server stores for a command that it has ended. It also stands for a command that could not be started."""


async def read_stored(threads: ServerThreads, thread_id: str, view: Literal["full", "notLoaded"] = "full") -> dict[str, Any]:
    """Return a stored thread with all of its turns, oldest first, in the form of `thread/read`.

    Args:
        threads: The server.
        thread_id: The thread.
        view: The items of the turns: all, or none.
    """
    answer = await threads.request("thread/read", {"threadId": thread_id})
    thread = answer.get("thread")
    if not isinstance(thread, dict):
        raise ProtocolError("The codex app-server sent no thread.")
    # A thread in the old form is read as a whole. For the others, the server reports that this is deprecated.
    if thread.get("historyMode") != "paginated":
        return await threads.request("thread/read", {"threadId": thread_id, "includeTurns": True})
    thread["turns"] = turns = list[Any]()
    page: dict[str, Any] = {"threadId": thread_id, "itemsView": view, "sortDirection": "asc", "limit": PAGE}
    while True:
        listed = await threads.request("thread/turns/list", page)
        turns += listed.get("data") or ()
        cursor = listed.get("nextCursor")
        if not cursor or cursor == page.get("cursor"):
            return answer
        page["cursor"] = cursor


def stored_thread(answer: Mapping[str, Any], contexts: Mapping[str, str]) -> ThreadHistory:
    """Read the answer to `thread/read`.

    Args:
        answer: The answer.
        contexts: The context of the prompts by turn, as `stored_contexts` returns it.

    Raises:
        ProtocolError: If the answer has an unknown form.
    """
    try:
        thread = answer["thread"]
        turns = tuple(_stored_turn(thread, turn, contexts) for turn in thread.get("turns") or ())
        title = unmarked(thread.get("preview") or "")[1]
        name = thread.get("name")
        return ThreadHistory(id=thread["id"], title=title, name=name or None, working_directory=Path(thread["cwd"]), turns=turns)
    except (KeyError, TypeError, AttributeError) as error:
        raise ProtocolError(f"The codex app-server sent a thread in an unknown form: {error!r}.") from None


def _stored_turn(thread: Mapping[str, Any], raw: Mapping[str, Any], contexts: Mapping[str, str]) -> StoredTurn:
    events, builder, prompt = ServerEvents(cwd=str(thread.get("cwd"))), TurnBuilder(), []
    status = raw.get("status")
    for item in raw.get("items") or ():
        if item.get("type") == "userMessage":
            prompt += [str(part.get("text", "")) for part in item.get("content") or () if part.get("type") == "text"]
        if status == "interrupted" and item.get("exitCode") == _ENDED:
            item = {**item, "exitCode": None, "status": "inProgress"}
        for event in events.take("item/started" if item.get("status") == "inProgress" else "item/completed", {"item": item}):
            builder.apply(event)
    error = raw.get("error")
    builder.finish(
        "completed" if status == "completed" else "failed" if status == "failed" else "interrupted",
        str(error.get("message")) if isinstance(error, dict) else None,
    )
    context, text = unmarked("\n\n".join(prompt))
    turn_id = str(raw.get("id") or "")
    return StoredTurn(
        prompt=text,
        turn=replace(builder.turn, thread_id=str(thread["id"]), id=turn_id or None),
        context=context or contexts.get(turn_id, ""),
        id=turn_id,
    )
