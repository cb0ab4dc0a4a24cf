"""The files of the JupyterLab extension: their versions, the schema of the settings, and what the wheel installs."""

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import codex_jupyter
from codex_jupyter.notebook.lab import protocol
from tests.requirements import skip_or_fail
from tests.scripts import load_script

ROOT = Path(__file__).parents[3]
FOLDER = Path(protocol.__file__).parent / "labextension"
STATIC = FOLDER / "static"


def test_the_settings_page_has_the_settings_of_the_magics() -> None:
    """`python .ci/build_lab_schema.py` writes the schema after a change of a setting."""
    written = (FOLDER / "schemas" / "codex-jupyter" / "plugin.json").read_text(encoding="utf-8")
    assert written == load_script("build_lab_schema").text()


def test_the_extension_has_the_version_of_the_package() -> None:
    package = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))
    assert package["version"] == codex_jupyter.__version__
    assert (FOLDER / package["jupyterlab"]["_build"]["load"]).is_file()


def test_the_wheel_installs_the_extension_where_jupyterlab_looks_for_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    shared = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert {ROOT / source: target for source, target in shared.items()} == {FOLDER: "share/jupyter/labextensions/codex-jupyter"}


@pytest.mark.cli_range  # pip needs a package index for the program that builds the wheel
def test_the_wheel_contains_every_file_of_the_extension_once_and_a_readme_with_images(tmp_path: Path) -> None:
    address = "https://example.org/owner/name"
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    if subprocess.run(build, check=False, env={**os.environ, "CODEX_JUPYTER_REPOSITORY": address}).returncode:
        skip_or_fail("The wheel cannot be built.")
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        names = [name for name in content.namelist() if "labextension" in name]
        metadata = content.read(f"{'-'.join(wheel.name.split('-')[:2])}.dist-info/METADATA").decode()
    target = f"{wheel.name.rsplit('-', 3)[0]}.data/data/share/jupyter/labextensions/codex-jupyter"
    assert sorted(names) == sorted(f"{target}/{file.relative_to(FOLDER).as_posix()}" for file in FOLDER.rglob("*") if file.is_file())
    assert f'src="{address}/raw/v{codex_jupyter.__version__}/notebooks/images/lab-light.png"' in metadata


def test_every_import_of_the_extension_is_a_file_next_to_it() -> None:
    """The modules are not joined by a build, so the server must have each of them."""
    sources = "\n".join(file.read_text(encoding="utf-8") for file in STATIC.glob("*.js"))
    code = re.sub(r"/\*\*.*?\*/", "", sources, flags=re.DOTALL)
    imported = set(re.findall(r'(?:from|import\() ?"\./([^"]+\.js)"', code)) | set(re.findall(r'URL\("\./([^"]+)"', code))
    assert {name for name in imported if not (STATIC / name).is_file()} == set()
    assert {"panel.js", "plugin.js", "lab.css"} <= imported


def test_every_place_of_a_command_in_the_schema_has_a_command() -> None:
    schema = (FOLDER / "schemas" / "codex-jupyter" / "plugin.json").read_text(encoding="utf-8")
    defined = set(re.findall(r'\["(codex:[\w-]+)"', (STATIC / "plugin.js").read_text(encoding="utf-8")))
    assert set(re.findall(r'"(codex:[\w-]+)"', schema)) <= defined
