"""The reason why a turn failed, as a value that a program can handle.

The app-server reports a kind of error (`codexErrorInfo`) beside the message. `codex exec` reports only the message. Both lead to the same
reason where the message says enough. The texts were measured with 0.163.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from codex_jupyter.sdk.errors import (
    AuthenticationError,
    ContextWindowError,
    FailureReason,
    ModelNotFoundError,
    NetworkError,
    OverloadedError,
    PartialTurn,
    RateLimitError,
    TurnFailedError,
    UsageLimitError,
)

_KINDS: Final[Mapping[str, FailureReason]] = {
    "contextWindowExceeded": "context_window",
    "sessionBudgetExceeded": "usage_limit",
    "usageLimitExceeded": "usage_limit",
    "rateLimitExceeded": "rate_limit",
    "flexUnavailable": "overloaded",
    "serverOverloaded": "overloaded",
    "policyCapacityUnavailable": "overloaded",
    "internalServerError": "server_error",
    "unauthorized": "unauthorized",
    "badRequest": "bad_request",
    "modelNotFound": "model_not_found",
    "cyberPolicy": "policy",
    "bioPolicy": "policy",
    "misalignmentPolicyViolation": "policy",
    "inferenceHookDenied": "policy",
    "sandboxError": "sandbox",
    "responseStreamConnectionFailed": "network",
    "responseStreamDisconnected": "network",
}
"""Reasons by the server's kind of error. Other kinds, such as `httpConnectionFailed`, leave the reason to the status and the message."""
_TEXTS: Final[tuple[tuple[str, FailureReason], ...]] = (
    (r"rate limit (?:exceeded|reached)", "rate_limit"),
    (r"usage limit|quota exceeded|to use codex with your chatgpt plan|out of credits", "usage_limit"),
    (r"context window", "context_window"),
    (r"at capacity|overloaded", "overloaded"),
    (r"currently experiencing high demand", "server_error"),
    (r"\bmodel\b.{0,200}(?:does not exist|is not supported|not found)|model[_ ]not[_ ]found|no such model", "model_not_found"),
    (r"401 unauthorized", "unauthorized"),
    (r"stream disconnected|connection failed|error sending request|network error|timed? ?out waiting", "network"),
)
"""Reasons by the message of the CLI; the first that fits."""
_STATUSES: Final[Mapping[int, FailureReason]] = {
    400: "bad_request",
    401: "unauthorized",
    413: "bad_request",
    422: "bad_request",
    429: "rate_limit",
    503: "overloaded",
    529: "overloaded",
}
_STATUS: Final = re.compile(r"(?:unexpected|last) status:? ([45]\d\d)\b")
_WAIT: Final = re.compile(r"try again in (\d+(?:\.\d+)?) ?(ms|s|seconds?|m|minutes?)\b", re.IGNORECASE)
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0}
_ERRORS: Final[Mapping[FailureReason, type[TurnFailedError]]] = {
    "unauthorized": AuthenticationError,
    "rate_limit": RateLimitError,
    "usage_limit": UsageLimitError,
    "context_window": ContextWindowError,
    "overloaded": OverloadedError,
    "model_not_found": ModelNotFoundError,
    "network": NetworkError,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The reason why a turn failed."""

    reason: FailureReason = "other"
    http_status: int | None = None
    """The HTTP status of the model's API; None if it is not reported."""
    retry_after: float | None = None
    """Seconds that the provider asks to wait; None if it does not say."""

    @classmethod
    def of(cls, message: str, kind: object = None) -> "Failure":
        """Find the reason.

        Args:
            message: The message of the CLI.
            kind: The `codexErrorInfo` of the app-server; None if there is none.
        """
        name, details = next(iter(kind.items()), ("", None)) if isinstance(kind, Mapping) else (kind, None)
        status = details.get("httpStatusCode") if isinstance(details, Mapping) else None
        if not isinstance(status, int):
            match = _STATUS.search(message)
            status = int(match[1]) if match is not None else None
        wait = _WAIT.search(message)
        return cls(
            reason=_KINDS.get(str(name)) or _reason(message, status),
            http_status=status,
            retry_after=None if wait is None else float(wait[1]) * _SECONDS["ms" if wait[2].lower() == "ms" else wait[2][0].lower()],
        )

    def error(self, message: str, turn: PartialTurn | None = None) -> TurnFailedError:
        """Return the error for the failure.

        Args:
            message: The text of the error.
            turn: The turn that failed.
        """
        kind = _ERRORS.get(self.reason, TurnFailedError)
        return kind(message, turn=turn, reason=self.reason, http_status=self.http_status, retry_after=self.retry_after)


def _reason(message: str, status: int | None) -> FailureReason:
    lowered = message[:4000].lower()
    for pattern, reason in _TEXTS:
        if re.search(pattern, lowered):
            return reason
    if status is None:
        return "other"
    return _STATUSES.get(status, "server_error" if status >= 500 else "bad_request")
