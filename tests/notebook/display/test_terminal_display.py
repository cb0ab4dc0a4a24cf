"""The magics in terminal IPython: a real `InteractiveShell` without a kernel."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from codex_jupyter.notebook.display.terminal_markdown import terminal_markdown
from codex_jupyter.testing import ScriptedModel, fail
from codex_jupyter.testing import shell as run_command
from tests.codex_home import used_home
from tests.notebook.shells import close_shell


@pytest.fixture
def ipython(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.chdir(tmp_path)
    shell = InteractiveShell()
    shell.run_line_magic("load_ext", "codex_jupyter")
    yield shell
    shell.run_line_magic("unload_ext", "codex_jupyter")
    close_shell(shell)


@pytest.mark.integration
def test_a_turn_is_written_as_text(ipython: InteractiveShell, tmp_path: Path) -> None:
    """No HTML and no object reprs: the transcript, line by line, once."""
    with ScriptedModel([[run_command("echo hi"), "**Done**."]], codex_home=used_home(tmp_path / "home")) as model:
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


def test_markdown_has_the_styles_of_a_terminal() -> None:
    """Headings, emphasis, lists and code are styled. Output of commands and what is in code are not."""
    text = "# Title\n\n- **North** and *south*, `a**b**`\n2 * 3 * 4\n    **output**\n```python\nx = 1\n```\nend"
    styled = terminal_markdown(text).split("\n")
    assert styled[0] == "\x1b[1mTitle\x1b[0m"
    assert styled[2] == "• \x1b[1mNorth\x1b[0m and \x1b[3msouth\x1b[0m, \x1b[36ma**b**\x1b[0m"
    assert styled[3:5] == ["2 * 3 * 4", "    **output**"]
    assert re.sub(r"\x1b\[[\d;]*m", "", styled[5]) == "    x = 1"
    assert styled[6:] == ["end"]


def test_a_style_can_end_on_a_later_line_of_its_paragraph() -> None:
    """As in Markdown. A star at the start of another paragraph, list item or block does not end it."""
    assert terminal_markdown("the *mean of\nthe values*, `a\nb`") == "the \x1b[3mmean of\nthe values\x1b[0m, \x1b[36ma\nb\x1b[0m"
    for text in ("a *b\n\nc* d", "a *b\n    c* d", "a *b\n# c* d"):
        assert "\x1b[3m" not in terminal_markdown(text)
    assert terminal_markdown("- a *b\n- c* d") == "• a *b\n• c* d"


def test_a_table_has_columns_in_a_terminal() -> None:
    """Also with wide characters, styles, and rows that are too short. What only looks like a table stays."""
    text = "| city | mean |\n|---|---:|\n| **東京** | 21.5 |\n| Oslo | 7 |\n| Rome |\nend\na | b\nc | d"
    plain = re.sub(r"\x1b\[[\d;]*m", "", terminal_markdown(text)).split("\n")
    assert plain == ["city  mean", "────  ────", "東京  21.5", "Oslo     7", "Rome", "end", "a | b", "c | d"]


@pytest.mark.integration
def test_a_failed_turn_says_its_error_once(ipython: InteractiveShell, tmp_path: Path) -> None:
    """In a terminal, too: the cell raises it."""
    with ScriptedModel([[fail(400, message="broken thing")]], codex_home=used_home(tmp_path / "home")) as model:
        ipython.user_ns["model"] = model
        with capture_output() as captured:
            ipython.run_cell("%codex use model")
            ipython.run_cell("%%codex\ngo")
    assert (captured.stdout + captured.stderr).count("broken thing") == 1
    assert "failed" in captured.stdout


@pytest.mark.integration
def test_a_turn_in_the_background_has_the_styles_of_a_terminal(
    ipython: InteractiveShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The value of the line does not repeat its state, which changes at once."""
    with ScriptedModel(["**Done**."], codex_home=used_home(tmp_path / "home")) as model:
        ipython.user_ns["model"] = model
        with capture_output() as captured:
            monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
            ipython.run_cell("%codex use model")
            ipython.run_cell("%codex --bg go")
            ipython.run_cell("%codex wait")
    assert "\x1b[1mDone\x1b[0m." in captured.stdout
    assert "\r" not in captured.stdout, "a status line would replace what the user types"
    assert "a turn in the background; `%codex wait` waits for it" in captured.stdout
    assert "<turn of thread" not in captured.stdout
