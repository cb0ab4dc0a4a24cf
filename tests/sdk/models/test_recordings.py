"""The real wire, recorded: every line is understood, and nothing of it is lost."""

import json
from pathlib import Path
from typing import Any

import pytest

from codex_jupyter.sdk import ScriptedTransport, Turn, TurnBuilder, UnknownEvent, UnknownItem, parse_event
from codex_jupyter.sdk.codex import Codex
from codex_jupyter.sdk.errors import CodexError
from codex_jupyter.sdk.processes.framing import LineFramer

RECORDINGS = sorted(Path(__file__).parents[2].joinpath("recordings").glob("exec_*.jsonl"))
recordings = pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)


def lines(path: Path) -> list[bytes]:
    framer = LineFramer()
    return [line for line in [*framer.feed(path.read_bytes()), *framer.flush()] if line]


def test_there_are_recordings() -> None:
    """Of every kind of item that the CLI shows."""
    kinds = {json.loads(line).get("item", {}).get("type") for path in RECORDINGS for line in lines(path)} - {None}
    assert len(RECORDINGS) > 100
    assert kinds == {
        "agent_message",
        "collab_tool_call",
        "command_execution",
        "error",
        "file_change",
        "mcp_tool_call",
        "reasoning",
        "todo_list",
        "web_search",
    }


@recordings
def test_every_line_is_understood(path: Path) -> None:
    """Without an unknown event or item, and with every field: the value says what the line says."""
    for line in lines(path):
        event = parse_event(line)
        assert event is not None
        if "unknown" not in path.stem:
            assert not isinstance(event, UnknownEvent)
            assert not isinstance(getattr(event, "item", None), UnknownItem)
        assert_kept(json.loads(line), event.model_dump())


def assert_kept(sent: Any, read: Any) -> None:
    """All that was sent was read; defaults may come on top."""
    if isinstance(sent, dict):
        for key, value in sent.items():
            assert_kept(value, read[key])
    elif isinstance(sent, list):
        assert len(sent) == len(read)
        for part, other in zip(sent, read, strict=True):
            assert_kept(part, other)
    else:
        assert sent == read


@recordings
def test_every_recording_folds_into_a_turn(path: Path) -> None:
    """An item for each id, in order of appearance, in its last state; closed at the end."""
    builder, last = TurnBuilder(), dict[str, Any]()
    for line in lines(path):
        raw = json.loads(line)
        if item := raw.get("item"):
            last[item["id"]] = item
        event = parse_event(line)
        assert event is not None
        builder.apply(event)
    builder.finish("interrupted")
    assert [item.id for item in builder.turn.items] == list(last)
    for item, raw in zip(builder.turn.items, last.values(), strict=True):
        if raw.get("status") == "in_progress":
            raw["status"] = "interrupted"
        assert_kept(raw, item.model_dump())


@pytest.mark.anyio
@recordings
async def test_every_recording_is_a_turn_with_one_verdict(path: Path) -> None:
    """Completed if it says so, an error with all its items if not."""
    raw = [json.loads(line) for line in lines(path)]
    types = [event["type"] for event in raw]
    thread = Codex(transport=ScriptedTransport([raw])).start_thread()
    turn: object
    if "turn.completed" in types:
        turn = await thread.run("go")
    else:
        with pytest.raises(CodexError) as caught:
            await thread.run("go")
        turn = caught.value.turn
    assert isinstance(turn, Turn)
    assert len(turn.items) == len({event["item"]["id"] for event in raw if "item" in event})
