"""Measure a running turn against its budget."""

import math
from collections.abc import Callable
from typing import Final

from anyio import to_thread

from codex_jupyter.sdk.errors import BudgetExceededError
from codex_jupyter.sdk.models.options import TurnBudget
from codex_jupyter.sdk.models.turn import Turn
from codex_jupyter.sdk.models.usage import Usage

CHECK_INTERVAL: Final = 0.5
"""Seconds between two checks of the used tokens, which the CLI records in the file of the thread."""
NO_CALLS: Final = frozenset(
    {
        "agent_message",
        "approval_review",
        "context_compaction",
        "entered_review_mode",
        "error",
        "exited_review_mode",
        "hook_prompt",
        "hook_run",
        "plan",
        "reasoning",
        "sub_agent_activity",
        "todo_list",
    }
)
"""Types of items that are not calls of tools."""


class BudgetMeter:
    """Compares a turn with its budget.

    Args:
        budget: The budget.
        used_before: The tokens that the thread had used before the turn.
        stored_usage: Returns the tokens that the CLI has stored for a thread id. Blocks. None if they are not stored.
        now: The time of the start, in seconds of a monotonic clock.
    """

    def __init__(self, budget: TurnBudget, used_before: Usage, stored_usage: Callable[[str], Usage | None] | None, now: float) -> None:
        self._budget, self._before, self._stored_usage = budget, used_before, stored_usage
        self._start = self._checked = now

    @property
    def due(self) -> float:
        """The time of the next check, also if nothing is received until then. Infinite if only events matter."""
        end = math.inf if self._budget.seconds is None else self._start + self._budget.seconds
        return min(end, math.inf if self._budget.tokens is None or self._stored_usage is None else self._checked + CHECK_INTERVAL)

    async def check(self, turn: Turn, now: float) -> BudgetExceededError | None:
        """Return the error for a budget that is used up; None if the turn may continue.

        Args:
            turn: The turn so far.
            now: The time, in seconds of the same clock.
        """
        budget = self._budget
        if budget.tool_calls is not None:
            calls = sum(item.type not in NO_CALLS for item in turn.items)
            if calls > budget.tool_calls:
                return _exceeded("tool_calls", calls, budget.tool_calls, f"it has made {calls:,} tool calls")
        if budget.seconds is not None and now >= self._start + budget.seconds:
            return _exceeded("seconds", now - self._start, budget.seconds, f"it has run for {now - self._start:.1f} seconds")
        if budget.tokens is not None and now >= self._checked + CHECK_INTERVAL:
            self._checked = now
            used = await self._tokens(turn)
            if used > budget.tokens:
                return _exceeded("tokens", used, budget.tokens, f"it has used {used:,} tokens")
        return None

    async def _tokens(self, turn: Turn) -> int:
        total = turn.thread_usage
        if total is None and self._stored_usage is not None and turn.thread_id is not None:
            total = await to_thread.run_sync(self._stored_usage, turn.thread_id)
        return 0 if total is None else (total - self._before).total_tokens


def _exceeded(limit: str, used: float, allowed: float, reason: str) -> BudgetExceededError:
    message = f"The turn was stopped, because {reason}. Its budget allows {allowed:,}. The thread can be continued."
    return BudgetExceededError(message, limit=limit, used=used, allowed=allowed)
