"""Observe the changes of a turn in its folder: diffs, written images, and files that hide installed modules.

An error while reading the folder does not end the turn. It becomes a remark below it.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from anyio import to_thread

from codex_jupyter.notebook.render import Thumbnail
from codex_jupyter.notebook.workspace.file_diffs import FileHistory
from codex_jupyter.notebook.workspace.shadowed_modules import ShadowingFiles
from codex_jupyter.notebook.workspace.written_images import ImageFiles
from codex_jupyter.sdk import FileUpdateChange, TurnRecording

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class Workspace:
    """The folder of a turn.

    Args:
        folder: The working folder.
        home: The folder at which links to files start, which is the notebook's.
    """

    def __init__(self, folder: Path, home: Path) -> None:
        self._history, self._images, self._modules = FileHistory(folder), ImageFiles(folder, home), ShadowingFiles()
        self._remarks: list[str] = []

    @property
    def remarks(self) -> tuple[str, ...]:
        """Remarks to show after the turn, one line each."""
        return tuple(self._remarks)

    async def remember(self, recording: TurnRecording | None) -> None:
        """Read the folder before the turn changes it.

        Args:
            recording: The snapshot of the files, for `diff`. None if there is none, or the CLI reports the diffs.
        """
        self._history.remember(recording)
        await self._aside("Images of the turn are not shown", self._images.remember, None)
        await self._aside("Modules of the turn are not examined", self._modules.remember, None)

    async def diff(self, changes: Sequence[FileUpdateChange]) -> str:
        """Return the difference that a patch made; see `FileHistory.diff`."""
        return await self._aside("A change of files is not shown", lambda: self._history.diff(changes), "")

    async def written(self, viewed: Iterable[str] = ()) -> tuple[Thumbnail, ...]:
        """Return the images that the turn wrote or looked at, and add remarks. Call it when the turn has ended.

        Args:
            viewed: Paths of the images that the agent looked at or generated.
        """
        remark = await self._aside("Modules of the turn are not examined", self._modules.remark, "")
        self._remarks += [remark] if remark else []
        return await self._aside("Images of the turn are not shown", lambda: self._images.written(viewed), ())

    async def _aside(self, problem: str, look: Callable[[], _T], otherwise: _T) -> _T:
        """Read the folder on another thread. Return `otherwise` if that fails."""
        try:
            return await to_thread.run_sync(look)
        except Exception as error:
            _log.debug("%s.", problem, exc_info=True)
            self._remarks.append(f"{problem} ({type(error).__name__}: {str(error)[:200]}).")
            return otherwise
