"""Prompts that suit what a notebook contains now."""

import types
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from codex_jupyter.notebook.session.session import NotebookSession

MAX_IDEAS: Final = 4
USUAL: Final = ("Describe this notebook, cell by cell.", "List the files of this folder, and describe what is in them.")
"""Prompts that always suit."""


def find_ideas(session: "NotebookSession") -> list[str]:
    """Return prompts for an empty chat, the most useful first: about the last error, data frames, plots and functions."""
    names = {
        name: value
        for name, value in reversed(list(session.shell.user_ns.items()))
        if not name.startswith("_") and name not in session.shell.user_ns_hidden
    }
    ideas = []
    if "error" in session.collector.collect("error", None).sizes:
        ideas.append("Explain the error of the last cell, and how to fix it.")
    if (frame := next((name for name, value in names.items() if _is_frame(value)), None)) is not None:
        ideas.append(f"Describe the data frame {{{frame}}}: its columns, missing values and outliers.")
    if session.display_log.newest(1):
        ideas.append("Explain what @plot shows.")
    own = (name for name, value in names.items() if isinstance(value, types.FunctionType) and value.__module__ == "__main__")
    if (function := next(own, None)) is not None:
        ideas.append(f"Write tests for the function `{function}`.")
    return [*ideas, *USUAL][:MAX_IDEAS]


def _is_frame(value: Any) -> bool:
    """Return True for a data frame of pandas, Polars or another library. Nothing is imported for it."""
    return any(base.__name__ == "DataFrame" for base in type(value).__mro__)
