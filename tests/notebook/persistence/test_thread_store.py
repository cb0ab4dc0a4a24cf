"""The stored threads of a notebook, and the identity of the notebook."""

import dataclasses
import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_jupyter.notebook.persistence import state_folder
from codex_jupyter.notebook.persistence.notebook_file import notebook_path, past_turns
from codex_jupyter.notebook.persistence.thread_store import SavedNotebook, SavedThread, ThreadStore
from codex_jupyter.notebook.render import TURN_MIME, TurnInfo, turn_bundle
from codex_jupyter.sdk import AgentMessageItem, Turn
from tests.invented import MODEL

MAIN = SavedThread("main", "0199-a", turns=3, tokens=1200, last_prompt="Plot it", updated="2025-11-03T10:00:00.000+00:00", codex_home="/h")
OTHER = SavedThread("other", "0199-b", updated="2025-11-03T11:00:00.000+00:00")
RECORD = SavedNotebook("main", (MAIN, OTHER))


@pytest.fixture
def store(tmp_path: Path) -> ThreadStore:
    return ThreadStore(tmp_path / "state" / "deep" / "notebooks")


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    return tmp_path / "a.ipynb"


def files(store: ThreadStore, pattern: str) -> list[Path]:
    return sorted(store.folder.glob(pattern))


def test_what_is_saved_is_loaded_again(store: ThreadStore, notebook: Path) -> None:
    """By another store, too; a notebook that was never saved has an empty record."""
    assert store.load(notebook) == SavedNotebook()
    assert not store.folder.exists()
    assert store.save(notebook, RECORD) is None
    assert ThreadStore(store.folder).load(notebook) == RECORD
    assert store.load(notebook.with_name("b.ipynb")) == SavedNotebook()


def test_only_the_user_can_read_the_files(store: ThreadStore, notebook: Path) -> None:
    """Prompts are private: files 0600, folders 0700, and no temporary file is left."""
    store.save(notebook, RECORD)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (store.folder, store.folder.parent, store.folder.parent.parent)]
    assert modes == [0o700] * 3
    assert [stat.S_IMODE(path.stat().st_mode) for path in files(store, "*.json")] == [0o600]
    assert files(store, "*.tmp") == []


def test_the_default_folder_is_the_platforms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is made there before something is saved."""
    monkeypatch.setattr("platformdirs.user_state_path", lambda name, **_: tmp_path / name)
    assert ThreadStore().folder == tmp_path / "codex-jupyter" / "notebooks"
    assert list(tmp_path.iterdir()) == []


def test_a_long_prompt_is_cut() -> None:
    """The limit itself is not."""
    assert dataclasses.replace(MAIN, last_prompt="x" * 200).last_prompt == "x" * 200
    assert dataclasses.replace(MAIN, last_prompt="x" * 300).last_prompt == "x" * 199 + "…"


def test_two_ways_to_one_notebook_are_one(store: ThreadStore, notebook: Path, tmp_path: Path) -> None:
    """A link to the folder leads to the same record."""
    (tmp_path / "link").symlink_to(tmp_path)
    store.save(tmp_path / "link" / "a.ipynb", RECORD)
    assert store.load(notebook) == RECORD


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data.update(version=2), "another version"),
        (lambda data: data.update(notebook="/elsewhere/b.ipynb"), "belongs to another notebook: /elsewhere/b.ipynb"),
        (lambda data: data.update(threads=[{"name": "x"}]), "damaged"),
        (lambda data: data.update(threads={"x": 1}, current=5), "damaged"),
        (lambda data: data.pop("notebook"), "damaged"),
    ],
)
def test_a_file_that_cannot_be_used_is_set_aside(store: ThreadStore, notebook: Path, change: Any, reason: str) -> None:
    """An empty record says why in one line, nothing is lost, and saving works again."""
    store.save(notebook, RECORD)
    [file] = files(store, "*.json")
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))
    record = store.load(notebook)
    assert (record.current, record.threads) == ("", ())
    assert record.warning is not None
    assert reason in record.warning
    assert "\n" not in record.warning
    [aside] = files(store, "*.corrupt")
    assert json.loads(aside.read_text()) == data
    assert str(aside) in record.warning
    assert store.save(notebook, RECORD) is None
    assert store.load(notebook) == RECORD


JSON = st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda value: json.dumps(value).encode())


@settings(deadline=None)
@given(st.binary(max_size=60) | JSON)
def test_no_content_is_an_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """For any bytes in the file. Saving reports the problem, and the file is kept."""
    folder = tmp_path_factory.mktemp("store")
    store = ThreadStore(folder)
    store.save(folder / "a.ipynb", RECORD)
    [file] = files(store, "*.json")
    file.write_bytes(content)
    warning = store.save(folder / "a.ipynb", SavedNotebook())
    assert warning is not None
    assert "damaged" in warning
    assert [path.read_bytes() for path in files(store, "*.corrupt")] == [content]
    assert store.load(folder / "a.ipynb") == SavedNotebook()


def test_a_deeply_nested_file_is_damaged(store: ThreadStore, notebook: Path) -> None:
    """Reaching Python's recursion limit is not the user's error."""
    store.save(notebook, RECORD)
    files(store, "*.json")[0].write_text("[" * 200_000)
    assert store.load(notebook).warning is not None


def test_a_folder_that_cannot_be_written_is_a_warning(tmp_path: Path, notebook: Path) -> None:
    """A file stands where the folder should be; one line says what that means."""
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        warning = ThreadStore(folder).save(notebook, RECORD)
        assert warning is not None
        assert warning.startswith("This notebook's threads will not be remembered")
        assert "\n" not in warning
        loaded = ThreadStore(folder).load(notebook)
        assert loaded.threads == ()


def test_a_failed_write_leaves_the_old_file(store: ThreadStore, notebook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk costs the newest record, not the earlier one, and leaves no temporary file."""
    store.save(notebook, RECORD)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    warning = store.save(notebook, SavedNotebook("new"))
    assert warning is not None
    assert "no space left" in warning
    assert store.load(notebook) == RECORD
    assert files(store, "*.tmp") == []


