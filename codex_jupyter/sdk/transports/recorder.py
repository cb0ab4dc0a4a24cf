"""Add events that the CLI does not send: the rights of a turn, and the actions that were refused without an item."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import anyio
from anyio import to_thread

from codex_jupyter.sdk.models.app_server_events import TurnUsageEvent
from codex_jupyter.sdk.models.events import (
    ContextWarningEvent,
    ItemCompletedEvent,
    ThreadEvent,
    ThreadStartedEvent,
    TurnCompletedEvent,
    TurnFailedEvent,
    TurnRightsEvent,
    TurnStartedEvent,
)
from codex_jupyter.sdk.models.items import ThreadItem
from codex_jupyter.sdk.models.options import ThreadOptions
from codex_jupyter.sdk.models.rights import EffectiveRights
from codex_jupyter.sdk.rollout_follower import TurnRecord
from codex_jupyter.sdk.transports.permission_profile import Rights, reported

LOOK_INTERVAL: Final = 0.01
"""Seconds between two reads of the file, which contains the rights about 0.02 s after the start of the turn."""
MAX_LOOKS: Final = 50
CONTEXT_WARNING: Final = 0.8
"""Part of the model's context whose use is reported."""
_ENDS: Final = (TurnCompletedEvent, TurnFailedEvent)


@dataclass(slots=True)
class Recorder:
    """Add events to those of one turn.

    Args:
        record: The turn's part of the thread's file; None if the thread is not stored.
        options: The options of the thread.
        stated: The rights that were requested.
        effective: The effective rights, if the transport reports them itself.
    """

    record: TurnRecord | None
    options: ThreadOptions
    stated: Rights
    effective: EffectiveRights | None = None
    _sent: bool = False
    _ended: bool = False
    _warned: bool = False
    _received: Sequence[ThreadEvent] | None = None
    """Events that were received but not returned yet, because the wait was cancelled."""

    async def receive(self, source: Callable[[], Awaitable[Sequence[ThreadEvent]]]) -> Sequence[ThreadEvent]:
        """Return the next events of a turn, with the additional ones. Cancelling the wait loses nothing.

        Args:
            source: Returns the next events of the transport; an empty sequence at the end of the turn.
        """
        if self._received is None:
            self._received = await source()
        events = self._received
        kinds = set(map(type, events))
        ends = not events or not kinds.isdisjoint(_ENDS)
        if self.record is not None and ThreadStartedEvent in kinds:
            self.record.thread_id = next(event.thread_id for event in events if isinstance(event, ThreadStartedEvent))
        due = not self._sent and (ends or TurnStartedEvent in kinds)
        if due:
            await self._find_rights(wait=not ends)
        refused = await self._refused() if ends and not self._ended else ()
        warning = self._context_warning(events, at_end=ends)
        # No await from here on, so that a cancellation cannot lose events.
        self._received = None
        self._ended |= ends
        if refused:
            place = next((index for index, event in enumerate(events) if isinstance(event, _ENDS)), len(events))
            events = [*events[:place], *(ItemCompletedEvent(item=item) for item in refused), *events[place:]]
        if warning is not None:
            self._warned = True
            place = next((index for index, event in enumerate(events) if isinstance(event, _ENDS)), len(events))
            events = [*events[:place], warning, *events[place:]]
        if due and self.effective is not None and events:
            self._sent = True
            place = next((index for index, event in enumerate(events, 1) if isinstance(event, TurnStartedEvent)), 0)
            events = [*events[:place], TurnRightsEvent(rights=self.effective), *events[place:]]
        return events

    async def _find_rights(self, *, wait: bool) -> None:
        """Read the rights from the file, if the transport does not report them."""
        if self.effective is not None or self.record is None:
            return
        for look in range(MAX_LOOKS if wait else 1):
            await anyio.sleep(LOOK_INTERVAL if look else 0)
            await to_thread.run_sync(self.record.read)
            if self.record.context:
                self.effective = _effective(self.record, self.options, self.stated)
            if self.record.context or not self.record.exists:
                return

    def _context_warning(self, events: Sequence[ThreadEvent], *, at_end: bool) -> ContextWarningEvent | None:
        """Return a warning if the thread fills most of the model's context: from the events, or at the end from the file."""
        usage = self.record.context_usage if at_end and self.record is not None else None
        for event in events:
            if isinstance(event, TurnUsageEvent) and event.context_window:
                usage = (event.last.total_tokens, event.context_window)
        if self._warned or usage is None or usage[0] < CONTEXT_WARNING * usage[1]:
            return None
        return ContextWarningEvent(context_tokens=usage[0], context_window=usage[1])

    async def _refused(self) -> Sequence[ThreadItem]:
        if self.record is None:
            return ()
        await to_thread.run_sync(self.record.read)
        return self.record.refused()


def _effective(record: TurnRecord, options: ThreadOptions, stated: Rights) -> EffectiveRights:
    context = record.context
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
    sources = {"instructions": record.instructions, "skills": record.skills}
    return effective.model_copy(update={**sources, "approvals": approvals if isinstance(approvals, str) else "granular"})
