"""The outputs of a turn in a cell, and what they show. Only what changed is sent, and a large output seldom."""

import uuid
from collections import deque
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Final

from codex_jupyter.sdk import ThreadItem

MIN_INTERVAL: Final = 0.15
"""Minimum seconds between two updates of an output."""
SECONDS_PER_BYTE: Final = 1e-5
"""Additional seconds between updates per byte: 0.5 s at 50 KB. So the load on the front end does not grow with the text."""
TICK: Final = 1.0
"""Seconds between two updates of a running time."""
EMPTY: Final[dict[str, Any]] = {"text/html": "", "text/plain": ""}
"""Bundle of an output that takes no space."""

Publish = Callable[[dict[str, Any], str, bool, dict[str, Any]], None]
"""Shows a bundle under a display id. Arguments: bundle, id, True if the id exists, metadata."""


@dataclass(frozen=True, slots=True)
class Content:
    """The content of an output.

    Attributes:
        state: Changes with the content, besides its items.
        render: Returns its bundle.
        items: The items that it shows.
        ticks: It shows a running time.
        urgent: It is complete, so it is sent at once.
        sealed: It gets no more items.
        metadata: The metadata of the output.
    """

    state: tuple[object, ...]
    render: Callable[[], dict[str, Any]]
    items: tuple[ThreadItem, ...] = ()
    ticks: bool = False
    urgent: bool = False
    sealed: bool = False
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def ids(self) -> frozenset[str]:
        """The ids of the items."""
        return frozenset(item.id for item in self.items)

    def equals(self, other: "Content | None") -> bool:
        """Return True if another content shows the same."""
        if other is None or self.state != other.state or len(self.items) != len(other.items):
            return False
        return all(item is shown for item, shown in zip(self.items, other.items, strict=True))


@dataclass(slots=True)
class _Output:
    """An output of the cell. `due` is the time from which it may be sent again, `ticked` the time when it was sent last.

    `number` is its place among the outputs of the turn, which its metadata has. It is None for an output that is not kept.
    """

    display_id: str
    number: int | None = None
    exists: bool = False
    content: Content | None = None
    due: float = 0.0
    ticked: float = 0.0
    bundle: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Outputs:
    """The outputs of a cell in their order. An output is created when there is content for it.

    Args:
        publish: Shows a bundle under a display id.
    """

    publish: Publish
    _outputs: list[_Output] = field(default_factory=list)
    _reserved: deque[_Output] = field(default_factory=deque)

    def __len__(self) -> int:
        return len(self._outputs)

    def reserve(self, count: int) -> None:
        """Create empty outputs, so that another thread can fill them when the cell has ended."""
        for number in range(count):
            output = _new(number)
            self._publish(output, EMPTY, {})
            self._reserved.append(output)

    def show(self, contents: Sequence[Content], now: float, *, final: bool = False) -> None:
        """Show contents in the outputs, in order. Further outputs become empty.

        Args:
            contents: The contents.
            now: The time in seconds.
            final: Send everything that has changed, because no update follows.
        """
        for number, content in enumerate(contents):
            if number == len(self._outputs):
                self._outputs.append(self._reserved.popleft() if self._reserved else _new(number))
            output = self._outputs[number]
            if self._must_send(output, content, now, final=final):
                self._send(output, content, now)
        for output in self._outputs[len(contents) :]:
            if output.content is not None:
                self._publish(output, EMPTY, {})
                output.content = None

    def may_send(self, number: int, now: float) -> bool:
        """Return True if an output may be sent now, or is new."""
        return number >= len(self._outputs) or now >= self._outputs[number].due

    def sealed(self, number: int, ids: Set[str]) -> Content | None:
        """Return the content of an output if it is not sent again, because it is sealed and shows these items."""
        content = self._outputs[number].content if number < len(self._outputs) else None
        return content if content is not None and content.sealed and ids <= content.ids else None

    @property
    def sent(self) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
        """The display id, the bundle and the metadata of each output, as they were sent last."""
        return [(output.display_id, output.bundle, output.metadata) for output in (*self._outputs, *self._reserved) if output.exists]

    def repeat(self) -> None:
        """Send every output again as it is."""
        for output in self._outputs:
            self._publish(output, output.bundle, output.metadata)

    def show_and_withdraw(self, bundle: dict[str, Any]) -> None:
        """Show a bundle in an output of its own, and make that empty by an update."""
        output = _new()
        self._publish(output, bundle, {})
        self._publish(output, EMPTY, {})

    @staticmethod
    def _must_send(output: _Output, content: Content, now: float, *, final: bool) -> bool:
        shown = output.content
        if shown is content:
            return False
        if content.equals(shown):
            return content.ticks and not final and now - output.ticked >= TICK and now >= output.due
        # What leaves an output is shown in another one by the same update.
        return final or content.urgent or now >= output.due or (shown is not None and not shown.ids <= content.ids)

    def _send(self, output: _Output, content: Content, now: float) -> None:
        bundle = content.render()
        self._publish(output, bundle, content.metadata)
        size = len(bundle["text/html"]) + len(bundle["text/plain"])
        output.content, output.ticked, output.due = content, now, now + MIN_INTERVAL + size * SECONDS_PER_BYTE

    def _publish(self, output: _Output, bundle: dict[str, Any], metadata: dict[str, Any]) -> None:
        if output.number is not None:
            metadata = {**metadata, "codex": {**metadata.get("codex", {}), "output": output.number}}
        output.bundle, output.metadata = bundle, metadata
        self.publish(bundle, output.display_id, output.exists, metadata)
        output.exists = True


def _new(number: int | None = None) -> _Output:
    return _Output(f"codex-{uuid.uuid4().hex}", number)
