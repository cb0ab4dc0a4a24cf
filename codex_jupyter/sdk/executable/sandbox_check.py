"""Check that this machine can run commands in Codex's sandbox. Many containers cannot."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from codex_jupyter.sdk.executable.locate import CodexCli
from codex_jupyter.sdk.executable.workspace import METADATA

_FRAMES: Final = ("note:", "stack backtrace:", "thread ", "   ")
"""Starts of lines around the message of a panic or an error, in small letters."""
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
            cwd=os.sep,  # the answer is about the machine, and the current folder may be deleted
            env=dict(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SANDBOX_TIMEOUT,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return str(error)
    if tried.returncode == 0:
        return None
    said = [line for line in tried.stderr.decode(errors="replace").splitlines() if line.strip() and not line.lower().startswith(_FRAMES)]
    return said[-1] if said else f"exit code {tried.returncode}"


def folder_problem(folder: Path, env: Mapping[str, str], sandbox_mode: str | None) -> str | None:
    """Return why the sandbox cannot start in a folder. Codex then completes the turn, and commands fail or are not shown.

    Nothing is run. On Linux, the sandbox keeps a list in the temporary folder, and mounts over folders in the working folder.

    Args:
        folder: The working folder of the turn.
        env: The environment of the CLI.
        sandbox_mode: The sandbox mode. None is that of the configuration, for which only the temporary folder is checked.

    Returns:
        One sentence with the remedy, or None if no problem is found.
    """
    if sys.platform != "linux" or sandbox_mode == "danger-full-access":
        return None
    temporary = env.get("TMPDIR") or "/tmp"  # noqa: S108 - the CLI uses this folder
    if not os.path.isdir(temporary):
        return f"Commands cannot run in the sandbox, because the temporary folder {temporary} does not exist. Create it, or change TMPDIR."
    if not os.access(temporary, os.W_OK | os.X_OK):
        return f"Commands cannot run in the sandbox, because the temporary folder {temporary} is not writable. Change TMPDIR."
    is_complete = all(os.path.lexists(folder / name) for name in METADATA)
    if sandbox_mode == "workspace-write" and folder.is_dir() and not is_complete and not os.access(folder, os.W_OK):
        return (
            f"Commands cannot run in workspace-write, because {folder} is not writable. Use another folder (-C), or the sandbox read-only."
        )
    return None
