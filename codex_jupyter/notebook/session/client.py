"""The Codex client of a notebook, and the event loop that its turns run on."""

import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from codex_jupyter.notebook.session.event_loop import EventLoop
from codex_jupyter.notebook.session.model_catalogue import ModelCatalogue
from codex_jupyter.sdk import Codex, CodexCli, CodexError
from codex_jupyter.sdk.codex import TransportName
from codex_jupyter.sdk.rollouts import codex_home

if TYPE_CHECKING:
    from codex_jupyter.testing import ScriptedModel

_T = TypeVar("_T")


class NotebookClient:
    """The Codex client that runs the turns of a notebook. It can be replaced.

    Args:
        home: The notebook's folder.
        transport: Transport of a client that is made here; see `Codex`.
    """

    def __init__(self, home: Path, transport: TransportName) -> None:
        self.transport: TransportName = transport
        """Transport of a client that is made here."""
        self.home: Path = home
        """The notebook's folder."""
        self.event_loop: EventLoop = EventLoop()
        self.models: ModelCatalogue = ModelCatalogue(lambda: self.codex.options)
        """The models of the client."""
        self.demo: ScriptedModel | None = None
        """The scripted model that answers, in demo mode."""
        self.sandboxed: bool = True
        """Run turns in the sandbox that they ask for."""
        self._codex: Codex | None = None
        self._changing = threading.Lock()
        """Locked while the client is made or replaced. A cell, a chat and a page use it on threads of their own."""
        self._started: ScriptedModel | None = None
        """The scripted model that was started here, and must be closed here."""

    @property
    def codex(self) -> Codex:
        """The client, made at first use."""
        with self._changing:
            if self._codex is None:
                self._codex = Codex(transport=self.transport)
            return self._codex

    @property
    def cli(self) -> CodexCli:
        """The codex CLI in use.

        Raises:
            CodexNotFoundError: If there is no codex CLI.
        """
        return self.call(self.codex.locate)

    @property
    def codex_home(self) -> Path:
        """CODEX_HOME of the client."""
        return codex_home(self.codex.options.env)

    def call(self, function: Callable[..., Awaitable[_T]], *args: Any) -> _T:
        """Run a coroutine function of the client on its event loop. An interrupt of the kernel cancels it."""
        return self.event_loop.wait_for(function, *args)

    def replace(self, client: "Codex | ScriptedModel | None", *, sandboxed: bool, before_close: Callable[[], object]) -> None:
        """Use another client. No turn may run after `before_close` has returned.

        Args:
            client: A client; or a scripted model, which is started if necessary; or None for the user's own Codex.
            sandboxed: Run turns in the sandbox that they ask for.
            before_close: Called once the new client is known to work, before the present client is closed.

        Raises:
            CodexError: If the scripted model cannot start. The present client stays in use.
        """
        scripted = None if isinstance(client, Codex) else client
        owned = scripted if scripted is not None and (scripted is self._started or not scripted.running) else None
        if scripted is not None:
            try:
                scripted.start()
            except OSError as error:
                raise CodexError(f"The scripted model cannot start: {error}") from None
        new = (
            client
            if client is None or isinstance(client, Codex)
            else Codex(config=client.config, env=client.env(), transport=self.transport)
        )
        before_close()
        with self._changing:
            old, self._codex = self._codex, new
            started, self._started = self._started, owned
            self.demo, self.sandboxed = scripted, sandboxed
        if old is not new:
            self._close(old)
        if started is not None and started is not owned:
            started.close()

    def reconnect(self, transport: TransportName) -> bool:
        """Use another transport. No turn may run. Return if there was a client that had to be replaced."""
        with self._changing:
            self.transport = transport
            old = self._codex
            if old is None:
                return False
            self._codex = Codex(old.options, transport=transport)
        self._close(old)
        return True

    @property
    def started(self) -> bool:
        """True if a client has been made."""
        return self._codex is not None

    def release(self) -> None:
        """Unload the threads of the client, so that other programs can continue them.

        Raises:
            ThreadBusyError: If a turn runs.
        """
        if self._codex is not None:
            self.event_loop.call(self._codex.unload_threads)

    def _close(self, codex: Codex | None) -> None:
        if codex is not None:
            self.event_loop.call(codex.aclose)
