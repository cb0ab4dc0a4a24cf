"""The check of the login before a turn of `codex exec`."""

from pathlib import Path
from typing import Any

import pytest

from codex_jupyter.sdk import AuthenticationError, CodexCli, CodexOptions, ThreadOptions
from codex_jupyter.sdk.executable.login_status import LoginStatus
from codex_jupyter.sdk.transports.exec import login
from codex_jupyter.sdk.transports.exec.environment import TurnEnvironment
from codex_jupyter.sdk.transports.exec.login import ExecLogin
from tests.invented import OLDEST


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
