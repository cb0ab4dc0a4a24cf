"""Failed turns have a reason that a program can handle, from the kind of error on the wire or from the text of the CLI."""

from typing import Any

import pytest

from codex_jupyter.sdk import (
    AuthenticationError,
    CodexError,
    ContextWindowError,
    Failure,
    ModelNotFoundError,
    NetworkError,
    NetworkTimeoutError,
    OverloadedError,
    RateLimitError,
    TurnFailedError,
    UsageLimitError,
)

CASES: list[tuple[Any, str, type[TurnFailedError], str, int | None, bool]] = [
    (
        {"responseTooManyFailedAttempts": {"httpStatusCode": 429}},
        "exceeded retry limit, last status: 429 Too Many Requests",
        RateLimitError,
        "rate_limit",
        429,
        True,
    ),
    ("rateLimitExceeded", "rate limit exceeded: Please try again in 1.5s.", RateLimitError, "rate_limit", None, True),
    ("usageLimitExceeded", "You’ve hit your usage limit. Try again later.", UsageLimitError, "usage_limit", None, False),
    ("usageLimitExceeded", "Quota exceeded. Check your plan and billing details.", UsageLimitError, "usage_limit", None, False),
    (
        "contextWindowExceeded",
        "Codex ran out of room in the model's context window. Start a new thread or clear earlier history before retrying.",
        ContextWindowError,
        "context_window",
        None,
        False,
    ),
    ("serverOverloaded", "Selected model is at capacity. Please try a different model.", OverloadedError, "overloaded", None, True),
    ("internalServerError", "We’re currently experiencing high demand, which may cause it.", TurnFailedError, "server_error", None, True),
    (
        {"httpConnectionFailed": {"httpStatusCode": 401}},
        "unexpected status 401 Unauthorized: who, url: http://127.0.0.1/v1/responses",
        AuthenticationError,
        "unauthorized",
        401,
        False,
    ),
    (
        {"httpConnectionFailed": {"httpStatusCode": 404}},
        "unexpected status 404 Not Found: The model `nope` does not exist or you do not have access to it., url: http://127.0.0.1",
        ModelNotFoundError,
        "model_not_found",
        404,
        False,
    ),
    (
        "other",
        "The 'x' model is not supported with a ChatGPT account.",
        ModelNotFoundError,
        "model_not_found",
        None,
        False,
    ),
    (
        {"httpConnectionFailed": {"httpStatusCode": 503}},
        "unexpected status 503 Service Unavailable: over, url: http://127.0.0.1",
        OverloadedError,
        "overloaded",
        503,
        True,
    ),
    (
        {"httpConnectionFailed": {"httpStatusCode": 502}},
        "unexpected status 502 Bad Gateway: x, url: http://127.0.0.1",
        TurnFailedError,
        "server_error",
        502,
        True,
    ),
    (
        {"httpConnectionFailed": {"httpStatusCode": 403}},
        "unexpected status 403 Forbidden: no, url: http://127.0.0.1",
        TurnFailedError,
        "bad_request",
        403,
        False,
    ),
    (
        "other",
        "stream disconnected before completion: Transport error: network error: error decoding response body",
        NetworkError,
        "network",
        None,
        True,
    ),
    ("other", "Something else.", TurnFailedError, "other", None, False),
]


@pytest.mark.unit
@pytest.mark.parametrize(("kind", "message", "error", "reason", "status", "retryable"), CASES)
def test_the_reason_is_the_same_with_and_without_the_kind_of_the_wire(
    kind: Any, message: str, error: type[TurnFailedError], reason: str, status: int | None, retryable: bool
) -> None:
    """`codex exec` reports only the text."""
    by_wire, by_text = Failure.of(message, kind), Failure.of(message)
    assert by_wire == by_text
    raised = by_wire.error(message)
    assert type(raised) is error
    assert (raised.reason, raised.http_status, raised.retryable) == (reason, status, retryable)
    assert type(error("x")) is error
    assert error("x").reason == (reason if error is not TurnFailedError else "other")


@pytest.mark.unit
@pytest.mark.parametrize(
    ("kind", "reason"), [("cyberPolicy", "policy"), ("modelNotFound", "model_not_found"), ("sandboxError", "sandbox"), ("newKind", "other")]
)
def test_a_kind_of_the_wire_gives_a_reason_that_the_text_does_not_have(kind: str, reason: str) -> None:
    """An unknown kind leaves the reason to the text."""
    assert Failure.of("bad", kind).reason == reason


@pytest.mark.unit
@pytest.mark.parametrize(
    ("message", "seconds"),
    [("Please try again in 1.5s.", 1.5), ("try again in 20ms", 0.02), ("Try again in 2 minutes", 120.0), ("try again at Nov 30th", None)],
)
def test_the_wait_that_the_provider_asks_for_is_read(message: str, seconds: float | None) -> None:
    """In seconds."""
    assert Failure.of(message).retry_after == (pytest.approx(seconds) if seconds else None)


@pytest.mark.unit
def test_only_errors_that_pass_are_retryable() -> None:
    """A timeout of the network passes; other errors need a change."""
    assert NetworkTimeoutError("silent").retryable
    assert not CodexError("x").retryable
