"""Real JupyterLab in real Chromium, one of each for all tests of a worker."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

import codex_jupyter
from tests.browser.chats import Opened, notebook
from tests.requirements import skip_or_fail

TOKEN = "test"  # noqa: S105 - of a server that only this test run can reach
LABEXTENSION = Path(codex_jupyter.__file__).parent / "notebook" / "lab" / "labextension"
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
VIEWPORT: Final[ViewportSize] = {"width": 1100, "height": 1400}
expect.set_options(timeout=30_000)  # milliseconds; a busy machine is slow, and only a failure takes as long
CLOSE_NOTEBOOKS = "() => { for (const widget of [...jupyterapp.shell.widgets('main')]) widget.dispose(); }"


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab."""

    url: str
    root: Path

    def notebook(self, name: str) -> str:
        """The address that opens a notebook alone, in a workspace of its own."""
        workspace = name.removesuffix(".ipynb").replace("/", "-")
        return f"{self.url}/doc/workspaces/{workspace}/tree/{name}?token={TOKEN}&reset"

    def shut_down_kernels(self) -> None:
        """Shut down all kernels, with what they have started. An idle app-server takes time of the processor from later tests."""
        for kernel in self._kernels():
            if kernel["execution_state"] == "busy":  # a running cell would delay the shutdown by seconds
                self._request("POST", f"/api/kernels/{kernel['id']}/interrupt")
            self._request("DELETE", f"/api/kernels/{kernel['id']}")

    def clear(self) -> None:
        """Shut down all kernels, and remove all files: no test depends on those of others."""
        self.shut_down_kernels()
        for path in self.root.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _kernels(self) -> Any:
        """All kernels. Jupyter Server answers 500 while one is just being added: it has no time of its last activity yet."""
        deadline = time.monotonic() + 30
        while True:
            try:
                return self._request("GET", "/api/kernels")
            except urllib.error.HTTPError as error:
                if error.code != HTTPStatus.INTERNAL_SERVER_ERROR or time.monotonic() > deadline:
                    raise
            time.sleep(0.1)

    def _request(self, method: str, path: str) -> Any:
        request = urllib.request.Request(f"{self.url}{path}", method=method, headers={"Authorization": f"token {TOKEN}"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - the server of this test run
            return json.loads(answer.read() or "null")

    def codex_settings(self) -> dict[str, str]:
        """The settings of the extension, by the names of their files."""
        return {file.name: file.read_text() for file in (self.root.parent / "settings" / "codex-jupyter").glob("*")}

    def configure(self, plugin: str, **settings: object) -> None:
        """Write settings of a JupyterLab plugin, such as `notebook-extension/tracker`; they hold for pages opened later."""
        path = self.root.parent / "settings" / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))


WHOLE_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
"""Programs of Chromium with all its parts."""


