"""A conversation with the agent, and a turn of it that runs."""

import dataclasses
import uuid
from collections import deque
from collections.abc import AsyncIterator, Generator
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self, Unpack

import anyio

from codex_jupyter.sdk.errors import (
    AuthenticationError,
    CodexError,
    ConfigError,
    OutputSchemaError,
    ProtocolError,
    ThreadBusyError,
    ThreadNotFoundError,
    TurnFailedError,
    TurnInterruptedError,
    TurnTimeoutError,
    UnsupportedOperationError,
)
from codex_jupyter.sdk.events import ThreadEvent, ThreadStartedEvent, Usage
from codex_jupyter.sdk.inputs import Input, normalize_input
from codex_jupyter.sdk.options import ReviewTarget, ThreadOptions, TurnOptions, TurnOptionsDict
from codex_jupyter.sdk.schema import OutputSchema
from codex_jupyter.sdk.transports.base import HistoryTransport, SteerableStream, Transport, TurnRequest, TurnStream
from codex_jupyter.sdk.transports.exec import ExecTransport
from codex_jupyter.sdk.turn import Turn, TurnFold, TurnStatus

_LOGIN_REMEDY = "Log in with `codex login`, or set CODEX_API_KEY (or api_key) to a valid key."


class Thread:
    """A conversation. Make one with `Codex.start_thread` or `Codex.resume_thread`.

    One turn runs at a time. The thread lives in CODEX_HOME; this object only knows its id.
    """

    def __init__(self, transport: Transport, options: ThreadOptions, thread_id: str | None = None) -> None:
        self._transport = transport
        self._options = options
        self._id = thread_id
        # The total of a thread that somebody else began is unknown until its next turn has ended.
        self._usage = Usage() if thread_id is None else None
        self._running = False

    def __repr__(self) -> str:
        return f"Thread(id={self._id!r})"

    @property
    def id(self) -> str | None:
        """The thread's UUID; None until its first turn has begun."""
        return self._id

    @property
    def options(self) -> ThreadOptions:
        """The options that each turn runs with. Set them to change those of the turns to come."""
        return self._options

    @options.setter
    def options(self, options: ThreadOptions) -> None:
        self._options = options

    async def run(self, input: Input, options: TurnOptions | None = None, **changes: Unpack[TurnOptionsDict]) -> Turn:
        """Run a turn to its end.

        Args:
            input: A text, or texts and images.
            options: Options of the turn; keyword arguments are put over them.
            **changes: The fields of `TurnOptions`.

        Returns:
            The completed turn.

        Raises:
            InputError: If the input cannot be sent.
            ThreadBusyError: If a turn of this thread runs already.
            TurnFailedError: If the turn failed; `AuthenticationError` if nobody is logged in.
            TurnInterruptedError: If it was stopped; `TurnTimeoutError` if by its timeout.
            OutputSchemaError: If the answer does not fit the schema.
            TransportError: If the CLI failed.
            CodexNotFoundError: If there is no CLI.
        """
        streamed = self.run_streamed(input, options, **changes)
        streamed._live = False
        async with streamed:
            return await streamed.wait()

    def run_streamed(
        self,
        input: Input,
        options: TurnOptions | None = None,
        **changes: Unpack[TurnOptionsDict],
    ) -> "StreamedTurn":
        """Run a turn and see its events as they come.

        Use the result as an async context manager, whose end also ends the turn, or await it; then iterate its `events`.

        Args:
            input: A text, or texts and images.
            options: Options of the turn; keyword arguments are put over them.
            **changes: The fields of `TurnOptions`.

        Raises:
            InputError: If the input cannot be sent.
            OutputSchemaError: If the schema is none.
        """
        turn_options = TurnOptions.of(options, changes)
        schema = None if turn_options.output_schema is None else OutputSchema.of(turn_options.output_schema)
        return StreamedTurn(self, normalize_input(input), turn_options, schema)

    async def review(
        self,
        options: TurnOptions | None = None,
        *,
        uncommitted: bool = False,
        base: str | None = None,
        commit: str | None = None,
        prompt: str | None = None,
        **changes: Unpack[TurnOptionsDict],
    ) -> Turn:
        """Let the agent review code of the working directory, a git repository. Begins the thread, which can then go on about the findings.

        Args:
            options: Options of the turn; keyword arguments are put over them.
            uncommitted: Review the staged, unstaged and untracked changes.
            base: Review the changes since the work left this branch.
            commit: Review the changes of this commit.
            prompt: Review what the prompt describes.
            **changes: The fields of `TurnOptions`, without `output_schema`.

        Returns:
            The turn; its answer holds the findings. The CLI does not tell the usage of a review.

        Raises:
            UnsupportedOperationError: If the thread has begun already.
            ConfigError: If not exactly one thing to review is given; or `output_schema`, for the findings have a form of their own.
            CodexError: As `run` does.
        """
        target: Any = {"uncommitted": uncommitted, "base": base, "commit": commit, "prompt": prompt}
        async with self.review_streamed(options, **target, **changes) as streamed:
            return await streamed.wait()

    def review_streamed(
        self,
        options: TurnOptions | None = None,
        *,
        uncommitted: bool = False,
        base: str | None = None,
        commit: str | None = None,
        prompt: str | None = None,
        **changes: Unpack[TurnOptionsDict],
    ) -> "StreamedTurn":
        """Let the agent review code, as `review` does, and see the events as they come, as with `run_streamed`."""
        target = ReviewTarget(uncommitted=uncommitted, base=base, commit=commit, prompt=prompt)
        turn_options = TurnOptions.of(options, changes)
        if turn_options.output_schema is not None:
            raise ConfigError("A review takes no output_schema: its findings have a form of their own.")
        parts = normalize_input(prompt) if prompt else ()
        return StreamedTurn(self, parts, turn_options, None, target)

    async def revert(self, turns: int = 1) -> None:
        """Take the last turns out of the thread's history, as if they had not been. Files that they changed stay as they are.

        Args:
            turns: How many, 1 or more.

        Raises:
            UnsupportedOperationError: If the transport cannot; 'app-server' can.
            ConfigError: If the thread has fewer turns.
            ThreadBusyError: If a turn of it runs.
            CodexError: As `run` does.
        """
        transport, thread_id = self._with_history("revert a thread")
        await transport.revert(thread_id, self._options, turns)
        self._usage = None

    async def compact(self) -> None:
        """Have the model sum up the history, so that it takes less room in what it reads with each turn. Takes as long as a turn.

        Raises:
            UnsupportedOperationError: If the transport cannot; 'app-server' can.
            ThreadBusyError: If a turn of it runs.
            CodexError: As `run` does.
        """
        transport, thread_id = self._with_history("compact a thread")
        await transport.compact(thread_id, self._options)
        self._usage = None

    def _with_history(self, what: str) -> tuple[HistoryTransport, str]:
        """The transport and the id, for a method that not every transport has."""
        if not isinstance(self._transport, HistoryTransport):
            raise UnsupportedOperationError(f"This transport cannot {what}; the transport 'app-server' can.")
        if self._id is None:
            raise ThreadNotFoundError("The thread has no turn yet.")
        if self._running:
            raise ThreadBusyError("A turn of this thread runs: wait for it first.")
        return self._transport, self._id

    def _request(self, streamed: "StreamedTurn") -> TurnRequest:
        schema = streamed._schema
        if streamed._options.on_approval is not None and isinstance(self._transport, ExecTransport):
            raise UnsupportedOperationError("The transport 'exec' cannot ask for approvals; the transport 'app-server' can.")
        if streamed._review is not None and self._id is not None:
            raise UnsupportedOperationError("A review begins a thread: start a new one for it.")
        return TurnRequest(
            review=streamed._review,
            input=streamed._input,
            thread_id=self._id,
            options=self._options,
            output_schema=None if schema is None else schema.json_schema,
            cyber_access_program=streamed._options.cyber_access_program,
            live=streamed._live,
            on_approval=streamed._options.on_approval,
        )


