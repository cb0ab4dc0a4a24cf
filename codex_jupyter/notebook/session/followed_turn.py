"""Follow a turn to its end: show it, ask what the agent asks, and keep the result."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from codex_jupyter.notebook.display.terminal_display import print_plainly
from codex_jupyter.notebook.display.turn_display import SafeDisplay
from codex_jupyter.notebook.persistence.finished_turn import FinishedTurn
from codex_jupyter.notebook.render import TurnInfo
from codex_jupyter.notebook.session.interrupts import Interrupts
from codex_jupyter.notebook.session.keyboard import Keyboard, ask
from codex_jupyter.notebook.session.notebook_thread import NotebookThread
from codex_jupyter.notebook.session.running_turn import RunningTurn
from codex_jupyter.sdk import ThreadOptions, Turn


@dataclass(frozen=True, slots=True)
class FollowedTurn:
    """A running turn, and what happens to it while it runs and when it has ended."""

    conversation: NotebookThread
    running: RunningTurn
    shown: SafeDisplay
    info: TurnInfo
    options: ThreadOptions
    """Options of the thread for this turn."""
    earlier_options: ThreadOptions
    """Options of the thread before. They are restored if the turn fails, because a fork would use those that made it fail."""
    text: str
    """The prompt, as lists and exports show it."""
    keep: Callable[[Turn], object] | None
    """Called with the turn once it has completed."""
    keyboard: Keyboard
    record: Callable[[NotebookThread, FinishedTurn], object]
    """Adds the turn to its thread."""
    changed: Callable[[str], object]
    """Called with the thread's name when the turn has ended."""

    def finish(self, interrupts: Interrupts | None = None) -> bool:
        """Follow the turn to its end, keep it and show it.

        Args:
            interrupts: The interrupts of the kernel. None in the background.

        Neither an error of a display nor an interrupt ends this before nothing of the turn runs any more and the turn is kept.

        Returns:
            True if an interrupt ended the turn or its display.

        Raises:
            Exception: The error of `keep`, or another error that ended the following. In the background it is printed instead.
        """
        interrupts = interrupts or Interrupts()
        interrupted, failure = self._follow(interrupts)
        turn, info = self.running.turn, self.running.complete_info(self.info)
        if turn.status == "failed" and self.conversation.running is self.running:
            self.conversation.thread.options = self.earlier_options
        if turn.thread_id is not None:
            self.record(self.conversation, FinishedTurn(self.text, turn, info))
        try:
            with interrupts.raising():
                self.shown.finish(turn, info)
        except KeyboardInterrupt:
            interrupted = True
        if self.keep is not None and self.running.error is None:
            try:
                self.keep(turn)
            except Exception as error:
                failure = failure or error
        self.changed(self.conversation.name)
        interrupted = interrupts.take() or interrupted
        if failure is None:
            return interrupted
        if threading.current_thread() is not self.conversation.follower:
            raise failure
        print_plainly(f"After the turn of the thread {self.conversation.name}: {type(failure).__name__}: {failure}")
        return interrupted

    def _follow(self, interrupts: Interrupts) -> tuple[bool, BaseException | None]:
        """Show the turn and answer its questions until it has ended. Return True if interrupted, and any other error."""
        failure: BaseException | None = None
        interrupted = False
        while not self.running.finished:
            try:
                for turn in self.running.updates():
                    with interrupts.raising():
                        self.shown.update(turn)
                    self._answer(interrupts)
                    with interrupts.raising(handled=True):
                        self.running.run_main_calls()
            except KeyboardInterrupt:
                interrupted = True
            except BaseException as error:
                failure = failure or error
                self.running.stop("The turn was stopped, because the notebook could not follow it.")
            if interrupts.take() or interrupted:
                interrupted = True
                self.running.stop()
        return interrupted, failure

    def _answer(self, interrupts: Interrupts) -> None:
        """Ask the user the question of the agent. Where the user cannot be asked, decline."""
        question = self.running.question
        if question is None:
            return
        if self.conversation.follower is not None:
            # In the background, the keyboard belongs to the running cell.
            if not self.running.answered_elsewhere:
                self.running.answer(question, None)
            return
        decision = None
        try:
            with interrupts.raising():
                decision = ask(question, self.keyboard)
        except Exception as error:
            print_plainly(f"The question of the agent cannot be displayed ({type(error).__name__}), so it is declined.")
        self.running.answer(question, decision)
