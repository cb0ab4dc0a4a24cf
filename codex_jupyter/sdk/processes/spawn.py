"""Start a codex process in an exclusive session, with a mark in its environment, and report it to the guardian."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from secrets import token_hex
from typing import Any, Final

from codex_jupyter._system_errors import explained
from codex_jupyter.sdk.errors import TransportError
from codex_jupyter.sdk.processes.guardian import guardian
from codex_jupyter.sdk.processes.process_tree import MARKER

OWN_SESSION: Final[dict[str, Any]] = (
    {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)} if sys.platform == "win32" else {"start_new_session": True}
)
"""A process group is enough against interrupts. The session also keeps the process from the terminal."""


def spawn(argv: Sequence[str], env: Mapping[str, str], *, stdin: int, stdout: int, stderr: int) -> tuple[subprocess.Popen[bytes], str]:
    """Start a process.

    Args:
        argv: Executable and arguments.
        env: The whole environment, to which `MARKER` is added.
        stdin: The standard input.
        stdout: The standard output.
        stderr: The standard error.

    Returns:
        The process, and the mark of it and of everything that it starts.

    Raises:
        OSError: If the system does not start it.
        ValueError: If an argument contains a NUL character.
    """
    guardian.ensure()
    marker = token_hex(16)
    # A turn within a turn has the marks of both, so that it ends with the outer one.
    marks = f"{env.get(MARKER, '')} {guardian.mark} {marker}".strip()
    popen = subprocess.Popen(  # noqa: S603 - the executable was located, the arguments are not shell text
        argv, stdin=stdin, stdout=stdout, stderr=stderr, env={**env, MARKER: marks}, **OWN_SESSION
    )
    guardian.started(popen.pid)
    return popen, marker


def system_error(what: str, error: OSError | ValueError | RuntimeError) -> TransportError:
    """Return the error for a refusal of the system, with what to do about it.

    Args:
        what: What could not be done, as the start of a sentence.
        error: The refusal.
    """
    return TransportError(f"{what}: {explained(error)}.")
