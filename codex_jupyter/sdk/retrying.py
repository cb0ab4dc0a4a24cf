"""Repeat a turn that failed for a reason that passes."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import anyio

from codex_jupyter.sdk.errors import CodexError, ConfigError

T = TypeVar("T")
MAX_DOUBLINGS: Final = 64
"""Maximum number of times that the delay doubles. More would exceed the range of a float."""
HARMLESS: Final = frozenset({"agent_message", "reasoning", "web_search", "todo_list", "error"})
"""Types of items that change nothing outside of the thread."""


async def retry(
    attempt: Callable[[], Awaitable[T]],
    *,
    attempts: int = 4,
    first_delay: float = 1.0,
    max_delay: float = 60.0,
    repeat_side_effects: bool = False,
    on_retry: Callable[[CodexError, float], None] | None = None,
) -> T:
    """Run a turn, and repeat it while it fails for a reason that is likely to pass, such as a rate limit or an overload.

    Only errors with `retryable` are repeated. A turn that has already run a command, changed a file or called a tool is not repeated,
    because its effects could happen twice: the error is raised, and the thread can be continued with another prompt. A repeated prompt is
    in the history of its thread once for each attempt.

        turn = await retry(lambda: thread.run("Summarise the logs"))

    Args:
        attempt: Starts the turn and returns its result. It is called once for each attempt.
        attempts: The maximum number of attempts, 1 or more.
        first_delay: Seconds before the second attempt, 0 or more. The delay doubles after each attempt, and is shortened at random by up
            to a half, so that several programs do not repeat at the same time.
        max_delay: The maximum delay in seconds. If the provider asks to wait longer, the error is raised.
        repeat_side_effects: Repeat also a turn that has run a command, changed a file or called a tool.
        on_retry: Called before each delay, with the error and the delay in seconds.

    Returns:
        The result of the first attempt that succeeds.

    Raises:
        ConfigError: If `attempts` or a delay is out of range.
        CodexError: The error of the last attempt, or the first error that is not repeated.
    """
    policy = RetryPolicy(attempts, first_delay, max_delay, repeat_side_effects, on_retry)
    while True:
        try:
            return await attempt()
        except CodexError as error:
            delay = policy.delay_after(error)
            if delay is None:
                raise
            await anyio.sleep(delay)


@dataclass(slots=True)
class RetryPolicy:
    """Decide after each attempt if there is another one. See `retry` for the arguments.

    Raises:
        ConfigError: If `attempts` or a delay is out of range.
    """

    attempts: int
    first_delay: float
    max_delay: float
    repeat_side_effects: bool
    on_retry: Callable[[CodexError, float], None] | None
    _number: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.attempts, int) or self.attempts < 1:
            raise ConfigError(f"attempts must be an integer of 1 or more, not {self.attempts!r}.")
        for name, delay in {"first_delay": self.first_delay, "max_delay": self.max_delay}.items():
            if not isinstance(delay, int | float) or not delay >= 0:  # NaN is not 0 or more
                raise ConfigError(f"{name} must be a number of seconds, 0 or more, not {delay!r}.")

    def delay_after(self, error: CodexError) -> float | None:
        """Return the seconds to wait after a failed attempt; None if the error must be raised.

        Args:
            error: The error of the attempt.
        """
        self._number += 1
        shortened = random.uniform(0.5, 1.0)  # noqa: S311 - not for security
        delay: float = min(self.max_delay, self.first_delay * 2.0 ** min(self._number - 1, MAX_DOUBLINGS)) * shortened
        requested = getattr(error, "retry_after", None) or 0.0
        if self._number == self.attempts or not error.retryable or requested > self.max_delay:
            return None
        if not self.repeat_side_effects and has_side_effects(error):
            error.add_note("The turn was not repeated, because it had already run a command, changed a file or called a tool.")
            return None
        delay = max(delay, requested)
        if self.on_retry is not None:
            self.on_retry(error, delay)
        return delay


def has_side_effects(error: CodexError) -> bool:
    """Return whether the turn of an error may have changed something outside of its thread. Unknown items count."""
    return error.turn is not None and any(getattr(item, "type", None) not in HARMLESS for item in error.turn.items)
