"""Items and events that the app-server reports in full, on the real CLI, and the conversion of those that it sends rarely."""

import os
import signal
from datetime import UTC, datetime
from typing import Any

import pytest
from PIL import Image

from codex_jupyter.sdk import (
    AgentMessageItem,
    CommandExecutionItem,
    ContextCompactionItem,
    DeprecationEvent,
    DynamicToolCallItem,
    FileChangeItem,
    HookPromptItem,
    HookRunItem,
    ImageGenerationItem,
    ImageViewItem,
    ItemCompletedEvent,
    ItemStartedEvent,
    ItemUpdatedEvent,
    McpServerStatusEvent,
    ModelReroutedEvent,
    ProcessExitError,
    RateLimitsEvent,
    ReasoningItem,
    SleepItem,
    SubAgentActivityItem,
    ThreadEvent,
    TodoListItem,
    Turn,
    TurnBuilder,
    TurnFailedError,
    TurnInterruptedError,
    UnknownItem,
)
from codex_jupyter.sdk.executable.config_flags import render_config_flags
from codex_jupyter.sdk.processes import child_process
from codex_jupyter.sdk.transports.app_server.events import ServerEvents
from codex_jupyter.testing import Script, ScriptedTurn, call, edit_file, fail, patch, plan, say, shell, think, write_file
from tests.sdk.conftest import Real

pytestmark = pytest.mark.anyio
MOVE = "*** Begin Patch\n*** Update File: a.txt\n*** Move to: b.txt\n@@\n-bye\n+moved\n*** End Patch"
WORK: dict[str, Any] = {"sandbox_mode": "workspace-write"}


async def streamed(real: Real, script: Any, **options: Any) -> tuple[list[ThreadEvent], Turn]:
    """Run a turn, and return its events and its result."""
    async with real.thread(script, **options).run_streamed("go", timeout=60) as running:
        return [event async for event in running.events], running.turn


async def test_the_answer_is_the_final_answer_even_if_commentary_follows(live: Real) -> None:
    thread = live.thread(
        [[[say("It is 4.", phase="final_answer"), say("By the way.", phase="commentary")]], [[say("Well.", phase="commentary")]]]
    )
    turn = await thread.run("go")
    assert [item.phase for item in turn.items if isinstance(item, AgentMessageItem)] == ["final_answer", "commentary"]
    assert turn.final_response == "It is 4."
    assert (await thread.run("go")).final_response == ""


async def test_a_turn_has_the_exact_diffs_and_moves_of_its_files(live: Real) -> None:
    events, turn = await streamed(
        live, [[write_file("a.txt", "hello\n"), edit_file("a.txt", "hello", "bye"), patch(MOVE), "Done."]], **WORK
    )
    changes = [item.changes[0] for item in turn.items if isinstance(item, FileChangeItem)]
    assert [change.diff for change in changes] == [
        "--- /dev/null\n+++ b/a.txt\n@@ -0,0 +1 @@\n+hello\n",
        "--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-hello\n+bye\n",
        "--- a/a.txt\n+++ b/b.txt\n@@ -1 +1 @@\n-bye\n+moved\n",
    ]
    assert [change.move_path for change in changes] == [None, None, str(live.workspace / "b.txt")]
    assert list(turn.diffs.values()) == [change.diff for change in changes]
    # The net change, with names relative to the working folder.
    assert turn.diff.startswith("diff --git a/b.txt b/b.txt\n")
    assert turn.diff.endswith("--- /dev/null\n+++ b/b.txt\n@@ -0,0 +1 @@\n+moved\n")
    assert "turn.diff" in [event.type for event in events]


async def test_an_mcp_server_that_fails_to_start_is_a_warning_of_the_turn(live: Real) -> None:
    servers = {"mcp_servers": {"bad": {"command": "/nowhere/server"}}}
    events, turn = await streamed(live, ["Hi."], config_overrides=tuple(render_config_flags(servers)))
    states = [event.status for event in events if isinstance(event, McpServerStatusEvent)]
    assert states[-1] == "failed"
    (warning,) = [item for item in turn.items if item.type == "error"]
    assert "`bad` failed to start" in warning.message


async def test_usage_is_known_for_failed_and_interrupted_turns(live: Real) -> None:
    thread = live.thread(
        [[[shell("echo x")], fail(400, "refused", "invalid_request_error")], [[shell("echo y")], [shell("sleep 60")]]], **WORK
    )
    with pytest.raises(TurnFailedError) as caught:
        await thread.run("go")
    failed = caught.value.turn
    assert isinstance(failed, Turn)
    assert failed.usage is not None
    assert failed.usage.output_tokens > 0
    async with thread.run_streamed("go") as running:
        async for event in running.events:
            if event.type == "turn.usage":
                break
        await running.interrupt()
        with pytest.raises(TurnInterruptedError):
            await running.wait()
    stopped = running.turn
    assert (stopped.status, stopped.context_window is not None) == ("interrupted", True)
    assert stopped.usage is not None
    assert stopped.thread_usage is not None
    assert stopped.thread_usage.total_tokens == failed.usage.total_tokens + stopped.usage.total_tokens
    assert stopped.id is not None
    assert stopped.duration is not None


