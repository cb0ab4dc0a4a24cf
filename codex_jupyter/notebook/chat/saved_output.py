"""The copy of a chat in the saved notebook. It is readable without a kernel, and this package can read it back."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from codex_jupyter.notebook.persistence.finished_turn import FinishedTurn
from codex_jupyter.notebook.render import TURN_MIME, TURNS_MIME, closing_bundle, footer_bundle, header_bundle, item_bundle, prompt_bundle

CONTINUE: Final = "A copy of a chat. To continue it, run <code>%load_ext codex_jupyter</code> and then this cell."
"""Last line of the copy. The live chat hides it."""
MAX_SAVED: Final = 400_000
"""Limit of the HTML of a copy, in characters. The oldest turns are left out."""


class _Kept(NamedTuple):
    past: FinishedTurn
    html: str
    text: str
    json: dict[str, Any]


class SavedCopy:
    """Builds the copy for the saved notebook after every turn. The rendering of earlier turns is cached.

    Args:
        mark: Class of the outer element, by which the live chat hides the copy.
    """

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self._kept: dict[int, _Kept] = {}

    def bundle(self, turns: Sequence[FinishedTurn], copy: int = 0) -> dict[str, Any]:
        """Return the conversation as a bundle of `text/html`, `text/plain` and `TURNS_MIME`.

        Args:
            turns: The turns, oldest first.
            copy: Number of the copy, by which the page recognises an old one.
        """
        kept, size, note = list[_Kept](), 0, ""
        for past in reversed(turns):
            saved = self._of(past)
            size += len(saved.html)
            if size > MAX_SAVED and kept:
                note = f"{len(turns) - len(kept):,} earlier turns are left out here; %codex export writes them all."
                break
            kept.append(saved)
        kept.reverse()
        self._kept = {id(saved.past): saved for saved in kept}
        parts = [f"<div>{note}</div>" if note else "", *(saved.html for saved in kept)]
        parts.append(f'<div style="font-size:0.85em;opacity:0.85">{CONTINUE}</div>')
        texts = [note, *(saved.text for saved in kept)]
        return {
            "text/html": f'<div class="{self.mark}">{"".join(parts)}</div>',
            "text/plain": "\n\n".join(filter(None, texts)) or "The chat has no turn yet.",
            TURNS_MIME: {"copy": copy, "turns": [saved.json for saved in kept if saved.json]},
        }

    def _of(self, past: FinishedTurn) -> _Kept:
        saved = self._kept.get(id(past))
        if saved is not None and saved.past is past:
            return saved
        return _Kept(past, _html(past), _text(past), closing_bundle(past.turn, past.info).get(TURN_MIME) or {})


def _html(past: FinishedTurn) -> str:
    items = "".join(item_bundle(item, cwd=past.info.cwd, diff=past.turn.diffs.get(item.id))["text/html"] for item in past.turn.items)
    head, foot = header_bundle(past.info, past.turn.rights), footer_bundle(past.turn, past.info)
    return "".join([prompt_bundle(past.prompt)["text/html"], head["text/html"], items, foot["text/html"]])


def _text(past: FinishedTurn) -> str:
    items = (item_bundle(item, cwd=past.info.cwd, diff=past.turn.diffs.get(item.id))["text/plain"] for item in past.turn.items)
    return "\n\n".join([prompt_bundle(past.prompt)["text/plain"], *items, footer_bundle(past.turn, past.info)["text/plain"]])
