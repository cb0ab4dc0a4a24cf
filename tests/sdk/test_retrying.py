"""`retry` repeats a turn that failed for a reason that passes, and nothing that could happen twice."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from codex_jupyter.sdk import (
    CodexError,
    ConfigError,
    ContextWindowError,
    OverloadedError,
    RateLimitError,
    ScriptedTransport,
    TurnFailedError,
    UsageLimitError,
    retry,
)
from codex_jupyter.sdk.codex import Codex, TransportName
from codex_jupyter.testing import fail, fail_stream, shell
from tests.sdk.conftest import Real

pytestmark = pytest.mark.anyio


def failing(*errors: Exception) -> tuple[Callable[[], Awaitable[str]], list[int]]:
    """Return an attempt that raises these errors in order, then succeeds, and the list of its calls."""
    left, calls = list(errors), list[int]()

    async def attempt() -> str:
        calls.append(len(calls))
        if left:
            raise left.pop(0)
        return "done"

    return attempt, calls


@pytest.mark.unit
async def test_a_failure_that_passes_is_repeated_after_growing_delays() -> None:
    """The provider's own wait is respected, and random delays are between a half and the whole of the limit."""
    attempt, calls = failing(OverloadedError("busy"), OverloadedError("busy"), RateLimitError("slow", retry_after=0.03))
    delays: list[float] = []
    assert await retry(attempt, first_delay=0.01, on_retry=lambda error, delay: delays.append(delay)) == "done"
    assert len(calls) == 4
    assert 0.005 <= delays[0] <= 0.01 <= delays[1] <= 0.02
    assert delays[2] >= 0.03


@pytest.mark.unit
@pytest.mark.parametrize(
    ("error", "options"),
    [
        (UsageLimitError("used up"), {}),
        (ContextWindowError("full"), {}),
        (TurnFailedError("other"), {}),
        (ConfigError("wrong"), {}),
        (RateLimitError("slow", retry_after=61), {}),
        (OverloadedError("busy"), {"attempts": 1}),
    ],
)
async def test_a_failure_that_does_not_pass_is_raised_at_once(error: CodexError, options: dict[str, Any]) -> None:
    """Also one for which the provider asks to wait longer than the caller wants."""
    attempt, calls = failing(error)
    with pytest.raises(type(error)):
        await retry(attempt, first_delay=0, **options)
    assert calls == [0]


@pytest.mark.unit
async def test_the_error_of_the_last_attempt_is_raised() -> None:
    """After as many attempts as the caller allows."""
    errors = [OverloadedError(str(number)) for number in range(5)]
    attempt, calls = failing(*errors)
    with pytest.raises(OverloadedError, match="2"):
        await retry(attempt, attempts=3, first_delay=0)
    assert len(calls) == 3


@pytest.mark.unit
@pytest.mark.parametrize(
    "options",
    [
        *({"attempts": attempts} for attempts in (0, -1, 1.5, float("nan"), float("inf"), "3", None)),
        *({name: delay} for name in ("first_delay", "max_delay") for delay in (-1, float("nan"), "1", None)),
    ],
)
async def test_wrong_limits_are_refused(options: dict[str, Any]) -> None:
    """Before the first attempt. Half an attempt or a delay that is not a number would never end."""
    attempt, calls = failing()
    with pytest.raises(ConfigError, match=rf"^{next(iter(options))} must be .* not "):
        await retry(attempt, **options)
    assert calls == []


@pytest.mark.unit
async def test_very_many_attempts_have_the_longest_delay() -> None:
    """The delay does not exceed the range of a number."""
    attempt, calls = failing(*[OverloadedError("busy")] * 1_100)
    assert await retry(attempt, attempts=2_000, first_delay=0.0) == "done"
    assert len(calls) == 1_101


@pytest.mark.unit
async def test_a_turn_that_may_have_changed_something_is_repeated_only_on_request() -> None:
    """A command counts, an answer in part does not."""
    said = {"type": "item.completed", "item": {"id": "a", "type": "agent_message", "text": "I will"}}
    ran = {"type": "item.completed", "item": {"id": "b", "type": "command_execution", "command": "rm x", "status": "completed"}}
    failed = {"type": "turn.failed", "error": {"message": "Selected model is at capacity."}}
    completed = {"type": "turn.completed", "usage": {}}

    def thread(*steps: list[dict[str, Any]]) -> Any:
        return Codex(transport=ScriptedTransport(list(steps))).start_thread()

    first = thread([said, failed], [said, completed])
    assert (await retry(lambda: first.run("go"), first_delay=0)).status == "completed"
    second = thread([said, ran, failed], [completed])
    with pytest.raises(OverloadedError) as caught:
        await retry(lambda: second.run("go"), first_delay=0)
    assert "was not repeated" in "".join(caught.value.__notes__)
    assert (await retry(lambda: second.run("go"), first_delay=0)).status == "completed"
    third = thread([ran, failed], [completed])
    assert (await retry(lambda: third.run("go"), first_delay=0, repeat_side_effects=True)).status == "completed"


@pytest.mark.parametrize("transport", ["exec", "app-server"])
async def test_the_real_cli_reports_reasons_and_a_turn_can_be_repeated(real: Real, transport: TransportName) -> None:
    """Over both transports, with the same errors."""
    real.transport = transport
    script: Any = [
        [fail_stream("context_length_exceeded", "too long")],
        [fail(404, "The model `nope` does not exist.", "invalid_request_error", "model_not_found")],
        [fail(503, "over", "service_unavailable_error", "server_is_overloaded")],
        [fail_stream("rate_limit_exceeded", "Please try again in 20ms.")],
        "Done.",
        [shell("echo x"), fail(429, "slow", "rate_limit_exceeded")],
        [fail_stream("cyber_policy", "bad")],
    ]
    thread = real.thread(script)
    with pytest.raises(ContextWindowError) as full:
        await thread.run("go")
    assert full.value.turn is not None
    assert full.value.turn.status == "failed"
    with pytest.raises(TurnFailedError) as missing:
        await thread.run("go")
    assert missing.value.reason == "model_not_found"
    assert missing.value.http_status in (404, None)  # newer CLIs do not report the status of this failure
    seen: list[str] = []
    turn = await retry(lambda: thread.run("go"), first_delay=0, on_retry=lambda error, _: seen.append(type(error).__name__))
    assert turn.final_response == "Done."
    assert seen == ["OverloadedError", "RateLimitError"]
    with pytest.raises(RateLimitError, match="429"):
        await retry(lambda: thread.run("go"), first_delay=0)
    with pytest.raises(TurnFailedError, match="bad") as refused:
        await thread.run("go")
    assert refused.value.reason == ("other" if transport == "exec" else "policy")  # `codex exec` reports only the text
