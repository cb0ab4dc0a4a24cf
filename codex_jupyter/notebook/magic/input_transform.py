"""Let a prompt be a prompt: IPython would take a `?` at its end for a question about an object, and refuses a cell magic without a body."""

import re
from typing import Final

_LINE: Final = re.compile(r"^(?P<before>\s*(?:[\w.,\s\[\]'\"]+=\s*)?)%codex[ \t]+(?P<rest>\S.*\?)[ \t]*(?P<end>\n?)$")
_HEAD: Final = re.compile(r"^%%codex(?:[ \t]+(?P<rest>\S.*?))?[ \t]*\n?$")


def keep_prompts(lines: list[str]) -> list[str]:
    """Rewrite the lines of a cell that IPython would misread; an input transformer for `input_transformers_cleanup`.

    Args:
        lines: The lines of a cell, with their newlines.

    Returns:
        The lines; `%codex ... ?` and a `%%codex ...` without a body as the calls that they stand for, everything else as it was.
    """
    if not lines:
        return lines
    if lines[0].startswith("%%"):
        head = _HEAD.match(lines[0])
        if head is None or (head["rest"] or "").startswith("?") or "".join(lines[1:]).strip():
            return lines
        return [_call(head["rest"] or "") + "\n"]
    return [_LINE.sub(lambda found: f"{found['before']}{_call(found['rest'])}{found['end']}", line) for line in lines]


# IPython then leaves it out when a terminal asks whether a cell is complete: rewritten, a `%%codex` whose prompt is still to come would be.
keep_prompts.has_side_effects = True  # type: ignore[attr-defined]


def _call(rest: str) -> str:
    return f"get_ipython().run_line_magic('codex', {rest!r})"
