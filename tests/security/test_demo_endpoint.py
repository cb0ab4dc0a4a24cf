"""The scripted model answers the CLI that was given its token, and no other program or page of the machine; nothing grows without bound."""

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest

from codex_jupyter.sdk import Codex
from codex_jupyter.sdk.codex import TransportName
from codex_jupyter.testing import Script, ScriptedModel, endpoint, request_limits, scripted_model, shell, wait_for
from tests.processes import command_line

Play = Callable[[Script], ScriptedModel]
BODY = b'{"input": []}'
PATIENCE = 30
"""Seconds after which a connection that must have ended counts as held."""


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    with ExitStack() as stack:
        yield lambda script: stack.enter_context(ScriptedModel(script, codex_home=tmp_path / "home"))


def address(model: ScriptedModel) -> tuple[str, int]:
    host, _, port = model.url.removeprefix("http://").removesuffix("/v1").partition(":")
    return host, int(port)


def token(model: ScriptedModel) -> dict[str, str]:
    return {"Authorization": f"Bearer {model.token}"}


def ask(model: ScriptedModel, headers: dict[str, str], *, method: str = "POST", path: str = "/v1/responses", body: bytes = BODY) -> int:
    """Send a request whose headers are as given; return the status."""
    connection = http.client.HTTPConnection(*address(model), timeout=PATIENCE)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in ({"Content-Length": str(len(body))} | headers).items():
        if value:
            connection.putheader(name, value)
    connection.endheaders(body)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


def opened(model: ScriptedModel) -> socket.socket:
    return socket.create_connection(address(model), timeout=PATIENCE)


def is_closed(connection: socket.socket) -> bool:
    """Wait until the other side closes a connection; raise TimeoutError if it does not."""
    try:
        while connection.recv(4096):
            pass
    except ConnectionError:
        pass
    return True


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/models", "/", "/v1/unknown"])
@pytest.mark.parametrize("given", ["", "Bearer", "Bearer ", "Bearer wrong", "Basic {token}", "{token}", "Bearer {token}x", "Bearer \xff"])
def test_a_request_without_the_token_is_refused_and_not_recorded(play: Play, path: str, given: str) -> None:
    model = play(["never"])
    headers = {"Authorization": given.replace("{token}", model.token)}
    assert ask(model, headers, method="GET" if path.endswith("models") else "POST", path=path) == 401
    assert model.requests == []
    assert len(model.unplayed) == 1


@pytest.mark.parametrize(
    "host", ["attacker.example", "attacker.example:{port}", "127.0.0.1", "localhost:1", "127.0.0.1.attacker.example:{port}"]
)
def test_a_page_whose_name_was_pointed_to_loopback_is_refused_although_it_has_the_token(play: Play, host: str) -> None:
    model = play(["never"])
    assert ask(model, token(model) | {"Host": host.replace("{port}", str(address(model)[1]))}) == 403
    assert model.requests == []


@pytest.mark.parametrize("origin", ["https://attacker.example", "null", "http://127.0.0.1:8888"])
def test_a_request_of_a_web_page_is_refused_although_it_has_the_token(play: Play, origin: str) -> None:
    model = play(["never"])
    assert ask(model, token(model) | {"Origin": origin}) == 403
    assert model.requests == []


def test_the_server_answers_under_the_names_of_loopback(play: Play) -> None:
    model = play(["one", "two"])
    port = address(model)[1]
    assert [ask(model, token(model) | {"Host": f"{name}:{port}"}) for name in ("127.0.0.1", "localhost")] == [200, 200]


@pytest.mark.parametrize(
    ("length", "status"),
    [
        ("-1", 400),
        ("+2", 400),
        ("0x10", 400),
        ("1_0", 400),
        ("ten", 400),
        ("٣", 400),
        ("9" * 30, 400),
        (str(request_limits.MAX_BODY_BYTES + 1), 413),
        ("", 411),
    ],
)
def test_a_length_that_is_not_a_possible_size_is_refused_before_the_body_is_read(play: Play, length: str, status: int) -> None:
    model = play(["never"])
    host, port = address(model)
    with opened(model) as connection:
        lines = [f"POST /v1/responses HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {model.token}"]
        lines += [f"Content-Length: {length}"] if length else []
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        assert connection.recv(100).split()[1] == str(status).encode()
        assert is_closed(connection)
    assert model.requests == []


