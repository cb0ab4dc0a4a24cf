"""Markdown of the agent, as people read it."""

import re

import pytest

from codex_jupyter.notebook.render import colors as styles
from codex_jupyter.notebook.render import markdown_to_html
from codex_jupyter.notebook.render.highlight import MidTone
from codex_jupyter.notebook.render.markdown import code_languages, stable_prefix_length
from tests.notebook.render.markup import read, text_of


def contrast(luminance: float, other: float) -> float:
    """The WCAG contrast ratio of two luminances."""
    return (max(luminance, other) + 0.05) / (min(luminance, other) + 0.05)


def rgb(color: str) -> styles.Rgb:
    """`#rrggbb` as three numbers."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def test_tables_code_and_emphasis_become_their_elements() -> None:
    """The Markdown that agents use most is rendered."""
    html = markdown_to_html("# T\n\n**b** *i* ~~s~~ `c`\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n> q\n\n3. x\n")
    tags = [tag for tag, _ in read(html).seen]
    for tag in ("h1", "strong", "em", "s", "code", "table", "th", "td", "blockquote", "ol", "li"):
        assert tag in tags, tag
    assert 'start="3"' in html
    assert "text-align:right" in html


def test_task_lists_show_boxes() -> None:
    """`[x]` in a list is a ticked box, elsewhere it is text."""
    assert text_of(markdown_to_html("- [x] done\n- [ ] open\n\n[x] text")).split("\n") == ["", "☑ done", "☐ open", "", "[x] text", ""]


@pytest.mark.parametrize(
    "tex", ["$a_b c_d$", "$x*y*z$", r"$\{a\}$", r"$$\sum_i *x_i* \\ y_i$$", r"\(a_b *c* d_e\)", r"\[ \{x\} \]", "$$\na_1 * b_1 * c_1\n$$"]
)
def test_mathematics_is_left_alone(tex: str) -> None:
    """No emphasis and no escape changes TeX, so that a front end's MathJax gets it whole."""
    assert text_of(markdown_to_html(f"so {tex} holds")).strip() == f"so {tex} holds"


def test_prices_are_not_mathematics() -> None:
    """Dollars before numbers do not swallow the emphasis between them."""
    assert "<strong" in markdown_to_html("for $5 or **now**/$6")


def test_code_is_coloured_with_literal_colours() -> None:
    """A known language has coloured tokens; an unknown one, or none, is plain text with nothing lost."""
    code = 'def f(x):\n    return "<b>" # no\n\n'
    for language in ("python", "py", "nosuchlanguage", ""):
        html = markdown_to_html(f"```{language}\n{code}\n```")
        assert text_of(html) == code + "\n"
        assert ("color:#" in html) == (language in ("python", "py"))


def test_the_place_of_a_local_file_is_said() -> None:
    """A page cannot lead to a file of the agent's machine, but the reader learns which it is."""
    assert text_of(markdown_to_html("[app.py](/w/src/app.py:12)")).strip() == "app.py /w/src/app.py:12"
    assert text_of(markdown_to_html("[/w/a.py](/w/a.py)")).strip() == "/w/a.py"


def test_huge_texts_are_shown_as_they_are() -> None:
    """Text that would take seconds to parse, or grow a thousandfold, keeps its characters instead."""
    long = "**word** " * 20_000
    assert text_of(markdown_to_html(long)) == long
    cells = "|a" * 200 + "\n" + "|-" * 200 + "\n" + "|\n" * 2_000
    assert len(markdown_to_html(cells)) < 20 * len(cells)


def test_every_colour_is_legible_on_light_and_on_dark() -> None:
    """All text colours have a contrast of at least 4 to white and to #111, and of 3.5 on the tinted surface of code."""
    palette = [styles.RED, styles.ORANGE, styles.YELLOW, styles.GREEN, styles.TEAL, styles.BLUE, styles.VIOLET, styles.MAGENTA, styles.GREY]
    used = {f"#{look['color']}" for _, look in MidTone if look["color"]}
    assert used <= set(palette)
    assert set(styles.TONES.values()) <= set(palette)
    for page in ((255, 255, 255), (17, 17, 17)):
        surface = tuple(round(0.91 * channel + 0.09 * 127) for channel in page)
        for color in palette:
            light = styles.luminance(rgb(color))
            assert contrast(light, styles.luminance(page)) >= 4, color
            assert contrast(light, styles.luminance((surface[0], surface[1], surface[2]))) >= 3.5, color


@pytest.mark.parametrize(
    ("text", "done"),
    [
        ("", ""),
        ("one", ""),
        ("one\n\n", ""),
        ("one\n\nt", "one\n\n"),
        ("one\u2028two\n\nt", "one\u2028two\n\n"),
        ("# one\n```py\na\n\nb\n", "# one\n"),
        ("```py\na\n```\n\nafter", "```py\na\n```\n\n"),
        ("- a\n\n- b\n\n  c", ""),
        ("| a |\n|---|\n| 1 |\n", ""),
        ("| a |\n|---|\n| 1 |\n\n> quote", "| a |\n|---|\n| 1 |\n\n"),
    ],
)
def test_the_stable_part_of_a_text_renders_alike_with_any_text_after_it(text: str, done: str) -> None:
    """Everything before the last block; a text and what is drawn of it in pieces are the same."""
    assert text[: stable_prefix_length(text)] == done
    for rest in ("", "\n", "more\n---\n\nend"):
        assert markdown_to_html(done) + markdown_to_html(text[len(done) :] + rest) == markdown_to_html(text + rest)


def test_the_languages_of_code_in_order() -> None:
    """As many as there are code blocks, also inside of lists; none of a text that costs too much to read."""
    assert code_languages("```Python x\na\n```\n\n- a\n  ~~~bash\n  b\n  ~~~\n\n    c\n\n`d`") == ["Python", "bash"]
    assert code_languages("a\n\n    b\n") == [""]
    assert code_languages("```a\n```\n" + "> " * 200_000) == []
    assert stable_prefix_length("a\n\n" + "> " * 200_000) == 0


def test_numbers_of_a_table_do_not_wrap_and_an_empty_head_is_not_a_heading() -> None:
    """`+12.4 %` stays in one line. A screen reader announces no empty heading."""
    html = markdown_to_html("| a | |\n|---|--:|\n| text | +12.4 % |\n| more text | **3** |\n")
    assert html.count("white-space:nowrap") == 2
    assert html.count("<th") - html.count("<thead") == 1


def test_a_block_with_right_to_left_letters_has_the_direction_of_its_first_word() -> None:
    """Other blocks have no style for it, and short items of lists have no paragraph."""
    html = markdown_to_html("مرحبا `x`\n\nplain\n\n## سؤال\n\n- קוד\n- other\n\n|ا|b|\n|-|-|\n|1|2|")
    styled = re.findall(r"<(\w+) [^>]*text-align:(\w+);unicode-bidi:plaintext", html)
    assert styled == [("p", "start"), ("h2", "start"), ("li", "left"), ("th", "left")]
