"""Choose the transport of each turn: `app-server` for streamed or interactive turns, otherwise `exec`."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from anyio import to_thread

from codex_jupyter.sdk.errors import TransportError, UnsupportedOperationError
from codex_jupyter.sdk.executable.locate import CodexCli
from codex_jupyter.sdk.models.events import ThreadErrorEvent, ThreadEvent
from codex_jupyter.sdk.models.notifications import Notification
from codex_jupyter.sdk.models.options import CodexOptions, ThreadOptions
from codex_jupyter.sdk.models.stored_threads import ThreadHistory
from codex_jupyter.sdk.transports.app_server.hook_trust import trusted_hook_flags
from codex_jupyter.sdk.transports.app_server.startup import read_config
from codex_jupyter.sdk.transports.app_server.transport import AppServerTransport
from codex_jupyter.sdk.transports.base import Transport, TurnRequest, TurnStream
from codex_jupyter.sdk.transports.exec.transport import ExecTransport

if TYPE_CHECKING:
    from codex_jupyter.sdk.executable.fingerprint import Surroundings

_LIVE: Final = "it streams text, asks for approvals, and can be steered"


class AutoTransport(Transport):
    """Choose the transport of each turn. A thread is never loaded by both.

    `app-server` runs the turns that are streamed, or have an `on_approval` handler or tools. It also runs those of threads that it has
    loaded. `exec` runs the others, because it leaves no process running. `exec` also runs all turns of a CLI outside of the tested range,
    and turns with options that only `exec` supports. A server that does not start is started again after a change of anything that it
    depends on. A turn that cannot be live for such a reason reports it, once.

    Args:
        options: The client's options.
    """

    def __init__(self, options: CodexOptions) -> None:
        self.exec: ExecTransport = ExecTransport(options, read_config=read_config, trust_hooks=trusted_hook_flags)
        self.app_server: AppServerTransport = AppServerTransport(options)
        self._last: tuple[str, str] | None = None
        self._reported: set[str] = set()
        """Reasons that a turn has reported."""
        self._broken: tuple[str, Surroundings] | None = None
        """The reason why a server did not start, and the state of its surroundings then."""

    @property
    def can_ask(self) -> bool:
        """Always true: `app-server` runs the turns with a handler, if possible. A turn that `exec` runs declines every request."""
        return True

    @property
    def can_fork(self) -> bool:
        """Always true."""
        return True

    @property
    def has_tools(self) -> bool:
        """Always true: `app-server` runs the turns with tools. A turn that must have its tools is refused if that is not possible."""
        return True

    @property
    def has_history(self) -> bool:
        """Always true."""
        return True

    async def locate(self) -> CodexCli:
        """Return the executable that a turn in the current folder uses. See `Transport.locate`."""
        return await self.app_server.locate()

    async def has_thread(self, thread_id: str, options: ThreadOptions) -> bool:
        """Return whether a server has loaded the thread, or the CLI has stored it. See `Transport.has_thread`."""
        return await self.app_server.has_thread(thread_id, options)

    async def choice(self) -> tuple[str, str]:
        """Return the transport of the last turn and the reason; before the first turn, those of a streamed one. Raises as `locate` does."""
        return self._last or _live(await to_thread.run_sync(self._unfit, ThreadOptions()))

    async def describe(self) -> str:
        """Return the transport of the last turn and the reason. Raises as `locate` does."""
        return ": ".join(await self.choice())

    async def uses_app_server(self, options: ThreadOptions) -> bool:
        """Return whether the options are possible with `app-server`. See `Transport.uses_app_server`."""
        return await self.app_server.uses_app_server(options)

    @asynccontextmanager
    async def open_turn(self, request: TurnRequest) -> AsyncGenerator[TurnStream]:
        """Start a turn. See `Transport.open_turn`."""
        problem = await self._problem(request)
        if problem is not None and request.tools.required:
            raise UnsupportedOperationError(f"Tools need the transport 'app-server', which cannot run this turn: {problem}.")
        name, reason = self._last = self._choice(request, problem)
        if name == "app-server":
            async with self.app_server.open_turn(request) as turn:
                yield turn
        else:
            if request.thread_id is not None:
                await self.app_server.unload(request.thread_id)
            async with self.exec.open_turn(request) as turn:
                is_new = reason == problem and reason not in self._reported
                self._reported.add(reason)
                yield _Noted(turn, f"Without live text and questions: {reason}.") if is_new else turn

    async def fork(self, thread_id: str, options: ThreadOptions, last_turn_id: str | None = None) -> str:
        """Copy a thread. See `Transport.fork`."""
        if last_turn_id is not None:
            return await self.app_server.fork(thread_id, options, last_turn_id)
        wanted = self.app_server.is_loaded(thread_id) or self.exec.problem(options) is not None
        usable = wanted and await to_thread.run_sync(self._unfit, options) is None
        return await (self.app_server if usable else self.exec).fork(thread_id, options)

    async def revert(self, thread_id: str, options: ThreadOptions, turns: int) -> None:
        """Remove the last turns. See `Transport.revert`."""
        await self.app_server.revert(thread_id, options, turns)

    async def compact(self, thread_id: str, options: ThreadOptions) -> None:
        """Summarise a thread. See `Transport.compact`."""
        await self.app_server.compact(thread_id, options)

    async def read_thread(self, thread_id: str) -> ThreadHistory:
        """Read a stored thread. See `Transport.read_thread`."""
        return await self.app_server.read_thread(thread_id)

    async def ask(self, method: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a request to the app-server. See `AppServerTransport.ask`."""
        return await self.app_server.ask(method, parameters)

    @property
    def has_notifications(self) -> bool:
        """Always true."""
        return True

    def notifications(self, *methods: str) -> AbstractAsyncContextManager[AsyncIterator[Notification]]:
        """Subscribe to notifications of the app-server. Turns that `exec` runs send none. See `Transport.notifications`."""
        return self.app_server.notifications(*methods)

    async def unload(self, thread_id: str) -> None:
        """Unload a thread of the app-server. See `AppServerTransport.unload`."""
        await self.app_server.unload(thread_id)

    async def unload_threads(self) -> None:
        """Unload the threads of the app-server. See `AppServerTransport.unload_threads`."""
        await self.app_server.unload_threads()

    def renew(self) -> None:
        """Read the login again before the next turn. See `AppServerTransport.renew`."""
        self.exec.renew()
        self.app_server.renew()

    async def aclose(self) -> None:
        """Close the server. Safe to call twice."""
        await self.app_server.aclose()

    def _choice(self, request: TurnRequest, problem: str | None) -> tuple[str, str]:
        if problem is None and self.app_server.is_loaded(request.thread_id):
            return "app-server", "it has loaded the thread"
        if problem is None and self.exec.problem(request.options) is not None:
            return "app-server", "a setting holds a secret, which 'exec' could pass on only as an argument"
        if not _wants_more(request):
            return "exec", "the turn is not streamed and has no approval handler and no tools"
        return _live(problem)

    async def _problem(self, request: TurnRequest) -> str | None:
        """Return the reason why the server cannot run a turn, or None. Start the server if the turn needs it."""
        problem = await to_thread.run_sync(self._unfit, request.options)
        if problem is None and _wants_more(request):
            try:
                await self.app_server.started(request.options)
            except (TransportError, UnsupportedOperationError) as error:
                problem = f"the app-server does not start: {error}"
                self._broken = (problem, await to_thread.run_sync(self.app_server.state, request.options))
        return problem

    def _unfit(self, options: ThreadOptions) -> str | None:
        """Return the reason why a server cannot run a turn, or None. A server that did not start is tried again after a change."""
        problem = self.app_server.problem(options)
        if problem is None and self._broken is not None:
            reason, state = self._broken
            if not state.outdate(self.app_server.state(options)):
                return reason
            self._broken = None
        return problem


