"""The status and the error of a turn that did not complete."""

from codex_jupyter.sdk.errors import CodexError, TurnFailedError, TurnInterruptedError, TurnTimeoutError
from codex_jupyter.sdk.executable.login_status import LOGIN_REMEDY
from codex_jupyter.sdk.models.failures import Failure
from codex_jupyter.sdk.models.turn import Turn, TurnStatus


def status_of(error: CodexError) -> TurnStatus:
    """Return the status of a turn that ended with an error.

    Args:
        error: The error.
    """
    if isinstance(error, TurnTimeoutError):
        return "timed_out"
    return "interrupted" if isinstance(error, TurnInterruptedError) else "failed"


def failed_error(turn: Turn) -> TurnFailedError:
    """Return the error for a failed turn, with the remedy if no one is logged in.

    Args:
        turn: The turn.
    """
    message = turn.error or "The turn failed. The CLI gave no reason."
    failure = turn.failure or Failure.of(message)
    return failure.error(f"{message}\n{LOGIN_REMEDY}" if failure.reason == "unauthorized" else message, turn)
