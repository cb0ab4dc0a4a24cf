"""`%codex enable`: load the extension in every kernel.

IPython runs the files in the `startup` folder of its profile at the start of each kernel and terminal. A separate file can be removed
without a trace. A line in the user's configuration cannot.
"""

import os
import tempfile
from pathlib import Path
from typing import Any, Final

from IPython.core.error import UsageError

FILE: Final = "50-codex-jupyter.py"
SOURCE: Final = """\
# Loads codex-jupyter in every kernel of this profile. Written by `%codex enable`; `%codex disable` removes it.
def _load_codex_jupyter():
    import sys

    path = list(sys.path)
    # Not from the notebook's folder: what lies there would run in every kernel.
    sys.path[:] = [folder for folder in path if folder]
    try:
        get_ipython().run_line_magic("load_ext", "codex_jupyter")
    except ModuleNotFoundError as error:
        if error.name != "codex_jupyter":  # else an environment without the package
            raise
    finally:
        sys.path[:] = path


_load_codex_jupyter()
del _load_codex_jupyter
"""


def enable(shell: Any) -> str:
    """Load the extension in each new kernel and terminal of the shell's profile.

    Args:
        shell: The interactive shell.

    Returns:
        A message about the written file.

    Raises:
        UsageError: If the profile cannot be written to, or is temporary.
    """
    file = _file(shell)
    if _is_temporary(Path(shell.ipython_dir)):
        raise UsageError(
            f"Nothing was enabled: IPython cannot write to its own folder, so its profile is temporary ({file.parent.parent}). "
            "Set IPYTHONDIR to a folder that you can write to, or use `%load_ext codex_jupyter` in each notebook."
        )
    try:
        if file.exists() and file.read_text(encoding="utf-8") == SOURCE:
            return f"Every new kernel already loads codex-jupyter: see {file}. `%codex disable` removes it."
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(SOURCE, encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"Nothing was enabled: {_reason(error, file)}. Use `%load_ext codex_jupyter` in each notebook.") from None
    return f"Every new kernel now loads codex-jupyter: wrote {file}. `%codex disable` removes it."


def disable(shell: Any) -> str:
    """Undo `enable`.

    Args:
        shell: The interactive shell.

    Returns:
        A message about the removed file.

    Raises:
        UsageError: If the file cannot be removed.
    """
    file = _file(shell)
    try:
        file.unlink()
    except FileNotFoundError:
        return f"Nothing to disable: there is no {file}."
    except OSError as error:
        raise UsageError(f"Nothing was disabled: {_reason(error, file)}.") from None
    return f"New kernels load codex-jupyter only with `%load_ext codex_jupyter`: removed {file}."


def _file(shell: Any) -> Path:
    profile = shell.profile_dir
    return Path(profile.startup_dir if profile is not None else Path(shell.ipython_dir) / "profile_default" / "startup") / FILE


def _is_temporary(folder: Path) -> bool:
    """Return True if IPython made the folder for this process only, because it cannot write to its own."""
    chosen = os.environ.get("IPYTHONDIR")
    return folder.parent == Path(tempfile.gettempdir()) and (chosen is None or folder != Path(chosen).expanduser())


def _reason(error: Exception, file: Path) -> str:
    return f"{file} cannot be written ({(getattr(error, 'strerror', None) or str(error)).lower()})"
