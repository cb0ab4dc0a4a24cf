"""The client: it has options and a transport, and starts threads."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self, Unpack

from anyio import to_thread

from codex_jupyter._choices import TransportName as TransportName
from codex_jupyter.sdk.client_account import AccountMethods
from codex_jupyter.sdk.client_requests import RequestMethods
from codex_jupyter.sdk.client_threads import ThreadMethods
from codex_jupyter.sdk.diagnostics import DoctorReport, examine
from codex_jupyter.sdk.errors import UnsupportedOperationError
from codex_jupyter.sdk.executable.locate import CodexCli
from codex_jupyter.sdk.models.options import CodexOptions, CodexOptionsDict, ThreadOptions, ThreadOptionsDict
from codex_jupyter.sdk.snapshots.store import SnapshotStore
from codex_jupyter.sdk.thread import Thread, check_thread_id
from codex_jupyter.sdk.tools import ToolLike, ToolLimits
from codex_jupyter.sdk.transports.base import Transport


class Codex(ThreadMethods, AccountMethods, RequestMethods):
    """A client of the Codex agent. Creating one starts no process and reads no file.

    Args:
        options: Options of the client. Keyword arguments override them.
        transport: `"exec"` runs one process of the codex CLI per turn. `"app-server"` runs one process for all turns, which streams text,
            asks for approvals and can be steered. `"auto"` chooses per turn: `app-server` for streamed or interactive turns, otherwise
            `exec`. A custom `Transport` is also accepted.
        tools: Functions that the agent may call in every thread, see `tool`. They need the transport `app-server` or `auto`. A tool that
            is not read-only asks the `on_approval` handler of its turn. Without a handler, or if the approval policy is `never`, it runs.
        tool_limits: Limits of the calls and their results.
        snapshots: Record the files before and after each turn, so that `rewind` can take it back. True uses the store in the user's state
            folder, which keeps contents of files; see `SnapshotStore`. Turns that can change nothing are not recorded.
        **changes: The fields of `CodexOptions`.

    Raises:
        ConfigError: If an option is unknown or invalid, or if a function cannot be a tool.
        UnsupportedOperationError: If the transport cannot call tools, or if `snapshots` is set on a system that cannot restore safely.
    """

    def __init__(
        self,
        options: CodexOptions | None = None,
        *,
        transport: TransportName | Transport = "exec",
        tools: Sequence[ToolLike] = (),
        tool_limits: ToolLimits | None = None,
        snapshots: SnapshotStore | bool = False,
        **changes: Unpack[CodexOptionsDict],
    ) -> None:
        super().__init__(CodexOptions.of(options, changes), transport, tools, tool_limits, _store(snapshots))
        self._logins = []

    def __repr__(self) -> str:
        return f"Codex({self._options!r}, transport={type(self._transport).__name__})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    @property
    def options(self) -> CodexOptions:
        """The options of the client."""
        return self._options

    @property
    def transport(self) -> Transport:
        """The transport, which can also run a `TurnRequest` without a thread."""
        return self._transport

    @property
    def snapshots(self) -> SnapshotStore | None:
        """Where the files of the turns are recorded. None if they are not recorded."""
        return self._snapshots

    async def locate(self) -> CodexCli:
        """Find the codex executable that a turn in the current folder uses, and its version.

        Raises:
            CodexNotFoundError: If there is none.
            UnsupportedOperationError: If a custom transport runs no executable.
        """
        return await self._transport.locate()

    def start_thread(
        self, options: ThreadOptions | None = None, *, tools: Sequence[ToolLike] = (), **changes: Unpack[ThreadOptionsDict]
    ) -> Thread:
        """Start a new conversation. Nothing runs until its first turn.

        Args:
            options: Options of the thread. Keyword arguments override them.
            tools: Functions that the agent may call, besides those of the client.
            **changes: The fields of `ThreadOptions`.

        Raises:
            ConfigError: If an option is unknown or invalid, or if a function cannot be a tool.
            UnsupportedOperationError: If the transport cannot call tools.
        """
        options = ThreadOptions.of(options, changes)
        return self._thread(options, None, self._tool_set(tools))

    def resume_thread(
        self, thread_id: str, options: ThreadOptions | None = None, *, tools: Sequence[ToolLike] = (), **changes: Unpack[ThreadOptionsDict]
    ) -> Thread:
        """Continue a conversation. The CLI does not store model, sandbox and folder: pass them again.

        Args:
            thread_id: The UUID of the thread, as in `Thread.id`.
            options: Options of the thread. Keyword arguments override them.
            tools: The functions of the tools that the thread was started with, besides those of the client. They are matched by name. A
                thread cannot get other tools. The agent is informed if it calls a tool without a function.
            **changes: The fields of `ThreadOptions`.

        Raises:
            ThreadNotFoundError: If the id is not a UUID. The next turn raises it if the thread does not exist.
            ConfigError: If an option is unknown or invalid. The next turn raises it if the thread was started without one of the tools.
            UnsupportedOperationError: If the transport cannot call tools.
        """
        options, tool_set = ThreadOptions.of(options, changes), self._tool_set(tools)
        return self._thread(options, check_thread_id(thread_id), tool_set)

    async def unload_threads(self) -> None:
        """Unload the threads that are in use, so that other programs, such as `codex resume`, can continue them.

        Raises:
            ThreadBusyError: If a turn runs.
        """
        await self._transport.unload_threads()

    async def doctor(self) -> DoctorReport:
        """Examine everything that a turn needs: executable, version, login, sandbox, CODEX_HOME. Sends nothing to a model and never raises.

        Takes about a second, and half a minute at most.
        """
        return await to_thread.run_sync(examine, self._options)

    async def aclose(self) -> None:
        """Close the transport, and cancel waiting logins. Safe to call twice."""
        logins, self._logins = self._logins, []
        for login in logins:
            await login.cancel()
        await self._transport.aclose()


def _store(snapshots: SnapshotStore | bool) -> SnapshotStore | None:
    store = SnapshotStore() if snapshots is True else snapshots or None
    if store is not None and not store.supported:
        raise UnsupportedOperationError("Files cannot be recorded on this system. Leave snapshots out.")
    return store
