"""The error of a turn that did not complete."""

import pytest

from codex_jupyter.sdk import Turn
from codex_jupyter.sdk.turn_end import failed_error

FAILURES_WITH_A_REMEDY = {
    "unauthorized": ("unexpected status 401 Unauthorized: no", "Log in"),
    "rate_limit": ("exceeded retry limit, last status: 429 Too Many Requests", "Wait"),
    "network": ("stream disconnected before completion: it broke", "Check the network"),
    "overloaded": ("unexpected status 503 Service Unavailable: no", "another model"),
    "server_error": ("unexpected status 500 Internal Server Error: no", "Try again later"),
    "model_not_found": ("no such model", "codex.models()"),
    "usage_limit": ("You've hit your usage limit. Try again at 3 PM.", "Try again at 3 PM"),
    "context_window": ("Codex ran out of room in the model's context window. Start a new thread.", "Start a new thread"),
}


@pytest.mark.parametrize("reason", FAILURES_WITH_A_REMEDY)
def test_the_error_says_what_to_do(reason: str) -> None:
    """The remedy is in the last line. The messages of the CLI contain one for some failures only."""
    message, remedy = FAILURES_WITH_A_REMEDY[reason]
    error = failed_error(Turn(status="failed", error=message))
    assert error.reason == reason
    assert str(error).startswith(message)
    assert remedy in str(error).splitlines()[-1]
