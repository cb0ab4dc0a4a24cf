"""Keep files that the agent wrote out of the imports of this package.

A kernel searches its current folder before site-packages, and modules are imported at their first use, which may be after a turn has
started. So a `markdown_it.py` that the agent wrote into the folder would run in the kernel, outside of the sandbox. `install` replaces
Python's path finder. For imports of this package, the new finder skips the folders that an agent may write to. For imports of the kernel,
such as that of `stack_data` for the first traceback, installed modules come first.

Imports of the user's code are unchanged, also when this package calls that code.
"""

import os
import site
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from contextlib import suppress
from enum import Enum
from importlib.machinery import ModuleSpec, PathFinder
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from codex_jupyter._paths import is_below

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE: Final = __name__.partition(".")[0]
KERNEL_PACKAGES: Final = ("IPython", "ipykernel")

_installed: tuple[str, ...] = ()
"""The folders of the standard library and of installed packages. Set before the finder is used, because that needs imports."""
temporary_folders: tuple[str, ...] = ()
"""The folders that every sandboxed turn may write to."""
working_folders: set[str] = set()
"""The folders of turns, which only grow: a file that a turn has written stays."""
_trusted: dict[str, bool] = {}
"""Results of `is_trusted` by entry of `sys.path`, valid for `_trusted_in`."""
_trusted_in: tuple[str, int] = ("", 0)
"""The current folder, and the number of working folders."""
_libraries: dict[str, bool] = {}
"""Results of `_is_library` by file."""


class _Importer(Enum):
    """The importer of a module."""

    PACKAGE = "this package, or a library that it uses"
    KERNEL = "the kernel, or a thread of a library"
    USER = "code of the user, or a library that it uses"


class TrustedPathFinder(PathFinder):
    """Finds modules along `sys.path`. For imports of this package, only in folders that an agent cannot write to."""

    @classmethod
    def find_spec(cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find a module, as `PathFinder.find_spec` does."""
        # Submodules are searched for in the folder of their package. Only a namespace package uses the whole of `sys.path`.
        # A module that is reloaded (`target`) stays where it is.
        if target is None and (path is None or type(path).__name__ == "_NamespacePath"):
            importer = _importer()
            if importer is not _Importer.USER:
                spec = super().find_spec(fullname, trusted_path(path))
                if spec is not None or importer is _Importer.PACKAGE:
                    return spec
        return super().find_spec(fullname, path, target)

    @staticmethod
    def find_distributions(*args: Any, **kwargs: Any) -> Iterable[Any]:
        """Find the metadata of installed packages, which can name plugins, as `PathFinder.find_distributions` does."""
        from importlib.metadata import DistributionFinder

        context = args[0] if args else kwargs.get("context", DistributionFinder.Context())
        if "path" not in vars(context) and _importer() is _Importer.PACKAGE:
            context = DistributionFinder.Context(**vars(context), path=trusted_path())
        return PathFinder.find_distributions(context)


def install() -> None:
    """Replace Python's path finder. A second call does nothing."""
    global _installed, temporary_folders
    folders = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    folders += [*site.getsitepackages(), site.getusersitepackages()]
    _installed = tuple({os.path.realpath(folder) for folder in folders})
    # `tempfile.gettempdir` is not used, because it writes a file.
    variables = [os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")]
    temporary_folders = tuple({os.path.realpath(folder) for folder in ("/tmp", *variables) if folder})  # noqa: S108 - the agent writes there
    finders: list[Any] = sys.meta_path
    if TrustedPathFinder not in finders:
        finders[:] = [TrustedPathFinder if finder is PathFinder else finder for finder in finders]
    if TrustedPathFinder not in finders:
        finders.append(TrustedPathFinder)


def distrust(*folders: "Path | str | None") -> None:
    """Never import from these folders, because a turn may write to them.

    The current folder and temporary folders are never trusted. The folders of installed packages stay trusted.

    Args:
        folders: The working folder of a turn, and its additional ones. None is the folder that is the current one now.
    """
    for folder in folders:
        with suppress(OSError):  # the current folder was removed
            working_folders.add(os.getcwd() if folder is None else os.path.realpath(folder))


def trusted_path(path: Iterable[str] | None = None) -> list[str]:
    """Return the folders from which this package may import.

    Args:
        path: The folders to choose from; None is `sys.path`.
    """
    current = _current_folder()
    return [entry for entry in (sys.path if path is None else path) if _is_trusted(entry, current)]


def isolated_python(code: str, *arguments: str) -> list[str]:
    """Return a command that runs code in another Python with the installed modules of this one and no modules of an agent.

    Args:
        code: The program. PYTHONPATH and similar variables, the current folder and the user's site-packages have no effect on it.
        arguments: Its `sys.argv[1:]`.
    """
    return [sys.executable, "-I", "-c", f"import sys\nsys.path[:] = {trusted_path()!r}\n{code}", *arguments]


def is_trusted(entry: str) -> bool:
    """Return False if an agent may write to an entry of `sys.path`, or if the entry depends on the current folder."""
    return _is_trusted(entry, _current_folder())


def _is_trusted(entry: str, current: str) -> bool:
    global _trusted_in
    if (current, len(working_folders)) != _trusted_in:
        _trusted.clear()
        _trusted_in = (current, len(working_folders))
    if entry not in _trusted:
        # The current folder may have been deleted. A relative path then has no absolute form.
        folder = os.path.realpath(entry) if os.path.isabs(entry) else None
        writable = (current, *temporary_folders, *working_folders)
        _trusted[entry] = folder is not None and (_is_in(folder, _installed) or not _is_in(folder, writable))
    return _trusted[entry]


def _importer() -> _Importer:
    """Return the importer of the current import: the first caller outside of libraries."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        name, file = frame.f_globals.get("__name__"), frame.f_globals.get("__file__")
        package = name.partition(".")[0] if isinstance(name, str) else ""
        if package == PACKAGE:
            return _Importer.PACKAGE
        if package in KERNEL_PACKAGES:
            return _Importer.KERNEL
        if package == "__main__" or (isinstance(file, str) and not _is_library(file)):
            return _Importer.USER
        frame = frame.f_back
    return _Importer.KERNEL


def _is_library(file: str) -> bool:
    if file not in _libraries:
        _libraries[file] = _is_in(file, _installed) or _is_in(os.path.realpath(file), _installed)
    return _libraries[file]


def _current_folder() -> str:
    try:
        return os.path.realpath(os.getcwd())
    except OSError:
        return ""


def _is_in(path: str, folders: Iterable[str]) -> bool:
    return any(folder and (path == folder or is_below(path, folder)) for folder in folders)
