"""Errors that end a cell with their message alone, because the traceback would only show this package."""

from typing import Final

from codex_jupyter._shortening import shorten
from codex_jupyter._system_errors import explained

MAX_LINES: Final = 3
"""Maximum number of lines of a message."""
MAX_LINE: Final = 500
"""Maximum characters of a line."""


def hide_traceback(error: BaseException) -> None:
    """Make IPython show only the message of an error, shortened. The error itself and its turn are complete.

    Args:
        error: The error. That of the system is shown with a remedy.
    """
    message = f"{explained(error)}." if isinstance(error, OSError) and error.errno is not None else str(error)
    lines = [shorten(line, MAX_LINE) for line in f"{type(error).__name__}: {message}".splitlines() if line.strip()]
    shown = lines if len(lines) <= MAX_LINES else [*lines[: MAX_LINES - 1], f"{lines[MAX_LINES - 1]} …"]
    error._render_traceback_ = lambda: shown  # type: ignore[attr-defined]
