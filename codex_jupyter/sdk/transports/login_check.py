"""Detect that a turn would fail because no one is logged in. Without a network, the CLI would retry for minutes before it reports that."""

from collections.abc import Mapping
from typing import Any, Final

from codex_jupyter.sdk.errors import AuthenticationError
from codex_jupyter.sdk.executable.environment import API_KEY_VARIABLE
from codex_jupyter.sdk.executable.login_status import LOGIN_REMEDY
from codex_jupyter.sdk.models.options import ThreadOptions

_CREDENTIALS: Final = (API_KEY_VARIABLE, "CODEX_ACCESS_TOKEN")
"""Environment variables that stand for a login."""


def needs_login(config: Mapping[str, Any], options: ThreadOptions, env: Mapping[str, str]) -> bool:
    """Return True if a turn needs a stored login; False if that is not certain.

    Args:
        config: The configuration, with all overrides.
        options: The options of the thread.
        env: The environment of the CLI.
    """
    if any(env.get(name) for name in _CREDENTIALS) or options.profile or options.oss or options.local_provider:
        return False
    if config.get("openai_base_url"):
        return False  # a gateway may not need a login
    providers, name = config.get("model_providers"), options.model_provider or config.get("model_provider") or "openai"
    provider = providers.get(name) if isinstance(providers, Mapping) else None
    return name == "openai" or (isinstance(provider, Mapping) and provider.get("requires_openai_auth") is True)


def not_logged_in() -> AuthenticationError:
    """Return the error for a turn that was not started because no one is logged in."""
    return AuthenticationError(f"No one is logged in, so nothing was sent. {LOGIN_REMEDY}")
