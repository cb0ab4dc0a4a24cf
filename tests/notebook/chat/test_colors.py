"""The colours of the chat are legible on light and on dark pages: WCAG AA, computed from chat.css."""

import re
from pathlib import Path

import pytest

from codex_jupyter.notebook import chat
from codex_jupyter.notebook.render import colors

CSS = (Path(chat.__file__).parent / "static" / "chat.css").read_text(encoding="utf-8")
PAGES = {"light": ["#ffffff"], "dark": ["#111111", "#212121"]}
"""The grounds of JupyterLab's themes."""
INK = {"light": (0, 0, 0, 0.87), "dark": (255, 255, 255, 0.87)}
FULL = 4.5
Color = tuple[float, float, float, float]


def variables(theme: str) -> dict[str, str]:
    """Return the variables of the chat in a theme. The second block of them is that of dark pages."""
    light, dark = (
        dict(re.findall(r"(--[\w-]+): ([^;]+);", body)) for body in re.findall(r"\.codex-chat \{\n(.*?)^\}", CSS, re.DOTALL | re.MULTILINE)
    )
    return light | (dark if theme == "dark" else {})


def parse(text: str) -> Color:
    if text.startswith("#"):
        digits = text[1:] if len(text) == 7 else "".join(2 * digit for digit in text[1:])
        red, green, blue = (float(int(digits[at : at + 2], 16)) for at in (0, 2, 4))
        return red, green, blue, 1.0
    red, green, blue, alpha = map(float, re.findall(r"[\d.]+", text))
    return red, green, blue, alpha


def over(top: Color, below: Color, opacity: float = 1.0) -> Color:
    alpha = top[3] * opacity
    red, green, blue = (top[at] * alpha + below[at] * (1 - alpha) for at in range(3))
    return red, green, blue, 1.0


def contrast(first: Color, second: Color) -> float:
    low, high = sorted(colors.luminance((round(r), round(g), round(b))) for r, g, b, _ in (first, second))
    return (high + 0.05) / (low + 0.05)


def grounds(theme: str) -> list[Color]:
    """Return everything that a text can stand on."""
    css = variables(theme)
    tints = [parse(css[name]) for name in ("--tint", "--hover", "--danger-tint", "--asks-tint")]
    return [ground for page in map(parse, PAGES[theme]) for ground in (page, *(over(tint, page) for tint in tints))]


def tones() -> list[Color]:
    """Return all text colours of the renderer: its palette, the syntax colours, and those of terminals."""
    palette = [value for name, value in vars(colors).items() if name.isupper() and re.fullmatch("#[0-9a-f]{6}", str(value))]
    assert len(palette) > 8
    terminal = [
        colors.legible((red, green, blue)) for red in range(0, 256, 51) for green in range(0, 256, 51) for blue in range(0, 256, 51)
    ]
    return [parse(color) for color in (*palette, *terminal)]


def adapted(tone: Color, css: dict[str, str]) -> Color:
    """Return what `color-mix` makes of a tone."""
    share, toward = float(css["--share"].rstrip("%")) / 100, parse(css["--toward"])
    red, green, blue = (tone[at] * share + toward[at] * (1 - share) for at in range(3))
    return red, green, blue, 1.0


@pytest.mark.parametrize("theme", PAGES)
def test_every_text_colour_of_the_renderer_is_legible_in_the_chat(theme: str) -> None:
    css = variables(theme)
    assert "color-mix(in srgb, var(--tone) var(--share), var(--toward))" in CSS
    low = {tone[:3]: min(contrast(adapted(tone, css), ground) for ground in grounds(theme)) for tone in tones()}
    assert {tone: round(ratio, 2) for tone, ratio in low.items() if ratio < FULL} == {}


@pytest.mark.parametrize("theme", PAGES)
def test_every_text_colour_of_the_style_sheet_is_legible(theme: str) -> None:
    css = variables(theme)
    assert min(contrast(parse(css["--danger"]), ground) for ground in grounds(theme)) >= FULL
    assert contrast(parse(css["--solid-ink"]), parse(css["--solid"])) >= FULL
    changed = [over(parse(css[name]), parse(page)) for name in ("--added", "--removed") for page in PAGES[theme]]
    assert min(contrast(over(INK[theme], ground), ground) for ground in changed) >= FULL


@pytest.mark.parametrize("theme", PAGES)
def test_dimmed_text_is_legible(theme: str) -> None:
    """The opacities of texts that are always visible. Those that are lower belong to animations, hidden buttons and disabled controls."""
    opacities = [float(value) for value in re.findall(r"opacity: ([\d.]+)", CSS)]
    dimmed = [value for value in opacities if 0.5 < value < 1]
    assert dimmed
    low = min(contrast(over(INK[theme], ground, min(dimmed)), ground) for ground in grounds(theme))
    assert low >= FULL


def test_every_colour_is_a_variable_that_these_tests_know() -> None:
    rules = re.sub(r"^  --[\w-]+: .*;$", "", CSS, flags=re.MULTILINE)
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\([^)]*\)", rules) == []
