"""Structured answers: types and schemas in, strict schemas and values out."""

import dataclasses
import enum
import json
import math
import sys
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, Required, TypedDict

import pytest
from pydantic import BaseModel, Field, TypeAdapter, field_validator

from codex_jupyter.sdk import OutputSchemaError, ScriptedTransport
from codex_jupyter.sdk.codex import Codex
from codex_jupyter.sdk.models.output_schema import OutputSchema
from tests.sdk.conftest import Real
from tests.sdk.support.fake import MakeFake

pytestmark = pytest.mark.anyio


class Color(enum.StrEnum):
    RED = "red"


class Point(BaseModel):
    x: int
    y: int = 0


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"


class Node(BaseModel):
    value: str
    child: "Node | None" = None
    first: Annotated[Point, Field(description="the first")] = Point(x=1)


class Verdict(BaseModel):
    title: str = Field(description="short")
    default: int = 5
    color: Color = Color.RED
    points: list[Point] = []
    named: Annotated[Point, Field(description="with a note")]
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    maybe: float | None = None


@dataclasses.dataclass
class Answer:
    text: str
    score: float = 0.5


class Cell(TypedDict):
    value: int


class Row(TypedDict, total=False):
    name: Required[str]
    cells: list[Cell]
    last: Cell | None


class Pair(NamedTuple):
    a: int
    b: int


def objects(schema: Any) -> Iterator[Mapping[str, Any]]:
    """Every part of a schema that describes an object."""
    if isinstance(schema, dict):
        if "properties" in schema and isinstance(schema["properties"], dict):
            yield schema
        for value in schema.values():
            yield from objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from objects(value)


@pytest.mark.parametrize("source", [Verdict, Node, Answer, Row, Point])
def test_a_schema_is_strict_as_the_api_demands(source: type) -> None:
    """Closed, complete, without defaults, `oneOf` or anything beside a reference."""
    schema = OutputSchema.of(source).json_schema
    assert schema["type"] == "object"
    for part in objects(schema):
        assert part["additionalProperties"] is False
        assert part["required"] == list(part["properties"])
        for inner in part["properties"].values():
            assert "default" not in inner
            assert "$ref" not in inner or set(inner) == {"$ref"}
    text = json.dumps(schema)
    assert "oneOf" not in text
    assert "discriminator" not in text


def test_property_names_are_not_taken_for_keywords() -> None:
    """A property may be called `default` or `required`."""
    closed = {"type": "object", "properties": {}}
    properties = {"default": {"type": "string"}, "oneOf": closed}
    schema = OutputSchema.of({"type": "object", "properties": properties, "required": ["oneOf"]}).json_schema
    assert list(schema["properties"]) == ["default", "oneOf"]
    assert schema["required"] == ["default", "oneOf"]
    assert schema["properties"]["oneOf"]["additionalProperties"] is False


class Choices(BaseModel):
    answer: Literal["yes", "no", None]
    size: Literal[1, "many", True]
    kind: Literal["only"]


def test_each_part_of_a_schema_has_a_type() -> None:
    """Pydantic leaves it out for an enumeration with null or with values of several types."""
    assert OutputSchema.of(Choices).json_schema["properties"] == {
        "answer": {"title": "Answer", "anyOf": [{"enum": ["yes", "no"], "type": "string"}, {"type": "null"}]},
        "size": {
            "title": "Size",
            "anyOf": [{"enum": [1], "type": "integer"}, {"enum": ["many"], "type": "string"}, {"enum": [True], "type": "boolean"}],
        },
        "kind": {"title": "Kind", "const": "only", "type": "string"},
    }
    bare: dict[str, Any] = {
        "properties": {"a": {"const": 1.5}, "b": {"enum": ["x"]}, "c": {"items": {"type": "null"}}, "d": {"const": None}}
    }
    bare["required"] = list(bare["properties"])
    assert OutputSchema.of(bare).json_schema == {
        "type": "object",
        "properties": {
            "a": {"const": 1.5, "type": "number"},
            "b": {"enum": ["x"], "type": "string"},
            "c": {"type": "array", "items": {"type": "null"}},
            "d": {"type": "null"},
        },
        "required": ["a", "b", "c", "d"],
        "additionalProperties": False,
    }


