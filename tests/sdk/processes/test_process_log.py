"""The log of the SDK: processes, their error output and each message on the wire, without secrets."""

import logging
from typing import Any

import pytest

from codex_jupyter.sdk.codex import TransportName
from codex_jupyter.sdk.processes.process_log import MAX_LOGGED, MAX_STDERR_LINE, ProcessLog
from codex_jupyter.testing import shell
from tests.sdk.conftest import Real
from tests.sdk.support.fake import HAPPY, MakeFake

pytestmark = pytest.mark.anyio

SECRET = "planted-" + "secret-value"
LOG = "codex_jupyter"


@pytest.mark.parametrize("transport", ["exec", "app-server"])
async def test_everything_is_logged_at_debug_and_no_secret_is(
    real: Real, caplog: pytest.LogCaptureFixture, transport: TransportName
) -> None:
    """Secrets of the configuration, also where the agent prints them."""
    model = real.play([[shell(f"echo {SECRET}"), "Done."]])
    provider = model.config["model_providers"]["demo"]
    config = {"model_providers": {"demo": {**provider, "http_headers": {"x-token": SECRET}}}}
    caplog.set_level(logging.DEBUG, LOG)
    codex = real.codex(model, config=config, transport=transport)
    turn = await codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True).run("What is here?")
    await codex.aclose()
    assert turn.items[0].model_dump()["aggregated_output"] == f"{SECRET}\n"
    lines = [record.getMessage() for record in caplog.records if record.name == LOG]
    for part in ("started: ", "> ", "What is here?", "< ", "exited with 0"):
        assert any(part in line for line in lines), part
    assert SECRET not in "".join(lines)
    assert model.token not in "".join(lines)
    assert {record.levelno for record in caplog.records if record.name == LOG} == {logging.INFO, logging.DEBUG}


async def test_nothing_is_logged_without_a_level(real: Real, caplog: pytest.LogCaptureFixture) -> None:
    """Starts and exits are below the usual level of WARNING."""
    await real.thread(["Hi."]).run("go")
    assert [record for record in caplog.records if record.name == LOG] == []


async def test_a_handler_receives_each_line_of_the_error_output(fake: MakeFake) -> None:
    """With secrets masked. An error of the handler does not stop the turn."""
    lines: list[str] = []

    def handler(line: str) -> None:
        lines.append(line)
        raise ValueError("a fault of the handler")

    body = f"sys.stderr.write('one\\ntwo {SECRET}\\nthr'); sys.stderr.flush(); sys.stderr.write('ee'); {HAPPY}"
    cli = fake(body, stderr=handler, api_key=SECRET)
    assert (await cli.thread().run("go")).status == "completed"
    assert lines == ["one", "two ***", "three"]


def test_long_messages_are_cut_and_long_lines_split(caplog: pytest.LogCaptureFixture) -> None:
    """A secret at the place of the cut is masked."""
    caplog.set_level(logging.DEBUG, LOG)
    lines: list[str] = []
    log = ProcessLog([SECRET], lines.append)
    log.received(b"x " * (MAX_LOGGED // 2 - 3) + SECRET.encode() + b" y" * MAX_LOGGED)
    log.stderr(b"z" * (MAX_STDERR_LINE + 1))
    log.exited(0)
    message: Any = caplog.records[0].getMessage()
    assert len(message) < MAX_LOGGED + 50
    assert message[-13:] == "*** y … (cut)"
    assert len(lines) == 2


def test_a_key_that_is_sent_for_a_login_is_masked(caplog: pytest.LogCaptureFixture) -> None:
    """It is not among the options of the client."""
    caplog.set_level(logging.DEBUG, LOG)
    ProcessLog().sent(b'{"method": "account/login/start", "params": {"type": "apiKey", "apiKey": "abcdefgh-1"}}')
    assert '"apiKey": "***"' in caplog.records[0].getMessage()
