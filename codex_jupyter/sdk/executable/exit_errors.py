"""Explain the exit of a codex process by its exit code and its error output."""

import re
from typing import Final

from codex_jupyter.sdk.errors import (
    CodexError,
    ConfigError,
    NotTrustedDirectoryError,
    ProcessExitError,
    ThreadBusyError,
    ThreadNotFoundError,
)

ARCHIVED: Final = "The thread is archived. Call Codex.unarchive_thread to continue it."
OTHER_PROVIDER: Final = "The thread was started with another provider. Pass its model_provider, or start a new thread."
_KNOWN_EXITS: Final[tuple[tuple[str, type[CodexError], str], ...]] = (
    (
        "Not inside a trusted directory",
        NotTrustedDirectoryError,
        "The working directory is not in a git repository. Set skip_git_repo_check=True to work there nevertheless.",
    ),
    ("no rollout found", ThreadNotFoundError, "There is no such thread in this CODEX_HOME. Start a new one."),
    ("is archived", ThreadNotFoundError, ARCHIVED),
    ("Cannot change this thread's model provider", ConfigError, OTHER_PROVIDER),
    ("already has an active writer", ThreadBusyError, "Another process runs a turn of this thread. Wait for it, or fork the thread."),
    ("Error loading config", ProcessExitError, "Correct config.toml or the config that was given."),
)
_STDERR_NOISE: Final = re.compile(
    r"^(Reading (prompt|additional input) from stdin.*|warning: Untrusted project-local config.*"
    r"|WARNING: proceeding, even though we could not .*"
    r"|.*Codex could not find bubblewrap on PATH.*|Stack backtrace:|\s*\d+: <unknown>|\s*)$"
)
_ANSI: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-Z\\-_]")
"""Colours and other terminal controls, which the app-server writes even if its error output is not a terminal."""


def clean_stderr(text: str) -> str:
    """Return error output without terminal controls, and without the lines that every run prints."""
    return "\n".join(line for line in _ANSI.sub("", text).splitlines() if not _STDERR_NOISE.match(line)).strip()


def exit_error(returncode: int | None, stderr: str) -> CodexError:
    """Return the error for a process that exited before its turn was complete.

    Args:
        returncode: The exit code of the process, or minus the signal that ended it.
        stderr: The error output, as `clean_stderr` returns it.
    """
    signal = -returncode if returncode is not None and returncode < 0 else None
    code = returncode if signal is None else None
    how = f"exit code {code}" if signal is None else f"signal {signal}"
    explained = ((kind, remedy) for text, kind, remedy in _KNOWN_EXITS if text in stderr)
    kind, remedy = next(explained, (ProcessExitError, ""))
    reason = stderr or "it gave no reason"
    message = f"Codex Exec exited with {how} before the turn was over: {reason}" + (f"\n{remedy}" if remedy else "")
    exited = ProcessExitError(message, exit_code=code, signal=signal, stderr_tail=stderr)
    if kind is ProcessExitError:
        return exited
    error = kind(message)
    error.__cause__ = exited
    return error
