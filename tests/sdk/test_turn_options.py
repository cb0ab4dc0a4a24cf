"""Options of one turn, and options of a thread about instructions and the provider: the same over every transport."""

import json
from typing import Any

import pytest

from codex_jupyter.sdk import Codex, ConfigError, ScriptedTransport, ThreadOptions, TurnBudget, TurnInterruptedError, TurnOptions
from codex_jupyter.sdk.codex import TransportName
from codex_jupyter.testing import ScriptedModel, shell
from tests.sdk.conftest import Real

pytestmark = pytest.mark.anyio

BOTH: tuple[TransportName, ...] = ("exec", "app-server")


def requested(model: ScriptedModel) -> tuple[Any, ...]:
    """The model, the effort and the working directory of the last request."""
    body = model.requests[-1].body
    reasoning = body.get("reasoning") or {}
    folders = [text.rpartition("<cwd>")[2].partition("</cwd>")[0] for text in map(json.dumps, body["input"]) if "<cwd>" in text]
    return body["model"], reasoning.get("effort"), folders[-1].rpartition("/")[2]


@pytest.mark.parametrize("transport", BOTH)
async def test_options_of_run_hold_for_that_turn_only(real: Real, transport: TransportName) -> None:
    """Model, effort, sandbox and folder. The next turn has those of the thread again, and no more rights."""
    real.transport = transport
    other = real.folder / "other"
    other.mkdir()
    (real.workspace / "start").touch()
    model = real.play([[shell(f"touch {name}; sleep 0.15"), "Done."] for name in ("one", "two", "three")])
    thread = real.thread(model, sandbox_mode="read-only")
    first = await thread.run("go")
    before = requested(model)
    another = next(entry.name for entry in await real.codex(model).models() if entry.name != before[0])
    changes: dict[str, Any] = {"model_reasoning_effort": "high", "sandbox_mode": "workspace-write"}
    second = await thread.run("go", working_directory=other, **changes)
    assert requested(model) == (before[0], "high", "other")
    assert [path.name for path in other.iterdir()] == ["two"]
    third = await thread.run("go", model=another)
    assert requested(model)[0] == another
    assert requested(model)[2] == "workspace"
    await thread.run("go")
    assert requested(model) == before
    assert [path.name for path in real.workspace.iterdir()] == ["start"]
    assert [turn.rights.sandbox for turn in (first, second, third) if turn.rights] == ["read-only", "workspace-write", "read-only"]
    assert thread.options.working_directory == real.workspace


@pytest.mark.parametrize("transport", BOTH)
async def test_instructions_of_a_thread_reach_the_model(real: Real, transport: TransportName) -> None:
    """Base instructions replace those of the CLI. A later turn without them keeps them."""
    real.transport = transport
    model = real.play(["One.", "Two."])
    thread = real.thread(model, developer_instructions='Say "please".\nAlways.', base_instructions="You are a parrot.", summary="concise")
    await thread.run("go")
    first = json.dumps(model.requests[0].body)
    assert json.dumps('Say "please".\nAlways.') in first
    assert "You are a parrot." in first
    assert model.requests[0].body["reasoning"]["summary"] == "concise"
    assert thread.id is not None
    resumed = real.thread(model, thread.id)
    await real.servers[0].aclose() if real.servers else None
    await resumed.run("go")
    second = json.dumps(model.requests[-1].body)
    assert "You are a parrot." in second
    assert "Always." in second


@pytest.mark.parametrize("transport", BOTH)
async def test_the_provider_is_that_of_the_thread_options(real: Real, transport: TransportName) -> None:
    """A resumed thread without the option uses the configured provider again. Newer CLIs refuse that."""
    real.transport = transport
    first, second = real.play(["First."] * 2), real.play(["Second."] * 2)
    other = second.config["model_providers"]["demo"] | {"env_key": "OTHER_TOKEN"}
    config = {"model_providers": first.config["model_providers"] | {"other": other}}
    codex = real.codex(first, config=config, env=real.environment(first) | {"OTHER_TOKEN": second.token})
    options = ThreadOptions(working_directory=real.workspace, skip_git_repo_check=True)
    thread = codex.start_thread(options, model_provider="other")
    assert (await thread.run("go")).final_response == "Second."
    assert thread.id is not None
    try:
        answer = (await codex.resume_thread(thread.id, options).run("go")).final_response
    except ConfigError as error:
        answer = str(error)
    assert answer == "First." or "Pass its model_provider" in answer
    again = codex.resume_thread(thread.id, options, model_provider="other")
    assert (await again.run("go")).final_response == "Second."


