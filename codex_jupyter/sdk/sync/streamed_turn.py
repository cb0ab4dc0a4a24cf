"""A running turn of a synchronous client."""

from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Generic, Self

from codex_jupyter.sdk.models.events import ThreadEvent
from codex_jupyter.sdk.models.inputs import Input
from codex_jupyter.sdk.models.turn import ParsedT, Turn
from codex_jupyter.sdk.snapshots.recording import TurnRecording
from codex_jupyter.sdk.streamed_turn import StreamedTurn as AsyncStreamedTurn
from codex_jupyter.sdk.sync.caller import Caller


class StreamedTurn(Iterator[ThreadEvent], Generic[ParsedT]):
    """A running turn. Returned by `Thread.run_streamed`."""

    def __init__(self, streamed: AsyncStreamedTurn[ParsedT]) -> None:
        self._async = streamed
        self._caller = Caller()
        """Calls the functions of the turn while its events or its end are awaited."""
        self._queue: deque[ThreadEvent] = deque()

    def __enter__(self) -> Self:
        self._caller.wait(self._async.__aenter__())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ThreadEvent:
        if not self._queue:
            # All events that are there, because changing the thread takes longer than reading an event.
            self._queue.extend(self._caller.wait(self._async.receive()))
            if not self._queue:
                raise StopIteration
        return self._queue.popleft()

    @property
    def events(self) -> Iterator[ThreadEvent]:
        """The events, each once. A failed turn ends with `turn.failed`. The iteration raises if it is stopped or the CLI fails."""
        return self

    @property
    def turn(self) -> Turn[ParsedT]:
        """The turn so far, with everything received. It can be ahead of the iterated events."""
        return self._async.turn

    @property
    def can_steer(self) -> bool:
        """True if `steer` can add to the turn now."""
        return self._async.can_steer

    @property
    def has_diffs(self) -> bool:
        """True if the items of the turn contain the diffs of changed files. False before the turn has started."""
        return self._async.has_diffs

    @property
    def recording(self) -> TurnRecording | None:
        """The recording of the files before and after the turn. None before the turn has started, and if nothing is recorded."""
        return self._async.recording

    def receive(self) -> list[ThreadEvent]:
        """Wait for events, and return all that are there. Faster than iterating them one by one.

        Returns:
            At least one event; an empty list at the end of the turn.

        Raises:
            CodexError: As the iteration does.
        """
        events = list(self._queue) or self._caller.wait(self._async.receive())
        self._queue.clear()
        return events

    def wait(self) -> Turn[ParsedT]:
        """Wait for the end of the turn. Events that were not iterated are dropped.

        Returns:
            The completed turn.

        Raises:
            CodexError: As `Thread.run` does.
        """
        self._queue.clear()
        return self._caller.wait(self._async.wait())

    def interrupt(self) -> None:
        """Stop the turn and wait until all its processes have ended. Events received before can still be iterated."""
        Caller().wait(self._async.interrupt())

    def steer(self, input: Input) -> None:
        """Add input to the running turn. The agent reads it at its next step.

        Args:
            input: Texts, skills and mentions.

        Raises:
            InputError: If it is empty, or contains another part, such as an image.
            UnsupportedOperationError: If the transport does not support it, or the turn has ended.
        """
        Caller().wait(self._async.steer(input))

    def close(self) -> None:
        """Stop the turn if it still runs, and free everything. Safe to call twice."""
        Caller().wait(self._async.aclose())
