"""The messages of the chat are the same in Python and in the page's JavaScript."""

import re
import types
from pathlib import Path
from typing import Any, Literal, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from codex_jupyter.notebook.chat import page_actions, protocol
from codex_jupyter.notebook.render import TURNS_MIME

SOURCE = (Path(protocol.__file__).parent / "static" / "protocol.js").read_text(encoding="utf-8")
TYPEDEFS = re.findall(r"@typedef \{object\} (\w+)\n(.*?)\*/", SOURCE, re.DOTALL)
IN_JAVASCRIPT = {name: sorted(re.findall(r"@property \{(.+)\} (\[?\w+\]?)", body)) for name, body in TYPEDEFS}
"""For each type of protocol.js, the JavaScript types and the names of its properties. Optional names stand in brackets."""
UNIONS = {name: set(re.findall(r"\w+", body)) for body, name in re.findall(r"@typedef \{([^{}]*)\} (\w+)", SOURCE) if "|" in body}
IN_PYTHON: dict[str, Any] = {name: value for name, value in (vars(protocol) | vars(page_actions)).items() if is_typeddict(value)}
PRIMITIVES = {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null", Any: "any"}


def javascript(annotation: Any) -> str:
    """Return a Python type as JavaScript's type checker writes it."""
    arguments = get_args(annotation)
    match get_origin(annotation):
        case None:
            return PRIMITIVES[annotation] if annotation in PRIMITIVES else str(annotation.__name__)
        case origin if origin is Literal:
            return f'"{arguments[0]}"'
        case origin if origin is list:
            return f"{javascript(arguments[0])}[]"
        case origin if origin is dict:
            return f"Record<{javascript(arguments[0])}, {javascript(arguments[1])}>"
        case types.UnionType:
            return " | ".join(map(javascript, arguments))
        case other:
            raise TypeError(f"{other} has no counterpart in JavaScript")


def properties(typed_dict: Any) -> list[tuple[str, str]]:
    fields = []
    for name, annotation in get_type_hints(typed_dict, include_extras=True).items():
        optional = get_origin(annotation) is NotRequired
        fields.append((javascript(get_args(annotation)[0] if optional else annotation), f"[{name}]" if optional else name))
    return sorted(fields)


def test_both_languages_have_the_same_types_of_messages() -> None:
    assert IN_PYTHON.keys() == IN_JAVASCRIPT.keys()
    assert len(IN_PYTHON) > 30


@pytest.mark.parametrize("name", IN_PYTHON)
def test_a_message_has_the_same_properties_in_both_languages(name: str) -> None:
    assert IN_JAVASCRIPT[name] == properties(IN_PYTHON[name])


@pytest.mark.parametrize(("name", "union"), [("Message", protocol.Message), ("Action", page_actions.Action)])
def test_the_unions_list_every_message_and_every_action(name: str, union: Any) -> None:
    members = {member.__name__ for member in get_args(union)}
    assert members == UNIONS[name]
    assert members == {typed for typed in IN_PYTHON if typed.endswith(name)}


def test_both_languages_have_the_same_constants() -> None:
    assert f'COMM_TARGET = "{protocol.COMM_TARGET}";' in SOURCE
    assert f'TURNS_MIME = "{TURNS_MIME}";' in SOURCE
    megabytes = protocol.MAX_UPLOAD // 1024**2
    assert f"MAX_UPLOAD = {megabytes} * 1024 * 1024;" in SOURCE
