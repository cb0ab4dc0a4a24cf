"""Find the files that decide which code a kernel runs. An agent that changes them can run code outside of its sandbox."""

import os
import site
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from codex_jupyter.notebook.persistence.notebook_file import notebook_path
from codex_jupyter.sdk import CodexCli


def kernel_files(shell: Any, cli: CodexCli | None, folders: Iterable[Path], *, make_missing: bool = False) -> tuple[Path, ...]:
    """List the files and folders that no turn may change.

    The working folders of the notebook are left out, also if they are on `sys.path`, because the agent works there. A folder below them
    that is on `sys.path` is included. The user can make it writable with an additional folder.

    Args:
        shell: The kernel's shell.
        cli: The codex executable.
        folders: Folders of the CLI and of this package that hold settings, such as CODEX_HOME.
        make_missing: Create the folders that Python and Jupyter read when a kernel starts, if the agent could create them. Needed if the
            notebook works in the user's home.

    Returns:
        The existing paths.
    """
    notebook = notebook_path(shell)
    working_folders = {
        os.path.realpath(folder) for folder in (_current_folder(), notebook.parent if notebook is not None else None) if folder
    }
    paths: dict[str, None] = {}
    if make_missing:
        for folder in map(str, (site.getusersitepackages(), *_jupyter(), *folders)):
            if any(Path(os.path.realpath(folder)).is_relative_to(parent) for parent in working_folders):
                with suppress(OSError):
                    os.makedirs(folder, exist_ok=True)
    candidates: list[str | Path] = [
        *_environment(),
        *_settings(shell),
        *_package(cli),
        *folders,
        *([notebook] if notebook is not None else []),
    ]
    for path in candidates:
        try:
            name = os.path.abspath(path)  # the user may have added a relative folder to `sys.path`
        except OSError:  # the current folder was deleted
            continue
        if os.path.lexists(name) and os.path.realpath(name) not in working_folders:
            paths[name] = None
    return tuple(map(Path, paths))


def _environment() -> Iterator[str]:
    """Yield the folders of the Python environment and of programs, because the next kernel may find its codex there."""
    yield from (sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix)
    yield from (entry for entry in sys.path if isinstance(entry, str))
    yield from site.getsitepackages()
    yield site.getusersitepackages()
    yield from os.environ.get("PATH", "").split(os.pathsep)
    yield os.environ.get("PYTHONSTARTUP", "")


def _settings(shell: Any) -> Iterator[str]:
    """Yield IPython's folder, with the startup files that each kernel runs, and Jupyter's folders."""
    yield str(getattr(shell, "ipython_dir", ""))
    yield from _jupyter()


def _jupyter() -> Iterator[str]:
    """Yield the folders with Jupyter's configuration and its kernels."""
    jupyter = sys.modules.get("jupyter_core.paths")
    for name in ("jupyter_config_path", "jupyter_path"):
        places: Callable[[], list[str]] | None = getattr(jupyter, name, None)
        yield from places() if places is not None else ()


def _package(cli: CodexCli | None) -> Iterator[Path]:
    """Yield the executable, or its package if it belongs to one."""
    if cli is not None:
        package = cli.path.parent.parent
        yield package if (package / "codex-package.json").is_file() else cli.path


def _current_folder() -> Path | None:
    try:
        return Path.cwd()
    except OSError:
        return None
