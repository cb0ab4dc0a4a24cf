"""Folders of the sandbox: what it leaves behind is removed, what the user makes stays, and where it cannot start is found."""

import os
import sys
from pathlib import Path

import pytest

from codex_jupyter.sdk import ConfigError, ThreadOptions
from codex_jupyter.sdk.executable.sandbox_check import folder_problem
from codex_jupyter.sdk.executable.workspace import METADATA, absent_mount_points, existing_folder, remove_empty


def make(path: Path, seconds: float) -> None:
    """Make an empty folder at a time."""
    path.mkdir()
    os.utime(path, (seconds, seconds))


@pytest.mark.parametrize("name", METADATA)
def test_an_empty_folder_that_the_user_makes_during_a_turn_stays(tmp_path: Path, name: str) -> None:
    """Alone, and together with those of the sandbox, which then does not create this one."""
    absent = absent_mount_points(ThreadOptions(working_directory=tmp_path))
    assert len(absent) == len(METADATA)
    make(tmp_path / name, 1_000)
    remove_empty(absent)
    assert (tmp_path / name).is_dir()
    for other in set(METADATA) - {name}:
        make(tmp_path / other, 1_010)
    remove_empty(absent)
    assert os.listdir(tmp_path) == [name]


@pytest.mark.skipif(sys.platform != "linux", reason="the checks are about the sandbox of Linux")
@pytest.mark.parametrize(
    ("temporary", "is_writable", "complete", "mode", "problem"),
    [
        ("here", True, False, "workspace-write", None),
        ("missing", True, False, "read-only", "does not exist"),
        ("missing", True, False, None, "does not exist"),
        ("missing", True, False, "danger-full-access", None),
        ("file", True, False, "workspace-write", "does not exist"),
        ("here", False, False, "workspace-write", "is not writable. Use another folder"),
        ("here", False, True, "workspace-write", None),
        ("here", False, False, "read-only", None),
        ("here", False, False, None, None),
        ("locked", True, False, "read-only", "is not writable. Change TMPDIR"),
    ],
)
def test_a_folder_in_which_the_sandbox_cannot_start_is_found_without_running_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    temporary: str,
    is_writable: bool,
    complete: bool,
    mode: str | None,
    problem: str | None,
) -> None:
    """A read-only mount cannot be made in a test, so the answer of the system about it is replaced."""
    work = tmp_path / "work"
    for folder in (work, tmp_path / "here", tmp_path / "locked"):
        folder.mkdir()
    (tmp_path / "file").touch()
    if complete:
        for name in METADATA:
            (work / name).mkdir()
    locked = {str(tmp_path / "locked"), *(() if is_writable else (str(work),))}
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) not in locked)
    actual = folder_problem(work, {"TMPDIR": str(tmp_path / temporary)}, mode)
    assert actual is None if problem is None else problem in (actual or "")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_folder_whose_name_is_not_utf8_is_refused_before_anything_runs(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"bad\xff")
    folder.mkdir()
    with pytest.raises(ConfigError, match=r"bad\\udcff' is not UTF-8"):
        existing_folder(folder)


def test_what_the_sandbox_leaves_is_removed(tmp_path: Path) -> None:
    """All missing folders, and an empty file over which it mounts; not a folder with content."""
    absent = [*absent_mount_points(ThreadOptions(working_directory=tmp_path)), str(tmp_path / "notebook.ipynb")]
    for name in METADATA:
        make(tmp_path / name, 1_000)
    (tmp_path / "notebook.ipynb").touch(mode=0o444)
    (tmp_path / ".git" / "config").touch()
    remove_empty(absent)
    assert os.listdir(tmp_path) == [".git"]


def test_the_only_missing_folder_is_removed(tmp_path: Path) -> None:
    for name in METADATA[1:]:
        make(tmp_path / name, 1_000)
    absent = absent_mount_points(ThreadOptions(working_directory=tmp_path))
    make(tmp_path / METADATA[0], 2_000)
    remove_empty(absent)
    assert sorted(os.listdir(tmp_path)) == sorted(METADATA[1:])