class StreamedTurn(AsyncIterator[ThreadEvent]):
    """A turn that runs. Made by `Thread.run_streamed`."""

    def __init__(
        self,
        thread: Thread,
        parts: tuple[Any, ...],
        options: TurnOptions,
        schema: OutputSchema | None,
        review: ReviewTarget | None = None,
    ) -> None:
        self._thread = thread
        self._input = parts
        self._options = options
        self._schema = schema
        self._review = review
        self._live = True
        self._fold = TurnFold()
        self._queue: deque[ThreadEvent] = deque()
        self._lock = anyio.Lock(fast_acquire=True)
        self._stack = AsyncExitStack()
        self._stream: TurnStream | None = None
        self._deadline = float("inf")
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

    def __await__(self) -> Generator[Any, Any, "StreamedTurn"]:
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
        """The events, each given once. A failed turn ends them with `turn.failed`; a turn that ends in any other bad way raises."""
        return self

    @property
    def turn(self) -> Turn:
        """The turn so far, at any moment: all that was received, which may be ahead of the events that were iterated."""
        turn = self._fold.turn
        return turn if self._parsed is None else dataclasses.replace(turn, parsed=self._parsed)

    async def wait(self) -> Turn:
        """Let the turn run to its end; events that were not iterated are dropped.

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
        """Stop the turn and wait until nothing of it runs. Events that came before can still be iterated."""
        self._request_stop(TurnInterruptedError())
        while self._stream is not None and not self._done:
            await self._pump(force=True)

    async def steer(self, input: Input) -> None:
        """Add to what the running turn was asked; the agent takes it in at its next step.

        Args:
            input: A text.

        Raises:
            InputError: If it is empty, or holds a picture.
            UnsupportedOperationError: If the transport cannot, or the turn has ended.
        """
        parts = normalize_input(input)
        if self._stream is None or self._done:
            raise UnsupportedOperationError("The turn does not run, so it takes no more input.")
        if not isinstance(self._stream, SteerableStream):
            raise UnsupportedOperationError("This transport cannot add to a running turn; the transport 'app-server' can.")
        await self._stream.steer(parts)

    async def aclose(self) -> None:
        """End the turn if it still runs, and free everything. Safe to call twice."""
        self._leave()
        with anyio.CancelScope(shield=True):
            # Whoever iterates in another task sees the end first: nothing is closed under its hands.
            async with self._lock:
                await self._finish()

    async def _start(self) -> None:
        if self._stream is not None or self._done:
            return
        token = self._options.cancellation
        if token is not None and token.cancelled:
            self._stop = TurnInterruptedError(token.reason or "The turn was cancelled before it began.")
        if self._stop is not None:
            self._done = True
            raise self._settled(self._stop)
        if self._thread._running:
            raise ThreadBusyError("A turn of this thread runs already: wait for it, or start another thread.")
        self._thread._running = True
        self._stack.callback(self._release)
        # The total is unknown again until this turn has told it; one that fails or is stopped has used tokens, too.
        self._fold.base, self._thread._usage = self._thread._usage, None
        if self._options.timeout is not None:
            self._deadline = anyio.current_time() + self._options.timeout
        try:
            self._stream = await self._stack.enter_async_context(self._thread._transport.open_turn(self._thread._request(self)))
            if token is not None:
                self._stack.callback(
                    token.attach(lambda: self._request_stop(TurnInterruptedError(token.reason or "The turn was cancelled.")))
                )
        except BaseException as error:
            if isinstance(error, CodexError):
                self._settled(error)
            self._thread._usage = self._fold.base
            self._leave()
            await self._finish()
            raise
        if self._stop is not None:
            self._stream.interrupt()

    async def _pump(self, *, force: bool = False) -> None:
        """Take in what the transport has next: events, the end, or a failure, which is kept for the iterator."""
        async with self._lock:
            if self._done or (self._queue and not force):
                return
            if self._stream is None:
                raise CodexError("The turn has not begun: use `async with thread.run_streamed(...)`, or await it.")
            try:
                with anyio.CancelScope(deadline=self._deadline) as scope:
                    events = await self._stream.receive()
                if scope.cancelled_caught:
                    self._time_out()
                    return
                for event in events:
                    if type(event) is ThreadStartedEvent:
                        self._named(event.thread_id)
                self._fold.apply(*events)
                self._queue.extend(events)
                if not events:
                    await self._end()
            except CodexError as error:
                await self._end(error)
            except BaseException:
                self._leave()
                with anyio.CancelScope(shield=True):
                    await self._finish()
                raise

    async def _end(self, error: CodexError | None = None) -> None:
        """The transport has no more: settle how the turn ended."""
        if error is None and not self._fold.ended:
            error = self._stop or CodexError("The transport ended a turn without saying how.")
        if error is not None:
            self._settled(error)
            self._failure = _failed(self.turn) if type(error) is TurnFailedError else error
        await self._finish()

    def _settled(self, error: CodexError) -> CodexError:
        """An error that ends the turn, with the turn that it ended."""
        self._fold.end(_status(error), str(error))
        error.turn = self.turn
        return error

    def _leave(self) -> None:
        """The turn is not wanted any more."""
        self._request_stop(TurnInterruptedError("The turn was left before its end."))

    async def _finish(self) -> None:
        if not self._done:
            self._done = True
            if self._stop is not None:
                self._settled(self._stop)
            if (total := self._fold.turn.thread_usage) is not None:
                self._thread._usage = total
            elif self._review is not None and self._thread._id is not None:
                # The tokens of a review are counted in a thread of its own.
                self._thread._usage = Usage()
            await self._stack.aclose()

    def _release(self) -> None:
        self._thread._running = False

    def _request_stop(self, reason: TurnInterruptedError) -> None:
        if self._stop is None and not self._done:
            self._stop = reason
            if self._stream is not None:
                self._stream.interrupt()

    def _time_out(self) -> None:
        self._deadline = float("inf")
        self._request_stop(TurnTimeoutError(f"The turn was stopped after its timeout of {self._options.timeout:g} seconds."))

    def _named(self, thread_id: str) -> None:
        expected = self._thread._id
        if expected is not None and expected != thread_id:
            raise ProtocolError(f"Thread {expected} was asked for, but the CLI went on with {thread_id}.")
        self._thread._id = thread_id


def check_thread_id(thread_id: str) -> str:
    """Make sure that an id is one: the CLI takes anything else for a name, and silently starts a new thread.

    Returns:
        The id in its canonical form.

    Raises:
        ThreadNotFoundError: If it is no UUID.
    """
    try:
        return str(uuid.UUID(thread_id))
    except (ValueError, AttributeError, TypeError):
        raise ThreadNotFoundError(f"{thread_id!r} is no thread id: an id is a UUID, as in Thread.id.") from None


def _status(error: CodexError) -> TurnStatus:
    if isinstance(error, TurnTimeoutError):
        return "timed_out"
    return "interrupted" if isinstance(error, TurnInterruptedError) else "failed"


def _failed(turn: Turn) -> TurnFailedError:
    message = turn.error or "The turn failed without a reason."
    if "401 Unauthorized" in message:
        return AuthenticationError(f"{message}\n{_LOGIN_REMEDY}", turn=turn)
    return TurnFailedError(message, turn=turn)
