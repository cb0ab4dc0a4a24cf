"""IPython shells in the process of the tests."""

import atexit
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config


@contextmanager
def new_shell(folder: Path, config: Mapping[str, Any] | None = None, **options: Any) -> Iterator[InteractiveShell]:
    """Create a shell with its files in a folder, and close it.

    Args:
        folder: Folder of IPython's profile and history.
        config: Settings by class. Without settings of `HistoryManager`, the shell has no history.
        options: Further arguments of the shell.
    """
    settings = Config({"HistoryManager": {"enabled": False}} | dict(config or {}))
    shell = InteractiveShell(config=settings, ipython_dir=str(folder), **options)
    try:
        yield shell
    finally:
        close_shell(shell)


def close_shell(shell: InteractiveShell) -> None:
    """Close the history of a shell, and release the shell.

    At the exit of Python, IPython would collect all garbage once for each shell. With hundreds of shells, that takes half a minute.
    """
    atexit.unregister(shell.atexit_operations)
    if shell.history_manager is not None:
        shell.history_manager.end_session()
        # IPython 8 has no `close`: it closes the file with the object.
        getattr(shell.history_manager, "close", lambda: None)()
