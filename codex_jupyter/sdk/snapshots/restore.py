"""Carry out a plan: delete, create and replace, each file at once, and only where nothing has changed since the plan.

Every access goes through open folders, and never follows a link. So nothing outside of the root is changed, also if a folder is replaced
meanwhile. A killed process leaves each file in its state before or after; the same undo can then be repeated.
"""

import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Protocol

from codex_jupyter.sdk.snapshots.entries import SnapshotEntry
from codex_jupyter.sdk.snapshots.folders import open_folder
from codex_jupyter.sdk.snapshots.plan import RestorePlan, RestoreRefusal, RestoreStep
from codex_jupyter.sdk.snapshots.present import PresentFolder, kind_of

_OWNER: Final = 0o700
"""The permission bits that let the owner change a folder."""
_TEMPORARY: Final = ".codex-undo-"
"""Start of the name of a file while it is written."""


class StoredContents(Protocol):
    """Where contents are stored."""

    def get(self, digest: str) -> bytes | None:
        """Return a content. None if it is not stored, or damaged."""
        ...


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """The result of an undo or a redo."""

    reached: Mapping[str, frozenset[str]]
    """The paths that were restored, by folder."""
    failed: tuple[RestoreRefusal, ...]
    """The paths of the plan that could not be restored."""


class _ChangedSinceError(Exception):
    """Raised when a path has changed since the plan."""


def restore(plan: RestorePlan, contents: StoredContents) -> RestoreResult:
    """Carry out a plan, as far as nothing has changed since.

    Args:
        plan: The plan.
        contents: The stored contents.
    """
    reached: dict[str, frozenset[str]] = {}
    failed: list[RestoreRefusal] = []
    for root, steps in groupby(plan.steps, lambda step: step.root):
        try:
            with PresentFolder(root) as present:
                restoring = _Restoring(present, contents, {step.path: step for step in steps})
                restoring.run()
        except OSError as error:
            failed += [RestoreRefusal(root, "", _reason(error))]
            continue
        failed += [RestoreRefusal(root, path, reason) for path, reason in sorted(restoring.failed.items())]
        reached[root] = frozenset(restoring.steps) - frozenset(restoring.failed)
    return RestoreResult(reached, tuple(failed))


class _Restoring:
    """The steps for one folder."""

    def __init__(self, present: PresentFolder, contents: StoredContents, steps: Mapping[str, RestoreStep]) -> None:
        self._present, self._contents, self.steps = present, contents, steps
        self.failed: dict[str, str] = {}

    def run(self) -> None:
        """Remove from below, create from above, and set the rights of folders last, because they may forbid to write.

        For the same reason, the present folders of the plan are made writable first.

        An entry that becomes another kind is removed only when the new one is written, because the disk may be full.
        """
        from_above = sorted(self.steps)
        from_below = sorted(self.steps, key=lambda path: (-path.count("/"), path))
        folders = {path for path, step in self.steps.items() if step.target is not None and step.target.kind == "folder"}
        present = {path for path, step in self.steps.items() if step.expected is not None and step.expected.kind == "folder"}
        for path in from_above:
            if path in present:
                self._try(path, self._make_writable)
        for path in from_below:
            if self.steps[path].target is None:
                self._try(path, self._remove)
        for path in from_above:
            if path in folders - present:
                self._try(path, self._make_folder)
        for path in from_above:
            if path not in folders and self.steps[path].target is not None:
                self._try(path, self._write)
        for path in from_below:
            if path in folders:
                self._try(path, self._set_mode)

    def _try(self, path: str, action: Callable[[int, str, RestoreStep], None]) -> None:
        if path in self.failed:
            return
        step = self.steps[path]
        parent, _, name = path.rpartition("/")
        try:
            with open_folder(self._present.handle, parent) as folder:
                action(folder, name, step)
        except _ChangedSinceError:
            self.failed[path] = "has changed meanwhile"
        except OSError as error:
            self.failed[path] = _reason(error)
        finally:
            self._present.forget(path)

    def _check(self, step: RestoreStep) -> None:
        if not self._present.matches(step.path, step.expected):
            raise _ChangedSinceError

    def _make_writable(self, folder: int, name: str, step: RestoreStep) -> None:
        self._check(step)
        if step.expected is not None and step.expected.mode & _OWNER != _OWNER:
            _chmod(folder, name, step.expected.mode | _OWNER)

    def _remove(self, folder: int, name: str, step: RestoreStep) -> None:
        if step.expected is not None and step.expected.kind == "folder":
            status = self._present.status(step.path)
            if status is None or kind_of(status) != "folder":
                raise _ChangedSinceError
            os.rmdir(name, dir_fd=folder)
        else:
            self._check(step)
            os.unlink(name, dir_fd=folder)

    def _put(self, folder: int, temporary: str, name: str, step: RestoreStep) -> None:
        """Give a written entry its name, in place of the present one."""
        if step.expected is None:
            if self._present.status(step.path) is not None:
                raise _ChangedSinceError
        elif "folder" in (step.expected.kind, step.target.kind if step.target is not None else ""):
            self._remove(folder, name, step)  # the system replaces only entries of the same kind
        else:
            self._check(step)
        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)

    def _make_folder(self, folder: int, name: str, step: RestoreStep) -> None:
        temporary = _TEMPORARY + secrets.token_hex(8)
        os.mkdir(temporary, _OWNER, dir_fd=folder)
        try:
            self._put(folder, temporary, name, step)
        except BaseException:
            with suppress(OSError):
                os.rmdir(temporary, dir_fd=folder)
            raise

    def _write(self, folder: int, name: str, step: RestoreStep) -> None:
        target = step.target
        assert target is not None  # noqa: S101 - as `run` has checked
        data = b""
        if target.kind == "file":
            stored = self._contents.get(target.content)
            if stored is None:
                raise OSError("its earlier state is not stored any more")
            data = stored
        temporary = _TEMPORARY + secrets.token_hex(8)
        try:
            if target.kind == "link":
                os.symlink(target.content, temporary, dir_fd=folder)
            else:
                _write_file(folder, temporary, data, target)
            self._put(folder, temporary, name, step)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=folder)
            raise

    def _set_mode(self, folder: int, name: str, step: RestoreStep) -> None:
        if step.target is not None:
            _chmod(folder, name, step.target.mode)


def _write_file(folder: int, name: str, data: bytes, target: SnapshotEntry) -> None:
    handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
    with open(handle, "wb", buffering=0) as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]
        os.fchmod(handle, target.mode)
        os.fsync(handle)


def _chmod(folder: int, name: str, mode: int) -> None:
    with open_folder(folder, name) as handle:
        os.fchmod(handle, mode)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
