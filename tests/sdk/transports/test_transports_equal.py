"""For every script of the model, both transports end in equal turns."""

import dataclasses
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from PIL import Image

from codex_jupyter.demo import showcase
from codex_jupyter.sdk import (
    AgentMessageItem,
    CodexError,
    EffectiveRights,
    ItemStartedEvent,
    ItemUpdatedEvent,
    ReasoningItem,
    ThreadStartedEvent,
    TodoListItem,
    Turn,
)
from codex_jupyter.sdk.codex import TransportName
from codex_jupyter.sdk.executable.config_flags import render_config_flags
from codex_jupyter.testing import (
    Reply,
    ScriptedTurn,
    call,
    cut,
    edit_file,
    fail,
    fail_stream,
    js,
    mcp,
    patch,
    plan,
    raw,
    say,
    search,
    shell,
    think,
    write_file,
)
from codex_jupyter.testing.parts import PlanStatus
from tests.catalogue import DIRECT
from tests.sdk.conftest import Real
from tests.sdk.support import mcp_server
from tests.sdk.support.differences import EVENTS_OF_THE_APP_SERVER, FIELDS_OF_THE_APP_SERVER, ITEMS_OF_THE_APP_SERVER, common

pytestmark = pytest.mark.anyio

MOVE = "*** Begin Patch\n*** Update File: a.txt\n*** Move to: b.txt\n@@\n-bye\n+gone\n*** End Patch"
DELETE = "*** Begin Patch\n*** Delete File: b.txt\n*** End Patch"
PLANS: tuple[list[tuple[str, PlanStatus]], ...] = (
    [("Look", "in_progress"), ("Leap", "pending")],
    [("Look", "completed"), ("Leap", "completed")],
)
HELPER = call("spawn_agent", {"task_name": "helper", "message": "do the sub job", "fork_turns": "none"}, "collaboration")
WAIT = call("wait_agent", {}, "collaboration")
SERVER = Path(mcp_server.__file__)
OLD = {"model": DIRECT}
"""A model that calls its tools without code mode."""
DESK = {"config_overrides": tuple(render_config_flags({"mcp_servers": {"desk": {"command": sys.executable, "args": [str(SERVER)]}}}))}

SCRIPTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "a message": (["Hi there, you."], {}),
    "two messages": ([[[say("Let me see.", phase="commentary"), shell("echo a")], "Done."]], {}),
    "reasoning": ([[[think("One", "Two"), think(), "Done."]]], {}),
    "a command that fails": ([[[shell("echo out; exit 3")], "Done."]], {}),
    "a slow command": ([[[shell("for i in 1 2 3; do echo $i; sleep 0.2; done")], "Done."]], {}),
    "commands at once": ([[[shell("echo a; sleep 0.5"), shell("sleep 0.2; echo b")], "Done."]], OLD),
    "a command that is left running": ([[[shell("echo b; sleep 60", yield_time_ms=300)], "Done."]], OLD),
    "a command that the sandbox refuses": ([[[shell("touch /nowhere/x; sleep 0.3")], "Done."]], {"sandbox_mode": "read-only"}),
    "a command that wants out": ([[[shell("echo out", justification="please")], "Done."]], {}),
    "changes of files": ([[write_file("a.txt", "hello\n"), edit_file("a.txt", "hello", "bye"), patch(MOVE), patch(DELETE), "Done."]], {}),
    "changes of files, plainly": ([[write_file("a.txt", "hello\n"), edit_file("a.txt", "hello", "bye"), "Done."]], OLD),
    "a change that does not fit": ([[edit_file("none.txt", "hello", "bye"), "Done."]], {}),
    "a plan": ([[plan(PLANS[0]), plan(PLANS[1]), "Done."]], {}),
    "a search": ([[[search("cats"), "Found."]]], {}),
    "a tool of a server": ([[[mcp("desk", "read", {"what": "x"})], "Done."]], DESK),
    "a tool that is not there": ([[[mcp("desk", "nothing", {})], "Done."]], DESK),
    "a picture is looked at": ([[[call("view_image", {"path": "picture.png"})], "Seen."]], OLD),
    "a script": ([[js('text("x")'), "Done."]], {}),
    "a helper": ([[HELPER, WAIT, "Done."], ScriptedTurn(["Sub result."], match="do the sub job")], {}),
    "an unknown item": ([[[raw({"type": "weird", "id": "w1"}), "Hi."]]], {}),
    "nothing": ([[Reply([])]], {}),
    "an unknown model": (["Hi."], {"model": "some-unknown"}),
    "HTTP 400": ([[[fail(400, "refused", "invalid_request_error")]]], {}),
    "HTTP 401": ([[[fail(401, "who are you", "auth")]]], {}),
    "HTTP 429": ([[[fail(429, "slow", "usage_limit_reached")]]], {}),
    "HTTP 500": ([[[fail(500)]]], {}),
    "a failed stream": ([[["half", fail_stream()]]], {}),
    "a cut stream": ([[["half", cut()]]], {}),
    "a retry": ([[["half", cut()], "Whole."]], {"max_retries": 1}),
    "the showcase": (showcase(), {}),
}
BOTH: tuple[TransportName, ...] = ("exec", "app-server")
COUNTED = re.compile(r'("(?:(?:cached_)?input|context)_tokens"[,:] )(\d+)')
"""The scripted model counts tokens by the length of what it is asked, and that holds the wall time of each command in digits."""
RANDOM = re.compile(r"(ws|msg)_[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f-]{27}|127\.0\.0\.1:\d+")


