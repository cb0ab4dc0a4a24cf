"""The notebook file: find its path, and read the turns that its outputs contain."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from codex_jupyter.notebook.render import TURN_MIME, TURNS_MIME, TurnInfo, turn_from_json
from codex_jupyter.sdk import Turn


def notebook_path(shell: Any) -> Path | None:
    """Return the notebook file of a shell, as reported by the front end.

    JupyterLab, Notebook and VS Code report it. nbconvert, papermill and terminals do not. After a rename in JupyterLab, the old name is
    returned until the kernel is restarted.

    Args:
        shell: The interactive shell.

    Returns:
        An absolute path of an `.ipynb` file in an existing folder, or None. The file may not be saved yet.
    """
    names = [shell.user_ns.get("__vsc_ipynb_file__")]
    # A process that the notebook starts inherits its environment. Only a kernel that such a process launches can have another notebook.
    if getattr(shell, "kernel", None) is not None and not _is_inherited(os.environ.get("JPY_SESSION_NAME")):
        names += [shell.user_ns.get("__session__"), os.environ.get("JPY_SESSION_NAME")]
    paths = (_located(name, getattr(shell, "starting_dir", "")) for name in names if isinstance(name, str) and name.endswith(".ipynb"))
    return next((path for path in paths if path is not None), None)


def _located(name: str, start: str) -> Path | None:
    """Return the file to which a front end refers.

    Args:
        name: An absolute path. Some clients start a session over REST without a file name, or with a whole path instead. Then it is a path
            from the server's root, or a path that contains the folders of the notebook twice.
        start: The folder in which the kernel was started, which is the notebook's.

    Returns:
        An absolute path in an existing folder, or None if the file is not certain.
    """
    folder, file = os.path.split(name)
    if os.path.isabs(name) and os.path.isdir(folder):
        return Path(name)
    if not start:
        return None
    within = Path(os.path.relpath(folder, start) if os.path.isabs(name) else folder).parts
    same = ".." not in within and Path(start).parts[len(Path(start).parts) - len(within) :] == within
    path = Path(start, file)
    return path if same and path.is_file() else None


def past_turns(notebook: Path, thread_id: str | None = None) -> list[tuple[Turn, TurnInfo]]:
    """Return the turns in a notebook's saved outputs.

    Args:
        notebook: Its path. Unsaved outputs are not read.
        thread_id: The thread. None returns the turns of all threads.

    Returns:
        The turns in the order of the cells, without duplicates and without damaged ones. Empty if the file cannot be read.
    """
    turns: list[tuple[Turn, TurnInfo]] = []
    for data in _saved_turns(notebook):
        try:
            turn, info = turn_from_json(data)
        except ValueError:
            continue
        # `%codex show` puts a turn into a second output.
        if thread_id in (None, turn.thread_id) and all(turn != other for other, _ in turns):
            turns.append((turn, info))
    return turns


def _saved_turns(notebook: Path) -> Iterator[Any]:
    """Yield the JSON of the turns of cells and of chats."""
    for bundle in _bundles(notebook):
        if TURN_MIME in bundle:
            yield bundle[TURN_MIME]
        yield from _list(bundle.get(TURNS_MIME), "turns")


def _bundles(notebook: Path) -> Iterator[dict[str, Any]]:
    """Yield the bundles of all outputs of a saved notebook. Parts with an unexpected form are skipped."""
    try:
        content = json.loads(notebook.read_bytes())
    except (OSError, ValueError, RecursionError):
        return
    for cell in _list(content, "cells"):
        for output in _list(cell, "outputs"):
            if isinstance(output, dict) and isinstance(data := output.get("data"), dict):
                yield data


def _list(value: Any, key: str) -> list[Any]:
    inner = value.get(key) if isinstance(value, dict) else None
    return inner if isinstance(inner, list) else []


def _is_inherited(name: str | None) -> bool:
    """Return True if the process that launched this kernel has the same session name. Then the name refers to that process's notebook."""
    try:
        launcher = psutil.Process(int(os.environ["JPY_PARENT_PID"]))
        return name is not None and launcher.environ().get("JPY_SESSION_NAME") == name
    except (KeyError, ValueError, OSError, psutil.Error):
        return False
