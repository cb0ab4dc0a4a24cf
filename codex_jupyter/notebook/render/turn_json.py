"""A turn as JSON and back: what a saved notebook keeps so that the package can show the turn again."""

from dataclasses import asdict
from functools import cache
from typing import Any, Final

from pydantic import TypeAdapter

from codex_jupyter.notebook.render.frame import TurnInfo
from codex_jupyter.sdk.events import Usage
from codex_jupyter.sdk.items import ThreadItem
from codex_jupyter.sdk.turn import Turn

TURN_MIME: Final = "application/vnd.codex.turn+json"
VERSION: Final = 1
"""The form of the JSON. A reader refuses what is newer than itself."""


def turn_to_json(turn: Turn, info: TurnInfo) -> dict[str, Any]:
    """A turn as values of JSON.

    `parsed` comes back as what JSON makes of it: a model becomes an object, a value without any JSON form its `str`.
    """
    from pydantic_core import to_jsonable_python

    return {
        "version": VERSION,
        "turn": {
            "thread_id": turn.thread_id,
            "status": turn.status,
            "items": [item.model_dump(mode="json") for item in turn.items],
            "open_items": sorted(turn.open_items),
            "usage": turn.usage and turn.usage.model_dump(mode="json"),
            "thread_usage": turn.thread_usage and turn.thread_usage.model_dump(mode="json"),
            "error": turn.error,
            "warnings": list(turn.warnings),
            "diffs": dict(turn.diffs),
            "parsed": to_jsonable_python(turn.parsed, fallback=str),
        },
        "info": asdict(info),
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
            }
        )
        return turn, TurnInfo(**data["info"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"a saved turn is incomplete or has unknown parts: {error}") from error


def _usage(saved: dict[str, Any] | None) -> Usage | None:
    return None if saved is None else Usage.model_validate(saved)


@cache
def _items() -> TypeAdapter[list[ThreadItem]]:
    return TypeAdapter(list[ThreadItem])
