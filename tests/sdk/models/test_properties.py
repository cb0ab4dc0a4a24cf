"""Properties that hold for any input: framing, config, events, schemas."""

import json
import math
import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from codex_jupyter.sdk import ConfigError, OutputSchemaError, TurnBuilder, UnknownEvent, parse_event
from codex_jupyter.sdk.executable.config_flags import render_config_flags
from codex_jupyter.sdk.models.output_schema import OutputSchema
from codex_jupyter.sdk.processes.framing import LineFramer

settings.register_profile("sdk", deadline=None, max_examples=200, database=None)
settings.load_profile("sdk")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(st.binary(max_size=400).map(lambda data: data.replace(b"x", b"\n")), st.lists(st.integers(0, 400)))
def test_any_split_of_the_bytes_gives_the_same_lines(data: bytes, cuts: list[int]) -> None:
    """In pieces of any size."""
    framer, lines = LineFramer(), list[bytes]()
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, end in pairwise(places):
        lines += framer.feed(data[start:end])
    *whole, rest = data.split(b"\n")
    assert lines + framer.flush() == whole + [rest] * bool(rest)
    assert framer.flush() == []


KINDS = [
    "agent_message",
    "reasoning",
    "command_execution",
    "file_change",
    "mcp_tool_call",
    "collab_tool_call",
    "web_search",
    "todo_list",
    "error",
]
TYPES = ["thread.started", "turn.started", "turn.completed", "turn.failed", "item.started", "item.updated", "item.completed", "error"]
ITEM_KEYS = [
    "text",
    "command",
    "aggregated_output",
    "exit_code",
    "status",
    "changes",
    "server",
    "tool",
    "result",
    "error",
    "items",
    "action",
]
items = st.fixed_dictionaries(
    {},
    optional={"id": json_values | st.just("item_0"), "type": st.sampled_from(KINDS) | json_values, **dict.fromkeys(ITEM_KEYS, json_values)},
)
events = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(TYPES) | json_values,
        "item": items | json_values,
        "usage": json_values | st.dictionaries(st.sampled_from(["input_tokens", "output_tokens"]), json_values),
        "thread_id": json_values,
        "message": json_values,
        "error": json_values | st.dictionaries(st.just("message"), json_values),
    },
)


@given(events | json_values)
def test_any_json_is_an_event_or_nothing(value: Any) -> None:
    """There is never an exception, and an event keeps its type and every field."""
    line = json.dumps(value)
    event = parse_event(line)
    assert event == parse_event(line.encode())
    if isinstance(value, dict) and isinstance(value.get("type"), str):
        assert event is not None
        assert (event.wire_type if isinstance(event, UnknownEvent) else event.type) == value["type"]
        assert value.keys() <= event.model_dump().keys()
    else:
        assert event is None


@given(st.lists(events, max_size=8))
@example([{"type": "turn.completed", "usage": {}}, {"type": "item.started", "item": {"id": "item_0"}}])
def test_any_events_make_a_turn(values: list[dict[str, Any]]) -> None:
    """The builder takes what the parser gives, and its end closes everything."""
    builder = TurnBuilder()
    for value in values:
        if (event := parse_event(json.dumps(value))) is not None:
            builder.apply(event)
            assert builder.turn is builder.turn
    builder.finish("interrupted")
    turn = builder.turn
    assert turn.status != "in_progress"
    assert turn.open_item_ids == frozenset()
    assert isinstance(turn.final_response, str)


@given(st.binary(max_size=100) | st.text(max_size=100))
def test_any_line_is_an_event_or_nothing(line: bytes | str) -> None:
    """Bytes of any kind, surrogates, nothing at all."""
    event = parse_event(line)
    assert event is None or isinstance(event.type, str)


toml_scalars = (
    texts
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.dates(date(1, 1, 1))
    | st.datetimes(datetime(1000, 1, 1), timezones=st.sampled_from([None, UTC]))
    | st.times()
)
toml_values = st.recursive(
    toml_scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts.filter(bool), inner, max_size=3),
    max_leaves=10,
)
plain = st.from_regex(r"[A-Za-z0-9_-]{1,8}", fullmatch=True)


