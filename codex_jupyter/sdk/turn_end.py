"""The status and the error of a turn that did not complete."""

from collections.abc import Mapping
from typing import Final

from codex_jupyter.sdk.errors import CodexError, FailureReason, TurnFailedError, TurnInterruptedError, TurnTimeoutError
from codex_jupyter.sdk.executable.login_status import LOGIN_REMEDY
from codex_jupyter.sdk.models.failures import Failure
from codex_jupyter.sdk.models.turn import Turn, TurnStatus

_REMEDIES: Final[Mapping[FailureReason, str]] = {
    "unauthorized": LOGIN_REMEDY,
    "network": "Check the network connection, the proxy settings and the address of the model provider, and try again.",
}


def status_of(error: CodexError) -> TurnStatus:
    """Return the status of a turn that ended with an error.

    Args:
        error: The error.
    """
    if isinstance(error, TurnTimeoutError):
        return "timed_out"
    return "interrupted" if isinstance(error, TurnInterruptedError) else "failed"


def failed_error(turn: Turn) -> TurnFailedError:
    """Return the error for a failed turn, with the remedy if the reason has one.

    Args:
        turn: The turn.
    """
    message = turn.error or "The turn failed. The CLI gave no reason."
    failure = turn.failure or Failure.of(message)
    return failure.error("\n".join([message, *filter(None, [_REMEDIES.get(failure.reason)])]), turn)
