"""Keep IPython from misreading prompts: a `?` at the end would inspect an object, and a cell magic without a body is an error."""

import re
from typing import Final

_LINE: Final = r"^(?P<before>\s*(?:[\w.,\s\[\]'\"]+=\s*)?)%codex[ \t]+(?P<rest>\S.*\?)[ \t]*(?P<end>\n?)$"
_HEAD: Final = r"^%%codex(?:[ \t]+(?P<rest>\S.*?))?[ \t]*\n?$"


def keep_prompts(lines: list[str]) -> list[str]:
    """Rewrite the lines of a cell that IPython would misread. An input transformer for `input_transformers_cleanup`.

    Args:
        lines: The lines of a cell, with their newlines.

    Returns:
        The lines. `%codex ... ?` and a `%%codex ...` without a body are replaced by function calls; other lines are unchanged.
    """
    if not lines:
        return lines
    if lines[0].startswith("%%"):
        head = re.match(_HEAD, lines[0])
        if head is None or (head["rest"] or "").startswith("?") or "".join(lines[1:]).strip():
            return lines
        return [_call(head["rest"] or "") + "\n"]
    return [re.sub(_LINE, _rewritten, line) if "%codex" in line else line for line in lines]


# IPython then skips it when a terminal asks if a cell is complete. Otherwise a `%%codex` without its prompt would count as complete.
keep_prompts.has_side_effects = True  # type: ignore[attr-defined]


def _rewritten(match: re.Match[str]) -> str:
    return f"{match['before']}{_call(match['rest'])}{match['end']}"


def _call(rest: str) -> str:
    return f"get_ipython().run_line_magic('codex', {rest!r})"
