"""Errors that end a cell with their message alone: the traceback would only show this package."""

from typing import Final

MAX_LINES: Final = 3
MAX_LINE: Final = 500
"""Lines of a message in place of a traceback, and characters of each."""


def hide_traceback(error: BaseException) -> None:
    """Have IPython show an error as its message, in three lines at most; what is left out is in the error itself, and in its turn."""
    lines = [line for line in f"{type(error).__name__}: {error}".splitlines() if line.strip()]
    lines = [line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]} …" for line in lines]
    shown = lines if len(lines) <= MAX_LINES else [*lines[: MAX_LINES - 1], f"{lines[MAX_LINES - 1]} …"]
    error._render_traceback_ = lambda: shown  # type: ignore[attr-defined]
