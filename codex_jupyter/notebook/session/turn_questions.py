"""The questions that the agent asks the user while a turn runs."""

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from codex_jupyter.notebook.display.terminal_display import print_plainly
from codex_jupyter.notebook.render.approval import decision_words, record, unanswered
from codex_jupyter.notebook.session.event_loop import POLL_INTERVAL
from codex_jupyter.notebook.session.interrupts import Interrupts
from codex_jupyter.sdk import ApprovalDecision, ApprovalRequest

TOO_LATE: Final = "This answer has no effect: the turn ended before it."


class TurnQuestions:
    """The questions of a turn, one after the other. The agent waits on a worker thread until any other thread gives the answer.

    Args:
        changed: Notified when a question is asked or answered.
        closed: Returns True once the turn has ended or is stopped. It then asks nothing more.
        permanent: The user may approve something permanently.
    """

    def __init__(self, changed: threading.Condition, closed: Callable[[], bool], *, permanent: bool) -> None:
        self._changed, self._closed, self._permanent = changed, closed, permanent
        self._asking = threading.Lock()
        self._current: ApprovalRequest | None = None
        self._decision: ApprovalDecision | None = None
        self._decisions: list[str] = []
        self._stopped_by_user = False
        """The user has answered a question by stopping the turn, so that no other question is asked."""
        self._answers: dict[str, str] = {}
        self._unanswered: list[ApprovalRequest] = []
        self._waited = 0.0
        """Seconds that the turn has waited for earlier answers."""
        self._asked: float | None = None
        """When the open question was asked."""
        self.answered_elsewhere: bool = False
        """True if a widget shows the questions, so that a turn in the background may ask."""
        self._on_close: Callable[[], object] = _nothing
        """Called on any thread if the open question is closed without an answer."""
        self.ask_in_wait: Callable[[ApprovalRequest], ApprovalDecision | None] | None = None
        """Asks the user while a cell waits for a turn in the background. None if the user cannot be asked there."""

    @property
    def waited(self) -> float:
        """Seconds that the turn has waited for the user, until now if a question is open."""
        asked = self._asked
        return self._waited + (0.0 if asked is None else time.monotonic() - asked)

    @property
    def current(self) -> ApprovalRequest | None:
        """The question that the agent waits for. The display of the turn shows it and calls `answer`. A stopped turn has none."""
        return None if self._closed() else self._current

    @property
    def decisions(self) -> tuple[str, ...]:
        """The decisions so far, one line each."""
        return tuple(self._decisions)

    @property
    def answers(self) -> dict[str, str]:
        """The decisions so far in words, by the ids of the items that they are about."""
        return dict(self._answers)

    @property
    def unanswered(self) -> frozenset[str]:
        """The ids of the items of questions that were open when the turn ended."""
        return frozenset(request.item_id for request in self._unanswered if request.item_id)

    @property
    def remarks(self) -> tuple[str, ...]:
        """One line for each question that was open when the turn ended."""
        return tuple(map(unanswered, self._unanswered))

    def ask(self, request: ApprovalRequest) -> ApprovalDecision:
        """Wait for the answer to a question, on a worker thread. Where no one can be asked, it is declined."""
        return self.ask_user(request) or "decline"

    def ask_user(self, request: ApprovalRequest) -> ApprovalDecision | None:
        """Wait for the answer to a question, on a worker thread. Simultaneous questions are asked one after the other.

        Returns:
            The decision. None if no one can be asked.
        """
        if not self._permanent:
            choices = tuple(choice for choice in request.choices if choice != "accept_always")
            request = dataclasses.replace(request, choices=choices)
        with self._asking, self._changed:
            if self._closed() or self._stopped_by_user:
                return "decline"
            self._current, self._decision = request, None
            self._changed.notify_all()
            self._asked = time.monotonic()
            while self._current is request and not self._closed():
                self._changed.wait(POLL_INTERVAL)
            self._waited, self._asked = self.waited, None
            if self._current is request:
                self._close(request)
            return "decline" if any(closed is request for closed in self._unanswered) else self._decision

    def close(self) -> None:
        """Close the open question, because the turn has ended. An answer that comes later does nothing."""
        with self._changed:
            if self._current is not None:
                self._close(self._current)

    def _close(self, request: ApprovalRequest) -> None:
        self._unanswered.append(request)
        self._current = None
        self._changed.notify_all()
        self._on_close()

    def answer(self, request: ApprovalRequest, decision: ApprovalDecision | None) -> bool:
        """Answer a question, from any thread. None means that the user cannot be asked, and declines.

        The first answer counts. An answer to a question that is not asked any more does nothing.

        Returns:
            True if the answer counts.
        """
        with self._changed:
            counts = self._current is request
            if counts:
                self._current, self._decision = None, decision
                self._stopped_by_user = self._stopped_by_user or decision == "cancel"
                self._changed.notify_all()
                self._decisions.append(record(request, decision))
                if request.item_id:
                    self._answers[request.item_id] = decision_words(request, decision)
        return counts

    @contextmanager
    def open_while_asked(self, request: ApprovalRequest, interrupts: Interrupts) -> Iterator[bool]:
        """End the block, which asks the user on the main thread, if the question is closed without an answer.

        Args:
            request: The question.
            interrupts: The interrupts of the kernel. They must raise in the block.

        Yields:
            False if the question is closed already.
        """
        with interrupts.stoppable() as stop:
            self._on_close = stop
            try:
                yield self.current is request
            finally:
                self._on_close = _nothing  # another block of the kernel can be open when a later question is closed

    def answer_in_wait(self, interrupts: Interrupts) -> None:
        """Ask the user the question of a turn in the background, if this cell can. An interrupt leaves the question open."""
        question = self.current
        if question is None or self.ask_in_wait is None or self.answered_elsewhere:
            return
        if threading.current_thread() is threading.main_thread():
            decision = None
            with self.open_while_asked(question, interrupts) as is_open:
                decision = self.ask_in_wait(question) if is_open else None
            if not self.answer(question, decision) and decision is not None:
                print_plainly(TOO_LATE)


def _nothing() -> None:
    """Do nothing."""
