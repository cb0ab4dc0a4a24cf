"""Shorten texts: at the end, in the middle, or in lines. All other modules use these functions, so that shortened texts look the same."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

# Patterns are compiled at their first use, here and in other modules that `%load_ext` imports: `re` keeps the compiled ones.
_FIRST_WORD: Final = r"\A\S+"
_LAST_WORD: Final = r"(?<!\S)\S+\Z"


def without_overwritten(text: str) -> str:
    """Return output without the text that a progress bar overwrote."""
    if "\r" not in text:
        return text
    *lines, last = text.split("\n")
    # A carriage return at the end of a line is a part of its end, and overwrites nothing.
    kept = [_behind(line[:-1]) + "\r" if line.endswith("\r") else _behind(line) for line in lines]
    return "\n".join([*kept, _behind(last)])


def _behind(line: str) -> str:
    return line[line.rfind("\r") + 1 :]


def shorten(text: str, limit: int) -> str:
    """Return a text of at most `limit` characters. The end of a longer text is replaced by an ellipsis."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def shorten_middle(text: str, limit: int, gap: str, *, whole_words: bool = False) -> str:
    """Return a text of at most `limit` characters. The middle of a longer text is replaced.

    Args:
        text: The text.
        limit: Maximum number of characters, including the gap.
        gap: The replacement.
        whole_words: Also leave out the words at which the text is cut. A part of a secret cannot be recognized as one.
    """
    if len(text) <= limit:
        return text
    half = max(0, limit - len(gap)) // 2
    start, end = text[:half], text[len(text) - half :]
    return f"{re.sub(_LAST_WORD, '', start)}{gap}{re.sub(_FIRST_WORD, '', end)}" if whole_words else f"{start}{gap}{end}"


class Excerpt(NamedTuple):
    """The start and the end of a long text, in lines."""

    front: Sequence[str]
    left_out: str = ""
    """A description of the part that is left out. Empty if nothing is left out."""
    back: Sequence[str] = ()
    skipped: int = 0
    """The number of lines in that part. 0 if it is a part of one line."""

    @property
    def lines(self) -> list[str]:
        """All lines that are shown, including a line that describes the part left out."""
        return [*self.front, *([f"⋯ {self.left_out} ⋯"] if self.left_out else []), *self.back]


def excerpt_lines(text: str, limit: int) -> Excerpt:
    """Return the start and the end of a text in lines, at most `limit` characters.

    Lines are kept whole if that costs less than a fifth of the limit.

    Args:
        text: The text.
        limit: Maximum number of characters, without the description of the part left out.
    """
    if len(text) <= limit:
        return Excerpt(_lines(text))
    half = limit // 2
    end = text.rfind("\n", half - half // 5, half)
    start = text.find("\n", len(text) - half, len(text) - half + half // 5)
    end = half if end < 0 else end
    start = len(text) - half if start < 0 else start + 1
    newlines = text.count("\n", end, start)
    lines = max(1, newlines - 1) if newlines else 0
    left_out = f"{lines:,} line{'s' if lines != 1 else ''}" if newlines else f"{start - end:,} characters"
    return Excerpt(_lines(text[:end]), f"{left_out} left out", _lines(text[start:]), lines)


def _lines(text: str) -> Sequence[str]:
    return text.split("\n") if text else ()
