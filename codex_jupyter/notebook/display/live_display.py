"""Show a turn while it runs: one display handle per item, and a status line below them that becomes the footer.

Everything here runs on the main thread, while the turn's cell runs: a display id made there is the one target that front ends route
rightly at every later time. Only what changed is sent; changes of an item that still runs are held back so that it is sent a few times a
second at most, less often the larger it is; a finished item is sent once and never again.
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
"""Items of each output of a cell; all later items share one more. JupyterLab folds a cell's outputs past 50."""
RESERVED_GROUPS: Final = (2, 6)
"""The same for a turn in the background. Its outputs are all made before it runs, and those that it does not need stay empty."""
MIN_INTERVAL: Final = 0.15
"""Seconds between two updates of an output."""
SECONDS_PER_BYTE: Final = 1e-5
"""What an update adds to the wait for the next one, per byte: 0.5 s at 50 KB, so that a growing text costs the front end no more."""
START_DELAY: Final = 0.5
"""Seconds without a word of the CLI after which something is shown nevertheless. A turn that cannot start fails sooner, with an error."""
TICK: Final = 1.0
"""Seconds after which the running time of an item or of the turn is shown anew."""

Publish = Callable[[dict[str, Any], str, bool, dict[str, Any]], None]
"""Shows a bundle under a display id: bundle, id, whether the id exists, metadata."""


@dataclass(slots=True)
class _Output:
    """One output of the cell, and what was sent to it."""

    display_id: str
    exists: bool = False
    sent: tuple[ThreadItem, ...] = ()
    due: float = 0.0
    ticked: float = 0.0
    last: tuple[dict[str, Any], dict[str, Any]] = field(default_factory=lambda: ({}, {}))
    """The bundle and its metadata that were sent last."""


@dataclass(slots=True)
class LiveDisplay:
    """Shows a turn in a notebook.

    Args:
        info: What is known about the turn when it begins.
        publish: Shows a bundle under a display id.
        clock: Seconds, for tests.
    """

    info: TurnInfo
    publish: Publish
    clock: Callable[[], float] = time.monotonic
    groups: tuple[int, ...] = GROUPS
    """Items of each output; all later items share one more."""
    _reserved: deque[_Output] = field(default_factory=deque)
    _outputs: list[_Output] = field(default_factory=list)
    _header: _Output | None = None
    _status: _Output | None = None
    _began: float | None = None
    _times: ItemTimes = field(default_factory=ItemTimes)
    _headed_by: tuple[object, object] | None = None
    """What the header was made of: the thread's id and the rights."""

    def reserve(self) -> None:
        """Make all outputs now, empty, so that another thread may fill them when the cell has ended."""
        self.groups = RESERVED_GROUPS
        # One more for later items, the header and the status line.
        for output in [self._new_output() for _ in range(len(self.groups) + 3)]:
            self.publish({"text/html": "", "text/plain": ""}, output.display_id, False, {})
            output.exists = True
            self._reserved.append(output)

    def update(self, turn: Turn) -> None:
        """Show the newest state; cheap if nothing has changed."""
        now = self.clock()
        self._began = now if self._began is None else self._began
        if turn.thread_id is None and now - self._began < START_DELAY:
            return
        self._update_header(turn)
        self._update_items(turn, now)
        status = self._status = self._status or self._new_output()
        if status.due == 0.0 or now - status.ticked >= TICK:
            self._send(status, footer_bundle(turn, self._info(now - self._began)), now)

    def finish(self, turn: Turn, info: TurnInfo) -> None:
        """Show the last state of everything that has not been shown so; nothing if the turn never began."""
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

    def repeat(self) -> None:
        """Send once more what every output shows in the end: nbclient drops what comes between two cells."""
        for output in (self._header, *self._outputs, self._status):
            if output is not None:
                self.publish(output.last[0], output.display_id, True, output.last[1])

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
                # The status line makes room: its place becomes the item's, and a new one is made below.
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
        if len(items) == len(output.sent) and all(one is other for one, other in zip(items, output.sent, strict=True)):
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
    """Shows nothing but the answer, when it is there.

    Args:
        show: Shows a bundle; None shows nothing at all.
    """

    show: Callable[[dict[str, Any]], object] | None

    def update(self, turn: Turn) -> None:
        """Show nothing yet."""

    def finish(self, turn: Turn, info: TurnInfo) -> None:
        """Show the last message, if there is one."""
        message = next((item for item in reversed(turn.items) if item.type == "agent_message"), None)
        if self.show is not None and message is not None:
            self.show(items_bundle([message]))


def _grouped(items: tuple[ThreadItem, ...], sizes: tuple[int, ...]) -> list[tuple[ThreadItem, ...]]:
    """The items of each output: as many as it takes, and all that are left in one more."""
    groups, start = [], 0
    for size in sizes:
        groups.append(items[start : start + size])
        start += size
    return [group for group in (*groups, items[start:]) if group]
