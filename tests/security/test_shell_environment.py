"""The environment that the agent's commands inherit from the kernel, and the setting that reduces it, with the real CLI."""

from pathlib import Path
from typing import Any

import pytest

from codex_jupyter import CommandExecutionItem, ThreadOptions
from codex_jupyter.testing import ScriptedModel, shell
from tests.codex_home import used_home
from tests.notebook.conftest import Kernel
from tests.sdk.conftest import Real

SECRETS = {"OPENAI_API_KEY": "s-1", "AWS_SECRET_ACCESS_KEY": "s-2", "GITHUB_TOKEN": "s-3", "DATABASE_URL": "postgres://u:s-4@host/db"}
pytestmark = pytest.mark.anyio


def variables(output: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in output.splitlines() if "=" in line)


@pytest.mark.parametrize("transport", ["exec", "app-server"])
async def test_core_keeps_everything_but_what_a_shell_needs_from_the_commands(real: Real, transport: Any) -> None:
    """The option wins over the settings of the client. A turn without it has those again."""
    model = real.play([[shell("env"), "One."], [shell("env"), "Two."]])
    policy = {"inherit": "all", "set": {"COLOR": "blue"}}
    env = real.environment(model) | SECRETS
    codex = real.codex(model, transport=transport, config={"shell_environment_policy": policy}, env=env)
    thread = codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True, shell_environment="core")
    narrowed = variables(await _printed(thread))
    thread.options = ThreadOptions.of(thread.options, {"shell_environment": None})
    inherited = variables(await _printed(thread))
    assert SECRETS.keys() <= inherited.keys()
    assert not SECRETS.keys() & narrowed.keys()
    assert {"HOME", "PATH"} <= narrowed.keys()
    assert narrowed["COLOR"] == "blue"


async def _printed(thread: Any) -> str:
    """Return what a command of a turn printed."""
    (command,) = [item for item in (await thread.run("go")).items if isinstance(item, CommandExecutionItem)]
    return command.aggregated_output


def test_one_setting_of_the_magic_narrows_what_commands_inherit(kernel: Kernel, tmp_path: Path) -> None:
    listed = shell("env | grep -oE '^(PATH|GITHUB_TOKEN)=' | sort")
    with ScriptedModel([[listed, "Done."], [listed, "Done."]], codex_home=used_home(tmp_path / "home")) as model:
        kernel.use(model, **SECRETS, TMPDIR=str(tmp_path))
        inherited = kernel.execute("%codex go").text
        kernel.execute("%config CodexMagics.shell_environment = 'core'")
        narrowed = kernel.execute("%codex go").text
        kernel.execute("%config CodexMagics.shell_environment = ''")
    assert "    GITHUB_TOKEN=\n    PATH=" in inherited
    assert "    PATH=" in narrowed
    assert "    GITHUB_TOKEN=" not in narrowed
