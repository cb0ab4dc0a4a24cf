"""The transport that can more, where that helps: `app-server`, and `exec` for the rest."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from anyio import to_thread

from codex_jupyter.sdk.cli.locate import CodexCli
from codex_jupyter.sdk.errors import TransportError, UnsupportedOperationError
from codex_jupyter.sdk.history import StoredThread
from codex_jupyter.sdk.options import CodexOptions, ThreadOptions
from codex_jupyter.sdk.transports.app_server import AppServerTransport
from codex_jupyter.sdk.transports.base import TurnRequest, TurnStream
from codex_jupyter.sdk.transports.exec import ExecTransport

_LIVE: Final = "it tells text as it is written, asks for approvals, and can be steered"


class AutoTransport:
    """Chooses the transport of each turn. A thread is never held by both.

    `app-server` runs the turns that are streamed or have an `on_approval` handler, and those of threads that it holds already; `exec` the
    others, for it leaves nothing running. `exec` runs all turns if the CLI is none of those that were tested, and those with options that
    only it knows. A server that does not start is not tried again.

    Args:
        options: The client's options.
    """

    def __init__(self, options: CodexOptions) -> None:
        self.exec = ExecTransport(options)
        self.server = AppServerTransport(options)
        self.name = "app-server"
        """The transport of the last turn; before the first, that of a streamed one."""
        self.reason = _LIVE
        """Why it was chosen."""
        self._broken: str | None = None

    @property
    def cli(self) -> CodexCli:
        """The executable in use. Raises as `ExecTransport.cli` does."""
        return self.server.cli

    @asynccontextmanager
    async def open_turn(self, request: TurnRequest) -> AsyncGenerator[TurnStream]:
        """Start a turn. See `Transport.open_turn`."""
        self.name, self.reason = await self._choice(request)
        if self.name == "app-server":
            async with self.server.open_turn(request) as turn:
                yield turn
        else:
            if request.thread_id is not None:
                await self.server.let_go(request.thread_id)
            async with self.exec.open_turn(request) as turn:
                yield turn

    async def fork(self, thread_id: str, options: ThreadOptions) -> str:
        """Copy a thread. See `ForkingTransport.fork`."""
        usable = self.server.holds(thread_id) and await self._problem(options) is None
        return await (self.server if usable else self.exec).fork(thread_id, options)

    async def revert(self, thread_id: str, options: ThreadOptions, turns: int) -> None:
        """Take back the last turns. See `HistoryTransport.revert`."""
        await self.server.revert(thread_id, options, turns)

    async def compact(self, thread_id: str, options: ThreadOptions) -> None:
        """Sum up a thread. See `HistoryTransport.compact`."""
        await self.server.compact(thread_id, options)

    async def read_thread(self, thread_id: str) -> StoredThread:
        """Read a stored thread. See `HistoryTransport.read_thread`."""
        return await self.server.read_thread(thread_id)

    async def release(self) -> None:
        """Let go of the threads in use, for other programs. Raises as `AppServerTransport.release` does."""
        await self.server.release()

    async def aclose(self) -> None:
        """End the server. Safe to call twice."""
        await self.server.aclose()

    async def _choice(self, request: TurnRequest) -> tuple[str, str]:
        problem = await self._problem(request.options)
        if problem is None and self.server.holds(request.thread_id):
            return "app-server", "it holds the thread"
        if request.on_approval is None and not request.live:
            return "exec", "nobody watches the turn, and nobody could be asked"
        if problem is None:
            try:
                await self.server.started()
            except (TransportError, UnsupportedOperationError) as error:
                problem = self._broken = f"the app-server does not start: {error}"
        return ("app-server", _LIVE) if problem is None else ("exec", problem)

    async def _problem(self, options: ThreadOptions) -> str | None:
        return self._broken or await to_thread.run_sync(self.server.problem, options)
