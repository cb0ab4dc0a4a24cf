"""Hooks in Python: deny, add context, or watch, over both transports; and what Codex does if a hook does not answer."""

import asyncio
import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codex_jupyter import sync
from codex_jupyter.sdk import (
    Codex,
    CommandExecutionItem,
    ConfigError,
    HookCall,
    HookReply,
    ScriptedTransport,
    TransportName,
    UnsupportedOperationError,
)
from codex_jupyter.sdk.hooks.server import HookServer, hook_flags
from codex_jupyter.sdk.transports.exec.transport import ExecTransport
from codex_jupyter.testing import shell
from tests.processes import command_line
from tests.sdk.conftest import Real

pytestmark = pytest.mark.skipif(os.name == "nt", reason="hooks need Unix sockets")
CALL = b'{"hook_event_name": "%s", "session_id": "t", "turn_id": "u", "tool_name": "Bash", "tool_input": {"command": "ls"}}'


def files_of(home: Path) -> dict[str, bytes]:
    """Return the files with settings of a CODEX_HOME."""
    return {path.name: path.read_bytes() for path in home.rglob("*.toml")} | {path.name: b"" for path in home.rglob("*hooks*")}


@pytest.mark.integration
@pytest.mark.parametrize("transport", ["exec", "app-server"])
def test_a_hook_denies_watches_and_adds_context(real: Real, transport: TransportName) -> None:
    """Without a file of the user and without a secret in the arguments of the CLI."""
    calls: list[HookCall] = []
    arguments: list[str] = []

    def before(call: HookCall) -> HookReply | None:
        calls.append(call)
        for process in real.processes():
            arguments.extend(command_line(process))
        return HookReply(deny="not here") if "forbidden" in str(call.tool_input) else None

    def prompted(call: HookCall) -> HookReply:
        calls.append(call)
        return HookReply(context="CONTEXT-OF-THE-HOOK")

    model = real.play([[[shell("echo allowed > allowed.txt")], [shell("echo forbidden > forbidden.txt")], [shell("env")], "Done."]])
    before_files = files_of(real.folder)
    hooks: Any = {"PreToolUse": before, "UserPromptSubmit": prompted, "PostToolUse": calls.append}
    with sync.Codex(config=model.config, env=real.environment(model), transport=transport, hooks=hooks) as codex:
        thread = codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True, sandbox_mode="workspace-write")
        turn = thread.run("a prompt")
    assert [call.event for call in calls][:3] == ["UserPromptSubmit", "PreToolUse", "PostToolUse"]
    assert calls[0].prompt == "a prompt"
    assert (calls[1].tool_name, calls[1].thread_id, calls[1].cwd) == ("Bash", thread.id, str(real.workspace))
    assert (real.workspace / "allowed.txt").exists()
    assert not (real.workspace / "forbidden.txt").exists()
    assert "CONTEXT-OF-THE-HOOK" in str(model.requests[0].body)
    assert "not here" in str(model.requests[2].body)
    assert files_of(real.folder) == before_files
    assert not any("codex-hooks-" in argument or model.token in argument for argument in arguments)
    outputs = [item.aggregated_output for item in turn.items if isinstance(item, CommandExecutionItem)]
    assert any("CODEX_HOME=" in output for output in outputs)
    assert not any("codex-hooks-" in output for output in outputs)


@pytest.mark.integration
def test_codex_continues_if_a_hook_is_killed(real: Real) -> None:
    """So hooks are not a safeguard, and the documentation says so."""

    def kill(_call: HookCall) -> HookReply:
        for process in real.processes():
            if any(argument.endswith("program.py") for argument in command_line(process)):
                process.send_signal(signal.SIGKILL)
        return HookReply(deny="too late")

    model = real.play([[[shell("echo ran > ran.txt")], "Done."]])
    codex = sync.Codex(config=model.config, env=real.environment(model), hooks={"PreToolUse": kill})
    codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True, sandbox_mode="workspace-write").run("go")
    assert (real.workspace / "ran.txt").exists()


