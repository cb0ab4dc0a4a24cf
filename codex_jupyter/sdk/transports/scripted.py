"""Transport that replays events instead of running anything, for tests of programs that use the SDK."""

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import anyio

from codex_jupyter.sdk.errors import IncompleteTurnError
from codex_jupyter.sdk.models.events import ThreadEvent, ThreadStartedEvent, TurnCompletedEvent, TurnFailedEvent, event_adapter
from codex_jupyter.sdk.models.wire import WireModel
from codex_jupyter.sdk.transports.base import Transport, TurnRequest, TurnStream

EventStep: TypeAlias = ThreadEvent | Mapping[str, Any] | Exception | float
"""An event, an event as a dict, an error to raise, or seconds to wait."""
EventScript: TypeAlias = Iterable[Iterable[EventStep]] | Callable[[TurnRequest], Iterable[EventStep]]
"""The steps of each turn in order, or a function that returns the steps for a request."""


class ScriptedTransport(Transport):
    """Replay a script.

    Args:
        script: The steps of each turn in order, or a function that returns the steps of a request. If a turn does not start with a
            `thread.started` event, that event is added.

    Attributes:
        requests: The requests, in order.
    """

    def __init__(self, script: EventScript) -> None:
        self._next: Callable[[TurnRequest], Iterable[EventStep]]
        if callable(script):
            self._next = script
        else:
            turns = iter(script)
            self._next = lambda _request: next(turns)
        self._threads = 0
        self.requests: list[TurnRequest] = []

    @asynccontextmanager
    async def open_turn(self, request: TurnRequest) -> AsyncGenerator[TurnStream]:
        """Start the next turn of the script. See `Transport.open_turn`."""
        self.requests.append(request)
        try:
            steps = self._next(request)
        except StopIteration:
            raise IncompleteTurnError("The script has no more turns.") from None
        yield _ScriptedTurn(self._opened(request, steps))

    def _opened(self, request: TurnRequest, steps: Iterable[EventStep]) -> Iterator[EventStep]:
        """Yield the steps, after the event that names the thread."""
        thread_id = request.thread_id
        if thread_id is None:
            self._threads += 1
            thread_id = f"00000000-0000-7000-8000-{self._threads:012d}"
        first = True
        for step in steps:
            is_start = isinstance(step, ThreadStartedEvent) or (isinstance(step, Mapping) and step.get("type") == "thread.started")
            if first and not is_start:
                yield ThreadStartedEvent(thread_id=thread_id)
            first = False
            yield step


class _ScriptedTurn(TurnStream):
    def __init__(self, steps: Iterator[EventStep]) -> None:
        self._steps = steps
        self._wait: float | None = None
        self._interrupted = False
        self._terminal = False

    async def receive(self) -> Sequence[ThreadEvent]:
        while not self._interrupted:
            if self._wait is not None:
                await self._pause()
                continue
            step = next(self._steps, None)
            if step is None:
                break
            if isinstance(step, int | float):
                self._wait = step
            elif isinstance(step, Exception):
                raise step
            else:
                event = step if isinstance(step, WireModel) else event_adapter().validate_python(step)
                self._terminal |= isinstance(event, TurnCompletedEvent | TurnFailedEvent)
                return (event,)
        if not self._terminal and not self._interrupted:
            raise IncompleteTurnError("The script of this turn has no event that ends the turn, such as turn.completed.")
        return ()

    def interrupt(self) -> None:
        self._interrupted = True

    async def _pause(self) -> None:
        """Wait in small steps, so that an interrupt from another thread is seen."""
        while self._wait and not self._interrupted:
            step = min(self._wait, 0.02)
            await anyio.sleep(step)
            self._wait -= step
        self._wait = None