class Record(TypedDict):
    name: str
    note: NotRequired[str]
    size: NotRequired[int | None]
    rows: NotRequired[list["Line"]]


class Line(TypedDict, total=False):
    text: str


def test_a_property_that_may_be_absent_is_null_in_the_answer_and_absent_in_the_value() -> None:
    """A null that the type allows is kept."""
    schema = OutputSchema.of(Record)
    properties = schema.json_schema["properties"]
    assert schema.json_schema["required"] == ["name", "note", "size", "rows"]
    assert properties["note"]["anyOf"][-1] == {"type": "null"}
    assert [part.get("type") for part in properties["size"]["anyOf"]] == ["integer", "null"]
    assert schema.parse('{"name": "a", "note": null, "size": null, "rows": null}') == {"name": "a", "size": None}
    rows = schema.parse('{"name": "a", "note": "b", "size": 1, "rows": [{"text": null}, {"text": "x"}]}')["rows"]
    assert rows == [{}, {"text": "x"}]
    plain = OutputSchema.of({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["b"]})
    assert plain.parse('{"a": null, "b": "x"}') == {"b": "x"}


class Square(BaseModel):
    kind: Literal["square"]
    side: int
    tags: list[str] = Field(default_factory=list)


class Circle(BaseModel):
    kind: Literal["circle"]
    side: int
    tags: list[str] | None = None


class Shapes(BaseModel):
    shapes: list[Annotated[Square | Circle, Field(discriminator="kind")]]


def test_a_value_that_may_be_absent_is_found_in_the_alternative_that_was_chosen() -> None:
    """Both alternatives have the same names."""
    shapes = OutputSchema.of(Shapes).parse(
        '{"shapes": [{"kind": "square", "side": 1, "tags": null}, {"kind": "circle", "side": 2, "tags": null}]}'
    )
    assert shapes == Shapes(shapes=[Square(kind="square", side=1), Circle(kind="circle", side=2)])


@pytest.mark.parametrize("source", [Point, Node, Answer, Choices, Shapes, Cat])
def test_a_schema_is_that_of_the_official_converter(source: Any) -> None:
    """The official converter leaves in what the API refuses, leaves out types, and makes properties with a default factory required."""
    oracle = pytest.importorskip("openai.lib._pydantic", reason="needs the openai package")
    official = oracle.to_strict_json_schema(source if issubclass(source, BaseModel) else TypeAdapter(source))
    assert _comparable(OutputSchema.of(source).json_schema) == _comparable(official)


