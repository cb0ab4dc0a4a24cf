"""The records of turns: the changes of their folders, with the states before and after."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from codex_jupyter.sdk.snapshots.entries import SnapshotChange, SnapshotEntry

VERSION: Final = 1
"""Version of the file format. A record of another version is not used."""


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """The changes of the files in one turn."""

    id: str
    """Unique id of the record."""
    thread_id: str | None
    """The thread of the turn."""
    time: float
    """The time of its end, in seconds since the epoch."""
    folders: Mapping[str, Mapping[str, SnapshotChange]] = field(default_factory=dict)
    """The changes by folder and path."""
    turn_id: str | None = None
    """The server's id of the turn, as in `Turn.id`. None if it is not known."""
    undone: str = ""
    """Id of the undo that took the turn back. The ids of later undos are greater. Empty if it was not undone."""
    restored: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The paths that the undo has restored, by folder. A redo changes only these."""
    lost: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The folders that were covered before the turn and not after it, with the reasons, by folder. An undo changes nothing in them."""

    def as_json(self) -> dict[str, Any]:
        """Return the record as JSON values."""
        folders = {
            root: {path: [state and state.as_json() for state in (change.before, change.after)] for path, change in changes.items()}
            for root, changes in self.folders.items()
        }
        return {
            "version": VERSION,
            "id": self.id,
            "thread_id": self.thread_id,
            "turn_id": self.turn_id,
            "time": self.time,
            "folders": folders,
            "undone": self.undone,
            "restored": {root: sorted(paths) for root, paths in self.restored.items()},
            "lost": self.lost,
        }

    @classmethod
    def of_json(cls, data: Any) -> "TurnRecord":
        """Return the record of `as_json`.

        Raises:
            ValueError: If the data have another form or version.
        """
        try:
            if data["version"] != VERSION:
                raise ValueError(f"it has the form {data['version']!r}")
            folders = {
                str(root): {str(path): _change(states) for path, states in changes.items()} for root, changes in data["folders"].items()
            }
            if not all(os.path.isabs(root) and all(map(_is_relative, changes)) for root, changes in folders.items()):
                raise ValueError("it has a path outside of its folder")
            restored = {str(root): frozenset(map(str, paths)) for root, paths in data["restored"].items()}
            lost = {
                str(root): {str(path): str(reason) for path, reason in folders.items()} for root, folders in data.get("lost", {}).items()
            }
            identity = (str(data["id"]), data["thread_id"], float(data["time"]))
            return cls(*identity, folders, data["turn_id"], str(data["undone"]), restored, lost)
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"it is damaged ({error})") from None

    @property
    def contents(self) -> set[str]:
        """The hashes of the stored contents."""
        states = (state for changes in self.folders.values() for change in changes.values() for state in (change.before, change.after))
        return {state.content for state in states if state is not None and state.kind == "file" and not state.missing}


def _change(states: Any) -> SnapshotChange:
    return SnapshotChange(*(state and SnapshotEntry.of_json(state) for state in states))


def _is_relative(path: str) -> bool:
    return not {"", ".", ".."} & set(path.split("/")) and "\0" not in path
