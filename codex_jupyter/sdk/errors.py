"""All errors that this package raises, as one tree.

    CodexError
    ├── CodexNotFoundError          no usable codex executable
    ├── ConfigError                 an option or a config value that cannot be passed on
    ├── InputError                  a prompt or an image that cannot be sent
    ├── InvalidDecisionError        an approval handler returned something that is not a decision
    ├── LoginError                  a login that did not succeed
    ├── NotTrustedDirectoryError    the working directory is not a git repository
    ├── OutputSchemaError           an invalid schema, or an answer that does not match it
    ├── ThreadNotFoundError         no such thread
    ├── ThreadBusyError             a turn of the thread runs already
    ├── UnsupportedOperationError   the transport does not support the operation
    ├── TurnFailedError             the model or its provider failed the turn
    │   ├── AuthenticationError     ... because no one is logged in, or the key is wrong
    │   ├── RateLimitError          ... because of too many requests in a short time
    │   ├── UsageLimitError         ... because the plan or the budget is used up
    │   ├── ContextWindowError      ... because the thread is too long for the model
    │   ├── OverloadedError         ... because the provider has too much to do
    │   ├── ModelNotFoundError      ... because the account has no such model
    │   └── NetworkError            ... because the connection was lost
    ├── TurnInterruptedError        the turn was stopped
    │   ├── BudgetExceededError     ... because its budget is used up
    │   └── TurnTimeoutError        ... by its timeout
    │       └── NetworkTimeoutError ... because the model sent nothing for its network_timeout
    └── TransportError              the CLI failed, not the model
        ├── ProcessExitError        its process exited with an error
        ├── ProtocolError           its output contradicts the request
        └── IncompleteTurnError     it ended without reporting the end of the turn

An error that ends a turn has everything received until then in `.turn`.
"""

from typing import Any, Literal, Protocol, TypeAlias

FailureReason: TypeAlias = Literal[
    "rate_limit",
    "usage_limit",
    "context_window",
    "overloaded",
    "unauthorized",
    "model_not_found",
    "network",
    "server_error",
    "bad_request",
    "policy",
    "sandbox",
    "other",
]
"""The reasons why a turn failed."""
RETRYABLE: frozenset[FailureReason] = frozenset({"rate_limit", "overloaded", "network", "server_error"})
"""The reasons that are likely to pass within minutes."""


class PartialTurn(Protocol):
    """A turn as far as it was received: the part of `Turn` that errors use."""

    @property
    def thread_id(self) -> str | None:
        """The thread's id; None if the CLI did not report it."""

    @property
    def status(self) -> str:
        """The end of the turn, such as `failed`."""

    @property
    def items(self) -> tuple[Any, ...]:
        """Everything that the agent did, as `ThreadItem` values."""

    @property
    def usage(self) -> Any:
        """The `Usage` of the turn; None if it is unknown."""

    @property
    def error(self) -> str | None:
        """The reason of the failure."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Messages of the CLI that did not end the turn."""

    @property
    def final_response(self) -> str:
        """The text of the last agent message; empty if there is none."""


class CodexError(Exception):
    """Base class of all errors of this package."""

    turn: PartialTurn | None = None
    """The `Turn` with everything received before the error. None if no turn was started."""

    @property
    def retryable(self) -> bool:
        """True if the same turn is likely to succeed later without a change. See `retry`."""
        return False


class CodexNotFoundError(CodexError):
    """Raised when no usable codex executable is found. The message lists the places searched and how to install one."""


class ConfigError(CodexError):
    """Raised when an option or a config value is invalid or cannot be passed to the CLI. The message names it."""


class InputError(CodexError):
    """Raised when the input of a turn cannot be sent: it is empty, or an image is missing or of an unsupported format."""


class InvalidDecisionError(CodexError):
    """Raised when an approval handler returns something that is not a decision. The request was declined and the turn stopped."""


class LoginError(CodexError):
    """Raised when a login is refused, cancelled or not completed in time. The previous login stays in use."""


class NotTrustedDirectoryError(CodexError):
    """Raised when the working directory is not a git repository and `skip_git_repo_check` is off."""


class OutputSchemaError(CodexError):
    """Raised when an output schema is invalid, or the answer does not match it.

    Attributes:
        text: The answer of the agent. None if the schema itself is invalid.
    """

    def __init__(self, message: str, *, text: str | None = None) -> None:
        super().__init__(message)
        self.text = text


class ThreadNotFoundError(CodexError):
    """Raised when a thread does not exist: the id is invalid, or this CODEX_HOME has no such thread."""


