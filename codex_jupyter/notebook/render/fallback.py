"""Show plain text where rendering fails, so that an error does not lose the agent's work.

This module does not use the renderers.
"""

import html
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

LIMIT: Final = 20_000
"""Maximum characters of the plain text."""


def note(error: BaseException) -> str:
    """Return the line that explains the plain text."""
    return f"This cannot be displayed as usual ({type(error).__name__}), so it is plain text."


def render_or_text(render: Callable[[], dict[str, Any]], *texts: Callable[[], str]) -> dict[str, Any]:
    """Return the result of `render`. If it fails, return the first of the texts that can be made, as `bundle` does."""
    try:
        return render()
    except Exception as error:
        return bundle(error, *texts)


def bundle(error: BaseException, *texts: Callable[[], str]) -> dict[str, Any]:
    """Return a bundle of a text and a note about the error.

    Args:
        error: The error of the renderer.
        texts: Functions that return the text, the best first. If all of them fail, the bundle contains only the note.
    """
    line, shown = note(error), ""
    for text in texts:
        with suppress(Exception):
            shown = _safe(text())
            break
    pre = f'<pre style="white-space:pre-wrap">{html.escape(shown)}</pre>' if shown else ""
    return {"text/html": f"<div>{html.escape(line)}</div>{pre}", "text/plain": "\n".join(filter(None, [line, shown]))}


def _safe(text: str) -> str:
    """Return a text without characters that could control a terminal or that cannot be encoded."""
    shown = text if len(text) <= LIMIT else f"{text[:LIMIT]}\n… {len(text) - LIMIT:,} more characters"
    return "".join(char if char == "\n" or char.isprintable() else ascii(char)[1:-1] for char in shown)
