"""The file of the open notebook, which is read-only for commands and patches. The page would overwrite it, or the user would lose work."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from codex_jupyter.sdk import ApprovalRequest, CommandExecutionItem, FileChangeItem, FileUpdateChange, ThreadItem, Turn

HINT: Final = (
    "The file of the user's notebook is open. So it is read-only for commands and patches, and nothing was written. To change its "
    "cells, use the tools read_notebook, insert_cell, replace_cell, move_cell, delete_cell and run_cell of the group kernel. Do not try "
    "other ways to write the file."
)
"""The text that the agent reads after it tried to write the file. The agent takes it for the user's, so it does not contain the name."""
REMARK: Final = "The agent tried to write {name}, which is open. It was refused{hinted}."
HINTED: Final = ", and the agent was sent the names of the tools for cells"
_REFUSED: Final = re.compile(r"read-only file system|resource busy|permission denied|operation not permitted", re.IGNORECASE)


class OpenNotebook:
    """Notices when a turn tries to write the file of the open notebook.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: set[str] = set()
        """The items that were examined."""
        self._tried = self._is_hinted = False

    @property
    def remarks(self) -> tuple[str, ...]:
        """One line for the user, if the agent tried to write the file."""
        return (REMARK.format(name=self._path.name, hinted=HINTED if self._is_hinted else ""),) if self._tried else ()

    @property
    def hint(self) -> str:
        """The text for the agent. Empty if it has received it."""
        return "" if self._is_hinted else HINT

    def hinted(self) -> None:
        """Record that the agent has received the text."""
        self._is_hinted = True

    def declines(self, request: ApprovalRequest) -> bool:
        """Return whether the agent asks to change the file by a patch. The user is not asked about it."""
        declines = self._changes(request.changes)
        self._tried = self._tried or declines
        return declines

    def is_first_try(self, turn: Turn) -> bool:
        """Return whether an item of the turn has just ended that tried to write the file, and none did before."""
        ended = [item for item in turn.items if item.id not in turn.open_item_ids and item.id not in self._seen]
        self._seen.update(item.id for item in ended)
        if self._tried or not any(map(self._is_refused, ended)):
            return False
        self._tried = True
        return True

    def _is_refused(self, item: ThreadItem) -> bool:
        if isinstance(item, FileChangeItem):
            return item.status != "completed" and self._changes(item.changes)
        if not isinstance(item, CommandExecutionItem) or item.status == "completed":
            return False
        lines = [line for line in item.aggregated_output.splitlines() if _REFUSED.search(line)]
        # `sed -i` names only its own temporary file.
        return any(self._path.name in (f"{line} {item.command}" if "busy" in line else line) for line in lines)

    def _changes(self, changes: Sequence[FileUpdateChange]) -> bool:
        paths = [path for change in changes for path in (change.path, change.move_path) if path]
        return any(os.path.realpath(path) == os.path.realpath(self._path) for path in paths)
