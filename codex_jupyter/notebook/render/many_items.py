"""Bound the items of a turn that are shown and saved: those at the start and those at the end."""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from codex_jupyter.sdk.models.items import ErrorItem, ThreadItem

FIRST: Final = 200
"""Maximum number of items at the start of a turn that are shown and saved."""
LAST: Final = 800
"""Maximum number of items at its end."""
FIRST_SIZE: Final = 1_000_000
"""Characters of converted items after which no further item at the start is shown or saved."""
LAST_SIZE: Final = 4_000_000
"""Characters of converted items after which no further item at the end is shown or saved."""
_T = TypeVar("_T")


def ends(items: Sequence[ThreadItem], convert: Callable[[ThreadItem], _T], size: Callable[[_T], int]) -> list[_T]:
    """Convert items. If there are too many, convert those at both ends, and a note between them.

    Args:
        items: The items, in order.
        convert: Converts an item. It is called at most `FIRST` + `LAST` + 1 times.
        size: Returns the number of characters of a converted item.
    """
    last = _converted(items[::-1], convert, size, LAST if len(items) > FIRST + LAST else len(items), LAST_SIZE)
    before = items[: len(items) - len(last)]
    first = _converted(before, convert, size, FIRST, FIRST_SIZE)
    left_out = len(before) - len(first)
    return [*first, *([convert(_note(left_out))] if left_out else []), *last[::-1]]


def _converted(
    items: Sequence[ThreadItem], convert: Callable[[ThreadItem], _T], size: Callable[[_T], int], count: int, limit: int
) -> list[_T]:
    converted, total = list[_T](), 0
    for item in items[:count]:
        if total > limit:
            break
        converted.append(convert(item))
        total += size(converted[-1])
    return converted


def _note(left_out: int) -> ThreadItem:
    return ErrorItem(id="codex-jupyter-left-out", message=f"{left_out:,} items of this turn are left out here.")