def find_chromium(*names: str) -> str:
    """The browser to test with. CI must have one; elsewhere the browser tests are skipped without it.

    The headless shell is Chromium without the parts of its window. JupyterLab in it takes a third less time of the processor.

    Args:
        names: Programs to use. By default the headless shell, or one of `WHOLE_BROWSERS`.
    """
    names = names or ("chromium-headless-shell", *WHOLE_BROWSERS)
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        skip_or_fail("no Chromium found: install it (Debian: apt-get install chromium-headless-shell) to run the browser tests")
    return path


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with jupyterlab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@contextmanager
def jupyterlab(base: Path, **variables: str) -> Iterator[Lab]:
    """Run JupyterLab on a free port, with its settings and files in the folder `base`, and with further environment variables."""
    root = base / "notebooks"
    root.mkdir()
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    env = os.environ | {"JUPYTER_CONFIG_DIR": str(base / "config"), "JUPYTERLAB_SETTINGS_DIR": str(base / "settings")}
    env |= {"JUPYTERLAB_WORKSPACES_DIR": str(base / "workspaces"), "IPYTHONDIR": str(base / "ipython")}
    # For each page, the server would otherwise start Node to find out if JupyterLab must be built again.
    page_config = base / "config" / "labconfig" / "page_config.json"
    page_config.parent.mkdir(parents=True)
    page_config.write_text(json.dumps({"buildAvailable": False, "buildCheck": False}))
    # The extension of this folder, also if an older copy is installed.
    extensions = base / "share" / "labextensions"
    extensions.mkdir(parents=True)
    (extensions / "codex-jupyter").symlink_to(LABEXTENSION)
    env |= {"JUPYTER_PATH": str(base / "share")}
    # A CODEX_HOME in the folder for temporary files would do without a part of its tools.
    (base / "temporary").mkdir()
    env |= {"XDG_STATE_HOME": str(base / "state"), "TMPDIR": str(base / "temporary")}
    env |= variables
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0"]
    command += ["--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True"]
    command += [f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={root}"]
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
    """Shut down the kernels of JupyterLab after each test, when its page is closed, and remove its files."""
    lab = request.getfixturevalue("lab") if "lab" in request.fixturenames else None
    yield
    if lab is not None:
        lab.clear()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium without a window. Meanwhile its driver keeps an event loop running, which no asynchronous test can bear."""
    path = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


KERNEL_IDLE: Final = "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
"""True in a page of JupyterLab if the kernel of the active notebook is idle."""


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def lab_pages() -> list[tuple[Page, dict[str, str]]]:
    """The page with JupyterLab that tests share, once there is one, and the settings of Codex that it has.

    It ends with the browser. JupyterLab loads slowly.
    """
    return []


@pytest.fixture
def own_page(browser: Browser) -> Iterator[Page]:
    """A fresh page. A test that reloads its page, or changes it for good, uses this fixture too."""
    page = new_page(browser)
    yield page
    page.context.close()


@pytest.fixture
def page(request: pytest.FixtureRequest, browser: Browser, lab_pages: list[tuple[Page, dict[str, str]]]) -> Iterator[Page]:
    """The shared page for tests that open notebooks in JupyterLab, otherwise a fresh one. A page reads settings only when it loads."""
    if "open_notebook" not in request.fixturenames or "own_page" in request.fixturenames:
        yield request.getfixturevalue("own_page")
        return
    lab: Lab = request.getfixturevalue("lab")
    page, settings = lab_pages.pop() if lab_pages else (new_page(browser), lab.codex_settings())
    if settings != lab.codex_settings():
        page.context.close()
        page = new_page(browser)
    failed = request.session.testsfailed
    yield page
    if request.session.testsfailed > failed or page.locator(".jp-Dialog").count():
        page.context.close()
        return
    page.evaluate(CLOSE_NOTEBOOKS)
    page.context.clear_permissions()
    page.set_viewport_size(VIEWPORT)
    lab_pages.append((page, lab.codex_settings()))


def new_page(browser: Browser) -> Page:
    """Open a page that shares nothing with others."""
    return browser.new_context(viewport=VIEWPORT).new_page()


def open_in_notebook_7(page: Page, lab: Lab, name: str) -> None:
    """Open a notebook in Notebook 7, and wait until its kernel is idle."""
    page.goto(f"{lab.url}/notebooks/{name}?token={TOKEN}")
    deadline = time.monotonic() + 60
    while f'"{name}"' not in page.request.get(f"{lab.url}/api/sessions?token={TOKEN}").text():
        assert time.monotonic() < deadline, "the notebook has no kernel"
        page.wait_for_timeout(200)
    expect(page.locator(".jp-Notebook-ExecutionIndicator")).to_have_attribute("data-status", "idle", timeout=60_000)


@pytest.fixture
def open_notebook(lab: Lab, page: Page) -> Callable[..., Page]:
    """Open a notebook in JupyterLab, close all others, and wait until its kernel is idle."""

    def opened(source: Path, name: str, *, dark: bool = False) -> Page:
        shutil.copy(source, lab.root / name)
        theme = "JupyterLab Dark" if dark else "JupyterLab Light"
        if page.url.startswith(lab.url):
            page.evaluate(CLOSE_NOTEBOOKS)
            page.evaluate("theme => jupyterapp.commands.execute('apputils:change-theme', { theme })", theme)
            page.evaluate("path => jupyterapp.commands.execute('docmanager:open', { path }).then(() => null)", name)
        else:
            lab.configure("apputils-extension/themes", theme=theme)
            page.goto(lab.notebook(name))
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
        page.wait_for_function("theme => document.body.dataset.jpThemeName === theme", arg=theme, timeout=60_000)
        # The indicator in the toolbar says "idle" before there is a kernel; a cell run then makes JupyterLab ask for one.
        try:
            page.wait_for_function(KERNEL_IDLE, timeout=30_000)
        except PlaywrightTimeoutError:
            # JupyterLab can miss the first status of a kernel that starts on a busy machine.
            page.reload()
            page.wait_for_function(KERNEL_IDLE, timeout=60_000)
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
        expect(chat.get_by_label("Thread", exact=True)).to_have_value(re.compile("."))
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
