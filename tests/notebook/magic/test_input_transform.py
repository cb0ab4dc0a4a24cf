"""`%%codex` typed key by key at a terminal: real IPython and real Jupyter console in a pseudo-terminal."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from codex_jupyter.notebook.magic.input_transform import keep_prompts
from codex_jupyter.testing import ScriptedModel
from tests.codex_home import used_home

LIMIT = 120
"""Seconds after which a terminal that should have answered counts as hanging."""
PROGRAMS = {"ipython": ["IPython", "--no-banner"], "jupyter console": ["jupyter_console"]}

PROMPT = r"In \[(?:\x1b\[[\d;]*m)*{}(?:\x1b\[[\d;]*m)*\]: "
"""The prompt of a cell by its number; the number has a colour."""


@contextmanager
def terminal(program: list[str], folder: Path, startup: str) -> Iterator[pexpect.spawn]:
    """A program at its first prompt, in a profile that has run some code."""
    scripts = folder / "ipython" / "profile_default" / "startup"
    scripts.mkdir(parents=True)
    (scripts / "start.ipy").write_text(startup)
    # It would otherwise wait for the terminal to report where its cursor is.
    env = os.environ | {"IPYTHONDIR": str(folder / "ipython"), "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", "HOME": str(folder)}
    child = pexpect.spawn(sys.executable, ["-m", *program], cwd=str(folder), env=env, encoding="utf-8", timeout=LIMIT, dimensions=(40, 200))
    try:
        child.expect(PROMPT.format(1))
        yield child
    finally:
        child.close(force=True)


def type_lines(child: pexpect.spawn, *lines: str) -> None:
    """Type a cell line by line, each after the prompt of the one before. An empty line at the end, and Enter, run it."""
    for line in (*lines, ""):
        child.send(f"{line}\r")
        child.expect_exact("...:")
    child.send("\r")


@pytest.mark.integration
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_cell_magic_can_be_typed_in_a_terminal(program: str, tmp_path: Path) -> None:
    """Enter after `%%codex` continues the cell; the prompt has as many lines as were typed, and is sent after an empty one."""
    with ScriptedModel(["The answer from the script."], codex_home=used_home(tmp_path / "home")) as model:
        (tmp_path / "work").mkdir()
        startup = (
            "import codex_jupyter\n"
            f"client = codex_jupyter.Codex(config={model.config!r}, env={model.env()!r})\n"
            "%load_ext codex_jupyter\n%codex use client\n%config CodexMagics.context = 'none'\n%cd -q work\n"
        )
        with terminal(PROGRAMS[program], tmp_path, startup) as child:
            type_lines(child, "%%codex", "The first line", "and the second?")
            # Then the next prompt comes: the turn is over.
            child.expect(PROMPT.format(2))
        assert [request.prompt.strip() for request in model.requests] == ["The first line\nand the second?"]


@pytest.mark.integration
def test_a_terminal_shows_the_answer_of_a_typed_cell(tmp_path: Path) -> None:
    """IPython writes it as text."""
    with ScriptedModel(["The answer from the script."], codex_home=used_home(tmp_path / "home")) as model:
        startup = (
            f"import codex_jupyter\nclient = codex_jupyter.Codex(config={model.config!r}, env={model.env()!r})\n"
            "%load_ext codex_jupyter\n%codex use client\n"
        )
        with terminal(PROGRAMS["ipython"], tmp_path, startup) as child:
            type_lines(child, "%%codex -q", "Hello?")
            child.expect_exact("The answer from the script.")


@pytest.mark.integration
def test_a_terminal_refuses_a_chat_and_lists_the_scripts_of_the_demo(tmp_path: Path) -> None:
    with terminal(PROGRAMS["ipython"], tmp_path, "%load_ext codex_jupyter\n") as child:
        child.send("%codex chat\r")
        child.expect_exact("UsageError: A terminal cannot show a chat.")
        child.expect(PROMPT.format(2))
        child.send("%codex demo nosuch\r")
        child.expect_exact("takes the name of a script, quickstart, magic, gallery, plots, chat or kernel; not 'nosuch'.")


@pytest.mark.parametrize(
    ("cell", "status"),
    [
        ("%%codex", "incomplete"),
        ("%%codex -s workspace-write", "incomplete"),
        ("%%codex What is this?", "incomplete"),
        ("%%codex\n", "incomplete"),
        ("%%codex\nWhat is this?", "incomplete"),
        ("%%codex\nif x:\n", "incomplete"),
        ("%%codex\nWhat is this?\n\n", "complete"),
        ("%%codex\n\n", "complete"),
        ("%codex What's this?", "complete"),
        ("%codex Why (?", "complete"),
        ("answer = %codex Is 'this right?", "complete"),
    ],
)
def test_a_cell_is_incomplete_until_an_empty_line(cell: str, status: str) -> None:
    """A line magic is complete at once, also if its prompt ends with a question mark or an open quote."""
    manager = TransformerManager()
    manager.cleanup_transforms.append(keep_prompts)
    assert manager.check_complete(cell)[0] == status
