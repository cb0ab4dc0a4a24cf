"""Colour code with Pygments, as inline styles. Imported at the first code block, because Pygments is slow to import."""

from functools import cache, lru_cache
from itertools import islice
from typing import Any

from pygments.lexer import Lexer
from pygments.lexers import LEXERS, get_lexer_by_name
from pygments.style import Style
from pygments.token import (
    Comment,
    Error,
    Generic,
    Keyword,
    Literal,
    Name,
    Number,
    Operator,
    String,
)

from codex_jupyter.notebook.render import colors
from codex_jupyter.notebook.render.sanitizer import escape, plain


class MidTone(Style):
    """A style of mid-tones (see `colors`) for light and dark pages. Ordinary names keep the colour of the page."""

    background_color = "transparent"
    styles = {  # noqa: RUF012 - Pygments' own interface
        Comment: f"italic {colors.GREY}",
        Comment.Preproc: f"noitalic {colors.TEAL}",
        Keyword: colors.VIOLET,
        Keyword.Constant: colors.ORANGE,
        Keyword.Type: colors.TEAL,
        Operator.Word: colors.VIOLET,
        Name.Builtin: colors.TEAL,
        Name.Function: colors.BLUE,
        Name.Class: f"bold {colors.BLUE}",
        Name.Decorator: colors.MAGENTA,
        Name.Exception: colors.RED,
        Name.Tag: colors.BLUE,
        Name.Attribute: colors.TEAL,
        Number: colors.ORANGE,
        Literal: colors.ORANGE,
        String: colors.GREEN,
        String.Doc: f"italic {colors.GREEN}",
        String.Escape: colors.ORANGE,
        Generic.Deleted: colors.RED,
        Generic.Inserted: colors.GREEN,
        Generic.Heading: "bold",
        Generic.Subheading: colors.VIOLET,
        Generic.Prompt: colors.GREY,
        Generic.Error: colors.RED,
        Generic.Traceback: colors.RED,
        Error: "",
    }


@cache
def _lexer_names() -> dict[str, str]:
    """Return the languages that Pygments contains, by their aliases. Pygments' own lookup also loads plugins of the environment."""
    return {alias: aliases[0] for _, _, aliases, _, _ in LEXERS.values() for alias in aliases}


@lru_cache(maxsize=32)
def _lexer(name: str) -> Lexer:
    return get_lexer_by_name(name, stripnl=False, ensurenl=False)


@cache
def _css(kind: Any) -> str:
    style = MidTone.style_for_token(kind)
    rules = [
        (f"color:#{style['color']}", style["color"]),
        ("font-weight:bold", style["bold"]),
        ("font-style:italic", style["italic"]),
    ]
    return ";".join(rule for rule, wanted in rules if wanted)


def code_html(code: str, language: str, limit: int) -> tuple[str, int]:
    """Return escaped HTML of code, coloured if Pygments supports the language.

    Args:
        code: Untrusted code.
        language: The name of its language, untrusted.
        limit: Maximum number of coloured tokens. A lexer takes 2 to 4 microseconds per token. The rest is only escaped.

    Returns:
        The HTML, and the number of tokens that were read.
    """
    code, name = plain(code), _lexer_names().get(language.lower())
    if name is None:
        return escape(code), 0
    parts: list[tuple[str, list[str]]] = []
    done = used = 0
    for kind, text in islice(_lexer(name).get_tokens(code), limit):
        css = _css(kind)
        if not parts or (parts[-1][0] != css and not text.isspace()):
            parts.append((css, []))
        parts[-1][1].append(text)
        done += len(text)
        used += 1
    parts.append(("", [code[done:]]))
    return "".join(_span(css, escape("".join(texts))) for css, texts in parts), used


def _span(css: str, html: str) -> str:
    return f'<span style="{css}">{html}</span>' if css and html else html
