"""The seam between a thread and whatever runs its turns: a request goes in, events come out."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable

from codex_jupyter.sdk.executable.locate import CodexCli
from codex_jupyter.sdk.models.approvals import ApprovalHandler
from codex_jupyter.sdk.models.events import ThreadEvent
from codex_jupyter.sdk.models.inputs import UserInput
from codex_jupyter.sdk.models.options import CyberAccessProgram, ReviewTarget, ThreadOptions
from codex_jupyter.sdk.models.stored_threads import StoredThread

CLIENT_CLOSED: Final = "The turn was stopped because its client was closed."


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRequest:
    """One turn to run, complete in itself."""

    input: tuple[UserInput, ...]
    """What is asked, as `normalize_input` gives it."""
    thread_id: str | None = None
    """The thread to go on with, or None for a new one."""
    options: ThreadOptions = field(default_factory=ThreadOptions)
    output_schema: Mapping[str, Any] | None = None
    """The JSON Schema of the answer."""
    cyber_access_program: CyberAccessProgram | None = None
    review: ReviewTarget | None = None
    """What to review, instead of answering a prompt; only in a new thread."""
    live: bool = False
    """Whether somebody looks at the turn while it runs."""
    on_approval: ApprovalHandler | None = None
    """Who is asked before the agent does what needs the user's word; nobody is a no."""
    fork: bool = False
    """Whether the turn begins a new thread that has the history of `thread_id`."""


class TurnStream(Protocol):
    """A turn that runs."""

    async def receive(self) -> Sequence[ThreadEvent]:
        """Wait for events.

        Cancelling the wait loses nothing: the next call goes on where it was.

        Returns:
            The events that have come, at least one and in order; an empty sequence when the turn is over.

        Raises:
            TransportError: If the turn ended without an event that says so. Raised after the last event was received.
        """
        ...

    def interrupt(self) -> None:
        """Ask the turn to stop, from any thread. Returns at once; `receive` then gives what is left, and the end."""
        ...


class Transport(Protocol):
    """Runs turns. One transport serves many threads at once, with one turn at a time per thread."""

    def open_turn(self, request: TurnRequest) -> AbstractAsyncContextManager[TurnStream]:
        """Start a turn and hold it open.

        Leaving the block ends the turn if it still runs, with everything it started; that takes seconds at most and is not
        cut short by cancellation.

        Args:
            request: What to run.

        Returns:
            A context manager that gives the running turn.

        Raises:
            CodexNotFoundError: If no codex executable can be found.
            InputError: If an image cannot be sent.
            ConfigError: If an option cannot be passed on.
            TransportError: If the turn cannot be started.
        """
        ...

    async def aclose(self) -> None:
        """Free what outlives a turn. Safe to call twice."""
        ...


@runtime_checkable
class CliTransport(Transport, Protocol):
    """A transport that runs a codex executable."""

    @property
    def cli(self) -> CodexCli:
        """The executable in use.

        Raises:
            CodexNotFoundError: If there is none.
        """
        ...


@runtime_checkable
class ForkingTransport(Transport, Protocol):
    """A transport that can copy threads."""

    async def fork(self, thread_id: str, options: ThreadOptions) -> str:
        """Begin a new thread with the history of another one, which may be in use. Asks the model nothing.

        Args:
            thread_id: The UUID of the other thread.
            options: The options of the new thread.

        Returns:
            The id of the new thread.

        Raises:
            ThreadNotFoundError: If there is no such thread.
            CodexError: As `open_turn` does.
        """
        ...


@runtime_checkable
class SteerableStream(TurnStream, Protocol):
    """A running turn that takes more input."""

    async def steer(self, input: tuple[UserInput, ...]) -> None:
        """Add to what the turn was asked.

        Raises:
            UnsupportedOperationError: If the turn takes no more.
            TransportError: If it cannot be sent.
        """
        ...


@runtime_checkable
class NetworkStream(TurnStream, Protocol):
    """A running turn that knows what it waits for."""

    @property
    def occupied(self) -> bool:
        """Whether it waits for something that is not the model and not an open item, such as an answer of the user."""
        ...

    def silent_for(self, remote: bool) -> float:
        """Return the seconds since the CLI received a byte from the network; 0 if a turn without events counts as alive.

        Args:
            remote: Whether only bytes from other machines count.
        """
        ...


@runtime_checkable
class HistoryTransport(ForkingTransport, Protocol):
    """A transport that can read and change the history of threads."""

    async def revert(self, thread_id: str, options: ThreadOptions, turns: int) -> None:
        """Take the last turns out of a thread's history. Files stay as they are.

        Raises:
            ThreadBusyError: If a turn of it runs.
            ConfigError: If it has fewer turns.
        """
        ...

    async def compact(self, thread_id: str, options: ThreadOptions) -> None:
        """Have the model sum up the history of a thread, so that it takes less room, and wait until that is done."""
        ...

    async def read_thread(self, thread_id: str) -> StoredThread:
        """Read a stored thread with all its turns."""
        ...
