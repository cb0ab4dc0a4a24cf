"""Output of commands as a terminal would leave it: colours kept, everything else that a terminal obeys resolved or dropped."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from codex_jupyter.notebook.render import colors
from codex_jupyter.notebook.render.sanitizer import escape, strip_escapes

_SGR = re.compile(r"(?:\x1b\[|\x9b)([\d;:]*)m")
_ERASE = re.compile(r"(?:\x1b\[|\x9b)[0-2]?[KJ]")

_BASE: Final = (None, colors.RED, colors.GREEN, colors.YELLOW, colors.BLUE, colors.MAGENTA, colors.TEAL, None)
_BRIGHT: Final = (colors.GREY, *_BASE[1:])
_CUBE: Final = (0, 95, 135, 175, 215, 255)
_LARGE = 20_000
"""Characters above which an overwritten line keeps its last writing only."""
_EDGE = 10_000
"""Lines at the beginning and at the end that are stable_prefix_length."""
_WRITINGS = 50
"""How many writings of one line are looked at, from the last."""


class _Look(NamedTuple):
    """How text looks at one place; colours are `#rrggbb`, None for the page's own."""

    color: str | None = None
    background: str | None = None
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    strike: bool = False
    inverse: bool = False


_FLAGS: Final[dict[int, dict[str, Any]]] = {
    1: {"bold": True}, 2: {"dim": True}, 3: {"italic": True}, 4: {"underline": True}, 7: {"inverse": True}, 9: {"strike": True},
    21: {"underline": True}, 22: {"bold": False, "dim": False}, 23: {"italic": False}, 24: {"underline": False},
    27: {"inverse": False}, 29: {"strike": False},
}  # fmt: skip


def resolve_overwrites(output: str) -> str:
    r"""Output with overwritten lines and backspaces resolved as a terminal shows them; colour codes stay.

    A progress bar that returns to the start of its line (`\r`) leaves its last state, and what an earlier, longer state left behind it.
    In output above 20,000 characters that rest is not looked for, and of more than 20,000 lines only the first and the last 10,000 are
    stable_prefix_length, so that a megabyte takes milliseconds: no more than that is ever shown.
    """
    output = output.replace("\r\n", "\n")
    if "\r" in output:
        last = _last_writing if len(output) > _LARGE else _overlay
        lines = output.split("\n")
        places = range(len(lines))
        for place in (*places[:_EDGE], *places[_EDGE:][-_EDGE:]):
            if "\r" in lines[place]:
                lines[place] = last(lines[place])
        output = "\n".join(lines)
    if "\x08" in output and len(output) <= _LARGE:
        output = _rubbed_out(output)
    return output


def html_lines(lines: Iterable[str]) -> list[str]:
    """Escaped HTML of each line with its SGR colours as inline styles. A colour lasts over line ends; every line is balanced in itself."""
    look, result = _Look(), []
    for line in lines:
        # split with one group gives text, codes, text, codes, ..., text
        pieces, parts = _SGR.split(line), []
        for position, piece in enumerate(pieces):
            if position % 2:
                look = _after(look, piece)
            elif text := escape(piece):
                css = _css(look)
                parts.append(f'<span style="{css}">{text}</span>' if css else text)
        result.append("".join(parts))
    return result


def _last_writing(line: str) -> str:
    return line.rstrip("\r").rpartition("\r")[2]


def _rubbed_out(output: str) -> str:
    kept: list[str] = []
    for character in output:
        if character != "\x08":
            kept.append(character)
        elif kept and kept[-1] != "\n":
            kept.pop()
    return "".join(kept)


def _overlay(line: str) -> str:
    """One line after all its carriage returns."""
    *earlier, shown = line.rstrip("\r").rsplit("\r", _WRITINGS)
    width = len(strip_escapes(shown))
    for part in reversed(earlier):
        if _ERASE.search(shown):
            break
        if len(strip_escapes(part)) > width:
            shown += ("\x1b[0m" if "\x1b" in shown else "") + _rest(part, width)
            width = len(strip_escapes(part))
    return shown


def _rest(part: str, width: int) -> str:
    """What follows the first `width` visible characters, with all colour codes from the start."""
    kept = []
    for position, piece in enumerate(_SGR.split(part)):
        if position % 2:
            kept.append(f"\x1b[{piece}m")
        else:
            text = strip_escapes(piece)
            kept.append(text[width:])
            width = max(0, width - len(text))
    return "".join(kept)


@lru_cache(maxsize=1024)
def _css(look: _Look) -> str:
    color, background = look.color, look.background
    if look.inverse:
        color, background = background, color or colors.GREY
    rules = [
        (f"color:{color}", color),
        (f"background:{colors.accent(background or colors.GREY, 0.22)}", background),
        ("font-weight:bold", look.bold),
        ("opacity:.7", look.dim),
        ("font-style:italic", look.italic),
        ("text-decoration:underline", look.underline),
        ("text-decoration:line-through", look.strike),
    ]
    return ";".join(rule for rule, wanted in rules if wanted)


@lru_cache(maxsize=1024)
def _after(look: _Look, codes: str) -> _Look:
    """The look after one SGR sequence; codes that are unknown or cut short change nothing."""
    # `38:2::r:g:b` has a colour space, often empty, that `38;2;r;g;b` has not.
    codes = re.sub(r"(?<=[34]8:2):[^;:]*(?=:[^;:]*:[^;:]*:)", "", codes[:200]).replace(":", ";")
    numbers = [int(code) if code else 0 for code in codes.split(";")]
    while numbers:
        code = numbers.pop(0)
        if code == 0:
            look = _Look()
        elif code in _FLAGS:
            look = look._replace(**_FLAGS[code])
        elif code in (38, 48):
            color = _extended(numbers)
            look = look._replace(color=color) if code == 38 else look._replace(background=color)
        elif 30 <= code <= 37 or 90 <= code <= 97:
            look = look._replace(color=(_BASE if code < 90 else _BRIGHT)[code % 10])
        elif 40 <= code <= 47 or 100 <= code <= 107:
            # Black and white grounds belong to a theme that is not ours; a grey tint stands for both.
            look = look._replace(background=_BASE[code % 10] or colors.GREY)
        elif code in (39, 49):
            look = look._replace(color=None) if code == 39 else look._replace(background=None)
    return look


def _extended(numbers: list[int]) -> str | None:
    """Take a 256-colour or a 24-bit colour off the front of `numbers`."""
    kind = numbers.pop(0) if numbers else 0
    if kind == 2 and len(numbers) >= 3:
        rgb = (min(numbers.pop(0), 255), min(numbers.pop(0), 255), min(numbers.pop(0), 255))
        return _mid_tone(rgb)
    if kind != 5 or not numbers:
        return None
    index = min(numbers.pop(0), 255)
    if index < 16:
        return (_BASE + _BRIGHT)[index]
    if index >= 232:
        return _mid_tone((8 + 10 * (index - 232),) * 3)
    red, rest = divmod(index - 16, 36)
    return _mid_tone((_CUBE[red], _CUBE[rest // 6], _CUBE[rest % 6]))


def _mid_tone(rgb: colors.Rgb) -> str | None:
    """The legible form of a colour; None for black and white, which mean the ordinary text of some theme."""
    if max(rgb) - min(rgb) < 24 and not 0.03 < colors.luminance(rgb) < 0.6:
        return None
    return colors.legible(rgb)
