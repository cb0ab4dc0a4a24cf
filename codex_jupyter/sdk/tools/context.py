"""The information about a call that a tool can ask for."""

from collections.abc import Callable
from dataclasses import dataclass, field


def _ignore(text: str) -> None:
    """Drop a report that no one shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext:
    """The call that a tool answers. A tool receives it in a parameter with this type, which the model does not see.

    Attributes:
        thread_id: The id of the thread.
        turn_id: The id of the turn.
        call_id: The id of the call, which is unique in its thread.
        report: Shows a text in the item of the call while the tool runs. It can be called from any thread.
    """

    thread_id: str
    turn_id: str
    call_id: str
    report: Callable[[str], object] = field(default=_ignore, repr=False)
