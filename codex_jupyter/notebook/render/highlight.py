"""Syntax colours by Pygments, as inline styles. Imported at the first code block, because Pygments is not cheap to import."""

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
    """Mid-tones only (see `style`), for light and dark pages alike; ordinary names keep the page's own colour."""

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
    """The languages that Pygments itself knows, by their short names. Its own look-up also asks the plugins of the environment."""
    return {alias: aliases[0] for _, _, aliases, _, _ in LEXERS.values() for alias in aliases}


@lru_cache(maxsize=32)
def _lexer(name: str) -> Lexer:
    return get_lexer_by_name(name, stripnl=False, ensurenl=False)


@cache
def _css(kind: Any) -> str:
    look = MidTone.style_for_token(kind)
    rules = [
        (f"color:#{look['color']}", look["color"]),
        ("font-weight:bold", look["bold"]),
        ("font-style:italic", look["italic"]),
    ]
    return ";".join(rule for rule, wanted in rules if wanted)


def code_html(code: str, language: str, limit: int) -> tuple[str, int]:
    """Escaped HTML of `code`, coloured if Pygments knows the language.

    Args:
        code: Untrusted code.
        language: The name of its language, untrusted too.
        limit: How many tokens are coloured at most; a lexer takes 2 to 4 microseconds for one. The rest is escaped as it is.

    Returns:
        The HTML, and the number of tokens that were looked at.
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
