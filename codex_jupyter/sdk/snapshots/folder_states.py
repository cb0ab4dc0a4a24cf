"""The stored states of folders, so that unchanged files are not read again, and files that are written completely or not at all."""

import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from codex_jupyter.sdk.snapshots.records import TurnRecord
from codex_jupyter.sdk.snapshots.scan import Known, KnownFile


class FolderState(NamedTuple):
    """The stored state of a folder."""

    root: str
    files: Known
    pinned: frozenset[str]
    """Hashes of more contents that a process uses."""


def used_contents(states: Iterable[FolderState], records: Iterable[TurnRecord]) -> set[str]:
    """Return the hashes that states of folders and records refer to."""
    used = {file.entry.content for state in states for file in state.files.values()}
    return used.union(*(state.pinned for state in states), *(record.contents for record in records))


def read_state(file: Path) -> FolderState | None:
    """Return the state in a file. None if it is damaged."""
    try:
        first, *lines = file.read_text("ascii").split("\n")
        head = json.loads(first)
        return FolderState(str(head["root"]), dict(map(KnownFile.of_line, lines)), frozenset(map(str, head["pinned"])))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def write_whole(file: Path, text: str) -> None:
    """Write a file completely or not at all. The text is JSON in ASCII, whose escapes also encode names that are not valid Unicode."""
    with prepared(file, text) as temporary:
        os.replace(temporary, file)


@contextmanager
def prepared(file: Path, text: str) -> Iterator[Path]:
    """Write a text beside a file, and yield its path, from where it can replace the file without more space. Otherwise it is deleted."""
    temporary = file.with_name(f"{file.stem}.{os.getpid()}-{time.monotonic_ns()}.tmp")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as stream:
            stream.write(text)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
