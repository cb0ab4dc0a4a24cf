"""Convert turns to JSON and back. A saved notebook contains this JSON, so that the package can show its turns again.

Of an item that is larger than `MAX_JSON`, the start and the end of its texts are kept with a note, so that a megabyte of output does not
make the notebook larger by a megabyte.
"""

import json
import math
from dataclasses import asdict, fields
from functools import cache
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter

from codex_jupyter.notebook.render import phrases
from codex_jupyter.notebook.render.header_footer import TurnInfo
from codex_jupyter.notebook.render.many_items import ends
from codex_jupyter.sdk.models.items import FileChangeItem, ThreadItem, UnknownItem
from codex_jupyter.sdk.models.turn import Turn

TURN_MIME: Final = "application/vnd.codex.turn+json"
TURNS_MIME: Final = "application/vnd.codex.turns+json"
"""Several turns, as saved by a chat: `{"turns": [...]}`."""
_PLAIN: Final = ("id", "snapshot_id", "duration", "context_tokens", "context_window")
_TIMES: Final = ("started_at", "completed_at")
"""Fields of a turn that only the app-server reports, and of which the saved turn keeps the values."""
_REQUIRED: Final = {"items", "open_item_ids", "usage", "thread_usage", "warnings"}
"""Fields that each version has saved, with the names in `Turn`."""
_T = TypeVar("_T")
VERSION: Final = 1
"""Version of the JSON format. A newer version is not read."""
MAX_JSON: Final = 64 * 1024
"""Maximum characters of JSON of one item, of one diff, and of the parsed answer."""
MAX_ERROR: Final = 200
"""Maximum characters that an error reports of a problem."""


def turn_to_json(turn: Turn, info: TurnInfo, *, complete: bool = False) -> dict[str, Any]:
    """Convert a turn to JSON values.

    A model in `parsed` becomes an object, and a value without a JSON form becomes its `str`. A value larger than `MAX_JSON` is shortened.

    Args:
        turn: The turn.
        info: Facts about the turn.
        complete: Convert all items. Otherwise the middle of very many items is left out.
    """
    from pydantic_core import to_jsonable_python

    items = list(map(_item, turn.items)) if complete else ends(turn.items, _item, _size)
    saved_ids = {item["id"] for item in items}
    return {
        "version": VERSION,
        "turn": {
            "thread_id": turn.thread_id,
            "status": turn.status,
            "items": items,
            "open_items": sorted(turn.open_item_ids & saved_ids),
            "usage": turn.usage and turn.usage.model_dump(mode="json"),
            "thread_usage": turn.thread_usage and turn.thread_usage.model_dump(mode="json"),
            "error": _shortened(turn.error),
            "warnings": _shortened(list(turn.warnings)),
            "rights": turn.rights and turn.rights.model_dump(mode="json"),
            **({"reconnecting": True} if turn.reconnecting else {}),
            **({} if turn.failure is None else {"failure": asdict(turn.failure)}),
            **{name: getattr(turn, name) for name in _PLAIN if getattr(turn, name) is not None},
            **{name: time.isoformat() for name in _TIMES if (time := getattr(turn, name)) is not None},
            "diffs": {item_id: _shortened(diff) for item_id, diff in turn.diffs.items() if item_id in saved_ids},
            "parsed": _shortened(to_jsonable_python(turn.parsed, fallback=str)),
        },
        "info": json.loads(json.dumps(asdict(info))),
    }


def turn_from_json(data: dict[str, Any]) -> tuple[Turn, TurnInfo]:
    """Return the turn and the info that `turn_to_json` converted.

    Raises:
        ValueError: If the data have another format or a newer version.
    """
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise ValueError(f"This is not a saved turn of format {VERSION}. A newer version of codex-jupyter may have written it.")
    try:
        saved = {("open_item_ids" if name == "open_items" else name): value for name, value in data["turn"].items()}
        missing, unknown = _REQUIRED - saved.keys(), saved.keys() - {field.name for field in fields(Turn)}
        if missing or unknown:
            raise ValueError(", ".join(sorted(missing | unknown)))
        turn, info = _validators()
        return _finite(turn.validate_python(saved)), _finite(info.validate_python(data["info"]))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"A saved turn is damaged, incomplete or has unknown parts: {str(error)[:MAX_ERROR]}") from error


@cache
def _validators() -> tuple[TypeAdapter[Turn], TypeAdapter[TurnInfo]]:
    """Return the types of a saved turn, whose fields are all checked: the file may come from anyone."""
    return TypeAdapter(Turn[Any]), TypeAdapter(TurnInfo)


def _finite(value: _T) -> _T:
    """Check that no number is infinite or NaN, which JSON of Python can contain.

    Raises:
        ValueError: If there is one.
    """
    for field in fields(value):  # type: ignore[arg-type]
        number = getattr(value, field.name)
        if isinstance(number, float) and not math.isfinite(number):
            raise ValueError(f"{field.name} is {number}")
    return value


def _item(item: ThreadItem) -> dict[str, Any]:
    """Return the JSON of an item, shortened and without missing values. Its diffs are those of the turn."""
    data = item.model_dump(mode="json")
    if isinstance(item, FileChangeItem):
        data["changes"] = [_without_missing(change, "diff") for change in data["changes"]]
    shortened: dict[str, Any] = _shortened(data if isinstance(item, UnknownItem) else _without_missing(data))
    return shortened


def _without_missing(data: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value is not None and name not in names}


def _shortened(value: Any) -> Any:
    """Shorten a JSON value with more than `MAX_JSON` characters. A shortened object has a field `left_out`."""
    size = _size(value)
    texts, parts, short = MAX_JSON // 2, 1024, value
    while (rest := _size(short)) > MAX_JSON:
        short = _cut(value, texts, parts)
        texts, parts = texts // 2, max(1, parts // 2)
    if short is not value and isinstance(short, dict):
        short["left_out"] = f"{size - rest:,} of {size:,} characters"
    return short


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False))


def _cut(value: Any, texts: int, parts: int) -> Any:
    """Shorten the texts and lists in a value, and replace large images by a description."""
    if isinstance(value, str):
        return phrases.short(value, texts)
    if isinstance(value, list):
        return [_cut(part, texts, parts) for part in value[:parts]]
    if not isinstance(value, dict):
        return value
    if value.get("type") in ("image", "audio") and len(str(value.get("data"))) > texts:
        return {"type": "text", "text": phrases.content_text(value)}
    return {phrases.short(key, texts): _cut(part, texts, parts) for key, part in list(value.items())[:parts]}
