"""Send the turns of a thread to the pages of a chat, whether a cell or a chat runs them."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from codex_jupyter._shortening import shorten
from codex_jupyter._visible_text import reveal
from codex_jupyter.notebook.chat.channel import Channel
from codex_jupyter.notebook.chat.transcript import TurnView, contains, finished_turn, question_card, took, typed_answers
from codex_jupyter.notebook.persistence.finished_turn import FinishedTurn
from codex_jupyter.notebook.persistence.thread_store import MAX_PROMPT
from codex_jupyter.notebook.render import plain
from codex_jupyter.notebook.render.activity import current_action
from codex_jupyter.notebook.session.notebook_thread import NotebookThread
from codex_jupyter.notebook.session.running_turn import RunningTurn
from codex_jupyter.sdk import ApprovalDecision, ApprovalRequest, CodexError, InputError, Turn
from codex_jupyter.sdk.models.questions import parse_answers

if TYPE_CHECKING:
    from codex_jupyter.notebook.session.session import NotebookSession

_log = logging.getLogger(__name__)

INTERVAL: Final = 0.1
"""Seconds between two messages about a running turn."""
PAGE_TURNS: Final = 20
"""Turns that a page receives at once. It requests earlier ones."""


class ThreadView:
    """Shows the turns of one thread to the pages of a chat.

    Args:
        session: The notebook's session.
        channel: The connection with the pages.
        name: The thread's name.
        may_answer: Returns True if the pages may answer what the agent asks in a turn.
        changed: Called when the running turn can be steered, or cannot any more.
    """

    def __init__(
        self,
        session: "NotebookSession",
        channel: Channel,
        name: str,
        may_answer: Callable[[RunningTurn], bool],
        changed: Callable[[], object],
    ) -> None:
        self.name: str = name
        self.ended: int = 0
        """Number of turns that have ended."""
        self._session, self._channel, self._may_answer, self._changed = session, channel, may_answer, changed
        self._can_steer = False
        self.opened = False
        """True if a page has shown the chat, so that there is someone to ask."""
        self.loss: str = ""
        """One line about a turn that the end of an earlier kernel has cut off. The start of a turn removes it."""
        self._shown: tuple[RunningTurn, TurnView] | None = None
        self._reported: object = None
        """The turn for which the pages were informed that it cannot be shown in full."""
        self._question: ApprovalRequest | None = None
        self._questions = 0
        self._sent_progress: dict[str, Any] = {}
        self._rendered: dict[int, tuple[FinishedTurn, dict[str, Any]]] = {}

    @property
    def conversation(self) -> NotebookThread | None:
        """The thread; None before its first turn."""
        return self._session.threads.conversations.get(self.name)

    @property
    def running(self) -> RunningTurn | None:
        """The turn that runs."""
        conversation = self.conversation
        running = conversation.running if conversation is not None else None
        return None if running is None or running.finished else running

    @property
    def cell_waits(self) -> bool:
        """True if the running turn was started in a cell that waits for it."""
        conversation = self.conversation
        return self.running is not None and conversation is not None and conversation.follower is None

    @property
    def history(self) -> list[FinishedTurn]:
        """The finished turns, oldest first, including those of earlier kernels."""
        conversation = self.conversation
        return [] if conversation is None else conversation.history

    def number(self, turn_id: str) -> int | None:
        """Return the position of a finished turn in the history, by its id in the page. None if it is not there."""
        return next((number for number in range(len(self.history)) if self._id(number) == turn_id), None)

    @property
    def next_id(self) -> str:
        """Id of the next turn in the page. Empty before the thread is in use."""
        return "" if self.conversation is None else self._id(len(self.history))

    @property
    def turns(self) -> list[Turn]:
        """All turns, the running one last."""
        history, shown = self.history, self._shown
        # A turn is added to the history a moment before it is shown as ended.
        running = shown is not None and all(past.turn is not shown[0].turn for past in history)
        return [*(past.turn for past in history), *([shown[1].turn] if shown is not None and running else [])]

    def resume(self) -> None:
        """Resume the thread of an earlier kernel. The user sees the conversation before continuing it."""
        if self.conversation is None or self.conversation.thread.id is None:
            remembered = self._session.threads.remembered
            started = remembered.started.get(self.name, "")
            record = next((record for record in remembered.threads if record.name == self.name), None)
            reason = ""
            if record is not None:
                try:
                    self._session.threads.adopt(self.name, record.id, record)
                except CodexError as error:
                    started, reason = started or record.last_prompt, str(error)
            self.loss = _loss(started, self.history, reason)

    @property
    def offer(self) -> dict[str, Any] | None:
        """The thread that only the saved outputs name. The page offers it while the chat has no other thread."""
        if self.running is not None or (self.conversation is not None and self.conversation.thread.id is not None):
            return None
        named = next((record for record in self._session.threads.named if record.name == self.name), None)
        return None if named is None else {"id": named.id, "turns": named.turns, "prompt": plain(" ".join(named.last_prompt.split()))}

    def switch(self, name: str) -> None:
        """Show another thread."""
        with self._channel.lock:
            self.name, self._shown, self._rendered, self.loss = name, None, {}, ""

    def update(self) -> RunningTurn | None:
        """Show changes of the thread. Return the turn that has ended since the last call."""
        with self._channel.lock:
            conversation, running, before = self.conversation, self.running, self._shown
            if conversation is not None and running is not None:
                if before is None or before[0] is not running:
                    self._show(partial(self._start, conversation, running))
                return None
            self._shown = None
            if before is None:
                self._show(self.send_state)
                return None
            self._show(partial(self._end, *before))
            return before[0]

    def _show(self, show: Callable[[], object]) -> None:
        """Send something to the pages. An error must not end the turn or its cell."""
        try:
            show()
        except Exception as error:
            _log.debug("A chat could not show its thread.", exc_info=True)
            if self._reported is self._shown:
                return  # reported once for each turn
            self._reported = self._shown
            with suppress(Exception):
                self._channel.send("done", id=None, error=f"The chat could not show all of this ({type(error).__name__}).")

    def send_state(self) -> None:
        """Send everything that a page shows of the thread, for a page that opens or that missed a message."""
        with self._channel.lock:
            history = self.history
            start = max(0, len(history) - PAGE_TURNS)
            turns = self._finished(history, start, len(history))
            if self._shown is not None and self._shown[1].id not in [turn["id"] for turn in turns]:
                turns.append(self._shown[1].state())
            self._channel.send("state", secret=self._channel.secret, start=start, turns=turns)
            self._send_question()

    def send_earlier(self, before: int) -> None:
        """Send the turns before those that the page has.

        Args:
            before: Number of the first turn that the page has.
        """
        start = max(0, before - PAGE_TURNS)
        self._channel.send("earlier", start=start, turns=self._finished(self.history, start, before))

    def find(self, text: str, before: int) -> None:
        """Send the turns from the last one on that contains a text, of those that the page does not have. Send nothing if there is none.

        Args:
            text: The text. Upper and lower case are the same.
            before: Number of the first turn that the page has.
        """
        wanted, history = text.lower(), self.history
        number = next((number for number in reversed(range(min(before, len(history)))) if contains(history[number], wanted)), None)
        if number is not None:
            self._channel.send("earlier", start=number, turns=self._finished(history, number, before))

    def answer(self, number: int, decision: ApprovalDecision) -> None:
        """Answer the question of the agent.

        Args:
            number: Number of the question, so that an answer cannot reach the next one.
            decision: The answer.

        Raises:
            InputError: If the question is not asked any more, or the answer does not fit. The question then stays open.
        """
        with self._channel.lock:
            shown, question = self._shown, self._question
            if shown is None or question is None or number != self._questions or shown[0].questions.current is not question:
                raise InputError("This is not asked any more.")
            if isinstance(decision, Mapping) and question.questions:
                decision = typed_answers(question, decision)
                _check(question, decision)
            elif decision not in question.choices:
                raise InputError("This is not an answer to what is asked.")
            shown[0].questions.answer(question, decision)
            self._set_question(None)

    def _finished(self, history: list[FinishedTurn], start: int, end: int) -> list[dict[str, Any]]:
        return [{"id": self._id(number), **self._rendering(past)} for number, past in enumerate(history[start:end], start)]

    def _rendering(self, past: FinishedTurn) -> dict[str, Any]:
        rendered = self._rendered.get(id(past))
        if rendered is None or rendered[0] is not past:
            rendered = self._rendered[id(past)] = (past, finished_turn(past))
        return rendered[1]

    def _id(self, number: int) -> str:
        return f"{self.conversation.key if self.conversation is not None else ''}:{number}"

    def _start(self, conversation: NotebookThread, running: RunningTurn) -> None:
        view = TurnView(self._id(len(self.history)), conversation.info.prompt, conversation.info)
        self._shown, self.loss = (running, view), ""
        self._can_steer, self._sent_progress = running.can_steer, {}
        # The thread waits for the lock, so its first message comes after this one.
        threading.Thread(target=self._send_updates, args=(running, view), daemon=True, name="codex-chat").start()
        running.questions.answered_elsewhere |= self.opened and self._may_answer(running)
        self._channel.send("turn", id=view.id, prompt=plain(view.prompt), at=view.info.began)

    def _send_updates(self, running: RunningTurn, view: TurnView) -> None:
        """Send the changes of a running turn until it has ended."""
        for turn in running.updates():
            with self._channel.lock:
                if self._shown is None or self._shown[0] is not running:
                    return
                # After an error, the page may be able to show the next state.
                self._show(partial(self._send_changes, running, view, turn))
            time.sleep(INTERVAL)

    def _send_changes(self, running: RunningTurn, view: TurnView, turn: Turn) -> None:
        answers = self._may_answer(running)
        running.questions.answered_elsewhere |= self.opened and answers
        # A cell asks at the keyboard.
        self._set_question(None if self.cell_waits or not answers else running.questions.current, running)
        info = view.info if view.info.steered == running.steered else replace(view.info, steered=running.steered)
        if running.can_steer != self._can_steer:
            self._can_steer = running.can_steer
            self._changed()
        changes = view.changes(turn, info)
        if changes:
            self._channel.send("blocks", turn=view.id, blocks=changes)
        self._send_progress(running, turn)

    @property
    def progress(self) -> dict[str, Any]:
        """The action and the tokens of the newest turn, and the tokens of the context of the thread."""
        turns = self.turns
        return _progress(self.running, turns[-1] if turns else Turn())

    def _send_progress(self, running: RunningTurn, turn: Turn) -> None:
        progress = _progress(running, turn)
        if progress != self._sent_progress:
            self._sent_progress = progress
            self._channel.send("progress", **progress)

    def _end(self, running: RunningTurn, view: TurnView) -> None:
        self._set_question(None)
        info = next((past.info for past in reversed(self.history) if past.turn is running.turn), view.info)
        try:
            self._channel.send("blocks", turn=view.id, blocks=view.changes(running.turn, info))
        finally:
            self.ended += 1
            self._channel.send("end", turn=view.id, status=running.turn.status, took=took(info), copy=self.ended)

    def _set_question(self, question: ApprovalRequest | None, running: RunningTurn | None = None) -> None:
        if question is self._question:
            return
        view = None if self._shown is None else self._shown[1]
        if view is not None and self._question is not None:
            view.resume(self._question.item_id)
        if view is not None and question is not None:
            view.pause(question.item_id)
        self._question = question
        self._questions += 1
        try:
            self._send_question()
        except Exception:
            # No one can see the question, so decline it.
            if question is not None and running is not None:
                running.questions.answer(question, None)
            raise

    def _send_question(self) -> None:
        card = None if self._question is None else question_card(self._question)
        self._channel.send("question", number=self._questions, question=card)


def _loss(started: str, history: Sequence[FinishedTurn], reason: str) -> str:
    """Return one line about a turn that an earlier kernel did not end. Empty without one.

    Args:
        started: The start of the prompt of this turn, or of the last one of a thread that cannot be read. Can be empty.
        history: The turns that are known.
        reason: The reason why the thread cannot be read. Empty if it was read.
    """
    if not started:
        return ""
    prompt = plain(f"“{' '.join(started.split())}”")
    if reason:
        return f"The conversation of the earlier kernel cannot be shown: {plain(reason.splitlines()[0])} Its last prompt was {prompt}."
    if history and shorten(history[-1].prompt, MAX_PROMPT) == started:
        return "The kernel ended during the last turn, so the end of the turn is missing. Retry sends its prompt again."
    return f"The kernel ended before Codex had stored the last prompt. Send it again: {prompt}"


def _progress(running: RunningTurn | None, turn: Turn) -> dict[str, Any]:
    """Return the action and the tokens of a turn in the form of the page's messages."""
    used, asks = turn.usage, running is not None and running.questions.current is not None
    return {
        "action": "" if running is None else current_action(turn, asks=asks),
        "waits": asks or turn.reconnecting,
        "usage": {"turn": None if used is None else used.total_tokens, "context": turn.context_tokens, "window": turn.context_window},
    }


def _check(request: ApprovalRequest, answers: Mapping[str, Any]) -> None:
    """Raise an error if an answer is missing or invalid, because the tool that asks cannot ask again."""
    for question in request.questions:
        if question.required and not answers.get(question.id):
            raise InputError(f"{reveal(question.text, one_line=True)}: an answer is needed.")
    try:
        parse_answers(request.questions, answers)
    except ValueError as error:
        raise InputError(str(error)) from None
