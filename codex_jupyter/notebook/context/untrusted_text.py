"""Text that shows what it says. What a notebook shows was often written by others; it must not pass for the user's words."""

import re
from typing import Final

from codex_jupyter._visible_text import mark_invisible
from codex_jupyter.sdk.models.envelope import without_lookalikes

_ESCAPE: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


def neutralize(text: str) -> str:
    """Return a text without escape sequences, in which the agent and the user see the same.

    Invisible characters become escapes, as Python's `repr` writes them. A lookalike of the marks around the context loses its form.
    """
    text = mark_invisible(_ESCAPE.sub("", text.replace("\r\n", "\n")))
    return without_lookalikes(text)
