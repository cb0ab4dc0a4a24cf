"""Output of commands, as a terminal would leave it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_jupyter.notebook.render import resolve_overwrites
from codex_jupyter.notebook.render.ansi import html_lines
from codex_jupyter.notebook.render.colors import GREEN, RED, legible, luminance
from codex_jupyter.notebook.render.colors import text as colored
from codex_jupyter.notebook.render.phrases import excerpt
from tests.notebook.render.markup import read, text_of


def test_a_colour_lasts_until_it_is_reset_over_line_ends() -> None:
    """Each line is balanced in itself, and the next one continues the colour."""
    assert html_lines(["a\x1b[31mb", "c\x1b[0md"]) == [f'a<span style="{colored(RED)}">b</span>', f'<span style="{colored(RED)}">c</span>d']


@pytest.mark.parametrize(
    ("codes", "css"),
    [
        ("32", colored(GREEN)),
        ("92", colored(GREEN)),
        ("1;4", "font-weight:bold;text-decoration:underline"),
        ("1;22", ""),
        ("31;39", ""),
        ("37", ""),
        ("38;5;1", colored(RED)),
        ("38;5;9", colored(RED)),
        ("38;2;255;0;0", colored(legible((255, 0, 0)))),
        ("38:2::255:0:0", colored(legible((255, 0, 0)))),
        ("38:2:255:0:0", colored(legible((255, 0, 0)))),
        ("38;5;196", colored(legible((255, 0, 0)))),
        ("38;2;255;255;255", ""),
        ("41", "background:rgba(218,65,65,0.22)"),
        ("7;31", "background:rgba(218,65,65,0.22)"),
        ("3;9;2", "opacity:.7;font-style:italic;text-decoration:line-through"),
        ("", ""),
        ("38", ""),
        ("999", ""),
    ],
)
def test_colour_codes_become_inline_styles(codes: str, css: str) -> None:
    """8, 16, 256 and 16 million colours, in mid-tones; unknown codes change nothing."""
    assert html_lines([f"\x1b[{codes}mx"]) == [f'<span style="{css}">x</span>' if css else "x"]


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_any_colour_becomes_a_legible_one(rgb: tuple[int, int, int]) -> None:
    """Any colour of a program can be read on white and on black, with a contrast of at least 4."""
    color = legible(rgb)
    light = luminance((int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)))
    assert 1.05 / (light + 0.05) >= 4
    assert (light + 0.05) / (luminance((17, 17, 17)) + 0.05) >= 4


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        ("10%\r50%\r100%\n", "100%\n"),
        ("longer\rab\n", "abnger\n"),
        ("longer\r\x1b[Kab\n", "\x1b[Kab\n"),
        ("a\r\nb\r\n", "a\nb\n"),
        ("done\r", "done"),
        ("\x1b[31mlonger\x1b[0m\rab", "ab\x1b[31mnger\x1b[0m"),
        ("abc\b\bX", "aX"),
        ("N\bNA\bA", "NA"),
        ("x\n\b\by", "x\ny"),
    ],
)
def test_overwritten_text_shows_its_last_state(output: str, shown: str) -> None:
    """Carriage returns and backspaces overwrite as in a terminal."""
    assert resolve_overwrites(output) == shown


def test_a_long_progress_bar_shows_its_last_state() -> None:
    """A megabyte of progress is one line."""
    assert resolve_overwrites("".join(f"\r{i:6}%" for i in range(150_000)) + "\nok\n") == "149999%\nok\n"


def test_other_sequences_are_dropped() -> None:
    """Cursor movements, titles, links and cut-off sequences leave their text only."""
    lines = html_lines(["\x1b[2J\x1b]0;t\x07a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\x1b[?25l<b>\x00\x1b["])
    assert lines == ["alink&lt;b&gt;␀"]


@given(st.lists(st.sampled_from(["\x1b[", "31", "m", "\r", "\b", "\n", "x", "<", "\x1b]", "\x07", ";", "K"]), max_size=60).map("".join))
def test_any_mix_of_codes_is_balanced(output: str) -> None:
    """No sequence, whole or broken, unbalances the markup."""
    for line in html_lines(resolve_overwrites(output).split("\n")):
        read(line)


def test_an_excerpt_keeps_both_ends_and_says_what_is_missing() -> None:
    """Long texts are cut at line ends, and the figures add up."""
    lines = [f"line {i}" for i in range(100_000)]
    shown = excerpt("\n".join(lines) + "\n")
    assert shown.front[0] == "line 0"
    assert shown.back[-1] == "line 99999"
    missing = len(lines) - len(shown.front) - len(shown.back)
    assert (shown.left_out, shown.skipped) == (f"{missing:,} lines left out", missing)
    assert sum(map(len, (*shown.front, *shown.back))) <= 20_000
    assert excerpt("a\nb\n") == (["a", "b"], "", (), 0)
    assert excerpt("") == ((), "", (), 0)


def test_one_endless_line_is_cut_too() -> None:
    """Without line ends the cut is made anyway."""
    shown = excerpt("x" * 1_000_000)
    assert (len(shown.front[0]), len(shown.back[0]), shown.left_out) == (10_000, 10_000, "980,000 characters left out")


def test_text_survives_its_colours() -> None:
    """Taking the markup away gives back the text."""
    assert text_of("\n".join(html_lines(["\x1b[1;31m<a>\x1b[0m & b", "c"]))) == "<a> & b\nc"
