"""Grants: the user's answers that hold for a notebook, until they are revoked.

They are in the user's state folder, by the path of the notebook. So a notebook from someone else cannot bring its own, and neither a copy
nor a renamed file has those of the original.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from pydantic import TypeAdapter

from codex_jupyter.notebook.persistence.state_folder import StateFolder, notebooks_folder, reason, resolved
from codex_jupyter.notebook.persistence.thread_store import utc_now

KernelGrant: TypeAlias = Literal["read", "run"]
"""Rights that a grant gives in the kernel: look at it; also run any code. Empty gives none."""
LEVELS: Final[tuple[str, ...]] = ("", "read", "run")
VERSION: Final = 1
"""Version of the file format. Files of other versions grant nothing."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant for a notebook.

    Attributes:
        kernel: The rights in the kernel.
        notebook: The path of the notebook. Empty for a notebook whose path is not known: such a grant ends with the kernel.
        given: Time of the answer: ISO 8601, UTC.
    """

    kernel: KernelGrant
    notebook: str = ""
    given: str = ""


class GrantStore:
    """The grants of all notebooks of the user.

    Args:
        folder: The folder of the stored threads. None is the user's. The grants are in a folder below it.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._files = StateFolder((folder or notebooks_folder()) / "grants")

    def load(self, notebook: Path) -> Grant | None:
        """Return the grant of a notebook. A file that cannot be used grants nothing."""
        return self._read(self._files.file(notebook))

    def all(self) -> list[Grant]:
        """Return all grants, oldest first."""
        grants = (self._read(file) for file in self._files.files())
        return sorted((grant for grant in grants if grant is not None), key=lambda grant: grant.given)

    def save(self, notebook: Path, kernel: KernelGrant) -> None:
        """Store a grant.

        Raises:
            OSError: If it cannot be stored.
        """
        with self._files.locked():
            self._files.write(notebook, {"version": VERSION, **asdict(Grant(kernel, resolved(notebook), utc_now()))})

    def revoke(self, notebook: Path) -> None:
        """Remove the grant of a notebook.

        Raises:
            OSError: If it cannot be removed.
        """
        with self._files.locked():
            self._files.file(notebook).unlink(missing_ok=True)

    def _read(self, file: Path) -> Grant | None:
        """Return the grant in a file. None if there is none, or it cannot be used, or it belongs to another path."""
        try:
            data: Any = json.loads(file.read_bytes())
            version, grant = data.pop("version"), _adapter().validate_python(data)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        return grant if version == VERSION and grant.notebook and self._files.file(Path(grant.notebook)) == file else None


class NotebookGrants:
    """The grant of the notebook that this kernel runs. Without a path, it is kept until the kernel ends.

    Args:
        notebook: Returns the path of the notebook; None if it is not known.
        store: Returns the store. That of a demo differs from the user's.
    """

    def __init__(self, notebook: Callable[[], Path | None], store: Callable[[], GrantStore]) -> None:
        self._notebook, self._store = notebook, store
        self._unnamed: Grant | None = None

    @property
    def kernel(self) -> str:
        """The rights in the kernel that are granted now. They are read anew each time, because another kernel may revoke them."""
        grant = self._current()
        return "" if grant is None else grant.kernel

    def add(self, kernel: KernelGrant) -> str | None:
        """Keep a grant, unless there is one that gives more.

        Returns:
            None, or one line about a problem. The grant then ends with the kernel.
        """
        if LEVELS.index(self.kernel) >= LEVELS.index(kernel):
            return None
        notebook, problem = self._notebook(), None
        if notebook is not None:
            try:
                self._store().save(notebook, kernel)
                return None
            except OSError as error:
                problem = f"The answer for this notebook holds until the kernel ends, because it cannot be stored ({reason(error)})."
        self._unnamed = Grant(kernel, given=utc_now())
        return problem

    def listed(self) -> list[Grant]:
        """Return all grants: those of the user's notebooks, and that of this kernel."""
        return [*self._store().all(), *([self._unnamed] if self._unnamed is not None else [])]

    def revoke(self, grant: Grant) -> None:
        """Revoke a grant of `listed`.

        Raises:
            OSError: If it cannot be removed.
        """
        if grant.notebook:
            self._store().revoke(Path(grant.notebook))
        else:
            self._unnamed = None

    def _current(self) -> Grant | None:
        notebook = self._notebook()
        stored = None if notebook is None else self._store().load(notebook)
        grants = [grant for grant in (stored, self._unnamed) if grant is not None]
        return max(grants, key=lambda grant: LEVELS.index(grant.kernel), default=None)


@cache
def _adapter() -> TypeAdapter[Grant]:
    """Return the validator of a stored grant. It is made once, because each call of a tool reads the grant."""
    return TypeAdapter(Grant)
