"""Plain text in place of what cannot be rendered or displayed: an error there must not lose what the agent did.

Nothing here calls the renderers, or what they use.
"""

import html
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

LIMIT: Final = 20_000
"""Characters of a text that is shown in place of a rendered one."""


def note(error: BaseException) -> str:
    """Return the line that says why something is shown as plain text."""
    return f"This cannot be displayed as usual ({type(error).__name__}), so it is plain text."


def bundle(error: BaseException, *texts: Callable[[], str]) -> dict[str, Any]:
    """Return a bundle of a text and the line about it.

    Args:
        error: Why there is no better one.
        texts: Make the text, the best first. If all of them raise, the line stands alone.
    """
    line, shown = note(error), ""
    for text in texts:
        with suppress(Exception):
            shown = _safe(text())
            break
    pre = f'<pre style="white-space:pre-wrap">{html.escape(shown)}</pre>' if shown else ""
    return {"text/html": f"<div>{html.escape(line)}</div>{pre}", "text/plain": "\n".join(filter(None, [line, shown]))}


def _safe(text: str) -> str:
    """The text without characters that could drive a terminal, or that no encoding has."""
    shown = text if len(text) <= LIMIT else f"{text[:LIMIT]}\n… {len(text) - LIMIT:,} more characters"
    return "".join(one if one == "\n" or one.isprintable() else ascii(one)[1:-1] for one in shown)
