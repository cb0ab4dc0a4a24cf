"""The paths that no turn may change, because they decide which code a kernel runs."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from codex_jupyter.notebook.workspace.kernel_files import kernel_files


def test_relative_folders_of_the_search_path_are_protected_but_not_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notebook often adds `src` or `..` to `sys.path`."""
    work = tmp_path / "work"
    for folder in ("src", "bin"):
        (work / folder).mkdir(parents=True)
    (work / "start.py").touch()
    monkeypatch.chdir(work)
    monkeypatch.setattr(sys, "path", ["", ".", "src", "missing", "..", *sys.path])
    monkeypatch.setenv("PATH", "bin")
    monkeypatch.setenv("PYTHONSTARTUP", "start.py")
    shell = SimpleNamespace(ipython_dir="", user_ns={})
    paths = kernel_files(shell, None, [])
    assert {work / "src", work / "bin", work / "start.py", tmp_path} <= set(paths)
    assert not {work, work / "missing"} & set(paths)


def test_a_deleted_working_folder_leaves_the_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["", "src", *sys.path])
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert Path(sys.prefix) in kernel_files(SimpleNamespace(ipython_dir="", user_ns={}), None, [])
