"""Every part of a reply has its effect in the real CLI, whichever way the model in use calls tools."""

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from codex_jupyter.testing import (
    Reply,
    ScriptedModel,
    call,
    cut,
    delay,
    edit_file,
    js,
    mcp,
    patch,
    plan,
    raw,
    say,
    search,
    shell,
    think,
    wait_for,
    write_file,
)
from tests.catalogue import DIRECT
from tests.testing.conftest import Cli

Play = Callable[..., ScriptedModel]

_MCP_SERVER = """
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    tool = {"name": "echo", "description": "Says it again.", "inputSchema": {"type": "object"}}
    results = {
        "initialize": {
            "protocolVersion": message.get("params", {}).get("protocolVersion"),
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "echo", "version": "1"},
        },
        "tools/list": {"tools": [tool]},
        "tools/call": {"content": [{"type": "text", "text": json.dumps(message.get("params", {}).get("arguments"))}]},
    }
    answer = {"jsonrpc": "2.0", "id": message["id"], "result": results.get(message["method"], {})}
    print(json.dumps(answer), flush=True)
"""


def test_shell_runs_the_command(any_cli: Cli, play: Play) -> None:
    """The output is the command's own, quotes, dollars and all."""
    model = play([[[shell("printf '%s|' \"$((40 + 2))\" 'a\\b' é")], "Done."]])
    run = any_cli(model, "go")
    command = run.of_type("command_execution")[0]
    assert (command["aggregated_output"], command["exit_code"]) == ("42|a\\b|é|", 0)
    assert run.messages == ["Done."]


def test_shell_runs_in_the_given_folder(any_cli: Cli, play: Play, tmp_path: Path) -> None:
    """`workdir` replaces the turn's folder."""
    run = any_cli(play([[[shell("pwd", workdir=str(tmp_path))], "Done."]]), "go")
    assert run.of_type("command_execution")[0]["aggregated_output"] == f"{tmp_path}\n"


def test_several_calls_in_one_reply_all_run(any_cli: Cli, play: Play) -> None:
    """A reply is not limited to one call, of one kind."""
    model = play([[[think("Three things"), shell("echo 1"), write_file("2.txt", "2"), shell("echo 3")], "Done."]])
    run = any_cli(model, "go")
    assert sorted(item["aggregated_output"] for item in run.of_type("command_execution")) == ["1\n", "3\n"]
    assert (any_cli.workspace / "2.txt").read_text() == "2\n"
    assert len(model.requests) == 2


def test_a_patch_writes_edits_and_deletes(any_cli: Cli, play: Play) -> None:
    """Files change as the parts say, quotes and blank lines kept."""
    text = "print(\"a`$x`\")\n\nprint('b\\n')\n"
    removal = "*** Begin Patch\n*** Delete File: old.txt\n*** End Patch"
    (any_cli.workspace / "old.txt").write_text("old\n")
    replies = [[write_file("a.py", text)], [edit_file("a.py", 'print("a`$x`")', "x = 1\ny = 2")], [patch(removal)]]
    run = any_cli(play([[*replies, "Done."]]), "go")
    assert (any_cli.workspace / "a.py").read_text() == text.replace('print("a`$x`")', "x = 1\ny = 2")
    assert not (any_cli.workspace / "old.txt").exists()
    kinds = [change["kind"] for item in run.of_type("file_change") for change in item["changes"]]
    assert kinds == ["add", "update", "delete"]


def test_write_file_replaces_an_existing_file(any_cli: Cli, play: Play) -> None:
    """A turn can be played again in the same folder."""
    (any_cli.workspace / "a.txt").write_text("old\nlines\n")
    any_cli(play([[[write_file("a.txt", "new\n")], "Done."]]), "go")
    assert (any_cli.workspace / "a.txt").read_text() == "new\n"


def test_plan_shows_the_steps(any_cli: Cli, play: Play) -> None:
    """The plan appears and is ticked."""
    steps = [[plan([("A", "in_progress"), ("B", "pending")])], [plan([("A", "completed"), ("B", "in_progress")])]]
    run = any_cli(play([[*steps, "Done."]]), "go")
    assert run.of_type("todo_list")[-1]["items"] == [
        {"text": "A", "completed": True},
        {"text": "B", "completed": False},
    ]


def test_think_search_and_say_show(any_cli: Cli, play: Play) -> None:
    """Parts that need no tool of the CLI arrive in order."""
    model = play([[[think("First", "Second"), search("codex"), delay(0.01), say("One two\n three", pace=0.001)]]])
    run = any_cli(model, "go")
    assert [item["type"] for item in run.items] == ["reasoning", "web_search", "agent_message"]
    assert run.of_type("reasoning")[0]["text"] == "First\nSecond"
    assert run.of_type("web_search")[0]["query"] == "codex"
    assert run.messages == ["One two\n three"]
    assert len(model.requests) == 1


