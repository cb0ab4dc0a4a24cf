"""A running turn: its events, its end, and the ways to stop it."""

import dataclasses
import sys
import warnings
import weakref
from collections import deque
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import AsyncExitStack, nullcontext
from functools import partial
from time import monotonic
from types import TracebackType
from typing import Any, Generic, Self

import anyio

from codex_jupyter._trusted_imports import distrust
from codex_jupyter.sdk.cancellation import CancellationToken
from codex_jupyter.sdk.errors import (
    CodexError,
    OutputSchemaError,
    ThreadBusyError,
    TurnFailedError,
    TurnInterruptedError,
    UnsupportedOperationError,
)
from codex_jupyter.sdk.models.events import ThreadEvent
from codex_jupyter.sdk.models.failures import Failure
from codex_jupyter.sdk.models.inputs import Input, normalize_input, prompt_text
from codex_jupyter.sdk.models.options import TurnOptions
from codex_jupyter.sdk.models.output_schema import OutputSchema
from codex_jupyter.sdk.models.turn import ParsedT, Turn, TurnBuilder
from codex_jupyter.sdk.processes.forks import ForkAwareLock
from codex_jupyter.sdk.processes.spawn import system_error
from codex_jupyter.sdk.snapshots.recording import TurnRecording
from codex_jupyter.sdk.thread_state import OpenTurn, ThreadState
from codex_jupyter.sdk.tracing import TurnTrace
from codex_jupyter.sdk.transports.base import TurnRequest, TurnStream
from codex_jupyter.sdk.turn_end import failed_error, status_of
from codex_jupyter.sdk.turn_limits import TurnLimits
from codex_jupyter.sdk.turn_start import (
    budget_meter,
    check_skills,
    complete_request,
    file_recording,
    forget_lost_thread,
    note_thread,
    used_before,
)