def test_threads_of_another_kernel_stay(store: ThreadStore, notebook: Path) -> None:
    """Two kernels of one notebook: the later update wins for each name, in any order of saving. Names of only one kernel are kept."""
    newer = dataclasses.replace(MAIN, turns=4, updated="2025-11-03T12:00:00.000+00:00")
    store.save(notebook, SavedNotebook("main", (newer,)))
    store.save(notebook, SavedNotebook("other", (MAIN, OTHER)))
    assert store.load(notebook) == SavedNotebook("other", (newer, OTHER))


def test_kernels_that_write_at_once_lose_nothing(store: ThreadStore, notebook: Path) -> None:
    """Every thread of every writer is there in the end."""
    records = [dataclasses.replace(MAIN, name=f"thread {number}") for number in range(40)]

    def save(thread: SavedThread) -> str | None:
        return ThreadStore(store.folder).save(notebook, SavedNotebook("x", (thread,)))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(save, records)) == [None] * 40
    assert {thread.name for thread in store.load(notebook).threads} == {thread.name for thread in records}


def kernel_shell(**names: object) -> SimpleNamespace:
    return SimpleNamespace(user_ns=names, kernel=object())


@pytest.fixture
def session_name(monkeypatch: pytest.MonkeyPatch, notebook: Path) -> pytest.MonkeyPatch:
    monkeypatch.setenv("JPY_SESSION_NAME", str(notebook))
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    return monkeypatch


@pytest.mark.usefixtures("session_name")
def test_the_front_end_names_the_notebook(notebook: Path, tmp_path: Path) -> None:
    """JupyterLab by its environment, VS Code by a variable; a file that is not saved yet counts."""
    assert notebook_path(kernel_shell()) == notebook
    assert notebook_path(kernel_shell(__session__=str(tmp_path / "b.ipynb"))) == tmp_path / "b.ipynb"
    assert notebook_path(kernel_shell(__vsc_ipynb_file__=str(tmp_path / "c.ipynb"))) == tmp_path / "c.ipynb"
    assert notebook_path(SimpleNamespace(user_ns={"__vsc_ipynb_file__": str(notebook)})) == notebook


def test_a_notebook_is_never_guessed(session_name: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A terminal in a notebook's environment, a console, a relative name, a folder of another machine, a variable of another kind."""
    assert notebook_path(SimpleNamespace(user_ns={})) is None
    for name in ("a.ipynb", "", str(tmp_path / "console-1"), str(tmp_path / "nowhere" / "a.ipynb")):
        session_name.setenv("JPY_SESSION_NAME", name)
        assert notebook_path(kernel_shell(__session__=name, __vsc_ipynb_file__=5)) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("deep/er/nb.ipynb", "deep/er/nb.ipynb"),  # from the server's root
        ("er/nb.ipynb", "deep/er/nb.ipynb"),
        ("nb.ipynb", "deep/er/nb.ipynb"),
        ("{root}/deep/er/deep/er/nb.ipynb", "deep/er/nb.ipynb"),  # the folders twice
        ("{root}/deep/er/nb.ipynb", "deep/er/nb.ipynb"),
        ("other/nb.ipynb", None),
        ("deep/er/missing.ipynb", None),
        ("../er/nb.ipynb", None),
        ("{root}/nowhere/er/nb.ipynb", None),
        ("{root}/deep/nowhere/nb.ipynb", None),
    ],
)
def test_a_session_started_over_rest_names_the_notebook(
    session_name: pytest.MonkeyPatch, tmp_path: Path, name: str, expected: str | None
) -> None:
    """By a path from the server's root, or with the folders twice; the file must be where the kernel was started."""
    folder = tmp_path / "deep" / "er"
    folder.mkdir(parents=True)
    (folder / "nb.ipynb").write_text("{}")
    session_name.setenv("JPY_SESSION_NAME", name.format(root=tmp_path))
    shell = kernel_shell()
    shell.starting_dir = str(folder)
    assert notebook_path(shell) == (None if expected is None else tmp_path / expected)


