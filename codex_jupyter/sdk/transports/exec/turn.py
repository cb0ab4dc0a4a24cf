"""A turn that runs as a `codex exec` process."""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from time import monotonic
from typing import Final

from anyio import to_thread

from codex_jupyter.sdk.errors import IncompleteTurnError, TurnFailedError, TurnInterruptedError
from codex_jupyter.sdk.executable.exit_errors import clean_stderr, exit_error
from codex_jupyter.sdk.models.events import (
    ThreadErrorEvent,
    ThreadEvent,
    TurnCompletedEvent,
    TurnFailedEvent,
    TurnStartedEvent,
    parse_event,
    parse_events,
)
from codex_jupyter.sdk.processes.network_activity import seconds_since_received
from codex_jupyter.sdk.processes.turn_process import EXIT_GRACE, TurnProcess
from codex_jupyter.sdk.redaction import mask_message
from codex_jupyter.sdk.transports.base import CLIENT_CLOSED, TurnStream
from codex_jupyter.sdk.transports.missing_events import MissingEvents
from codex_jupyter.sdk.transports.secrets import masked_events

MAX_EVENTS_PER_READ: Final = 64
"""Events to return at once. More live objects would trigger the garbage collector, which takes longer than parsing them."""


class ExecTurn(TurnStream):
    """A turn that one process runs.

    Args:
        process: The process.
        secrets: Texts that no message may contain.
        missing: Adds the events that the CLI does not send.
    """

    def __init__(self, process: TurnProcess, secrets: Sequence[str], missing: MissingEvents) -> None:
        self._process = process
        self._secrets = secrets
        self._missing = missing
        # Codex ignores SIGINT until it sends the prompt to the model: measured with 0.163 and 0.169.
        process.ignore_sigint(True)
        self._terminal = self._closed = False
        self._deadline = math.inf
        self._last_error: str | None = None
        self._foreign: list[str] = []
        self._unread: Iterator[bytes] = iter(())

    async def receive(self) -> Sequence[ThreadEvent]:
        """See `TurnStream.receive`."""
        return await self.receive_until(math.inf) or ()

    async def receive_until(self, time: float) -> Sequence[ThreadEvent] | None:
        """See `TurnStream.receive_until`."""
        events = await self._missing.receive(partial(self._events, time))
        if events is not None and not events:
            await self._end()
        return events

    async def _events(self, until: float) -> Sequence[ThreadEvent] | None:
        """Return the next events of the process; an empty sequence at the end of its output; None if there were none in time."""
        while lines := await self._lines(until):
            events = parse_events(lines)
            if events is None:
                events = [event for line in lines if line and not line.isspace() and (event := self._parsed(line)) is not None]
            if events:
                return self._noted(events)
        return None if lines is None else ()

    async def _lines(self, until: float) -> list[bytes] | None:
        """Return the next lines, at most `MAX_EVENTS_PER_READ`; an empty list at the end of the output; None if there were none in time."""
        if lines := list(islice(self._unread, MAX_EVENTS_PER_READ)):
            return lines
        received = await self._process.read_lines(min(until, self._deadline))
        if received is None:
            if monotonic() < self._deadline:
                return None
            await self._process.stop()
            return []
        self._unread = iter(received)
        return list(islice(self._unread, MAX_EVENTS_PER_READ))

    def interrupt(self) -> None:
        """See `TurnStream.interrupt`."""
        self._process.request_stop()

    def close(self) -> None:
        """Ask the process to stop, because the client is closed."""
        self._closed = not self._process.stopped
        self._process.request_stop()

    async def ended(self) -> None:
        """Wait until the process is stopped."""
        await self._process.stop()

    @property
    def occupied(self) -> bool:
        """See `TurnStream.occupied`. Always false, because everything that the turn waits for is an item."""
        return False

    def silent_for(self, remote: bool) -> float:
        """See `TurnStream.silent_for`."""
        seconds = seconds_since_received(self._process.pid, remote=remote)
        return 0.0 if seconds is None else seconds  # the model may think for minutes without an event

    def _parsed(self, line: bytes) -> ThreadEvent | None:
        """Return the event in a line; None if the line is not an event."""
        event = parse_event(line)
        if event is None:
            # An event may come after a byte order mark, or contain bytes that are not UTF-8. The latter are replaced.
            text = line.removeprefix(b"\xef\xbb\xbf").decode(errors="replace")
            event = parse_event(text)
            if event is None:
                self._foreign = [*self._foreign[-9:], text[:1000]]
        return event

    def _noted(self, events: list[ThreadEvent]) -> list[ThreadEvent]:
        """Note what the events report about the process, and return them without secrets."""
        kinds = set(map(type, events))
        if TurnStartedEvent in kinds:
            self._process.ignore_sigint(False)
        if not self._terminal and not kinds.isdisjoint((TurnCompletedEvent, TurnFailedEvent)):
            self._terminal = True
            self._deadline = monotonic() + EXIT_GRACE
        events = masked_events(events, self._secrets)
        last = events[-1]
        self._last_error = last.message if isinstance(last, ThreadErrorEvent) else None
        return events

    async def _end(self) -> None:
        """Raise the error of a turn without an event that ends it. Called at the end of the output."""
        returncode = await self._process.wait_exit()
        if self._closed and self._process.stopped and not self._terminal:
            raise TurnInterruptedError(CLIENT_CLOSED)
        if self._terminal or self._process.stopped:
            return
        if self._last_error is not None:
            raise TurnFailedError(self._last_error)
        if returncode is not None and returncode < 0:
            # Another program has killed it, so it could not end the processes that it had started.
            await to_thread.run_sync(self._process.sweep)
        stderr = mask_message(clean_stderr(self._process.stderr_tail()), self._secrets)
        if returncode == 0:
            output = mask_message("\n".join([*self._foreign, stderr]).strip(), self._secrets)
            raise IncompleteTurnError(
                "The codex CLI exited without an error and without an event that ends the turn."
                + (f" Its output: {output}" if output else "")
            )
        raise exit_error(returncode, stderr or mask_message("\n".join(self._foreign), self._secrets))
