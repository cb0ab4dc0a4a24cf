"""The extension in the oldest JupyterLab that is supported. Without access to a package index, it is skipped outside of CI."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chats import run_cell
from tests.browser.conftest import KERNEL_IDLE, Lab, jupyterlab
from tests.browser.lab_checks import MODEL, USE, use_codex_first, write
from tests.browser.test_notebook_cells import check_everything, write_everything
from tests.machine import installer_environment
from tests.requirements import skip_or_fail

pytestmark = pytest.mark.cli_range
OLDEST = "4.4"


@pytest.fixture(scope="module")
def oldest_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab without its dependencies, which are those of this environment."""
    packages, base = tmp_path_factory.mktemp("packages"), tmp_path_factory.mktemp("oldest")
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-compile", "--target", str(packages)]
    if subprocess.run([*install, f"jupyterlab=={OLDEST}.*"], env=installer_environment(), check=False).returncode:
        skip_or_fail(f"JupyterLab {OLDEST} cannot be installed")
    with jupyterlab(base, PYTHONPATH=str(packages), JUPYTERLAB_DIR=str(packages / "share" / "jupyter" / "lab")) as lab:
        yield lab


@pytest.fixture(autouse=True)
def _kernels_end(oldest_lab: Lab) -> Iterator[None]:
    yield
    oldest_lab.clear()


def test_the_agent_uses_all_tools_for_cells(tmp_path: Path, oldest_lab: Lab, page: Page) -> None:
    shutil.copy(write_everything(tmp_path / "old-cells.ipynb"), oldest_lab.root)
    page.goto(oldest_lab.notebook("old-cells.ipynb"))
    page.wait_for_function(KERNEL_IDLE, timeout=60_000)
    assert page.evaluate("jupyterapp.version").startswith(f"{OLDEST}.")
    check_everything(page)


def test_the_extension_shows_its_buttons_and_the_chat(tmp_path: Path, oldest_lab: Lab, page: Page) -> None:
    """Errors of the page are ignored: extensions of this environment that need a newer JupyterLab cause some."""
    shutil.copy(write(tmp_path / "old.ipynb", MODEL, USE, "1/0"), oldest_lab.root)
    page.goto(oldest_lab.notebook("old.ipynb"))
    panel = use_codex_first(page)
    assert page.evaluate("jupyterapp.version").startswith(f"{OLDEST}.")
    for number in (0, 1, 2):
        run_cell(page, number)
    page.get_by_role("group", name="Codex", exact=True).get_by_role("button", name="Explain").click(timeout=60_000)
    expect(panel).to_contain_text("It divides by zero.", timeout=60_000)