class _Noted(TurnStream):
    """A turn with a message after its first event."""

    def __init__(self, turn: TurnStream, message: str) -> None:
        self._turn = turn
        self._notes = [ThreadErrorEvent(message=message)]

    @property
    def can_steer(self) -> bool:
        """See `TurnStream.can_steer`."""
        return self._turn.can_steer

    @property
    def occupied(self) -> bool:
        """See `TurnStream.occupied`."""
        return self._turn.occupied

    @property
    def has_diffs(self) -> bool:
        """See `TurnStream.has_diffs`."""
        return self._turn.has_diffs

    def interrupt(self) -> None:
        """See `TurnStream.interrupt`."""
        self._turn.interrupt()

    def silent_for(self, remote: bool) -> float:
        """See `TurnStream.silent_for`."""
        return self._turn.silent_for(remote)

    async def receive(self) -> Sequence[ThreadEvent]:
        """See `TurnStream.receive`."""
        events = await self._turn.receive()
        if events and self._notes:
            events, self._notes = [events[0], *self._notes, *events[1:]], []
        return events


def _wants_more(request: TurnRequest) -> bool:
    """Return True if a turn needs features that only the server has."""
    return request.live or request.on_approval is not None or bool(request.tools)


def _live(problem: str | None) -> tuple[str, str]:
    return ("app-server", _LIVE) if problem is None else ("exec", problem)
