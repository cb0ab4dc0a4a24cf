"""MCP servers, skills and instructions: as options, and as lists."""

import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from codex_jupyter.sdk import ConfigError, HttpMcpServer, McpToolCallItem, StdioMcpServer, StreamedTurn, Thread, ThreadOptions
from codex_jupyter.sdk.models.mcp_servers import mcp_settings
from codex_jupyter.testing import mcp, say, wait_for
from tests.processes import command_line
from tests.sdk.conftest import Real
from tests.sdk.support import mcp_server
from tests.sdk.support.http_mcp_server import TOKEN, http_mcp_server

pytestmark = pytest.mark.anyio
DESK: dict[str, Any] = {"command": sys.executable, "args": [mcp_server.__file__], "env": {"DESK_TOKEN": "s3cr3t-of-the-desk"}}
BOTH = pytest.mark.parametrize("transport", ["exec", "app-server"])


async def arguments_of(real: Real, thread: Thread, seen: threading.Event) -> tuple[StreamedTurn, list[str]]:
    """Run a turn, and return it with the arguments of its processes after the call of a tool. The model waits until they are seen."""
    arguments: list[str] = []
    async with thread.run_streamed("go") as streamed:
        async for event in streamed.events:
            if event.type == "item.completed" and not seen.is_set():
                arguments.extend(" ".join(command_line(process)) for process in real.processes())
                seen.set()
    return streamed, arguments


@BOTH
async def test_the_servers_of_a_thread_are_used_and_their_secrets_are_not_arguments(real: Real, transport: str) -> None:
    real.transport = transport
    seen = threading.Event()
    thread = real.thread(
        [[mcp("desk", "read", {"what": "x"}), [wait_for(seen), say("Done.")]]], mcp_servers={"desk": StdioMcpServer(**DESK)}
    )
    streamed, arguments = await arguments_of(real, thread, seen)
    (call,) = [item for item in streamed.turn.items if isinstance(item, McpToolCallItem)]
    assert (call.status, "read x" in str(call.result)) == ("completed", True)
    assert any("codex" in line for line in arguments)
    assert not any("s3cr3t" in line for line in arguments)
    assert "s3cr3t" not in repr(thread)


@BOTH
@pytest.mark.parametrize("given", ["token", "variable", "header"])
async def test_a_server_over_http_is_used_with_its_token(real: Real, transport: str, given: str) -> None:
    """Streamable HTTP. The token is not an argument of the CLI."""
    real.transport = transport
    real.env["WEB_TOKEN"] = TOKEN
    ways: dict[str, dict[str, Any]] = {
        "token": {"bearer_token": SecretStr(TOKEN)},
        "variable": {"bearer_token_env_var": "WEB_TOKEN"},
        "header": {"http_headers": {"Authorization": f"Bearer {TOKEN}"}},
    }
    with http_mcp_server() as server:
        web = HttpMcpServer(url=server.url, required=True, **ways[given])
        seen = threading.Event()
        thread = real.thread([[mcp("web", "read", {"what": "x"}), [wait_for(seen), say("Done.")]]], mcp_servers={"web": web})
        streamed, arguments = await arguments_of(real, thread, seen)
    (call,) = [item for item in streamed.turn.items if isinstance(item, McpToolCallItem)]
    assert (call.status, "read x over HTTP" in str(call.result)) == ("completed", True)
    assert server.methods[0] == "initialize"
    assert {"tools/list", "tools/call"} <= set(server.methods)
    assert server.refused == 0
    assert any("codex" in line for line in arguments)
    assert not any(TOKEN in line for line in arguments)


async def test_the_servers_of_a_client_are_listed_with_their_tools_and_reloaded(real: Real) -> None:
    codex = real.codex(real.play([]), mcp_servers={"desk": DESK, "bad": {"command": "/nowhere/server"}})
    servers = {server.name: server for server in await codex.mcp_servers()}
    assert set(servers["desk"].tools) >= {"read", "write"}
    assert servers["bad"].tools == ()
    await codex.reload_mcp_servers()


async def test_the_skills_and_instructions_of_a_folder_are_listed(real: Real) -> None:
    """Nothing is sent to a model, and the thread for it is not stored."""
    good, broken = (real.workspace / ".codex" / "skills" / name for name in ("greet", "broken"))
    for folder in (good, broken):
        folder.mkdir(parents=True)
    (good / "SKILL.md").write_text("---\nname: greet\ndescription: Greets.\n---\nSay hi.\n")
    (broken / "SKILL.md").write_text("no front matter\n")
    (real.workspace / "AGENTS.md").write_text("Be kind.\n")
    (real.workspace / ".git").mkdir()
    model = real.play([])
    codex = real.codex(model)
    skills = {skill.name: skill for skill in await codex.skills(real.workspace)}
    assert (skills["greet"].description, skills["greet"].scope, skills["greet"].enabled) == ("Greets.", "repo", True)
    assert skills["broken"].error is not None
    assert await codex.instruction_sources(real.workspace) == (real.workspace / "AGENTS.md",)
    assert model.requests == []
    assert len(await codex.list_threads()) == 0


def test_servers_are_the_table_of_the_configuration_without_defaults() -> None:
    http = HttpMcpServer(url="https://e.com/mcp", bearer_token=SecretStr("t0k"), required=True, tool_timeout_sec=5)
    options = ThreadOptions(mcp_servers={"h": http, "s": {"command": "run", "cwd": os.sep, "enabled": False}})
    assert mcp_settings(options.mcp_servers) == {
        "h": {"required": True, "tool_timeout_sec": 5.0, "url": "https://e.com/mcp", "bearer_token": "t0k"},
        "s": {"enabled": False, "command": "run", "cwd": str(Path(os.sep))},
    }
    assert "t0k" not in repr(http)


@pytest.mark.parametrize(
    ("server", "problem"),
    [
        ({"commnd": "x"}, "mcp_servers is not valid: .*has 'command', or 'url'"),
        ({"command": "x", "url": "y"}, "HttpMcpServer: command: Extra inputs are not permitted"),
        ({"command": "x", "env": 5}, "StdioMcpServer: env: Input should be a"),
        ({"url": "x", "tool_timeout_sec": 0}, "tool_timeout_sec: Input should be greater than 0"),
    ],
)
def test_a_wrong_server_is_refused_with_its_field(server: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        ThreadOptions(mcp_servers={"s": server})
