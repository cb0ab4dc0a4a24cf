"""Build parts of HTML cards. The result must be sanitized."""

import re
from dataclasses import dataclass
from typing import Any, Final

from codex_jupyter.notebook.render import colors, phrases
from codex_jupyter.notebook.render.sanitizer import IGNORED_BY_MATH, escape, preformatted

MAX_UNBROKEN: Final = 30
"""Maximum characters of code in a sentence that stay on one line, as they do on a page of 340 pixels."""
_CODE_SPAN = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """An item as HTML parts, for its two forms.

    Attributes:
        title: The title of the card.
        name: The title in one line. Empty uses `title`.
        body: Everything else but `images`.
        images: The images, which are always visible.
        state: The state of the item. None if it has none.
        elapsed: Seconds that the item took, or takes so far. None if unknown.
        tone: The tone of the card.
        math: The card may contain TeX.
        line: The item in one line, if it differs from `name` with the folded `body`.
    """

    title: str = ""
    name: str = ""
    body: str = ""
    images: str = ""
    state: phrases.State | None = None
    elapsed: float | None = None
    tone: colors.Tone = "quiet"
    math: bool = False
    line: str = ""

    @property
    def full(self) -> str:
        """The card with everything in it."""
        head = row(self.title, self.state, self.elapsed) if self.state is not None else self.title
        return frame(head + self.body + self.images, self.tone, math=self.math)

    @property
    def label(self) -> str:
        """The item in one line, with its state unless that is good."""
        state = f"{badge(self.state)} · " if self.state is not None and self.tone != "quiet" else ""
        return f"{state}{self.name or self.title}"

    @property
    def folded(self) -> str:
        """One line, which opens to the rest of the card."""
        line = self.line or (fold(self.label, self.body) if self.body else plain_line(self.label))
        kept = "" if self.math else f' class="{IGNORED_BY_MATH}"'
        return f'<div{kept} style="margin:2px 0">{line}{self.images}</div>'


def badge(state: phrases.State) -> str:
    """Return a state as its coloured symbol and its word."""
    return f'<span style="{colors.text(colors.TONES[state.tone])}">{state.symbol}</span> {escape(state.word)}'


def fold(summary: str, body: str, *, opened: bool = False) -> str:
    """Return a section that folds and that the keyboard can open. Both arguments are HTML."""
    head = f'<summary style="{colors.FOCUS};font-size:.9em"><span style="opacity:.9">{summary}</span></summary>'
    return f"<details{' open' if opened else ''}>{head}{body}</details>"


def plain_line(html: str) -> str:
    """Return a line that does not open, below and above lines that do."""
    return f'<div style="font-size:.9em;padding:0 0 0 13px">{html}</div>'


def block(html: str, *, wrap: bool = True, exact: bool = False) -> str:
    """Return a tinted block of fixed-width text.

    Args:
        html: The escaped text.
        wrap: Wrap long lines. Otherwise they scroll.
        exact: Show the characters in their stored order, also those of right-to-left scripts.
    """
    order = colors.in_order(html) if exact else ""
    return preformatted(html, f"{order}{colors.PRE};{colors.WRAP if wrap else 'white-space:pre'}")


def frame(body: str, tone: colors.Tone, *, math: bool = False) -> str:
    """Return the card around an item: a thin line in the colour of the tone."""
    kept = "" if math else f' class="{IGNORED_BY_MATH}"'
    edge = colors.accent(colors.TONES[tone], 0.35 if tone in ("quiet", "good") else 0.75)
    return f'<div{kept} style="margin:6px 0;padding:2px 0 2px 12px;border-left:2px solid {edge}">{body}</div>'


def row(left: str, state: phrases.State, elapsed: float | None) -> str:
    """Return a title line with the state at its right. Blocks in the title, such as an open diff, use the whole width below the state."""
    time = "" if elapsed is None else f" · {phrases.duration(elapsed)}"
    right = f'<div style="float:right;margin:0 0 0 14px;white-space:nowrap;font-size:.9em;opacity:.9">{badge(state)}{time}</div>'
    return f"<div>{right}{left}</div>"


def call(function: str, arguments: Any) -> tuple[str, str]:
    """Return the HTML of a call, and of its arguments if they are too long to be part of the call.

    Args:
        function: The name of the function, in exact form.
        arguments: The untrusted arguments.
    """
    inline = phrases.inline_arguments(arguments)
    text = function if inline is None else f"{function}({inline})"
    name = f'<code style="{colors.in_order(text)}{colors.CODE}">{escape(text)}</code>'
    if inline is not None:
        return name, ""
    lines = phrases.exact_excerpt(phrases.pretty(arguments)).lines
    return name, fold("arguments", block(escape("\n".join(lines)), exact=True))


def inline_code(text: str) -> str:
    """Return the HTML of a short text in which only `code` is markup."""
    return code_spans(escape(phrases.short(text)))


def code_spans(html: str) -> str:
    """Return escaped text with `code` as markup. Short code, such as an option, is not broken at its hyphens."""

    def code(span: re.Match[str]) -> str:
        css = f"{colors.CODE};white-space:nowrap" if len(span[1]) <= MAX_UNBROKEN else colors.CODE
        return f'<code style="{css}">{span[1]}</code>'

    return _CODE_SPAN.sub(code, html)


def tone_of(state: phrases.State) -> colors.Tone:
    """Return the tone of the card of a state. A good state is quiet."""
    return "quiet" if state.tone == "good" else state.tone


def excerpt_block(text: str) -> str:
    """Return a block of a text that may be long."""
    return block(escape("\n".join(phrases.excerpt(text).lines)))
