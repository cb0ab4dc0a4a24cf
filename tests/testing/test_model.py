"""Turns answer the prompts that they are meant for, requests are recorded, and no other server is used."""

import http.client
import json
import socket
import struct
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codex_jupyter.demo import MEASUREMENTS, showcase
from codex_jupyter.testing import RecordedRequest, RequestImage, ScriptedModel, ScriptedTurn, call, say, shell, wait_for
from tests.testing.conftest import Cli

Play = Callable[..., ScriptedModel]


def test_turns_are_played_in_order_on_one_thread(any_cli: Cli, play: Play) -> None:
    """A resumed thread continues with the next turn, though it sends its whole history."""
    model = play([[shell("echo 1"), "First"], "Second", "Third"])
    first = any_cli(model, "one")
    assert first.messages == ["First"]
    assert [any_cli(model, "two", "resume", first.thread_id).messages for _ in "23"] == [["Second"], ["Third"]]
    assert model.unplayed == []
    assert [request.prompt for request in model.requests] == ["one", "one", "two", "two"]
    assert model.requests[-1].prompts == ["one", "two", "two"]


def test_a_thread_continues_with_another_server(cli: Cli, play: Play) -> None:
    """Earlier turns of a thread are history, not a prompt to answer."""
    before = play([[shell("echo 1"), "First"]])
    first = cli(before, "one")
    before.close()
    after = play([[shell("echo 2"), "Second"]])
    run = cli(after, "two", "resume", first.thread_id)
    assert run.messages == ["Second"]
    assert len(run.of_type("command_execution")) == 1


