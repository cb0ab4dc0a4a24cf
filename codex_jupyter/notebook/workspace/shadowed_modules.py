"""Find modules that a turn wrote where the user's imports find them before installed modules of the same name.

This package does not import them, see `codex_jupyter._trusted_imports`. But `import pandas` in the next cell would run the `pandas.py` of
the folder.
"""

import os
import sys
from collections.abc import Collection
from contextlib import suppress
from importlib.machinery import PathFinder, all_suffixes
from typing import Final

from codex_jupyter._trusted_imports import is_trusted, trusted_path

MAX_FILES: Final = 10_000
"""Maximum number of examined entries of a folder."""
MAX_NAMED: Final = 5
"""Maximum number of modules that the remark names."""
LAUNCHER: Final = "ipykernel_launcher"
"""The module that a kernel is started with, as `python -m` in the folder of the notebook."""
_SUFFIXES: Final = tuple(all_suffixes())

_State = tuple[int, int, int]


class ShadowingFiles:
    """The modules in the folders of `sys.path` that an agent may write to, in their state at the start of a turn."""

    def __init__(self) -> None:
        self._before: dict[str, _State] = {}

    def remember(self) -> None:
        """Record the current modules. Blocks for some milliseconds."""
        self._before = dict(_modules())

    def remark(self) -> str:
        """Return one line about the modules that were written since `remember` and hide an installed module. Empty if there are none."""
        written = [path for path, state in _modules().items() if self._before.get(path) != state]
        named = {path: name for path in written if (name := _module_name(path))}
        hidden = {path: name for path, name in named.items() if _hides(path, name)}
        started = [path for path, name in named.items() if _runs_at_start(path, name)]
        parts = []
        if hidden:
            first = next(iter(hidden.values()))
            parts.append(
                f"{_listed(hidden)}: these files of the turn hide installed modules. "
                f"`import {first}` in this folder runs what the agent wrote."
            )
        if started:
            parts.append(
                f"{_listed(started)}: a kernel that starts in this folder may run these files of the turn. Check them before a restart."
            )
        return " ".join(parts)


def _listed(paths: Collection[str]) -> str:
    return ", ".join(map(_shown, list(paths)[:MAX_NAMED])) + (" and others" if len(paths) > MAX_NAMED else "")


def _runs_at_start(path: str, name: str) -> bool:
    """Return True if a kernel that starts in the current folder, which Python then searches first, may import this file."""
    folder = os.path.dirname(path)
    folder = os.path.dirname(folder) if os.path.basename(path).startswith("__init__.") else folder
    try:
        return (name == LAUNCHER or name in sys.stdlib_module_names) and os.path.samefile(folder, os.curdir)
    except OSError:
        return False


def _modules() -> dict[str, _State]:
    """Return the files that Python would import as modules, with their states."""
    states: dict[str, _State] = {}
    for entry in dict.fromkeys(entry or "." for entry in sys.path if isinstance(entry, str) and not is_trusted(entry)):
        try:
            names = os.listdir(entry)[:MAX_FILES]
        except OSError:
            continue
        for name in names:
            path = _absolute(entry) + name
            for file in (path,) if name.endswith(_SUFFIXES) else (os.path.join(path, f"__init__{suffix}") for suffix in _SUFFIXES):
                try:
                    status = os.stat(file)
                except OSError:
                    continue
                states[file] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return states


def _module_name(path: str) -> str:
    """Return the name under which a file is imported. Empty if it cannot be imported."""
    folder, name = os.path.split(path)
    stem = name.partition(".")[0]
    stem = os.path.basename(folder) if stem == "__init__" else stem
    return stem if stem.isidentifier() else ""


def _hides(path: str, name: str) -> bool:
    """Return True if an import finds this file although an installed module has the same name."""
    if name in sys.builtin_module_names or PathFinder.find_spec(name, trusted_path()) is None:
        return False
    for entry in sys.path:
        if isinstance(entry, str) and not is_trusted(entry) and path.startswith(_absolute(entry)):
            return True
        if is_trusted(entry) and PathFinder.find_spec(name, [entry]) is not None:
            return False
    return False


def _absolute(entry: str) -> str:
    """Return an entry of `sys.path` with a separator at its end. A relative entry stays relative if the current folder was deleted."""
    with suppress(OSError):
        entry = os.path.abspath(entry or ".")
    return os.path.join(entry, "")


def _shown(path: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(os.path.basename(folder), "") if name.startswith("__init__.") else name
