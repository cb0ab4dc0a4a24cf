"""Tests of `run` in the TypeScript SDK, in Python and against the real CLI. The numbers are those of its list of tests."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from codex_jupyter.sdk import (
    AgentMessageItem,
    Codex,
    CodexOptions,
    LocalImageInput,
    NotTrustedDirectoryError,
    TextInput,
    ThreadOptions,
    Turn,
    TurnFailedError,
    TurnOptions,
)
from codex_jupyter.sdk.executable.environment import ORIGINATOR
from codex_jupyter.testing import ScriptedModel, cut
from tests.catalogue import DIRECT
from tests.sdk.conftest import Real
from tests.sdk.support.fake import FakeCli

pytestmark = pytest.mark.anyio

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c63606060f80f0001040100"
    "5fe5c34b0000000049454e44ae426082"
)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"answer": {"type": "string"}},
    "required": ["answer"],
    "additionalProperties": False,
}


async def run(real: Real, spied: FakeCli, scripted: ScriptedModel, prompt: Any = "go", turn: Any = None, **thread: Any) -> Turn:
    """One turn of a new thread, through the executable that notes its arguments."""
    client = thread.pop("client", {})
    options = dict[str, Any](working_directory=real.workspace, skip_git_repo_check=True) | thread
    codex = real.codex(scripted, codex_path_override=spied.path, **client)
    return await codex.start_thread(**options).run(prompt, **(turn or {}))


def pairs(spied: FakeCli) -> list[tuple[str, str]]:
    return list(pairwise(spied.argv))


async def test_01_run_returns_items_and_usage(real: Real) -> None:
    """And the thread has its id."""
    thread = real.thread(["Hi!"])
    turn = await thread.run("Hello")
    assert turn.items == (AgentMessageItem(id=turn.items[0].id, text="Hi!"),)
    assert turn.final_response == "Hi!"
    assert turn.usage is not None
    assert turn.usage.output_tokens > 0
    assert turn.usage.input_tokens > 0
    assert thread.id == turn.thread_id
    assert thread.id is not None


async def test_02_a_second_run_continues_the_thread(real: Real) -> None:
    """The model sees its first answer again."""
    model = real.play(["First answer", "Second answer"])
    thread = real.thread(model)
    await thread.run("first")
    assert (await thread.run("second")).final_response == "Second answer"
    assert "First answer" in json.dumps(model.requests[1].body)


async def test_03_a_second_run_keeps_history_and_options(real: Real) -> None:
    """Its input comes last."""
    model = real.play(["One", "Two"])
    thread = real.codex(model).start_thread(model=DIRECT, working_directory=real.workspace, skip_git_repo_check=True)
    await thread.run("first input")
    await thread.run("second input", TurnOptions(timeout=60))
    assert model.requests[1].prompts == ["first input", "second input"]
    assert [request.body["model"] for request in model.requests] == [DIRECT, DIRECT]


async def test_04_a_thread_is_resumed_by_its_id(real: Real) -> None:
    """By another object, as by another process."""
    model = real.play(["One", "Two"])
    first = real.thread(model)
    await first.run("first input")
    second = real.thread(model, first.id)
    turn = await second.run("second input")
    assert second.id == first.id == turn.thread_id
    assert turn.final_response == "Two"
    assert model.requests[1].prompts == ["first input", "second input"]


async def test_05_model_and_sandbox_reach_the_cli(real: Real, spied: FakeCli) -> None:
    """And the model reaches the provider."""
    model = real.play(["Hi"])
    await run(real, spied, model, model=DIRECT, sandbox_mode="workspace-write")
    assert ("--model", DIRECT) in pairs(spied)
    assert ("--sandbox", "workspace-write") in pairs(spied)
    assert model.requests[0].body["model"] == DIRECT


@pytest.mark.parametrize(
    ("options", "flag"),
    [
        pytest.param({"model_reasoning_effort": "high"}, 'model_reasoning_effort="high"', id="06 effort"),
        pytest.param({"network_access_enabled": True}, "sandbox_workspace_write.network_access=true", id="07 network"),
        pytest.param({"network_access_enabled": False}, "sandbox_workspace_write.network_access=false", id="07 no network"),
        pytest.param({"web_search_enabled": True}, 'web_search="live"', id="08 search"),
        pytest.param({"web_search_mode": "cached"}, 'web_search="cached"', id="09 cached search"),
        pytest.param({"web_search_enabled": False}, 'web_search="disabled"', id="10 no search"),
        pytest.param({"web_search_mode": "cached", "web_search_enabled": False}, 'web_search="cached"', id="the mode wins"),
        pytest.param({"web_search_mode": "disabled", "web_search_enabled": True}, 'web_search="disabled"', id="the mode wins again"),
        pytest.param({"approval_policy": "on-request"}, 'approval_policy="on-request"', id="11 approvals"),
        pytest.param({"model_reasoning_effort": "ultra"}, 'model_reasoning_effort="ultra"', id="efforts are open"),
    ],
)
async def test_06_to_11_options_become_config_flags(real: Real, spied: FakeCli, options: dict[str, Any], flag: str) -> None:
    """Once each, and the CLI takes them."""
    await run(real, spied, real.play(["Hi"]), **options)
    key = flag.partition("=")[0]
    assert [value for name, value in pairs(spied) if name == "--config" and value.startswith(f"{key}=")] == [flag]


async def test_12_config_becomes_config_flags(real: Real, spied: FakeCli) -> None:
    """Flattened, in TOML, in order."""
    config = {
        "approval_policy": "never",
        "sandbox_workspace_write": {"network_access": True},
        "retry_budget": 3,
        "tool_rules": {"allow": ["git status", "git diff"]},
    }
    await run(real, spied, real.play(["Hi"]), client={"config": config})
    flags = [value for name, value in pairs(spied) if name == "--config"]
    assert flags[-4:] == [
        'approval_policy="never"',
        "sandbox_workspace_write.network_access=true",
        "retry_budget=3",
        'tool_rules.allow=["git status", "git diff"]',
    ]


async def test_13_a_threads_options_win_over_config(real: Real, spied: FakeCli) -> None:
    """Config, then raw overrides, then the thread: the CLI takes the last."""
    client = {"config": {"approval_policy": "never"}, "config_overrides": ['approval_policy="on-failure"']}
    await run(real, spied, real.play(["Hi"]), client=client, approval_policy="on-request")
    flags = [value for name, value in pairs(spied) if name == "--config" and value.startswith("approval_policy")]
    assert flags == ['approval_policy="never"', 'approval_policy="on-failure"', 'approval_policy="on-request"']


async def test_14_additional_directories_are_repeated_in_order(real: Real, spied: FakeCli) -> None:
    """A flag for each."""
    folders = [real.folder / "b", real.folder / "a"]
    for folder in folders:
        folder.mkdir()
    await run(real, spied, real.play(["Hi"]), additional_directories=folders)
    assert [value for name, value in pairs(spied) if name == "--add-dir"] == [str(folder) for folder in folders]


async def test_15_a_schema_reaches_the_model_and_its_file_is_gone(real: Real, spied: FakeCli) -> None:
    """As a strict schema of the CLI's name."""
    model = real.play(['{"answer": "42"}'])
    turn = await run(real, spied, model, turn={"output_schema": SCHEMA})
    assert model.requests[0].body["text"]["format"] == {
        "name": "codex_output_schema",
        "type": "json_schema",
        "strict": True,
        "schema": SCHEMA,
    }
    (file,) = [Path(value) for name, value in pairs(spied) if name == "--output-schema"]
    assert file.name == "schema.json"
    assert not file.parent.exists()
    assert turn.parsed == {"answer": "42"}


