"""Contrasts of all text colours, as WCAG 2 computes them, in the light and in the dark theme of JupyterLab."""

from typing import Final

import pytest

from codex_jupyter.notebook.render import colors
from codex_jupyter.notebook.render.colors import Rgb

AA: Final = 4.5
"""Smallest contrast of a text."""
NAMES: Final = ("RED", "ORANGE", "YELLOW", "GREEN", "TEAL", "BLUE", "VIOLET", "MAGENTA", "GREY")
THEMES: Final[dict[str, tuple[Rgb, float, Rgb]]] = {
    "light": ((0, 0, 0), 0.87, (255, 255, 255)),
    "dark": ((255, 255, 255), 1.0, (17, 17, 17)),
}
"""Colour and opacity of the text, and colour of the page."""
SURFACES: Final[dict[str, list[tuple[Rgb, float]]]] = {
    "page": [],
    "code": [((127, 127, 127), 0.09)],
    "added line": [((127, 127, 127), 0.09), ((29, 139, 60), 0.16)],
    "removed line": [((127, 127, 127), 0.09), ((218, 65, 65), 0.16)],
}


def over(top: tuple[float, ...], opacity: float, below: tuple[float, ...]) -> tuple[float, ...]:
    """Return the colour of a translucent colour on another."""
    return tuple(a * opacity + b * (1 - opacity) for a, b in zip(top, below, strict=True))


def contrast(text: tuple[float, ...], ground: tuple[float, ...]) -> float:
    """Return the contrast of two opaque colours."""
    low, high = sorted(colors.luminance((round(r), round(g), round(b))) for r, g, b in (text, ground))
    return (high + 0.05) / (low + 0.05)


def rgb(color: str) -> Rgb:
    """Return the channels of `#rrggbb`."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def ground(theme: str, surface: str) -> tuple[float, ...]:
    """Return the colour of a surface on a page."""
    below: tuple[float, ...] = THEMES[theme][2]
    for tint, opacity in SURFACES[surface]:
        below = over(tint, opacity, below)
    return below


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("theme", THEMES)
def test_every_colour_of_a_text_has_the_contrast_of_wcag_aa(theme: str, surface: str) -> None:
    """The style mixes the colour with the text colour of the page, so one style is legible in both themes, also in dimmed text."""
    text, alpha, _ = THEMES[theme]
    share = colors.PAGE_SHARE / 100
    below = ground(theme, surface)
    for name in NAMES:
        color = getattr(colors, name)
        assert f"color-mix(in srgb,currentColor {colors.PAGE_SHARE}%,{color})" in colors.text(color)
        opacity = alpha * share + 1 - share
        mixed = tuple((a * alpha * share + b * (1 - share)) / opacity for a, b in zip(text, rgb(color), strict=True))
        if surface in ("page", "code"):  # the line of a fold is dimmed
            assert contrast(over(mixed, opacity * 0.85, below), below) >= AA, name
        assert contrast(over(mixed, opacity, below), below) >= AA, name


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("theme", THEMES)
def test_dimmed_text_has_the_contrast_of_wcag_aa(theme: str, surface: str) -> None:
    """No text is dimmed more than `FAINT`."""
    text, alpha, _ = THEMES[theme]
    below = ground(theme, surface)
    assert contrast(over(text, alpha * colors.FAINT, below), below) >= AA


@pytest.mark.parametrize("theme", THEMES)
def test_what_remains_in_an_untrusted_notebook_is_near_the_best_possible_contrast(theme: str) -> None:
    """JupyterLab removes the mixed colour there. A colour of itself cannot have more than 4.3 on white and on its dark page."""
    for name in NAMES:
        assert colors.text(getattr(colors, name)).startswith(f"color:{getattr(colors, name)};")
        assert contrast(rgb(getattr(colors, name)), THEMES[theme][2]) >= 4.1, name
