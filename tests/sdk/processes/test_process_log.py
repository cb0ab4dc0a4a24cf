"""The log of the SDK: processes, their error output and each message on the wire, without secrets."""

import asyncio
import json
import logging
import stat
from pathlib import Path
from typing import Any

import pytest

from codex_jupyter.sdk.codex import TransportName
from codex_jupyter.sdk.errors import ConfigError
from codex_jupyter.sdk.processes.process_log import MAX_LOGGED, MAX_STDERR_LINE, ProcessLog
from codex_jupyter.testing import shell
from tests.sdk.conftest import Real
from tests.sdk.support.fake import HAPPY, MakeFake

pytestmark = pytest.mark.anyio

SECRET = "planted-" + "secret-value"
LOG = "codex_jupyter"
LOGS = (LOG, f"{LOG}.wire")


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
    lines = [record.getMessage() for record in caplog.records if record.name in LOGS]
    for part in ("started: ", "> ", "What is here?", "< ", "exited with 0"):
        assert any(part in line for line in lines), part
    assert SECRET not in "".join(lines)
    assert model.token not in "".join(lines)
    assert {record.levelno for record in caplog.records if record.name in LOGS} == {logging.INFO, logging.DEBUG}


@pytest.mark.parametrize("transport", ["exec", "app-server"])
async def test_a_root_logger_at_debug_does_not_receive_the_messages_on_the_wire(
    real: Real, caplog: pytest.LogCaptureFixture, transport: TransportName
) -> None:
    """A notebook would show a thousand lines below each turn. The level of our own loggers asks for them."""
    caplog.set_level(logging.DEBUG)
    model = real.play(["One.", "Two."])
    codex = real.codex(model, transport=transport)
    thread = codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True)
    await thread.run("go")
    quiet = [record.getMessage() for record in caplog.records if record.name.startswith(LOG)]
    assert 1 <= len(quiet) < 20
    assert not [line for line in quiet if "> {" in line or "< {" in line]
    caplog.set_level(logging.DEBUG, f"{LOG}.wire")
    await thread.run("on")
    assert [record for record in caplog.records if record.name == f"{LOG}.wire"]
    await codex.aclose()


async def test_nothing_is_logged_without_a_level(real: Real, caplog: pytest.LogCaptureFixture) -> None:
    """Starts and exits are below the usual level of WARNING."""
    await real.thread(["Hi."]).run("go")
    assert [record for record in caplog.records if record.name in LOGS] == []


@pytest.mark.parametrize("kind", [ValueError, SystemExit, asyncio.CancelledError])
async def test_a_handler_receives_each_line_of_the_error_output(fake: MakeFake, kind: type[BaseException]) -> None:
    """With secrets masked. An error of the handler does not stop the turn."""
    lines: list[str] = []

    def handler(line: str) -> None:
        lines.append(line)
        raise kind("a fault of the handler")

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


@pytest.mark.parametrize("transport", ["exec", "app-server"])
async def test_each_message_of_the_wire_is_a_line_of_json_without_secrets(real: Real, transport: TransportName) -> None:
    """Only the user can read the file, also if it was there before. Messages are complete."""
    path = real.folder / "wire.jsonl"
    path.touch(0o644)
    model = real.play([[shell(f"echo {SECRET} {'x ' * MAX_LOGGED}"), "Done."]])
    provider = model.config["model_providers"]["demo"]
    config = {"model_providers": {"demo": {**provider, "http_headers": {"x-token": SECRET}}}}
    codex = real.codex(model, config=config, transport=transport, log_wire=path)
    await codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True).run("What is here?")
    await codex.aclose()
    text = path.read_text(encoding="utf-8")
    entries = [json.loads(line) for line in text.splitlines()]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {entry["direction"] for entry in entries} == {"sent", "received"}
    assert all(set(entry) == {"time", "pid", "direction", "message"} for entry in entries)
    assert any("What is here?" in json.dumps(entry["message"]) for entry in entries if entry["direction"] == "sent")
    assert any(isinstance(entry["message"], dict) and len(json.dumps(entry)) > MAX_LOGGED for entry in entries)
    assert SECRET not in text
    assert model.token not in text


def test_values_with_a_secret_name_are_masked_in_the_wire_log(tmp_path: Path) -> None:
    log = ProcessLog([SECRET], wire=tmp_path / "wire.jsonl")
    log.sent(b'{"params": {"apiKey": "abc", "tokens": 5, "list": ["' + SECRET.encode() + b'"]}}\n')
    log.received(b"not JSON: " + SECRET.encode())
    first, second = (json.loads(line) for line in (tmp_path / "wire.jsonl").read_text().splitlines())
    assert first["message"] == {"params": {"apiKey": "***", "tokens": 5, "list": ["***"]}}
    assert second["message"] == "not JSON: ***"


def test_a_wire_log_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """The log does not follow a link, which another user may have placed in a shared folder."""
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for path in (tmp_path, tmp_path / "link", tmp_path / "none" / "file", Path("/dev/null")):
        with pytest.raises(ConfigError, match="log_wire"):
            ProcessLog(wire=path)