def as_the_cli_reads(overrides: list[str]) -> dict[str, Any]:
    """Cut at the first `=`, split the key at every dot, read the value as TOML."""
    read: dict[str, Any] = {}
    for override in overrides:
        path, _, value = override.partition("=")
        *parents, last = path.split(".")
        table = read
        for name in parents:
            table = table.setdefault(name, {})
        table[last] = tomllib.loads(f"v = {value}")["v"]
    return read


def same(left: Any, right: Any) -> bool:
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=0, abs_tol=0)
    return type(left) is type(right) and bool(left == right)


@given(st.dictionaries(plain, toml_values, max_size=4))
def test_any_config_is_read_back_as_it_was(config: dict[str, Any]) -> None:
    """Keys with dots, blanks, quotes and `=`; texts of all sorts; tables in tables. A line each, without NUL."""
    overrides = render_config_flags(config)
    assert same(as_the_cli_reads(overrides), config)
    assert not any("\n" in override or "\0" in override for override in overrides)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"a": None}, "Codex config override at a cannot be null."),
        ({"a": {"b": [1, {"c": None}]}}, "Codex config override at a.b[1].c cannot be null."),
        ({"a": [float("nan")]}, "Codex config override at a[0] must be a finite number."),
        ({"a": float("inf")}, "Codex config override at a must be a finite number."),
        ({"a": 2**63}, "Codex config override at a must fit into 64 bits."),
        ({"a": -(2**63) - 1}, "Codex config override at a must fit into 64 bits."),
        ({"a": {"b": object()}}, "Unsupported Codex config override value at a.b: object."),
        ({"a": {1, 2}}, "Unsupported Codex config override value at a: set."),
        ({"": 1}, "Codex config override keys must be non-empty strings, not ''."),
        ({"a": {5: 1}}, "Codex config override keys at a must be non-empty strings, not 5."),
        ([1], "Codex config overrides must be a mapping."),
        ({"a=b": 1}, "key 'a=b' cannot be passed"),
        ({'"a"': 1}, "cannot be passed"),
        ({"a": "\ud800"}, "Unsupported Codex config override value at a: "),
    ],
)
def test_a_config_value_without_a_toml_form_is_named_by_its_path(config: Any, message: str) -> None:
    """With the words of the TypeScript SDK, where it has some."""
    with pytest.raises(ConfigError) as caught:
        render_config_flags(config)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("config", "overrides"),
    [
        ({}, []),
        ({"a": {"b": {"c": 1, "d": True}}}, ["a.b.c=1", "a.b.d=true"]),
        ({"a": {"c": {}}}, ["a.c={}"]),
        ({"a": {}}, ["a={}"]),
        ({"features.plugins": False}, ["features.plugins=false"]),
        ({"a": {"x y": 1}}, ["a.x y=1"]),
        ({"servers": {"my.srv": {"url": "u"}}}, ['servers={"my.srv" = {url = "u"}}']),
        ({"a": {"k=v": 1, "plain": 2}}, ['a={"k=v" = 1, plain = 2}']),
        ({"a": [{"k": 1, "x y": True}]}, ['a=[{k = 1, "x y" = true}]']),
        ({"a": "😀 é \x7f \u2028"}, ['a="😀 é \\u007f \u2028"']),
        ({"a": ("x", 1.5)}, ['a=["x", 1.5]']),
    ],
)
def test_config_has_an_exact_form(config: dict[str, Any], overrides: list[str]) -> None:
    """Dotted where the CLI understands it, an inline table where not."""
    assert render_config_flags(config) == overrides


schemas = st.recursive(
    st.sampled_from([{"type": "string"}, {"type": "integer", "default": 1}, {"$ref": "#/$defs/A"}, {"$ref": "#/$defs/A", "title": "t"}]),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["object", "array"]),
            "properties": st.dictionaries(texts, inner, max_size=3),
            "items": inner,
            "anyOf": st.lists(inner, max_size=2),
            "oneOf": st.lists(inner, max_size=2),
            "additionalProperties": st.booleans() | inner,
            "$defs": st.dictionaries(st.sampled_from(["A", "B"]), inner, max_size=2),
            "required": st.lists(texts, max_size=2),
            "enum": st.lists(json_values, max_size=2),
        },
    ),
    max_leaves=10,
)


@given(schemas)
def test_a_strict_schema_stays_as_it_is(schema: dict[str, Any]) -> None:
    """Strict once is strict."""
    try:
        strict = OutputSchema.of(schema).json_schema
    except OutputSchemaError:
        return
    assert OutputSchema.of(strict).json_schema == strict
