"""Remember the threads of notebooks across restarts of the kernel and of the machine.

There is one small file per notebook in the user's state folder. The turns themselves are in the notebook's outputs.
"""

import dataclasses
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from codex_jupyter._shortening import shorten
from codex_jupyter.notebook.persistence.state_folder import StateFolder, notebooks_folder, reason, resolved, set_aside

MAIN: Final = "main"
"""Name of a notebook's default thread."""
MAX_TITLE: Final = 60
"""Maximum characters of a thread's title."""
MAX_PROMPT: Final = 200
"""Maximum characters that are stored of a thread's last prompt."""
VERSION: Final = 1
"""Version of the file format. A file of another version is set aside."""
MAX_EARLIER: Final = 50
"""Maximum number of stored threads whose names refer to other threads now."""


@dataclass(frozen=True)
class SavedThread:
    """A stored thread."""

    name: str
    """Its name in the notebook."""
    id: str
    turns: int = 0
    tokens: int = 0
    """Tokens of the whole thread, input and output."""
    last_prompt: str = ""
    """The start of the last prompt, at most `MAX_PROMPT` characters."""
    updated: str = dataclasses.field(default_factory=lambda: utc_now())
    """Time at which its last turn ended: ISO 8601, UTC. Of two records of a name, the later one is kept."""
    codex_home: str = ""
    """The CODEX_HOME of the thread. Empty is the default one."""
    title: str = ""
    """Its title in the chat, at most `MAX_TITLE` characters. Empty if it is not known."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "last_prompt", shorten(self.last_prompt, MAX_PROMPT))
        object.__setattr__(self, "title", shorten(self.title, MAX_TITLE))


@dataclass(frozen=True)
class SavedNotebook:
    """The stored data of a notebook."""

    current: str = ""
    """Name of the thread that the next cell continues. Empty if there is none."""
    threads: tuple[SavedThread, ...] = ()
    """The threads, in the order in which their names were first used."""
    earlier: tuple[SavedThread, ...] = ()
    """Threads whose names refer to other threads now, in the order in which they were last used."""
    started: dict[str, str] = dataclasses.field(default_factory=dict)
    """The starts of the prompts whose turns have not ended, by the names of their threads. An empty one removes a stored one."""
    warning: str | None = None
    """The reason why stored data could not be read, or None. Not stored."""


class ThreadStore:
    """The files with the threads of notebooks.

    Args:
        folder: Their folder. None is `notebooks` in the package's state folder. It is created by the first `save`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder: Path = folder or notebooks_folder()
        self._files = StateFolder(self.folder)

    def load(self, notebook: Path) -> SavedNotebook:
        """Return the stored data of a notebook.

        Args:
            notebook: Its path.

        Returns:
            The data, empty if nothing is stored. If the file cannot be used, the result is empty and has a `warning`. A file that is
            damaged, or that belongs to another version or another notebook, is renamed to `*.corrupt`. So no data is lost, and the next
            `save` works.
        """
        file = self._files.file(notebook)
        try:
            data = file.read_bytes()
        except FileNotFoundError:
            return SavedNotebook()
        except OSError as error:
            return SavedNotebook(warning=f"The stored threads of this notebook cannot be read ({reason(error)}: {file}).")
        try:
            return _decoded(data, notebook)
        except (ValueError, RecursionError) as error:
            return SavedNotebook(warning=f"The stored threads of this notebook cannot be used ({error}). {set_aside(file)}")

    def save(self, notebook: Path, record: SavedNotebook) -> str | None:
        """Store the threads of a notebook, merged with those that another kernel has stored meanwhile.

        Stored threads that the record does not contain are kept. Of two threads with the same name, the name refers to the thread that was
        `updated` later, and the other one becomes one of the `earlier` threads.

        Args:
            notebook: Its path.
            record: The data.

        Returns:
            None, or one line about a problem. Then nothing was stored, or the previous file was set aside.
        """
        try:
            with self._files.locked():
                saved = self.load(notebook)
                self._files.write(notebook, _encoded(notebook, _merged(saved, record)))
        except OSError as error:
            return _unwritable(self.folder, error)
        return saved.warning

    def forget(self, notebook: Path, name: str) -> str | None:
        """Remove a thread from the stored data. The thread itself stays in its CODEX_HOME.

        Args:
            notebook: The notebook's path.
            name: The thread's name.

        Returns:
            None, or one line about a problem.
        """
        try:
            with self._files.locked():
                record = self.load(notebook)
                threads = tuple(thread for thread in record.threads if thread.name != name)
                if record.warning is None and threads != record.threads:
                    current = "" if record.current == name else record.current
                    self._files.write(notebook, _encoded(notebook, dataclasses.replace(record, current=current, threads=threads)))
        except OSError as error:
            return _unwritable(self.folder, error)
        return record.warning

    def owners(self, thread_id: str) -> list[Path]:
        """Return the notebooks for which a thread is stored.

        Args:
            thread_id: The thread's UUID.
        """
        owners = []
        for file in self._files.files():
            try:
                saved = json.loads(file.read_bytes())
                if any(thread["id"] == thread_id for thread in (*saved["threads"], *saved.get("earlier", ()))):
                    owners.append(Path(saved["notebook"]))
            except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
                continue
        return owners


def utc_now() -> str:
    """Return the current time in the form of `SavedThread.updated`."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _encoded(notebook: Path, record: SavedNotebook) -> dict[str, object]:
    data = {"version": VERSION, "notebook": resolved(notebook), **dataclasses.asdict(record)}
    del data["warning"]
    return data


def _decoded(data: bytes, notebook: Path) -> SavedNotebook:
    """Decode a file.

    Raises:
        ValueError: If the file cannot be used, with the reason in a few words.
    """
    try:
        saved = json.loads(data)
        version, path = saved.pop("version"), saved.pop("notebook")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError("its file is damaged") from None
    if version != VERSION:
        raise ValueError(f"another version of codex-jupyter wrote it, in form {version!r}")
    if path != resolved(notebook):
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
    started = {name: prompt for name, prompt in {**saved.started, **given.started}.items() if prompt}
    return SavedNotebook(given.current, tuple(threads.values()), tuple(latest.values())[-MAX_EARLIER:], started)


def _unwritable(folder: Path, error: OSError) -> str:
    return f"This notebook's threads will not be remembered after a restart, because {folder} cannot be written to ({reason(error)})."
