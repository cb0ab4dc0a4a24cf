"""Real front ends that ignore updates of outputs: Jupyter console, Qt console and ipyparallel."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from codex_jupyter.testing import ScriptedModel, shell
from codex_jupyter.testing.script import Script
from tests.codex_home import used_home
from tests.notebook.magic.test_input_transform import PROGRAMS, PROMPT, terminal, type_lines

pytestmark = pytest.mark.integration

SCRIPT: Script = [[shell("echo from the $((40 + 2))nd shell"), "The answer of the script."]]
QT = """\
import sys
from qtconsole.manager import QtKernelManager
from qtconsole.rich_jupyter_widget import RichJupyterWidget
from qtpy import QtCore, QtWidgets

app = QtWidgets.QApplication([])
manager = QtKernelManager(kernel_name="python3", transport="ipc")
manager.start_kernel()
client = manager.client()
client.start_channels()
widget = RichJupyterWidget()
widget.kernel_manager, widget.kernel_client = manager, client
cells = sys.argv[1:]

def run():
    # The Qt console has no public names for its state and its text.
    if widget._executing or not widget._prompt:
        return  # a cell runs, or the first prompt is not there yet
    if cells:
        widget.execute(cells.pop(0))
    else:
        print(widget._control.toPlainText())
        app.quit()

timer = QtCore.QTimer()
timer.timeout.connect(run)
timer.start(50)
QtCore.QTimer.singleShot(60_000, app.quit)
app.exec()
client.stop_channels()
manager.shutdown_kernel(now=True)
"""
PARALLEL = """\
import sys
import ipyparallel
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
with ipyparallel.Cluster(n=1, log_level=40) as client:
    view = client[:]
    view.block = True
    view.activate()
    for cell in sys.argv[1:]:
        shell.run_cell(cell)
"""


def use(model: ScriptedModel) -> str:
    """Code that lets a model answer."""
    client = f"client = codex_jupyter.Codex(transport='auto', config={model.config!r}, env={model.env()!r})"
    return f"import codex_jupyter\n{client}\n%load_ext codex_jupyter\n%codex use client\n%config CodexMagics.context = 'none'"


def check(text: str) -> None:
    """Check that every item and the answer are on screen once, and nothing that would still have to change."""
    assert text.count("$ echo from the $((40 + 2))nd shell") == 1, text
    assert text.count("from the 42nd shell") == 1, text
    assert text.count("The answer of the script.") == 1, text
    assert len(re.findall(r"\bcompleted\b", text)) == 1, text
    assert "running" not in text, text


def run(program: str, folder: Path, *cells: str, **env: str) -> str:
    """Run cells in a front end, and return what is on its screen."""
    paths = {"IPYTHONDIR": str(folder / "ipython"), "JUPYTER_RUNTIME_DIR": str(folder / "runtime"), "HOME": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", program, *cells], cwd=folder, env=os.environ | paths | env, capture_output=True, text=True, timeout=150
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_jupyter_console_shows_every_item_and_the_answer(tmp_path: Path) -> None:
    with (
        ScriptedModel(SCRIPT, codex_home=used_home(tmp_path / "home")) as model,
        terminal(PROGRAMS["jupyter console"], tmp_path, use(model)) as child,
    ):
        type_lines(child, "%%codex", "go")
        child.expect(PROMPT.format(2))
        check(re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", child.before or ""))


def test_qtconsole_shows_every_item_and_the_answer(tmp_path: Path) -> None:
    pytest.importorskip("qtconsole.rich_jupyter_widget", exc_type=ImportError)
    with ScriptedModel(SCRIPT, codex_home=used_home(tmp_path / "home")) as model:
        check(run(QT, tmp_path, use(model), "%%codex\ngo", QT_QPA_PLATFORM="offscreen"))


def test_ipyparallel_shows_every_item_and_the_answer(tmp_path: Path) -> None:
    pytest.importorskip("ipyparallel")
    with ScriptedModel(SCRIPT, codex_home=used_home(tmp_path / "home")) as model:
        check(run(PARALLEL, tmp_path, f"%%px\n{use(model)}", "%%px\nget_ipython().run_cell_magic('codex', '', 'go');"))
