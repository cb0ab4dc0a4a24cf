"""The agent tries to write the file of the open notebook, in a real kernel with the real CLI: it reads which tools to use instead."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codex_jupyter.testing import ScriptedTurn, shell, wait_for, write_file
from codex_jupyter.testing.parts import Part
from tests.catalogue import DIRECT
from tests.notebook.conftest import Kernel
from tests.notebook.kernel_tools.test_in_a_kernel import Play
from tests.notebook.kernel_tools.test_in_a_kernel import play as play

HINT = "use the tools read_notebook, insert_cell, replace_cell, move_cell, delete_cell and run_cell"
REMARK = "The agent tried to write open.ipynb, which is open. It was refused, and the agent was sent the names of the tools for cells."


@pytest.fixture
def notebook(kernel: Kernel, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "work" / "open.ipynb"
    path.write_text("{}")
    kernel.execute(f"import os\nos.environ['JPY_SESSION_NAME'] = {str(path)!r}")
    yield path
    kernel.execute("del os.environ['JPY_SESSION_NAME']")


@pytest.mark.parametrize("model", [None, DIRECT], ids=["code mode", "direct"])
@pytest.mark.parametrize(
    ("attempt", "approvals"),
    [
        (shell("echo x > open.ipynb"), "never"),
        (shell("sed -i s/{/x/ open.ipynb"), "never"),
        (write_file("open.ipynb", "x"), "never"),
        (write_file("open.ipynb", "x"), "on-request"),
    ],
    ids=["command", "rename", "patch", "patch that asks"],
)
def test_a_refused_write_of_the_open_notebook_names_the_tools(
    kernel: Kernel, play: Play, notebook: Path, attempt: Part, approvals: str, model: str | None
) -> None:
    """The user is not asked, and reads a line about it. Other refused writes have no hint."""
    shown = threading.Event()

    def look(message: dict[str, Any]) -> None:
        if "refused" in str(message["content"].get("data", {})):
            shown.set()

    first = [[shell("echo x > /etc/x; cat open.ipynb")], [attempt], ["Hm.", wait_for(shown)]]
    scripted = play(first, ScriptedTurn(["I use the tools."], match=HINT), model=model)
    execution = kernel.execute(f"%%codex -s workspace-write -a {approvals}\nWrite.", on_message=look)
    assert notebook.read_text() == "{}"
    hinted = [HINT in str(request.input) for request in scripted.requests]
    # A patch that asks waits for the answer, so the next request has the hint. Nothing else waits: it can be the request after.
    assert (hinted[:2], hinted[2:]) in [([False, False], [True]), ([False, False], [False, True])][: 1 if approvals != "never" else 2]
    assert str(scripted.requests[-1].input).count(HINT) == 1
    assert "I use the tools." in execution.text
    assert REMARK in execution.text
    assert "this kernel runs what is there" not in execution.text
