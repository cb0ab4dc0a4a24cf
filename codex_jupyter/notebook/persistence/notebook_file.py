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
    """The file of the notebook that a shell belongs to, as the front end names it.

    JupyterLab, Notebook and VS Code do; nbconvert, papermill and a terminal do not. After a rename in JupyterLab the old name is given
    until the kernel is restarted.

    Args:
        shell: The interactive shell.

    Returns:
        An absolute path of an `.ipynb` file in a folder that exists; the file itself may not be saved yet. None if it is not known.
    """
    names = [shell.user_ns.get("__vsc_ipynb_file__")]
    # A process that a notebook starts has the notebook's environment; only a kernel of its own can be another notebook.
    if getattr(shell, "kernel", None) is not None and not _is_inherited(os.environ.get("JPY_SESSION_NAME")):
        names += [shell.user_ns.get("__session__"), os.environ.get("JPY_SESSION_NAME")]
    found = (_located(name, getattr(shell, "starting_dir", "")) for name in names if isinstance(name, str) and name.endswith(".ipynb"))
    return next((path for path in found if path is not None), None)


def _located(name: str, start: str) -> Path | None:
    """The file that a front end means by a name.

    Args:
        name: An absolute path. A client that starts its session over REST without a file name, or with a whole path in its place, leaves a
            path from the server's root, or one that has the folders of the notebook twice.
        start: The folder that the kernel was started in, which is the notebook's.

    Returns:
        An absolute path in a folder that exists; None if it cannot be told.
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
    """The turns that a notebook's saved outputs hold.

    Args:
        notebook: Its path. What is not saved yet is not found.
        thread_id: The thread; None for all threads.

    Returns:
        The turns in the order of the cells, each once, without those that are damaged; none if the file cannot be read.
    """
    turns: list[tuple[Turn, TurnInfo]] = []
    for data in _saved_turns(notebook):
        try:
            turn, info = turn_from_json(data)
        except ValueError:
            continue
        # `%codex show` has put a turn into a second output.
        if thread_id in (None, turn.thread_id) and all(turn != other for other, _ in turns):
            turns.append((turn, info))
    return turns


def _saved_turns(notebook: Path) -> Iterator[Any]:
    """The turns of cells and of chats as JSON, as they are saved."""
    for bundle in _bundles(notebook):
        if TURN_MIME in bundle:
            yield bundle[TURN_MIME]
        yield from _list(bundle.get(TURNS_MIME), "turns")


def _bundles(notebook: Path) -> Iterator[dict[str, Any]]:
    """The bundles of all outputs of a saved notebook, however little of it has the form that it should have."""
    try:
        found = json.loads(notebook.read_bytes())
    except (OSError, ValueError, RecursionError):
        return
    for cell in _list(found, "cells"):
        for output in _list(cell, "outputs"):
            if isinstance(output, dict) and isinstance(data := output.get("data"), dict):
                yield data


def _list(value: Any, key: str) -> list[Any]:
    inner = value.get(key) if isinstance(value, dict) else None
    return inner if isinstance(inner, list) else []


def _is_inherited(name: str | None) -> bool:
    """Whether the process that launched this kernel has the session's name too: then it names that process's notebook, not this one."""
    try:
        launcher = psutil.Process(int(os.environ["JPY_PARENT_PID"]))
        return name is not None and launcher.environ().get("JPY_SESSION_NAME") == name
    except (KeyError, ValueError, OSError, psutil.Error):
        return False
