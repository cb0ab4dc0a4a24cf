r"""Show text exactly: each invisible character, and each character that moves the text around it, becomes an escape such as `\u200b`.

The same list of invisible characters is used for approvals and for data that is sent to the agent. It needs no table of code points:

- `str.isprintable` is false for the Unicode categories C (control, format, surrogate, private use, unassigned) and Z (separators), except
  for the space. This includes terminal controls (C0, C1), bidi marks, zero-width characters, tags, line separators and no-break spaces.
  Python's `repr` uses the same rule.
- `BLANK` lists the characters of other categories that look like nothing or like a blank. Most have the Unicode property
  Default_Ignorable_Code_Point, which Python does not provide. The others are symbols without ink.
- Combining marks are parts of letters, so they stay, unless they have no letter or too many are stacked.
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Final

MAX_BLANKS: Final = 40
"""Maximum columns of blanks in a row that stay unchanged. A tab counts as 8."""
MAX_BLANK_LINES: Final = 2
"""Maximum number of blank lines in a row that stay unchanged."""
MAX_MARKS: Final = 4
"""Maximum number of combining marks on one letter that stay unchanged. Pointed Hebrew needs up to four."""

BLANK: Final = frozenset(
    "\u034f"  # combining grapheme joiner
    "\u115f\u1160\u3164\uffa0"  # Hangul fillers
    "\u17b4\u17b5"  # Khmer inherent vowels
    "\u180b\u180c\u180d\u180f"  # Mongolian variation selectors
    "\u2800"  # braille pattern without dots
    "\ufffc"  # object replacement character
    "\U00013441\U00013442"  # Egyptian hieroglyph blanks
    "\U00016fe4"  # Khitan small script filler
    "\U0001d159"  # musical null notehead
    + "".join(map(chr, range(0xFE00, 0xFE10)))  # variation selectors
    + "".join(map(chr, range(0xE0100, 0xE01F0)))  # their supplement
)
"""Invisible characters that `str.isprintable` counts as printable."""

_LOOKS_ESCAPED: Final = r"x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}"
ESCAPE: Final = re.compile(rf"\\(?:{_LOOKS_ESCAPED})")
"""An escape in the result of `reveal`. After an even number of backslashes, it is a part of the original text."""
_JOINERS: Final = frozenset("\u200c\u200d\ufe0e\ufe0f")
_BACKSLASHES: Final = rf"(?<!\\)(?P<backslashes>\\+)(?={_LOOKS_ESCAPED})"
_BLANK_LINES: Final = rf"\n(?P<lines>(?:[ \t]*\n){{{MAX_BLANK_LINES},}}[ \t]*)\n"
_IN_BLOCK: Final = re.compile(rf"{_BLANK_LINES}|(?P<blanks>[ \t]{{6,}})|(?P<other>[^ -~\n\t]+)|{_BACKSLASHES}")
_IN_LINE: Final = re.compile(rf"(?P<blanks>[ ]{{6,}})|(?P<other>[^ -~]+)|{_BACKSLASHES}")
_NOT_ASCII: Final = re.compile(r"[^ -~\n\t]+")


def is_visible(character: str) -> bool:
    """Return True if a character is visible or a plain space. Newline and tab are not visible."""
    return character.isprintable() and character not in BLANK


def mark_invisible(text: str) -> str:
    """Return a text with an escape for each invisible character, for readers who only need to see that it is there.

    Newlines and tabs stay. Characters that languages need also stay: spaces of any width, and a joiner or a variation selector after a
    character beyond ASCII. Backslashes in the text are not doubled. See `reveal` for the exact form.
    """
    return _NOT_ASCII.sub(_marked, text)


def reveal(text: str, *, one_line: bool = False) -> str:
    r"""Return a text that shows a reader exactly what it contains.

    Invisible characters become escapes: `\x1b`, `\u200b`, `\U000e0041`. Equal ones in a row are counted: `\u200b{12}`. Long runs of
    blanks and of blank lines are written in the same way: `\x20{200}`, `\x0a{60}`. Where the text itself contains a backslash before
    something that looks like an escape, the backslash is doubled. Nothing is removed, and two different texts never look the same.

    Args:
        text: Any text.
        one_line: Also replace newlines and tabs by escapes.
    """
    pieces: list[tuple[str, bool]] = []
    end = 0
    for run in (_IN_LINE if one_line else _IN_BLOCK).finditer(text):
        pieces.append((text[end : run.start()], False))
        pieces += _pieces(run)
        end = run.end()
    pieces.append((text[end:], False))
    return _joined([piece for piece in pieces if piece[0]])


def _marked(run: re.Match[str]) -> str:
    kept = (
        is_visible(char) or unicodedata.category(char) == "Zs" or (char in _JOINERS and before != "" and is_visible(before))
        for before, char in pairwise(("", *run[0]))
    )
    return "".join(char if keep else _escape(char) for char, keep in zip(run[0], kept, strict=True))


def _pieces(run: re.Match[str]) -> Iterator[tuple[str, bool]]:
    """Split a match into pieces, each with True if it is an escape."""
    match run.lastgroup:
        case "backslashes":
            yield 2 * run[0], False
        case "lines":
            yield from (("\n", False), (_counted(run["lines"]), True), ("\n", False))
        case "blanks":
            too_long = len(run[0]) + 7 * run[0].count("\t") > MAX_BLANKS
            yield _counted(run[0]) if too_long else run[0], too_long
        case _:
            yield from _characters(run[0], run.string[run.start() - 1 : run.start()])


def _characters(run: str, before: str) -> Iterator[tuple[str, bool]]:
    """Split a run of characters outside of printable ASCII into pieces, each with True if it is an escape."""
    hides = []
    marks, has_letter = 0, before != "" and not before.isspace()
    for char in run:
        is_mark = unicodedata.category(char) in ("Mn", "Me")
        marks = marks + 1 if is_mark else 0
        hides.append(not is_visible(char) or (is_mark and (not has_letter or marks > MAX_MARKS)))
        has_letter = not hides[-1] or (is_mark and has_letter)
    for is_hidden, group in groupby(zip(run, hides, strict=True), key=itemgetter(1)):
        piece = "".join(char for char, _ in group)
        yield _counted(piece) if is_hidden else piece, is_hidden


def _counted(characters: str) -> str:
    """Return the escapes of characters. Equal characters in a row get a count."""
    return re.sub(r"(?s)(.)\1*", lambda run: _escape(run[1]) + (f"{{{len(run[0])}}}" if len(run[0]) > 1 else ""), characters)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _joined(pieces: list[tuple[str, bool]]) -> str:
    """Join pieces so that an escape differs from the same characters in the original text."""
    parts = []
    for (text, is_escape), (following, escape_follows) in pairwise([*pieces, ("", False)]):
        if is_escape and following.startswith("{") and not text.endswith("}"):
            text += "{1}"
        if not is_escape and escape_follows:
            text += "\\" * (len(text) - len(text.rstrip("\\")))
        parts.append(text)
    return "".join(parts)
