"""Everything that this package raises on purpose, as one tree.

    CodexError
    ├── CodexNotFoundError          no usable codex executable
    ├── ConfigError                 an option or a config value that cannot be passed on
    ├── InputError                  a prompt or an image that cannot be sent
    ├── InvalidDecisionError        an approval handler that returned something else than a decision
    ├── LoginError                  a login that did not succeed
    ├── OutputSchemaError           a schema that is none, or an answer that does not fit it
    ├── UnsupportedOperationError   the transport in use cannot do this
    ├── TurnFailedError             the model or its provider failed the turn
    │   └── AuthenticationError     ... because nobody is logged in, or the key is wrong
    ├── TurnInterruptedError        the turn was stopped
    │   └── TurnTimeoutError        ... by its timeout
    │       └── NetworkTimeoutError ... because nothing came from the model for its network_timeout
    └── TransportError              the CLI failed, not the model
        ├── ProcessExitError        it ended with an error of its own
        │   ├── NotTrustedDirectoryError
        │   ├── ThreadNotFoundError
        │   └── ThreadBusyError
        ├── ProtocolError           it said something that cannot be true
        └── IncompleteTurnError     it ended without saying how the turn ended

An error that ends a turn carries what the turn did until then in `.turn`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codex_jupyter.sdk.models.turn import Turn


class CodexError(Exception):
    """The root of the tree."""

    turn: "Turn | None" = None
    """The turn with everything received before the error, or None if no turn had begun."""


class CodexNotFoundError(CodexError):
    """No usable codex executable was found; the message lists the places that were looked at and how to install one."""


class ConfigError(CodexError):
    """An option or a config value has no form that the CLI understands; the message names it."""


class InputError(CodexError):
    """The input of a turn cannot be sent: it is empty, or an image is missing or of an unsupported kind."""


class InvalidDecisionError(CodexError):
    """An approval handler returned something else than a decision; the request was declined, and the turn stopped."""


class LoginError(CodexError):
    """A login did not succeed: it was refused, cancelled, or not completed in time. What was logged in before stays."""


class OutputSchemaError(CodexError):
    """The output schema is not a JSON object, or the answer does not fit it.

    Attributes:
        text: The answer as the agent gave it, or None if the schema itself is at fault.
    """

    def __init__(self, message: str, *, text: str | None = None) -> None:
        super().__init__(message)
        self.text = text


class UnsupportedOperationError(CodexError):
    """The transport in use cannot do what was asked; the message names one that can."""


class TurnFailedError(CodexError):
    """The turn ended with `turn.failed`: the model, its provider or the account refused.

    Attributes:
        message: The reason, as the CLI gave it.
        turn: The turn with all items received before it failed.
    """

    def __init__(self, message: str, *, turn: "Turn | None" = None) -> None:
        super().__init__(message)
        self.message = message
        self.turn = turn


class AuthenticationError(TurnFailedError):
    """Nobody is logged in, or the key is not accepted; the message says how to log in."""


class TurnInterruptedError(CodexError):
    """The turn was stopped before its end. The thread can go on.

    Attributes:
        turn: The turn with all items received before it was stopped.
    """

    def __init__(self, message: str = "The turn was interrupted.", *, turn: "Turn | None" = None) -> None:
        super().__init__(message)
        self.turn = turn


class TurnTimeoutError(TurnInterruptedError, TimeoutError):
    """The turn was stopped because it took longer than its `timeout`."""


class NetworkTimeoutError(TurnTimeoutError):
    """The turn was stopped because nothing came from the model for its `network_timeout`. The thread can go on."""


class TransportError(CodexError):
    """The codex CLI itself failed: it could not be started, or ended in a way that it should not."""


class ProcessExitError(TransportError):
    """The codex process ended with an error before the turn was over.

    Attributes:
        exit_code: Its exit code, or None if a signal ended it.
        signal: The number of the signal that ended it, or None.
        stderr_tail: The end of its standard error, without the lines that every run prints.
    """

    def __init__(self, message: str, *, exit_code: int | None = None, signal: int | None = None, stderr_tail: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.signal = signal
        self.stderr_tail = stderr_tail


class NotTrustedDirectoryError(ProcessExitError):
    """The working directory is no git repository and `skip_git_repo_check` is off."""


class ThreadNotFoundError(ProcessExitError):
    """The thread to resume does not exist in this CODEX_HOME."""


class ThreadBusyError(ProcessExitError):
    """The thread is in use: a turn of it runs already, here or in another process."""


class ProtocolError(TransportError):
    """The CLI's output contradicts the request, such as another thread's id on a resumed thread."""


class IncompleteTurnError(TransportError):
    """The CLI ended without an error and without saying that the turn was over."""
