"""Messages that the codex CLI writes in the role of the user."""

import re
from typing import Final

# The tags are listed, because a prompt of the user may start with another tag.
_SYNTHETIC: Final = re.compile(
    r"\s*(<(environment_context|user_instructions|user_action|turn_aborted|skill|user_shell_command|subagent_notification|external_\w+)>"
    r"|# AGENTS\.md instructions)"
)


def is_synthetic(text: str) -> bool:
    """Return True if the CLI, not the user, wrote a message in the user's role."""
    return _SYNTHETIC.match(text) is not None
