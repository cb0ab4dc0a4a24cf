"""The `.codex` of a folder from someone else runs nothing outside of the sandbox, unless the user has trusted the folder."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from codex_jupyter.sdk.codex import TransportName
from codex_jupyter.testing import shell
from tests.sdk.conftest import Real

pytestmark = pytest.mark.anyio


NO_TEMPORARY_FILES = ("sandbox_workspace_write.exclude_slash_tmp=true", "sandbox_workspace_write.exclude_tmpdir_env_var=true")
"""Otherwise the agent may write the folder for temporary files, in which these tests work."""


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that the agent may not write."""
    folder = tmp_path / "outside"
    folder.mkdir()
    return folder


def plant(folder: Path, outside: Path, place: str) -> Path:
    """Write the configuration of a folder from someone else. Return the folder to work in."""
    (folder / ".codex" / "rules").mkdir(parents=True)
    server = {"command": "touch", "args": [str(outside / "server")]}
    lines = [f"{name} = {json.dumps(value)}" for name, value in server.items()]
    (folder / ".codex" / "config.toml").write_text("\n".join(["[mcp_servers.planted]", *lines, ""]))
    (folder / ".codex" / "rules" / "default.rules").write_text('prefix_rule(pattern=["touch"], decision="allow")\n')
    if place != "a folder":
        subprocess.run(["git", "init", "-q", str(folder)], check=True)
    if place == "a folder in a repository":
        (folder / "src").mkdir()
        return folder / "src"
    if place == "a link to a repository":
        (folder.parent / "link").symlink_to(folder)
        return folder.parent / "link"
    return folder


@pytest.mark.parametrize(
    ("place", "sandbox"),
    [
        ("a folder", "workspace-write"),
        ("a repository", "workspace-write"),
        ("a folder in a repository", "workspace-write"),
        ("a link to a repository", "workspace-write"),
        ("a repository", None),
    ],
)
@pytest.mark.parametrize("transport", ["exec", "app-server"])
async def test_servers_and_rules_of_a_folder_without_trust_do_not_run(
    real: Real, outside: Path, transport: TransportName, sandbox: str | None, place: str
) -> None:
    """An MCP server and a rule that allows a command run outside of the sandbox."""
    real.transport = transport
    work = plant(real.workspace / "project", outside, place)
    thread = real.thread(
        [[[shell(f"touch {outside / 'command'}")], "done"]],
        working_directory=work,
        sandbox_mode=sandbox,
        config_overrides=NO_TEMPORARY_FILES,
    )
    assert (await thread.run("go")).final_response == "done"
    assert os.listdir(outside) == []
