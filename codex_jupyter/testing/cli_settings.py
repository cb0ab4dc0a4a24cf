"""Settings that connect the CLI to a scripted model and to nothing else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from platformdirs import user_state_path

TOKEN_VARIABLE: Final = "CODEX_JUPYTER_DEMO_TOKEN"  # noqa: S105 - its name
"""Environment variable with the endpoint's token. Arguments are not used, because all users of the machine can read them."""

# Variables that would log the CLI in, or move its data out of its home.
_DROPPED = ("CODEX_API_KEY", "OPENAI_API_KEY", "CODEX_ACCESS_TOKEN", "CODEX_SQLITE_HOME")


def config(base_url: str, *, model: str | None, max_retries: int) -> dict[str, Any]:
    """Return the config that makes the CLI use the scripted model and no other server.

    Args:
        base_url: The server's address, with `/v1`.
        model: The model to request. None uses the CLI's default.
        max_retries: Number of retries after a refused request or a broken stream.
    """
    provider = {
        "name": "Demo (scripted, no model)",
        "base_url": base_url,
        "wire_api": "responses",
        "env_key": TOKEN_VARIABLE,
        "requires_openai_auth": False,
        "supports_websockets": False,
        # For refused requests the two numbers multiply. With one of them at 0, the number of retries is as requested.
        "request_max_retries": 0,
        "stream_max_retries": max_retries,
    }
    return {
        "model_provider": "demo",
        "model_providers": {"demo": provider},
        "analytics": {"enabled": False},
        "check_for_update_on_startup": False,
        # The agent's commands must not get the token.
        "shell_environment_policy": {"set": {TOKEN_VARIABLE: ""}},
        # Plugins would be searched on the network, and unbounded retries would wait forever for a closed server.
        "features": {"plugins": False, "unbounded_connection_retries": False},
        "tools": {"update_plan": {"enabled": True}},
    } | ({} if model is None else {"model": model})


def environment(base: Mapping[str, str], codex_home: Path, token: str) -> dict[str, str]:
    """Return the environment of the CLI: a separate home, only the endpoint's credentials, and no proxy for loopback.

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
    """Return the private folder that scripted models share by default.

    It is in the user's state folder, because the CLI disables some of its tools in a temporary folder.
    """
    return user_state_path("codex-jupyter", appauthor=False) / "demo"