@pytest.fixture
def server() -> Iterator[HookServer]:
    def fail(_call: HookCall) -> None:
        raise RuntimeError("a fault of the hook")

    server = HookServer({"PreToolUse": fail, "PostToolUse": fail, "Stop": lambda _call: HookReply(context="x")})
    yield server
    server.close()
    assert not Path(server.path).parent.exists()


@pytest.mark.parametrize("event", ["PreToolUse", "PostToolUse", "Stop"])
def test_a_hook_that_fails_is_logged_and_denies_what_it_can(server: HookServer, caplog: pytest.LogCaptureFixture, event: str) -> None:
    with caplog.at_level(logging.ERROR, "codex_jupyter"):
        reply = server.reply_to(CALL % event.encode())
    assert (b"a fault of the hook" in reply) == (event == "PreToolUse")
    assert f"The hook for {event} failed" in caplog.text


class Unprintable(Exception):
    """An error that cannot describe itself."""

    def __str__(self) -> str:
        raise ValueError("no text")


@pytest.mark.parametrize("error", [SystemExit(2), asyncio.CancelledError(), KeyboardInterrupt(), Unprintable()])
def test_a_hook_that_ends_by_any_exception_denies(error: BaseException) -> None:
    def leave(_call: HookCall) -> None:
        raise error

    server = HookServer({"PreToolUse": leave})
    try:
        assert b"deny" in server.reply_to(CALL % b"PreToolUse")
    finally:
        server.close()


def test_a_denial_with_a_surrogate_is_text_that_codex_can_read() -> None:
    """Names of files can have one. Codex would ignore the reply, and continue."""
    server = HookServer({"PreToolUse": lambda _call: HookReply(deny="not a\udcff, but ü")})
    try:
        assert "not a?, but ü" in server.reply_to(CALL % b"PreToolUse").decode()
        assert b"\\ud" not in server.reply_to(CALL % b"PreToolUse")
    finally:
        server.close()


def test_the_socket_can_be_reached_by_this_user_alone(server: HookServer) -> None:
    assert Path(server.path).parent.stat().st_mode & 0o077 == 0


def test_a_forked_child_leaves_the_socket_to_its_parent(server: HookServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as child:
        child.setattr(os, "getpid", lambda: -1)
        server.close()
    assert Path(server.path).exists()


@pytest.mark.parametrize(
    ("reply", "event", "expected"),
    [
        (HookReply(), "PreToolUse", {}),
        (HookReply(deny="no"), "UserPromptSubmit", {"decision": "block", "reason": "no"}),
        (HookReply(context="c"), "PostToolUse", {"hookSpecificOutput": {"hookEventName": "PostToolUse", "additionalContext": "c"}}),
    ],
)
def test_replies_have_the_form_that_codex_reads(reply: HookReply, event: str, expected: dict[str, Any]) -> None:
    assert reply.to_wire(event) == expected
    with pytest.raises(ValueError, match="cannot deny"):
        HookReply(deny="no").to_wire("Stop")


def test_hooks_that_cannot_be_used_are_refused() -> None:
    def watch(_call: HookCall) -> None: ...

    with pytest.raises(ConfigError, match="hooks"):
        Codex(hooks={"Unknown": watch})  # type: ignore[dict-item]
    codex = Codex(hooks={"Stop": watch}, config={"hooks": {"Stop": []}})
    with pytest.raises(ConfigError, match="cannot be combined"):
        sync.Codex(codex.options).start_thread(skip_git_repo_check=True).run("go")
    with pytest.raises(UnsupportedOperationError, match="no hooks"):
        sync.Codex(transport=ExecTransport(codex.options)).start_thread(skip_git_repo_check=True).run("go")
    assert hook_flags({}) == []
    with pytest.raises(ConfigError, match="hooks need"):
        Codex(hooks={"Stop": watch}, transport=ScriptedTransport([]))
