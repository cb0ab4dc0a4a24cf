"""Shorten texts: at the end, in the middle, or in lines. All other modules use these functions, so that shortened texts look the same."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

_FIRST_WORD: Final = re.compile(r"\A\S+")
_LAST_WORD: Final = re.compile(r"(?<!\S)\S+\Z")

_OVERWRITTEN: Final = re.compile(r"[^\n]*\r(?!\n)")


def without_overwritten(text: str) -> str:
    """Return output without the text that a progress bar overwrote."""
    return _OVERWRITTEN.sub("", text)


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
    return f"{_LAST_WORD.sub('', start)}{gap}{_FIRST_WORD.sub('', end)}" if whole_words else f"{start}{gap}{end}"


class Excerpt(NamedTuple):
    """The start and the end of a long text, in lines."""

    front: Sequence[str]
    left_out: str = ""
    """A description of the part that is left out. Empty if nothing is left out."""
    back: Sequence[str] = ()

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
    lines = max(1, newlines - 1)
    left_out = f"{lines:,} line{'s' if lines != 1 else ''}, " if newlines else ""
    return Excerpt(_lines(text[:end]), f"{left_out}{start - end:,} characters left out", _lines(text[start:]))


def _lines(text: str) -> Sequence[str]:
    return text.split("\n") if text else ()
