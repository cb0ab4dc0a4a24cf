"""Syntax colours by Pygments, as inline styles. Imported at the first code block, because Pygments is not cheap to import."""

from typing import Final

from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
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
from pygments.util import ClassNotFound

from codex_jupyter.notebook.render import style
from codex_jupyter.notebook.render.clean import escape, plain

LIMIT: Final = 30_000
"""Characters above which code stays without colours; a lexer takes about a millisecond per 2,000 characters."""


class MidTone(Style):
    """Mid-tones only (see `style`), for light and dark pages alike; ordinary names keep the page's own colour."""

    background_color = "transparent"
    styles = {  # noqa: RUF012 - Pygments' own interface
        Comment: f"italic {style.GREY}",
        Comment.Preproc: f"noitalic {style.TEAL}",
        Keyword: style.VIOLET,
        Keyword.Constant: style.ORANGE,
        Keyword.Type: style.TEAL,
        Operator.Word: style.VIOLET,
        Name.Builtin: style.TEAL,
        Name.Function: style.BLUE,
        Name.Class: f"bold {style.BLUE}",
        Name.Decorator: style.MAGENTA,
        Name.Exception: style.RED,
        Name.Tag: style.BLUE,
        Name.Attribute: style.TEAL,
        Number: style.ORANGE,
        Literal: style.ORANGE,
        String: style.GREEN,
        String.Doc: f"italic {style.GREEN}",
        String.Escape: style.ORANGE,
        Generic.Deleted: style.RED,
        Generic.Inserted: style.GREEN,
        Generic.Heading: "bold",
        Generic.Subheading: style.VIOLET,
        Generic.Prompt: style.GREY,
        Generic.Error: style.RED,
        Generic.Traceback: style.RED,
        Error: "",
    }


_FORMATTER: Final = HtmlFormatter(style=MidTone, noclasses=True, nowrap=True)


def code_html(code: str, language: str) -> str:
    """Escaped HTML of `code`, coloured if Pygments knows the language and the code is not above `LIMIT` characters."""
    code = plain(code)
    if not language or len(code) > LIMIT:
        return escape(code)
    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return escape(code)
    from pygments import highlight

    return str(highlight(code, lexer, _FORMATTER))
