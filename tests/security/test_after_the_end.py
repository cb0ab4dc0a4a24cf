"""Nothing of a turn continues after its end: neither the work of sub-agents, nor turns that the server would start by itself."""

from collections.abc import Sequence
from typing import Any

import pytest

from codex_jupyter.sdk import Codex, Thread
from codex_jupyter.testing import ScriptedModel, ScriptedTurn, call, shell
from codex_jupyter.testing.script import ReplyLike
from tests.catalogue import DEFAULT, DIRECT
from tests.sdk.conftest import Real
from tests.sdk.support.fake import until
from tests.sdk.support.stopping import Stop, every_stop

pytestmark = pytest.mark.anyio

SPAWN = {
    DEFAULT: call("spawn_agent", {"task_name": "helper", "message": "helper job", "fork_turns": "none"}, "collaboration"),
    DIRECT: call("spawn_agent", {"message": "helper job"}, "multi_agent_v1"),
}
"""The call that starts a sub-agent, by the model that makes it."""
WORK = "echo x >> worked"
WORKS: dict[str, Sequence[ReplyLike]] = {
    "many steps": [*(shell(f"{WORK}; sleep 0.1") for _ in range(1000)), "Helped."],
    "one command": [shell(f"{WORK}; sleep 300"), "Helped."],
    "a command in the background": [shell(f"{WORK}; sleep 300", yield_time_ms=250), "Helped."],
}
"""The replies of a sub-agent that would work for minutes."""
HELPED = shell("until test -e worked; do sleep 0.05; done; sleep 1.5")
"""A command that waits until the sub-agent works, and longer than it waits for its command in the background."""
STEP = shell("echo step")


def thread_of(real: Real, name: str, work: str, *replies: ReplyLike) -> Thread:
    turn = ScriptedTurn([SPAWN[name], HELPED, *replies], match="^go")
    model = real.play([turn, ScriptedTurn(WORKS[work], match="helper job"), "Back again"], model=name)
    return real.thread(model, sandbox_mode="danger-full-access")


async def working(client: Codex) -> list[str]:
    """Return the threads of the server that work, or have commands that run."""
    ask: Any = client.transport.ask
    busy = []
    for thread_id in (await ask("thread/loaded/list"))["data"]:
        thread = (await ask("thread/read", {"threadId": thread_id}))["thread"]
        terminals = (await ask("thread/backgroundTerminals/list", {"threadId": thread_id}))["data"]
        if thread["status"]["type"] != "idle" or terminals:
            busy.append(thread_id)
    return busy


@pytest.mark.parametrize("work", WORKS)
@pytest.mark.parametrize("name", [DEFAULT, DIRECT])
async def test_the_work_of_a_sub_agent_ends_with_the_turn(real: Real, name: str, work: str) -> None:
    """As over `codex exec`, whose process ends. It has the rights of the turn, and no one would see it."""
    real.transport = "app-server"
    thread = thread_of(real, name, work, "Done.")
    assert (await thread.run("go")).final_response == "Done."
    assert await working(real.servers[0]) == []
    await until(lambda: real.sleeps() == 0)
    assert (await thread.run("again")).final_response == "Back again"


@every_stop
async def test_every_stop_ends_the_work_of_a_sub_agent(real: Real, stop: Stop) -> None:
    real.transport = "app-server"
    thread = thread_of(real, DEFAULT, "many steps", shell("sleep 300"))
    stopped = await stop(thread, lambda: (real.workspace / "worked").exists())
    assert stopped.turn.status in ("interrupted", "timed_out")
    assert await working(real.servers[0]) == []
    assert real.sleeps() == 0


@pytest.fixture
def goal(real: Real) -> ScriptedModel:
    """A model that sets a goal, for which the server starts turns by itself."""
    real.transport = "app-server"
    set_goal = ScriptedTurn([call("create_goal", {"objective": "Go on."}), "Set."], match="^set")
    steps = [ScriptedTurn([STEP, "Not done yet."], match="Continue working") for _ in range(20)]
    return real.play([set_goal, ScriptedTurn([STEP, "One."], match="^one"), ScriptedTurn([STEP, "Two."], match="^two"), *steps])


async def test_turns_that_the_server_starts_by_itself_are_ended(real: Real, goal: ScriptedModel) -> None:
    """The user has enabled goals. A turn that no cell shows has no place in a notebook."""
    client = real.codex(goal, config={"features": {"goals": True}})
    thread = client.start_thread(working_directory=real.workspace, skip_git_repo_check=True)
    ended: list[Any] = []
    async with client.transport.notifications("turn/completed") as notifications:
        assert (await thread.run("set")).final_response == "Set."
        async for notification in notifications:
            ended.append(notification.params["turn"])
            if len(ended) == 2:
                break
    assert [turn["status"] for turn in ended] == ["completed", "interrupted"]
    assert await working(client) == []


async def test_the_goal_of_a_stored_thread_starts_no_turn(real: Real, goal: ScriptedModel) -> None:
    """Another program may have set it. The turn of the server would also take the next prompt as a part of itself."""
    first = real.codex(goal, config={"features": {"goals": True}}, transport="exec")
    options: dict[str, Any] = {"working_directory": real.workspace, "skip_git_repo_check": True}
    thread = first.start_thread(**options)
    await thread.run("set")
    client = real.codex(goal)
    earlier = len((await client.read_thread(thread.id or "")).turns)  # the CLI may have started another one before it exited
    thread = client.resume_thread(thread.id or "", **options)
    for prompt in ("one", "two"):
        turn = await thread.run(prompt)
        assert [item.type for item in turn.items] == ["command_execution", "agent_message"]
    assert [turn.prompt for turn in (await client.read_thread(thread.id or "")).turns][earlier:] == ["one", "two"]
