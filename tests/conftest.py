"""Tiers, workers and order of the tests, and the newest supported codex CLI."""

import gc
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

import pytest

from codex_jupyter.sdk.executable.version import TESTED
from tests import machine
from tests.requirements import skip_or_fail

# Without a parent shell, bash treats a command of codex as a remote login. It then reads the user's profile, which can print anything.
os.environ["SHLVL"] = str(max(1, int(os.environ.get("SHLVL") or 0)))
# Images of containers often forbid bytecode. Then each worker would compile all tests, and each kernel the whole package, in each run.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

NPM_VERSION = str(TESTED[-1])
"""The newest CLI on npm that is supported; the wheel on PyPI is the oldest."""

TESTS: Final = Path(__file__).parent
TIERS: Final = ("browser", "cli_range", "integration", "unit")
"""The markers of which each test has exactly one. The benchmarks have their own."""
CHILD_PROCESS_FIXTURES: Final = frozenset(
    {"any_cli", "cli", "fake", "kernel", "named_kernel", "new_kernel", "npm_codex", "real", "scripted", "shared_kernel", "stage"}
)
"""Fixtures that start the codex CLI, a kernel or a stand-in for one of them."""
SHELL_FIXTURES: Final = frozenset({"ipython", "shell"})
"""Fixtures that start an IPython shell in the process of the test."""
SLOW_FILES: Final = ("test_rights.py", "test_display_failures.py", "test_rights_of_options.py", "test_imports.py", "test_saved_threads.py")
"""Files that take longest. They start first, because the tests of a file run in one worker: the others have work meanwhile."""
NO_UNIT_TESTS: Final = ("benchmarks", "browser")
"""Folders that `-m unit` does not have to import."""


def pytest_configure(config: pytest.Config) -> None:
    """Use an empty home, and prepare the machine for the many starts of the CLI.

    The folder is not below the one for temporary files, because the agent may write there. Workers inherit the variables.
    """
    if not hasattr(config, "workerinput"):
        build = config.rootpath / "build"
        build.mkdir(exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="machine-", dir=build))
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
        machine.prepare(folder)
        # Else each worker and the first kernels would list the fonts of the machine in each run.
        os.environ["MPLCONFIGDIR"] = str(build / "matplotlib")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Return the number of workers. Tests mostly wait for child processes, so there are more workers than cores.

    Tests of one file run in one worker, so a single file or a single test runs without one. So do the unit tests: they wait for nothing,
    and each worker would need longer to collect the tests than it saves.
    """
    is_one_file = (
        len(config.args) == 1
        and config.args_source is config.ArgsSource.ARGS
        and ("::" in config.args[0] or Path(config.args[0]).is_file())
    )
    if is_one_file or config.option.markexpr == "unit":
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 2 * cores


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip folders and notebooks without unit tests if only unit tests run. Reading all tests takes longer than running these."""
    if config.option.markexpr != "unit":
        return None
    in_folder = collection_path.parent == TESTS and collection_path.name in NO_UNIT_TESTS
    return True if in_folder or collection_path.suffix == ".ipynb" else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage meanwhile. There is little, because modules and tests stay to the end, and looking takes a tenth of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.hookimpl(tryfirst=True)  # before pytest deselects by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test the marker of its tier, and put slow files first, so that all workers finish at about one time.

    Files of browser tests alternate with others: a browser in each worker would leave too little time of the processor for each.
    """
    for item in items:
        if tier := tier_of(item):
            item.add_marker(tier)
    rank = {tier: number for number, tier in enumerate(TIERS)}
    items.sort(key=lambda item: min((rank[mark.name] for mark in item.iter_markers() if mark.name in rank), default=len(rank)))
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    with_browser = [file for path, file in files.items() if path.is_relative_to(TESTS / "browser")]
    others = [file for path, file in files.items() if not path.is_relative_to(TESTS / "browser")]
    others.sort(key=lambda file: file[0].path.name not in SLOW_FILES)
    items[:] = [item for pair in zip_longest(with_browser, others, fillvalue=()) for file in pair for item in file]


def tier_of(item: pytest.Item) -> str | None:
    """Return the tier of a test. It is None if the test has a marker already.

    A shell takes nearly as long as a kernel, and Hypothesis runs a test hundreds of times, so such tests are not unit tests.
    """
    if any(mark.name in (*TIERS, "benchmark") for mark in item.iter_markers()):
        return None
    if item.path.is_relative_to(TESTS / "browser"):
        return "browser"
    slow = (CHILD_PROCESS_FIXTURES | SHELL_FIXTURES) & set(getattr(item, "fixturenames", ()))
    property_test = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
    return "integration" if item.path.suffix == ".ipynb" or slow or property_test else "unit"


_started: list[str] = []
"""Programs that the running test has started."""


def _note_child_processes(event: str, arguments: tuple[Any, ...]) -> None:
    # Matplotlib lists the fonts of the machine once, in the first run.
    if event in ("subprocess.Popen", "os.posix_spawn", "os.exec") and arguments[0] != "fc-list":
        _started.append(str(arguments[0]))


sys.addaudithook(_note_child_processes)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a unit test that starts a program: it is an integration test."""
    _started.clear()
    yield
    if _started and item.get_closest_marker("unit"):
        pytest.fail(f"A unit test has started {_started[0]}. Mark it with `pytest.mark.integration`.", pytrace=False)


@pytest.fixture
def anyio_backend() -> str:
    """Asyncio, for tests that do not ask for both."""
    return "asyncio"


@pytest.fixture(scope="session")
def npm_codex(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the newest supported CLI with npm, and return the folder. Without npm, its tests fail in CI and are skipped elsewhere."""
    npm = shutil.which("npm")
    if npm is None:
        skip_or_fail(f"npm is needed to install @openai/codex@{NPM_VERSION}")
    folder = tmp_path_factory.mktemp("npm")
    command = [npm, "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(folder), f"@openai/codex@{NPM_VERSION}"]
    subprocess.run(command, check=True, capture_output=True, timeout=240, env=machine.installer_environment())
    return folder
