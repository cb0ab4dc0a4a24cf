"""Scripted failures look to the CLI like a provider's, and nothing hangs."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from codex_jupyter.testing import ScriptedModel, cut, delay, fail, fail_stream, say, shell, wait_for
from tests.testing.conftest import Cli

Play = Callable[..., ScriptedModel]


def test_an_http_error_fails_the_turn(cli: Cli, play: Play) -> None:
    """The message reaches the user."""
    run = cli(play([[[delay(0.01), fail(400, "no such thing", "invalid_request_error")]]]), "go")
    assert run.exit_code == 1
    assert "no such thing" in run.events[-1]["error"]["message"]


def test_a_usage_limit_is_reported_as_such(cli: Cli, play: Play) -> None:
    """Type and code are what the CLI reads."""
    run = cli(play([[fail(429, "enough", "usage_limit_reached")]]), "go")
    assert "usage limit" in run.events[-1]["error"]["message"]


def test_a_failed_response_fails_the_turn(cli: Cli, play: Play) -> None:
    """Earlier messages stay."""
    run = cli(play([[["Half", fail_stream("server_error", "out of order")]]]), "go")
    assert run.messages == ["Half"]
    assert "out of order" in run.events[-1]["error"]["message"]


def test_a_cut_stream_fails_the_turn(cli: Cli, play: Play) -> None:
    """A dropped connection does not end the turn in silence."""
    run = cli(play([[[say("Half"), cut()]]]), "go")
    assert run.exit_code == 1
    assert run.events[-1]["type"] == "turn.failed"


@pytest.mark.parametrize("failure", [fail(500), fail_stream(), cut()], ids=["fail", "fail_stream", "cut"])
def test_a_retry_gets_the_next_reply(any_cli: Cli, play: Play, failure: object) -> None:
    """After a failure, the turn continues at the same place of the script, also after a tool call."""
    model = play([[shell("echo hi"), failure, "Recovered."]], max_retries=1)
    run = any_cli(model, "go")
    assert run.exit_code == 0
    assert run.messages == ["Recovered."]
    assert len(run.of_type("command_execution")) == 1
    assert len(model.requests) == 3


def test_a_failure_without_a_next_reply_lasts(cli: Cli, play: Play) -> None:
    """Retries do not turn a scripted failure into a success, nor use up later turns."""
    model = play([[fail(500)], "Next turn"], max_retries=2)
    assert cli(model, "go").exit_code == 1
    assert len(model.requests) == 3
    assert cli(model, "again").messages == ["Next turn"]


def test_a_failed_thread_can_continue(cli: Cli, play: Play) -> None:
    """The next prompt of the thread starts the next turn."""
    model = play([[fail(500)], "Back again"])
    failed = cli(model, "go")
    assert cli(model, "go", "resume", failed.thread_id).messages == ["Back again"]


def test_the_cli_gives_up_when_the_server_is_gone(any_cli: Cli, play: Play) -> None:
    """A closed server is an error within seconds, not an endless wait for the network."""
    model = play(["Never said"])
    process = any_cli.start(model)
    model.close()
    run = any_cli.finish(process, "go")
    assert run.exit_code == 1
    assert run.events[-1]["type"] == "turn.failed"


def test_close_drops_open_streams_at_once(cli: Cli, play: Play) -> None:
    """Closing waits neither for a held stream nor for a long pause."""
    model = play([[["Before", wait_for(threading.Event(), timeout=3600)]]])
    process = cli.start(model)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("go")
    process.stdin.close()
    process.stdin = None
    while "Before" not in process.stdout.readline():
        assert process.poll() is None
    model.close()
    assert cli.finish(process).exit_code == 1


def test_close_and_start_can_be_repeated(tmp_path: Path) -> None:
    """Both are idempotent, and a closed model has no address."""
    model = ScriptedModel([], codex_home=tmp_path / "home")
    model.close()
    with pytest.raises(RuntimeError, match="not running"):
        model.config  # noqa: B018
    with model:
        url = model.start().url
        assert url == model.url
    model.close()
    with pytest.raises(RuntimeError, match="not running"):
        model.url  # noqa: B018


def test_a_stream_ends_when_its_client_goes_away(play: Play) -> None:
    """A stopped CLI leaves no stream behind that waits for its release."""
    before = set(threading.enumerate())
    model = play([[["Before", wait_for(threading.Event(), timeout=300)]]])
    host, port = model.url.split("/")[2].split(":")
    headers = f"host: {host}:{port}\r\nauthorization: Bearer {model.token}\r\ncontent-length: 2"
    with socket.create_connection((host, int(port))) as client:
        client.sendall(f"POST /v1/responses HTTP/1.1\r\n{headers}\r\n\r\n{{}}".encode())
        assert b"200" in client.recv(100)
        handlers = [thread for thread in threading.enumerate() if thread not in before]
    serving = next(thread for thread in handlers if thread.name == "scripted-model")
    for handler in handlers:
        if handler is not serving:
            handler.join(5)
            assert not handler.is_alive()
