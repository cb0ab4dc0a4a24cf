"""Make untrusted text exact. Others may have written the content of a notebook, and it must not look like the user's words."""

import re
from typing import Final

from codex_jupyter._visible_text import mark_invisible
from codex_jupyter.sdk.models.envelope import without_lookalikes

_ESCAPE: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


def neutralize(text: str) -> str:
    """Return a text without escape sequences that looks the same to the agent and to the user.

    Invisible characters become escapes, as in Python's `repr`. A lookalike of the envelope around the context is changed.
    """
    text = mark_invisible(_ESCAPE.sub("", text.replace("\r\n", "\n")))
    return without_lookalikes(text)
