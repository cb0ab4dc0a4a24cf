"""Which notebook this is, and what is remembered of its threads when the kernel or the machine was restarted.

What is remembered lies in one small file per notebook under the user's state folder. The turns themselves are in the notebook's outputs.
"""

import dataclasses
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import platformdirs
from pydantic import TypeAdapter

MAIN: Final = "main"
"""The name of a notebook's own thread."""
MAX_PROMPT: Final = 200
"""Characters of a thread's last prompt that are remembered."""
VERSION: Final = 1
"""The form of the files. A file of another form is set aside."""
MAX_EARLIER: Final = 50
"""Threads that are remembered although their names stand for others now."""


@dataclass(frozen=True)
class SavedThread:
    """What is remembered of a thread."""

    name: str
    """The name it has in the notebook."""
    id: str
    turns: int = 0
    tokens: int = 0
    """Tokens that the whole thread has used, in and out."""
    last_prompt: str = ""
    """The beginning of the last prompt; cut to `MAX_PROMPT` characters when it is set."""
    updated: str = dataclasses.field(default_factory=lambda: utc_now())
    """When its last turn ended: ISO 8601, UTC. Of two records of a name, the later one stays."""
    codex_home: str = ""
    """The CODEX_HOME that holds the thread; empty is the default one."""

    def __post_init__(self) -> None:
        if len(self.last_prompt) > MAX_PROMPT:
            object.__setattr__(self, "last_prompt", self.last_prompt[: MAX_PROMPT - 1] + "…")


@dataclass(frozen=True)
class SavedNotebook:
    """What is remembered of a notebook."""

    current: str = ""
    """The name of the thread that a cell goes on with; empty if there is none."""
    threads: tuple[SavedThread, ...] = ()
    """In the order in which their names were first used."""
    earlier: tuple[SavedThread, ...] = ()
    """Threads whose names stand for others now, in the order in which they were last used."""
    warning: str | None = None
    """Why nothing is remembered although something was saved; None if all is well. Not saved."""


class ThreadStore:
    """The files with what is remembered.

    Args:
        folder: Where they are; None is `notebooks` in the package's folder for state, under the platform's own. Made at the first `save`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder: Path = folder or platformdirs.user_state_path("codex-jupyter", appauthor=False) / "notebooks"

    def load(self, notebook: Path) -> SavedNotebook:
        """What is remembered of a notebook.

        Args:
            notebook: Its path.

        Returns:
            The record; an empty one if there is none, and one with a `warning` if there is one that cannot be used. A file that is damaged,
            of another version or of another notebook is renamed to `*.corrupt`, so that nothing is lost and the next `save` works.
        """
        file = self._file(notebook)
        try:
            data = file.read_bytes()
        except FileNotFoundError:
            return SavedNotebook()
        except OSError as error:
            return SavedNotebook(warning=f"What was remembered of this notebook's threads cannot be read ({_reason(error)}: {file}).")
        try:
            return _decoded(data, notebook)
        except (ValueError, RecursionError) as error:
            return SavedNotebook(warning=f"What was remembered of this notebook's threads cannot be used ({error}). {_set_aside(file)}")

    def save(self, notebook: Path, record: SavedNotebook) -> str | None:
        """Remember a notebook's threads, with those that another kernel has saved meanwhile.

        Threads of the file that the record does not have stay. Of two threads of one name, the name stands for the one that was `updated`
        later; the other is one of the `earlier` ones then.

        Args:
            notebook: Its path.
            record: What to remember.

        Returns:
            None, or one line that says what went wrong; nothing is remembered then, or what was there before was set aside.
        """
        try:
            with self._locked():
                saved = self.load(notebook)
                self._write(notebook, _merged(saved, record))
        except OSError as error:
            return _unwritable(self.folder, error)
        return saved.warning

    def forget(self, notebook: Path, name: str) -> str | None:
        """Remember a thread of a notebook no longer; the thread itself stays in its CODEX_HOME.

        Args:
            notebook: The notebook's path.
            name: The thread's name.

        Returns:
            None, or one line that says what went wrong.
        """
        try:
            with self._locked():
                record = self.load(notebook)
                threads = tuple(thread for thread in record.threads if thread.name != name)
                if record.warning is None and threads != record.threads:
                    self._write(
                        notebook, dataclasses.replace(record, current="" if record.current == name else record.current, threads=threads)
                    )
        except OSError as error:
            return _unwritable(self.folder, error)
        return record.warning

    def owners(self, thread_id: str) -> list[Path]:
        """Return the notebooks that a thread is remembered for.

        Args:
            thread_id: The thread's UUID.
        """
        owners = []
        for file in self.folder.glob("*.json"):
            try:
                saved = json.loads(file.read_bytes())
                if any(thread["id"] == thread_id for thread in (*saved["threads"], *saved.get("earlier", ()))):
                    owners.append(Path(saved["notebook"]))
            except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
                continue
        return owners

    def _file(self, notebook: Path) -> Path:
        return self.folder / f"{hashlib.sha256(os.fsencode(_resolved(notebook))).hexdigest()[:32]}.json"

    def _write(self, notebook: Path, record: SavedNotebook) -> None:
        data = {"version": VERSION, "notebook": _resolved(notebook), **dataclasses.asdict(record)}
        del data["warning"]
        handle, name = tempfile.mkstemp(dir=self.folder, suffix=".tmp")  # mkstemp makes files that only their owner can read
        try:
            with open(handle, "w", encoding="utf-8") as file:
                # Escaped, for a path that is no valid Unicode.
                json.dump(data, file, indent=1)
                file.flush()
                os.fsync(handle)
            os.replace(name, self._file(notebook))
        except BaseException:
            os.unlink(name)
            raise

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Make the folder, and be the only one who writes into it."""
        for folder in reversed([self.folder, *self.folder.parents]):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
        with open(self.folder / ".lock", "a") as file:
            if sys.platform != "win32":
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX)
            yield


