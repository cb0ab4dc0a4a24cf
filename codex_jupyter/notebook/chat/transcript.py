"""A conversation as blocks for the page, and what changed in them since they were sent last.

A turn has a block above its items (what was sent along), one for each item, and one below (time, tokens, errors). All HTML is that of
the cells' renderer. A message that is still written travels as the text that was added, and as HTML once, at its end.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from codex_jupyter.notebook.approve import question_text
from codex_jupyter.notebook.export import ExportedTurn
from codex_jupyter.notebook.render import (
    TURNS_MIME,
    TurnInfo,
    clean,
    escape,
    footer_bundle,
    header_bundle,
    item_bundle,
    plain,
    turn_to_json,
)
from codex_jupyter.sdk import AgentMessageItem, ApprovalRequest, ReasoningItem, ThreadItem, Turn
from codex_jupyter.sdk.approvals import MEANINGS

MAX_SAVED: Final = 400_000
"""Characters of HTML that the saved copy of a chat may have; the oldest turns are left out of it."""

Block = dict[str, Any]
"""What the page is told of a block: `block` (its id), `kind`, and `html`, or `text` while it is written."""


@dataclass(slots=True)
class TurnView:
    """A turn that runs, and what the page has of it.

    Args:
        id: The turn's id for the page.
        prompt: What the user wrote.
        info: What is known about it.
        at: When it began, in seconds since the epoch.
    """

    id: str
    prompt: str
    info: TurnInfo
    at: float
    turn: Turn = field(default_factory=Turn)
    _sent: dict[str, tuple[object, Block]] = field(default_factory=dict)
    """What each block was made of, and what was sent."""

    def blocks(self) -> list[Block]:
        """All blocks as they were sent last."""
        return [block for _, block in self._sent.values()]

    def changes(self, turn: Turn, info: TurnInfo | None = None) -> list[Block]:
        """Bring the view up to date.

        Args:
            turn: The turn now.
            info: What is known about it now; None is what was known.

        Returns:
            The blocks that are new or have changed. One that was only added to has `append` instead of `text`.
        """
        self.turn, self.info = turn, info or self.info
        made: list[tuple[object, Block]] = [((turn.thread_id, self.info), _head(turn, self.info))] if turn.thread_id else []
        made += [((item, item.id in turn.open_items), _item(item, turn, self.info)) for item in turn.items if self._is_new(item, turn)]
        if turn.status != "in_progress":
            made.append(((turn.status, turn.usage, self.info), _foot(turn, self.info)))
        changes = []
        for source, block in made:
            known = self._sent.get(block["block"])
            if known is None or known[0] != source:
                self._sent[block["block"]] = (source, block)
                changes.append(_increment(known[1] if known else None, block))
        return changes

    def _is_new(self, item: ThreadItem, turn: Turn) -> bool:
        """Whether an item must be rendered; what has not changed since costs nothing."""
        known = self._sent.get(item.id)
        return known is None or known[0] != (item, item.id in turn.open_items)


def finished_turn(id: str, past: ExportedTurn) -> dict[str, Any]:
    """A turn that has ended, whole."""
    turn, info = past.turn, past.info
    blocks = [_head(turn, info), *(_item(item, turn, info) for item in turn.items), _foot(turn, info)]
    return {"id": id, "prompt": plain(past.prompt), "status": turn.status, "blocks": blocks}


def question(request: ApprovalRequest) -> dict[str, Any]:
    """What the agent asks, for a card with buttons."""
    asked = [
        {"id": one.id, "text": plain(one.text), "options": [plain(option) for option in one.options], "secret": one.secret}
        for one in request.questions
    ]
    choices = [{"choice": choice, "meaning": MEANINGS[choice]} for choice in request.choices]
    return {"item": request.item_id, "text": question_text(request), "choices": choices, "questions": asked}


def saved_bundle(turns: Sequence[ExportedTurn], mark: str, *, copy: int = 0) -> dict[str, Any]:
    """A conversation for the saved notebook: readable without a kernel, and by this package.

    Args:
        turns: The turns, oldest first.
        mark: The class of the element around it all, by which the live chat hides it.
        copy: Counts the copies, so that the page can tell an old one.

    Returns:
        A bundle of `text/html`, `text/plain` and `TURNS_MIME`.
    """
    parts, texts, kept, size = list[str](), list[str](), list[dict[str, Any]](), 0
    for past in reversed(turns):
        html = "".join(_saved_html(past))
        size += len(html)
        if size > MAX_SAVED and parts:
            note = f"{len(turns) - len(parts):,} earlier turns are left out here; %codex export writes them all."
            parts.append(f"<div>{note}</div>")
            texts.append(note)
            break
        parts.append(html)
        texts.append("\n\n".join(_saved_text(past)))
        kept.append(turn_to_json(past.turn, past.info))
    return {
        "text/html": f'<div class="{mark}">{"".join(reversed(parts))}</div>',
        "text/plain": "\n\n".join(reversed(texts)) or "The chat has no turn yet.",
        TURNS_MIME: {"copy": copy, "turns": kept[::-1]},
    }


def _saved_html(past: ExportedTurn) -> Iterable[str]:
    look = "margin:14px 0 4px;padding:6px 10px;border-radius:6px;background:rgba(127,127,127,.12);white-space:pre-wrap"
    yield clean(f'<div style="{look}">{escape(past.prompt)}</div>')
    yield header_bundle(past.info, past.turn.thread_id)["text/html"]
    yield from (_item(item, past.turn, past.info)["html"] for item in past.turn.items)
    yield footer_bundle(past.turn, past.info)["text/html"]


def _saved_text(past: ExportedTurn) -> Iterable[str]:
    yield "\n".join(f"> {line}" for line in plain(past.prompt).splitlines())
    yield from (item_bundle(item, cwd=past.info.cwd, diff=past.turn.diffs.get(item.id))["text/plain"] for item in past.turn.items)
    yield footer_bundle(past.turn, past.info)["text/plain"]


def _head(turn: Turn, info: TurnInfo) -> Block:
    return {"block": "head", "kind": "head", "html": header_bundle(info, turn.thread_id)["text/html"]}


def _foot(turn: Turn, info: TurnInfo) -> Block:
    return {"block": "foot", "kind": "foot", "html": footer_bundle(turn, info)["text/html"]}


def _item(item: ThreadItem, turn: Turn, info: TurnInfo) -> Block:
    if item.id in turn.open_items and isinstance(item, AgentMessageItem | ReasoningItem):
        return {"block": item.id, "kind": item.type, "text": plain(item.text)}
    bundle = item_bundle(item, cwd=info.cwd, diff=turn.diffs.get(item.id), streaming=item.id in turn.open_items)
    return {"block": item.id, "kind": item.type, "html": bundle["text/html"]}


def _increment(known: Block | None, block: Block) -> Block:
    before = (known or {}).get("text")
    if before and "text" in block and block["text"].startswith(before):
        return {"block": block["block"], "kind": block["kind"], "append": block["text"][len(before) :]}
    return block
