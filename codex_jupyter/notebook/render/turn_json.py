"""A turn as JSON and back: what a saved notebook keeps so that the package can show the turn again.

Output of a megabyte would make a notebook of megabytes, so of an item that is larger than `KEPT` the ends of its texts are kept, with a
note of what was left out.
"""

import json
from dataclasses import asdict
from functools import cache
from typing import Any, Final

from pydantic import TypeAdapter

from codex_jupyter.notebook.render import phrases
from codex_jupyter.notebook.render.header_footer import TurnInfo
from codex_jupyter.notebook.render.thumbnails import Thumbnail
from codex_jupyter.sdk.models.events import Usage
from codex_jupyter.sdk.models.items import ThreadItem
from codex_jupyter.sdk.models.rights import EffectiveRights
from codex_jupyter.sdk.models.turn import Turn

TURN_MIME: Final = "application/vnd.codex.turn+json"
TURNS_MIME: Final = "application/vnd.codex.turns+json"
"""Several turns, as a chat saves them: `{"turns": [...]}`."""
VERSION: Final = 1
"""The form of the JSON. A reader refuses what is newer than itself."""
KEPT: Final = 64 * 1024
"""Characters of JSON that are kept of one item, of one diff and of the parsed answer."""


def turn_to_json(turn: Turn, info: TurnInfo) -> dict[str, Any]:
    """A turn as values of JSON.

    `parsed` comes back as what JSON makes of it: a model becomes an object, a value without any JSON form its `str`. What is larger than
    `KEPT` comes back shortened.
    """
    from pydantic_core import to_jsonable_python

    return {
        "version": VERSION,
        "turn": {
            "thread_id": turn.thread_id,
            "status": turn.status,
            "items": [_kept(item.model_dump(mode="json")) for item in turn.items],
            "open_items": sorted(turn.open_items),
            "usage": turn.usage and turn.usage.model_dump(mode="json"),
            "thread_usage": turn.thread_usage and turn.thread_usage.model_dump(mode="json"),
            "error": _kept(turn.error),
            "warnings": _kept(list(turn.warnings)),
            "rights": turn.rights and turn.rights.model_dump(mode="json"),
            "diffs": {item_id: _kept(diff) for item_id, diff in turn.diffs.items()},
            "parsed": _kept(to_jsonable_python(turn.parsed, fallback=str)),
        },
        "info": json.loads(json.dumps(asdict(info))),
    }


def turn_from_json(data: dict[str, Any]) -> tuple[Turn, TurnInfo]:
    """The turn that `turn_to_json` wrote.

    Raises:
        ValueError: The data are not of this form, or of a newer version of it.
    """
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise ValueError(f"not a saved turn that this version can read (its form is {VERSION})")
    try:
        saved = data["turn"]
        turn = Turn(
            **{
                **saved,
                "items": tuple(_items().validate_python(saved["items"])),
                "open_items": frozenset(saved["open_items"]),
                "usage": _usage(saved["usage"]),
                "thread_usage": _usage(saved["thread_usage"]),
                "warnings": tuple(saved["warnings"]),
                "rights": None if saved.get("rights") is None else EffectiveRights.model_validate(saved["rights"]),
            }
        )
        info = data["info"]
        pictures = {name: tuple(Thumbnail(**one) for one in info.get(name, ())) for name in ("attached", "written")}
        texts = {name: tuple(info.get(name, ())) for name in ("decisions", "notes", "remarks")}
        return turn, TurnInfo(**{**info, **pictures, **texts})
    except (KeyError, TypeError) as error:
        raise ValueError(f"a saved turn is incomplete or has unknown parts: {error}") from error


def _kept(value: Any) -> Any:
    """A value of JSON, shortened if it takes more than `KEPT` characters; an object then says so in a field `left_out`."""
    size = _size(value)
    texts, parts, short = KEPT // 2, 1024, value
    while (rest := _size(short)) > KEPT:
        short = _cut(value, texts, parts)
        texts, parts = texts // 2, max(1, parts // 2)
    if short is not value and isinstance(short, dict):
        short["left_out"] = f"{size - rest:,} of {size:,} characters"
    return short


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False))


def _cut(value: Any, texts: int, parts: int) -> Any:
    """The value with the ends of its long texts and the beginnings of its long lists; large pictures become their names."""
    if isinstance(value, str):
        return phrases.short(value, texts)
    if isinstance(value, list):
        return [_cut(part, texts, parts) for part in value[:parts]]
    if not isinstance(value, dict):
        return value
    if value.get("type") in ("image", "audio") and len(str(value.get("data"))) > texts:
        return {"type": "text", "text": phrases.content_text(value)}
    return {phrases.short(key, texts): _cut(part, texts, parts) for key, part in list(value.items())[:parts]}


def _usage(saved: dict[str, Any] | None) -> Usage | None:
    return None if saved is None else Usage.model_validate(saved)


@cache
def _items() -> TypeAdapter[list[ThreadItem]]:
    return TypeAdapter(list[ThreadItem])
