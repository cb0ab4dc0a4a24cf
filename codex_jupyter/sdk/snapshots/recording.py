"""Record the folders of a turn before and after it. A problem with that never ends the turn."""

import logging
import os
import threading
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
from anyio import to_thread

from codex_jupyter._paths import is_below
from codex_jupyter.sdk.executable.workspace import absolute
from codex_jupyter.sdk.models.options import ThreadOptions
from codex_jupyter.sdk.snapshots.entries import Snapshot
from codex_jupyter.sdk.snapshots.records import TurnRecord
from codex_jupyter.sdk.snapshots.scan import SnapshotCancelledError
from codex_jupyter.sdk.snapshots.store import SnapshotStore

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class TurnRecording:
    """The recording of a turn.

    Args:
        store: Where the snapshots are stored.
        options: The options of the turn. Its working folder and its additional folders are recorded, without its read-only paths.
        home: CODEX_HOME, which changes in each turn.
        cancelled: Returns True when the turn was stopped.
    """

    def __init__(self, store: SnapshotStore, options: ThreadOptions, home: Path, cancelled: Callable[[], bool]) -> None:
        self.store: SnapshotStore = store
        """Where the snapshots are stored."""
        self.id: str = uuid.uuid4().hex
        """Id of the record, as in `Turn.snapshot_id`."""
        self.before: tuple[Snapshot, ...] = ()
        """The states before the turn."""
        self.problem: str | None = None
        """The reason why the turn cannot be undone, or not completely. None if it can."""
        self.record: TurnRecord | None = None
        """The changes of the turn, when it has ended."""
        self.started: bool = False
        """True if the turn has started, so that it may have changed something."""
        self._options, self._home, self._cancelled = options, home, cancelled
        self._left = threading.Event()

    async def start(self) -> None:
        """Record the folders before the turn."""
        self.before = await self._aside(self._take, ())

    async def finish(self, thread_id: Callable[[], str | None], turn_id: Callable[[], str | None]) -> None:
        """Record the folders after the turn, and store the changes.

        Args:
            thread_id: Returns the id of the turn's thread.
            turn_id: Returns the server's id of the turn.
        """
        thread = thread_id()
        if self.started and thread is not None and self.problem is None:
            with anyio.CancelScope(shield=True):
                self.record = await self._aside(partial(self._keep, thread, turn_id()), None)

    def _take(self) -> tuple[Snapshot, ...]:
        folder = absolute(self._options.working_directory)
        roots = _outermost([folder, *(folder / path.expanduser() for path in self._options.additional_directories)])
        return tuple(self._snapshot(root, self._is_stopped) for root in roots if os.path.isdir(root))

    def _keep(self, thread_id: str, turn_id: str | None) -> TurnRecord:
        after = [self._snapshot(before.root, lambda: False, before) for before in self.before]
        return self.store.keep(self.id, list(zip(self.before, after, strict=True)), thread_id=thread_id, turn_id=turn_id)

    def _snapshot(self, root: str, cancelled: Callable[[], bool], before: Snapshot | None = None) -> Snapshot:
        excluded = [self._home, *(path.expanduser() for path in self._options.read_only_paths)]
        return self.store.take(root, exclude=[os.path.join(root, path) for path in excluded], cancelled=cancelled, before=before)

    def _is_stopped(self) -> bool:
        return self._left.is_set() or self._cancelled()

    async def _aside(self, function: Callable[[], _T], otherwise: _T) -> _T:
        """Call a function on another thread. Return `otherwise` if it fails."""
        try:
            return await to_thread.run_sync(function, abandon_on_cancel=True)
        except SnapshotCancelledError:
            return otherwise  # the turn does not start
        except Exception as error:
            _log.debug("The files of a turn could not be recorded.", exc_info=True)
            self.problem = f"The files of this turn cannot be undone ({type(error).__name__}: {str(error)[:200]})."
            return otherwise
        except BaseException:
            self._left.set()
            raise


def _outermost(folders: Sequence[Path]) -> list[str]:
    """Return the real paths of folders, without those that lie in another one."""
    paths = sorted({os.path.realpath(folder) for folder in folders})
    return [path for path in paths if not any(is_below(path, other) for other in paths)]