def test_mcp_calls_the_server(any_cli: Cli, play: Play, tmp_path: Path) -> None:
    """An MCP tool gets its arguments, though the request does not offer it by name."""
    (tmp_path / "server.py").write_text(_MCP_SERVER)
    server = {"command": sys.executable, "args": [str(tmp_path / "server.py")]}
    any_cli.config = {"mcp_servers": {"echo": server | {"default_tools_approval_mode": "approve", "required": True}}}
    run = any_cli(play([[[mcp("echo", "echo", {"text": 'a"b'})], "Done."]]), "go")
    item = run.of_type("mcp_tool_call")[0]
    assert item["status"] == "completed"
    assert item["result"]["content"][0]["text"] == '{"text": "a\\"b"}'


def test_call_reaches_any_tool_by_name(any_cli: Cli, play: Play) -> None:
    """A tool that is offered is called directly, another one by a script where there are scripts."""
    run = any_cli(play([[[call("exec_command", {"cmd": "echo hi", "login": False})], "Done."]]), "go")
    assert run.of_type("command_execution")[0]["aggregated_output"] == "hi\n"


def test_call_uses_an_offered_tool_directly(cli: Cli, play: Play) -> None:
    """Code mode offers a few tools beside its scripts."""
    model = play([[[call("sleep", {"duration_ms": 1}, namespace="clock")], "Done."]])
    assert cli(model, "go").messages == ["Done."]
    called = [item for item in model.requests[1].input if item["type"] == "function_call"]
    assert [(item["namespace"], item["name"]) for item in called] == [("clock", "sleep")]


def test_a_call_in_code_mode_is_awaited_however_long_it_takes(cli: Cli, play: Play) -> None:
    """Otherwise the CLI lets the model continue after 30 s, and the turn ends while the user is asked."""
    model = play([[shell("echo hi"), "Done."]])
    assert cli(model, "go").messages == ["Done."]
    code = next(item["input"] for item in model.requests[1].input if item["type"] == "custom_tool_call")
    pragma = code.partition("\n")[0].removeprefix("// @exec: ")
    assert json.loads(pragma)["yield_time_ms"] >= 60 * 60 * 1000


def test_js_runs_in_code_mode(cli: Cli, play: Play) -> None:
    """A script may do what it likes with the tools."""
    code = "for (const n of [1, 2]) text(await tools.exec_command({cmd: `echo ${n}`, login: false}));"
    run = cli(play([[[js(code)], "Done."]]), "go")
    assert [item["aggregated_output"] for item in run.of_type("command_execution")] == ["1\n", "2\n"]


@pytest.mark.integration
def test_js_without_code_mode_fails_and_says_why(play: Play, tmp_path: Path) -> None:
    """A script that the model in use cannot play is an error, not a silent no-op."""
    run = Cli(tmp_path, model=DIRECT)(play([[[js("1")], "Done."]]), "go")
    assert run.exit_code == 1
    assert "needs a model with code mode" in run.events[-1]["error"]["message"]


def test_raw_sends_any_item(cli: Cli, play: Play) -> None:
    """A kind of item that does not exist yet does no harm to the CLI."""
    content = [{"type": "output_text", "text": "By hand"}]
    message = {"type": "message", "id": "msg_1", "role": "assistant", "content": content}
    run = cli(play([[[raw({"type": "hologram", "id": "h_1"}), raw(message)]]]), "go")
    assert run.messages == ["By hand"]


def test_wait_for_holds_the_stream_until_released(cli: Cli, play: Play) -> None:
    """A test can act while a turn is in the making."""
    release = threading.Event()
    process = cli.start(play([[[say("Before"), wait_for(release), say("After")]]]))
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("go")
    process.stdin.close()
    process.stdin = None
    while "Before" not in process.stdout.readline():
        assert process.poll() is None
    release.set()
    assert cli.finish(process).messages == ["After"]


def test_wait_for_that_is_never_released_fails(cli: Cli, play: Play) -> None:
    """A forgotten release ends the turn in failure, and soon."""
    run = cli(play([[[wait_for(threading.Event(), timeout=0.01), "Never said"]]]), "go")
    assert run.exit_code == 1
    assert "not released in time" in run.events[-1]["error"]["message"]


@pytest.mark.parametrize("text", ["", "word", "  two  words \n", "tabs\tand\n\nlines"])
def test_say_streams_exactly_its_text(text: str) -> None:
    """The pieces lose no space."""
    assert "".join(say(text).chunks) == text


def test_impossible_parts_are_refused() -> None:
    """A mistake shows where it is made."""
    with pytest.raises(ValueError, match="join"):
        say("ab", chunks=["a"])
    with pytest.raises(ValueError, match="pace"):
        say("ab", pace=-1)
    with pytest.raises(ValueError, match="lines to replace"):
        edit_file("a", "", "b")
    with pytest.raises(ValueError, match="nothing can follow"):
        ScriptedModel([[[cut(), "late"]]])
    with pytest.raises(ValueError, match="line break"):
        Reply(["Hi."], headers={"x-name": "a\r\nb: c"})
