"""Show a turn in a notebook while it runs: an output per item, and a status line below them that becomes the footer.

All code here runs on the main thread while the turn's cell runs, because only display ids that are created there always reach the right
output. Only changes are sent. An item that still runs is sent a few times a second at most, and less often the larger it is. A finished
item is sent once.
"""

import dataclasses
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from codex_jupyter.notebook.display.item_times import ItemTimes
from codex_jupyter.notebook.render import TurnInfo, closing_bundle, footer_bundle, header_bundle, items_bundle
from codex_jupyter.sdk import ThreadItem, Turn

GROUPS: Final = (1,) * 27
"""Number of items in each output of a cell. All further items share one more output. JupyterLab folds more than 50 outputs of a cell."""
RESERVED_GROUPS: Final = (2, 6)
"""Number of items in each output of a turn in the background. These outputs are created before it runs, and unused ones stay empty."""
MIN_INTERVAL: Final = 0.15
"""Minimum seconds between two updates of an output."""
SECONDS_PER_BYTE: Final = 1e-5
"""Additional seconds between updates per byte: 0.5 s at 50 KB. So the load on the front end does not grow with the text."""
START_DELAY: Final = 0.5
"""Seconds without an event after which the display appears. A turn that cannot start fails earlier, with an error."""
TICK: Final = 1.0
"""Seconds between two updates of a running time."""

EMPTY: Final[dict[str, Any]] = {"text/html": "", "text/plain": ""}
"""Bundle of an output that takes no space."""

Publish = Callable[[dict[str, Any], str, bool, dict[str, Any]], None]
"""Shows a bundle under a display id. Arguments: bundle, id, True if the id exists, metadata."""


@dataclass(slots=True)
class _Output:
    """An output of the cell, and the items that were sent to it."""

    display_id: str
    exists: bool = False
    sent: tuple[ThreadItem, ...] = ()
    due: float = 0.0
    ticked: float = 0.0
    last: tuple[dict[str, Any], dict[str, Any]] = field(default_factory=lambda: ({}, {}))
    """The bundle that was sent last, with its metadata."""


