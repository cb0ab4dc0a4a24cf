"""Tests of the process in the TypeScript SDK, in Python, and the exact arguments and environment. The numbers are those of its list."""

import os
from pathlib import Path
from typing import Any

import anyio
import pytest

from codex_jupyter.sdk import CodexCli, CodexOptions, ConfigError, ProcessExitError, TextInput, ThreadOptions, TurnRequest
from codex_jupyter.sdk.executable import environment as environment_module
from codex_jupyter.sdk.executable.environment import ORIGINATOR, child_environment
from codex_jupyter.sdk.transports.exec.arguments import exec_arguments
from tests.invented import NEWEST
from tests.sdk.support.fake import HAPPY, THREAD_ID, MakeFake, both_backends

pytestmark = pytest.mark.anyio


@both_backends
async def test_26_an_exit_in_the_middle_is_an_error_at_once(fake: MakeFake) -> None:
    """Though the output is still open, and the consumer slow: the process that holds it runs."""
    cli = fake(
        "started(); [emit(dict(type='x')) for _ in range(200)]; record('child', subprocess.Popen(['sleep', '3600']).pid); os._exit(2)"
    )
    async with cli.thread().run_streamed("go") as streamed:
        with pytest.raises(ProcessExitError, match="Codex Exec exited with exit code 2"):  # noqa: PT012
            async for _ in streamed.events:
                await anyio.sleep(0.002)
    cli.kill_child()


async def test_27_resume_comes_before_the_images(fake: MakeFake, tmp_path: Path) -> None:
    """Before it they would swallow the id."""
    request = TurnRequest(input=(TextInput(text="go"),), thread_id=THREAD_ID)
    arguments = exec_arguments(request, CodexOptions(), env={}, images=[tmp_path / "a.png", tmp_path / "b.png"])
    assert arguments[-6:] == ["resume", THREAD_ID, "--image", f"{tmp_path}/a.png", "--image", f"{tmp_path}/b.png"]


async def test_28_an_environment_replaces_the_inherited_one(fake: MakeFake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of ours is in it, but the key, the originator and the mark."""
    monkeypatch.setenv("SHOULD_NOT_LEAK", "leak")
    cli = fake(HAPPY, env={"CUSTOM": "value"}, api_key="test-key", base_url="http://example.test")
    await cli.thread().run("go")
    assert set(cli.env) - {"LC_CTYPE", "PWD", "SHLVL", "_"} == {
        "CUSTOM",
        "CODEX_API_KEY",
        "CODEX_INTERNAL_ORIGINATOR_OVERRIDE",
        "CODEX_JUPYTER_TURN",
    }
    assert cli.env["CODEX_API_KEY"] == "test-key"
    assert cli.env["CODEX_INTERNAL_ORIGINATOR_OVERRIDE"] == ORIGINATOR
    assert 'openai_base_url="http://example.test"' in cli.argv
    assert "SHOULD_NOT_LEAK" in os.environ


async def test_without_an_environment_ours_is_inherited(fake: MakeFake, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is not changed."""
    monkeypatch.setenv("INHERITED", "yes")
    before = dict(os.environ)
    cli = fake(HAPPY)
    codex = cli.codex(env=None)
    await codex.start_thread(working_directory=cli.folder).run("go")
    assert cli.env["INHERITED"] == "yes"
    assert dict(os.environ) == before


def environment(path: str | None, folder: str | None = "/pkg/codex-path", name: str = "PATH") -> dict[str, str]:
    cli = CodexCli(Path("/pkg/bin/codex"), NEWEST, "PATH", None if folder is None else Path(folder))
    return child_environment(CodexOptions(env={} if path is None else {name: path}), cli)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("/usr/bin:/bin", "/pkg/codex-path:/usr/bin:/bin"),
        ("/usr/bin:/pkg/codex-path:/bin", "/pkg/codex-path:/usr/bin:/bin"),
        ("/pkg/codex-path:/bin:/pkg/codex-path", "/pkg/codex-path:/bin"),
        (":/bin::", "/pkg/codex-path:/bin"),
        ("", "/pkg/codex-path"),
        (None, "/pkg/codex-path"),
    ],
)
def test_31_the_packages_helpers_come_first_on_the_path(given: str | None, expected: str) -> None:
    """Once, and without empty entries."""
    assert environment(given)["PATH"] == expected


def test_31_a_package_without_helpers_leaves_the_path_alone() -> None:
    """Nothing is prepended."""
    assert environment("/bin", None)["PATH"] == "/bin"
    assert "PATH" not in environment(None, None)