async def test_16_texts_are_joined_by_an_empty_line(real: Real) -> None:
    """In order."""
    model = real.play(["Hi"])
    await real.thread(model).run([TextInput(text="Describe"), TextInput(text="the folder")])
    assert model.requests[0].prompt == "Describe\n\nthe folder"


async def test_17_images_are_repeated_in_order(real: Real, spied: FakeCli) -> None:
    """After everything else, and the model sees them."""
    paths = [real.folder / "second.png", real.folder / "first.png"]
    for path in paths:
        path.write_bytes(PNG)
    model = real.play(["Hi"])
    await run(real, spied, model, [TextInput(text="look"), *(LocalImageInput(path=path) for path in paths)])
    assert spied.argv[-4:] == ["--image", str(paths[0]), "--image", str(paths[1])]
    assert len(model.requests[0].images) == 2


async def test_18_the_working_directory_reaches_the_cli(real: Real, spied: FakeCli) -> None:
    """And is where the agent works."""
    model = real.play(["Hi"])
    await run(real, spied, model)
    assert ("--cd", str(real.workspace)) in pairs(spied)
    assert str(real.workspace) in json.dumps(model.requests[0].body)


async def test_19_a_folder_that_is_not_a_repository_is_refused(real: Real) -> None:
    """Unless the check is skipped."""
    thread = real.thread(["Hi"], skip_git_repo_check=False)
    with pytest.raises(NotTrustedDirectoryError, match="Not inside a trusted directory"):
        await thread.run("go")
    thread.options = ThreadOptions.of(thread.options, {"skip_git_repo_check": True})
    assert (await thread.run("go")).final_response == "Hi"


