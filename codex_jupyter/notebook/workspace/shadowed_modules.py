"""Modules that a turn wrote where the user's own imports find them before the installed ones of the same name.

This package does not import them (see `codex_jupyter._trusted_imports`). But `import pandas` in the next cell would run the `pandas.py` of
the folder.
"""

import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES, PathFinder
from typing import Final

from codex_jupyter._trusted_imports import is_trusted, trusted_path

MAX_FILES: Final = 10_000
"""Entries of one folder that are looked at."""
MAX_NAMED: Final = 5
"""Modules that are named in the remark."""
_SUFFIXES: Final = (*SOURCE_SUFFIXES, *EXTENSION_SUFFIXES)

_State = tuple[int, int, int]


class ShadowingFiles:
    """The modules in the folders of `sys.path` that an agent may write to, as they were when a turn started."""

    def __init__(self) -> None:
        self._before: dict[str, _State] = {}

    def remember(self) -> None:
        """Note which modules there are. Blocks for some milliseconds."""
        self._before = dict(_modules())

    def remark(self) -> str:
        """Return one line about the modules that were written since `remember` and hide an installed one; empty if there is none."""
        written = [path for path, state in _modules().items() if self._before.get(path) != state]
        hidden = {path: name for path in written if (name := _module_name(path)) and _hides(path, name)}
        if not hidden:
            return ""
        named = ", ".join(_shown(path) for path in list(hidden)[:MAX_NAMED]) + (" and others" if len(hidden) > MAX_NAMED else "")
        first = next(iter(hidden.values()))
        return f"{named}: the turn wrote what hides an installed module. `import {first}` in this folder runs what the agent wrote."


def _modules() -> dict[str, _State]:
    """The files that Python would take for modules, with their states."""
    found: dict[str, _State] = {}
    for entry in dict.fromkeys(entry or "." for entry in sys.path if isinstance(entry, str) and not is_trusted(entry)):
        try:
            names = os.listdir(entry)[:MAX_FILES]
        except OSError:
            continue
        for name in names:
            path = os.path.join(os.path.abspath(entry), name)
            for file in (path,) if name.endswith(_SUFFIXES) else (os.path.join(path, f"__init__{suffix}") for suffix in _SUFFIXES):
                try:
                    status = os.stat(file)
                except OSError:
                    continue
                found[file] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return found


def _module_name(path: str) -> str:
    """The name under which a file is imported; empty if there is none."""
    folder, name = os.path.split(path)
    stem = name.partition(".")[0]
    stem = os.path.basename(folder) if stem == "__init__" else stem
    return stem if stem.isidentifier() else ""


def _hides(path: str, name: str) -> bool:
    """Return True if an import finds this file, although a module of the name is installed elsewhere."""
    if name in sys.builtin_module_names or PathFinder.find_spec(name, trusted_path()) is None:
        return False
    for entry in sys.path:
        if isinstance(entry, str) and not is_trusted(entry) and path.startswith(os.path.join(os.path.abspath(entry or "."), "")):
            return True
        if is_trusted(entry) and PathFinder.find_spec(name, [entry]) is not None:
            return False
    return False


def _shown(path: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(os.path.basename(folder), "") if name.startswith("__init__.") else name