class StreamedTurn(AsyncIterator[ThreadEvent], Generic[ParsedT]):
    """A running turn. Returned by `Thread.run_streamed`."""

    def __init__(self, thread: ThreadState, request: TurnRequest, options: TurnOptions, schema: OutputSchema | None = None) -> None:
        self._thread = thread
        self._request = request
        self._options = options
        self._schema = schema
        self._builder = TurnBuilder(keep_items=options.keep_items)
        self._queue: deque[ThreadEvent] = deque()
        self._lock = ForkAwareLock()
        self._stack = AsyncExitStack()
        self._stream: TurnStream | None = None
        self._open: OpenTurn | None = None
        self._limits = TurnLimits(options)
        self._recording: TurnRecording | None = None
        self._trace: TurnTrace | None = None
        self._stop: TurnInterruptedError | None = None
        self._failure: CodexError | None = None
        self._raised = False
        self._done = False
        self._parsed: Any = None
        self._lost: str | None = None
        """The thread that the first turn reported and the CLI did not store. This turn starts another one."""

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if self._open is not None and not self._done and not sys.is_finalizing():
            self._open.drop()
            remedy = "Use `async with thread.run_streamed(...)`, or call `aclose`."
            warnings.warn(f"A running turn was dropped, so it is stopped. {remedy}", ResourceWarning, stacklevel=1, source=self)

    def __await__(self) -> Generator[Any, Any, Self]:
        return self.__aenter__().__await__()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ThreadEvent:
        while not self._queue:
            if self._done:
                if self._failure is not None and not self._raised:
                    self._raised = True
                    raise self._failure
                raise StopAsyncIteration
            await self._pump()
        return self._queue.popleft()

    @property
    def events(self) -> AsyncIterator[ThreadEvent]:
        """The events, each once. A failed turn ends with `turn.failed`. The iteration raises if it is stopped or the CLI fails."""
        return self

    @property
    def turn(self) -> Turn[ParsedT]:
        """The turn so far, with everything received. It can be ahead of the iterated events."""
        turn = self._builder.turn
        return turn if self._parsed is None else dataclasses.replace(turn, parsed=self._parsed)

    @property
    def can_steer(self) -> bool:
        """True if `steer` can add to the turn now."""
        return self._stream is not None and not self._done and self._stream.can_steer

    @property
    def has_diffs(self) -> bool:
        """True if the items of the turn contain the diffs of changed files. False before the turn has started."""
        return self._stream is not None and self._stream.has_diffs

    async def receive(self) -> list[ThreadEvent]:
        """Wait for events, and return all that are there. Faster than iterating them one by one.

        Returns:
            At least one event; an empty list at the end of the turn.

        Raises:
            CodexError: As the iteration does.
        """
        try:
            events = [await anext(self), *self._queue]
        except StopAsyncIteration:
            return []
        self._queue.clear()
        return events

    @property
    def recording(self) -> TurnRecording | None:
        """The recording of the files before and after the turn. None before the turn has started, and if nothing is recorded."""
        return self._recording

    async def wait(self) -> Turn[ParsedT]:
        """Wait for the end of the turn. Events that were not iterated are dropped.

        Returns:
            The completed turn.

        Raises:
            CodexError: As `Thread.run` does.
        """
        async for _ in self:
            pass
        if self._failure is not None:
            raise self._failure
        turn = self.turn
        if turn.status == "failed":
            raise failed_error(turn)
        if turn.status != "completed":
            raise self._stop or TurnInterruptedError(turn=turn)
        if self._schema is not None:
            try:
                self._parsed = self._schema.parse(turn.final_response)
            except OutputSchemaError as error:
                error.turn = turn
                raise
        return self.turn

    async def interrupt(self) -> None:
        """Stop the turn and wait until all its processes have ended. Events received before can still be iterated."""
        self._request_stop(TurnInterruptedError())
        while self._stream is not None and not self._done:
            await self._pump(force=True)

    async def steer(self, input: Input) -> None:
        """Add input to the running turn. The agent reads it at its next step.

        Args:
            input: Texts, skills and mentions.

        Raises:
            InputError: If it is empty, or contains another part, such as an image.
            UnsupportedOperationError: If the transport does not support it, or the turn has ended.
        """
        parts = normalize_input(input)
        if self._stream is None or self._done:
            raise UnsupportedOperationError("The turn does not run, so it accepts no more input. Start another turn.")
        check_skills(parts)
        await self._stream.steer(parts)

    async def aclose(self) -> None:
        """Stop the turn if it still runs, and free everything. Safe to call twice."""
        if self._done and not self._lock.locked():
            return  # everything is closed, and no other task is closing it
        self._abandon()
        with anyio.CancelScope(shield=True):
            # A task that iterates sees the end first, before anything is closed.
            async with self._lock:
                await self._finish()

    async def _start(self) -> None:
        if self._stream is not None or self._done:
            return
        token = self._options.cancellation
        if token is not None and token.cancelled:
            self._stop = TurnInterruptedError(token.reason or "The turn was cancelled before it started.")
        if self._stop is not None:
            self._done = True
            raise self._attach_turn(self._stop)
        if self._thread.dropped is not None:
            await self._thread.dropped.aclose()
        if self._thread.running:
            raise ThreadBusyError("A turn of this thread runs already. Wait for it, or start another thread.")
        self._thread.running = True
        # Nothing here may refer to this object: when it is dropped, it must be deleted at once.
        self._stack.callback(self._thread.mark_idle)
        self._limits.start()
        options = self._options.applied_to(self._thread.options)
        distrust(options.working_directory, *options.additional_directories)
        try:
            check_skills(self._request.input)
            self._lost = await forget_lost_thread(self._thread, options)
            # The total is unknown until this turn reports it. A turn that fails or is stopped has used tokens, too.
            self._builder.usage_before, self._thread.usage = await used_before(self._thread), None
            request = complete_request(self._thread, self._request, options)
            await self._record_files(request)
            self._trace = TurnTrace.start(model=options.model, thread_id=self._thread.id, prompt=partial(prompt_text, request.input))
            with nullcontext() if self._trace is None else self._trace.active():
                self._stream = await self._stack.enter_async_context(self._thread.transport.open_turn(request))
            if self._recording is not None:
                self._recording.started = True
            self._limits.meter = budget_meter(self._thread, self._options, options, self._builder.usage_before, monotonic())
            if token is not None:
                self._stack.callback(token.attach(partial(_cancel, weakref.ref(self), token)))
            self._open = OpenTurn(self._thread, self._stack, self._stream)
        except BaseException as error:
            if isinstance(error, CodexError):
                self._attach_turn(error)
            self._thread.usage = self._builder.usage_before
            self._abandon()
            await self._finish()
            if isinstance(error, OSError) and not isinstance(error, CodexError):
                raise self._attach_turn(system_error("The turn cannot be started", error)) from error
            raise
        if self._stop is not None:
            self._stream.interrupt()

    async def _record_files(self, request: TurnRequest) -> None:
        """Record the files before the turn, and after it when it is closed."""
        stops, token, thread, builder = weakref.ref(self), self._options.cancellation, self._thread, self._builder
        self._recording = recording = file_recording(thread, request, lambda: _is_stopped(stops(), token))
        if recording is None:
            return
        builder.snapshot_id = recording.id
        self._stack.push_async_callback(recording.finish, lambda: thread.id, lambda: builder.turn.id)
        await recording.start()
        if token is not None and token.cancelled:
            raise TurnInterruptedError(token.reason or "The turn was cancelled before it started.")

    async def _pump(self, *, force: bool = False) -> None:
        """Receive events, the end, or an error from the transport. An error is stored for the iterator."""
        async with self._lock:
            if self._done or (self._queue and not force):
                return
            if self._stream is None:
                raise CodexError(
                    "The turn was not started. Use it in an `async with` block, or await it; with `codex_jupyter.sync`, use a `with` block."
                )
            try:
                received = await self._limits.receive(self._stream, self._builder, is_stopping=self._stop is not None)
                if received is None or isinstance(received, TurnInterruptedError):
                    self._request_stop(received)
                else:
                    await self._take(received)
                if self._limits.meter is not None and self._stop is None and not self._builder.ended:
                    self._request_stop(await self._limits.exceeded(self._builder))
            except CodexError as error:
                await self._end(error)
            except OSError as error:
                await self._end(system_error("The turn cannot continue", error))
            except BaseException:
                self._abandon()
                with anyio.CancelScope(shield=True):
                    await self._finish()
                raise

    async def _take(self, events: Sequence[ThreadEvent]) -> None:
        """Store the next events; no events are the end of the turn."""
        if self._builder.thread_id is None:
            events = [*events, *note_thread(self._thread, events, self._lost)]
        self._builder.apply(*events)
        if self._trace is not None:
            self._trace.apply(events)
        self._queue.extend(events)
        if not events:
            await self._end()

    async def _end(self, error: CodexError | None = None) -> None:
        """Record the end of the turn after the last event."""
        if error is None and not self._builder.ended:
            error = self._stop or CodexError("The transport ended a turn without reporting its end.")
        if error is not None:
            self._attach_turn(error)
            self._failure = failed_error(self.turn) if type(error) is TurnFailedError else error
        await self._finish()

    def _attach_turn(self, error: CodexError) -> CodexError:
        """Finish the turn with an error, and attach the turn to it."""
        self._builder.finish(status_of(error), str(error), failure=Failure.of(str(error)) if type(error) is TurnFailedError else None)
        error.turn = self.turn
        return error

    def _abandon(self) -> None:
        """Stop the turn, because its caller has left it."""
        self._request_stop(TurnInterruptedError("The turn was left before its end."))

    async def _finish(self) -> None:
        if not self._done:
            self._done = True
            if self._stop is not None:
                self._attach_turn(self._stop)
            self._thread.note_end(self._builder.turn, is_review=self._request.review is not None)
            if self._trace is not None:
                self._trace.end(self.turn)
            await self._stack.aclose()

    def _request_stop(self, reason: TurnInterruptedError | None) -> None:
        if reason is not None and self._stop is None and not self._done:
            self._stop = reason
            if self._stream is not None:
                self._stream.interrupt()


def _cancel(turn: "weakref.ref[StreamedTurn[Any]]", token: CancellationToken) -> None:
    """Stop a turn, unless it was dropped."""
    if (running := turn()) is not None:
        running._request_stop(TurnInterruptedError(token.reason or "The turn was cancelled."))


def _is_stopped(turn: "StreamedTurn[Any] | None", token: CancellationToken | None) -> bool:
    """Return whether a turn that starts was stopped or dropped."""
    return turn is None or turn._stop is not None or (token is not None and token.cancelled)
