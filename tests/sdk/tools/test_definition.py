"""The schema of a tool from its function, and the values of its arguments."""

import sys
import types
from datetime import date
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from codex_jupyter.sdk import ConfigError
from codex_jupyter.sdk.tools import Tool, ToolContext, ToolNamespace, ToolSet, tool
from codex_jupyter.sdk.tools.parameters import ArgumentsError


class Place(BaseModel):
    """A place."""

    name: str
    size: int = 3


@tool(read_only=True)
def weather(
    city: str,
    day: date,
    places: list[Place],
    unit: Literal["C", "F"] = "C",
    limit: Annotated[int, Field(ge=1, le=9, description="How many.")] = 5,
    pair: tuple[int, str] = (1, "a"),
    *,
    context: ToolContext,
) -> str:
    """Look up the weather.

    It takes a while.

    Args:
        city: The city,
            on two lines.
        limit: Not used, because the annotation has a description.

    Returns:
        A sentence.
    """
    return f"{city} {context.call_id}"


def test_the_schema_has_names_types_and_descriptions_and_what_the_cli_drops_is_in_the_description() -> None:
    spec = weather.spec
    assert (spec["type"], spec["name"]) == ("function", "weather")
    assert spec["description"] == "Look up the weather.\n\nIt takes a while.\n\nReturns: A sentence."
    schema = spec["inputSchema"]
    assert (schema["required"], schema["additionalProperties"]) == (["city", "day", "places"], False)
    assert schema["properties"]["city"] == {"type": "string", "description": "The city,\non two lines."}
    assert schema["properties"]["day"] == {"type": "string", "description": 'format: "date"'}
    assert schema["properties"]["unit"]["enum"] == ["C", "F"]
    assert schema["properties"]["limit"] == {"type": "integer", "description": "How many. (default: 5; minimum: 1; maximum: 9)"}
    assert schema["properties"]["pair"]["items"] == {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    assert schema["properties"]["places"] == {"type": "array", "items": {"$ref": "#/$defs/Place"}}
    assert schema["$defs"]["Place"]["properties"]["size"] == {"type": "integer", "description": "default: 3"}
    assert "context" not in schema["properties"]


def test_arguments_become_python_values_and_defaults_stay_with_the_function() -> None:
    values = weather.validate({"city": "Bern", "day": "2026-01-02", "places": [{"name": "x"}], "pair": [2, "b"]})
    assert values == {"city": "Bern", "day": date(2026, 1, 2), "places": [Place(name="x")], "pair": (2, "b")}


def test_wrong_arguments_are_named_all_at_once_with_the_parameters() -> None:
    with pytest.raises(ArgumentsError) as error:
        weather.validate({"city": 3, "places": [{}], "limit": 10, "zip": 1})
    text = str(error.value)
    for part in ("city: ", "day: Field required", "places.0.name: Field required", "limit: ", "zip: ", "Parameters: city, day, places"):
        assert part in text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(json_values)
def test_any_json_as_arguments_gives_values_or_an_error_for_the_model(arguments: Any) -> None:
    try:
        values = weather.validate(arguments)
    except ArgumentsError:
        return
    assert set(values) <= {"city", "day", "places", "unit", "limit", "pair"}


def test_names_of_pydantic_attributes_are_possible_as_names_of_parameters() -> None:
    def search(model_config: str, copy: int, json: str, schema: str = "", _hidden: str = "") -> None: ...

    search_tool = Tool(search)
    assert list(search_tool.input_schema["properties"]) == ["model_config", "copy", "json", "schema", "_hidden"]
    assert search_tool.validate({"model_config": "a", "copy": 1, "json": "b", "_hidden": "c"})["_hidden"] == "c"


def test_a_function_without_parameters_takes_no_arguments() -> None:
    def now() -> str:
        return ""

    now_tool = Tool(now)
    assert now_tool.input_schema == {"type": "object", "properties": {}, "additionalProperties": False}
    assert now_tool.validate(None) == now_tool.validate({}) == {}
    with pytest.raises(ArgumentsError, match="Parameters: none"):
        now_tool.validate({"a": 1})


def untyped(a) -> None: ...  # type: ignore[no-untyped-def]


def starred(*args: int) -> None: ...


def positional(a: int, /) -> None: ...


def impossible(a: types.FrameType) -> None: ...


def with_a_field(a: int = Field(3, ge=1)) -> None: ...


class Nested(TypedDict):
    inside: "list[Nested]"


def recursive(a: Nested) -> None: ...


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (untyped, "has no type"),
        (starred, "passes arguments by name"),
        (positional, "passes arguments by name"),
        (impossible, "JSON"),
        (with_a_field, "Annotated"),
    ],
)
def test_a_function_that_the_model_cannot_call_is_refused_with_the_reason(function: Any, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        ToolSet([function])


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="pydantic reads this type from Python 3.12 on")
def test_a_type_that_pydantic_cannot_read_is_refused_with_the_reason() -> None:
    with pytest.raises(ConfigError, match="recursion"):
        ToolSet([recursive])


