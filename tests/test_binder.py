"""The installation of the README and of Binder, in a new environment."""

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.integration
@pytest.mark.timeout(900)
def test_the_notebooks_run_in_an_environment_that_is_installed_as_in_the_readme_and_on_binder(tmp_path: Path) -> None:
    """The environment has only the requirements of `binder/`, which are those of the README. It runs the quickstart and the plots."""
    clone = tmp_path / "clone"
    names = ["pyproject.toml", "README.md", "LICENSE", "codex_jupyter", "notebooks", "binder"]
    clone.mkdir()
    for name in names:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, clone / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
        else:
            shutil.copy(source, clone / name)
    major_minor = (clone / "binder" / "runtime.txt").read_text().strip().removeprefix("python-")
    assert tuple(map(int, major_minor.split("."))) >= (3, 11)
    environment = tmp_path / "environment"
    _run([sys.executable, "-m", "venv", str(environment)], clone)
    _run([str(environment / "bin" / "pip"), "install", "-q", "-r", "binder/requirements.txt"], clone)
    requirement = (clone / "binder" / "requirements.txt").read_text().strip()
    assert f"pip install -e '{requirement}'" in (clone / "README.md").read_text()
    text = _executed(environment, clone / "notebooks" / "quickstart.ipynb")
    assert "days: 7" in text
    assert "median: 6.0" in text
    assert "It has two humps" in _executed(environment, clone / "notebooks" / "04_plots.ipynb")


def _executed(environment: Path, notebook: Path) -> str:
    """Run all cells of a notebook, and return its outputs."""
    _run([str(environment / "bin" / "jupyter"), "nbconvert", "--to", "notebook", "--execute", "--inplace", notebook.name], notebook.parent)
    return str([cell.outputs for cell in nbformat.read(notebook, 4).cells if cell.cell_type == "code"])


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
