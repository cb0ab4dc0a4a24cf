"""The context of the model and the limits of the account, as a program can read them."""

from datetime import UTC, datetime

import pytest

from codex_jupyter.sdk import AuthenticationError, ContextWarningEvent, RateLimitWindow, TurnFailedError
from codex_jupyter.sdk.codex import TransportName
from codex_jupyter.sdk.rollouts import stored_usage
from codex_jupyter.testing import fail, shell
from tests.sdk.conftest import Real
from tests.sdk.support.fake import MakeFake
from tests.sdk.support.fake_server import fake_server

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("transport", ["exec", "app-server"])
async def test_a_turn_warns_once_when_its_thread_fills_most_of_the_context(real: Real, transport: TransportName) -> None:
    """The warning comes before the end of the turn, as an event and among the warnings."""
    real.transport = transport
    model = real.play(["One.", "Two.", "Three."])
    first = await real.thread(model).run("go")
    assert first.thread_usage is not None
    assert first.context_window is not None
    assert 0 < (first.context_tokens or 0) < first.context_window / 2
    assert not any("context" in warning for warning in first.warnings)
    used = first.thread_usage.total_tokens
    for share, count in ((0.7, 0), (0.9, 1)):
        thread = real.thread(model, config_overrides=(f"model_context_window={int(used / share)}",))
        async with thread.run_streamed("go") as streamed:
            events = [event async for event in streamed]
        warnings = [event for event in events if isinstance(event, ContextWarningEvent)]
        assert len(warnings) == count
        assert events[-1].type == "turn.completed"
    turn = streamed.turn
    assert warnings[0].context_tokens == pytest.approx(used, rel=0.05)
    assert (turn.context_tokens, turn.context_window) == (warnings[0].context_tokens, warnings[0].context_window)
    assert "% of the model's context" in turn.warnings[-1]


async def test_the_limits_of_an_account_are_typed_values(fake: MakeFake) -> None:
    """The main limit is the first, and each limit comes once."""
    body = """
    first = answer
    main = dict(limitId="codex", planType="plus", primary=dict(usedPercent=25, windowDurationMins=300, resetsAt=1800000000))
    def answer(request):
        if request["method"] == "account/rateLimits/read":
            tell(id=request["id"], result=dict(rateLimits=main, rateLimitsByLimitId=dict(codex=main, other=dict(limitId="other"))))
        else:
            first(request)
    run()
    """
    async with fake_server(fake, body).codex(transport="app-server") as codex:
        main, other = await codex.rate_limits()
    assert (main.limit_id, main.plan, other.limit_id) == ("codex", "plus", "other")
    assert main.primary == RateLimitWindow(used_percent=25, window_minutes=300, resets_at=datetime.fromtimestamp(1800000000, UTC))


async def test_without_a_chatgpt_login_there_are_no_limits(real: Real) -> None:
    """The error says how to log in."""
    with pytest.raises(AuthenticationError, match=r"Only a ChatGPT account has limits.*codex login device"):
        await real.codex(real.play([])).rate_limits()


@pytest.mark.parametrize("transport", ["exec", "app-server"])
async def test_the_tokens_of_failed_and_stopped_turns_are_known(real: Real, transport: TransportName) -> None:
    """They are the tokens of the answers that the model has given until then."""
    real.transport = transport
    model = real.play([[[shell("echo one")], fail(400, "no", "invalid_request_error")], [[shell("echo two")], [shell("sleep 60")]]])
    thread = real.thread(model, sandbox_mode="danger-full-access")
    with pytest.raises(TurnFailedError) as failed:
        await thread.run("go")
    assert failed.value.turn is not None
    async with thread.run_streamed("on") as streamed:
        async for event in streamed:
            if event.type == "item.started" and "sleep" in str(event.item):
                break
        await streamed.interrupt()
    for turn in (failed.value.turn, streamed.turn):
        assert turn.usage is not None
        assert turn.usage.total_tokens > 0
    assert thread.id is not None
    assert streamed.turn.thread_usage == stored_usage(real.folder / "home", thread.id)
