"""The magics in terminal IPython: a real `InteractiveShell` without a kernel."""

import atexit
from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from codex_jupyter.testing import ScriptedModel
from codex_jupyter.testing import shell as run_command


@pytest.fixture
def ipython(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.chdir(tmp_path)
    shell = InteractiveShell()
    shell.run_line_magic("load_ext", "codex_jupyter")
    yield shell
    shell.run_line_magic("unload_ext", "codex_jupyter")
    atexit.unregister(shell.atexit_operations)
    shell.atexit_operations()


@pytest.mark.integration
def test_a_turn_is_written_as_text(ipython: InteractiveShell, tmp_path: Path) -> None:
    """No HTML and no object reprs: the transcript, line by line, once."""
    with ScriptedModel([[run_command("echo hi"), "**Done**."]], codex_home=tmp_path / "home") as model:
        ipython.user_ns["model"] = model
        with capture_output() as captured:
            ipython.run_cell("%codex use model")
            ipython.run_cell("%%codex\ngo")
    assert "$ echo hi" in captured.stdout
    assert captured.stdout.count("hi\n") >= 1
    assert "completed" in captured.stdout
    assert "<" not in captured.stdout
    assert "Turn(" not in captured.stdout
    assert captured.outputs == []


def test_settings_are_validated_traits(ipython: InteractiveShell, caplog: pytest.LogCaptureFixture) -> None:
    """`%config` shows the settings with their help and refuses a bad value."""
    with capture_output() as captured:
        ipython.run_cell("%config CodexMagics")
    assert "What the agent's commands may do" in captured.stdout
    ipython.run_cell("%config CodexMagics.sandbox = 'everything'")
    assert "expected any of ['', 'read-only'" in caplog.text
    assert ipython.run_cell("get_ipython().magics_manager.registry['CodexMagics'].sandbox").result == ""


def test_help_is_complete(ipython: InteractiveShell) -> None:
    """Commands and options are listed."""
    with capture_output() as captured:
        ipython.run_cell("%codex help")
    for word in ("%codex status", "%codex new", "%codex use NAME", "--model", "--sandbox", "--cd", "--[no-]new"):
        assert word in captured.stdout