class ThreadBusyError(CodexError):
    """Raised when a turn of the thread runs already, here or in another process."""


class UnsupportedOperationError(CodexError):
    """Raised when the transport does not support the operation. The message names one that does."""


class TurnFailedError(CodexError):
    """Raised when the model, its provider or the account failed the turn.

    Attributes:
        message: The reason, as the CLI reports it.
        turn: The turn with all items received before it failed.
        reason: The reason for a program. The frequent reasons have a subclass.
        http_status: The HTTP status of the model's API. None if it is not reported.
        retry_after: Seconds that the provider asks to wait. None if it does not say.
    """

    _usual_reason: FailureReason = "other"

    def __init__(
        self,
        message: str,
        *,
        turn: PartialTurn | None = None,
        reason: FailureReason | None = None,
        http_status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.turn = turn
        self.reason: FailureReason = reason or self._usual_reason
        self.http_status = http_status
        self.retry_after = retry_after

    @property
    def retryable(self) -> bool:
        """True if the reason is likely to pass within minutes: a rate limit, an overload, a lost connection or a fault of the server."""
        return self.reason in RETRYABLE


class AuthenticationError(TurnFailedError):
    """Raised when no one is logged in, or the key is not accepted. The message says how to log in."""

    _usual_reason: FailureReason = "unauthorized"


class RateLimitError(TurnFailedError):
    """Raised when the provider received too many requests in a short time. Wait, then repeat the turn."""

    _usual_reason: FailureReason = "rate_limit"


class UsageLimitError(TurnFailedError):
    """Raised when the plan, the credits or the budget of the account are used up. See `Codex.rate_limits`."""

    _usual_reason: FailureReason = "usage_limit"


class ContextWindowError(TurnFailedError):
    """Raised when the thread is too long for the model. Use `Thread.compact`, or start a new thread."""

    _usual_reason: FailureReason = "context_window"


class OverloadedError(TurnFailedError):
    """Raised when the provider has too much to do. Wait, or use another model."""

    _usual_reason: FailureReason = "overloaded"


class ModelNotFoundError(TurnFailedError):
    """Raised when the account has no such model. `Codex.models` returns the models that it has."""

    _usual_reason: FailureReason = "model_not_found"


class NetworkError(TurnFailedError):
    """Raised when the connection to the model was lost, and the CLI did not get it back."""

    _usual_reason: FailureReason = "network"


class TurnInterruptedError(CodexError):
    """Raised when the turn was stopped before its end. The thread can be continued.

    Attributes:
        turn: The turn with all items received before it was stopped.
    """

    def __init__(self, message: str = "The turn was interrupted.", *, turn: PartialTurn | None = None) -> None:
        super().__init__(message)
        self.turn = turn


class BudgetExceededError(TurnInterruptedError):
    """Raised when the turn was stopped because its budget is used up. The thread can be continued.

    Attributes:
        limit: The limit that was exceeded: `tokens`, `seconds` or `tool_calls`.
        used: The amount that the turn has used.
        allowed: The amount that the budget allows.
    """

    def __init__(self, message: str, *, limit: str, used: float, allowed: float, turn: PartialTurn | None = None) -> None:
        super().__init__(message, turn=turn)
        self.limit = limit
        self.used = used
        self.allowed = allowed


class TurnTimeoutError(TurnInterruptedError, TimeoutError):
    """Raised when the turn was stopped because it took longer than its `timeout`."""


class NetworkTimeoutError(TurnTimeoutError):
    """Raised when the turn was stopped because the model sent nothing for its `network_timeout`. The thread can be continued."""

    @property
    def retryable(self) -> bool:
        """Always true."""
        return True


class TransportError(CodexError):
    """Raised when the codex CLI itself fails: it cannot be started, or it ends unexpectedly."""


class ProcessExitError(TransportError):
    """Raised when the codex process exits with an error before the turn is over.

    Attributes:
        exit_code: The exit code. None if a signal ended the process.
        signal: The number of the signal that ended the process, or None.
        stderr_tail: The end of its standard error, without the lines that every run prints.
    """

    def __init__(self, message: str, *, exit_code: int | None = None, signal: int | None = None, stderr_tail: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.signal = signal
        self.stderr_tail = stderr_tail


class ProtocolError(TransportError):
    """Raised when the output of the CLI contradicts the request, such as another thread's id on a resumed thread."""


class IncompleteTurnError(TransportError):
    """Raised when the CLI ends without an error and without reporting the end of the turn."""
