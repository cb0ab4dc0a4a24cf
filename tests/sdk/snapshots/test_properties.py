"""Properties of undo and redo for any changes of a small folder."""

import shutil
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from codex_jupyter.sdk.snapshots.store import SnapshotStore
from tests.sdk.snapshots.conftest import Work, tree

paths = st.sampled_from(["a", "b", "a/a", "a/b", "b/a", "a/a/a"])
actions = st.tuples(st.sampled_from(["write", "folder", "link", "delete", "chmod"]), paths, st.sampled_from(["1", "2", ""]))


def act(root: Path, steps: Sequence[tuple[str, str, str]]) -> None:
    """Change a folder. Steps that are not possible do nothing."""
    for action, name, text in steps:
        path = root / name
        try:
            if action != "chmod" and (path.is_symlink() or path.is_file()):
                path.unlink()
            elif action in ("delete", "write", "link") and path.is_dir():
                shutil.rmtree(path)
            match action:
                case "write":
                    path.write_text(text)
                case "folder":
                    path.mkdir()
                case "link":
                    path.symlink_to(text or "a")
                case "chmod" if not path.is_symlink():
                    path.chmod(0o750 if text else 0o700)
        except OSError:
            continue


@settings(max_examples=25, deadline=None, database=None)
@given(st.lists(actions, max_size=8), st.lists(actions, max_size=8), st.lists(actions, max_size=8))
def test_undo_and_redo_of_any_two_turns_restore_every_entry(
    start: list[tuple[str, str, str]], first: list[tuple[str, str, str]], second: list[tuple[str, str, str]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "root"
        root.mkdir()
        work = Work(root, SnapshotStore(Path(folder) / "state"))
        act(root, start)
        states = [tree(root)]
        turns = []
        for steps in (first, second):
            turns.append(work.turn(partial(act, root, steps)))
            states.append(tree(root))
        work.undo(*turns)
        assert tree(root) == states[0]
        work.redo(*turns)
        assert tree(root) == states[2]
        work.undo(turns[1])
        assert tree(root) == states[1]


@settings(max_examples=25, deadline=None, database=None)
@given(st.lists(actions, max_size=8), st.lists(actions, max_size=8), st.lists(actions, max_size=4))
def test_undo_never_changes_a_file_that_was_changed_by_hand(
    start: list[tuple[str, str, str]], turn: list[tuple[str, str, str]], by_hand: list[tuple[str, str, str]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "root"
        root.mkdir()
        work = Work(root, SnapshotStore(Path(folder) / "state"))
        act(root, start)
        before = tree(root)
        record = work.turn(lambda: act(root, turn))
        after = tree(root)
        act(root, by_hand)
        mine = tree(root)
        work.undo(record)
        for path, state in tree(root).items():
            assert state in (before.get(path), mine.get(path))
        for path, state in mine.items():
            if state not in (before.get(path), after.get(path)) and state[1] is not True:
                assert tree(root)[path] == state
