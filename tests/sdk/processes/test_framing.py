"""Lines of standard output, in any pieces and of any form: no line is lost, and an odd line does not end a turn."""

import json
from typing import Any

import pytest

from codex_jupyter.sdk import AgentMessageItem, IncompleteTurnError, ItemCompletedEvent, UnknownEvent, UnknownItem
from codex_jupyter.sdk.processes.framing import LineFramer
from tests.sdk.support.fake import THREAD_ID, MakeFake, both_backends

pytestmark = pytest.mark.anyio


@both_backends
@pytest.mark.parametrize("size", [70_000, 7_000_000, 40_000_000], ids=["70 kB", "7 MB", "40 MB"])
async def test_a_line_may_have_any_length(fake: MakeFake, size: int) -> None:
    """No limit of a stream reader cuts a line."""
    turn = await fake(f"started(); say('x' * {size}); completed()").thread().run("go")
    assert len(turn.final_response) == size
    assert turn.final_response.count("x") == size


async def test_escaped_control_characters_make_a_long_line_of_short_text(fake: MakeFake) -> None:
    """1 MiB of output can be a line of 6 MiB."""
    turn = await fake("started(); say('\\0' * 2**20); completed()").thread().run("go")
    assert turn.final_response == "\0" * 2**20


@both_backends
async def test_only_a_newline_ends_a_line(fake: MakeFake) -> None:
    """Other characters that Python takes for line ends are text."""
    text = "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\x1dh\x1ei\rj"
    turn = await fake(f"started(); say({text!r}); completed()").thread().run("go")
    assert turn.final_response == text
    assert len(turn.items) == 1


@both_backends
async def test_lines_may_come_in_any_pieces(fake: MakeFake) -> None:
    """A character, a line and an event may be cut anywhere."""
    body = """
        data = b"".join(json.dumps(event, ensure_ascii=False).encode() + b"\\n" for event in [
            dict(type="thread.started", thread_id=THREAD),
            dict(type="item.completed", item=dict(id="item_0", type="agent_message", text="é😀")),
            dict(type="turn.completed", usage=dict(input_tokens=1, cached_input_tokens=0, output_tokens=1))])
        for byte in data:
            write(bytes([byte]))
    """
    turn = await fake(body).thread().run("go")
    assert turn.final_response == "é😀"
    assert turn.status == "completed"


async def test_many_lines_in_one_piece_keep_their_order(fake: MakeFake) -> None:
    """Nothing is lost between two reads."""
    turn = await fake("started(); emit(*[dict(type='x', n=n) for n in range(20_000)]); say('end'); completed()").thread().run("go")
    assert turn.final_response == "end"


async def test_every_event_of_a_flood_arrives_in_order(fake: MakeFake) -> None:
    """Also when the reader is slower than the writer."""
    thread = fake("started(); [say(str(n), 'item_' + str(n)) for n in range(5000)]; completed()").thread()
    async with thread.run_streamed("go") as streamed:
        texts = [e.item.text async for e in streamed.events if isinstance(e, ItemCompletedEvent) and isinstance(e.item, AgentMessageItem)]
    assert texts == [str(n) for n in range(5000)]


async def test_the_last_line_needs_no_newline(fake: MakeFake) -> None:
    """The end of the output ends a line, too."""
    body = """started(); say("Hi"); write(b'{"type":"turn.completed","usage":{"input_tokens":5,"output_tokens":1}}')"""
    turn = await fake(body).thread().run("go")
    assert turn.usage is not None
    assert turn.usage.input_tokens == 5


@pytest.mark.parametrize(
    "noise",
    [
        b"\xef\xbb\xbf",
        b"\n\n  \n\r\n",
        b"hello, I am a wrapper\n",
        b"[1, 2]\n",
        b"42\nnull\ntrue\n",
        b'"text"\n',
        b'{"type": 5}\n{}\n',
        b'{"type":"item.completed"\n',
        b"\xff\xfe\x00 bytes\n",
        b"\x1b[31mred\x1b[0m\n",
        b"[" * 5000 + b"\n",
    ],
    ids=["bom", "blank", "text", "array", "scalars", "string", "untyped", "cut", "bytes", "ansi", "nested"],
)
@both_backends
async def test_foreign_lines_do_no_harm(fake: MakeFake, noise: bytes) -> None:
    """Other text on standard output does not hide the events."""
    turn = await fake(f"write({noise!r}); started(); say('Hi'); completed()").thread().run("go")
    assert turn.thread_id == THREAD_ID
    assert turn.final_response == "Hi"
    assert turn.status == "completed"


async def test_foreign_lines_between_events_do_no_harm(fake: MakeFake) -> None:
    """Not only at the beginning."""
    body = "started(); write(b'warning: x\\n\\xff\\n'); say('Hi'); write(b'\\n\\n{\\n'); completed(); write(b'bye')"
    assert (await fake(body).thread().run("go")).final_response == "Hi"


async def test_foreign_lines_are_reported_when_there_is_no_other_reason(fake: MakeFake) -> None:
    """They are the best reason there is."""
    with pytest.raises(IncompleteTurnError, match="node: command not found"):
        await fake("print('node: command not found')").thread().run("go")


async def test_bytes_that_are_not_utf8_lose_no_event(fake: MakeFake) -> None:
    """They are shown as replacement characters."""
    body = r"""
        started()
        write(b'{"type":"item.completed","item":{"id":"i","type":"agent_message","text":"a\xff\xe9b"}}' + b"\n")
        completed()
    """
    assert (await fake(body).thread().run("go")).final_response == "a��b"