@pytest.mark.parametrize("transport", BOTH)
async def test_the_summary_of_a_turn_reaches_the_model(real: Real, transport: TransportName) -> None:
    """It is an option of the turn and of the thread."""
    real.transport = transport
    model = real.play(["One."] * 2)
    await real.thread(model).run("go", summary="detailed")
    assert model.requests[-1].body["reasoning"]["summary"] == "detailed"
    await real.thread(model, summary="concise").run("go")
    assert model.requests[-1].body["reasoning"]["summary"] == "concise"


async def test_instructions_too_long_for_an_argument_are_refused_by_exec(real: Real) -> None:
    """The remedy is in the message, and the app-server sends them."""
    long = "x" * 120_001
    model = real.play(["Done."])
    with pytest.raises(ConfigError, match=r"at most 120,000 bytes.*app-server.*AGENTS"):
        await real.thread(model, developer_instructions=long).run("go")
    real.transport = "app-server"
    await real.thread(model, developer_instructions=long).run("go")
    assert long in json.dumps(model.requests[0].body)


def test_options_of_a_turn_that_are_not_given_leave_those_of_the_thread() -> None:
    """The options of the thread are not copied if nothing changes."""
    options = ThreadOptions(model="a", sandbox_mode="read-only")
    assert TurnOptions(timeout=3).applied_to(options) is options
    changed = TurnOptions(sandbox_mode="workspace-write").applied_to(options)
    assert (changed.model, changed.sandbox_mode) == ("a", "workspace-write")
    with pytest.raises(ConfigError, match="sandbox_mode must be"):
        TurnOptions(sandbox_mode="all")  # type: ignore[arg-type]


def message(number: int, text: str, **fields: Any) -> dict[str, Any]:
    return {"type": "item.completed", "item": {"id": f"item_{number}", "type": "agent_message", "text": text} | fields}


@pytest.mark.parametrize(
    ("messages", "answer"),
    [
        ([message(1, "One"), message(2, "Two")], "Two"),
        ([message(1, "One", phase="final_answer"), message(2, "Two"), message(3, "Three", phase="commentary")], "One"),
        ([message(1, "One", phase="commentary")], ""),
        ([message(1, "One"), message(1, "Changed")], "Changed"),
    ],
)
async def test_a_turn_without_items_keeps_the_answer(messages: list[Any], answer: str) -> None:
    """The events have all items. The turn has no other completed item, so that its memory is bounded."""
    command = {"type": "item.completed", "item": {"id": "item_0", "type": "command_execution", "command": "ls", "status": "completed"}}
    events = [command, *messages, {"type": "turn.completed", "usage": {}}]
    codex = Codex(transport=ScriptedTransport(lambda _: events))
    async with codex.start_thread().run_streamed("go", keep_items=False) as streamed:
        assert len([event async for event in streamed.events if event.type == "item.completed"]) == len(messages) + 1
        turn = await streamed.wait()
    assert turn.final_response == answer
    assert [item.id for item in turn.items] == ([f"item_{1 if answer in ('One', 'Changed') else 2}"] if answer else [])
    assert (await codex.start_thread().run("go")).final_response == answer


async def test_a_turn_without_items_keeps_what_was_interrupted() -> None:
    """It is open when the turn ends."""
    item = {"id": "item_0", "type": "command_execution", "command": "sleep 9", "status": "in_progress"}
    codex = Codex(transport=ScriptedTransport(lambda _: [{"type": "item.started", "item": item}, 60.0]))
    async with codex.start_thread().run_streamed("go", keep_items=False) as streamed:
        async for event in streamed.events:
            if event.type == "item.started":
                break
        await streamed.interrupt()
        with pytest.raises(TurnInterruptedError):
            await streamed.wait()
    assert [item.model_dump()["status"] for item in streamed.turn.items] == ["interrupted"]


def test_a_budget_of_tool_calls_needs_the_items() -> None:
    with pytest.raises(ConfigError, match="tool_calls counts the items"):
        TurnOptions(keep_items=False, budget=TurnBudget(tool_calls=1))
    assert TurnOptions(keep_items=False, budget=TurnBudget(seconds=1)).budget is not None
