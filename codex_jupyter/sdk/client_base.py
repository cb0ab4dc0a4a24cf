"""The parts that the methods of a client share: its options, its transport, and a server for requests."""

import threading
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args
from weakref import WeakSet

from codex_jupyter._choices import TransportName as TransportName
from codex_jupyter.sdk.errors import ConfigError, UnsupportedOperationError
from codex_jupyter.sdk.executable.locate import CodexCli
from codex_jupyter.sdk.models.options import CodexOptions
from codex_jupyter.sdk.models.usage import Usage
from codex_jupyter.sdk.rollouts import codex_home, stored_usage
from codex_jupyter.sdk.snapshots.store import SnapshotStore
from codex_jupyter.sdk.tools import ToolLike, ToolLimits, ToolSet
from codex_jupyter.sdk.transports.base import Transport
from codex_jupyter.sdk.transports.exec.transport import ExecTransport

if TYPE_CHECKING:
    from codex_jupyter.sdk.thread import Thread

MAX_PAGES: Final = 100
"""Maximum number of pages of a list that are requested."""


class ClientBase:
    """The state of a client."""

    def __init__(
        self,
        options: CodexOptions,
        transport: TransportName | Transport,
        tools: Sequence[ToolLike],
        tool_limits: ToolLimits | None,
        snapshots: SnapshotStore | None,
    ) -> None:
        self._options = options
        if options.hooks and isinstance(transport, Transport):
            raise ConfigError("hooks need a transport that the client creates. Pass its name, such as transport='exec'.")
        self._transport: Transport = make_transport(transport, options)
        self._tools, self._tool_limits = tuple(tools), tool_limits
        self._snapshots = snapshots
        self._threads: WeakSet[Thread] = WeakSet()
        """The threads in use."""
        self._helper: Transport | None = None
        """The server for requests that run now, if the transport has none."""
        self._helper_users = 0
        self._counting = threading.Lock()
        self._tool_set()

    def _tool_set(self, tools: Sequence[ToolLike] = ()) -> ToolSet:
        """Return the tools of a thread: those of the client and its own."""
        tool_set = ToolSet((*self._tools, *tools), self._tool_limits)
        if tool_set and not self._transport.has_tools:
            raise UnsupportedOperationError("This transport cannot call tools. Use Codex(transport='app-server') or 'auto'.")
        return tool_set

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_counting", "_helper", "_helper_users", "_threads")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._helper, self._helper_users, self._counting, self._threads = None, 0, threading.Lock(), WeakSet()

    @asynccontextmanager
    async def _server(self) -> AsyncGenerator[Transport]:
        """Give a transport that can send requests to an app-server: that of the client, or one that is closed after the block.

        Raises:
            UnsupportedOperationError: If a custom transport runs no executable.
            CodexNotFoundError: If there is no CLI.
        """
        if self._transport.has_history:
            yield self._transport
            return
        await self._transport.locate()  # a custom transport has no server to ask
        with self._counting:
            # Requests at the same time share a server: in a new CODEX_HOME, two servers that start at once disturb each other.
            self._helper = self._helper or make_transport("app-server", self._options)
            self._helper_users += 1
            server = self._helper
        try:
            yield server
        finally:
            with self._counting:
                self._helper_users -= 1
                is_last = not self._helper_users
                self._helper = None if is_last else self._helper
            if is_last:
                await server.aclose()

    async def _ask(self, method: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
        async with self._server() as server:
            return await server.ask(method, parameters)

    async def _ask_pages(self, method: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the entries of all pages of a list, at most `MAX_PAGES` pages."""
        entries: list[dict[str, Any]] = []
        cursor: dict[str, Any] = {}
        async with self._server() as server:
            for _ in range(MAX_PAGES):
                answer = await server.ask(method, {**parameters, **cursor})
                entries += [entry for entry in answer.get("data") or () if isinstance(entry, dict)]
                if answer.get("nextCursor") is None:
                    break
                cursor = {"cursor": answer["nextCursor"]}
        return entries

    def _stored_usage(self, thread_id: str) -> Usage | None:
        return stored_usage(codex_home(self._options.env), thread_id)


def _read_config(cli: CodexCli, options: CodexOptions, folder: Path) -> dict[str, Any] | None:
    """Read the configuration of a folder. The modules of the app-server are imported here, because they load slowly."""
    from codex_jupyter.sdk.transports.app_server.startup import read_config

    return read_config(cli, options, folder)


def _trust_hooks(cli: CodexCli, options: CodexOptions) -> list[str]:
    """Return the settings for hooks. The modules of the app-server are imported here, because they load slowly."""
    from codex_jupyter.sdk.transports.app_server.hook_trust import trusted_hook_flags

    return trusted_hook_flags(cli, options)


def make_transport(transport: str | Transport, options: CodexOptions) -> Transport:
    """Return the transport of a name.

    Args:
        transport: The name, or a transport, which is returned as it is.
        options: The client's options.

    Raises:
        ConfigError: If there is no such transport.
    """
    match transport:
        case Transport():
            return transport
        case "exec":
            return ExecTransport(options, read_config=_read_config, trust_hooks=_trust_hooks)
        case "app-server":
            from codex_jupyter.sdk.transports.app_server.transport import AppServerTransport

            return AppServerTransport(options)
        case "auto":
            from codex_jupyter.sdk.transports.auto import AutoTransport

            return AutoTransport(options)
    names = ", ".join(map(repr, get_args(TransportName)))
    raise ConfigError(f"{transport!r} is not a transport. Use {names}, or a subclass of codex_jupyter.Transport.")