def test_32_windows_keeps_its_spelling_of_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is one such variable afterwards."""
    monkeypatch.setattr(environment_module, "WINDOWS", True)
    env = environment("C:\\Windows", "C:\\pkg\\codex-path", "Path")
    assert [name for name in env if name.upper() == "PATH"] == ["Path"]
    cli = CodexCli(Path("codex.exe"), NEWEST, "PATH", Path("/pkg/codex-path"))
    both = child_environment(CodexOptions(env={"PATH": "/b", "Path": "/a"}), cli)
    assert {name: value for name, value in both.items() if name.upper() == "PATH"} == {"Path": f"/pkg/codex-path{os.pathsep}/a"}


FULL = ThreadOptions(
    model="m",
    thread_source="s",
    sandbox_mode="workspace-write",
    profile="p",
    local_provider="ollama",
    oss=True,
    working_directory=Path("-folder"),
    additional_directories=("/x", "-y"),
    skip_git_repo_check=True,
    ephemeral=True,
    model_reasoning_effort="high",
    network_access_enabled=True,
    web_search_mode="cached",
    approval_policy="on-request",
)


def test_the_arguments_have_an_exact_order() -> None:
    """That of the TypeScript SDK, with the CLI's other options among the global flags."""
    client = CodexOptions(config={"a": {"b": 1}, "c": "x"}, config_overrides=("d=2", "e=raw text"), base_url="http://h/v1")
    request = TurnRequest(input=(TextInput(text="go"),), options=FULL, cyber_access_program="standard")
    assert exec_arguments(request, client, env={}, images=[Path("/i.png")], schema_file=Path("/tmp/s/schema.json")) == [  # noqa: S108
        *("exec", "--experimental-json"),
        *("--config", "features.goals=false", "--config", "a.b=1", "--config", 'c="x"', "--config", "d=2", "--config", "e=raw text"),
        *("--config", 'openai_base_url="http://h/v1"'),
        *("--model", "m", "--thread-source", "s", "--sandbox", "workspace-write"),
        *("--profile", "p", "--local-provider", "ollama", "--oss"),
        "--cd=-folder",
        *("--add-dir", "/x", "--add-dir=-y", "--skip-git-repo-check", "--ephemeral"),
        *("--output-schema", "/tmp/s/schema.json", "--cyber-access-program", "standard"),  # noqa: S108
        *("--config", 'model_reasoning_effort="high"'),
        *("--config", "sandbox_workspace_write.network_access=true"),
        *("--config", 'web_search="cached"', "--config", 'approval_policy="on-request"'),
        *("--image", "/i.png"),
    ]


def test_the_home_folder_is_written_out() -> None:
    """The CLI would look for a folder of the name `~`."""
    options = ThreadOptions(working_directory="~", additional_directories=("~/data",))
    arguments = exec_arguments(TurnRequest(input=(TextInput(text="go"),), options=options), CodexOptions(), env={})
    assert arguments[arguments.index("--cd") + 1] == str(Path.home())
    assert arguments[arguments.index("--add-dir") + 1] == str(Path.home() / "data")


def test_nothing_given_is_nothing_said() -> None:
    """The CLI's defaults and the user's config decide. Only goals are off, as over the app-server."""
    request = TurnRequest(input=(TextInput(text="go"),), options=ThreadOptions(model="", thread_source=None))
    expected = ["exec", "--experimental-json", "--config", "features.goals=false"]
    assert exec_arguments(request, CodexOptions(base_url=""), env={}) == expected


def test_a_resumed_thread_keeps_its_source() -> None:
    """It was stored when the thread was made; resume is the last word before the images."""
    request = TurnRequest(input=(TextInput(text="go"),), thread_id=THREAD_ID, options=FULL)
    arguments = exec_arguments(request, CodexOptions(), env={})
    assert "--thread-source" not in arguments
    assert arguments[-2:] == ["resume", THREAD_ID]


@pytest.mark.parametrize("value", ["a\0b"])
def test_a_value_that_no_process_can_be_given_is_refused(value: str) -> None:
    """With the name of its flag."""
    with pytest.raises(ConfigError, match="--model"):
        exec_arguments(TurnRequest(input=(), options=ThreadOptions(model=value)), CodexOptions(), env={})


async def test_a_request_runs_without_a_thread(fake: MakeFake) -> None:
    """The low level: a transport, a request, its events."""
    request = TurnRequest(input=(TextInput(text="go"),), options=ThreadOptions(model="m"))
    events: list[Any] = []
    async with fake(HAPPY).codex() as codex, codex.transport.open_turn(request) as stream:
        while batch := await stream.receive():
            events += batch
    assert [event.type for event in events] == ["thread.started", "turn.started", "item.completed", "turn.completed"]
