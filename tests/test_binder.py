"""Binder opens the quickstart: its steps, done in a fresh environment."""

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]


def test_the_steps_of_binder_give_a_working_quickstart(tmp_path: Path) -> None:
    """A new environment with only what `binder/` names runs the quickstart to its end."""
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
    executed = tmp_path / "executed.ipynb"
    command = [str(environment / "bin" / "jupyter"), "nbconvert", "--to", "notebook", "--execute", "notebooks/quickstart.ipynb"]
    _run([*command, "--output", str(executed)], clone)
    notebook = nbformat.read(executed, 4)
    text = str([cell.outputs for cell in notebook.cells if cell.cell_type == "code"])
    assert "days: 7" in text
    assert "median: 6.0" in text


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
