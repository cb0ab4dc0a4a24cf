"""Find the turns that no one has asked for: those of sub-agents whose turn has ended, and those that the server starts by itself.

The server runs them with the rights of an ended turn, also after a stop, and no one would see them. `codex exec` ends them with its
process.
"""

from collections.abc import Mapping
from typing import Any, Final

_STARTS: Final = frozenset(
    {"turn/start", "review/start", "thread/compact/start", "thread/goal/set", "thread/queue/add", "thread/queue/start"}
)
"""Requests that start a turn."""


class CausedTurns:
    """The turns of a server by their root: the turn of the prompt that caused them."""

    def __init__(self) -> None:
        self._threads: set[str] = set()
        """Threads whose turns someone has asked for."""
        self._roots: dict[str, str] = {}
        """Threads by the turns that someone has asked for."""
        self._caused: dict[str, dict[str, str]] = {}
        """The last turn of each thread, by root and thread. It is empty if it has ended."""

    def expect(self, thread_id: str) -> None:
        """Note that turns of a thread are asked for from now on."""
        self._threads.add(thread_id)

    def requested(self, method: str, params: Mapping[str, Any]) -> None:
        """Note a request. The user can send any."""
        if method in _STARTS:
            self.expect(str(params.get("threadId")))

    def take(self, method: str, params: Mapping[str, Any]) -> str:
        """Note the start or the end of a turn.

        Args:
            method: The method of a notification.
            params: Its parameters.

        Returns:
            The id of a turn that must be ended, because no one has asked for it. Otherwise, an empty string.
        """
        turn, thread_id = params.get("turn"), str(params.get("threadId"))
        if method not in ("turn/started", "turn/completed") or not isinstance(turn, dict) or not turn.get("rootTurnId"):
            return ""
        turn_id, root, starts = str(turn.get("id")), str(turn["rootTurnId"]), method == "turn/started"
        if starts and thread_id in self._threads:
            self._roots.setdefault(root, thread_id)
        if root not in self._roots:
            return turn_id if starts else ""
        self._caused.setdefault(root, {})[thread_id] = turn_id if starts else ""
        return ""

    def end(self, thread_id: str) -> dict[str, str]:
        """Note that turns of a thread are not asked for any more. What they cause from now on must be ended.

        Returns:
            The last turns that they have caused, also of the thread itself, by thread. A turn that has ended is an empty string.
        """
        self._threads.discard(thread_id)
        caused: dict[str, str] = {}
        for root in [root for root, asked in self._roots.items() if asked == thread_id]:
            del self._roots[root]
            caused |= self._caused.pop(root, {})
        return caused
