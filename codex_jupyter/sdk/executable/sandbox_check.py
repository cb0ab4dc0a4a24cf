"""Check that this machine can run commands in Codex's sandbox. Many containers cannot."""

import subprocess
import sys
from collections.abc import Mapping
from typing import Final

from codex_jupyter.sdk.executable.locate import CodexCli

SANDBOX_TIMEOUT: Final = 10.0
"""Seconds for a command that does nothing; it takes about 0.05 s."""


def sandbox_problem(cli: CodexCli, env: Mapping[str, str]) -> str | None:
    """Try the sandbox with a command that does nothing.

    Args:
        cli: The codex executable.
        env: The environment to run it with.

    Returns:
        The message of the sandbox if it cannot run a command here. None if it can, and on Windows, where there is no such check.
    """
    if sys.platform == "win32":
        return None
    try:
        tried = subprocess.run(  # noqa: S603 - the located executable
            [cli.path, "sandbox", "--", "true"],
            env=dict(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SANDBOX_TIMEOUT,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = tried.stderr.decode(errors="replace").strip().splitlines()
    return None if tried.returncode == 0 else (said[-1] if said else f"exit code {tried.returncode}")
