"""The Codex client of a notebook, and the event loop that its turns run on."""

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
        self._started: ScriptedModel | None = None
        """The scripted model that was started here, and must be closed here."""

    @property
    def codex(self) -> Codex:
        """The client, made at first use."""
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
        before_close()
        self._close_codex()
        if self._started is not None and self._started is not owned:
            self._started.close()
        self.demo, self._started, self.sandboxed = scripted, owned, sandboxed
        if isinstance(client, Codex):
            self._codex = client
        elif client is not None:
            self._codex = Codex(config=client.config, env=client.env(), transport=self.transport)

    def reconnect(self, transport: TransportName) -> bool:
        """Use another transport. No turn may run. Return if there was a client that had to be replaced."""
        self.transport = transport
        if self._codex is None:
            return False
        options = self._codex.options
        self._close_codex()
        self._codex = Codex(options, transport=transport)
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

    def _close_codex(self) -> None:
        if self._codex is not None:
            self.event_loop.call(self._codex.aclose)
        self._codex = None