@pytest.mark.parametrize("more", ["Content-Length: 3", "Transfer-Encoding: chunked"])
def test_two_ways_to_say_where_the_body_ends_are_refused(play: Play, more: str) -> None:
    model = play(["never"])
    host, port = address(model)
    with opened(model) as connection:
        head = f"POST /v1/responses HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {model.token}\r\n"
        connection.sendall(f"{head}Content-Length: 2\r\n{more}\r\n\r\n".encode())
        assert connection.recv(100).split()[1] in (b"400", b"411")
    assert model.requests == []


@pytest.mark.parametrize("lines", [[("X-Large", "x" * 60_000)] * 3, [("X", "x")] * 5_000], ids=["long lines", "many lines"])
def test_headers_beyond_the_bound_are_refused(play: Play, lines: list[tuple[str, str]]) -> None:
    model = play(["never"])
    with opened(model) as connection:
        head = "".join(f"{name}: {value}\r\n" for name, value in lines)
        try:
            connection.sendall(f"POST /v1/responses HTTP/1.1\r\n{head}\r\n".encode())
            answer = connection.recv(100)
        except ConnectionError:  # refused while it was still being sent
            answer = b"HTTP/1.1 431"
        assert answer.split()[1] == b"431"
        assert is_closed(connection)


def test_a_connection_that_sends_nothing_is_dropped(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "HEADER_SECONDS", 0.2)
    with opened(play([])) as connection:
        assert is_closed(connection)


def test_a_connection_that_sends_its_headers_byte_by_byte_is_dropped(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that keep coming do not extend the time."""
    monkeypatch.setattr(endpoint, "HEADER_SECONDS", 0.5)
    stopped = threading.Event()
    with opened(play([])) as connection:

        def drip() -> None:
            try:
                while not stopped.wait(0.05):
                    connection.sendall(b"x")
            except OSError:
                return

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            assert is_closed(connection)
        finally:
            stopped.set()
            dripping.join()


def test_a_body_that_does_not_come_is_not_waited_for(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "BODY_SECONDS", 0.2)
    model = play(["never"])
    host, port = address(model)
    with opened(model) as connection:
        head = f"POST /v1/responses HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {model.token}\r\nContent-Length: 100\r\n\r\n{{"
        connection.sendall(head.encode())
        assert is_closed(connection)
    assert model.requests == []


@pytest.mark.integration
@pytest.mark.parametrize("transport", ["exec", "app-server"])
def test_the_cli_is_served_while_others_hold_more_connections_than_there_may_be(
    play: Play, tmp_path: Path, transport: TransportName
) -> None:
    model = play([[shell("echo served"), "Done."]])
    before = threading.active_count()
    with ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(opened(model))
        turn = anyio.run(_run, model, tmp_path, transport)
        threads = threading.active_count() - before
    assert turn.final_response == "Done."
    assert threads <= endpoint.MAX_CONNECTIONS + 20, "one thread for each connection that is held"


@pytest.mark.integration
@pytest.mark.parametrize("transport", ["exec", "app-server"])
def test_the_token_is_in_no_command_line_and_not_in_the_environment_of_the_agents_commands(
    play: Play, tmp_path: Path, transport: TransportName
) -> None:
    seen: list[str] = []
    release = threading.Event()
    model = play([[shell("env"), wait_for(release, timeout=60), "Done."]])

    def look() -> None:
        while not model.requests:
            release.wait(0.02)
        seen.extend(" ".join(command_line(process)) for process in psutil.process_iter())
        release.set()

    looking = threading.Thread(target=look)
    looking.start()
    turn = anyio.run(_run, model, tmp_path, transport)
    looking.join()
    assert any(str(tmp_path) in line or "app-server" in line for line in seen), "the CLI was not seen"
    assert model.token not in "\n".join(seen)
    (command,) = [item for item in turn.items if item.type == "command_execution"]
    assert "CODEX_HOME=" in command.aggregated_output
    assert model.token not in command.aggregated_output


def test_recorded_requests_are_kept_up_to_a_size(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripted_model, "MAX_RECORDED_BYTES", 2_000)
    model = play([])
    for number in range(5):
        body = json.dumps({"input": [], "number": number, "filling": "x" * 900}).encode()
        assert ask(model, token(model), body=body) == 200
    assert [request.body["number"] for request in model.requests] == [3, 4]


async def _run(model: ScriptedModel, folder: Path, transport: TransportName) -> Any:
    for name in ("work", "temporary"):
        (folder / name).mkdir()
    env = model.env() | {"TMPDIR": str(folder / "temporary")}
    async with Codex(config=model.config, env=env, transport=transport) as codex:
        return await codex.start_thread(working_directory=folder / "work", skip_git_repo_check=True).run("go")
