"""A conversation with the agent."""

import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Unpack, overload

from codex_jupyter.sdk.errors import ConfigError, ThreadBusyError, ThreadNotFoundError, UnsupportedOperationError
from codex_jupyter.sdk.models.inputs import Input, UserInput, normalize_input
from codex_jupyter.sdk.models.options import ThreadOptions, TurnOptions, TurnOptionsDict, TurnSettingsDict
from codex_jupyter.sdk.models.output_schema import OutputSchema
from codex_jupyter.sdk.models.review_target import ReviewTarget
from codex_jupyter.sdk.models.turn import ParsedT, Turn
from codex_jupyter.sdk.models.usage import Usage
from codex_jupyter.sdk.rollouts import codex_home
from codex_jupyter.sdk.snapshots.store import SnapshotStore
from codex_jupyter.sdk.streamed_turn import StreamedTurn
from codex_jupyter.sdk.thread_state import ThreadState
from codex_jupyter.sdk.tools import ToolSet
from codex_jupyter.sdk.transports.base import Transport, TurnRequest


class Thread:
    """A conversation. `Codex.start_thread` and `Codex.resume_thread` return one.

    One turn runs at a time. The CLI stores the thread in CODEX_HOME; this object only has its id.
    """

    def __init__(
        self,
        transport: Transport,
        options: ThreadOptions,
        thread_id: str | None = None,
        stored_usage: Callable[[str], Usage | None] | None = None,
        tools: ToolSet | None = None,
        set_name: Callable[[str, str], Awaitable[None]] | None = None,
        snapshots: SnapshotStore | None = None,
        home: Callable[[], Path] | None = None,
    ) -> None:
        usage = Usage() if thread_id is None else None
        self._state = ThreadState(transport, options, thread_id, usage=usage, stored_usage=stored_usage, snapshots=snapshots)
        self._state.home = home or partial(codex_home, None)
        self._tools = ToolSet() if tools is None else tools
        self._set_name = set_name

    def __repr__(self) -> str:
        return f"Thread(id={self._state.id!r})"

    @property
    def id(self) -> str | None:
        """The UUID. None until the first turn has started. It changes if that turn was stopped before the CLI had stored the thread."""
        return self._state.id

    @property
    def options(self) -> ThreadOptions:
        """The options of each turn. Set them to change the options of later turns."""
        return self._state.options

    @options.setter
    def options(self, options: ThreadOptions) -> None:
        if not isinstance(options, ThreadOptions):
            raise ConfigError(f"Thread.options must be ThreadOptions, not {type(options).__name__}. Set it to ThreadOptions(...).")
        self._state.options = options

    @property
    def snapshots(self) -> SnapshotStore | None:
        """The store that records the files before and after each turn, as `Codex(snapshots=...)` sets it. None records nothing."""
        return self._state.snapshots

    @snapshots.setter
    def snapshots(self, snapshots: SnapshotStore | None) -> None:
        self._state.snapshots = snapshots

    @overload
    async def run(
        self, input: Input, options: TurnOptions | None = None, *, output_schema: type[ParsedT], **changes: Unpack[TurnSettingsDict]
    ) -> Turn[ParsedT]: ...

    @overload
    async def run(self, input: Input, options: TurnOptions | None = None, **changes: Unpack[TurnOptionsDict]) -> Turn: ...

    async def run(self, input: Input, options: TurnOptions | None = None, **changes: Unpack[TurnOptionsDict]) -> Turn:
        """Run a turn to its end.

        Args:
            input: A text, or texts and images.
            options: Options of the turn. Keyword arguments override them.
            **changes: The fields of `TurnOptions`.

        Returns:
            The completed turn.

        Raises:
            InputError: If the input cannot be sent.
            ThreadBusyError: If a turn of this thread runs already.
            TurnFailedError: If the turn failed; `AuthenticationError` if no one is logged in.
            TurnInterruptedError: If it was stopped; `TurnTimeoutError` if by its timeout, `BudgetExceededError` if by its budget.
            OutputSchemaError: If the answer does not match the schema.
            TransportError: If the CLI failed.
            CodexNotFoundError: If there is no CLI.
        """
        async with self._turn(normalize_input(input), TurnOptions.of(options, changes), live=False) as streamed:
            return await streamed.wait()

    @overload
    def run_streamed(
        self, input: Input, options: TurnOptions | None = None, *, output_schema: type[ParsedT], **changes: Unpack[TurnSettingsDict]
    ) -> StreamedTurn[ParsedT]: ...

    @overload
    def run_streamed(self, input: Input, options: TurnOptions | None = None, **changes: Unpack[TurnOptionsDict]) -> StreamedTurn: ...

    def run_streamed(self, input: Input, options: TurnOptions | None = None, **changes: Unpack[TurnOptionsDict]) -> StreamedTurn:
        """Run a turn and read its events while it runs.

        Use the result as an async context manager, whose end also stops the turn, or await it. Then iterate its `events`.

        Args:
            input: A text, or texts and images.
            options: Options of the turn. Keyword arguments override them.
            **changes: The fields of `TurnOptions`.

        Raises:
            InputError: If the input cannot be sent.
            OutputSchemaError: If the schema is invalid.
        """
        return self._turn(normalize_input(input), TurnOptions.of(options, changes))

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
        """Review code of the working directory, a git repository. Starts the thread, which can then continue with the findings.

        Args:
            options: Options of the turn. Keyword arguments override them.
            uncommitted: Review the staged, unstaged and untracked changes.
            base: Review the changes since the work left this branch.
            commit: Review the changes of this commit.
            prompt: Review the code that the prompt describes.
            **changes: The fields of `TurnOptions`, without `output_schema`.

        Returns:
            The turn. Its answer contains the findings. The CLI does not report the usage of a review.

        Raises:
            UnsupportedOperationError: If the thread was started already.
            ConfigError: If not exactly one target is given, or if `output_schema` is given.
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
    ) -> StreamedTurn:
        """Review code as `review` does, and read the events as with `run_streamed`."""
        target = ReviewTarget(uncommitted=uncommitted, base=base, commit=commit, prompt=prompt)
        turn_options = TurnOptions.of(options, changes)
        if turn_options.output_schema is not None:
            raise ConfigError("A review accepts no output_schema, because its findings have a fixed form. Leave it out.")
        parts = normalize_input(prompt) if prompt else ()
        return self._turn(parts, turn_options, review=target)

    async def set_name(self, name: str) -> None:
        """Give the thread a name. Lists show it instead of the title.

        Args:
            name: The name. It must not be empty.

        Raises:
            ThreadNotFoundError: If the thread has no turn yet.
            CodexError: As `Codex.set_thread_name` does.
        """
        if self._state.id is None:
            raise ThreadNotFoundError("The thread has no turn yet. Run one first.")
        if self._set_name is None:
            raise UnsupportedOperationError("A thread without a client cannot be named. Use Codex.set_thread_name.")
        await self._set_name(self._state.id, name)

    async def revert(self, turns: int = 1) -> None:
        """Remove the last turns from the thread's history. Files that they changed stay as they are; `Codex.rewind` restores them, too.

        Args:
            turns: The number of turns, 1 or more.

        Raises:
            UnsupportedOperationError: If the transport does not support it. Use 'app-server'.
            ConfigError: If the thread has fewer turns.
            ThreadBusyError: If a turn of it runs.
            CodexError: As `run` does.
        """
        transport, thread_id = self._with_history("revert a thread")
        await transport.revert(thread_id, self._state.options, turns)
        self._state.usage = None

    async def compact(self) -> None:
        """Let the model summarise the history, so that it uses fewer tokens in later turns. Takes as long as a turn.

        Raises:
            UnsupportedOperationError: If the transport does not support it. Use 'app-server'.
            ThreadBusyError: If a turn of it runs.
            CodexError: As `run` does.
        """
        transport, thread_id = self._with_history("compact a thread")
        await transport.compact(thread_id, self._state.options)
        self._state.usage = None

    def _with_history(self, what: str) -> tuple[Transport, str]:
        """Return the transport and the id, for a method that not every transport supports."""
        state = self._state
        if not state.transport.has_history:
            raise UnsupportedOperationError(f"This transport cannot {what}. Use the transport 'app-server'.")
        if state.id is None:
            raise ThreadNotFoundError("The thread has no turn yet. Run one first.")
        if state.running:
            raise ThreadBusyError("A turn of this thread runs. Wait for it first.")
        return state.transport, state.id

    def _turn(
        self,
        parts: tuple[UserInput, ...],
        options: TurnOptions,
        *,
        review: ReviewTarget | None = None,
        live: bool = True,
    ) -> StreamedTurn:
        schema = None if options.output_schema is None else OutputSchema.of(options.output_schema)
        request = TurnRequest(
            input=parts,
            options=self._state.options,
            output_schema=None if schema is None else schema.json_schema,
            cyber_access_program=options.cyber_access_program,
            review=review,
            live=live,
            on_approval=options.on_approval,
            tools=self._tools if options.tools is None else self._tools.select(options.tools),
        )
        return StreamedTurn(self._state, request, options, schema)


def check_thread_id(thread_id: str) -> str:
    """Check a thread id. The CLI takes any other text for a name, and silently starts a new thread.

    Returns:
        The id in its canonical form.

    Raises:
        ThreadNotFoundError: If it is not a UUID.
    """
    try:
        return str(uuid.UUID(thread_id))
    except (ValueError, AttributeError, TypeError):
        raise ThreadNotFoundError(f"{thread_id!r} is not a thread id. Thread ids are UUIDs, see Thread.id.") from None
