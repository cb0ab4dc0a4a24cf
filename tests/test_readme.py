"""The examples of the README run, with a scripted model in place of a real one."""

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import anyio
import pytest
import tomli_w

from codex_jupyter.testing import ScriptedModel, shell
from tests.notebook.conftest import Kernel, codex_home, kernel, scripted, shared_kernel

__all__ = ["codex_home", "kernel", "scripted", "shared_kernel"]

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
CELLS = [code for language, code in BLOCKS if language != "sh" and code.startswith("%")]
PROGRAMS = [code for language, code in BLOCKS if language == "python" and not code.startswith("%")]


def test_every_block_of_the_readme_is_a_cell_a_program_or_a_shell_command() -> None:
    assert len(CELLS) >= 3
    assert len(PROGRAMS) >= 2
    assert len(CELLS) + len(PROGRAMS) + sum(language == "sh" for language, _ in BLOCKS) == len(BLOCKS)


@pytest.mark.anyio
@pytest.mark.integration
async def test_the_programs_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one namespace, in order, as in a notebook. The user's own configuration points to the scripted model."""
    work, home = tmp_path / "work", tmp_path / "home"
    work.mkdir()
    await anyio.run_process(["git", "init", "-q", str(work)])
    monkeypatch.chdir(work)
    with ScriptedModel([[shell("true"), "A test failed."], "It is fixed."], codex_home=home) as model:
        (home / "config.toml").write_text(tomli_w.dumps(model.config))
        for name, value in model.env({}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        namespace: dict[str, Any] = {}
        for program in PROGRAMS:
            code = compile(program, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            result = eval(code, namespace)  # noqa: S307 - our own README
            if inspect.isawaitable(result):
                await result
    assert model.requests[0].prompt == "Diagnose the failing test"
    assert model.requests[-1].prompt == "Fix it"


def test_the_cells_of_the_readme_run(kernel: Kernel, scripted: Any) -> None:
    model = scripted(["It is plotted.", "Because it was warm."])
    for cell in CELLS:
        assert kernel.execute(cell).error is None, cell
    prompts = [prompt for _, newline, prompt in (cell.strip().partition("\n") for cell in CELLS) if newline]
    assert [request.prompts[-1].strip() for request in model.requests] == prompts