async def test_turns_and_items_have_their_times(live: Real) -> None:
    before = datetime.now(UTC)
    _, turn = await streamed(live, [[[plan([("Look", "in_progress"), ("Leap", "pending")])], [shell("sleep 0.3")], "Done."]], **WORK)
    command = next(item for item in turn.items if isinstance(item, CommandExecutionItem))
    assert command.duration is not None
    assert command.duration > 0
    assert (command.cwd, turn.context_tokens is not None) == (str(live.workspace), True)
    assert turn.duration is not None
    assert turn.duration >= command.duration
    assert turn.started_at is not None
    assert turn.completed_at is not None
    assert abs((turn.started_at - before).total_seconds()) < 60
    todo = next(item for item in turn.items if isinstance(item, TodoListItem))
    assert [step.status for step in todo.items] == ["in_progress", "pending"]


async def test_the_increments_of_a_text_are_the_text(live: Real) -> None:
    """Each event of an item contains the text that is new since the last one."""
    events, turn = await streamed(live, [[[think("One two", "three"), say("alpha beta gamma", pace=0.06)]]])
    grown: dict[str, str] = {}
    count = 0
    for event in events:
        if isinstance(event, ItemStartedEvent | ItemUpdatedEvent | ItemCompletedEvent):
            count += isinstance(event, ItemUpdatedEvent)
            grown[event.item.id] = grown.get(event.item.id, "") + event.delta
    assert count >= 1
    texts = {item.id: item.text for item in turn.items if isinstance(item, AgentMessageItem | ReasoningItem)}
    assert texts
    assert grown == texts


async def test_viewed_images_and_sub_agents_are_items(live: Real) -> None:
    Image.new("RGB", (2, 2)).save(live.workspace / "p.png")
    helper = call("spawn_agent", {"task_name": "helper", "message": "do the sub job", "fork_turns": "none"}, "collaboration")
    wait = call("wait_agent", {}, "collaboration")
    script: Script = [[call("view_image", {"path": "p.png"}), helper, wait, "Done."], ScriptedTurn(["Sub result."], match="do the sub job")]
    thread = live.thread(script, **WORK)
    turn = await thread.run("go")
    assert [item.path for item in turn.items if isinstance(item, ImageViewItem)] == [str(live.workspace / "p.png")]
    agents = [item for item in turn.items if isinstance(item, SubAgentActivityItem)]
    assert agents[0].kind == "started"
    assert agents[0].agent_path.endswith("helper")
    assert not any(isinstance(item, UnknownItem) for item in turn.items)
    assert thread.id is not None
    stored = await live.servers[0].read_thread(thread.id)
    assert ImageViewItem in [type(item) for item in stored.turns[0].turn.items]


async def test_a_compaction_is_an_item(live: Real) -> None:
    model = live.play(["Hi.", "A summary.", "Ho."])
    thread = live.thread(model)
    await thread.run("go")
    await thread.compact()
    assert thread.id is not None
    items = [item for turn in (await live.servers[0].read_thread(thread.id)).turns for item in turn.turn.items]
    assert any(isinstance(item, ContextCompactionItem) for item in items)


async def test_a_deprecated_setting_is_an_event_and_a_warning(live: Real) -> None:
    events, turn = await streamed(live, ["Hi."], config_overrides=("features.web_search_request=true",))
    event = next(event for event in events if isinstance(event, DeprecationEvent))
    assert event.details is not None
    assert [item.message for item in turn.items if item.type == "error"] == [f"{event.summary} ({event.details})"]


async def test_the_error_of_a_killed_server_is_readable(live: Real) -> None:
    """Without terminal controls, and without the remarks that each start prints."""
    others = set(child_process.owned_processes)
    async with live.thread([[[shell("sleep 60")]]], **WORK).run_streamed("go") as running:
        async for event in running.events:
            if event.type == "item.started":
                break
        (server,) = child_process.owned_processes - others
        os.kill(server.pid, signal.SIGKILL)
        with pytest.raises(ProcessExitError) as caught:
            await running.wait()
    assert "\x1b" not in str(caught.value)
    assert "bubblewrap" not in str(caught.value)


def converted(kind: str, **fields: Any) -> Any:
    """Return the item of a completed item of the server."""
    (event,) = ServerEvents().take(
        "item/completed", {"item": {"type": kind, "id": "x", **fields}, "startedAtMs": 1000, "completedAtMs": 3500}
    )
    assert isinstance(event, ItemCompletedEvent)
    assert event.item.id in ("x", "item_0")
    return event.item