async def test_20_the_originator_is_ours(real: Real) -> None:
    """Unless the environment names a key. An empty key does not count."""
    model = real.play(["Hi"] * 3)
    await real.thread(model).run("go")
    real.env = {"CODEX_INTERNAL_ORIGINATOR_OVERRIDE": ""}
    await real.thread(model).run("go")
    real.env = {"CODEX_INTERNAL_ORIGINATOR_OVERRIDE": "mine"}
    await real.thread(model).run("go")
    assert [request.headers["originator"] for request in model.requests] == [ORIGINATOR, ORIGINATOR, "mine"]


async def test_21_a_failed_turn_raises_its_reason(real: Real) -> None:
    """The CLI's message."""
    with pytest.raises(TurnFailedError, match="stream disconnected before completion:") as caught:
        await real.thread([[["Half", cut()]]]).run("go")
    assert "stream disconnected" in caught.value.message
    assert caught.value.turn is not None
    assert caught.value.turn.final_response == "Half"


async def test_newer_options_reach_the_cli(real: Real, spied: FakeCli) -> None:
    """A source for a new thread, a program for a turn, a thread that is not stored."""
    model = real.play(["Hi"])
    await run(real, spied, model, turn={"cyber_access_program": "standard"}, thread_source="notebook", ephemeral=True)
    assert ("--thread-source", "notebook") in pairs(spied)
    assert ("--cyber-access-program", "standard") in pairs(spied)
    assert "--ephemeral" in spied.argv


async def test_a_base_url_is_a_setting_not_a_variable(real: Real, spied: FakeCli) -> None:
    """The built-in provider asks it, with the key."""
    model = real.play(["Hi"])
    config = {key: value for key, value in model.config.items() if not key.startswith("model_provider")}
    options = CodexOptions(
        base_url=model.url, api_key=model.token, codex_path_override=spied.path, config=config, env=real.environment(model)
    )
    turn = await Codex(options).start_thread(working_directory=real.workspace, skip_git_repo_check=True).run("go")
    assert turn.final_response == "Hi"
    assert ("--config", f'openai_base_url="{model.url}"') in pairs(spied)
    assert "OPENAI_BASE_URL" not in spied.env
    assert model.requests[0].headers["authorization"] == f"Bearer {model.token}"
