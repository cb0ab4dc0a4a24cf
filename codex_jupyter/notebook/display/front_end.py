"""Find out what the front end of the running cell can do, as far as the kernel can see it.

A front end does not report if it applies updates of outputs. JupyterLab, Notebook, VS Code, Colab and nbclient do. The consoles and
ipyparallel ignore updates: they would show the first state of each output for ever.
"""

import os
from collections.abc import Mapping
from typing import Any, Final

_WITHOUT_UPDATES: Final = frozenset({"ipyparallel", "spyder_kernels"})
"""Packages of kernels whose front ends ignore updates."""
_WITH_UPDATES: Final = "google.colab"
"""Package of Colab's shell and kernel."""


def applies_updates(shell: Any, setting: str = "auto", env: Mapping[str, str] = os.environ) -> bool | None:
    """Return if the front end of the running cell applies updates of outputs.

    Args:
        shell: The interactive shell of a kernel.
        setting: The setting `live_updates`. `on` and `off` decide.
        env: The environment of the kernel.

    Returns:
        None if there is no sign.
    """
    if setting != "auto":
        return setting == "on"
    kernel = getattr(shell, "kernel", None)
    if any(kind.__module__.partition(".")[0] in _WITHOUT_UPDATES for kind in type(kernel).__mro__):
        return False
    if any(kind.__module__.startswith(_WITH_UPDATES) for value in (shell, kernel) for kind in type(value).__mro__):
        return True
    if cell_id(shell) is not None or "__vsc_ipynb_file__" in getattr(shell, "user_ns", {}):
        return True
    if _request(shell, "content").get("allow_stdin") is True and not _may_be_notebook(env):
        return False  # a console: it can ask the user, and has no cells
    return None


def cell_id(shell: Any) -> str | None:
    """Return the id of the running cell. None if the front end does not report one, as consoles and nbclient."""
    cell = _request(shell, "metadata").get("cellId")
    return cell if isinstance(cell, str) and cell else None


def client_session(shell: Any) -> str | None:
    """Return the id of the front end's session: a page gets a new one when it is reloaded. None if it is not known."""
    session = _request(shell, "header").get("session")
    return session if isinstance(session, str) and session else None


def request_id(shell: Any) -> str | None:
    """Return the id of the message that runs the cell. None if it is not known."""
    request = _request(shell, "header").get("msg_id")
    return request if isinstance(request, str) and request else None


def can_be_asked(shell: Any) -> bool:
    """Return True if the user of the front end can answer a question of a cell."""
    return not hasattr(shell, "kernel") or _request(shell, "content").get("allow_stdin") is True


def _request(shell: Any, part: str) -> Mapping[str, Any]:
    """Return a part of the message that runs the cell. Empty if it is not known."""
    message = getattr(shell, "parent_header", None)
    content = message.get(part) if isinstance(message, Mapping) else None
    return content if isinstance(content, Mapping) else {}


def _may_be_notebook(env: Mapping[str, str]) -> bool:
    """Return True if a program with notebooks has started the kernel. Some do not report the id of a cell."""
    return env.get("JPY_SESSION_NAME", "").endswith(".ipynb") or any(name.startswith("VSCODE_") for name in env)
