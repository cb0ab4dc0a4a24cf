"""The environment of the README and of Binder: it has only the requirements of `binder/`."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


@pytest.mark.integration
def test_the_notebooks_run_in_an_environment_with_the_requirements_of_the_readme_and_binder(tmp_path: Path) -> None:
    """Run the quickstart and the plots where only the distributions can be imported that an installation as in the README brings.

    The files are those of the environment of this test. A job of CI installs the requirements from the package index.
    """
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
    requirement = (clone / "binder" / "requirements.txt").read_text().strip()
    assert f"pip install -e '{requirement}'" in (clone / "README.md").read_text()
    environment = tmp_path / "environment"
    python = _environment(environment, clone, Requirement(f"codex-jupyter{requirement.removeprefix('.')}").extras)
    missing = subprocess.run([python, "-c", "import pytest"], capture_output=True, text=True)
    assert "No module named 'pytest'" in missing.stderr
    notebooks = [clone / "notebooks" / name for name in ("quickstart.ipynb", "04_plots.ipynb")]
    _run([str(python), "-m", "nbconvert", "--to", "notebook", "--execute", "--inplace", *map(str, notebooks)], clone / "notebooks")
    quickstart, plots = map(_outputs, notebooks)
    assert "days: 7" in quickstart
    assert "median: 6.0" in quickstart
    assert "It has two humps" in plots


def _environment(environment: Path, clone: Path, extras: set[str]) -> Path:
    """Create an environment with the clone and what it requires, and return its interpreter."""
    _run([sys.executable, "-m", "venv", "--without-pip", str(environment)], clone)
    site_packages = next(environment.glob("lib/python*/site-packages"))
    required = _required(tomllib.loads((clone / "pyproject.toml").read_text())["project"], extras)
    installed = [file for distribution in required for file in distribution.files or ()]
    # Only the metadata: an editable installation also has the path of the original.
    installed += [file for file in importlib.metadata.files("codex-jupyter") or () if file.suffix != ".pth"]
    for file in installed:
        target = Path(os.path.normpath(site_packages / file))
        if target.parent != environment / "bin":  # The scripts there start the interpreter of this test.
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(os.path.realpath(file.locate()))
    (site_packages / "clone.pth").write_text(f"{clone}\n")
    return environment / "bin" / "python"


def _required(project: dict[str, object], extras: set[str]) -> list[importlib.metadata.Distribution]:
    """Return the distributions that the requirements of a project and of its extras name, and all that these require."""
    optional = project["optional-dependencies"]
    assert isinstance(optional, dict)
    assert isinstance(project["dependencies"], list)
    waiting = [Requirement(line) for line in sum((optional[extra] for extra in extras), project["dependencies"])]
    resolved: dict[tuple[str, str], importlib.metadata.Distribution] = {}
    while waiting:
        requirement = waiting.pop()
        distribution = importlib.metadata.distribution(requirement.name)
        for extra in ("", *requirement.extras):
            key = canonicalize_name(requirement.name), extra
            if key in resolved:
                continue
            resolved[key] = distribution
            lines = map(Requirement, distribution.requires or ())
            waiting += [line for line in lines if line.marker is None or line.marker.evaluate({"extra": extra})]
    return [distribution for (_, extra), distribution in resolved.items() if not extra]


def _outputs(notebook: Path) -> str:
    return str([cell.outputs for cell in nbformat.read(notebook, 4).cells if cell.cell_type == "code"])


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