def _comparable(node: Any) -> Any:
    """Return a schema without the parts that the official converter is known to leave as pydantic writes them."""
    if isinstance(node, list):
        return [_comparable(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    plain = {name: _comparable(value) for name, value in node.items() if name not in ("default", "discriminator")}
    if "oneOf" in plain:
        plain["anyOf"] = plain.pop("oneOf")
    properties = plain.get("properties")
    if isinstance(properties, dict):
        for name in {"answer", "size", "tags"} & properties.keys():
            properties[name] = name
    return plain


def test_a_reference_with_a_note_is_written_out() -> None:
    """A recursive one loses the note instead."""
    schema = OutputSchema.of(Verdict).json_schema
    assert schema["properties"]["named"]["description"] == "with a note"
    assert list(schema["properties"]["named"]["properties"]) == ["x", "y"]
    node: dict[str, Any] = {
        "type": "object",
        "properties": {"next": {"$ref": "#/$defs/Node", "description": "again"}},
        "required": ["next"],
    }
    recursive = OutputSchema.of({"$ref": "#/$defs/Node", "$defs": {"Node": node}}).json_schema
    assert recursive["type"] == "object"
    assert recursive["properties"]["next"] == recursive["$defs"]["Node"]["properties"]["next"] == {"$ref": "#/$defs/Node"}


def test_the_callers_schema_is_not_changed() -> None:
    """It may be used again."""
    schema = {"type": "object", "properties": {"a": {"type": "object", "properties": {}}}}
    before = json.dumps(schema)
    OutputSchema.of(schema)
    assert json.dumps(schema) == before


@pytest.mark.parametrize(
    "source",
    [5, "text", [1], ["a"], list[int], int, str, dict, Pair, Color, None.__class__, {}, {"type": "array", "items": {"type": "string"}}],
)
def test_what_describes_no_object_is_refused(source: Any) -> None:
    """With the kinds that are taken, or the type's name."""
    with pytest.raises(OutputSchemaError, match=r"must be (a plain JSON object|a JSON object)"):
        OutputSchema.of(source)


class Counts(BaseModel):
    rows: list[dict[str, int]]


class Loose(BaseModel):
    inner: dict[Literal["a"], Any] | None = None
    anything: Any


class Places(BaseModel):
    at: tuple[int, str]


class Bare(BaseModel):
    entries: list  # type: ignore[type-arg]


class Deep(BaseModel):
    counts: list[Counts]


@pytest.mark.parametrize(
    ("source", "where", "remedy"),
    [
        (Counts, r"rows\[\] is an object with any keys", "Use a list of objects with a key and a value"),
        (Deep, r"rows\[\] is an object with any keys", "name the keys"),
        (Loose, "inner is an object with any keys", "name the keys"),
        (Places, "at is a tuple", "Use a list"),
        (Bare, "entries can be anything", "Describe the type of its entries"),
        ({"type": "object", "properties": {"a": {}}}, "a can be anything", "Describe its type"),
        ({"type": "object", "properties": {"a": True}}, "a is True", "Describe it by a JSON object"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "the answer is an object with any keys", "name the keys"),
        ({"type": "object", "properties": {"a": {"allOf": [{"type": "string"}, {"minLength": 1}]}}}, "a uses `allOf`", "without that"),
        ({"type": "object"}, "the answer is an object with any keys", "name the keys"),
        ({"type": "object", "properties": {"a": {"items": {"type": "object"}}}}, r"a\[\] is an object with any keys", "name the keys"),
        ({"type": "object", "properties": {"a": {"enum": [{"x": 1}]}}}, "a has the value {'x': 1}, which the API does not", "as an object"),
        ({"type": "object", "properties": {"a": {"type": "string", "enum": ["x", None]}}}, "a has the value None", "Add the type 'null'"),
        ({"type": "object", "properties": {"a": {"$ref": "#/$defs/X"}}}, "a refers to '#/\\$defs/X'", r"Define it in \$defs"),
        (
            {"properties": {"a": {"type": "object", "anyOf": [{"type": "string"}]}}},
            "a has alternatives beside another type",
            "Put the type",
        ),
        ({"properties": {"a": {"items": {"type": "null"}, "oneOf": [{"type": "null"}]}}}, "a has alternatives beside `items`", "Put it"),
        ({"type": "object", "properties": {"a": {"type": "text"}}}, "a has the type 'text'", "Use string"),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["b"]}, "the answer requires b", "Add it"),
        ({"type": "object", "properties": {"a": {"type": "string", "nullable": True}}}, "a uses `nullable`", 'Add the type "null"'),
    ],
)
def test_what_the_api_would_refuse_is_refused_at_once(source: Any, where: str, remedy: str) -> None:
    """With its place and what to do, before anything runs."""
    with pytest.raises(OutputSchemaError, match=f"{where}.*{remedy}"):
        OutputSchema.of(source)


def nested(levels: int) -> dict[str, Any]:
    inner = {"type": "string"} if levels == 0 else nested(levels - 1)
    return {"type": "object", "properties": {"a": inner}, "required": ["a"]}


