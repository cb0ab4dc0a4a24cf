"""Colours and inline styles that are legible on light and on dark pages.

Nothing is known about the page. A saved output is read in light and dark themes, in the HTML of nbconvert, and without any style sheet.
Therefore body text has no colour, dimmed text is body text with an opacity of at least `FAINT`, and surfaces are `rgba()` tints.

A coloured text is the text colour of the page, mixed with a mid-tone (see `text`). So it is dark on a light page and light on a dark one,
with a contrast of at least 4.5 (WCAG AA) on both, also on the tinted surfaces. JupyterLab removes this value from an untrusted notebook.
Then the mid-tone itself remains. All mid-tones are in one band of relative luminance (about 0.19), where the contrast with white and with
`#111` is the same: 4.1 to 4.7. No colour has 4.5 on both.

Other style properties and values are those that JupyterLab keeps in an untrusted notebook: no `var()`, no `inherit`.
"""

from functools import lru_cache
from typing import Final, Literal, TypeAlias

Rgb: TypeAlias = tuple[int, int, int]
Tone: TypeAlias = Literal["quiet", "good", "bad", "warn", "run", "message"]

RED: Final = "#da4141"
ORANGE: Final = "#bc5f20"
YELLOW: Final = "#98730c"
GREEN: Final = "#1d8b3c"
TEAL: Final = "#078787"
BLUE: Final = "#2279db"
VIOLET: Final = "#8b5de7"
MAGENTA: Final = "#c942a5"
GREY: Final = "#75797f"

TONES: Final[dict[Tone, str]] = {"quiet": GREY, "good": GREEN, "bad": RED, "warn": YELLOW, "run": BLUE, "message": VIOLET}

SURFACE: Final = "rgba(127,127,127,.09)"
LINE: Final = "rgba(127,127,127,.3)"
ADDED: Final = "background:rgba(29,139,60,.16)"
REMOVED: Final = "background:rgba(218,65,65,.16)"
MONO: Final = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace"
FOCUS: Final = "cursor:pointer"

PRE: Final = f"margin:4px 0;padding:6px 10px;border-radius:4px;background:{SURFACE};{MONO};font-size:.9em;line-height:1.45;overflow:auto"
WRAP: Final = "white-space:pre-wrap;word-break:normal;overflow-wrap:anywhere"
"""Wrap lines of fixed-width text between words if possible. JupyterLab breaks words in the outputs of cells."""
CODE: Final = f"padding:1px 4px;border-radius:3px;background:{SURFACE};{MONO};font-size:.9em"

FAINT: Final = 0.7
"""Smallest opacity of a text."""
PAGE_SHARE: Final = 40
"""Per cent of the text colour of the page in a coloured text."""

_LOW, _HIGH = 0.175, 0.205


def text(color: str) -> str:
    """Return the style of a text in a `#rrggbb` mid-tone, adapted to the page."""
    return f"color:{color};color:color-mix(in srgb,currentColor {PAGE_SHARE}%,{color})"


def in_order(text: str) -> str:
    """Return a style that shows a command in the stored order, so that right-to-left letters do not reorder its parts."""
    return "" if text.isascii() else "direction:ltr;unicode-bidi:bidi-override;"


def accent(color: str, alpha: float) -> str:
    """Return a `#rrggbb` colour with an opacity from 0 to 1."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:g})"


def luminance(rgb: Rgb) -> float:
    """Return the relative luminance of an sRGB colour as WCAG defines it, 0 (black) to 1 (white)."""
    red, green, blue = (_linear(channel) for channel in rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@lru_cache(maxsize=1024)
def legible(rgb: Rgb) -> str:
    """Return the nearest colour of the same hue that is legible on white and on black, as `#rrggbb`."""
    light = luminance(rgb)
    channels = [_linear(channel) for channel in rgb]
    if light > _HIGH:
        channels = [channel * _HIGH / light for channel in channels]
    elif light < _LOW:
        # Linear light mixes linearly, so this share of white lifts the colour to the lower edge of the band.
        share = (_LOW - light) / (1 - light)
        channels = [channel + share * (1 - channel) for channel in channels]
    return "#" + "".join(f"{_encoded(channel):02x}" for channel in channels)


def _linear(channel: int) -> float:
    value = channel / 255
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def _encoded(value: float) -> int:
    share = value * 12.92 if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
    return round(255 * min(1.0, max(0.0, share)))
