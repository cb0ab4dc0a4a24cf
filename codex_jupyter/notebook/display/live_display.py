"""Show a turn in a notebook while it runs, in a fixed set of at most 12 outputs.

From top to bottom: the header; the status, which the answer replaces; chunks of folded work; and the last steps as they happen. All code
here runs on the main thread while the turn's cell runs, because only display ids that are created there always reach the right output.
A step that still runs is sent a few times a second at most, and less often the larger it is. A finished step is folded soon, and a full
chunk is never sent again.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from codex_jupyter.notebook.display.item_times import ItemTimes
from codex_jupyter.notebook.display.outputs import Content, Outputs, Publish
from codex_jupyter.notebook.display.work_window import Chunk, WorkWindow
from codex_jupyter.notebook.render import (
    TurnInfo,
    answer_bundle,
    footer_bundle,
    header_bundle,
    item_bundle,
    join,
    last_work_bundle,
    live_bundle,
    question_bundle,
    status_bundle,
    with_saved_turn,
    work_bundle,
)
from codex_jupyter.notebook.render.activity import answer_item, current_action, work_items
from codex_jupyter.sdk import ApprovalRequest, ThreadItem, Turn
from codex_jupyter.sdk.models.approvals import ApprovalChoice
from codex_jupyter.sdk.models.turn import answer_of

CHUNKS: Final = 6
"""Maximum number of chunks of folded work. The last one takes all further items."""
PLACES: Final = 3
"""Number of outputs for the last steps. The last one takes all further items."""
RESERVED_CHUNKS: Final = 2
"""Maximum number of chunks in the background. These outputs are created before the turn runs, and unused ones stay empty."""
HEAD: Final = 2
"""Number of outputs above the work: the header, and the status or the answer."""
START_DELAY: Final = 0.5
"""Seconds without an event after which the display appears. A turn that cannot start fails earlier, with an error."""


@dataclass(slots=True)
class LiveDisplay:
    """Display of a turn in a notebook.

    Args:
        info: Facts about the turn that are known at its start.
        publish: Shows a bundle under a display id.
        clock: Returns the time in seconds.
        folded: Fold the work. Otherwise it is open.
        shows_error: Show the error of the turn. False if the cell raises it.
        repeat_answer: Show the answer once more at the end, for a front end that may ignore updates. One that applies them does not show
            it twice.
    """

    info: TurnInfo
    publish: Publish
    clock: Callable[[], float] = time.monotonic
    folded: bool = True
    shows_error: bool = True
    repeat_answer: bool = False
    _outputs: Outputs = field(init=False)
    _started: float | None = None
    _times: ItemTimes = field(default_factory=ItemTimes)
    _window: WorkWindow = field(default_factory=lambda: WorkWindow(CHUNKS))
    _in_background: bool = False
    _question: ApprovalRequest | None = None
    """The question that the turn waits for."""
    _asked: float = 0.0
    """The time when it was asked."""
    _waited: float = 0.0
    """Seconds that the turn has waited for the user."""
    _answers: dict[str, str] = field(default_factory=dict)
    """The decisions in words, by the ids of the items that they are about."""
    _answer: str = ""
    """The text to show once more."""

    def __post_init__(self) -> None:
        self._outputs = Outputs(self.publish)

    @property
    def sent(self) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
        """The display id, the bundle and the metadata of each output, as they were sent last."""
        return self._outputs.sent

    def reserve(self) -> None:
        """Create all outputs now, empty, so that another thread can fill them when the cell has ended."""
        self._window, self._in_background = WorkWindow(RESERVED_CHUNKS), True
        self._outputs.reserve(HEAD + RESERVED_CHUNKS + PLACES)

    def update(self, turn: Turn) -> None:
        """Show the newest state. Cheap if nothing has changed."""
        now = self.clock()
        self._started = now if self._started is None else self._started
        if turn.thread_id is None and now - self._started < START_DELAY:
            return
        self._times.observe(turn, now)
        steps = work_items(turn)
        if self._outputs.may_send(HEAD + self._window.open_chunk, now):
            self._window.fold(steps, turn.open_item_ids)
        self._show(turn, steps, now)

    def _show(self, turn: Turn, steps: Sequence[ThreadItem], now: float, *card: Content, final: bool = False) -> None:
        head = [self._header(turn), self._status(turn, now)]
        self._outputs.show([*head, *self._chunks(turn, steps, now), *self._places(turn, steps, now), *card], now, final=final)

    def ask(self, turn: Turn, request: ApprovalRequest, answers: dict[ApprovalChoice, str], text: str) -> bool:
        """Show a question as a card below the steps, and mark its item as waiting. The next update removes the card.

        Returns:
            True if the card is visible. A front end that may ignore updates may not show it.
        """
        now = self.clock()
        self._started = now if self._started is None else self._started
        self._times.observe(turn, now)
        self._question, self._asked = request, now
        self._times.pause(request.item_id, now)
        card = Content(("question", id(request)), lambda: question_bundle(request, answers, text))
        self._show(turn, work_items(turn), now, *([] if self.repeat_answer else [card]), final=True)
        return not self.repeat_answer

    def answered(self, words: str) -> None:
        """Replace the card by one line at the item that it was about. Without words, only remove it."""
        if self._question is not None:
            now, item_id = self.clock(), self._question.item_id
            self._waited += now - self._asked
            self._times.resume(item_id, now)
            if words:
                self._answers[item_id] = words
            self._question = None

    def finish(self, turn: Turn, info: TurnInfo) -> None:
        """Show the final state of everything that has changed. Show nothing if the turn has not started."""
        if turn.thread_id is None and not len(self._outputs):
            return
        self._close(turn, info)
        self._answer = _answer_text(turn, info) if self.repeat_answer else ""
        if not self._in_background:
            self._show_answer()

    def add_note(self, note: str) -> None:
        """Show one more line in the header, with the next state."""
        self.info = dataclasses.replace(self.info, notes=(*self.info.notes, note))

    def mark(self, turn: Turn, info: TurnInfo) -> None:
        """Show the end of the turn again. Call it on the main thread."""
        if len(self._outputs):
            self._close(turn, info)

    def _close(self, turn: Turn, info: TurnInfo) -> None:
        now = self.clock()
        self._times.observe(turn, now)
        steps = work_items(turn)
        self._window.fold(steps, frozenset(), everything=True)
        chunks = self._window.chunks
        # The line about the whole turn opens a single chunk. Above several chunks, of which full ones are not sent again, it is separate.
        alone = len(chunks) == 1 and not chunks[0].sealed
        work = self._chunks(turn, steps, now)
        if alone:
            times = self._elapsed(steps, now)
            work = [Content((turn, info), lambda: last_work_bundle(steps, turn, info, elapsed=times, folded=self.folded))]
        self._outputs.show([self._header(turn), self._final_answer(turn, info, with_line=not alone), *work], now, final=True)

    def repeat(self) -> None:
        """Send the final state of every output again, because nbclient drops messages that arrive between two cells."""
        self._outputs.repeat()
        self._show_answer()

    def _show_answer(self) -> None:
        """Show the answer as text, and withdraw it by an update. So it stays only where updates are ignored."""
        if self._answer:
            self._outputs.show_and_withdraw({"text/plain": self._answer})

    def _header(self, turn: Turn) -> Content:
        return Content((turn.rights, self.info.notes), lambda: header_bundle(self.info, turn.rights))

    def _status(self, turn: Turn, now: float) -> Content:
        waits = self._question is not None
        until = self._asked if waits else now
        info = dataclasses.replace(self.info, elapsed=until - (self._started or now) - self._waited)
        answer = answer_item(turn)
        streams = answer is not None and answer.id in turn.open_item_ids
        state = (current_action(turn), len(turn.items), turn.warnings[-1:], streams, waits)
        return Content(state, lambda: status_bundle(turn, info, waiting=waits), () if answer is None else (answer,), ticks=True)

    def _final_answer(self, turn: Turn, info: TurnInfo, *, with_line: bool) -> Content:
        def render() -> dict[str, Any]:
            answer = answer_bundle(turn, info, error=self.shows_error)
            line = [last_work_bundle((), turn, info, folded=self.folded)] if with_line else []
            return with_saved_turn(join([answer, *line]), turn, info)

        return Content((turn, info), render, metadata={"codex": {"thread_id": turn.thread_id, "status": turn.status}})

    def _chunks(self, turn: Turn, steps: Sequence[ThreadItem], now: float) -> list[Content]:
        chunks = enumerate(self._window.chunks, HEAD)
        return [self._outputs.sealed(number, chunk.ids) or self._chunk(chunk, turn, steps, now) for number, chunk in chunks]

    def _chunk(self, chunk: Chunk, turn: Turn, steps: Sequence[ThreadItem], now: float) -> Content:
        items = self._window.of(chunk, steps)

        def render() -> dict[str, Any]:
            times = self._elapsed(items, now)
            bundle = work_bundle(items, cwd=self.info.cwd, elapsed=times, diffs=turn.diffs, answers=self._answers, folded=self.folded)
            chunk.size = len(bundle["text/html"]) + len(bundle["text/plain"])
            return bundle

        return Content(("chunk",), render, items, sealed=chunk.sealed)

    def _places(self, turn: Turn, steps: Sequence[ThreadItem], now: float) -> list[Content]:
        visible = self._window.visible(steps)
        groups = [*((item,) for item in visible[: PLACES - 1]), tuple(visible[PLACES - 1 :])]
        return [self._place(group, turn, now) for group in groups if group]

    def _place(self, items: tuple[ThreadItem, ...], turn: Turn, now: float) -> Content:
        waiting = None if self._question is None else self._question.item_id

        def render() -> dict[str, Any]:
            shown = [item.model_copy(update={"status": "waiting"}) if item.id == waiting else item for item in items]
            times = {item_id: seconds for item_id, seconds in self._elapsed(items, now).items() if item_id != waiting}
            return live_bundle(
                shown,
                cwd=self.info.cwd,
                elapsed=times,
                diffs=turn.diffs,
                streaming=turn.open_item_ids,
                answers=self._answers,
            )

        runs = any(item.id in turn.open_item_ids for item in items)
        decided = any(item.id in self._answers for item in items)
        ticks = any(getattr(item, "status", None) == "in_progress" for item in items)
        return Content(("live", runs, decided, waiting), render, items, ticks=ticks, urgent=len(items) == 1 and not runs)

    def _elapsed(self, items: Sequence[ThreadItem], now: float) -> dict[str, float]:
        return {item.id: seconds for item in items if (seconds := self._times.elapsed(item.id, now)) is not None}


@dataclass(slots=True)
class AnswerDisplay:
    """Display of only the answer, at the end of the turn.

    Args:
        show: Shows a bundle. None shows nothing at all.
    """

    show: Callable[[dict[str, Any]], object] | None

    def update(self, turn: Turn) -> None:
        """Show nothing yet."""

    def add_note(self, note: str) -> None:
        """Show nothing: only the answer is shown."""

    def mark(self, turn: Turn, info: TurnInfo) -> None:
        """Show nothing: only the answer is shown."""

    def ask(self, *_: object) -> bool:
        """Leave a question to the prompt of the keyboard."""
        return False

    def answered(self, *_: object) -> None:
        """Show nothing."""

    def finish(self, turn: Turn, info: TurnInfo) -> None:
        """Show the answer, if there is one."""
        answer = answer_of(turn.items)
        if self.show is not None and answer is not None:
            self.show(item_bundle(answer))


def _answer_text(turn: Turn, info: TurnInfo) -> str:
    """Return the answer of a turn as text, or its footer if there is none."""
    answer = answer_of(turn.items)
    bundle = footer_bundle(turn, info) if answer is None else item_bundle(answer)
    text: str = bundle["text/plain"]
    return text
