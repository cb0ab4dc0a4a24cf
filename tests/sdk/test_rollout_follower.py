"""The part of a turn in its thread's file: its rights, its attachments, and refusals without an item."""

import json
from pathlib import Path
from typing import Any

import pytest

from codex_jupyter.sdk import CommandExecutionItem, FileChangeItem
from codex_jupyter.sdk.rollout_follower import RolloutFollower
from codex_jupyter.testing import Script, patch, shell, write_file
from tests.catalogue import DIRECT
from tests.sdk.conftest import Real

THREAD = "01a2023e-ec8b-7f50-89d6-35f1e90c87a4"
DENIED = "touch: cannot touch 'x': Read-only file system\n"


class File:
    """A thread's file that the CLI writes."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.path = home / "sessions/2026/01/02" / f"rollout-2026-01-02T03-04-05-{THREAD}.jsonl"
        self.path.parent.mkdir(parents=True)
        self.write("session_meta", id=THREAD)

    def write(self, kind: str, **payload: Any) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps({"timestamp": "t", "type": kind, "payload": payload}) + "\n")

    def call(self, name: str, given: str, output: Any, call_id: str = "c", kind: str = "function_call") -> None:
        """A call of a tool, and what the model reads of it."""
        self.write("response_item", type=kind, name=name, call_id=call_id, **{"arguments" if kind == "function_call" else "input": given})
        self.write("response_item", type=f"{kind}_output", call_id=call_id, output=output)

    def show(self, item_id: str, output: str = "") -> None:
        """A command that the CLI sends as an item."""
        self.write("event_msg", type="item_completed", item={"type": "CommandExecution", "id": item_id, "aggregated_output": output})


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path)


def command(text: str) -> str:
    return json.dumps({"cmd": text, "login": False})


def result(said: str, code: int = 1) -> str:
    return f"Chunk ID: 1\nWall time: 0.1 seconds\nProcess exited with code {code}\nOriginal token count: 1\nOutput:\n{said}"


def script_result(said: str, code: int = 1) -> list[dict[str, str]]:
    """Return the text that the model reads from a script that prints the result of a command."""
    parts = ("Script completed\nWall time 0.1 seconds\nOutput:\n", json.dumps({"chunk_id": "1", "exit_code": code, "output": said}))
    return [{"type": "input_text", "text": part} for part in parts]


def refused(file: File) -> list[Any]:
    follower = RolloutFollower(file.home)
    follower.thread_id = THREAD
    follower.read()
    return follower.refused()


def test_a_command_without_an_item_is_refused(file: File) -> None:
    file.call("exec_command", command("touch 'x y'"), result(DENIED))
    (item,) = refused(file)
    assert isinstance(item, CommandExecutionItem)
    assert (item.status, item.exit_code, item.aggregated_output) == ("refused", 1, DENIED)
    assert item.command == "/bin/bash -c 'touch '\"'\"'x y'\"'\"''"


def test_a_command_that_was_sent_is_not_reported_again(file: File) -> None:
    file.show("c", DENIED)
    file.call("exec_command", command("touch x"), result(DENIED))
    assert refused(file) == []


@pytest.mark.parametrize("said", ["all fine\n", "exec command rejected by user\n", "no such file\n"])
def test_what_was_not_refused_by_the_sandbox_or_a_rule_is_not_reported(file: File, said: str) -> None:
    file.call("exec_command", command("x"), result(said))
    assert refused(file) == []


@pytest.mark.parametrize(
    "script", ['text(await tools.exec_command({"cmd": "touch x", "login": false}));', "await tools.exec_command({cmd: 'touch x'})"]
)
def test_a_command_of_a_script_is_refused(file: File, script: str) -> None:
    file.call("exec", script, script_result(DENIED), kind="custom_tool_call")
    (item,) = refused(file)
    assert (item.command, item.aggregated_output, item.exit_code) == ("/bin/bash -c 'touch x'", DENIED, 1)


def test_a_command_of_a_script_that_was_sent_is_not_reported_again(file: File) -> None:
    """It has an id of its own."""
    file.show("exec-1", DENIED)
    file.call("exec", 'text(await tools.exec_command({"cmd": "touch x"}))', script_result(DENIED), kind="custom_tool_call")
    assert refused(file) == []


def test_a_script_with_several_commands_is_shown_itself(file: File) -> None:
    script = 'await tools.exec_command({cmd: "a"}); await tools.exec_command({cmd: "b"})'
    file.call("exec", script, script_result(DENIED), kind="custom_tool_call")
    assert [item.command for item in refused(file)] == [script]


def test_a_patch_that_is_rejected_names_its_files(file: File) -> None:
    text = "*** Begin Patch\n*** Add File: a b.txt\n+x\n*** Update File: c.txt\n@@\n-x\n+y\n*** End Patch"
    said = "patch rejected: writing is blocked by read-only sandbox; rejected by user approval settings"
    file.call("apply_patch", text, said, "one", "custom_tool_call")
    file.call("exec", f"text(await tools.apply_patch({json.dumps(text)}))", f"Script error:\n{said}", "two", "custom_tool_call")
    for item in refused(file):
        assert isinstance(item, FileChangeItem)
        assert [(change.path, change.kind) for change in item.changes] == [("a b.txt", "add"), ("c.txt", "update")]
        assert item.status == "refused"
    assert [item.id for item in refused(file)] == ["refused_0", "refused_1"]


def test_earlier_turns_of_the_thread_do_not_count(file: File) -> None:
    file.call("exec_command", command("touch x"), result(DENIED), "old")
    file.write("turn_context", model="old")
    follower = RolloutFollower(file.home, THREAD)
    follower.read()
    assert (follower.context, follower.refused()) == ({}, [])
    file.write("turn_context", model="new")
    follower.read()
    assert follower.context["model"] == "new"


def test_a_line_that_is_still_being_written_is_read_later(file: File) -> None:
    follower = RolloutFollower(file.home, THREAD)
    line = json.dumps({"type": "turn_context", "payload": {"model": "m"}})
    with file.path.open("a") as stream:
        stream.write(line[:20])
        stream.flush()
        follower.read()
        assert follower.context == {}
        stream.write(line[20:] + "\n")
    follower.read()
    assert follower.context == {"model": "m"}


@pytest.mark.parametrize(
    "line", ["", "no JSON", "[]", '{"type": "turn_context"}', '{"type": "turn_context", "payload": 3}', '{"payload": {"item": 1}}']
)
def test_damaged_lines_are_passed_over(file: File, line: str) -> None:
    with file.path.open("a") as stream:
        stream.write(f"{line}\n")
    file.call("exec_command", command("touch x"), result(DENIED))
    assert len(refused(file)) == 1


@pytest.mark.parametrize(
    ("name", "given", "output"),
    [
        ("exec_command", "[]", DENIED),
        ("exec_command", "no JSON", DENIED),
        ("exec_command", '{"cmd": 3}', DENIED),
        ("other", "{}", DENIED),
        ("exec", "1", DENIED),
    ],
)
def test_calls_of_other_forms_are_passed_over(file: File, name: str, given: str, output: Any) -> None:
    file.call(name, given, output)
    file.write("response_item", type="function_call_output", call_id="unknown", output=[3, None])
    assert refused(file) == []


def test_a_thread_that_is_not_stored_has_no_record(tmp_path: Path) -> None:
    follower = RolloutFollower(tmp_path, THREAD)
    follower.read()
    assert (follower.exists, follower.context, follower.refused()) == (False, {}, [])


def test_the_instructions_and_skills_of_the_first_turn_go_along_with_later_ones(file: File, tmp_path: Path) -> None:
    """Instructions of the CLI itself do not count."""
    (tmp_path / "AGENTS.md").write_text("Be kind.\n")
    roots = "- `r0` = `/u/skills`\n- `r1` = `/u/skills/.system`\n"
    body = f"### Skill roots\n{roots}- mine: does x (file: r0/a/SKILL.md)\n- its: does y (file: r1/b/SKILL.md)\n"
    file.write("world_state", state={"agents_md": {"directory": str(tmp_path), "text": "Be kind.\n"}, "host_skills": {"body": body}})
    file.write("turn_context", model="m")
    follower = RolloutFollower(file.home, THREAD)
    assert (follower.instructions, follower.skills) == ((tmp_path / "AGENTS.md",), ("mine",))


@pytest.mark.anyio
@pytest.mark.parametrize("model", [None, DIRECT])
@pytest.mark.parametrize("transport", ["exec", "app-server"])
async def test_a_refused_write_is_in_the_turn(real: Real, transport: str, model: str | None) -> None:
    """Of a command and of patches, with the real CLI, whether it sends an item or not."""
    real.transport = transport
    update = patch("*** Begin Patch\n*** Update File: old.txt\n@@\n-old\n+new\n*** End Patch")
    (real.workspace / "old.txt").write_text("old\n")
    script: Script = [[[shell("touch made.txt")], [write_file("new.txt", "x")], [update], [shell("cat old.txt")], "Done."]]
    turn = await real.thread(script, sandbox_mode="read-only", model=model).run("go")
    assert [path.name for path in real.workspace.iterdir()] == ["old.txt"]
    commands = {item.command: item for item in turn.items if isinstance(item, CommandExecutionItem)}
    assert "Read-only file system" in commands["/bin/bash -c 'touch made.txt'"].aggregated_output
    patches = [item for item in turn.items if isinstance(item, FileChangeItem)]
    named = [(change.path, change.kind) for item in patches for change in item.changes]
    assert named == [(str(real.workspace / "new.txt"), "add"), (str(real.workspace / "old.txt"), "update")]
    assert {item.status for item in patches} == {"refused"}
    if transport == "app-server":
        assert turn.items[-1].type == "agent_message", "refused actions are reported before the answer"
    assert turn.final_response == "Done."