@pytest.mark.parametrize(
    ("source", "limit"),
    [
        (nested(10), "11 levels of objects.*at most 10"),
        ({"properties": {f"p{number}": {"type": "null"} for number in range(5001)}}, "5,001 properties.*at most 5,000"),
        ({"properties": {"a": {"enum": list(range(1001))}}}, "1,001 values in enumerations.*at most 1,000"),
        ({"properties": {"a": {"enum": [str(number) * 30 for number in range(251)]}}}, "an enumeration of 251 values.*at most 15,000"),
        ({"properties": {"a" * 120_001: {"type": "null"}}}, "120,001 characters.*at most 120,000"),
    ],
)
def test_a_schema_over_a_limit_of_the_api_is_refused(source: Any, limit: str) -> None:
    """Before anything runs; a recursive schema has no levels to count."""
    with pytest.raises(OutputSchemaError, match=limit):
        OutputSchema.of(source)


def test_the_limits_that_the_api_does_not_support_are_checked_in_the_answer_to_a_plain_schema() -> None:
    """The place of the value is in the message."""
    entries = {"type": "array", "uniqueItems": True, "items": {"type": "string", "maxLength": 3}}
    schema = OutputSchema.of({"type": "object", "properties": {"a": entries}, "required": ["a"]})
    assert schema.parse('{"a": ["x", "y"]}') == {"a": ["x", "y"]}
    with pytest.raises(OutputSchemaError, match=r"a\[1\] has 4 characters, at most 3"):
        schema.parse('{"a": ["x", "long"]}')
    with pytest.raises(OutputSchemaError, match="a has an entry twice"):
        schema.parse('{"a": ["x", "x"]}')


class Checked(BaseModel):
    name: str = Field(min_length=3)
    seen: set[int]
    file: Path
    day: date
    size: int = Field(gt=0)


def test_what_the_api_does_not_know_is_left_out_and_checked_when_the_answer_is_read() -> None:
    """Lengths, uniqueness and formats of our own; what it knows stays."""
    schema = OutputSchema.of(Checked)
    assert schema.json_schema["properties"] == {
        "name": {"title": "Name", "type": "string"},
        "seen": {"title": "Seen", "type": "array", "items": {"type": "integer"}},
        "file": {"title": "File", "type": "string"},
        "day": {"title": "Day", "type": "string", "format": "date"},
        "size": {"title": "Size", "type": "integer", "exclusiveMinimum": 0},
    }
    with pytest.raises(OutputSchemaError, match="name: String should have at least 3 characters"):
        schema.parse('{"name": "a", "seen": [1], "file": "x", "day": "2026-01-01", "size": 1}')


def test_a_type_without_a_schema_is_refused() -> None:
    """With its name."""

    class Opaque:
        pass

    with pytest.raises(OutputSchemaError, match="Opaque"):
        OutputSchema.of(Opaque)


def test_a_schema_that_is_not_json_is_refused() -> None:
    """Before anything runs."""
    with pytest.raises(OutputSchemaError, match="not valid JSON"):
        OutputSchema.of({"type": "object", "x": object()})
    with pytest.raises(OutputSchemaError, match="not valid JSON"):
        OutputSchema.of({"type": "object", "properties": {"a": {"enum": [math.nan]}}})


def test_a_schema_with_too_many_levels_is_refused() -> None:
    deep: dict[str, Any] = {"type": "integer"}
    for _ in range(sys.getrecursionlimit() - 100):
        deep = {"type": "array", "items": deep}
    with pytest.raises(OutputSchemaError, match="nested too deeply"):
        OutputSchema.of({"type": "object", "properties": {"a": deep}})


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="pydantic reads this type from Python 3.12 on")
def test_a_recursive_typed_dict_is_refused_with_the_remedy() -> None:
    with pytest.raises(OutputSchemaError, match="Use a pydantic model"):
        OutputSchema.of(Nested)
    assert OutputSchema.of(Row)


class Nested(TypedDict):
    inside: "list[Nested]"


class Refusing(BaseModel):
    a: int

    @field_validator("a")
    @classmethod
    def refuse(cls, value: int) -> int:
        raise LookupError(value)


