"""The interface between a thread and what runs its turns: a request goes in, events come out."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

import anyio

from codex_jupyter.sdk.errors import UnsupportedOperationError
from codex_jupyter.sdk.executable.locate import CodexCli
from codex_jupyter.sdk.models.approvals import ApprovalHandler
from codex_jupyter.sdk.models.events import ThreadEvent
from codex_jupyter.sdk.models.inputs import UserInput
from codex_jupyter.sdk.models.notifications import Notification
from codex_jupyter.sdk.models.options import CyberAccessProgram, ThreadOptions
from codex_jupyter.sdk.models.review_target import ReviewTarget
from codex_jupyter.sdk.models.stored_threads import ThreadHistory
from codex_jupyter.sdk.tools import ToolSet

CLIENT_CLOSED: Final = "The turn was stopped because its client was closed."


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRequest:
    """One turn to run, complete in itself."""

    input: tuple[UserInput, ...]
    """The prompt, as `normalize_input` returns it."""
    thread_id: str | None = None
    """The thread to continue, or None for a new one."""
    options: ThreadOptions = field(default_factory=ThreadOptions)
    output_schema: Mapping[str, Any] | None = None
    """The JSON Schema of the answer."""
    cyber_access_program: CyberAccessProgram | None = None
    review: ReviewTarget | None = None
    """The code to review, instead of answering a prompt. A review needs a new thread."""
    live: bool = False
    """True if the caller reads the events while the turn runs."""
    on_approval: ApprovalHandler | None = None
    """Called before any action that needs approval. Without a handler, every request is declined."""
    tools: ToolSet = field(default_factory=ToolSet)
    """Functions that the agent may call."""
    fork: bool = False
    """True if the turn starts a new thread with the history of `thread_id`."""


class TurnStream(ABC):
    """A running turn."""

    @property
    def can_steer(self) -> bool:
        """True if `steer` can add input to this turn."""
        return False

    @property
    def occupied(self) -> bool:
        """True if the turn waits for something other than the model or an open item, such as an answer of the user."""
        return False

    @property
    def has_diffs(self) -> bool:
        """True if the items of this turn contain the diffs of changed files."""
        return False

    @abstractmethod
    async def receive(self) -> Sequence[ThreadEvent]:
        """Wait for events.

        Cancelling the wait loses nothing: the next call continues at the same place.

        Returns:
            New events, at least one and in order; an empty sequence when the turn is over.

        Raises:
            TransportError: If the turn ended without an event that says so. Raised after the last event was received.
        """

    async def receive_until(self, time: float) -> Sequence[ThreadEvent] | None:
        """Wait for events as `receive` does, or until a time.

        Args:
            time: The time, in seconds of `time.monotonic`. It can be infinite.

        Returns:
            The events; None if there were none in time.
        """
        with anyio.CancelScope(deadline=anyio.current_time() + time - monotonic()):
            return await self.receive()
        return None

    @abstractmethod
    def interrupt(self) -> None:
        """Ask the turn to stop, from any thread. Returns at once; `receive` then returns the remaining events, and the end."""

    async def steer(self, input: tuple[UserInput, ...]) -> None:
        """Add input to the turn.

        Raises:
            UnsupportedOperationError: If the turn accepts no more input.
            TransportError: If the input cannot be sent.
        """
        raise UnsupportedOperationError("This turn accepts no more input. Use the transport 'app-server' to add to a running turn.")

    def silent_for(self, remote: bool) -> float:
        """Return the seconds since the CLI received a byte from the network; 0 if a turn without events counts as alive.

        Args:
            remote: If True, only bytes from other machines count.
        """
        return 0.0


class Transport(ABC):
    """Base class of what runs turns. One transport serves many threads at once, with one turn at a time per thread.

    A subclass must implement `open_turn`. The other methods are optional features. Each raises `UnsupportedOperationError` unless it is
    implemented, and a property reports whether it is.
    """

    @property
    def can_ask(self) -> bool:
        """True if turns can ask an approval handler."""
        return False

    @property
    def can_fork(self) -> bool:
        """True if `fork` is implemented."""
        return False

    @property
    def has_tools(self) -> bool:
        """True if turns can call the functions in `TurnRequest.tools`."""
        return False

    @property
    def has_history(self) -> bool:
        """True if `revert`, `compact` and `read_thread` are implemented."""
        return False

    @abstractmethod
    def open_turn(self, request: TurnRequest) -> AbstractAsyncContextManager[TurnStream]:
        """Start a turn.

        Leaving the block stops the turn if it still runs, with every process that it started. That takes seconds at most, and a
        cancellation does not cut it short.

        Args:
            request: The turn to run.

        Returns:
            A context manager that gives the running turn.

        Raises:
            CodexNotFoundError: If no codex executable can be found.
            InputError: If an image cannot be sent.
            ConfigError: If an option cannot be passed on.
            TransportError: If the turn cannot be started.
        """

    async def locate(self) -> CodexCli:
        """Return the codex executable that a turn in the current folder uses.

        Raises:
            CodexNotFoundError: If there is none.
            UnsupportedOperationError: If the transport runs no executable.
        """
        raise _unsupported("runs no codex executable", "exec")

    async def has_thread(self, thread_id: str, options: ThreadOptions) -> bool:
        """Return whether a thread that a turn has reported can be continued. The CLI reports a new thread before it stores it.

        Args:
            thread_id: The thread's UUID.
            options: The options of the thread.
        """
        return True

    async def describe(self) -> str:
        """Return a short text about the transport, for display."""
        return type(self).__name__

    async def uses_app_server(self, options: ThreadOptions) -> bool:
        """Return whether an app-server runs a streamed turn with these options."""
        return False

    async def fork(self, thread_id: str, options: ThreadOptions, last_turn_id: str | None = None) -> str:
        """Start a new thread with the history of another one, which may be in use. Sends nothing to the model.

        Args:
            thread_id: The UUID of the source thread.
            options: The options of the new thread.
            last_turn_id: The last turn of the history that is copied. None copies all turns.

        Returns:
            The id of the new thread.

        Raises:
            ThreadNotFoundError: If the source thread does not exist.
            CodexError: As `open_turn` does.
        """
        raise _unsupported("cannot fork a thread", "exec")

    async def revert(self, thread_id: str, options: ThreadOptions, turns: int) -> None:
        """Remove the last turns from a thread's history. Files stay as they are.

        Raises:
            ThreadBusyError: If a turn of the thread runs.
            ConfigError: If the thread has fewer turns.
        """
        raise _unsupported("cannot revert a thread", "app-server")

    async def compact(self, thread_id: str, options: ThreadOptions) -> None:
        """Let the model summarise the history of a thread, and wait until that is done."""
        raise _unsupported("cannot compact a thread", "app-server")

    async def read_thread(self, thread_id: str) -> ThreadHistory:
        """Read a stored thread with all its turns."""
        raise _unsupported("cannot read a stored thread", "app-server")

    async def ask(self, method: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a request that is not a turn to the app-server, such as `model/list`."""
        raise _unsupported(f"cannot send the request {method}", "app-server")

    @property
    def has_notifications(self) -> bool:
        """True if `notifications` is implemented."""
        return False

    def notifications(self, *methods: str) -> AbstractAsyncContextManager[AsyncIterator[Notification]]:
        """Subscribe to notifications of the app-server, also of servers that start later.

        Args:
            *methods: The methods to receive, such as `account/updated`. Without any, all notifications are received, except those that
                the server is asked not to send: `configWarning`, `item/reasoning/textDelta`, `remoteControl/status/changed` and
                `thread/readState/changed`.

        Returns:
            A context manager that gives an iterator. The iterator ends when the transport is closed. It raises `TransportError` if too many
            notifications were not read.

        Raises:
            UnsupportedOperationError: If the transport has no notifications.
        """
        raise _unsupported("has no notifications", "app-server")

    async def unload(self, thread_id: str) -> None:  # noqa: B027 - optional
        """Unload one thread, so that another program can continue or change it.

        Raises:
            ThreadBusyError: If a turn of it runs.
        """

    async def unload_threads(self) -> None:  # noqa: B027 - optional
        """Unload the threads that the transport keeps open, so that other programs can continue them.

        Raises:
            ThreadBusyError: If a turn runs.
        """

    def renew(self) -> None:  # noqa: B027 - optional
        """Read the login again before the next turn, because it has changed."""

    async def aclose(self) -> None:  # noqa: B027 - optional
        """Free everything that outlives a turn. Safe to call twice."""


def _unsupported(problem: str, other: str) -> UnsupportedOperationError:
    return UnsupportedOperationError(f"This transport {problem}. Use the transport {other!r}.")
