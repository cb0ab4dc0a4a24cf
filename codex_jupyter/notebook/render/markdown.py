"""Convert Markdown of the agent to HTML.

markdown-it parses CommonMark with tables and strikethrough and without raw HTML. Then inline literal styles are added, and `sanitize`
checks the result. Links may have the schemes `http`, `https` and `mailto`. Images must be data URLs of raster formats, so that the page
sends no request.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from codex_jupyter.notebook.render import colors
from codex_jupyter.notebook.render.phrases import bounded
from codex_jupyter.notebook.render.sanitizer import escape, is_link, is_raster_image, plain, preformatted, sanitize

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

__all__ = ["escape", "markdown_html", "markdown_to_html"]

BUDGET: Final = 9_000
"""Maximum steps for one text, about 5 microseconds each. 20 KB of an ordinary answer take 1,000 to 5,000 steps. A text that takes more is
shown as plain text. Steps are counted instead of time, so that the result is always the same."""
LANGUAGES: Final = 6
"""Maximum number of languages that are coloured in one text, because the first use of a lexer imports it."""
_CHARACTERS_PER_STEP: Final = 10
_BLOCK_PRICE: Final = 3
_LEXER_PRICE: Final = 8
_TOKEN_PRICE: Final = 1.2
_PRICES: Final = {"[": 2, "!": 2, "<": 4}
"""Steps for characters at which an inline element may start, if they are not 1."""

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
_LINK = f"{colors.text(colors.BLUE)};text-decoration:underline"
_IN_ADDRESSES = "%;/?:@&=+$,-_.!~*'()#[]"
"""Characters that stay in addresses: those that are not quoted, and the `%` of those that are."""
_RULE = re.compile(r"[ \t]*[|:-][ \t|:-]*")
_NUMBER = re.compile(r"[*_`~]{0,3}[-+−±~≈<>]?[ $€£]?\d[\d.,  _']{0,20}(?:e[-+]?\d+)?[ ]?[%‰°\w/]{0,6}[*_`~]{0,3}", re.IGNORECASE)
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_TASK = re.compile(r"\[([ xX])\] ")
_MATH = re.compile(
    r"\$\$[^$]+\$\$"
    r"|\$(?![\s$])(?:[^$\\\n]|\\.)+?(?<!\s)\$(?![\d$])"
    r"|\\\([^\n]{1,1000}?\\\)"
    r"|\\\[[\s\S]{1,1000}?\\\]"
)


@dataclass(slots=True)
class _Cost:
    """Remaining budget of a text."""

    steps: int = BUDGET
    languages: set[str] = field(default_factory=set)

    def spend(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise _TooCostly


class _TooCostly(Exception):
    """Raised when a text takes more steps than `BUDGET`."""


def markdown_to_html(text: str) -> str:
    """Convert untrusted Markdown to sanitized HTML.

    Args:
        text: Markdown. Raw HTML in it is shown as text. TeX between dollar signs is kept for MathJax. A text that takes more than `BUDGET`
            steps, because it is very long or hostile, is shown as plain text.

    Returns:
        Balanced HTML with inline styles. Empty for an empty text.
    """
    return sanitize(markdown_html(text))


def markdown_html(text: str) -> str:
    """Convert Markdown without sanitizing, for a part of HTML that is sanitized as a whole."""
    parser, cost = _parser(), _Cost()
    env: dict[str, Any] = {"cost": cost}
    try:
        cost.spend(len(text) // _CHARACTERS_PER_STEP)
        tokens = parser.parse(plain(text), env)
        cost.spend(sum(1 + len(token.children or ()) for token in tokens) // 5)
        _replace_task_markers(tokens)
        _prepare_cells(tokens)
        _set_directions(tokens)
        for token in _walk(tokens):
            _add_style(token)
        return str(parser.renderer.render(tokens, parser.options, env))
    except _TooCostly:
        return f'<div style="white-space:pre-wrap">{bounded(text)}</div>'


def code_languages(text: str) -> list[str]:
    """Return the languages of the code blocks in untrusted Markdown, in order. A block without a language counts as empty."""
    return [(token.info.split() or [""])[0] for token in _blocks(text) if token.type in ("fence", "code_block")]


def stable_prefix_length(text: str) -> int:
    """Return the length of the part of a growing Markdown text that later text cannot change.

    Args:
        text: The current text, as returned by `plain`.

    Returns:
        Number of characters before the last block.
    """
    starts = [token.map[0] for token in _blocks(text) if token.level == 0 and token.nesting >= 0 and token.map]
    return sum(len(line) + 1 for line in text.split("\n")[: starts[-1]]) if starts else 0


def _blocks(text: str) -> list["Token"]:
    """Parse only the blocks of a text. Return no blocks if they take more than the budget."""
    parser, cost, tokens = _parser(), _Cost(), list["Token"]()
    try:
        cost.spend(len(text) // _CHARACTERS_PER_STEP)
        parser.block.parse(plain(text), parser, {"cost": cost}, tokens)
    except _TooCostly:
        return []
    return tokens


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import table

    class Parser(MarkdownIt):
        """The parser, with addresses that are quoted in one step. Its own reads each address four times, which takes 50 microseconds."""

        def normalizeLink(self, url: str) -> str:
            return quote(url, safe=_IN_ADDRESSES)

        def normalizeLinkText(self, link: str) -> str:
            return link

    def counted_table(state: "StateBlock", start: int, end: int, silent: bool) -> bool:
        # Short rows are filled up to the length of the head, so a small text can define very many cells.
        if start + 2 <= end and _RULE.fullmatch(state.src, state.bMarks[start + 1], state.eMarks[start + 1]):
            columns = state.src.count("|", state.bMarks[start + 1], state.eMarks[start + 1]) + 1
            rows = next((row for row in range(start, end) if state.isEmpty(row)), end) - start
            state.env["cost"].spend(columns * rows)
        return table(state, start, end, silent)

    parser = Parser("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.block.ruler.at("table", counted_table, {"alt": ["paragraph", "reference"]})
    # These rules never match. They run first at each place where a block or an inline element may start.
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
    r"""Keep `$...$`, `$$...$$`, `\(...\)` and `\[...\]` as text, so that no emphasis or escape changes the TeX."""
    if state.src[state.pos] not in "$\\":
        return False
    match = _MATH.match(state.src, state.pos, state.posMax)
    if not match:
        # The failed search read up to a thousand characters.
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


def _replace_task_markers(tokens: list["Token"]) -> None:
    """Replace the `[ ]` and `[x]` of task lists by boxes, in place of the bullet."""
    for item, _, inline in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if item.type == "list_item_open" and inline.children and (task := _TASK.match(inline.children[0].content)):
            text = inline.children[0]
            text.content = ("☐ " if task[1] == " " else "☑ ") + text.content[task.end() :]
            item.attrSet("style", "list-style:none")


def _prepare_cells(tokens: list["Token"]) -> None:
    """Keep numbers of tables in one line. An empty cell is not a heading, also in the head."""
    for start, inline, end in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if start.type in ("th_open", "td_open"):
            if not inline.content.strip():
                start.tag = end.tag = "td"
            elif _NUMBER.fullmatch(inline.content.strip()):
                start.attrSet("style", ";".join(filter(None, [str(start.attrs.get("style") or "text-align:left"), "white-space:nowrap"])))


def _set_directions(tokens: list["Token"]) -> None:
    """Let each block with right-to-left letters have the direction of its first word, because pages are left-to-right."""
    for parent, start, inline in zip([*tokens[:1], *tokens], tokens, tokens[1:], strict=False):
        if inline.type == "inline" and _RIGHT_TO_LEFT.search(inline.content):
            block = parent if start.hidden else start  # a short item of a list has no paragraph
            align = "start" if block.tag[0] in "ph" else "left"  # an item stays beside its bullet, and a cell in its column
            block.attrSet("style", f"{block.attrs.get('style') or f'text-align:{align}'};unicode-bidi:plaintext")


def _add_style(token: "Token") -> None:
    """Add the inline style to a token. A style that it already has, such as a column's alignment, takes precedence."""
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
    # A page cannot open a file of the agent's machine, but readers need the path.
    text = "".join(token.content for token in tokens[start:index])
    return "" if href == text else f' <small style="opacity:.7">{escape(href)}</small>'


def _fence(_: object, tokens: list["Token"], index: int, __: object, env: dict[str, Any]) -> str:
    token, cost = tokens[index], env["cost"]
    language, code = (token.info.split() or [""])[0], token.content.removesuffix("\n")
    if language and (language in cost.languages or len(cost.languages) < LANGUAGES):
        from codex_jupyter.notebook.render.highlight import code_html

        cost.languages.add(language)
        cost.spend(_LEXER_PRICE)
        # The rest of the budget is for colours. When it is used up, the rest of the code has no colours.
        html, used = code_html(code, language, int(cost.steps / _TOKEN_PRICE))
        cost.spend(int(used * _TOKEN_PRICE))
    else:
        html = escape(code)
    return f"{preformatted(html, f'{colors.PRE};white-space:pre')}\n"


def _image(_: object, tokens: list["Token"], index: int, *__: object) -> str:
    token = tokens[index]
    source, name = str(token.attrs.get("src", "")), escape(token.content or "image")
    if is_raster_image(source):
        return f'<img src="{source}" alt="{name}" style="max-width:100%">'
    address = f" <code>{escape(source)}</code>" if is_link(source) else ""
    return f"<span>[image: {name}]{address}</span>"