def test_an_unknown_item_is_kept_with_all_its_fields() -> None:
    item = converted("holoDeck", beamWidth=3, nested={"camelCase": [1]}, nothing=None)
    assert isinstance(item, UnknownItem)
    assert (item.wire_type, item.model_extra) == ("holo_deck", {"beam_width": 3, "nested": {"camelCase": [1]}})
    assert item.started_at == datetime.fromtimestamp(1, UTC)


def test_unknown_fields_of_a_known_item_are_kept() -> None:
    item = converted("commandExecution", command="ls", status="completed", commandActions=[{"type": "listFiles"}], newThing=1)
    assert isinstance(item, CommandExecutionItem)
    assert item.model_extra == {"command_actions": [{"type": "listFiles"}], "new_thing": 1}
    assert item.duration == 2.5


@pytest.mark.parametrize("fields", [{"changes": 5}, {"status": {"odd": 1}, "changes": [{"path": 1}]}])
def test_an_item_in_an_unknown_form_is_kept(fields: dict[str, Any]) -> None:
    assert converted("fileChange", **fields).type in ("unknown", "file_change")


def test_the_call_of_a_client_tool_has_all_its_fields() -> None:
    content = [{"type": "inputText", "text": "3"}]
    item = converted(
        "dynamicToolCall", namespace="nb", tool="run", arguments={"code": "1"}, status="completed", contentItems=content, success=True
    )
    assert isinstance(item, DynamicToolCallItem)
    assert (item.namespace, item.tool, item.arguments, item.content_items, item.success) == ("nb", "run", {"code": "1"}, content, True)


def test_rare_items_are_typed() -> None:
    image = converted("imageGeneration", status="completed", result="iVBO", revisedPrompt="a cat", savedPath="/i.png")
    assert isinstance(image, ImageGenerationItem)
    assert (image.result, image.revised_prompt, image.saved_path) == ("iVBO", "a cat", "/i.png")
    assert isinstance(converted("imageGeneration", status="completed", fileId="f"), ImageGenerationItem)
    sleep = converted("sleep", durationMs=2000)
    assert isinstance(sleep, SleepItem)
    assert sleep.duration_ms == 2000
    prompt = converted("hookPrompt", fragments=[{"text": "Be brief.", "hookRunId": "h"}])
    assert isinstance(prompt, HookPromptItem)
    assert (prompt.fragments[0].text, prompt.fragments[0].hook_run_id) == ("Be brief.", "h")


def test_a_hook_is_an_item_with_its_outputs() -> None:
    run = {"id": "h", "eventName": "preToolUse", "status": "running", "startedAt": 1, "entries": [], "sourcePath": "/c", "displayOrder": 0}
    events = ServerEvents()
    (started,) = events.take("hook/started", {"threadId": "t", "run": run})
    (completed,) = events.take(
        "hook/completed",
        {"threadId": "t", "run": run | {"status": "blocked", "completedAt": 2, "entries": [{"kind": "stop", "text": "No."}]}},
    )
    assert isinstance(started, ItemStartedEvent)
    assert isinstance(completed, ItemCompletedEvent)
    assert isinstance(completed.item, HookRunItem)
    assert (completed.item.status, completed.item.entries[0].text) == ("blocked", "No.")


def test_a_rerouted_model_and_rate_limits_are_events() -> None:
    events, builder = ServerEvents(), TurnBuilder()
    rerouted, warning = events.take("model/rerouted", {"fromModel": "a", "toModel": "b", "reason": "highRiskCyberActivity"})
    assert isinstance(rerouted, ModelReroutedEvent)
    assert isinstance(warning, ItemCompletedEvent)
    window = {"usedPercent": 80, "windowDurationMins": 300, "resetsAt": 1_800_000_000}
    limits = events.take("account/rateLimits/updated", {"rateLimits": {"limitId": "codex", "primary": window, "planType": "plus"}})
    builder.apply(rerouted, warning, *limits)
    assert isinstance(limits[0], RateLimitsEvent)
    reported = builder.turn.rate_limits
    assert reported is not None
    assert reported.primary is not None
    assert (reported.plan, reported.primary.used_percent, reported.primary.window_minutes) == ("plus", 80, 300)
    assert events.take("account/rateLimits/updated", {"rateLimits": {"limitId": "codex", "primary": window, "planType": "plus"}}) == []


def test_progress_of_a_tool_updates_its_item() -> None:
    events = ServerEvents()
    events.take("item/started", {"item": {"type": "mcpToolCall", "id": "c", "server": "s", "tool": "t", "status": "inProgress"}})
    (event,) = events.take("item/mcpToolCall/progress", {"itemId": "c", "message": "half"})
    assert isinstance(event, ItemUpdatedEvent)
    assert event.item.model_dump()["progress"] == "half"
