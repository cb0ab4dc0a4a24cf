"""Fixtures of all tests: the newest supported codex CLI."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

# Without a parent shell, bash treats a command of codex as a remote login. It then reads the user's profile, which can print anything.
os.environ["SHLVL"] = str(max(1, int(os.environ.get("SHLVL") or 0)))

NPM_VERSION = "0.171.0"
"""The newest CLI on npm that is supported; the wheel on PyPI is the oldest."""


@pytest.fixture(scope="session")
def npm_codex(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the newest supported CLI with npm, and return the folder. Without npm, its tests fail in CI and are skipped elsewhere."""
    npm = shutil.which("npm")
    if npm is None:
        reason = f"npm is needed to install @openai/codex@{NPM_VERSION}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("npm")
    command = [npm, "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(folder), f"@openai/codex@{NPM_VERSION}"]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    return folder
