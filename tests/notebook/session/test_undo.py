"""`%codex undo` and `%codex redo` in a real kernel, with the real CLI."""

import json
from collections.abc import Callable
from pathlib import Path

from codex_jupyter.testing import ScriptedModel, shell, write_file
from codex_jupyter.testing.script import Script
from tests.codex_home import used_home
from tests.notebook.conftest import Kernel
from tests.notebook.session.test_app_server import execute_with_keyboard

Scripted = Callable[[Script], ScriptedModel]
FULL = "-s danger-full-access"


def test_undo_takes_back_files_and_thread_after_a_preview_and_redo_brings_both_back(
    kernel: Kernel, scripted: Scripted, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    (work / "data.csv").write_text("1\n")
    (work / "mine.txt").write_text("old\n")
    (work / ".env").write_text("KEY=1\n")
    model = scripted(
        [
            "One.",
            [write_file("new.py", "print()\n"), shell("echo 2 > data.csv; echo agent > mine.txt; echo x > extra"), "Two."],
            "Three.",
            "Four.",
            "Five.",
        ]
    )
    assert "Undo does not cover: .env (its content looks secret)." in kernel.execute(f"%codex {FULL} first").text
    second = kernel.execute(f"value = 1\n%codex {FULL} second")
    assert "Undo does not cover" not in second.text
    kernel.execute(f"%codex {FULL} third")
    (work / "mine.txt").write_text("mine\n")

    refused = kernel.execute("%codex undo 2 --keep extra").text
    assert "Undo the last 2 turns: 2 files, 2 turns." in refused
    assert "mine.txt: was changed after the turn" in refused
    assert "extra: kept, as you asked" in refused
    assert "Variables of the kernel stay as they are." in refused
    assert "No one can answer here, so nothing was done. `%codex undo --yes` does not ask." in refused
    assert (work / "data.csv").read_text() == "2\n"

    done = kernel.execute("%codex undo 2 --keep extra --yes")
    assert done.error is None
    assert "Undone: 2 files, 2 turns." in done.text
    marked = [message for message in done.messages if message["msg_type"] == "update_display_data"]
    assert sum("undone" in message["content"]["data"]["text/plain"] for message in marked) == 2
    assert {path.name: path.read_text() for path in work.iterdir()} == {
        "data.csv": "1\n",
        "mine.txt": "mine\n",
        "extra": "x\n",
        ".env": "KEY=1\n",
    }
    again = kernel.execute("%codex redo --yes").text
    assert "Redone: 2 files, 2 turns." in again
    assert "does not get its turns back" not in again
    assert ((work / "data.csv").read_text(), (work / "new.py").exists()) == ("2\n", True)
    assert "Nothing was undone that could be redone." in kernel.execute("%codex redo --yes").text
    kernel.execute("%codex undo --yes")
    kernel.execute(f"%codex {FULL} fourth")
    assert model.requests[-1].prompts == ["first", "second", "fourth"]
    kernel.execute("%codex undo 3 --yes\n%codex redo --yes")
    kernel.execute(f"%codex {FULL} fifth")
    assert model.requests[-1].prompts == ["first", "second", "fourth", "fifth"]


def test_undo_after_a_restart_asks_and_needs_an_exact_answer(new_kernel: Callable[..., Kernel], tmp_path: Path) -> None:
    """The notebook is not saved, so only the stored records know the files."""
    notebook = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "work.ipynb").write_text(json.dumps(notebook))
    (tmp_path / "temporary").mkdir()
    env = {"XDG_STATE_HOME": str(tmp_path / "state"), "JPY_SESSION_NAME": str(tmp_path / "work.ipynb")}
    with ScriptedModel(["One.", [shell("echo agent > made.txt"), "Two."], "Three."], codex_home=used_home(tmp_path / "home")) as model:
        first = new_kernel(**env)
        first.use(model, TMPDIR=str(tmp_path / "temporary"))
        for prompt in ("first", "second"):
            assert first.execute(f"%codex {FULL} {prompt}").error is None
        first.close()
        assert (tmp_path / "made.txt").exists()
        kernel = new_kernel(**env)
        kernel.use(model, TMPDIR=str(tmp_path / "temporary"))
        _, declined = execute_with_keyboard(kernel, "%codex undo", "yes please", "n")
        assert "Undo the last turn: 1 file, 1 turn." in declined
        assert "delete      made.txt" in declined
        assert (tmp_path / "made.txt").exists()
        assert "Undone: 1 file" in execute_with_keyboard(kernel, "%codex undo", "y")[1]
        assert not (tmp_path / "made.txt").exists()
        assert kernel.execute(f"%codex {FULL} third").error is None
        assert model.requests[-1].prompts == ["first", "third"]


def test_after_a_restart_redo_brings_back_every_undo_in_reverse_order(new_kernel: Callable[..., Kernel], tmp_path: Path) -> None:
    """The second turn changes no file, and the third one changes a file of the first one."""
    (tmp_path / "work.ipynb").write_text(json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    (tmp_path / "temporary").mkdir()
    env = {"XDG_STATE_HOME": str(tmp_path / "state"), "JPY_SESSION_NAME": str(tmp_path / "work.ipynb")}
    file = tmp_path / "made.txt"
    script: Script = [[shell("echo 1 > made.txt"), "One."], "Two.", [shell("echo 3 > made.txt"), "Three."]]
    with ScriptedModel(script, codex_home=used_home(tmp_path / "home")) as model:
        kernel = new_kernel(**env)
        kernel.use(model, TMPDIR=str(tmp_path / "temporary"))
        for prompt in ("first", "second", "third"):
            kernel.execute(f"%codex {FULL} {prompt}")
        for _ in range(3):
            kernel.execute("%codex undo --yes")
        assert not file.exists()
        kernel.close(now=True)
        kernel = new_kernel(**env)
        kernel.use(model, TMPDIR=str(tmp_path / "temporary"))
        kernel.execute("%codex resume")
        contents = []
        for _ in range(3):
            done = kernel.execute("%codex redo --yes").text
            assert "Redo the last turn: " in done
            assert "Redone: " in done
            contents.append(file.read_text())
        assert contents == ["1\n", "1\n", "3\n"]
        assert "Nothing was undone that could be redone." in kernel.execute("%codex redo --yes").text


def test_without_snapshots_the_thread_is_undone_and_the_files_are_named_as_not_recorded(
    kernel: Kernel, scripted: Scripted, tmp_path: Path
) -> None:
    """Also with the transport exec, which cannot revert a thread itself."""
    model = scripted([[shell("echo agent > made.txt"), "```python\n1 + 1\n```"], "Two."])
    kernel.use(model, "exec")
    kernel.execute("%config CodexMagics.snapshots = False")
    kernel.execute(f"%codex {FULL} first")
    kernel.execute("%codex insert")
    done = kernel.execute("%codex undo --yes\n%config CodexMagics.snapshots = True")
    assert "Undone: 1 turn." in done.text
    assert "files of the turn 'first': were not recorded" in done.text
    assert "the cell with the code of the answer: the kernel cannot delete cells; delete it in the notebook" in done.text
    assert (tmp_path / "work" / "made.txt").exists()
    redo = kernel.execute(f"%codex {FULL} second\n%codex redo\n%codex undo --yes").text
    assert "because it was continued after the undo: the agent does not remember them" in redo
    assert model.requests[-1].prompts == ["second"]
    assert "There is no turn that can be undone." in kernel.execute("%codex undo").text
