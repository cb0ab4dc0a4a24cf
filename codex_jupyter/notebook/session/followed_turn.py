"""Follow a turn to its end: show it, ask what the agent asks, and keep the result."""

import dataclasses
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from typing import Final

from codex_jupyter.notebook.display.terminal_display import print_plainly
from codex_jupyter.notebook.display.turn_display import SafeDisplay
from codex_jupyter.notebook.persistence.finished_turn import FinishedTurn
from codex_jupyter.notebook.render import TurnInfo
from codex_jupyter.notebook.render.approval import decision_words
from codex_jupyter.notebook.session.interrupts import Interrupts
from codex_jupyter.notebook.session.keyboard import Keyboard, ask, first_answers, question_text
from codex_jupyter.notebook.session.notebook_thread import NotebookThread
from codex_jupyter.notebook.session.running_turn import RunningTurn
from codex_jupyter.notebook.session.turn_questions import TOO_LATE
from codex_jupyter.sdk import ThreadOptions, Turn

CODE_INTERVAL: Final = 0.3
"""Seconds between two updates of the display while code of the agent runs."""
WAITS: Final = "The agent waits for your answer: run `%codex wait` in a cell, which asks you, or open `%codex chat`."


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
    remember: Callable[[NotebookThread], object]
    """Stores the thread for later kernels while the turn runs, and after it."""
    noted: set[str]
    """Notes that an earlier turn of the kernel has shown."""
    changed: Callable[[str], object]
    """Called with the thread's name when the turn has ended."""

    def finish(self, interrupts: Interrupts | None = None) -> bool:
        """Follow the turn to its end, keep it and show it.

        Neither an error of a display nor an interrupt ends this before nothing of the turn runs any more and the turn is kept.

        Args:
            interrupts: The interrupts of the kernel. None in the background.

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
            undoables = self.running.undoables
            self.record(self.conversation, FinishedTurn(self.text, turn, info, undoables, self.shown.mark))
        else:
            self.remember(self.conversation)
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
        # First the prompt, then the id of the thread.
        self.remember(self.conversation)
        stored_id = self.conversation.thread.id
        while not self.running.finished:
            try:
                for turn in self.running.updates():
                    # First, because the agent waits for it. Its state is shown while it runs.
                    if self.running.main_calls.pending:
                        with self._shown_meanwhile(), interrupts.raising(handled=True):
                            self.running.main_calls.run()
                        continue
                    with interrupts.raising():
                        self._show_note()
                        self.shown.update(self._noted(turn))
                    if stored_id != self.conversation.thread.id:
                        self.remember(self.conversation)
                        stored_id = self.conversation.thread.id
                    self.answer(interrupts)
            except KeyboardInterrupt:
                interrupted = True
            except BaseException as error:
                failure = failure or error
                self.running.stop("The turn was stopped, because the notebook could not follow it.")
            if interrupts.take() or interrupted:
                interrupted = True
                self.running.stop()
        return interrupted, failure

    def _show_note(self) -> None:
        """Show once per kernel which files an undo would not cover."""
        note = self.running.note
        if note and note not in self.noted:
            self.noted.add(note)
            self.shown.add_note(note)

    @contextmanager
    def _shown_meanwhile(self) -> Iterator[None]:
        """Show the turn from another thread while this one runs code of the agent. Nothing else shows it then."""
        ended = threading.Event()

        def show() -> None:
            while not ended.wait(CODE_INTERVAL):
                self.shown.update(self.running.turn)

        # With the context of this thread, in which new outputs belong to the running cell.
        thread = threading.Thread(target=copy_context().run, args=(show,), daemon=True, name="codex-code-display")
        if not self.shown.updates_in_place:
            yield
            return
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _noted(self, turn: Turn) -> Turn:
        """Return the turn as it is shown: with a note if it waits for an answer that its own cell cannot ask for."""
        questions = self.running.questions
        if questions.current is None or questions.ask_in_wait is None or questions.answered_elsewhere:
            return turn
        return dataclasses.replace(turn, warnings=(*turn.warnings, WAITS))

    def answer(self, interrupts: Interrupts) -> None:
        """Ask the user the open question of the agent, if there is one. Where the user cannot be asked, decline."""
        questions = self.running.questions
        question = questions.current
        if question is None:
            return
        if self.conversation.follower is not None:
            # In the background, the keyboard belongs to the running cell. A cell that waits for the turn asks.
            if not questions.answered_elsewhere and questions.ask_in_wait is None:
                questions.answer(question, None)
            return
        decision = None
        try:
            with interrupts.raising(), questions.open_while_asked(question, interrupts) as is_open:
                if is_open:
                    shown = self.shown.ask(self.running.turn, question, first_answers(question), question_text(question, full=True))
                    decision = ask(question, self.keyboard, shown=shown)
        except Exception as error:
            print_plainly(f"The question of the agent cannot be displayed ({type(error).__name__}), so it is declined.")
        if questions.answer(question, decision):
            self.shown.answered(decision_words(question, decision))
        else:
            self.shown.answered("")
            if decision is not None:
                print_plainly(TOO_LATE)
