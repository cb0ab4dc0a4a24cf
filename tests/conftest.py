"""What all tests share: the real CLI in its two supported ends, and a home for it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

# Where no shell runs above it, bash takes a command of codex for one of a remote login, and reads the user's profile, whatever that prints.
os.environ["SHLVL"] = str(max(1, int(os.environ.get("SHLVL") or 0)))

NPM_VERSION = "0.171.0"
"""The newest CLI on npm that is supported; the wheel on PyPI is the oldest."""


@pytest.fixture(scope="session")
def npm_codex(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which npm has installed the newest supported CLI. CI must have npm; elsewhere its tests are skipped without it."""
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