@pytest.mark.integration
def test_a_kernel_that_a_notebook_started_is_another_notebook(session_name: pytest.MonkeyPatch, notebook: Path) -> None:
    """`nbconvert --execute` in a notebook's cell passes the notebook's own environment on."""
    launcher = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        session_name.setenv("JPY_PARENT_PID", str(launcher.pid))
        assert notebook_path(kernel_shell(__session__=str(notebook))) is None
        session_name.setenv("JPY_SESSION_NAME", str(notebook.with_name("other.ipynb")))
        assert notebook_path(kernel_shell()) == notebook.with_name("other.ipynb")
    finally:
        launcher.communicate(b"\n")


def turn(thread_id: str, text: str) -> Turn:
    return Turn(thread_id=thread_id, status="completed", items=(AgentMessageItem(id="item_0", text=text),))


def write_notebook(path: Path, *bundles: object) -> None:
    outputs = [{"output_type": "display_data", "data": bundle, "metadata": {}} for bundle in bundles]
    cells = [{"cell_type": "markdown", "source": "x"}, *({"cell_type": "code", "outputs": [output]} for output in outputs)]
    path.write_text(json.dumps({"nbformat": 4, "cells": cells}))


def test_past_turns_come_from_the_saved_outputs(notebook: Path) -> None:
    """Turns of the thread, in order, once each. All threads if none is named."""
    first, second, foreign, info = turn("a", "one"), turn("a", "two"), turn("b", "three"), TurnInfo(model=MODEL, elapsed=2.0)
    shown = [turn_bundle(each, info) for each in (first, foreign, second)]
    write_notebook(notebook, *shown, {"text/plain": "1"}, turn_bundle(first, TurnInfo()))
    assert past_turns(notebook, "a") == [(first, info), (second, info)]
    assert past_turns(notebook) == [(first, info), (foreign, info), (second, info)]
    assert past_turns(notebook, "c") == []


def test_damaged_turns_are_skipped(notebook: Path) -> None:
    """The others are found."""
    good = turn_bundle(turn("a", "one"), TurnInfo())
    saved = good[TURN_MIME]
    damaged: list[Any] = [None, [], "x", 5, {**saved, "version": 9}, {**saved, "turn": 3}, {**saved, "info": {"q": 1}}, {"version": 1}]
    damaged += [{**saved, "turn": {**saved["turn"], "items": 3}}, {**saved, "turn": {**saved["turn"], "usage": "x"}}]
    write_notebook(notebook, *({TURN_MIME: data} for data in damaged), None, ["x"], good)
    assert past_turns(notebook, "a") == [(turn("a", "one"), TurnInfo())]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"[]", b'{"cells": 3}', b'{"cells": [3, {"outputs": [3, {}]}]}', b"[" * 200_000])
def test_an_unreadable_notebook_has_no_turns(notebook: Path, content: bytes) -> None:
    """Nor has one that does not exist."""
    assert past_turns(notebook, "a") == []
    notebook.write_bytes(content)
    assert past_turns(notebook, "a") == []


def test_a_lock_that_is_never_released_is_a_warning(store: ThreadStore, notebook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A save does not wait forever for another process, and its warning names the reason."""
    store.save(notebook, RECORD)
    monkeypatch.setattr(state_folder, "LOCK_SECONDS", 0.05)
    with FileLock(store.folder / ".lock"):
        problem = store.save(notebook, RECORD)
    assert problem is not None
    assert "another process has locked it" in problem
    assert store.save(notebook, RECORD) is None


def test_the_next_save_removes_the_file_of_an_interrupted_one(store: ThreadStore, notebook: Path) -> None:
    """A process that is killed while it writes leaves a temporary file, which does not stay."""
    store.save(notebook, RECORD)
    (store.folder / "abc123.tmp").write_text("{")
    assert store.save(notebook, RECORD) is None
    assert files(store, "*.tmp") == []
