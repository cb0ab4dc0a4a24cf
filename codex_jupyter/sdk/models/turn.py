"""A turn: what one prompt led to. `Turn` is the value, `TurnFold` builds it from events.

The fold is the only place where state lives: an item is found by its id and replaced, the order of first appearance stays.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from codex_jupyter.sdk.models.events import (
    ItemCompletedEvent,
    ItemStartedEvent,
    ItemUpdatedEvent,
    ThreadErrorEvent,
    ThreadEvent,
    ThreadStartedEvent,
    TurnCompletedEvent,
    TurnFailedEvent,
    TurnRightsEvent,
    TurnStartedEvent,
    Usage,
)
from codex_jupyter.sdk.models.items import AgentMessageItem, ThreadItem
from codex_jupyter.sdk.models.rights import EffectiveRights

NO_SIGN: Final = "No sign of the model"
"""The beginning of the message that a turn has while nothing comes from the model."""
_RECONNECTING: Final = "Reconnecting..."
"""The beginning of the message of the CLI about each try to connect again."""
TurnStatus: TypeAlias = Literal["in_progress", "completed", "failed", "interrupted", "timed_out"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one prompt led to, so far or in the end."""

    thread_id: str | None = None
    """The thread's id; None until the CLI has named it."""
    status: TurnStatus = "in_progress"
    items: tuple[ThreadItem, ...] = ()
    """Everything the agent did, in order of first appearance."""
    open_items: frozenset[str] = frozenset()
    """The ids of the items that may still change; none once the turn has ended."""
    usage: Usage | None = None
    """Tokens that this turn used. None while it runs, if it did not complete, or if the thread's earlier total is unknown
    (a review, or a thread whose file is not there to be read)."""
    thread_usage: Usage | None = None
    """Tokens that the whole thread has used, this turn included, as the CLI counts them. None until the turn is completed."""
    error: str | None = None
    """Why the turn failed or was stopped; None if it was not."""
    warnings: tuple[str, ...] = ()
    """Messages of the CLI that did not end the turn. Of the tries to connect again after a lost connection, the last one. While nothing
    comes from the model, the last message says so."""
    parsed: Any = None
    """The answer as a value of the output schema's type, if one was asked for."""
    rights: EffectiveRights | None = None
    """What the turn may do, as the CLI reports it; None until it does, and if the transport cannot find out."""
    diffs: Mapping[str, str] = field(default_factory=dict)
    """Unified diffs of the files that the turn changed, by the id of the `FileChangeItem`, where they are known. `codex exec` does not
    tell them; the notebook finds them out."""

    @property
    def diff(self) -> str:
        """All of the turn's diffs, one after the other; empty if none is known."""
        return "".join(self.diffs.values())

    @property
    def final_response(self) -> str:
        """The text of the last agent message; empty if there is none."""
        return next((item.text for item in reversed(self.items) if isinstance(item, AgentMessageItem)), "")


@dataclass(slots=True)
class TurnFold:
    """Builds a `Turn` from its events.

    Args:
        base: The thread's total usage before this turn; None if it is unknown.
    """

    base: Usage | None = None
    thread_id: str | None = None
    """The thread's id, once it is told."""
    _items: dict[str, ThreadItem] = field(default_factory=dict)
    _status: TurnStatus = "in_progress"
    _total: Usage | None = None
    _error: str | None = None
    _rights: EffectiveRights | None = None
    _warnings: list[str] = field(default_factory=list)
    _silence: str | None = None
    _open: set[str] = field(default_factory=set)
    _turn: Turn | None = None

    def apply(self, *events: ThreadEvent) -> None:
        """Take in the next events. Unknown ones change nothing."""
        self._turn = self._silence = None
        items, still_open = self._items, self._open
        # Nearly all are of items, and there can be very many: no call for each, and no `isinstance`, which pydantic makes slow.
        for event in events:
            if type(event) is ItemCompletedEvent:
                item = event.item
                item_id = item.id
                items[item_id] = item
                still_open.discard(item_id)
            elif type(event) is ItemUpdatedEvent or type(event) is ItemStartedEvent:
                item = event.item
                item_id = item.id
                items[item_id] = item
                still_open.add(item_id)
            else:
                self._apply_other(event)
        if still_open and self.ended:
            self._close()

    def _apply_other(self, event: ThreadEvent) -> None:
        match event:
            case ThreadErrorEvent(message=message) if message.startswith(NO_SIGN):
                self._silence = message
            case ThreadErrorEvent(message=message):
                if message.startswith(_RECONNECTING) and self._warnings and self._warnings[-1].startswith(_RECONNECTING):
                    self._warnings.pop()
                self._warnings.append(message)
            case ThreadStartedEvent(thread_id=thread_id):
                self.thread_id = thread_id
            case TurnCompletedEvent(usage=usage):
                # A review counts its tokens elsewhere, and tells zeros; no other turn uses none.
                self._total = usage if usage.total_tokens else None
                self.end("completed")
            case TurnFailedEvent(error=error):
                self.end("failed", error.message)
            case TurnRightsEvent(rights=rights):
                self._rights = rights
            case TurnStartedEvent():
                pass

    def end(self, status: TurnStatus, error: str | None = None) -> tuple[ThreadItem, ...]:
        """Close the turn, and with it every item that is still open.

        Args:
            status: How it ended. A turn that has ended keeps its first status.
            error: The reason, if it did not complete.

        Returns:
            The items that were open and are now marked `interrupted`.
        """
        if self._status != "in_progress":
            return ()
        self._turn = self._silence = None
        self._status, self._error = status, None if error is None else _readable(error)
        # The CLI says the reason twice: as an `error` event, then as the end.
        if error is not None and self._warnings[-1:] == [error]:
            self._warnings.pop()
        return self._close()

    def _close(self) -> tuple[ThreadItem, ...]:
        """Close what is open, also what began after the end: an item that nobody will finish."""
        closed = []
        for item_id in [item_id for item_id in self._items if item_id in self._open]:
            item = self._items[item_id]
            if getattr(item, "status", None) == "in_progress":
                item = self._items[item_id] = item.model_copy(update={"status": "interrupted"})
                closed.append(item)
        self._open.clear()
        return tuple(closed)

    @property
    def ended(self) -> bool:
        """Whether the turn has ended, well or not."""
        return self._status != "in_progress"

    @property
    def turn(self) -> Turn:
        """The turn so far."""
        if self._turn is None:
            usage = None if self._total is None or self.base is None else self._total - self.base
            self._turn = Turn(
                thread_id=self.thread_id,
                status=self._status,
                items=tuple(self._items.values()),
                open_items=frozenset(self._open),
                usage=usage,
                thread_usage=self._total,
                error=self._error,
                warnings=(*self._warnings, *([] if self._silence is None else [self._silence])),
                rights=self._rights,
            )
        return self._turn


def _readable(error: str) -> str:
    """What the model's API says, where the CLI passes on its whole answer, a JSON object."""
    try:
        match json.loads(error):
            case {"error": {"message": str(message)}} | {"error": str(message)} | {"message": str(message)} if message.strip():
                return message
    except (ValueError, RecursionError):
        pass
    return error
