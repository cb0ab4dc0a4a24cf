"""The questions that the agent asks the user while a turn runs."""

import dataclasses
import threading
import time
from collections.abc import Callable

from codex_jupyter.notebook.render.approval import decision_words, record
from codex_jupyter.notebook.session.event_loop import POLL_INTERVAL
from codex_jupyter.sdk import ApprovalDecision, ApprovalRequest


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
        self._waited = 0.0
        """Seconds that the turn has waited for earlier answers."""
        self._asked: float | None = None
        """When the open question was asked."""
        self.answered_elsewhere: bool = False
        """True if a widget shows the questions, so that a turn in the background may ask."""
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
                self._current = None
                return "decline"
            return self._decision

    def answer(self, request: ApprovalRequest, decision: ApprovalDecision | None) -> None:
        """Answer a question, from any thread. None means that the user cannot be asked, and declines.

        The first answer counts. An answer to a question that is not asked any more does nothing.
        """
        with self._changed:
            if self._current is request:
                self._current, self._decision = None, decision
                self._stopped_by_user = self._stopped_by_user or decision == "cancel"
                self._changed.notify_all()
                self._decisions.append(record(request, decision))
                if request.item_id:
                    self._answers[request.item_id] = decision_words(request, decision)

    def answer_in_wait(self) -> None:
        """Ask the user the question of a turn in the background, if this cell can. An interrupt leaves the question open."""
        question = self.current
        if question is None or self.ask_in_wait is None or self.answered_elsewhere:
            return
        if threading.current_thread() is threading.main_thread():
            self.answer(question, self.ask_in_wait(question))