def test_threads_at_once_get_turns_of_their_own(cli: Cli, play: Play) -> None:
    """Two CLIs at the same time do not mix up their replies."""
    script = [ScriptedTurn([[shell(f"echo {name}")], f"I am {name}"], match=name) for name in ("ann", "bob")]
    model = play(script)
    runs: dict[str, Any] = {}
    threads = [threading.Thread(target=lambda name=name: runs.update({name: cli(model, name)})) for name in ("bob", "ann")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, run in runs.items():
        assert run.messages == [f"I am {name}"]
        assert run.of_type("command_execution")[0]["aggregated_output"] == f"{name}\n"
    assert len({request.thread_id for request in model.requests}) == 2


def test_a_sub_agent_plays_the_turn_of_its_task(any_cli: Cli, play: Play) -> None:
    """A task given to another agent is a prompt like any other."""
    space = "collaboration" if any_cli.model is None else "multi_agent_v1"
    spawn = call("spawn_agent", {"message": "peel onions"} | ({"task_name": "cook"} if not any_cli.model else {}), space)
    answered = threading.Event()
    sub_agent = ScriptedTurn([[say("Peeled")]], match="onions")
    model = play([ScriptedTurn([spawn, [wait_for(answered), say("Served")]], match="dinner"), sub_agent])
    process = any_cli.start(model)
    assert process.stdin is not None
    process.stdin.write("Make dinner")
    process.stdin.close()
    process.stdin = None
    while model.unplayed:
        assert process.poll() is None
        answered.wait(0.01)
    answered.set()
    assert any_cli.finish(process).messages == ["Served"]
    assert {request.prompt for request in model.requests} == {"Make dinner", "peel onions"}


def test_a_prompt_nothing_fits_gets_an_honest_answer(cli: Cli, play: Play) -> None:
    """The answer says what it is and which prompts are scripted, and uses up no turn."""
    model = play([ScriptedTurn(["Fine"], match="how are you", title="How are you?"), ScriptedTurn(["42"], match="6x7")])
    answer = cli(model, "write a poem").messages[0]
    assert "This is a script, not a model" in answer
    assert "How are you?" in answer
    assert "6x7" in answer
    assert len(model.unplayed) == 2


def test_a_played_turn_is_played_again(cli: Cli, play: Play) -> None:
    """A cell can be run twice; the last turn that names the prompt answers."""
    model = play([ScriptedTurn(["One"], match="count"), ScriptedTurn(["Two"], match="COUNT")])
    assert [cli(model, "Count!").messages[0] for _ in range(3)] == ["One", "Two", "Two"]


def test_replies_that_run_out_end_the_turn(cli: Cli, play: Play) -> None:
    """A script may end with a call."""
    model = play([[shell("echo hi")]])
    run = cli(model, "go")
    assert run.exit_code == 0
    assert [item["type"] for item in run.items] == ["command_execution"]
    assert len(model.requests) == 2


def test_images_are_recorded(any_cli: Cli, play: Play) -> None:
    """The images of the last prompt are there as bytes, and its text without the CLI's marks."""
    picture = any_cli.workspace / "dot.png"
    picture.write_bytes(_png())
    model = play(["I see", "Nothing new"])
    first = any_cli(model, "look", f"--image={picture}")
    any_cli(model, "and now", "resume", first.thread_id)
    with_image, without = model.requests
    assert with_image.images == [RequestImage("image/png", _png())]
    assert (with_image.prompt, without.prompt, without.images) == ("look", "and now", [])


def test_instructions_of_the_folder_are_not_a_prompt(cli: Cli, play: Play) -> None:
    """Text that the CLI adds in the user's name is not taken for a prompt."""
    (cli.workspace / "AGENTS.md").write_text("Be brief, say Ann.")
    model = play([ScriptedTurn(["Wrong"], match="Ann|cwd"), ScriptedTurn(["Right"], match="^<b>go</b>$")])
    assert cli(model, "<b>go</b>").messages == ["Right"]
    assert "say Ann" in json.dumps(model.requests[0].body)


def test_a_credential_is_not_in_the_repr() -> None:
    """A record can be printed in a notebook that is shared."""
    request = RecordedRequest("/v1/responses", {"authorization": "Bearer sk-secret", "host": "x"}, {"input": []})
    assert "secret" not in repr(request)
    assert "***" in repr(request)


def test_usage_is_plausible_and_repeatable(cli: Cli, play: Play) -> None:
    """Tokens are counted from lengths: the second request has the first as cached input."""
    model = play([[shell("echo hi"), "Done."], [shell("echo hi"), "Done."]])
    first, two = cli(model, "go").usage, cli(model, "go").usage
    assert first["input_tokens"] > first["cached_input_tokens"] > first["output_tokens"] > 0
    assert abs(first["input_tokens"] - two["input_tokens"]) < 100


def test_the_environment_has_a_home_and_no_credentials(tmp_path: Path) -> None:
    """The user's account and history are out of reach."""
    base = {"OPENAI_API_KEY": "a", "CODEX_API_KEY": "b", "CODEX_HOME": "c", "NO_PROXY": "d", "PATH": "e"}
    with ScriptedModel([], codex_home=tmp_path / "home") as model:
        env = model.env(base)
    assert env["CODEX_HOME"] == str(tmp_path / "home")
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
    assert (env["PATH"], env["NO_PROXY"]) == ("e", "d,127.0.0.1,localhost")
    assert env.keys().isdisjoint({"OPENAI_API_KEY", "CODEX_API_KEY"})


def test_the_default_home_is_made_on_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripted models share one home of their own; making a model writes nothing."""
    monkeypatch.setattr("codex_jupyter.testing.cli_settings.user_state_path", lambda name, **_: tmp_path / name)
    model = ScriptedModel([])
    assert model.codex_home == tmp_path / "codex-jupyter" / "demo"
    assert not model.codex_home.exists()
    with model:
        assert model.codex_home.is_dir()


def test_the_cli_connects_to_no_other_host(any_cli: Cli, play: Play) -> None:
    """A proxy that every outward connection would have to take sees none."""
    dialled: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        thread = threading.Thread(target=_record_dials, args=(proxy, dialled))
        thread.start()
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        any_cli.extra_env = {name: address for upper in names for name in (upper, upper.lower())}
        run = any_cli(play([[shell("echo hi"), "Done."]]), "go")
        with socket.create_connection(proxy.getsockname()) as last:
            last.sendall(b"END")
        thread.join()
    assert run.messages == ["Done."]
    assert dialled == []


def _record_dials(proxy: socket.socket, dialled: list[bytes]) -> None:
    while True:
        connection, _ = proxy.accept()
        with connection:
            data = connection.recv(1000)
        if data == b"END":
            return
        dialled.append(data)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/v1/models", {}, 200),
        ("GET", "/v1/responses", {"Connection": "Upgrade", "Upgrade": "websocket"}, 426),
        ("GET", "/", {}, 404),
        ("POST", "/v1/chat/completions", {}, 404),
        ("POST", "/v1/responses", {}, 400),
    ],
)
def test_other_requests_are_answered_in_json(play: Play, method: str, path: str, headers: dict[str, str], status: int) -> None:
    """Any other request gets a plain answer, and is not recorded."""
    model = play([])
    connection = http.client.HTTPConnection(model.url.removeprefix("http://").removesuffix("/v1"))
    connection.request(method, path, headers=headers | {"Authorization": f"Bearer {model.token}"})
    response = connection.getresponse()
    assert response.status == status
    assert isinstance(json.loads(response.read()), dict)
    connection.close()
    assert model.requests == []


def test_the_cli_gets_over_a_refused_websocket(cli: Cli, play: Play) -> None:
    """A provider that claims websockets still works."""
    cli.config = {}
    model = play(["Done."])
    provider = model.config["model_providers"]["demo"] | {"supports_websockets": True}
    cli.config = {"model_providers": {"demo": provider}}
    assert cli(model, "go").messages == ["Done."]


def test_the_showcase_does_what_it_says(any_cli: Cli, play: Play) -> None:
    """The numbers in the answers are those that the commands print."""
    (any_cli.workspace / "measurements.csv").write_text(MEASUREMENTS)
    model = play(showcase())
    first = any_cli(model, "What is the mean of the measurements?")
    second = any_cli(model, "Now add the median", "resume", first.thread_id)
    hello = any_cli(model, "Hello")
    fix = any_cli(model, "The last cell that failed is in the notebook data.")
    outputs = [item["aggregated_output"] for run in (first, second) for item in run.of_type("command_execution")]
    assert outputs[1:] == [
        "days: 7\nmean: 6.0\nrange: 3 to 9\n",
        "days: 7\nmean: 6.0\nmedian: 6.0\nrange: 3 to 9\n",
    ]
    assert "| **mean** | **6.0** |" in first.messages[-1]
    assert all(step["completed"] for step in first.of_type("todo_list")[-1]["items"])
    assert "not a model" in hello.messages[0]
    assert 'print(measurements["value"].mean())' in fix.messages[0]
    # Without a kernel, there is nothing to plot.
    assert [turn.title for turn in model.unplayed] == ["Look at measurements, and try a plot"]


def _png() -> bytes:
    """An image of one red dot."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0\xff\0\0")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
