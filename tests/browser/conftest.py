"""Real JupyterLab in real Chromium, one of each for all tests of a worker."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.browser.chats import Opened, notebook

TOKEN = "test"  # noqa: S105 - of a server that only this test run can reach
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab."""

    url: str
    root: Path

    def notebook(self, name: str) -> str:
        """The address that opens a notebook alone, in a workspace of its own."""
        return f"{self.url}/doc/workspaces/{name.removesuffix('.ipynb')}/tree/{name}?token={TOKEN}&reset"

    def shut_down_kernels(self) -> None:
        """Shut down all kernels, with what they have started. An idle app-server takes time of the processor from later tests."""
        for kernel in self._request("GET", "/api/kernels"):
            self._request("DELETE", f"/api/kernels/{kernel['id']}")

    def _request(self, method: str, path: str) -> Any:
        request = urllib.request.Request(f"{self.url}{path}", method=method, headers={"Authorization": f"token {TOKEN}"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - the server of this test run
            return json.loads(answer.read() or "null")

    def configure(self, plugin: str, **settings: object) -> None:
        """Write settings of a JupyterLab plugin, such as `notebook-extension/tracker`; they hold for pages opened later."""
        path = self.root.parent / "settings" / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))


def find_chromium() -> str:
    """The browser to test with. CI must have one; elsewhere the browser tests are skipped without it."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        reason = "no Chromium found: install it (Debian: apt-get install chromium) to run the browser tests"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab on a free port, with settings and folders of its own."""
    base = tmp_path_factory.mktemp("lab")
    root = base / "notebooks"
    root.mkdir()
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    env = os.environ | {"JUPYTER_CONFIG_DIR": str(base / "config"), "JUPYTERLAB_SETTINGS_DIR": str(base / "settings")}
    env |= {"JUPYTERLAB_WORKSPACES_DIR": str(base / "workspaces"), "IPYTHONDIR": str(base / "ipython")}
    # A CODEX_HOME in the folder for temporary files would do without a part of its tools.
    (base / "temporary").mkdir()
    env |= {"XDG_STATE_HOME": str(base / "state"), "TMPDIR": str(base / "temporary")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0"]
    command += ["--LabApp.expose_app_in_browser=True", f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={root}"]
    with (base / "lab.log").open("wb") as log:
        server = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait_until_served(f"{url}/api/status?token={TOKEN}", server, base / "lab.log")
            lab = Lab(url, root)
            lab.configure("apputils-extension/notification", fetchNews="false", checkForUpdates=False)
            # Cells outside the window would otherwise not be in the page.
            lab.configure("notebook-extension/tracker", windowingMode="none")
            yield lab
        finally:
            server.terminate()
            server.wait(20)


@pytest.fixture(autouse=True)
def _no_kernel_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Shut down the kernels of JupyterLab after each test, when its page is closed."""
    lab = request.getfixturevalue("lab") if "lab" in request.fixturenames else None
    yield
    if lab is not None:
        lab.shut_down_kernels()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium without a window. Meanwhile its driver keeps an event loop running, which no asynchronous test can bear."""
    path = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh page."""
    context = browser.new_context(viewport={"width": 1100, "height": 1400})
    yield context.new_page()
    context.close()


@pytest.fixture
def open_notebook(lab: Lab, page: Page) -> Callable[..., Page]:
    """Open a notebook in JupyterLab and wait until its kernel is idle."""

    def opened(source: Path, name: str, *, dark: bool = False) -> Page:
        shutil.copy(source, lab.root / name)
        theme = "JupyterLab Dark" if dark else "JupyterLab Light"
        lab.configure("apputils-extension/themes", theme=theme)
        page.goto(lab.notebook(name))
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
        # The indicator in the toolbar says "idle" before there is a kernel; a cell run then makes JupyterLab ask for one.
        page.wait_for_function("window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'", timeout=60_000)
        return page

    return opened


@pytest.fixture
def opened(tmp_path: Path, open_notebook: Callable[..., Page]) -> Opened:
    """A notebook whose first cells have run, and its chat."""

    def open_chat(name: str, *sources: str, dark: bool = False) -> tuple[Page, Locator]:
        nbformat.write(notebook(*sources), tmp_path / name)
        page = open_notebook(tmp_path / name, name, dark=dark)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        chat = page.locator(".codex-chat").first
        expect(chat).to_be_visible(timeout=60_000)
        expect(chat.get_by_label("Thread", exact=True)).to_have_value(re.compile("."), timeout=20_000)
        return page, chat

    return open_chat


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _wait_until_served(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=30):  # noqa: S310 - our own server
                return
        except OSError:
            if server.poll() is not None:
                break
            time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text(errors='replace')[-3000:]}")
