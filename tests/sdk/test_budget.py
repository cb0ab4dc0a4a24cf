"""A turn is stopped when it exceeds its budget, and keeps what it did."""

from typing import Any

import pytest

from codex_jupyter.sdk import BudgetExceededError, Codex, ConfigError, ScriptedTransport, TurnBudget, UnsupportedOperationError
from codex_jupyter.sdk.codex import TransportName
from codex_jupyter.testing import ScriptedTurn, shell
from tests.sdk.conftest import Real

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("transport", ["exec", "app-server"])
async def test_a_turn_that_exceeds_its_budget_is_stopped_and_the_thread_continues(real: Real, transport: TransportName) -> None:
    """Tool calls, tokens and seconds. The error names the limit and has the turn."""
    real.transport = transport
    scripts: dict[str, list[Any]] = {
        "calls": [shell("echo one"), shell("echo two; sleep 60")],
        "tokens": [shell("sleep 1.5"), shell("sleep 60")],
        "seconds": [shell("sleep 60")],
        "enough": [shell("echo one"), "Done."],
    }
    model = real.play([ScriptedTurn(replies, match=f"^{name}$") for name, replies in scripts.items()])
    thread = real.thread(model)
    with pytest.raises(BudgetExceededError, match=r"2 tool calls.*allows 1") as calls:
        await thread.run("calls", budget=TurnBudget(tool_calls=1), timeout=60)
    assert (calls.value.limit, calls.value.used, calls.value.allowed) == ("tool_calls", 2, 1)
    assert calls.value.turn is not None
    assert calls.value.turn.status == "interrupted"
    assert len(calls.value.turn.items) == 2
    with pytest.raises(BudgetExceededError) as tokens:
        await thread.run("tokens", budget=TurnBudget(tokens=1), timeout=60)
    assert tokens.value.limit == "tokens"
    assert tokens.value.used > 1
    with pytest.raises(BudgetExceededError) as seconds:
        await thread.run("seconds", budget=TurnBudget(seconds=0.5), timeout=60)
    assert seconds.value.limit == "seconds"
    turn = await thread.run("enough", budget=TurnBudget(tool_calls=1, tokens=10**9, seconds=300))
    assert turn.final_response == "Done."
    assert real.sleeps() == 0


async def test_messages_and_plans_are_not_tool_calls() -> None:
    """Each call counts once, however often it is updated."""

    def item(number: int, kind: str, **fields: Any) -> dict[str, Any]:
        return {"id": f"item_{number}", "type": kind, **fields}

    call = item(3, "command_execution", command="x", status="in_progress")
    steps = [
        {"type": "item.completed", "item": item(0, "agent_message", text="I start.")},
        {"type": "item.completed", "item": item(1, "reasoning", text="Hm")},
        {"type": "item.completed", "item": item(2, "todo_list", items=[])},
        {"type": "item.started", "item": call},
        {"type": "item.updated", "item": call},
        {"type": "item.completed", "item": {**call, "status": "completed"}},
        {"type": "turn.completed", "usage": {}},
    ]
    codex = Codex(transport=ScriptedTransport([steps, steps]))
    assert (await codex.start_thread().run("go", budget=TurnBudget(tool_calls=1))).status == "completed"
    with pytest.raises(BudgetExceededError):
        await codex.start_thread().run("go", budget=TurnBudget(tool_calls=0))


async def test_a_budget_that_cannot_be_measured_is_refused() -> None:
    """The CLI does not store the tokens of an ephemeral thread."""
    codex = Codex(transport=ScriptedTransport([[]]))
    with pytest.raises(UnsupportedOperationError, match=r"ephemeral thread is not stored.*Leave budget\.tokens out"):
        await codex.start_thread(ephemeral=True).run("go", budget=TurnBudget(tokens=5))
    with pytest.raises(ConfigError, match="tokens"):
        TurnBudget(tokens=0)
