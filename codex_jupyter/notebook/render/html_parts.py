"""Build parts of HTML cards. The result must be sanitized."""

import re

from codex_jupyter.notebook.render import colors, phrases
from codex_jupyter.notebook.render.sanitizer import IGNORED_BY_MATH, escape, preformatted

_CODE_SPAN = re.compile(r"`([^`\n]+)`")


def badge(state: phrases.State) -> str:
    """Return a state as its coloured symbol and its word."""
    return f'<span style="color:{colors.TONES[state.tone]}">{state.symbol}</span> {escape(state.word)}'


def fold(summary: str, body: str, *, opened: bool = False) -> str:
    """Return a section that folds and that the keyboard can open. Both arguments are HTML."""
    head = f'<summary style="{colors.FOCUS};opacity:.8;font-size:.9em">{summary}</summary>'
    return f"<details{' open' if opened else ''}>{head}{body}</details>"


def block(html: str, *, wrap: bool = True, exact: bool = False) -> str:
    """Return a tinted block of fixed-width text.

    Args:
        html: The escaped text.
        wrap: Wrap long lines. Otherwise they scroll.
        exact: Show the characters in their stored order, also those of right-to-left scripts.
    """
    order = colors.in_order(html) if exact else ""
    return preformatted(html, f"{order}{colors.PRE};white-space:{'pre-wrap' if wrap else 'pre'}")


def frame(body: str, tone: colors.Tone, *, math: bool = False) -> str:
    """Return the card around an item: a thin line in the colour of the tone."""
    kept = "" if math else f' class="{IGNORED_BY_MATH}"'
    edge = colors.accent(colors.TONES[tone], 0.35 if tone in ("quiet", "good") else 0.75)
    return f'<section{kept} style="margin:6px 0;padding:2px 0 2px 12px;border-left:3px solid {edge}">{body}</section>'


def row(left: str, state: phrases.State, elapsed: float | None) -> str:
    """Return a title line with the state at its right."""
    time = "" if elapsed is None else f" · {phrases.duration(elapsed)}"
    right = f'<div style="white-space:nowrap;font-size:.9em;opacity:.9">{badge(state)}{time}</div>'
    return f'<div style="display:flex;gap:14px;align-items:baseline"><div style="flex:1;min-width:0">{left}</div>{right}</div>'


def inline_code(text: str) -> str:
    """Return the HTML of a short text in which only `code` is markup."""
    return _CODE_SPAN.sub(rf'<code style="{colors.CODE}">\1</code>', escape(phrases.short(text)))


def tone_of(state: phrases.State) -> colors.Tone:
    """Return the tone of the card of a state. A good state is quiet."""
    return "quiet" if state.tone == "good" else state.tone


def excerpt_block(text: str) -> str:
    """Return a block of a text that may be long."""
    return block(escape("\n".join(phrases.excerpt(text).lines)))
