"""Markdown of the agent to HTML: the one pipeline that all of it goes through.

CommonMark with tables and strikethrough and without raw HTML, by markdown-it; inline literal styles; then the gate, `sanitize`.
Links go to `http`, `https` and `mailto` only, pictures are data URLs of raster types only, so that no page is asked for anything.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from codex_jupyter.notebook.render import colors
from codex_jupyter.notebook.render.phrases import bounded
from codex_jupyter.notebook.render.sanitizer import escape, is_link, is_raster_image, plain, sanitize

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

__all__ = ["escape", "markdown_html", "markdown_to_html"]

BUDGET: Final = 9_000
"""Steps that a text may cost, about 5 microseconds each; a text that costs more is shown as it is. 20 KB of an ordinary answer take 1,000
to 5,000. Steps are counted, not time, so that a text looks the same every time."""
LANGUAGES: Final = 6
"""Languages in one text that code is coloured for: the first use of a lexer imports it."""
_BLOCK_PRICE: Final = 2
_LEXER_PRICE: Final = 8
_PRICES: Final = {"[": 2, "!": 2, "<": 4}
"""Steps that are counted where something inside a line may begin, if they are more than one."""

_CELL = f"padding:3px 10px;border:1px solid {colors.LINE};vertical-align:top"
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
    "blockquote": f"margin:.6em 0;padding:0 0 0 12px;border-left:3px solid {colors.LINE};opacity:.85",
    "hr": f"border:0;border-bottom:1px solid {colors.LINE};margin:1em 0;background:transparent",
    "table": "border-collapse:collapse;margin:.6em 0;font-size:.95em",
    "th": _CELL + f";background:{colors.SURFACE};font-weight:600",
    "td": _CELL,
}
_LINK = f"color:{colors.BLUE};text-decoration:underline"
_RULE = re.compile(r"[ \t]*[|:-][ \t|:-]*")
_TASK = re.compile(r"\[([ xX])\] ")
_MATH = re.compile(
    r"\$\$[^$]+\$\$"
    r"|\$(?![\s$])(?:[^$\\\n]|\\.)+?(?<!\s)\$(?![\d$])"
    r"|\\\([^\n]{1,1000}?\\\)"
    r"|\\\[[\s\S]{1,1000}?\\\]"
)


@dataclass(slots=True)
class _Cost:
    """What may still be spent on a text."""

    steps: int = BUDGET
    languages: set[str] = field(default_factory=set)

    def spend(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise _TooCostly


class _TooCostly(Exception):
    """A text costs more than its budget."""


def markdown_to_html(text: str) -> str:
    """The sanitised HTML of untrusted Markdown.

    Args:
        text: Markdown. Raw HTML in it is shown as text. TeX between dollar signs is left alone, for a front end's MathJax. A text that
            costs more than `BUDGET`, because it is very long or hostile, is shown as it is.

    Returns:
        Balanced HTML with inline styles; empty for an empty text.
    """
    return sanitize(markdown_html(text))


def markdown_html(text: str) -> str:
    """As `markdown_to_html`, before the gate: for parts of something that passes it as a whole."""
    parser, cost = _parser(), _Cost()
    env: dict[str, Any] = {"cost": cost}
    try:
        cost.spend(len(text) // 16)
        tokens = parser.parse(plain(text), env)
        cost.spend(sum(1 + len(token.children or ()) for token in tokens) // 5)
        _tick(tokens)
        for token in _walk(tokens):
            _dress(token)
        return str(parser.renderer.render(tokens, parser.options, env))
    except _TooCostly:
        return f'<div style="white-space:pre-wrap">{bounded(text)}</div>'


def code_languages(text: str) -> list[str]:
    """The languages of the code blocks of untrusted Markdown, in order; an unnamed one is empty."""
    return [(token.info.split() or [""])[0] for token in _blocks(text) if token.type in ("fence", "code_block")]


def stable_prefix_length(text: str) -> int:
    """How much of a growing Markdown text is sure to look the same whatever is written after it.

    Args:
        text: The text so far, as `plain` gives it.

    Returns:
        The characters before its last block.
    """
    begins = [token.map[0] for token in _blocks(text) if token.level == 0 and token.nesting >= 0 and token.map]
    return sum(len(line) + 1 for line in text.split("\n")[: begins[-1]]) if begins else 0


def _blocks(text: str) -> list["Token"]:
    """The blocks of a text, what is inside of their lines left out; none if they cost more than the budget."""
    parser, cost, tokens = _parser(), _Cost(), list["Token"]()
    try:
        cost.spend(len(text) // 16)
        parser.block.parse(plain(text), parser, {"cost": cost}, tokens)
    except _TooCostly:
        return []
    return tokens


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import table

    def counted_table(state: "StateBlock", start: int, end: int, silent: bool) -> bool:
        # Rows shorter than the head are filled up: a table of few characters can have very many cells.
        if start + 2 <= end and _RULE.fullmatch(state.src, state.bMarks[start + 1], state.eMarks[start + 1]):
            columns = state.src.count("|", state.bMarks[start + 1], state.eMarks[start + 1]) + 1
            rows = next((row for row in range(start, end) if state.isEmpty(row)), end) - start
            state.env["cost"].spend(columns * rows)
        return table(state, start, end, silent)

    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.block.ruler.at("table", counted_table, {"alt": ["paragraph", "reference"]})
    # First of all rules, and never true: called at each place that a block or something inside a line may begin.
    parser.block.ruler.before("table", "cost", _count_block, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    parser.inline.ruler.before("text", "cost", _count_inline)
    parser.inline.ruler.before("escape", "math", _math)
    parser.add_render_rule("fence", _fence)
    parser.add_render_rule("code_block", _fence)
    parser.add_render_rule("image", _image)
    parser.add_render_rule("link_open", _link_open)
    parser.add_render_rule("link_close", _link_close)
    return parser


def _count_block(state: "StateBlock", *_: object) -> bool:
    state.env["cost"].spend(_BLOCK_PRICE)
    return False


def _count_inline(state: "StateInline", _: bool) -> bool:
    state.env["cost"].spend(_PRICES.get(state.src[state.pos], 1))
    return False


def _math(state: "StateInline", silent: bool) -> bool:
    r"""Take `$...$`, `$$...$$`, `\(...\)` and `\[...\]` as text, so that no emphasis or escape changes the TeX."""
    if state.src[state.pos] not in "$\\":
        return False
    match = _MATH.match(state.src, state.pos, state.posMax)
    if not match:
        # The search went through a thousand characters at most: as much as some steps.
        state.env["cost"].spend(2)
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
        token.attrSet("style", colors.CODE)
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


def _fence(_: object, tokens: list["Token"], index: int, __: object, env: dict[str, Any]) -> str:
    token, cost = tokens[index], env["cost"]
    language, code = (token.info.split() or [""])[0], token.content.removesuffix("\n")
    if language and (language in cost.languages or len(cost.languages) < LANGUAGES):
        from codex_jupyter.notebook.render.highlight import code_html

        cost.languages.add(language)
        cost.spend(_LEXER_PRICE)
        # What is left of the budget is for colours; where it ends, the code goes on without them.
        html, used = code_html(code, language, cost.steps)
        cost.spend(used)
    else:
        html = escape(code)
    return f'<pre style="{colors.PRE}">{html}</pre>\n'


def _image(_: object, tokens: list["Token"], index: int, *__: object) -> str:
    token = tokens[index]
    source, name = str(token.attrs.get("src", "")), escape(token.content or "image")
    if is_raster_image(source):
        return f'<img src="{source}" alt="{name}" style="max-width:100%">'
    where = f" <code>{escape(source)}</code>" if is_link(source) else ""
    return f"<span>[image: {name}]{where}</span>"
