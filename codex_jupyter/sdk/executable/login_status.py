"""Read the output of `codex login status`."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from codex_jupyter.sdk.executable.locate import CodexCli

LOGIN_REMEDY: Final = (
    "Log in with `%codex login` in a notebook, with `codex.login_chatgpt_device_code()` or `codex.login_api_key(...)` in Python, "
    "or set CODEX_API_KEY to a valid key."
)
"""Remedy when no one is logged in. The wheel of the CLI does not put `codex` on the PATH."""
LOGIN_TIMEOUT: Final = 10.0
"""Seconds for `codex login status`, which reads a file."""
_KEY: Final = re.compile(r"\b[A-Za-z]{2}-\S+|\S*\*{3}\S*")


class LoginStatus(NamedTuple):
    """Result of `codex login status`."""

    logged_in: bool | None
    """None if the CLI did not report it."""
    text: str
    """Last line of the output. The parts of a key that the CLI shows are masked."""


def login_status(cli: CodexCli, env: Mapping[str, str], flags: Sequence[str] = ()) -> LoginStatus:
    """Ask the CLI who is logged in. Takes about 0.1 s.

    Args:
        cli: The executable.
        env: Its environment.
        flags: Settings as `key=value` texts.
    """
    settings = [part for flag in flags for part in ("--config", flag)]
    try:
        done = subprocess.run(  # noqa: S603 - the located executable
            [cli.path, "login", *settings, "status"],
            env=dict(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LOGIN_TIMEOUT,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return LoginStatus(None, "")
    said = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()
    last = _KEY.sub("***", said[-1]) if said else ""
    return LoginStatus(True if done.returncode == 0 else False if last == "Not logged in" else None, last)
