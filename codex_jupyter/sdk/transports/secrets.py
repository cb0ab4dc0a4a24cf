"""What no error message, and no event that tells of one, may repeat."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from codex_jupyter.sdk.cli.config import config_overrides
from codex_jupyter.sdk.events import ThreadErrorEvent, ThreadEvent, TurnFailedEvent
from codex_jupyter.sdk.options import CodexOptions

API_KEY_VARIABLE: Final = "CODEX_API_KEY"
MIN_SECRET: Final = 6
"""A shorter text is no secret; masking it would garble the messages."""
_SECRET_CONFIG: Final = re.compile(r"""(?i)(?:(?<!env_)key|token|secret|password|authorization)["']?\s*=\s*["']([^"']+)["']""")


def secrets(options: CodexOptions, env: Mapping[str, str], overrides: Sequence[str] = ()) -> list[str]:
    """The API key, and what the config, or an override of a turn, names like a secret; the longest first."""
    config = (*config_overrides(options.config), *options.config_overrides, *overrides)
    return _longest_first([env.get(API_KEY_VARIABLE, ""), *_SECRET_CONFIG.findall("\n".join(config))])


def more_secrets(known: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """Known secrets, and what overrides of the config name like one; the longest first."""
    return _longest_first([*known, *_SECRET_CONFIG.findall("\n".join(overrides))])


def _longest_first(texts: Sequence[str]) -> list[str]:
    return sorted({text for text in texts if len(text) >= MIN_SECRET}, key=len, reverse=True)


def masked(text: str, secrets: Sequence[str]) -> str:
    """A text without the secrets that it may repeat."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def masked_event(event: ThreadEvent, secrets: Sequence[str]) -> ThreadEvent:
    """An event whose error message repeats no secret; any other event as it is."""
    if isinstance(event, ThreadErrorEvent):
        return event.model_copy(update={"message": masked(event.message, secrets)})
    if isinstance(event, TurnFailedEvent):
        return event.model_copy(update={"error": event.error.model_copy(update={"message": masked(event.error.message, secrets)})})
    return event