@dataclass(slots=True)
class LiveDisplay:
    """Display of a turn in a notebook.

    Args:
        info: Facts about the turn that are known at its start.
        publish: Shows a bundle under a display id.
        clock: Returns the time in seconds.
    """

    info: TurnInfo
    publish: Publish
    clock: Callable[[], float] = time.monotonic
    groups: tuple[int, ...] = GROUPS
    """Number of items in each output. All further items share one more output."""
    repeat_answer: bool = False
    """Show the answer once more at the end, for a front end that may ignore updates. One that applies them does not show it twice."""
    _reserved: deque[_Output] = field(default_factory=deque)
    _outputs: list[_Output] = field(default_factory=list)
    _header: _Output | None = None
    _status: _Output | None = None
    _started: float | None = None
    _times: ItemTimes = field(default_factory=ItemTimes)
    _headed_by: tuple[object, object] | None = None
    """The thread id and the rights that the header shows."""
    _in_background: bool = False
    _answer: str = ""
    """The text to show once more."""

    def reserve(self) -> None:
        """Create all outputs now, empty, so that another thread can fill them when the cell has ended."""
        self.groups, self._in_background = RESERVED_GROUPS, True
        # Three more: for further items, for the header and for the status line.
        for output in [self._new_output() for _ in range(len(self.groups) + 3)]:
            self.publish(EMPTY, output.display_id, False, {})
            output.exists = True
            self._reserved.append(output)

    def update(self, turn: Turn) -> None:
        """Show the newest state. Cheap if nothing has changed."""
        now = self.clock()
        self._started = now if self._started is None else self._started
        if turn.thread_id is None and now - self._started < START_DELAY:
            return
        self._update_header(turn)
        self._update_items(turn, now)
        status = self._status = self._status or self._new_output()
        if status.due == 0.0 or now - status.ticked >= TICK:
            self._send(status, footer_bundle(turn, self._info(now - self._started)), now)

    def finish(self, turn: Turn, info: TurnInfo) -> None:
        """Show the final state of everything that has changed. Show nothing if the turn has not started."""
        if turn.thread_id is None and self._header is None:
            return
        now = self.clock()
        self._update_header(turn)
        self._update_items(turn, now, final=True)
        self._send(
            self._status or self._new_output(),
            closing_bundle(turn, info),
            now,
            {"codex": {"thread_id": turn.thread_id, "status": turn.status}},
        )
        self._answer = _answer_text(turn, info) if self.repeat_answer else ""
        if not self._in_background:
            self._show_answer()

    def repeat(self) -> None:
        """Send the final state of every output again, because nbclient drops messages that arrive between two cells."""
        for output in (self._header, *self._outputs, self._status):
            if output is not None:
                self.publish(output.last[0], output.display_id, True, output.last[1])
        self._show_answer()

    def _show_answer(self) -> None:
        """Show the answer as text, and withdraw it by an update. So it stays only where updates are ignored."""
        if self._answer:
            display_id = self._new_output().display_id
            self.publish({"text/plain": self._answer}, display_id, False, {})
            self.publish(EMPTY, display_id, True, {})

    def _info(self, elapsed: float) -> TurnInfo:
        return dataclasses.replace(self.info, elapsed=elapsed)

    def _update_header(self, turn: Turn) -> None:
        if self._header is None or (turn.thread_id, turn.rights) != self._headed_by:
            self._header, self._headed_by = self._header or self._new_output(), (turn.thread_id, turn.rights)
            self._send(self._header, header_bundle(self.info, turn.thread_id, turn.rights), self.clock())

    def _update_items(self, turn: Turn, now: float, *, final: bool = False) -> None:
        self._times.observe(turn, now)
        for index, items in enumerate(_grouped(turn.items, self.groups)):
            if index == len(self._outputs):
                # The status line moves: its output becomes the item's, and a new one is created below.
                self._outputs.append(self._status or self._new_output())
                self._outputs[index].due = 0.0
                self._status = None
            output = self._outputs[index]
            if self._is_due(output, items, turn, now, final=final):
                elapsed = {item.id: seconds for item in items if (seconds := self._times.elapsed(item.id, now)) is not None}
                bundle = items_bundle(items, cwd=self.info.cwd, elapsed=elapsed, diffs=turn.diffs, streaming=turn.open_item_ids)
                self._send(output, bundle, now)
                output.sent = items

    def _is_due(self, output: _Output, items: tuple[ThreadItem, ...], turn: Turn, now: float, *, final: bool) -> bool:
        runs = any(item.id in turn.open_item_ids for item in items)
        if len(items) == len(output.sent) and all(item is other for item, other in zip(items, output.sent, strict=True)):
            ticks = any(getattr(item, "status", None) == "in_progress" for item in items)
            return ticks and not final and now - output.ticked >= TICK and now >= output.due
        return final or now >= output.due or (len(items) == 1 and not runs)

    def _new_output(self) -> _Output:
        return self._reserved.popleft() if self._reserved else _Output(f"codex-{uuid.uuid4().hex}")

    def _send(self, output: _Output, bundle: dict[str, Any], now: float, metadata: dict[str, Any] | None = None) -> None:
        output.last = (bundle, metadata or {})
        self.publish(bundle, output.display_id, output.exists, metadata or {})
        output.exists = True
        size = len(bundle["text/html"]) + len(bundle["text/plain"])
        output.ticked, output.due = now, now + MIN_INTERVAL + size * SECONDS_PER_BYTE


@dataclass(slots=True)
class AnswerDisplay:
    """Display of only the answer, at the end of the turn.

    Args:
        show: Shows a bundle. None shows nothing at all.
    """

    show: Callable[[dict[str, Any]], object] | None

    def update(self, turn: Turn) -> None:
        """Show nothing yet."""

    def finish(self, turn: Turn, info: TurnInfo) -> None:
        """Show the last message, if there is one."""
        message = _last_message(turn)
        if self.show is not None and message is not None:
            self.show(items_bundle([message]))


def _last_message(turn: Turn) -> ThreadItem | None:
    return next((item for item in reversed(turn.items) if item.type == "agent_message"), None)


def _answer_text(turn: Turn, info: TurnInfo) -> str:
    """Return the last message of a turn as text, or its footer if there is none."""
    message = _last_message(turn)
    bundle = footer_bundle(turn, info) if message is None else items_bundle([message])
    text: str = bundle["text/plain"]
    return text


def _grouped(items: tuple[ThreadItem, ...], sizes: tuple[int, ...]) -> list[tuple[ThreadItem, ...]]:
    """Split items into outputs of the given sizes. The rest is one more output."""
    groups, start = [], 0
    for size in sizes:
        groups.append(items[start : start + size])
        start += size
    return [group for group in (*groups, items[start:]) if group]