def is_growth(event: Any) -> bool:
    """Return True if an event only reports the growth of something, which `codex exec` does not."""
    begun = isinstance(event, ItemStartedEvent) and isinstance(event.item, AgentMessageItem | ReasoningItem)
    return begun or (isinstance(event, ItemUpdatedEvent) and not isinstance(event.item, TodoListItem))


def as_json(value: Any) -> Any:
    """The parts of a turn that JSON has no form for."""
    return value.model_dump(mode="json") if isinstance(value, EffectiveRights) else str(value) if isinstance(value, Path) else sorted(value)


def is_common(event: Any) -> bool:
    """Return True if both transports can have an event. The id of the thread differs."""
    item = getattr(event, "item", None)
    of_server = event.type in {"turn.usage", *EVENTS_OF_THE_APP_SERVER} or (item is not None and item.type in ITEMS_OF_THE_APP_SERVER)
    return not of_server and not isinstance(event, ThreadStartedEvent) and not is_growth(event)


async def played(real: Real, name: str, transport: TransportName) -> tuple[Any, list[Any]]:
    """The turn, the error and the folder that a script leads to, without what is different each time; and the events."""
    script, options = SCRIPTS[name]
    options = dict(options)
    shutil.rmtree(real.workspace)
    Image.new("RGB", (2, 2)).save(real.workspace / "picture.png")
    model = real.play(script, max_retries=options.pop("max_retries", 0))
    real.transport = transport
    thread = real.thread(model, **{"sandbox_mode": "workspace-write", **options})
    events: list[Any] = []
    failure = None
    async with thread.run_streamed("go", timeout=60) as streamed:
        events += [event async for event in streamed.events]
        try:
            await streamed.wait()
        except CodexError as error:
            failure = f"{type(error).__name__}: {error}"
    turn = dataclasses.asdict(dataclasses.replace(streamed.turn, items=()))
    turn = {name: value for name, value in turn.items() if name not in FIELDS_OF_THE_APP_SERVER[Turn]}
    turn["items"] = [common(item) for item in streamed.turn.items if item.type not in ITEMS_OF_THE_APP_SERVER]
    reported = [common(event) for event in events if is_common(event)]
    files = sorted(path.name for path in real.workspace.iterdir())
    text = json.dumps({"turn": turn, "failure": failure, "files": files, "events": reported}, default=as_json)
    counts = [int(number) for _, number in COUNTED.findall(text)]
    return json.loads(RANDOM.sub("ID", COUNTED.sub(r"\1 0", text))) | {"counts": counts}, events


@pytest.mark.parametrize("name", SCRIPTS)
async def test_both_transports_report_equal_turns(real: Real, name: str) -> None:
    """Equal turns, errors and files, and equal events, except for growth."""
    by_exec, _ = await played(real, name, "exec")
    by_server, _ = await played(real, name, "app-server")
    assert by_server.pop("counts") == pytest.approx(by_exec.pop("counts"), abs=5)
    if name == "commands at once":
        # Which of them starts first, and ends first, is chance.
        for side in (by_exec, by_server):
            del side["events"]
            side["turn"]["items"] = sorted(item.get("command", "") for item in side["turn"]["items"])
    if name == "a command that is left running":
        # The server may have reported the text so far.
        assert by_server["turn"]["items"][0].pop("aggregated_output") in ("", "b\n")
        assert by_exec["turn"]["items"][0].pop("aggregated_output") == ""
    if name == "a command that wants out":
        # `exec` reports a refused action at the end of the turn, the server before the next answer.
        for side in (by_exec, by_server):
            side["turn"]["items"].sort(key=lambda item: item.get("status") == "refused")
            side["events"].sort(key=lambda event: (event["type"] == "turn.completed", event.get("item", {}).get("status") == "refused"))
    if name == "a tool of a server":
        assert "read x" in str(by_exec["turn"]["items"])
    assert by_server == by_exec


async def test_a_review_is_the_same(real: Real) -> None:
    """The findings, and no tokens."""
    git = ["git", "-C", str(real.workspace)]
    turns = []
    await anyio.run_process([*git, "init", "-q"])
    (real.workspace / "a.txt").write_text("changed\n")
    for transport in BOTH:
        model = real.play([[[shell("cat a.txt")], '{"findings": [], "overall_explanation": "Fine."}']])
        real.transport = transport
        thread = real.thread(model)
        turns.append(await thread.review(uncommitted=True))
        assert "Fine." in turns[-1].final_response
    first, second = turns
    assert {item.type for item in second.items} >= {"entered_review_mode", "exited_review_mode"}
    kept = [item for item in second.items if item.type not in ITEMS_OF_THE_APP_SERVER]
    assert list(map(common, first.items)) == list(map(common, kept))
    assert (first.usage, first.status) == (second.usage, second.status)


async def test_an_unknown_setting_is_reported_once(real: Real) -> None:
    """`codex exec` itself reports it twice."""
    counts = {}
    for transport in BOTH:
        real.transport = transport
        thread = real.thread(["Hi."], config_overrides=("bogus_key=1",))
        turn = await thread.run("go")
        counts[transport] = sum(item.type == "error" for item in turn.items)
    assert counts == {"exec": 1, "app-server": 1}
