"""Own the `codex app-server` processes of a client: the current one, and replaced ones that still run turns.

Before each turn, the pool checks if anything has changed that a server reads only when it starts. If so, another server starts beside the
old one, which is closed when no turn runs on it. The old server unloads a thread when the new one needs it.
"""

import threading
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import anyio
from anyio import to_thread

from codex_jupyter.sdk.errors import ThreadBusyError, TurnInterruptedError
from codex_jupyter.sdk.executable.environment import child_environment, find_cli
from codex_jupyter.sdk.executable.fingerprint import Surroundings, surroundings
from codex_jupyter.sdk.executable.locate import CodexCli
from codex_jupyter.sdk.models.options import CodexOptions, ThreadOptions
from codex_jupyter.sdk.processes.forks import forget_after_fork
from codex_jupyter.sdk.rollouts import codex_home
from codex_jupyter.sdk.transports.app_server.hook_trust import trusted_hook_flags
from codex_jupyter.sdk.transports.app_server.startup import start_server
from codex_jupyter.sdk.transports.app_server.threads import ServerThreads
from codex_jupyter.sdk.transports.app_server.watchers import Watchers
from codex_jupyter.sdk.transports.base import CLIENT_CLOSED
from codex_jupyter.sdk.transports.secrets import secrets

CLOSE_TIMEOUT: Final = 60.0
"""Seconds to wait for the start of a server that must then be closed."""


@dataclass(slots=True)
class _Pooled:
    """A server of the pool."""

    threads: ServerThreads
    cli: CodexCli
    started_in: Surroundings
    warnings: list[str] = field(default_factory=list)
    """Messages for the next turn to report first."""
    users: int = 0
    closed: bool = False

    @property
    def alive(self) -> bool:
        return not self.threads.server.closed


class ServerPool:
    """Start, share and close the servers of a client.

    Args:
        options: The client's options.
    """

    def __init__(self, options: CodexOptions) -> None:
        self._options = options
        self._current: _Pooled | None = None
        self._retiring: list[_Pooled] = []
        self._renewed = False
        self._closings = 0
        """Number of calls of `close`. A server whose start overlaps with one of them must not run."""
        self._starting = threading.Lock()
        self._counting = threading.Lock()
        self.watchers = Watchers()
        """The subscriptions to the notifications of all servers."""
        forget_after_fork(self)

    def forget_parent(self) -> None:
        """Leave the servers to the parent; the next turn here starts another one. See `ForkAware`."""
        self._current, self._retiring = None, []
        self._starting, self._counting, self.watchers = threading.Lock(), threading.Lock(), Watchers()

    @property
    def running(self) -> bool:
        """True if a server is ready for new turns."""
        return self._current is not None and self._current.alive

    @property
    def busy(self) -> bool:
        """True if a turn runs on one of the servers."""
        return any(pooled.alive and pooled.threads.busy for pooled in self._all)

    def is_loaded(self, thread_id: str | None) -> bool:
        """Return True if a server has loaded the thread. No other process can then continue it."""
        return any(pooled.alive and pooled.threads.is_loaded(thread_id) for pooled in self._all)

    def state(self, options: ThreadOptions) -> Surroundings:
        """Return the current state of everything that a server for these options depends on. Blocks for a few milliseconds.

        Raises:
            CodexNotFoundError: If there is no CLI.
        """
        return self._look(find_cli(self._options, options))[1]

    def renew(self) -> None:
        """Start another server for the next turn, although no change can be detected."""
        self._renewed = True

    @asynccontextmanager
    async def use(self, options: ThreadOptions | None = None) -> AsyncGenerator[ServerThreads]:
        """Return a server that is up to date, and keep it open until the end of the block.

        Args:
            options: The options of the thread to use it for; None if it is not used for a thread.

        Raises:
            CodexNotFoundError: If there is no CLI.
            UnsupportedOperationError: If the CLI cannot be used with this transport.
            TransportError: If the server cannot be started.
        """
        pooled = await self._taken(options)
        try:
            yield pooled.threads
        finally:
            if self._left(pooled):
                with anyio.CancelScope(shield=True):
                    await to_thread.run_sync(pooled.threads.server.close)

    async def release_thread(self, thread_id: str, keeper: ServerThreads | None = None) -> None:
        """Unload a thread from all servers but one, so that this one or another program can continue it.

        Args:
            thread_id: The thread.
            keeper: The server that keeps the thread if it has loaded it.

        Raises:
            ThreadBusyError: If a turn of the thread runs on another server.
        """
        for pooled in self._all:
            threads = pooled.threads
            if pooled.alive and threads is not keeper and threads.is_loaded(thread_id):
                if thread_id in threads.busy:
                    raise ThreadBusyError("A turn of this thread is running. Wait for it, or start another thread.")
                await threads.unload(thread_id)

    def take_warnings(self) -> list[str]:
        """Return the warnings about the servers, each of them once."""
        warnings: list[str] = []
        for pooled in self._all:
            warnings += pooled.warnings
            pooled.warnings = []
        return warnings

    def close(self) -> None:
        """Close all servers. Safe to call twice. Blocks."""
        self._closings += 1
        # A cancelled start continues in its thread. Its server must not outlive this call.
        locked = self._starting.acquire(timeout=CLOSE_TIMEOUT)
        try:
            with self._counting:
                servers, self._current, self._retiring = self._all, None, []
                for pooled in servers:
                    pooled.closed = True
        finally:
            if locked:
                self._starting.release()
        for pooled in servers:
            pooled.threads.server.client_closed = True
        for pooled in servers:
            pooled.threads.server.close()
        self.watchers.end()

    @property
    def _all(self) -> list[_Pooled]:
        return [*self._retiring, *([] if self._current is None else [self._current])]

    async def _taken(self, options: ThreadOptions | None) -> _Pooled:
        closings = self._closings
        while True:
            # On a thread, so that any event loop can wait for it.
            pooled = await to_thread.run_sync(self._up_to_date, options)
            with self._counting:
                if not pooled.closed:
                    pooled.users += 1
                    return pooled
            if self._closings != closings:
                raise TurnInterruptedError(CLIENT_CLOSED)

    def _left(self, pooled: _Pooled) -> bool:
        """Count one user less. Return True if that was the last user of a replaced server."""
        with self._counting:
            pooled.users -= 1
            if pooled.users or pooled not in self._retiring:
                return False
            self._retiring.remove(pooled)
            pooled.closed = True
            return True

    def _up_to_date(self, options: ThreadOptions | None) -> _Pooled:
        """Return the current server, or a new one if something has changed."""
        with self._starting:
            current = self._current
            usable = current if current is not None and current.alive else None
            cli = usable.cli if usable is not None and options is None else find_cli(self._options, options or ThreadOptions())
            env, now = self._look(cli)
            if usable is not None and not self._renewed and not usable.started_in.outdate(now):
                usable.started_in = now
                return usable
            self._renewed = False
            started = start_server(cli, self._options, trusted_hook_flags(cli, self._options))
            started.server.on_notification = self.watchers.put
            threads = ServerThreads(started.server, secrets(self._options, env), env, started.parameters)
            new = _Pooled(threads, cli, now, [started.warning] if started.warning else [])
            with self._counting:
                self._current = new
                idle = current is not None and not (current.users and current.alive)
                if current is not None:
                    current.closed = idle
                    self._retiring += [] if idle else [current]
        if current is not None and idle:
            current.threads.server.close()
        return new

    def _look(self, cli: CodexCli) -> tuple[Mapping[str, str], Surroundings]:
        env = child_environment(self._options, cli)
        return env, surroundings(cli, env, codex_home(env))
