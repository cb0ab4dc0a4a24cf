"""A running turn: its events, its end, and the ways to stop it."""

import dataclasses
import math
import sys
import warnings
import weakref
from collections import deque
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from types import TracebackType
from typing import Any, Generic, Self

import anyio
from anyio import to_thread

from codex_jupyter._trusted_imports import distrust
from codex_jupyter.sdk.budget_meter import BudgetMeter
from codex_jupyter.sdk.cancellation import CancellationToken
from codex_jupyter.sdk.errors import (
    CodexError,
    InputError,
    NetworkTimeoutError,
    OutputSchemaError,
    ProtocolError,
    ThreadBusyError,
    TurnFailedError,
    TurnInterruptedError,
    TurnTimeoutError,
    UnsupportedOperationError,
)
from codex_jupyter.sdk.executable.login_status import LOGIN_REMEDY
from codex_jupyter.sdk.models.events import ThreadErrorEvent, ThreadEvent, ThreadStartedEvent
from codex_jupyter.sdk.models.failures import Failure
from codex_jupyter.sdk.models.inputs import Input, SkillInput, UserInput, normalize_input
from codex_jupyter.sdk.models.options import ThreadOptions, TurnOptions
from codex_jupyter.sdk.models.output_schema import OutputSchema
from codex_jupyter.sdk.models.turn import ParsedT, Turn, TurnBuilder, TurnStatus
from codex_jupyter.sdk.models.usage import Usage
from codex_jupyter.sdk.processes.spawn import system_error
from codex_jupyter.sdk.thread_state import OpenTurn, ThreadState
from codex_jupyter.sdk.transports.base import TurnRequest, TurnStream
from codex_jupyter.sdk.transports.model_clock import ModelClock


