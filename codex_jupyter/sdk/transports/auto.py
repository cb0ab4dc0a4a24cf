"""The transport that can more, where it can: `app-server`, and `exec` for the rest."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from codex_jupyter.sdk.cli.locate import CodexCli
from codex_jupyter.sdk.errors import UnsupportedOperationError
from codex_jupyter.sdk.options import CodexOptions, ThreadOptions
from codex_jupyter.sdk.transports.app_server import AppServerTransport, check_possible
from codex_jupyter.sdk.transports.base import TurnRequest, TurnStream
from codex_jupyter.sdk.transports.exec import ExecTransport


class AutoTransport:
    """Runs each turn on the app-server if it can do what is asked, else by `exec`. A thread is never held by both.

    Args:
        options: The client's options.
    """

    def __init__(self, options: CodexOptions) -> None:
        self.exec = ExecTransport(options)
        self.server = AppServerTransport(options)
        self.reason = "it tells text as it is written, asks for approvals, and can be steered"
        """Why the last turn ran where it did."""
        self._supported = True

    @property
    def name(self) -> str:
        """The transport that new turns use."""
        return "app-server" if self._supported else "exec"

    @property
    def cli(self) -> CodexCli:
        """The executable in use. Raises as `ExecTransport.cli` does."""
        return self.exec.cli

    @asynccontextmanager
    async def open_turn(self, request: TurnRequest) -> AsyncGenerator[TurnStream]:
        """Start a turn. See `Transport.open_turn`."""
        if await self._is_for_server(request):
            async with self.server.open_turn(request) as turn:
                yield turn
        else:
            if self.server.holds(request.thread_id):
                await self.server.release()
            async with self.exec.open_turn(request) as turn:
                yield turn

    async def fork(self, thread_id: str, options: ThreadOptions) -> str:
        """Copy a thread. See `ForkingTransport.fork`."""
        return await (self.server if self.server.holds(thread_id) else self.exec).fork(thread_id, options)

    async def release(self) -> None:
        """Let go of the threads in use, for other programs. Raises as `AppServerTransport.release` does."""
        await self.server.release()

    async def aclose(self) -> None:
        """End the server. Safe to call twice."""
        await self.server.aclose()

    async def _is_for_server(self, request: TurnRequest) -> bool:
        if self._supported:
            try:
                check_possible(request)
            except UnsupportedOperationError as error:
                self.reason = str(error)
                return False
            try:
                await self.server.started()
            except UnsupportedOperationError as error:
                self._supported, self.reason = False, str(error)
        return self._supported