async def test_unknown_events_and_items_are_kept_as_they_are(fake: MakeFake) -> None:
    """A newer CLI does not break an older SDK."""
    event = {"type": "item.plan.delta", "delta": {"a": [1]}}
    item = {"id": "item_9", "type": "hologram", "size": [1, 2], "status": "in_progress"}
    body = f"started(); emit({event!r}, dict(type='item.completed', item={item!r})); say('Hi'); completed()"
    async with fake(body).thread().run_streamed("go") as streamed:
        events = [event async for event in streamed.events]
        turn = await streamed.wait()
    unknown = next(e for e in events if isinstance(e, UnknownEvent))
    assert unknown.model_dump() == event
    kept = turn.items[0]
    assert isinstance(kept, UnknownItem)
    assert kept.model_dump() == item
    assert turn.final_response == "Hi"


@pytest.mark.parametrize(
    "item",
    [
        {"type": "command_execution", "command": "x", "aggregated_output": "", "exit_code": None, "status": "paused"},
        {"type": "command_execution", "command": "x", "aggregated_output": "", "status": "in_progress"},
        {"type": "file_change", "changes": [{"path": "/a", "kind": "rename", "diff": "+x"}], "status": "in_progress"},
        {"type": "file_change", "changes": [], "status": "declined"},
        {"type": "collab_tool_call", "tool": "teleport", "status": "interrupted"},
        {"type": "mcp_tool_call", "server": "s", "tool": "t", "arguments": None, "result": None, "error": None, "status": "new"},
        {"type": "web_search", "query": "", "action": {"type": "dream", "depth": 3}},
    ],
    ids=lambda item: f"{item['type']}-{item.get('status')}",
)
async def test_new_values_of_known_fields_are_passed_on(fake: MakeFake, item: dict[str, Any]) -> None:
    """Enumerations are open, and no field is dropped."""
    turn = await fake(f"started(); emit(dict(type='item.completed', item=dict(id='i', **{item!r}))); completed()").thread().run("go")
    (kept,) = turn.items
    assert not isinstance(kept, UnknownItem)
    assert item.items() <= kept.model_dump(exclude_unset=True).items()


async def test_an_item_in_an_unknown_form_is_kept(fake: MakeFake) -> None:
    """A known type with a field of another type is an unknown item, not an error."""
    turn = await fake("started(); item('i', 'agent_message', text=5); say('Hi', 'j'); completed()").thread().run("go")
    assert [type(item) for item in turn.items] == [UnknownItem, AgentMessageItem]
    assert turn.items[0].model_dump()["text"] == 5


async def test_an_id_that_comes_twice_in_one_object_is_read_like_everywhere(fake: MakeFake) -> None:
    """The last one counts, for every event of the item: `web_search` comes like that."""
    line = '{{"type":"item.{}","item":{{"id":"item_4","type":"web_search","id":"ws_1","query":"{}","action":{{"type":"other"}}}}}}\n'
    body = f"started(); write({line.format('started', '').encode()!r}); write({line.format('completed', 'q').encode()!r}); completed()"
    turn = await fake(body).thread().run("go")
    assert [(item.id, item.type, getattr(item, "query", None)) for item in turn.items] == [("ws_1", "web_search", "q")]


@pytest.mark.parametrize(
    ("terminal", "status"),
    [
        ({"type": "turn.completed"}, "completed"),
        ({"type": "turn.completed", "usage": None}, "completed"),
        ({"type": "turn.completed", "usage": {"input_tokens": "many"}}, "completed"),
        ({"type": "turn.failed", "error": "no"}, "failed"),
        ({"type": "turn.failed", "error": {"reason": "no"}}, "failed"),
    ],
    ids=lambda value: json.dumps(value),
)
async def test_an_end_in_an_unknown_form_is_an_end(fake: MakeFake, terminal: dict[str, Any], status: str) -> None:
    """The form of the counts or of the reason does not decide if a turn has ended."""
    async with fake(f"started(); say('Hi'); emit({terminal!r})").thread().run_streamed("go") as streamed:
        async for _ in streamed.events:
            pass
        assert streamed.turn.status == status
        assert (streamed.turn.error or "").count("no") == (status == "failed")
        assert streamed.turn.usage is None


async def test_fields_that_are_new_are_kept_on_events(fake: MakeFake) -> None:
    """Nothing of an event is dropped, usage included."""
    body = f"""
        emit(dict(type="thread.started", thread_id="{THREAD_ID}", timestamp=7))
        emit(dict(type="turn.completed", usage=dict(input_tokens=1, cached_input_tokens=2, output_tokens=3, cache_write_input_tokens=4,
            reasoning_output_tokens=5, audio_tokens=6)))
    """
    async with fake(body).thread().run_streamed("go") as streamed:
        events = [event.model_dump() async for event in streamed.events]
    assert events[0]["timestamp"] == 7
    assert events[1]["usage"] == {
        "input_tokens": 1,
        "cached_input_tokens": 2,
        "output_tokens": 3,
        "cache_write_input_tokens": 4,
        "reasoning_output_tokens": 5,
        "audio_tokens": 6,
    }


def test_the_pieces_of_a_line_are_joined_and_the_start_of_the_next_line_is_kept() -> None:
    framer = LineFramer()
    chunks = (b"a", b"b\nc", b"d", b"e", b"\n\n", b"f\ng\nh", b"\n")
    assert [framer.feed(chunk) for chunk in chunks] == [[], [b"ab"], [], [], [b"cde", b""], [b"f", b"g"], [b"h"]]
    assert framer.flush() == []
