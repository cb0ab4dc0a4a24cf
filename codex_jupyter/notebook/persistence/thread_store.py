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
from typing import Any, Final

import platformdirs
import psutil
from pydantic import TypeAdapter

from codex_jupyter.notebook.render import TURN_MIME, TURNS_MIME, TurnInfo, turn_from_json
from codex_jupyter.sdk import Turn

MAIN: Final = "main"
"""The name of a notebook's own thread."""
MAX_PROMPT: Final = 200
"""Characters of a thread's last prompt that are remembered."""
VERSION: Final = 1
"""The form of the files. A file of another form is set aside."""
MAX_EARLIER: Final = 50
"""Threads that are remembered although their names stand for others now."""


@dataclass(frozen=True)
class ThreadRecord:
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
class NotebookRecord:
    """What is remembered of a notebook."""

    current: str = ""
    """The name of the thread that a cell goes on with; empty if there is none."""
    threads: tuple[ThreadRecord, ...] = ()
    """In the order in which their names were first used."""
    earlier: tuple[ThreadRecord, ...] = ()
    """Threads whose names stand for others now, in the order in which they were last used."""
    warning: str | None = None
    """Why nothing is remembered although something was saved; None if all is well. Not saved."""


class ThreadStore:
    """The files with what is remembered.

    Args:
        folder: Where they are; None is `notebooks` in the package's folder for state, under the platform's own. Made at the first `save`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or platformdirs.user_state_path("codex-jupyter", appauthor=False) / "notebooks"

    def load(self, notebook: Path) -> NotebookRecord:
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
            return NotebookRecord()
        except OSError as error:
            return NotebookRecord(warning=f"What was remembered of this notebook's threads cannot be read ({_reason(error)}: {file}).")
        try:
            return _decoded(data, notebook)
        except (ValueError, RecursionError) as error:
            return NotebookRecord(warning=f"What was remembered of this notebook's threads cannot be used ({error}). {_set_aside(file)}")

    def save(self, notebook: Path, record: NotebookRecord) -> str | None:
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

    def _write(self, notebook: Path, record: NotebookRecord) -> None:
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


def notebook_path(shell: Any) -> Path | None:
    """The file of the notebook that a shell belongs to, as the front end names it.

    JupyterLab, Notebook and VS Code do; nbconvert, papermill and a terminal do not. After a rename in JupyterLab the old name is given
    until the kernel is restarted.

    Args:
        shell: The interactive shell.

    Returns:
        An absolute path of an `.ipynb` file in a folder that exists; the file itself may not be saved yet. None if it is not known.
    """
    names = [shell.user_ns.get("__vsc_ipynb_file__")]
    # A process that a notebook starts has the notebook's environment; only a kernel of its own can be another notebook.
    if getattr(shell, "kernel", None) is not None and not _is_inherited(os.environ.get("JPY_SESSION_NAME")):
        names += [shell.user_ns.get("__session__"), os.environ.get("JPY_SESSION_NAME")]
    found = (_located(name, getattr(shell, "starting_dir", "")) for name in names if isinstance(name, str) and name.endswith(".ipynb"))
    return next((path for path in found if path is not None), None)


def _located(name: str, start: str) -> Path | None:
    """The file that a front end means by a name.

    Args:
        name: An absolute path. A client that starts its session over REST without a file name, or with a whole path in its place, leaves a
            path from the server's root, or one that has the folders of the notebook twice.
        start: The folder that the kernel was started in, which is the notebook's.

    Returns:
        An absolute path in a folder that exists; None if it cannot be told.
    """
    folder, file = os.path.split(name)
    if os.path.isabs(name) and os.path.isdir(folder):
        return Path(name)
    if not start:
        return None
    within = Path(os.path.relpath(folder, start) if os.path.isabs(name) else folder).parts
    same = ".." not in within and Path(start).parts[len(Path(start).parts) - len(within) :] == within
    path = Path(start, file)
    return path if same and path.is_file() else None


def past_turns(notebook: Path, thread_id: str | None = None) -> list[tuple[Turn, TurnInfo]]:
    """The turns that a notebook's saved outputs hold.

    Args:
        notebook: Its path. What is not saved yet is not found.
        thread_id: The thread; None for all threads.

    Returns:
        The turns in the order of the cells, each once, without those that are damaged; none if the file cannot be read.
    """
    turns: list[tuple[Turn, TurnInfo]] = []
    for data in _saved_turns(notebook):
        try:
            turn, info = turn_from_json(data)
        except ValueError:
            continue
        # `%codex show` has put a turn into a second output.
        if thread_id in (None, turn.thread_id) and all(turn != other for other, _ in turns):
            turns.append((turn, info))
    return turns


def _saved_turns(notebook: Path) -> Iterator[Any]:
    """The turns of cells and of chats as JSON, as they are saved."""
    for bundle in _bundles(notebook):
        if TURN_MIME in bundle:
            yield bundle[TURN_MIME]
        yield from _list(bundle.get(TURNS_MIME), "turns")


def _bundles(notebook: Path) -> Iterator[dict[str, Any]]:
    """The bundles of all outputs of a saved notebook, however little of it has the form that it should have."""
    try:
        found = json.loads(notebook.read_bytes())
    except (OSError, ValueError, RecursionError):
        return
    for cell in _list(found, "cells"):
        for output in _list(cell, "outputs"):
            if isinstance(output, dict) and isinstance(data := output.get("data"), dict):
                yield data


def _list(value: Any, key: str) -> list[Any]:
    inner = value.get(key) if isinstance(value, dict) else None
    return inner if isinstance(inner, list) else []


def _is_inherited(name: str | None) -> bool:
    """Whether the process that launched this kernel has the session's name too: then it names that process's notebook, not this one."""
    try:
        launcher = psutil.Process(int(os.environ["JPY_PARENT_PID"]))
        return name is not None and launcher.environ().get("JPY_SESSION_NAME") == name
    except (KeyError, ValueError, OSError, psutil.Error):
        return False


def _decoded(data: bytes, notebook: Path) -> NotebookRecord:
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
        return TypeAdapter(NotebookRecord).validate_python({**saved, "warning": None})
    except (ValueError, TypeError):
        raise ValueError("its file is damaged") from None


def _merged(saved: NotebookRecord, given: NotebookRecord) -> NotebookRecord:
    threads = {thread.name: thread for thread in saved.threads}
    earlier = [*saved.earlier, *given.earlier]
    for thread in given.threads:
        other = threads.setdefault(thread.name, thread)
        if thread.updated >= other.updated:
            threads[thread.name] = thread
        earlier += [thread, other]
    named = {thread.id for thread in threads.values()}
    latest = {thread.id: thread for thread in sorted(earlier, key=lambda thread: thread.updated) if thread.id not in named}
    return NotebookRecord(given.current, tuple(threads.values()), tuple(latest.values())[-MAX_EARLIER:])


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
