"""Render a question of the agent as a card, and the decision about it as one line. Texts of the agent are shown in exact form."""

from typing import Any, Final

from codex_jupyter.notebook.render import colors, phrases
from codex_jupyter.notebook.render.approval import always, facts, meaning, title
from codex_jupyter.notebook.render.html_parts import block, fold
from codex_jupyter.notebook.render.sanitizer import IGNORED_BY_MATH, escape, sanitize
from codex_jupyter.sdk.models.approvals import ApprovalChoice, ApprovalRequest

MAX_LINES: Final = 40
"""Lines of one part of a request that are not folded."""


def card_html(request: ApprovalRequest, answers: dict[ApprovalChoice, str]) -> str:
    """Return a request as sanitized HTML. No part of the agent's text is left out.

    Args:
        request: The request.
        answers: What to type for each choice.
    """
    parts = [f'<div style="font-weight:600">{escape(title(request))}</div>']
    label = "font-size:.85em;opacity:.8;margin:6px 0 0"
    parts += [f'<div style="{label}">{escape(fact.name)}</div>{_exact(fact.text)}' for fact in (*facts(request), *always(request))]
    if not request.questions:
        choices = "".join(
            f'<li style="margin:1px 0"><code style="{colors.CODE}">{answers[choice]}</code> {escape(meaning(choice, request))}</li>'
            for choice in request.choices
        )
        parts.append(f'<ul style="list-style:none;margin:8px 0 2px;padding:0;font-size:.9em">{choices}</ul>')
    edge = f"border:1px solid {colors.LINE};border-left:3px solid {colors.accent(colors.TONES['warn'], 0.75)}"
    css = f"{edge};border-radius:4px;margin:8px 0;padding:8px 12px"
    return sanitize(f'<div class="{IGNORED_BY_MATH}" style="{css}">{"".join(parts)}</div>')


def _exact(text: str) -> str:
    """Return a text in exact form as a block. The middle of a long one is folded, in its place."""
    lines = text.split("\n")
    if len(lines) <= MAX_LINES + 4:
        return block(escape(text), exact=True)
    half = MAX_LINES // 2
    head, middle, tail = ("\n".join(part) for part in (lines[:half], lines[half:-half], lines[-half:]))
    more = fold(f"⋯ {phrases.count(len(lines) - 2 * half, 'more line')}", block(escape(middle), exact=True))
    return block(escape(head), exact=True) + more + block(escape(tail), exact=True)


def decision_bundle(words: str) -> dict[str, Any]:
    """Return the bundle of the line about a decision, which follows the item that it is about."""
    css = "margin:0 0 6px;padding:0 0 0 14px;font-size:.85em;opacity:.8"
    return {
        "text/html": sanitize(f'<div class="{IGNORED_BY_MATH}" style="{css}">↳ {escape(words)}</div>'),
        "text/plain": f"    ↳ {phrases.exact(words)}",
    }
