"""The report of `%codex doctor`: what the SDK finds, and facts about this notebook."""

import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from codex_jupyter.notebook.consent.presets import setting_of
from codex_jupyter.notebook.display.front_end import applies_updates
from codex_jupyter.notebook.persistence.notebook_file import notebook_path
from codex_jupyter.notebook.session.session import NotebookSession
from codex_jupyter.sdk.executable.sandbox_check import folder_problem

_PACKAGES: Final = ("codex-jupyter", "ipython", "ipykernel", "jupyterlab", "notebook")


def report(session: NotebookSession) -> str:
    """Return the report. Problems come first, each with a `!`, and the places where the executable was searched last."""
    lines = "\n".join(_lines(session)).splitlines()
    problems = [line for line in lines if line.startswith("! ")]
    places = [line for line in lines if line.startswith("looked at ")]
    facts = [line for line in lines if line not in problems and line not in places]
    return "\n".join([*(problems or ["No problem was found."]), "", *facts, *(["", *places] if places else [])])


def _lines(session: NotebookSession) -> Iterator[str]:
    yield f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    yield "  ".join(f"{name} {number}" for name in _PACKAGES if (number := _version(name)))
    yield str(session.call(session.client.codex.doctor))
    env, folder = session.client.codex.options.env, Path(session.settings.cd or session.client.home).expanduser()
    problem = folder_problem(folder, os.environ if env is None else env, setting_of(session.settings, "sandbox") or "workspace-write")
    if problem is not None:
        yield f"! {problem}"
    if session.client.demo is not None:
        yield "answers: a script (demo mode); `%codex demo off` ends it"
    yield f"front end: {_front_end(session.shell, session.settings.live_updates)}"
    path = notebook_path(session.shell)
    yield f"notebook: {path}" if path else "notebook: the front end does not report its name, so threads are not remembered across kernels"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _front_end(shell: Any, setting: str) -> str:
    if not hasattr(shell, "kernel"):
        return "a terminal: turns are written as text"
    if applies_updates(shell, setting) is False:
        return "a console, or another front end that ignores changes of outputs: each item is shown once, when it has ended"
    if "google.colab" in str(type(shell)):
        return "Colab: turns are shown live; threads are not remembered across kernels"
    if "__vsc_ipynb_file__" in shell.user_ns:
        return "VS Code: turns are shown live"
    if os.environ.get("JPY_SESSION_NAME"):
        return "a Jupyter server (JupyterLab or Notebook): all features work"
    return "a kernel without a named notebook (nbclient or papermill): finished turns are kept, and the user cannot be asked"
