"""The status and the error of a turn that did not complete."""

from collections.abc import Mapping
from typing import Final

from codex_jupyter.sdk.errors import CodexError, FailureReason, TurnFailedError, TurnInterruptedError, TurnTimeoutError
from codex_jupyter.sdk.executable.login_status import LOGIN_REMEDY
from codex_jupyter.sdk.models.failures import Failure
from codex_jupyter.sdk.models.turn import Turn, TurnStatus

_REMEDIES: Final[Mapping[FailureReason, str]] = {
    "unauthorized": LOGIN_REMEDY,
    "rate_limit": "The provider accepts no more requests for a moment. Wait, then try again.",
    "network": "Check the network connection, the proxy settings and the address of the model provider, and try again.",
    "overloaded": "Try again later, or use another model.",
    "server_error": "The provider has a problem. Try again later.",
    "model_not_found": "Use a model that your account offers: Tab after `-m` lists them in a notebook, `codex.models()` in Python.",
}
"""Remedies for the failures whose message from the CLI contains none."""


def status_of(error: CodexError) -> TurnStatus:
    """Return the status of a turn that ended with an error.

    Args:
        error: The error.
    """
    if isinstance(error, TurnTimeoutError):
        return "timed_out"
    return "interrupted" if isinstance(error, TurnInterruptedError) else "failed"


def failed_error(turn: Turn) -> TurnFailedError:
    """Return the error for a failed turn, with the remedy if the message of the CLI contains none.

    Args:
        turn: The turn.
    """
    message = turn.error or "The turn failed. The CLI gave no reason."
    failure = turn.failure or Failure.of(message)
    remedy = _REMEDIES.get(failure.reason)
    return failure.error(message if remedy is None else f"{message}\n{remedy}", turn)
