"""The cost of a snapshot of 5,000 files, compared with `stat` of the same files, and with git."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from codex_jupyter.sdk import file_state
from codex_jupyter.sdk.snapshots.store import SnapshotStore

pytestmark = pytest.mark.benchmark
FILES = 5_000
SIZE = 4_096


def seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def test_the_cost_of_a_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_state, "RACY", -1_000_000_000)
    root, text = tmp_path / "work", "def add(left, right):\n    return left + right\n\n\n"
    for number in range(FILES):
        file = root / f"folder{number % 100}" / f"{number}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text((f"# {number}\n" + text * (SIZE // len(text) + 1))[:SIZE])
    store = SnapshotStore(tmp_path / "state")
    plain = min(seconds(lambda: [os.stat(path) for path in root.rglob("*")]) for _ in range(3))
    results = {"first": seconds(lambda: store.take(root))}
    results["unchanged"] = min(seconds(lambda: store.take(root)) for _ in range(3))
    (root / "folder1" / "1.py").write_text("changed")
    results["one file changed"] = seconds(lambda: store.take(root))
    results["new process"] = seconds(lambda: SnapshotStore(store.folder).take(root))
    if shutil.which("git"):
        git = ["git", f"--git-dir={tmp_path / 'git'}", f"--work-tree={root}"]
        subprocess.run([*git, "init", "-q"], check=True, cwd=root)

        def add() -> None:
            subprocess.run([*git, "add", "-A"], check=True, cwd=root)
            subprocess.run([*git, "write-tree"], check=True, cwd=root, stdout=subprocess.DEVNULL)

        results["git, first"], results["git, unchanged"] = seconds(add), seconds(add)
    for name, value in results.items():
        print(f"{name:18}{value * 1000:8.0f} ms {value / plain:8.1f} times the listing of the files")
