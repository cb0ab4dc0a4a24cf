"""Front ends that ignore updates of outputs: which they are, and what they show."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from codex_jupyter.notebook.display.front_end import applies_updates
from codex_jupyter.notebook.display.outputs import EMPTY
from codex_jupyter.testing import ScriptedModel, fail
from codex_jupyter.testing import shell as run_command
from codex_jupyter.testing.script import Script
from tests.notebook.conftest import Kernel

Scripted = Callable[[Script], ScriptedModel]
NOTEBOOK = {"JPY_SESSION_NAME": "/home/u/a.ipynb"}


def kernel_of(package: str) -> object:
    """A kernel whose class is derived from one of a package."""
    base = type("Kernel", (), {"__module__": package})
    return type("Derived", (base,), {"__module__": "elsewhere"})()


def shell(
    kernel: object = None, *, cell: object = None, stdin: object = False, module: str = "ipykernel.zmqshell", **variables: Any
) -> Any:
    metadata = {} if cell is None else {"cellId": cell}
    request = {"header": {"session": "s"}, "metadata": metadata, "content": {"allow_stdin": stdin}}
    state = {"kernel": kernel or kernel_of("ipykernel.ipkernel"), "parent_header": request, "user_ns": variables}
    return type("Shell", (SimpleNamespace,), {"__module__": module})(**state)


@pytest.mark.parametrize(
    ("shell", "env", "expected"),
    [
        (shell(cell="c"), {}, True),  # JupyterLab, Notebook 7
        (shell(cell="c", stdin=True), NOTEBOOK, True),
        (shell(__vsc_ipynb_file__="/a.ipynb", stdin=True), {}, True),
        (shell(module="google.colab._shell", stdin=True), {}, True),
        (shell(kernel_of("google.colab._kernel")), {}, True),
        (shell(stdin=True), {}, False),  # jupyter console, qtconsole, jupyter run
        (shell(kernel_of("spyder_kernels.console.kernel"), stdin=True), NOTEBOOK, False),
        (shell(kernel_of("ipyparallel.engine.kernel")), {}, False),
        (shell(kernel_of("ipyparallel.engine.kernel"), cell="c"), {}, False),
        (shell(stdin=True), NOTEBOOK, None),  # a notebook that reports no cell, or a console on its kernel
        (shell(stdin=True), {"VSCODE_PID": "1"}, None),  # VS Code, or a console in its terminal
        (shell(), {}, None),  # nbclient, papermill, a script
        (shell(cell="", stdin="yes"), {}, None),
        (SimpleNamespace(kernel=object()), {}, None),
        (SimpleNamespace(kernel=object(), parent_header=None, user_ns={}), {}, None),
        (SimpleNamespace(kernel=object(), parent_header={"metadata": None, "content": [], "header": 1}), {}, None),
    ],
)
def test_a_front_end_is_recognised_by_its_signs(shell: Any, env: dict[str, str], expected: bool | None) -> None:
    assert applies_updates(shell, env=env) is expected
    assert applies_updates(shell, "on", env) is True
    assert applies_updates(shell, "off", env) is False


@pytest.mark.parametrize(
    ("request_of_cell", "setting", "once"),
    [
        ({"cell": False, "allow_stdin": True}, "auto", True),  # a console
        ({"cell": False}, "auto", False),  # no sign
        ({"cell": True}, "off", True),  # forced
        ({"cell": False, "allow_stdin": True}, "on", None),  # forced: the first states only
    ],
)
def test_a_front_end_that_ignores_updates_shows_every_item_and_the_answer(
    kernel: Kernel, scripted: Scripted, request_of_cell: dict[str, Any], setting: str, once: bool | None
) -> None:
    """A client that collects the outputs as they are first sent, as consoles do. Where there is no sign, it sees the answer at the end."""
    scripted([[run_command("echo from the shell"), "The whole **answer**."]])
    kernel.execute(f"%config CodexMagics.live_updates = {setting!r}")
    try:
        execution = kernel.execute("%%codex\ngo", **request_of_cell)
    finally:
        kernel.execute("%config CodexMagics.live_updates = 'auto'")
    assert execution.error is None
    updates = [message for message in execution.messages if message["msg_type"] == "update_display_data"]
    if once:
        assert execution.unchanged.count("$ echo from the shell") == execution.unchanged.count("The whole **answer**.") == 1
        assert "running" not in execution.unchanged
        assert execution.unchanged.count("completed") == 1
        assert updates == []
    elif once is None:
        assert "completed" not in execution.unchanged
    else:
        assert execution.unchanged.rstrip().endswith("The whole **answer**.")
        # One that applies updates does not see it twice.
        assert updates[-1]["content"]["data"] == EMPTY
        assert execution.text.count("The whole **answer**.") == 1


def test_without_a_sign_the_end_of_a_turn_without_an_answer_is_shown(kernel: Kernel, scripted: Scripted) -> None:
    scripted([[fail(400, "no such thing")]])
    execution = kernel.execute("%%codex --no-raise\ngo", cell=False)
    assert "failed" in execution.unchanged
    assert execution.text.count("failed") == 1
