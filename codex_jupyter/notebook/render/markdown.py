"""Markdown of the agent to HTML: the one pipeline that all of it goes through.

CommonMark with tables and strikethrough and without raw HTML, by markdown-it; inline literal styles; then the gate, `clean`.
Links go to `http`, `https` and `mailto` only, pictures are data URLs of raster types only, so that no page is asked for anything.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Final

from codex_jupyter.notebook.render import style
from codex_jupyter.notebook.render.clean import clean, escape, is_link, is_raster_image, plain

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

__all__ = ["escape", "markdown_html", "markdown_to_html"]

LIMIT: Final = 100_000
"""Characters above which a text is shown as it is: parsing Markdown costs about a second per million."""

TOKEN_LIMIT: Final = 20_000
"""Blocks (paragraphs, list items, table cells, ...) above which a text is shown as it is; each makes two or three tokens."""

_CELL = f"padding:3px 10px;border:1px solid {style.LINE};vertical-align:top"
_HEADING = "font-weight:600;line-height:1.3;margin:.9em 0 .35em;font-size:"
_STYLES: Final = {
    "p": "margin:.45em 0;line-height:1.55",
    "h1": _HEADING + "1.35em",
    "h2": _HEADING + "1.2em",
    "h3": _HEADING + "1.08em",
    "h4": _HEADING + "1em",
    "h5": _HEADING + "1em",
    "h6": _HEADING + "1em",
    "ul": "margin:.45em 0;padding-left:1.7em;line-height:1.55",
    "ol": "margin:.45em 0;padding-left:1.9em;line-height:1.55",
    "li": "margin:.15em 0",
    "blockquote": f"margin:.6em 0;padding:0 0 0 12px;border-left:3px solid {style.LINE};opacity:.85",
    "hr": f"border:0;border-bottom:1px solid {style.LINE};margin:1em 0;background:transparent",
    "table": "border-collapse:collapse;margin:.6em 0;font-size:.95em",
    "th": _CELL + f";background:{style.SURFACE};font-weight:600",
    "td": _CELL,
}
_LINK = f"color:{style.BLUE};text-decoration:underline"
_TASK = re.compile(r"\[([ xX])\] ")
_MATH = re.compile(
    r"\$\$[^$]+\$\$"
    r"|\$(?![\s$])(?:[^$\\\n]|\\.)+?(?<!\s)\$(?![\d$])"
    r"|\\\([^\n]{1,1000}?\\\)"
    r"|\\\[[\s\S]{1,1000}?\\\]"
)


def markdown_to_html(text: str) -> str:
    """The sanitised HTML of untrusted Markdown.

    Args:
        text: Markdown. Raw HTML in it is shown as text. TeX between dollar signs is left alone, for a front end's MathJax. A text of
            more than `LIMIT` characters is shown as it is.

    Returns:
        Balanced HTML with inline styles; empty for an empty text.
    """
    return clean(markdown_html(text))


def markdown_html(text: str) -> str:
    """As `markdown_to_html`, before the gate: for parts of something that passes it as a whole."""
    parser = _parser()
    tokens = parser.parse(plain(text)) if len(text) <= LIMIT else []
    # A table of few characters can have very many cells.
    if len(text) > LIMIT or len(tokens) > TOKEN_LIMIT:
        return f'<div style="white-space:pre-wrap">{escape(text)}</div>'
    _tick(tokens)
    for token in _walk(tokens):
        _dress(token)
    return str(parser.renderer.render(tokens, parser.options, {}))


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.inline.ruler.before("escape", "math", _math)
    parser.add_render_rule("fence", _fence)
    parser.add_render_rule("code_block", _fence)
    parser.add_render_rule("image", _image)
    parser.add_render_rule("link_open", _link_open)
    parser.add_render_rule("link_close", _link_close)
    return parser


def _math(state: "StateInline", silent: bool) -> bool:
    r"""Take `$...$`, `$$...$$`, `\(...\)` and `\[...\]` as text, so that no emphasis or escape changes the TeX."""
    if state.src[state.pos] not in "$\\":
        return False
    match = _MATH.match(state.src, state.pos, state.posMax)
    if not match:
        return False
    if not silent:
        state.push("text", "", 0).content = match[0]
    state.pos = match.end()
    return True


def _walk(tokens: Iterable["Token"]) -> Iterator["Token"]:
    for token in tokens:
        yield token
        if token.children:
            yield from _walk(token.children)


def _tick(tokens: list["Token"]) -> None:
    """Turn the `[ ]` and `[x]` of task lists into boxes, in place of the bullet."""
    for item, _, inline in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if item.type == "list_item_open" and inline.children and (task := _TASK.match(inline.children[0].content)):
            text = inline.children[0]
            text.content = ("☐ " if task[1] == " " else "☑ ") + text.content[task.end() :]
            item.attrSet("style", "list-style:none")


def _dress(token: "Token") -> None:
    """Give a token its inline style; those that it has, such as a column's alignment, come last and win."""
    if token.type == "code_inline":
        token.attrSet("style", style.CODE)
    elif token.nesting >= 0 and token.tag in _STYLES:
        own = token.attrs.get("style") or ("text-align:left" if token.tag in ("td", "th") else "")
        token.attrSet("style", ";".join(filter(None, [_STYLES[token.tag], str(own)])))


def _link_open(_: object, tokens: list["Token"], index: int, *__: object) -> str:
    href = str(tokens[index].attrs.get("href", ""))
    return f'<a href="{escape(href)}" target="_blank" style="{_LINK}">' if is_link(href) else ""


def _link_close(_: object, tokens: list["Token"], index: int, *__: object) -> str:
    start = next(i for i in range(index, -1, -1) if tokens[i].type == "link_open")
    href = str(tokens[start].attrs.get("href", ""))
    if is_link(href):
        return "</a>"
    # A file of the agent's machine: a page cannot lead there, but its reader wants to know the place.
    text = "".join(token.content for token in tokens[start:index])
    return "" if href == text else f' <small style="opacity:.7">{escape(href)}</small>'


def _fence(_: object, tokens: list["Token"], index: int, *__: object) -> str:
    from codex_jupyter.notebook.render.highlight import code_html

    token = tokens[index]
    language = (token.info.split() or [""])[0]
    return f'<pre style="{style.PRE}">{code_html(token.content.removesuffix(chr(10)), language)}</pre>\n'


def _image(_: object, tokens: list["Token"], index: int, *__: object) -> str:
    token = tokens[index]
    source, name = str(token.attrs.get("src", "")), escape(token.content or "image")
    if is_raster_image(source):
        return f'<img src="{source}" alt="{name}" style="max-width:100%">'
    where = f" <code>{escape(source)}</code>" if is_link(source) else ""
    return f"<span>[image: {name}]{where}</span>"
