"""How the CLI is pointed at a scripted model, and kept from everything else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from platformdirs import user_state_path

TOKEN_VARIABLE: Final = "CODEX_JUPYTER_DEMO_TOKEN"  # noqa: S105 - its name
"""The environment variable that brings the endpoint's token to the CLI: everyone on the machine can read arguments."""

# What would log the CLI in, or lead it out of its own home.
_DROPPED = ("CODEX_API_KEY", "OPENAI_API_KEY", "CODEX_ACCESS_TOKEN", "CODEX_SQLITE_HOME")


def config(base_url: str, *, model: str | None, max_retries: int) -> dict[str, Any]:
    """Return the config that makes the CLI ask the scripted model, and nobody else on the network.

    Args:
        base_url: The server's address, with `/v1`.
        model: The model to ask for; None leaves it to the CLI.
        max_retries: How often a refused request or a broken stream is tried again.
    """
    provider = {
        "name": "Demo (scripted, no model)",
        "base_url": base_url,
        "wire_api": "responses",
        "env_key": TOKEN_VARIABLE,
        "requires_openai_auth": False,
        "supports_websockets": False,
        # The two multiply for refused requests; with one of them off, the number of tries is what was asked for.
        "request_max_retries": 0,
        "stream_max_retries": max_retries,
    }
    return {
        "model_provider": "demo",
        "model_providers": {"demo": provider},
        "analytics": {"enabled": False},
        "check_for_update_on_startup": False,
        # The agent's commands have no use for the token.
        "shell_environment_policy": {"set": {TOKEN_VARIABLE: ""}},
        # Plugins are looked up on the network; unbounded retries would wait for ever for a server that was closed.
        "features": {"plugins": False, "unbounded_connection_retries": False},
        "tools": {"update_plan": {"enabled": True}},
    } | ({} if model is None else {"model": model})


def environment(base: Mapping[str, str], codex_home: Path, token: str) -> dict[str, str]:
    """Return the environment for the CLI: its own home, no credentials but the endpoint's, no proxy before loopback.

    Args:
        base: The variables to start from.
        codex_home: An existing folder.
        token: The endpoint's token.
    """
    env = {name: value for name, value in base.items() if name not in _DROPPED}
    env |= {"CODEX_HOME": str(codex_home), TOKEN_VARIABLE: token}
    for name in ("NO_PROXY", "no_proxy"):
        env[name] = ",".join(filter(None, [env.get(name), "127.0.0.1", "localhost"]))
    return env


def default_codex_home() -> Path:
    """Return the private folder that scripted models share.

    It lies under the user's state folder, not the temporary one, where the CLI would do without part of its tools.
    """
    return user_state_path("codex-jupyter", appauthor=False) / "demo"
