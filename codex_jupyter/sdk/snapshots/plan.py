"""Compare the present files with the states before and after turns, and plan how to return to one of them. Changes nothing."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from codex_jupyter._paths import is_below
from codex_jupyter.sdk.snapshots.entries import VERSION_CONTROL, SnapshotChange, SnapshotEntry
from codex_jupyter.sdk.snapshots.present import PresentFolder, kind_of
from codex_jupyter.sdk.snapshots.records import TurnRecord

RestoreKind: TypeAlias = Literal["create", "change", "delete"]


class Sizes(Protocol):
    """Where contents are stored."""

    def size(self, digest: str) -> int | None:
        """Return the size of a stored content, None if it is not stored."""
        ...


@dataclass(frozen=True, slots=True)
class RestoreStep:
    """The restoring of one path."""

    root: str
    path: str
    expected: SnapshotEntry | None
    """The present state. The step is not carried out in another one."""
    target: SnapshotEntry | None

    @property
    def kind(self) -> RestoreKind:
        """The effect of the step."""
        return "create" if self.expected is None else "delete" if self.target is None else "change"

    @property
    def is_folder(self) -> bool:
        """True if it only concerns a folder, not a file in it."""
        return all(entry is None or entry.kind == "folder" for entry in (self.expected, self.target))

    @property
    def is_final(self) -> bool:
        """True if the present content is not stored, so that the step cannot be reversed."""
        return self.expected is not None and bool(self.expected.missing)

    @property
    def file(self) -> str:
        """The absolute path."""
        return os.path.join(self.root, self.path)


@dataclass(frozen=True, slots=True)
class RestoreRefusal:
    """A path that is not restored."""

    root: str
    path: str
    reason: str

    @property
    def file(self) -> str:
        """The absolute path."""
        return os.path.join(self.root, self.path)


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """The steps of an undo or a redo, and what it refuses."""

    turns: tuple[TurnRecord, ...]
    redo: bool
    steps: tuple[RestoreStep, ...] = ()
    refused: tuple[RestoreRefusal, ...] = ()
    kept: tuple[str, ...] = ()
    """Absolute paths that would be restored, but are kept on request."""

    @property
    def files(self) -> tuple[RestoreStep, ...]:
        """The steps that concern more than a folder itself."""
        return tuple(step for step in self.steps if not step.is_folder)


def plan_restore(turns: Sequence[TurnRecord], contents: Sizes, keep: Collection[str | os.PathLike[str]], *, redo: bool) -> RestorePlan:
    """Plan an undo, or the redo of an undo.

    Args:
        turns: The records of consecutive turns, oldest first.
        contents: The stored contents.
        keep: Files and folders that stay as they are.
        redo: Plan the redo.
    """
    steps: list[RestoreStep] = []
    refused: list[RestoreRefusal] = []
    kept: list[str] = []
    kept_paths = {form for path in keep for form in (os.path.abspath(path), os.path.realpath(path))}
    for root in dict.fromkeys(root for turn in turns for root in turn.folders):
        changes, broken = _combined(turns, root, redo=redo)
        try:
            with PresentFolder(root) as present:
                planner = _FolderPlan(root, present, contents, broken, kept_paths)
                planner.run(changes)
        except OSError as error:
            if changes:
                refused.append(RestoreRefusal(root, "", f"is not a folder any more ({error.strerror or error})"))
            continue
        steps += planner.steps.values()
        refused += [RestoreRefusal(root, path, reason) for path, reason in sorted(planner.refused.items())]
        kept += [os.path.join(root, path) for path in planner.kept]
    if not redo:
        lost = {(root, path): reason for turn in turns for root, folders in turn.lost.items() for path, reason in folders.items()}
        refused += [RestoreRefusal(root, path, f"was not recorded after the turn ({reason})") for (root, path), reason in lost.items()]
    return RestorePlan(tuple(turns), redo, tuple(steps), tuple(refused), tuple(kept))


def _combined(turns: Sequence[TurnRecord], root: str, *, redo: bool) -> tuple[dict[str, SnapshotChange], set[str]]:
    """Return the changes of several turns as one, and the paths that something else changed between two of them."""
    combined: dict[str, SnapshotChange] = {}
    broken = set[str]()
    for turn in turns:
        restored = turn.restored.get(root, frozenset())
        for path, change in turn.folders.get(root, {}).items():
            if redo and path not in restored:
                continue
            earlier = combined.get(path)
            if earlier is not None and earlier.after != change.before:
                broken.add(path)
            combined[path] = change if earlier is None else SnapshotChange(earlier.before, change.after)
    return combined if not redo else {path: SnapshotChange(change.after, change.before) for path, change in combined.items()}, broken


class _FolderPlan:
    """The plan for one folder. The target of a change is its `before`."""

    def __init__(self, root: str, present: PresentFolder, contents: Sizes, broken: set[str], keep: set[str]) -> None:
        self._root, self._present, self._contents, self._broken, self._keep = root, present, contents, broken, keep
        self.steps: dict[str, RestoreStep] = {}
        self.refused: dict[str, str] = {}
        self.kept: list[str] = []

    def run(self, changes: Mapping[str, SnapshotChange]) -> None:
        """Make the steps."""
        for path, change in sorted(changes.items()):
            reason = self._decide(path, change)
            if reason:
                self.refused[path] = reason
        # The deepest first: a folder can only be removed if everything in it is.
        for path, step in sorted(self.steps.items(), key=lambda item: -item[0].count("/")):
            if step.target is None or step.target.kind != "folder":
                self._check_empty(path, step)
        for path in sorted(self.steps):
            step = self.steps[path]
            if step.target is not None and not self._will_be_folder(path.rpartition("/")[0]):
                del self.steps[path]
                self.refused[path] = "its folder is not there"

    def _decide(self, path: str, change: SnapshotChange) -> str:
        """Add the step for a path. Return the reason if there is none."""
        expected, target = change.after, change.before
        if expected == target:
            return ""
        if any(entry is not None and entry.missing == VERSION_CONTROL for entry in (expected, target)):
            return "the history of git changed and stays as it is"
        status = self._present.status(path)
        try:
            if self._present.matches(path, target):
                return ""
            if not self._present.matches(path, expected):
                since = "created" if expected is None else "deleted" if status is None else "changed"
                return f"was {since} after the turn"
        except OSError as error:
            return f"cannot be read ({error.strerror or error})"
        if path in self._broken:
            return "was changed between the turns"
        if target is not None and target.missing:
            return f"its earlier state was not stored ({target.missing})"
        if target is not None and target.kind == "file" and self._contents.size(target.content) != target.size:
            return "its earlier state is not stored any more"
        file = os.path.join(self._root, path)
        if file in self._keep or any(is_below(file, folder) for folder in self._keep):
            self.kept.append(path)
            return ""
        self.steps[path] = RestoreStep(self._root, path, expected, target)
        return ""

    def _check_empty(self, path: str, step: RestoreStep) -> None:
        """Refuse the removal of a folder that contains anything that stays."""
        if step.expected is None or step.expected.kind != "folder":
            return
        for name in self._present.names(path) or ():
            inner = self.steps.get(f"{path}/{name}")
            if inner is None or inner.target is not None:
                del self.steps[path]
                self.refused[path] = "contains files that stay"
                return

    def _will_be_folder(self, path: str) -> bool:
        if not path:
            return True
        if (step := self.steps.get(path)) is not None:
            return step.target is not None and step.target.kind == "folder"
        status = self._present.status(path)
        return status is not None and kind_of(status) == "folder"
