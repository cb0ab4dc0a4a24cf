"""The files that decide what a kernel runs. An agent that changes them runs its code in the kernel, outside of its sandbox."""

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
    """List the files and folders that no turn must change, wherever they lie.

    The working folders of the notebook are left out, also where they are on `sys.path`: there the agent works. A folder below them that was
    put on `sys.path` counts. The user can make it writable by naming it as an additional folder.

    Args:
        shell: The kernel's shell.
        cli: The codex executable.
        folders: Folders of the CLI and of this package that hold settings, such as CODEX_HOME.
        make_missing: Whether to make the folders that Python and Jupyter look into when a kernel starts, where the agent could make them.
            That is so when the notebook works in the user's home.

    Returns:
        Those that exist.
    """
    notebook = notebook_path(shell)
    work = {os.path.realpath(folder) for folder in (_current_folder(), notebook.parent if notebook is not None else None) if folder}
    found: dict[str, None] = {}
    if make_missing:
        for folder in map(str, (site.getusersitepackages(), *_jupyter(), *folders)):
            if any(Path(os.path.realpath(folder)).is_relative_to(one) for one in work):
                with suppress(OSError):
                    os.makedirs(folder, exist_ok=True)
    paths: list[str | Path] = [*_environment(), *_settings(shell), *_package(cli), *folders, *([notebook] if notebook is not None else [])]
    for path in paths:
        name = os.path.abspath(path)
        if os.path.isabs(path) and os.path.lexists(name) and os.path.realpath(name) not in work:
            found[name] = None
    return tuple(map(Path, found))


def _environment() -> Iterator[str]:
    """The Python environment, and where programs are looked for: the next kernel may find its codex there."""
    yield from (sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix)
    yield from (entry for entry in sys.path if isinstance(entry, str))
    yield from site.getsitepackages()
    yield site.getusersitepackages()
    yield from os.environ.get("PATH", "").split(os.pathsep)
    yield os.environ.get("PYTHONSTARTUP", "")


def _settings(shell: Any) -> Iterator[str]:
    """IPython's folder, whose startup files each kernel runs, and Jupyter's."""
    yield str(getattr(shell, "ipython_dir", ""))
    yield from _jupyter()


def _jupyter() -> Iterator[str]:
    """The folders with Jupyter's configuration and its kernels."""
    jupyter = sys.modules.get("jupyter_core.paths")
    for name in ("jupyter_config_path", "jupyter_path"):
        places: Callable[[], list[str]] | None = getattr(jupyter, name, None)
        yield from places() if places is not None else ()


def _package(cli: CodexCli | None) -> Iterator[Path]:
    """The executable with its package, if it belongs to one."""
    if cli is not None:
        package = cli.path.parent.parent
        yield package if (package / "codex-package.json").is_file() else cli.path


def _current_folder() -> Path | None:
    try:
        return Path.cwd()
    except OSError:
        return None
