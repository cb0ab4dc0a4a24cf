"""Merge the increments of items that are being written."""

from collections.abc import Mapping
from typing import Any, Final

INCREMENTS: Final = frozenset(
    {
        "item/agentMessage/delta",
        "item/plan/delta",
        "item/reasoning/summaryTextDelta",
        "item/reasoning/summaryPartAdded",
        "item/commandExecution/outputDelta",
    }
)
"""Notifications with increments."""
LIVE_OUTPUT: Final = 64 * 1024
"""Characters at the end of a running command's output that are kept. The whole output comes when the command ends."""
_MANY: Final = 64
"""Increments of output after which its start is dropped."""
_TEXTS: Final = {"agentMessage": "text", "plan": "text", "reasoning": "summary", "commandExecution": "aggregatedOutput"}
"""The field of an item that its increments are a part of."""


class Increments:
    """The increments of the items of one turn.

    Args:
        review: True if the turn is a review. The increments of its messages are JSON, and are ignored.
    """

    def __init__(self, *, review: bool) -> None:
        self._review = review
        self._parts: dict[str, list[list[str]]] = {}
        """A list of increments for each part of an item, by the server's ids."""
        self._new: dict[str, list[str]] = {}
        """The increments since the last event of an item, in order of the items."""

    @property
    def pending(self) -> bool:
        """True if there are increments that were not taken."""
        return bool(self._new)

    def add(self, method: str, params: Mapping[str, Any]) -> None:
        """Add an increment.

        Args:
            method: The method of the notification, one of `INCREMENTS`.
            params: Its parameters.
        """
        piece = str(params.get("delta") or "")
        if not piece or (method == "item/agentMessage/delta" and self._review):
            return
        server_id, index = str(params.get("itemId")), params.get("summaryIndex")
        index = index if isinstance(index, int) and 0 <= index < 1000 else 0
        parts = self._parts.setdefault(server_id, [])
        is_new_part = any(parts) and not (index < len(parts) and parts[index])
        while len(parts) <= index:
            parts.append([])
        parts[index].append(piece)
        if method == "item/commandExecution/outputDelta" and len(parts[index]) > _MANY:
            parts[index][:] = ["".join(parts[index])[-LIVE_OUTPUT:]]
        self._new.setdefault(server_id, []).append(f"\n{piece}" if is_new_part else piece)

    def take(self) -> list[tuple[str, str]]:
        """Return the items with new increments, by the server's ids, and these increments."""
        new, self._new = self._new, {}
        return [(server_id, "".join(pieces)) for server_id, pieces in new.items()]

    def merged(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Return an open item with its increments.

        Args:
            raw: The item as the server sent it.
        """
        parts = self._parts.get(str(raw.get("id")), [])
        for pieces in parts:
            pieces[:] = ["".join(pieces)]
        texts = [pieces[0] for pieces in parts if pieces]
        field = _TEXTS.get(str(raw.get("type")), "text")
        if field == "summary":
            return {**raw, field: texts}
        return {**raw, field: "".join(texts)[-LIVE_OUTPUT:] if field == "aggregatedOutput" else "".join(texts)}

    def last_delta(self, server_id: str, raw: Mapping[str, Any]) -> str:
        """Drop the increments of an item that is complete, and return the part of its text that no event contains.

        Args:
            server_id: The server's id of the item.
            raw: The complete item.

        Returns:
            The end of the text of a message, a plan or of reasoning; empty for other items, and if an increment was lost.
        """
        unsent = len("".join(self._new.pop(server_id, [])))
        written = "\n".join(text for pieces in self._parts.pop(server_id, []) if (text := "".join(pieces)))
        sent = written[: len(written) - unsent]
        field = _TEXTS.get(str(raw.get("type")), "")
        value = raw.get(field) or ""
        text = "\n".join(map(str, value)) if isinstance(value, list) else str(value)
        return text.removeprefix(sent) if field in ("text", "summary") and text.startswith(sent) else ""
