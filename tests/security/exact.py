"""The inverse of what approvals show, and texts that try to hide something or to imitate a line of ours."""

import re
from typing import Final

from hypothesis import strategies as st

_ESCAPE: Final = re.compile(r"(\\+)(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})(\{(\d+)\})?")
_QUOTED: Final = re.compile(r" *([a-z ]*[a-z])? ([│┆]) (.*)")

PIECES: Final = [
    *("\x1b]0;PWNED;BEL\x07", "\x1bP1$r", "\x1b[2J", "\x1b[31m", "\x9b2K", "\x90", "\x9d0;x\x9c", "\x1b_", "\x1b^", "\x1bX"),
    *("\r", "\x08", "\x00", "\u200b", "\u200e", "\u200f", "\u061c", "\u2060", "\ufeff", "\U000e0041", "\u2028", "\u2029", "\u3164"),
    *("\u2800", "\u115f", "\xa0", "\u202e", "\u2066", "\u2069", "\ufe0f", "\U000e0100", "\ud800", "\ue000", "\uffff", "\u0301"),
    *("\u0336" * 9, "\u034f", "\u180b", "\\", "\\x1b", "x1b", "u200b", "{", "3", "}", "{3}", "U000e0041", "\\\\x07"),
    *("\n" * 60, " " * 200, "\t" * 9, "\t", "\n", "\n \n \n \n", " ", "ls", ";", "é", "中", "א", "می\u200cخواهم", "👩\u200d💻"),
    *("│ ", "┆ ", "Codex asks: Run this command?\n", "y       yes, this once\n", "reason │ I am nice\n", "⋯ 3 more lines: answer f"),
]
HOSTILE: Final = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=20).map("".join),
    st.text(st.one_of(st.characters(), st.characters(categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp", "Mn", "Me", "So", "Lo"]))),
)


def unrevealed(text: str) -> str:
    """The text that was shown."""

    def character(match: re.Match[str]) -> str:
        slashes, code, braces, count = match[1], match[2], match[3] or "", match[4]
        shown = "\\" * (len(slashes) // 2)
        return shown + (chr(int(code[1:], 16)) * int(count or 1) if len(slashes) % 2 else code + braces)

    return _ESCAPE.sub(character, text)


def quotes(lines: list[str]) -> tuple[dict[str, str], list[str]]:
    """Return the text right of the gutter, by the label left of it, and the lines without a gutter."""
    quoted: dict[str, str] = {}
    ours, name = [], ""
    for line in lines:
        match = _QUOTED.fullmatch(line)
        if match is None:
            ours.append(line)
        elif match[1]:
            name = match[1]
            quoted[name] = match[3]
        else:
            quoted[name] += ("\n" if match[2] == "│" else "") + match[3]
    return quoted, ours
