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
        self._thread: Thread | None = None
        self._running: RunningTurn | None = None
        self._just_shown: Turn | None = None

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

    def start_demo(self) -> None:
        """Have a scripted model answer instead of a real one, in a thread and a CODEX_HOME of its own."""
        from codex_jupyter.demo import ScriptedModel, showcase

        self.stop_demo()
        self._demo = ScriptedModel(showcase()).start()
        self._use(Codex(config=self._demo.config, env=self._demo.env()))

    def stop_demo(self) -> None:
        """Go back to the user's own Codex, with a new thread. Does nothing without a demo."""
        if self._demo is not None:
            self._demo.close()
            self._demo = None
            self._use(None)

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
        """Show a turn where the code runs: not at all as the value of the cell that showed it live, else whole."""
        if turn is self._just_shown:
            self._just_shown = None
        else:
            display(turn_bundle(turn, self.last_info or TurnInfo()), raw=True)

    def close(self) -> None:
        """Stop what runs and free everything."""
        if self._running is not None and not self._running.finished:
            self._running.stop()
            for _ in self._running.updates():
                pass
        self.stop_demo()
        self._use(None)
        self._bridge.close()

    def _use(self, codex: Codex | None) -> None:
        if self._codex is not None:
            self._bridge.call(self._codex.aclose)
        self._codex, self._thread = codex, None

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
