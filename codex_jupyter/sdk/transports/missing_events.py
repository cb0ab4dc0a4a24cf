"""Add events that the CLI does not send: the rights of a turn, and the actions that were refused without an item."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import anyio

from codex_jupyter.sdk.models.events import (
    ContextWarningEvent,
    ItemCompletedEvent,
    ItemStartedEvent,
    ThreadEvent,
    ThreadStartedEvent,
    TurnCompletedEvent,
    TurnFailedEvent,
    TurnRightsEvent,
    TurnStartedEvent,
    TurnUsageEvent,
)
from codex_jupyter.sdk.models.items import AgentMessageItem, ReasoningItem, ThreadItem
from codex_jupyter.sdk.models.options import ThreadOptions
from codex_jupyter.sdk.models.rights import EffectiveRights
from codex_jupyter.sdk.rollout_follower import RolloutFollower
from codex_jupyter.sdk.transports.file_work import on_thread
from codex_jupyter.sdk.transports.permission_profile import Rights, reported

LOOK_INTERVAL: Final = 0.01
"""Seconds between two reads of the file, which contains the rights about 0.02 s after the start of the turn."""
MAX_LOOKS: Final = 50
CONTEXT_WARNING: Final = 0.8
"""Part of the model's context whose use is reported."""
_ENDS: Final = (TurnCompletedEvent, TurnFailedEvent)
_MARKS: Final = frozenset({ThreadStartedEvent, TurnStartedEvent, TurnUsageEvent, *_ENDS})
"""The events that events are added to. Most events are others, of which a turn can have very many."""


@dataclass(slots=True)
class MissingEvents:
    """Add the events that the CLI does not send to those of one turn.

    Args:
        rollout: The turn's part of the thread's file; None if the thread is not stored.
        options: The options of the thread.
        stated: The rights that were requested.
        effective: The effective rights, if the transport reports them itself.
        is_idle: Returns True if no command runs. Refused actions are then added when the model answers after them, otherwise at the end of
            the turn. None always adds them at the end.
    """

    rollout: RolloutFollower | None
    options: ThreadOptions
    stated: Rights
    effective: EffectiveRights | None = None
    is_idle: Callable[[], bool] | None = None
    _answered: bool = False
    """True after an answer of the model, until the next one starts."""
    _sent: bool = False
    _ended: bool = False
    _warned: bool = False
    _has_usage: bool = False
    """True if the transport reports the tokens itself."""
    _received: Sequence[ThreadEvent] | None = None
    """Events that were received but not returned yet, because the wait was cancelled."""

    async def receive(self, source: Callable[[], Awaitable[Sequence[ThreadEvent] | None]]) -> Sequence[ThreadEvent] | None:
        """Return the next events of a turn, with the additional ones. Cancelling the wait loses nothing.

        Args:
            source: Returns the next events of the transport; an empty sequence at the end of the turn; None for a later call.
        """
        if self._received is None:
            self._received = await source()
        events = self._received
        if events is None:
            return None
        kinds = set(map(type, events))
        looks = (
            self.is_idle is not None
            and self.rollout is not None
            and (self._answered or TurnUsageEvent in kinds)
            and any(map(_is_answer, events))
            and self.is_idle()
        )
        if events and not looks and kinds.isdisjoint(_MARKS):
            self._received = None
            return events
        ends = not events or not kinds.isdisjoint(_ENDS)
        if self.rollout is not None and ThreadStartedEvent in kinds:
            self.rollout.thread_id = next(event.thread_id for event in events if isinstance(event, ThreadStartedEvent))
        is_end = ends and not self._ended
        due = not self._sent and (is_end or TurnStartedEvent in kinds)
        if is_end or looks or (due and self.effective is None):
            await self._read(once=is_end or looks)
        refused: Sequence[ThreadItem] = self.rollout.refused() if (is_end or looks) and self.rollout is not None else ()
        self._answered = TurnUsageEvent in kinds or (self._answered and not looks)
        self._has_usage |= TurnUsageEvent in kinds
        usage = self.rollout.usage if is_end and not self._has_usage and self.rollout is not None else None
        warning = self._context_warning([*events, *([] if usage is None else [usage])])
        # No await from here on, so that a cancellation cannot lose events.
        self._received = None
        self._ended |= ends
        if refused:
            items = [ItemCompletedEvent(item=item) for item in refused]
            events = _inserted(events, items, lambda event: _is_answer(event) or isinstance(event, _ENDS))
        if warning is not None or usage is not None:
            self._warned |= warning is not None
            counts = [event for event in (usage, warning) if event is not None]
            events = _inserted(events, counts, lambda event: isinstance(event, _ENDS))
        if due and self.effective is not None and events:
            self._sent = True
            place = next((index for index, event in enumerate(events, 1) if isinstance(event, TurnStartedEvent)), 0)
            events = [*events[:place], TurnRightsEvent(rights=self.effective), *events[place:]]
        return events

    async def _read(self, *, once: bool) -> None:
        """Read the file: once, or until it contains the rights."""
        if self.rollout is None or self.rollout.is_impossible:
            return
        for look in range(1 if once else MAX_LOOKS):
            if look:
                await anyio.sleep(LOOK_INTERVAL)
            if self.rollout.is_short:
                self.rollout.read()
            else:
                await on_thread(self.rollout.read)
            if self.rollout.context and self.effective is None:
                self.effective = _effective(self.rollout, self.options, self.stated)
            if self.rollout.context or not self.rollout.exists:
                return

    def _context_warning(self, events: Sequence[ThreadEvent]) -> ContextWarningEvent | None:
        """Return a warning if the thread fills most of the model's context."""
        usage: tuple[int, int] | None = None
        for event in events:
            if isinstance(event, TurnUsageEvent) and event.context_window:
                usage = (event.last.total_tokens, event.context_window)
        if self._warned or usage is None or usage[0] < CONTEXT_WARNING * usage[1]:
            return None
        return ContextWarningEvent(context_tokens=usage[0], context_window=usage[1])


def _inserted(events: Sequence[ThreadEvent], added: Sequence[ThreadEvent], is_next: Callable[[ThreadEvent], bool]) -> Sequence[ThreadEvent]:
    """Return the events with others before the first one for which `is_next` is true, or else at the end."""
    place = next((index for index, event in enumerate(events) if is_next(event)), len(events))
    return [*events[:place], *added, *events[place:]]


def _is_answer(event: ThreadEvent) -> bool:
    """Return whether an event is about an answer of the model. The file then contains what the model has read."""
    return isinstance(event, ItemStartedEvent | ItemCompletedEvent) and isinstance(event.item, AgentMessageItem | ReasoningItem)


def _effective(rollout: RolloutFollower, options: ThreadOptions, stated: Rights) -> EffectiveRights:
    context = rollout.context
    sandbox, active, approvals = (context.get(name) for name in ("sandbox_policy", "active_permission_profile", "approval_policy"))
    sandbox = sandbox if isinstance(sandbox, dict) else {}
    effective = reported(
        str(sandbox.get("type")),
        network=sandbox.get("network_access") in (True, "enabled"),
        folders=[str(folder) for folder in (context.get("cwd"), *(sandbox.get("writable_roots") or ()))],
        active=active.get("id") if isinstance(active, dict) else None,
        model=context.get("model"),
        options=options,
        stated=stated,
    )
    sources = {"instructions": rollout.instructions, "skills": rollout.skills}
    return effective.model_copy(update={**sources, "approvals": approvals if isinstance(approvals, str) else "granular"})
