"""The questions of a turn, without a kernel."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from codex_jupyter.notebook.session.turn_questions import TurnQuestions
from codex_jupyter.sdk import ApprovalRequest
from tests.sdk.support.fake import wait_until


class Stops:
    """Interrupts that record which blocks are stopped."""

    def __init__(self) -> None:
        self.stopped = 0

    @contextmanager
    def stoppable(self) -> Iterator[Callable[[], None]]:
        yield self._stop

    def _stop(self) -> None:
        self.stopped += 1


def asked(questions: TurnQuestions, item: str) -> tuple[threading.Thread, ApprovalRequest]:
    """Ask a question on another thread."""
    thread = threading.Thread(
        target=questions.ask, args=(ApprovalRequest(kind="command", message="", choices=("accept", "decline"), item_id=item),)
    )
    thread.start()
    wait_until(lambda: questions.current is not None and questions.current.item_id == item)
    assert questions.current is not None
    return thread, questions.current


def test_a_question_that_closes_stops_only_the_block_that_asks_it() -> None:
    """A later question is asked elsewhere. The kernel can meanwhile have another block that waits for input."""
    stops: Any = Stops()
    questions = TurnQuestions(threading.Condition(), lambda: False, permanent=True)
    thread, first = asked(questions, "a")
    with questions.open_while_asked(first, stops) as is_open:
        assert is_open
        questions.answer(first, "accept")
    thread.join()
    thread, second = asked(questions, "b")
    questions.close()
    thread.join()
    assert stops.stopped == 0
    thread, third = asked(questions, "c")
    with questions.open_while_asked(third, stops):
        questions.close()
    thread.join()
    assert stops.stopped == 1
    assert second.item_id in questions.unanswered
