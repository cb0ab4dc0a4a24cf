"""Colour code with Pygments, as inline styles. Imported at the first code block, because Pygments is slow to import."""

import re
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, Final

from pygments.lexer import DelegatingLexer, Lexer, RegexLexer
from pygments.lexers import LEXERS, get_lexer_by_name
from pygments.lexers.data import JsonLexer
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


WINDOW: Final = 500
"""Maximum characters that a rule of a lexer may look ahead. Some rules read to the end of the code, for each of its tokens."""
MAX_UNBOUNDED: Final = 4_000
"""Maximum characters that are coloured if the rules of the lexer cannot be bounded."""


@lru_cache(maxsize=32)
def lexer_of(name: str) -> tuple[Lexer, bool]:
    """Return a lexer, and True if its rules are bounded."""
    lexer = get_lexer_by_name(name, stripnl=False, ensurenl=False)
    parts = (lexer.root_lexer, lexer.language_lexer) if isinstance(lexer, DelegatingLexer) else (lexer,)
    for part in parts:
        if isinstance(part, RegexLexer):
            rules: dict[str, list[tuple[Any, ...]]] = getattr(part, "_tokens")  # noqa: B009 - not in the stubs
            vars(part)["_tokens"] = {state: [(bounded_match(rule[0]), *rule[1:]) for rule in of_state] for state, of_state in rules.items()}
    return lexer, all(isinstance(part, RegexLexer | JsonLexer) for part in parts)


def bounded_match(match: Any) -> Callable[..., re.Match[str] | None]:
    """Return a rule that looks at most `WINDOW` characters ahead. Its lexer only calls it."""
    # Most of the time of a lexer is spent in this function. Only an `ExtendedRegexLexer` passes an end.
    return lambda text, start, end=None: match(text, start, start + WINDOW if end is None else min(end, start + WINDOW))


@cache
def _css(kind: Any) -> str:
    try:
        style = MidTone.style_for_token(kind)
    except KeyError:  # a lexer may use other types than the standard ones
        return _css(kind.parent)
    rules = [
        (colors.text(f"#{style['color']}"), style["color"]),
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
    lexer, bounded = lexer_of(name)
    coloured = code if bounded else code[:MAX_UNBOUNDED]
    parts: list[tuple[str, list[str]]] = []
    done = used = 0
    for kind, text in islice(lexer.get_tokens(coloured), limit):
        css = _css(kind)
        if not parts or (parts[-1][0] != css and not text.isspace()):
            parts.append((css, []))
        parts[-1][1].append(text)
        done += len(text)
        used += 1
    parts.append(("", [code[done:]]))
    return "".join(_span(css, escape("".join(texts))) for css, texts in parts), used


def code_lines(lines: Sequence[str], path: str, limit: int) -> list[str]:
    """Return escaped HTML of lines of a file, coloured if Pygments supports its language.

    Args:
        lines: Untrusted lines without newlines.
        path: Untrusted path of the file, whose ending names the language.
        limit: Maximum number of coloured tokens.
    """
    name = _lexers_by_suffix().get(PurePosixPath(path).suffix.lower())
    code = "\n".join(map(plain, lines))
    if name is None or len(lines) != code.count("\n") + 1:
        return [escape(line) for line in lines]
    lexer, bounded = lexer_of(name)
    done, html = 0, list[list[tuple[str, list[str]]]]([[]])
    for kind, text in islice(lexer.get_tokens(code if bounded else code[:MAX_UNBOUNDED]), limit):
        done += len(text)
        _append(html, _css(kind), text)
    _append(html, "", code[done:])
    return ["".join(_span(css, escape("".join(texts))) for css, texts in parts) for parts in html]


def _append(html: list[list[tuple[str, list[str]]]], css: str, text: str) -> None:
    """Add a text of one style to lines of styled parts."""
    for number, line in enumerate(text.split("\n")):
        if number:
            html.append([])
        parts = html[-1]
        if not parts or (parts[-1][0] != css and not line.isspace()):
            parts.append((css, []))
        parts[-1][1].append(line)


@cache
def _lexers_by_suffix() -> dict[str, str]:
    """Return the first language of each ending of file names, such as `.py`."""
    names = {".r": "r", ".sql": "sql", ".m": "matlab"}  # other languages with these endings come first
    for _, _, aliases, patterns, _ in LEXERS.values():
        for pattern in patterns:
            if aliases and pattern.startswith("*.") and pattern[2:].isalnum():
                names.setdefault(pattern[1:].lower(), aliases[0])
    return names


def _span(css: str, html: str) -> str:
    return f'<span style="{css}">{html}</span>' if css and html else html
