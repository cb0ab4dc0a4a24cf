"""Notifications that few turns have, with the real CLI: its hooks, its automatic reviewer, and headers of the model's endpoint."""

import json
from typing import Any

import pytest

from codex_jupyter.sdk import ApprovalDecision, ApprovalRequest, ApprovalReviewItem, HookRunItem, ModelReroutedEvent, RateLimitsEvent
from codex_jupyter.testing import Reply, shell
from codex_jupyter.testing.script import ScriptedTurn
from tests.invented import MODEL
from tests.sdk.conftest import Real

pytestmark = pytest.mark.anyio
LIMITS = {"primary-used-percent": "85.0", "primary-window-minutes": "300", "primary-reset-at": "1900000000", "secondary-used-percent": "12"}
VERDICT = {"risk_level": "low", "user_authorization": "high", "outcome": "allow", "rationale": "Harmless."}


async def test_the_limits_in_the_headers_of_the_model_are_an_event_and_a_part_of_the_turn(real: Real) -> None:
    real.transport = "app-server"
    thread = real.thread([[Reply(["Hi."], headers={f"x-codex-{name}": value for name, value in LIMITS.items()})]])
    async with thread.run_streamed("go") as streamed:
        events = [event async for event in streamed.events if isinstance(event, RateLimitsEvent)]
    limits = streamed.turn.rate_limits
    assert events[-1].rate_limits == limits
    assert limits is not None
    assert limits.primary is not None
    assert limits.secondary is not None
    assert (limits.primary.used_percent, limits.primary.window_minutes, limits.secondary.used_percent) == (85, 300, 12)
    assert limits.primary.resets_at is not None
    assert limits.primary.resets_at.timestamp() == 1900000000


async def test_a_model_that_the_provider_has_replaced_is_an_event_and_a_message(real: Real) -> None:
    """The answer names the model that wrote it. Over exec there is the message only."""
    messages = {}
    for transport in ("app-server", "exec"):
        real.transport = transport
        async with real.thread([[Reply(["Hi."], headers={"openai-model": MODEL})]]).run_streamed("go") as streamed:
            events = [event async for event in streamed.events if isinstance(event, ModelReroutedEvent)]
        messages[transport] = next(item.message for item in streamed.turn.items if item.type == "error")
        assert [event.to_model for event in events] == [MODEL] * (transport == "app-server")
    assert messages["app-server"].partition(" (")[0] == messages["exec"].partition(" (")[0]
    assert f"-> {MODEL}" in messages["exec"]


async def test_the_runs_of_a_hook_are_items(real: Real) -> None:
    """A hook of the options runs if its hash is trusted there. Without this, the CLI skips it."""
    real.transport = "app-server"
    log = real.folder / "hook.log"
    hooks: dict[str, Any] = {"PreToolUse": [{"hooks": [{"type": "command", "command": f"cat > {log}", "statusMessage": "Looking"}]}]}
    model = real.play([[shell("echo one"), "Done."]] * 2)
    codex = real.codex(model, config={"hooks": hooks})
    skipped = await codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True).run("go")
    assert not [item for item in skipped.items if isinstance(item, HookRunItem)]
    listed = await codex.request("hooks/list", {"cwds": [str(real.workspace)]})
    trusted = {hook["key"]: {"trusted_hash": hook["currentHash"]} for folder in listed["data"] for hook in folder["hooks"]}
    codex = real.codex(model, config={"hooks": hooks | {"state": trusted}})
    turn = await codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True).run("go")
    [run] = [item for item in turn.items if isinstance(item, HookRunItem)]
    assert (run.event_name, run.status, run.status_message) == ("preToolUse", "completed", "Looking")
    assert json.loads(log.read_text())["tool_input"]
    assert [item.type for item in turn.items] == ["hook_run", "command_execution", "agent_message"]


async def test_a_verdict_of_the_automatic_reviewer_is_an_item(real: Real) -> None:
    """The handler is not asked. The reviewer is a model, too."""
    real.transport = "app-server"
    outside = real.folder / "user" / "outside"
    script = [ScriptedTurn([[shell(f"touch {outside}", justification="why")], "Done."], match="^go$"), ScriptedTurn([json.dumps(VERDICT)])]
    codex = real.codex(real.play(script), config={"approvals_reviewer": "auto_review"})
    options: dict[str, Any] = {"sandbox_mode": "workspace-write", "approval_policy": "on-request"}
    thread = codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True, **options)
    asked: list[ApprovalRequest] = []

    def decline(request: ApprovalRequest) -> ApprovalDecision:
        asked.append(request)
        return "decline"

    turn = await thread.run("go", on_approval=decline)
    [review] = [item for item in turn.items if isinstance(item, ApprovalReviewItem)]
    assert (review.status, review.risk_level, review.rationale) == ("approved", "low", "Harmless.")
    assert asked == []
    assert outside.exists()
