"""Mark the hooks of a client as trusted, without a change of the user's files.

Codex skips a hook that it does not know to be trusted. It accepts the trust as a setting, by the hash of the hook's definition, which only
a running server reports. The definition is the same for each call, so it is asked once in a process.
"""

import os
import threading
from typing import Any, Final

import anyio

from codex_jupyter.sdk.errors import ConfigError, TransportError
from codex_jupyter.sdk.executable.config_flags import override_of
from codex_jupyter.sdk.executable.environment import client_settings
from codex_jupyter.sdk.executable.locate import CodexCli
from codex_jupyter.sdk.hooks.server import hook_flags
from codex_jupyter.sdk.models.options import CodexOptions
from codex_jupyter.sdk.transports.app_server.startup import start_server

_lock: Final = threading.Lock()
_trusted: Final[dict[tuple[str, ...], str]] = {}
"""The settings that state the trust, by executable, version and definitions."""


def trusted_hook_flags(cli: CodexCli, options: CodexOptions) -> list[str]:
    """Return the settings for the hooks of a client, as `key=value` texts. Blocks; the first call starts a server for about 0.5 s.

    Args:
        cli: The executable.
        options: The client's options.

    Raises:
        ConfigError: If the settings of the client define hooks, too.
        UnsupportedOperationError: If the system or the CLI has no hooks.
        TransportError: If the CLI does not start, or does not know the hooks.
    """
    definitions = hook_flags(options.hooks)
    if not definitions:
        return []
    settings = client_settings(options, os.environ if options.env is None else options.env)
    if any(setting.partition("=")[0].strip().partition(".")[0] == "hooks" for setting in settings):
        raise ConfigError("hooks cannot be combined with hooks in config or config_overrides. Use one of them.")
    key = (str(cli.path), cli.version, *definitions)
    with _lock:
        if key not in _trusted:
            _trusted[key] = _trust(cli, options, definitions)
        return [*definitions, _trusted[key]]


def _trust(cli: CodexCli, options: CodexOptions, definitions: list[str]) -> str:
    """Ask a server for the hashes of the definitions."""
    changed: dict[str, Any] = {"hooks": {}, "config_overrides": (*options.config_overrides, *definitions), "log_wire": None}
    server = start_server(cli, CodexOptions.of(options, changed)).server
    try:
        answer: dict[str, Any] = anyio.run(server.request, "hooks/list", {"cwds": [os.path.abspath(os.sep)]})
    finally:
        server.close()
    hooks = [hook for entry in answer.get("data") or () for hook in entry.get("hooks") or ()]
    hashes = {str(hook["key"]): {"trusted_hash": hook["currentHash"]} for hook in hooks if hook.get("source") == "sessionFlags"}
    if len(hashes) < len(options.hooks):
        raise TransportError(f"codex {cli.version} does not know the hooks {', '.join(options.hooks)}. Leave out those that it lacks.")
    return override_of(("hooks", "state"), hashes)
