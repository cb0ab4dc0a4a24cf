"""Guards against text that takes long to render. They count steps, which are the same on every machine."""

from itertools import pairwise
from typing import Literal

import pytest
from markdown_it.rules_block import StateBlock

from codex_jupyter.notebook.render import highlight, markdown_to_html
from codex_jupyter.notebook.render.markdown import BUDGET, LANGUAGES, code_languages
from tests.notebook.render.markup import read, text_of

PARAGRAPH = 4
"""Steps of the block, of the inline element and of the token of a paragraph."""
PLAIN = '<div style="white-space:pre-wrap">'
"""Start of a text that is shown without its markup."""


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the types of the tokens that the block parser makes."""
    types: list[str] = []
    push = StateBlock.push

    def recorded(self: StateBlock, ttype: str, tag: str, nesting: Literal[-1, 0, 1]) -> object:
        types.append(ttype)
        return push(self, ttype, tag, nesting)

    monkeypatch.setattr(StateBlock, "push", recorded)
    return types


@pytest.fixture
def coloured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the languages of the code that is coloured."""
    languages: list[str] = []
    code_html = highlight.code_html

    def recorded(code: str, language: str, limit: int) -> tuple[str, int]:
        languages.append(language)
        return code_html(code, language, limit)

    monkeypatch.setattr(highlight, "code_html", recorded)
    return languages


@pytest.mark.parametrize(("columns", "rows"), [(100, 200), (BUDGET // 2, 0)], ids=["short rows under a long head", "a head without rows"])
def test_a_table_of_more_cells_than_the_budget_is_refused_before_its_cells_are_made(tokens: list[str], columns: int, rows: int) -> None:
    text = f"{'|a' * columns}|\n{'|-' * columns}|\n" + "|b|\n" * rows
    assert markdown_to_html(text).startswith(PLAIN)
    assert len(tokens) < 10


def test_a_table_within_the_budget_has_all_of_its_cells(tokens: list[str]) -> None:
    text = f"{'|a' * 20}|\n{'|-' * 20}|\n" + "|b|\n" * 20
    assert [tag for tag, _ in read(markdown_to_html(text)).seen].count("td") == 400
    assert tokens.count("td_open") == 400


def test_a_table_ends_the_paragraph_above_it() -> None:
    tags = [tag for tag, _ in read(markdown_to_html("text\n| a |\n|---|\n| 1 |\n")).seen]
    assert tags.index("p") < tags.index("table")


def test_six_languages_of_a_text_are_coloured_and_each_block_of_them(coloured: list[str]) -> None:
    """The first use of a lexer imports it, so their number is limited."""
    languages = ["python", "json", "bash", "sql", "html", "css", "rust", "go", "java", "ruby", "perl", "lua", "r", "php"]
    blocks = "".join(f"```{language}\nx = 1\n```\n" for language in [*languages, "python", "css", "php"])
    html = markdown_to_html(blocks)
    assert coloured == [*languages[:6], "python", "css"]
    assert LANGUAGES == 6
    assert text_of(html).count("x = 1") == len(languages) + 3


def test_each_block_of_code_takes_steps_however_short_it_is(coloured: list[str]) -> None:
    """The start of a lexer costs more than the colours of one word."""
    blocks = BUDGET // 10
    assert markdown_to_html("```python\nx\n```\n" * blocks).startswith(PLAIN)
    assert BUDGET // 20 < len(coloured) < blocks


def test_the_colours_of_a_block_leave_less_of_the_budget_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, int]] = []
    code_html = highlight.code_html

    def recorded(code: str, language: str, limit: int) -> tuple[str, int]:
        html, used = code_html(code, language, limit)
        calls.append((limit, used))
        return html, used

    monkeypatch.setattr(highlight, "code_html", recorded)
    markdown_to_html("```python\n" + "x = 1\n" * 100 + "```\n```python\ny = 2\n```\n")
    (first, used), (second, _) = calls
    assert used > 100
    assert second <= first - used


@pytest.mark.parametrize("language", ["", "python"], ids=["indented", "fenced"])
def test_a_code_block_is_shown_in_a_frame_with_all_characters(language: str) -> None:
    code = "x = '<b>'\n\n    indented more"
    text = f"```{language}\n{code}\n```\n" if language else "".join(f"    {line}\n" for line in code.split("\n"))
    html = markdown_to_html(text)
    ((tag, attributes),) = [element for element in read(html).seen if element[0] in ("pre", "code")]
    assert (tag, "border-radius" in str(attributes["style"])) == ("pre", True)
    assert text_of(html).strip("\n") == code
    assert code_languages(text) == [language]


def test_each_level_of_headings_has_its_size() -> None:
    html = markdown_to_html("".join(f"{'#' * level} Title\n\n" for level in range(1, 7)))
    styles = {tag: str(attributes["style"]) for tag, attributes in read(html).seen}
    sizes = [float(styles[f"h{level}"].rpartition("font-size:")[2].removesuffix("em")) for level in range(1, 7)]
    assert sizes == [1.35, 1.2, 1.08, 1.0, 1.0, 1.0]
    assert all("font-weight:600" in style for style in styles.values())


def test_a_text_that_takes_exactly_the_budget_is_markdown() -> None:
    """A paragraph of one letter takes a step per 10 characters, and a fixed number of steps."""
    lengths = [10 * steps for steps in range(BUDGET - 20, BUDGET + 1)]
    refused = [markdown_to_html("a" * length).startswith(PLAIN) for length in lengths]
    ((last, first),) = [pair for pair, change in zip(pairwise(lengths), pairwise(refused), strict=True) if change == (False, True)]
    assert (last, first) == (10 * (BUDGET - PARAGRAPH), 10 * (BUDGET - PARAGRAPH + 1))
