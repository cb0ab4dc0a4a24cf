"""A home of the codex CLI that the CLI has used before, as that of most users.

In an empty home, each CLI first creates its databases and brings them to its version. This takes a fourth of the time of a turn.
"""

import os
import shutil
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

from codex_cli_bin import bundled_codex_path

from tests.machine import folder_of_the_run


def used_home(path: Path) -> Path:
    """Make a folder a home without threads that the bundled CLI has used, and return it.

    Args:
        path: The folder. If it exists, it stays as it is.
    """
    if not path.exists():
        path.mkdir(mode=0o700)
        for file in _template().iterdir():
            shutil.copyfile(file, path / file.name)
    return path


@cache
def _template() -> Path:
    """Have the CLI create its databases, and return a folder with them."""
    folder = Path(tempfile.mkdtemp(prefix="codex-template-", dir=folder_of_the_run()))
    # A server without a request: it ends with its input.
    command = [str(bundled_codex_path()), "--config", "features.plugins=false", "app-server"]
    subprocess.run(command, env=os.environ | {"CODEX_HOME": str(folder)}, input=b"", check=True, capture_output=True, timeout=60)
    for database in folder.glob("*.sqlite"):
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
    return folder