class Seat(TypedDict):
    row: int
    note: NotRequired[str]


def test_parameters_may_be_typed_dicts_and_the_context_may_be_optional() -> None:
    def put(place: Seat, places: list[Seat], context: ToolContext | None = None) -> None: ...

    put_tool = Tool(put)
    assert put_tool.context_parameter == "context"
    assert put_tool.validate({"place": {"row": 1}, "places": []}) == {"place": {"row": 1}, "places": []}


def test_a_default_without_a_json_form_stays_with_the_function_and_nothing_warns(recwarn: pytest.WarningsRecorder) -> None:
    def find(key: str, default: object = object) -> None: ...

    assert Tool(find).validate({"key": "a"}) == {"key": "a"}
    assert not recwarn.list


@pytest.mark.parametrize("name", ["", "a b", "é", "x" * 65, "a.b"])
def test_a_name_that_the_cli_does_not_accept_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="not a valid name"):
        tool(name=name)(starred)
    with pytest.raises(ConfigError, match="not a valid name"):
        ToolNamespace(name, [])


def test_a_tool_is_still_the_function() -> None:
    @tool
    def double(number: int) -> int:
        """Double it."""
        return 2 * number

    assert double(4) == 8
    assert (double.name, double.__doc__) == ("double", "Double it.")


def test_a_method_of_an_object_is_a_tool() -> None:
    class Counter:
        count = 0

        @tool(exclusive=True)
        def add(self, number: int) -> int:
            self.count += number
            return self.count

    counter = Counter()
    bound = counter.add
    assert (bound.name, bound.exclusive, list(bound.input_schema["properties"])) == ("add", True, ["number"])
    assert bound(number=2) == counter.count == 2


def test_a_function_that_is_defined_again_is_the_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = types.ModuleType("notebook_of_test")
    monkeypatch.setitem(sys.modules, "notebook_of_test", notebook)
    exec("def answer() -> int:\n    return 1", notebook.__dict__)  # noqa: S102
    tools = ToolSet([tool(read_only=True)(notebook.__dict__["answer"])])
    first = tools.find(None, "answer")
    assert first is not None
    assert first() == 1
    exec("def answer(more: int) -> int:\n    return 2 + more", notebook.__dict__)  # noqa: S102
    second = tools.find(None, "answer")
    assert second is not None
    assert (second(more=3), second.read_only) == (5, True)
    notebook.__dict__["answer"] = "another value"
    assert tools.find(None, "answer") is first


@pytest.mark.parametrize("name", ["exec_command", "apply_patch", "wait"])
def test_a_clash_with_a_built_in_tool_is_refused_with_another_name(name: str) -> None:
    with pytest.raises(ConfigError, match=f"my_{name}"):
        ToolSet([tool(name=name)(lambda: None)])


def one() -> None: ...


def two() -> None: ...


def test_two_tools_of_one_name_are_refused_but_not_in_another_group() -> None:
    with pytest.raises(ConfigError, match="Two tools are named one"):
        ToolSet([one, tool(name="one")(two)])
    tools = ToolSet([one, ToolNamespace("kernel", [one, two], "The kernel.")])
    assert tools.names == [(None, "one"), ("kernel", "one"), ("kernel", "two")]
    group = tools.specs()[1]
    assert (group["type"], group["name"], group["description"], len(group["tools"])) == ("namespace", "kernel", "The kernel.", 2)


def test_a_turn_may_select_tools_by_name_function_and_group_but_no_others() -> None:
    group = ToolNamespace("kernel", [one, two])
    tools = ToolSet([one, two, group])
    assert [name for name in tools.names if tools.select(["one", "kernel.two"]).is_active(*name)] == [(None, "one"), ("kernel", "two")]
    assert [name for name in tools.names if tools.select([two, group]).is_active(*name)] == [
        (None, "two"),
        ("kernel", "one"),
        ("kernel", "two"),
    ]
    assert tools.select([]).specs() == tools.specs()
    assert (tools.required, tools.select([]).required, ToolSet().required) == (True, False, False)
    for wrong in ("three", starred, ToolNamespace("other", [one])):
        with pytest.raises(ConfigError, match=r"start_thread\(tools="):
            tools.select([wrong])
    with pytest.raises(ConfigError, match="list"):
        tools.select("one")


def test_a_stored_thread_must_have_the_tools_except_optional_groups() -> None:
    tools = ToolSet([one, ToolNamespace("kernel", [two], optional=True)])
    tools.check_stored([(None, "one"), (None, "other")])
    with pytest.raises(ConfigError, match=r"without the tools one.*Start a new thread"):
        tools.check_stored([("kernel", "two")])
