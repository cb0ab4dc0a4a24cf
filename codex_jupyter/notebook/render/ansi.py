"""Convert the output of commands: keep colours, apply carriage returns and backspaces, and drop other control sequences."""

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
"""Size from which only the last state of an overwritten line is kept, in characters."""
_EDGE = 10_000
"""Lines at the start and at the end of the output in which overwritten text is resolved."""
_MAX_STATES = 50
"""Number of states of one overwritten line that are examined, from the last."""


class _Style(NamedTuple):
    """Style of a piece of text. Colours are `#rrggbb`, or None for the default of the page."""

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
    r"""Return an output in which overwritten lines and backspaces are resolved as in a terminal. Colour codes stay.

    A progress bar returns to the start of its line (`\r`). Its last state stays, and the rest of a longer earlier state behind it.
    The rest is left out if the output has more than 20,000 characters. Of more than 20,000 lines, only the first and the last 10,000 are
    processed, because no more is shown.
    """
    output = output.replace("\r\n", "\n")
    if "\r" in output:
        last = _last_state if len(output) > _LARGE else _overlay
        lines = output.split("\n")
        places = range(len(lines))
        for place in (*places[:_EDGE], *places[_EDGE:][-_EDGE:]):
            if "\r" in lines[place]:
                lines[place] = last(lines[place])
        output = "\n".join(lines)
    if "\x08" in output and len(output) <= _LARGE:
        output = _apply_backspaces(output)
    return output


def html_lines(lines: Iterable[str]) -> list[str]:
    """Return the escaped HTML of each line with its SGR colours as inline styles. A colour continues on the next line."""
    style, result = _Style(), []
    for line in lines:
        # With one group, `split` returns text, codes, text, codes, ..., text.
        pieces, parts = _SGR.split(line), []
        for position, piece in enumerate(pieces):
            if position % 2:
                style = _after(style, piece)
            elif text := escape(piece):
                css = _css(style)
                parts.append(f'<span style="{css}">{text}</span>' if css else text)
        result.append("".join(parts))
    return result


def _last_state(line: str) -> str:
    return line.rstrip("\r").rpartition("\r")[2]


def _apply_backspaces(output: str) -> str:
    kept: list[str] = []
    for character in output:
        if character != "\x08":
            kept.append(character)
        elif kept and kept[-1] != "\n":
            kept.pop()
    return "".join(kept)


def _overlay(line: str) -> str:
    """Return a line after all its carriage returns."""
    *earlier, shown = line.rstrip("\r").rsplit("\r", _MAX_STATES)
    width = len(strip_escapes(shown))
    for part in reversed(earlier):
        if _ERASE.search(shown):
            break
        if len(strip_escapes(part)) > width:
            shown += ("\x1b[0m" if "\x1b" in shown else "") + _rest(part, width)
            width = len(strip_escapes(part))
    return shown


def _rest(part: str, width: int) -> str:
    """Return the text after the first `width` visible characters, with all colour codes from the start."""
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
def _css(style: _Style) -> str:
    color, background = style.color, style.background
    if style.inverse:
        color, background = background, color or colors.GREY
    rules = [
        (colors.text(color or ""), color),
        (f"background:{colors.accent(background or colors.GREY, 0.22)}", background),
        ("font-weight:bold", style.bold),
        ("opacity:.7", style.dim),
        ("font-style:italic", style.italic),
        ("text-decoration:underline", style.underline),
        ("text-decoration:line-through", style.strike),
    ]
    return ";".join(rule for rule, wanted in rules if wanted)


@lru_cache(maxsize=1024)
def _after(style: _Style, codes: str) -> _Style:
    """Return the style after an SGR sequence. Unknown and incomplete codes change nothing."""
    # `38:2::r:g:b` has a colour space, often empty, which `38;2;r;g;b` does not have.
    codes = re.sub(r"(?<=[34]8:2):[^;:]*(?=:[^;:]*:[^;:]*:)", "", codes[:200]).replace(":", ";")
    numbers = [int(code) if code else 0 for code in codes.split(";")]
    while numbers:
        code = numbers.pop(0)
        if code == 0:
            style = _Style()
        elif code in _FLAGS:
            style = style._replace(**_FLAGS[code])
        elif code in (38, 48):
            color = _extended(numbers)
            style = style._replace(color=color) if code == 38 else style._replace(background=color)
        elif 30 <= code <= 37 or 90 <= code <= 97:
            style = style._replace(color=(_BASE if code < 90 else _BRIGHT)[code % 10])
        elif 40 <= code <= 47 or 100 <= code <= 107:
            # Black and white backgrounds assume a theme, so both become a grey tint.
            style = style._replace(background=_BASE[code % 10] or colors.GREY)
        elif code in (39, 49):
            style = style._replace(color=None) if code == 39 else style._replace(background=None)
    return style


def _extended(numbers: list[int]) -> str | None:
    """Remove a 256-colour or 24-bit colour from the front of `numbers` and return it."""
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
    """Return the legible form of a colour, or None for black and white, which are the text colour of some theme."""
    if max(rgb) - min(rgb) < 24 and not 0.03 < colors.luminance(rgb) < 0.6:
        return None
    return colors.legible(rgb)