def utc_now() -> str:
    """The time as it is written into a record."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _decoded(data: bytes, notebook: Path) -> SavedNotebook:
    """The record in a file; ValueError says in a few words why there is none."""
    try:
        saved = json.loads(data)
        version, path = saved.pop("version"), saved.pop("notebook")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError("its file is damaged") from None
    if version != VERSION:
        raise ValueError(f"another version of codex-jupyter wrote it, in form {version!r}")
    if path != _resolved(notebook):
        raise ValueError(f"it belongs to another notebook: {path}")
    try:
        return TypeAdapter(SavedNotebook).validate_python({**saved, "warning": None})
    except (ValueError, TypeError):
        raise ValueError("its file is damaged") from None


def _merged(saved: SavedNotebook, given: SavedNotebook) -> SavedNotebook:
    threads = {thread.name: thread for thread in saved.threads}
    earlier = [*saved.earlier, *given.earlier]
    for thread in given.threads:
        other = threads.setdefault(thread.name, thread)
        if thread.updated >= other.updated:
            threads[thread.name] = thread
        earlier += [thread, other]
    named = {thread.id for thread in threads.values()}
    latest = {thread.id: thread for thread in sorted(earlier, key=lambda thread: thread.updated) if thread.id not in named}
    return SavedNotebook(given.current, tuple(threads.values()), tuple(latest.values())[-MAX_EARLIER:])


def _set_aside(file: Path) -> str:
    """Rename a file that cannot be used, and say so. The time in the name keeps one that was set aside earlier."""
    aside = file.with_name(f"{file.stem}-{time.time_ns()}.corrupt")
    try:
        os.replace(file, aside)
    except OSError as error:
        return f"It could not be set aside ({_reason(error)}): {file}"
    return f"It was set aside as {aside}"


def _resolved(notebook: Path) -> str:
    return os.path.realpath(notebook)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _unwritable(folder: Path, error: OSError) -> str:
    return f"This notebook's threads will not be remembered after a restart: {folder} cannot be written to ({_reason(error)})."
