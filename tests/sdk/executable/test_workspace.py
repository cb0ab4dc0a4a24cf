"""Places that a stopped sandbox leaves behind are removed. What the user makes meanwhile stays."""

import os
from pathlib import Path

import pytest

from codex_jupyter.sdk import ThreadOptions
from codex_jupyter.sdk.executable.workspace import METADATA, absent_mount_points, remove_empty


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
