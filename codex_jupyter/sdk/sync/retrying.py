"""Repeat a turn of a synchronous client that failed for a reason that passes."""

import time
from collections.abc import Callable
from typing import TypeVar

from codex_jupyter.sdk.errors import CodexError
from codex_jupyter.sdk.retrying import RetryPolicy

T = TypeVar("T")


def retry(
    attempt: Callable[[], T],
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

        turn = retry(lambda: thread.run("Summarise the logs"))

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
            return attempt()
        except CodexError as error:
            delay = policy.delay_after(error)
            if delay is None:
                raise
            time.sleep(delay)