def test_any_error_of_a_validator_is_an_error_of_the_answer() -> None:
    with pytest.raises(OutputSchemaError, match="its type raised LookupError: 1") as caught:
        OutputSchema.of(Refusing).parse('{"a": 1}')
    assert caught.value.text == '{"a": 1}'


class Sloppy(BaseModel):
    """A model with the default None for fields of other types."""

    count: int = None  # type: ignore[assignment]
    name: str = Field(None, description="A name")  # type: ignore[assignment]
    size: int | None = 7


VERDICT = {"title": "t", "default": 1, "color": "red", "points": [{"x": 1, "y": 2}], "named": {"x": 3, "y": 4}, "maybe": None}


@pytest.mark.parametrize(
    ("source", "text", "value"),
    [
        (Point, '{"x": 1, "y": 2}', Point(x=1, y=2)),
        (
            Verdict,
            json.dumps(VERDICT | {"pet": {"kind": "cat", "lives": 9}}),
            Verdict(
                title="t",
                default=1,
                color=Color.RED,
                points=[Point(x=1, y=2)],
                named=Point(x=3, y=4),
                pet=Cat(kind="cat", lives=9),
                maybe=None,
            ),
        ),
        (Answer, '{"text": "a", "score": 1}', Answer("a", 1.0)),
        (Row, '{"name": "n", "cells": [{"value": 1}], "last": null}', {"name": "n", "cells": [{"value": 1}], "last": None}),
        ({"properties": {"a": {"type": "integer"}, "b": {"type": "null"}}}, '{"a": null, "b": null}', {"b": None}),
        (Sloppy, '{"count": null, "name": null, "size": null}', Sloppy(size=None)),
        (Sloppy, '{"count": 1, "name": "n", "size": 0}', Sloppy(count=1, name="n", size=0)),
    ],
    ids=["model", "nested", "dataclass", "TypedDict", "dict", "no default", "a default that is not of the type"],
)
async def test_an_answer_is_a_value_of_the_type(source: Any, text: str, value: Any) -> None:
    """And the text stays beside it."""
    steps: list[dict[str, Any]] = [
        {"type": "item.completed", "item": {"id": "a", "type": "agent_message", "text": "Thinking about it"}},
        {"type": "item.completed", "item": {"id": "b", "type": "agent_message", "text": text}},
        {"type": "turn.completed", "usage": {"input_tokens": 1}},
    ]
    turn = await Codex(transport=ScriptedTransport([steps])).start_thread().run("go", output_schema=source)
    assert turn.parsed == value
    assert type(turn.parsed) is type(value)
    assert turn.final_response == text


@pytest.mark.parametrize("text", ["no JSON", '{"x": "one"}', "", "[1]"])
async def test_an_answer_that_does_not_fit_is_an_error_with_everything(fake: MakeFake, text: str) -> None:
    """The turn, the text, and where it does not fit."""
    with pytest.raises(OutputSchemaError, match="answer") as caught:
        await fake(f"started(); say({text!r}); completed()").thread().run("go", output_schema=Point)
    assert caught.value.text == text
    assert caught.value.turn is not None
    assert caught.value.turn.status == "completed"
    assert caught.value.turn.usage is not None


async def test_an_answer_is_asked_for_in_every_kind(real: Real) -> None:
    """The model is given the strict schema, and only in the turn that asks."""
    model = real.play(['{"text": "a", "score": 1}', "Free", '{"x": 1, "y": 2}'])
    thread = real.thread(model)
    assert (await thread.run("one", output_schema=Answer)).parsed == Answer("a", 1.0)
    assert (await thread.run("two")).parsed is None
    assert (await thread.run("three", output_schema=Point)).parsed == Point(x=1, y=2)
    formats = [request.body.get("text", {}).get("format") for request in model.requests]
    assert formats[0]["schema"] == OutputSchema.of(Answer).json_schema
    assert formats[1] is None
    assert formats[2]["schema"] == OutputSchema.of(Point).json_schema
