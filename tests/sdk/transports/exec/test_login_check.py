"""The check of the login before a turn of `codex exec`."""

from pathlib import Path
from typing import Any

import pytest

from codex_jupyter.sdk import AuthenticationError, Codex, CodexCli, CodexOptions, ThreadOptions
from codex_jupyter.sdk.executable.login_status import LoginStatus
from codex_jupyter.sdk.transports.exec import login
from codex_jupyter.sdk.transports.exec.environment import TurnEnvironment
from codex_jupyter.sdk.transports.exec.login import ExecLogin
from codex_jupyter.testing.cli_settings import TOKEN_VARIABLE
from tests.invented import OLDEST
from tests.sdk.conftest import Real


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[bool | None]:
    """Count the questions, and answer them with the last value of the list."""
    answers: list[bool | None] = [True]

    def status(*_: Any) -> LoginStatus:
        answers.append(answers[-1])
        return LoginStatus(answers[-1], "")

    monkeypatch.setattr(login, "login_status", status)
    return answers


def test_the_cli_is_asked_once_for_a_login_and_again_after_a_change(asked: list[bool | None], tmp_path: Path) -> None:
    """Many turns at once must not start a process each. A missing login is asked for again, because the user may log in."""
    env = {"CODEX_HOME": str(tmp_path)}
    logins, cli = ExecLogin(), CodexCli(path=tmp_path / "codex", version=OLDEST, source="test")
    environment = TurnEnvironment.read(CodexOptions(env=env), ThreadOptions(), cli)
    for _ in range(3):
        logins.require(environment, {}, ThreadOptions())
    assert len(asked) == 2
    logins.forget()
    asked[-1] = False
    for _ in range(2):
        with pytest.raises(AuthenticationError):
            logins.require(environment, {}, ThreadOptions())
    assert len(asked) == 4


def test_a_login_counts_for_its_home_only(asked: list[bool | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path of the home can depend on the current folder."""
    logins, cli = ExecLogin(), CodexCli(path=tmp_path / "codex", version=OLDEST, source="test")
    for name in ("first", "second", "first"):
        (tmp_path / name).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / name)
        logins.require(TurnEnvironment.read(CodexOptions(env={"CODEX_HOME": "home"}), ThreadOptions(), cli), {}, ThreadOptions())
    assert len(asked) == 3


@pytest.mark.anyio
@pytest.mark.parametrize(
    "prefix", ["", "\ufeff", "[tui]\nstatus_line = [\n]\n[desktop]\na = {\n  b = 1,\n}\n"], ids=["plain", "mark", "newer TOML"]
)
async def test_a_provider_of_the_configuration_needs_no_login_in_each_form_that_the_cli_reads(real: Real, prefix: str) -> None:
    model = real.play(["Hi!"])
    provider = f'model_providers.demo = {{ name = "Demo", base_url = "{model.url}", env_key = "{TOKEN_VARIABLE}" }}\n'
    head, _, tail = prefix.partition("[")
    config = f'{head}model_provider = "demo"\n{provider}' + (f"[{tail}" if tail else "")
    (model.codex_home / "config.toml").write_text(config, encoding="utf-8")
    codex = Codex(env=real.environment(model))
    thread = codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True)
    assert (await thread.run("go")).final_response == "Hi!"
