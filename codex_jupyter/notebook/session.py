"""What a notebook remembers between cells: the Codex client, the thread, the last turn; and how a turn is run in a cell."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

from codex_jupyter.notebook.bridge import Bridge, RunningTurn
from codex_jupyter.notebook.live import LiveDisplay, TerminalDisplay, TurnDisplay
from codex_jupyter.notebook.render import TurnInfo, turn_bundle
from codex_jupyter.sdk import Codex, CodexCli, Input, Thread, ThreadOptions, Turn, TurnInterruptedError, TurnOptions

if TYPE_CHECKING:
    from codex_jupyter.demo import ScriptedModel


class CodexInterrupted(KeyboardInterrupt):
    """The user interrupted a turn. Ends the cell with one line, and a *Run All* with it.

    Attributes:
        turn: The turn with everything that it did.
    """

    def __init__(self, turn: Turn) -> None:
        super().__init__("The turn was interrupted. The next %%codex cell goes on in the same thread.")
        self.turn = turn

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class NotebookSession:
    """The Codex client of a notebook and its current thread.

    Args:
        shell: The notebook's shell.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self.last_turn: Turn | None = None
        """The turn that ended last."""
        self.last_info: TurnInfo | None = None
        self._shell = shell
        self._bridge = Bridge()
        self._codex: Codex | None = None
        self._demo: ScriptedModel | None = None
        self._started: ScriptedModel | None = None
        """The scripted model that was started here, and is closed here."""
        self._sandboxed = True
        self._thread: Thread | None = None
        self._running: RunningTurn | None = None
        self._just_shown: Turn | None = None
        shell.events.register("post_run_cell", self._end_of_cell)

    @property
    def codex(self) -> Codex:
        """The client, made at first use."""
        if self._codex is None:
            self._codex = Codex()
        return self._codex

    @property
    def thread(self) -> Thread | None:
        """The current thread; None before the first turn and after `new_thread`."""
        return self._thread

    @property
    def demo(self) -> "ScriptedModel | None":
        """The scripted model that answers, if demo mode is on."""
        return self._demo

    @property
    def cli(self) -> CodexCli:
        """The codex CLI in use.

        Raises:
            CodexNotFoundError: If there is none.
        """
        return self.codex.cli

    def new_thread(self) -> None:
        """Let the next turn begin a new thread."""
        self._thread = None

    def use(self, client: "Codex | ScriptedModel | None", *, sandboxed: bool = True) -> None:
        """Have another client run the turns to come, in a new thread.

        Args:
            client: A client; or a scripted model, which is started if it is not, and answers instead of a real one; or None for the
                user's own Codex.
            sandboxed: Whether the turns run in the sandbox that is asked for. False is for scripts that are known to be harmless, on
                machines without a sandbox.
        """
        if self._codex is not None:
            self._bridge.call(self._codex.aclose)
        if self._started is not None:
            self._started.close()
        self._codex = self._demo = self._thread = self._started = None
        self._sandboxed = sandboxed
        if isinstance(client, Codex):
            self._codex = client
        elif client is not None:
            self._started = None if client.running else client
            self._demo = client.start()
            self._codex = Codex(config=client.config, env=client.env())

    def run(self, prompt: Input, options: ThreadOptions, turn_options: TurnOptions | None = None) -> Turn:
        """Run a turn on the current thread and show it in the running cell; must be called on the main thread.

        Args:
            prompt: What is asked.
            options: Options of the thread, for this turn.
            turn_options: Options of the turn.

        Returns:
            The completed turn. It has been shown, so displaying it as the cell's value shows nothing.

        Raises:
            CodexInterrupted: If the kernel was interrupted meanwhile; nothing of the turn runs any more.
            CodexError: As `Thread.run` does. What the turn did until then stays on screen, in `.turn` and in the thread.
        """
        if not self._sandboxed:
            options = ThreadOptions.of(options, {"sandbox_mode": "danger-full-access"})
        thread = self._thread = self._thread or self.codex.start_thread()
        thread.options = options
        info = TurnInfo(
            model=options.model,
            sandbox=options.sandbox_mode,
            cwd=str(options.working_directory or Path.cwd()),
            demo=self._demo is not None,
        )
        running = self._running = self._bridge.start(thread, prompt, turn_options)
        interrupted = self._follow(running, self._display(info))
        self.last_turn, self.last_info = running.turn, info
        if interrupted or isinstance(running.error, TurnInterruptedError):
            raise CodexInterrupted(running.turn) from None
        if running.error is not None:
            raise running.error
        self._just_shown = running.turn
        return running.turn

    def display(self, turn: Turn) -> None:
        """Show a turn where the code runs: whole, but not as the value of the very cell that has shown it live."""
        if turn is not self._just_shown:
            display(turn_bundle(turn, self.last_info or TurnInfo()), raw=True)

    def close(self) -> None:
        """Stop what runs and free everything."""
        self._shell.events.unregister("post_run_cell", self._end_of_cell)
        if self._running is not None and not self._running.finished:
            self._running.stop()
            for _ in self._running.updates():
                pass
        self.use(None)
        self._bridge.close()

    def _end_of_cell(self, _result: object) -> None:
        self._just_shown = None

    def _display(self, info: TurnInfo) -> TurnDisplay:
        return LiveDisplay(info, _publish) if hasattr(self._shell, "kernel") else TerminalDisplay(info)

    def _follow(self, running: RunningTurn, shown: TurnDisplay) -> bool:
        """Show the turn until it has ended. Whether an interrupt ended it; further interrupts cannot cut its end short."""
        interrupted = False
        while not running.finished:
            try:
                for turn in running.updates():
                    shown.update(turn)
            except KeyboardInterrupt:
                interrupted = True
                running.stop()
        shown.finish(running.turn, running.elapsed)
        return interrupted and running.turn.status != "completed"


def _publish(bundle: dict[str, Any], display_id: str, update: bool, metadata: dict[str, Any]) -> None:
    display(bundle, raw=True, display_id=display_id, update=update, metadata=metadata)