class StreamedTurn(AsyncIterator[ThreadEvent], Generic[ParsedT]):
    """A running turn. Returned by `Thread.run_streamed`."""

    def __init__(
        self,
        thread: ThreadState,
        request: TurnRequest,
        options: TurnOptions,
        schema: OutputSchema | None = None,
    ) -> None:
        self._thread = thread
        self._request = request
        self._options = options
        self._schema = schema
        self._builder = TurnBuilder()
        self._queue: deque[ThreadEvent] = deque()
        self._lock = anyio.Lock(fast_acquire=True)
        self._stack = AsyncExitStack()
        self._stream: TurnStream | None = None
        self._open: OpenTurn | None = None
        self._deadline = math.inf
        self._clock: ModelClock | None = None
        self._meter: BudgetMeter | None = None
        self._stop: TurnInterruptedError | None = None
        self._failure: CodexError | None = None
        self._raised = False
        self._done = False
        self._parsed: Any = None

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
            raise _failed(turn)
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
        _check_skills(parts)
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
        if self._options.timeout is not None:
            self._deadline = anyio.current_time() + self._options.timeout
        options = self._options.applied_to(self._thread.options)
        distrust(options.working_directory or ".", *options.additional_directories)
        try:
            _check_skills(self._request.input)
            # The total is unknown until this turn reports it. A turn that fails or is stopped has used tokens, too.
            self._builder.usage_before, self._thread.usage = await self._used_before(), None
            self._stream = await self._stack.enter_async_context(self._thread.transport.open_turn(self._complete_request()))
            self._clock = ModelClock(self._options.network_timeout, anyio.current_time())
            self._meter = self._budget_meter(options)
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

    def _budget_meter(self, options: ThreadOptions) -> BudgetMeter | None:
        budget, before = self._options.budget, self._builder.usage_before
        if budget is None:
            return None
        if budget.tokens is not None and (options.ephemeral or before is None):
            reason = "an ephemeral thread is not stored" if options.ephemeral else "the tokens of the thread so far are unknown"
            raise UnsupportedOperationError(f"The tokens of the turn cannot be limited, because {reason}. Leave budget.tokens out.")
        return BudgetMeter(budget, before or Usage(), self._thread.stored_usage, anyio.current_time())

    async def _used_before(self) -> Usage | None:
        """Return the thread's total before this turn. After a resume or a failed turn, only the thread's file has it."""
        thread = self._thread
        if thread.usage is not None or thread.id is None or thread.stored_usage is None:
            return thread.usage
        return await to_thread.run_sync(thread.stored_usage, thread.id)

    def _complete_request(self) -> TurnRequest:
        """Return the request with the current id and options of the thread."""
        if self._request.on_approval is not None and not self._thread.transport.can_ask:
            raise UnsupportedOperationError("This transport cannot ask for approvals. Use the transport 'app-server', or no on_approval.")
        if self._request.review is not None and self._thread.id is not None:
            raise UnsupportedOperationError("A review needs a new thread. Call start_thread() and review that thread.")
        return dataclasses.replace(self._request, thread_id=self._thread.id, options=self._options.applied_to(self._thread.options))

    async def _pump(self, *, force: bool = False) -> None:
        """Receive events, the end, or an error from the transport. An error is stored for the iterator."""
        async with self._lock:
            if self._done or (self._queue and not force):
                return
            if self._stream is None:
                raise CodexError("The turn was not started. Use `async with thread.run_streamed(...)`, or await it.")
            try:
                events = await self._receive(self._stream)
                if events is not None:
                    if self._builder.thread_id is None:
                        self._check_thread(events)
                    self._builder.apply(*events)
                    self._queue.extend(events)
                    if not events:
                        await self._end()
                if self._meter is not None and self._stop is None and not self._builder.ended:
                    exceeded = await self._meter.check(self._builder.turn, anyio.current_time())
                    if exceeded is not None:
                        self._request_stop(exceeded)
            except CodexError as error:
                await self._end(error)
            except OSError as error:
                await self._end(system_error("The turn cannot continue", error))
            except BaseException:
                self._abandon()
                with anyio.CancelScope(shield=True):
                    await self._finish()
                raise

    async def _receive(self, stream: TurnStream) -> Sequence[ThreadEvent] | None:
        """Return the next events, or a warning about silence; None if the turn was asked to stop."""
        clock = self._clock if self._stop is None else None
        if clock is not None:
            clock.entered(anyio.current_time())
        try:
            with anyio.CancelScope(deadline=self._next_look(clock)):
                events = await stream.receive()
                if clock is not None:
                    clock.heard(events, anyio.current_time())
                return events
        finally:
            if clock is not None:
                clock.left(anyio.current_time())
        now = anyio.current_time()
        if now >= self._deadline:
            self._time_out()
        elif clock is not None and now >= clock.due:
            return self._look(stream, clock)
        return None

    def _next_look(self, clock: ModelClock | None) -> float:
        """Return the time of the next check, if nothing is received until then."""
        meter = math.inf if self._meter is None or self._stop is not None else self._meter.due
        return min(self._deadline, meter, math.inf if clock is None else clock.due)

    def _look(self, stream: TurnStream, clock: ModelClock) -> Sequence[ThreadEvent] | None:
        """Return a warning after a while without an event, or stop the turn."""
        turn = self._builder.turn
        # Messages and reasoning do not count: they are open while the model writes them.
        works = any(getattr(item, "status", None) == "in_progress" for item in turn.items if item.id in turn.open_item_ids)
        occupied = works or stream.occupied
        try:
            message = clock.look(anyio.current_time(), occupied, stream.silent_for)
        except TimeoutError as error:
            self._request_stop(NetworkTimeoutError(str(error)))
            return None
        return None if message is None else (ThreadErrorEvent(message=message),)

    async def _end(self, error: CodexError | None = None) -> None:
        """Record the end of the turn after the last event."""
        if error is None and not self._builder.ended:
            error = self._stop or CodexError("The transport ended a turn without reporting its end.")
        if error is not None:
            self._attach_turn(error)
            self._failure = _failed(self.turn) if type(error) is TurnFailedError else error
        await self._finish()

    def _attach_turn(self, error: CodexError) -> CodexError:
        """Finish the turn with an error, and attach the turn to it."""
        failure = Failure.of(str(error)) if type(error) is TurnFailedError else None
        self._builder.finish(_status(error), str(error), failure=failure)
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
            if (total := self._builder.turn.thread_usage) is not None:
                self._thread.usage = total
            elif self._request.review is not None and self._thread.id is not None:
                # The CLI counts the tokens of a review in another thread.
                self._thread.usage = Usage()
            await self._stack.aclose()

    def _request_stop(self, reason: TurnInterruptedError) -> None:
        if self._stop is None and not self._done:
            self._stop = reason
            if self._stream is not None:
                self._stream.interrupt()

    def _time_out(self) -> None:
        self._deadline = math.inf
        self._request_stop(TurnTimeoutError(f"The turn was stopped after its timeout of {self._options.timeout:g} seconds."))

    def _check_thread(self, events: Sequence[ThreadEvent]) -> None:
        """Store the thread's id once the CLI reports it. On a resumed thread it must be the requested one."""
        for event in events:
            if isinstance(event, ThreadStartedEvent):
                if self._thread.id not in (None, event.thread_id):
                    raise ProtocolError(
                        f"Thread {self._thread.id} was requested, but the CLI continued {event.thread_id}. Start a new thread."
                    )
                self._thread.id = event.thread_id


def _cancel(turn: "weakref.ref[StreamedTurn[Any]]", token: CancellationToken) -> None:
    """Stop a turn, unless it was dropped."""
    if (running := turn()) is not None:
        running._request_stop(TurnInterruptedError(token.reason or "The turn was cancelled."))


def _check_skills(parts: Sequence[UserInput]) -> None:
    """Raise an error for a skill that does not exist: the CLI ignores it."""
    for part in parts:
        if isinstance(part, SkillInput) and part.file is not None and (not part.file.is_file() or {"(", ")"} & set(str(part.file))):
            problem = "does not exist" if not part.file.is_file() else "has a bracket in its path, which the CLI cannot read"
            raise InputError(f"The skill {part.file} {problem}. Name the folder of a skill that Codex lists.")


def _status(error: CodexError) -> TurnStatus:
    if isinstance(error, TurnTimeoutError):
        return "timed_out"
    return "interrupted" if isinstance(error, TurnInterruptedError) else "failed"


def _failed(turn: Turn) -> TurnFailedError:
    message = turn.error or "The turn failed. The CLI gave no reason."
    failure = turn.failure or Failure.of(message)
    return failure.error(f"{message}\n{LOGIN_REMEDY}" if failure.reason == "unauthorized" else message, turn)
