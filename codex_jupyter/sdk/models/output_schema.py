"""The form of an answer: a type or a JSON Schema goes in, a strict schema and a parsed value come out."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from types import UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints, is_typeddict

import typing_extensions
from pydantic import PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError, TypeAdapter, ValidationError

from codex_jupyter.sdk.errors import OutputSchemaError

_LEFT_OUT: Final = frozenset({"default", "discriminator", "uniqueItems", "minLength", "maxLength", "contentEncoding", "contentMediaType"})
"""What the API refuses and an answer can do without; of a type, it counts when the answer is read."""
_FORMATS: Final = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
"""The formats of texts that the API knows."""
_NOT_TAKEN: Final = ("prefixItems", "patternProperties", "allOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas")
"""What the API refuses and what changes the meaning if it is left out."""


@dataclass(frozen=True, slots=True)
class OutputSchema:
    """A schema in the strict form that the API demands, and how an answer in it is read."""

    json_schema: dict[str, Any]
    adapter: TypeAdapter[Any] | None = None
    """Reads the answer as a value of the type; None for a bare schema."""

    @classmethod
    def of(cls, source: Any) -> "OutputSchema":
        """Make a schema.

        Args:
            source: A JSON Schema as a mapping, or a type: a pydantic model, a dataclass, a TypedDict.

        Raises:
            OutputSchemaError: If it is neither, describes no JSON object, or holds what the API cannot express, such as a dict of any keys.
        """
        if isinstance(source, Mapping):
            schema, adapter = dict(source), None
        elif isinstance(source, type) and source not in (dict, list, str, int, float, bool):
            try:
                adapter = TypeAdapter(_readable(source))
                schema = adapter.json_schema()
            except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError) as error:
                why = error.message.partition("\n")[0].partition(" Set `arbitrary_types_allowed")[0]  # what follows is about other uses
                raise OutputSchemaError(f"No JSON Schema can be made of {source.__name__}: {why}") from error
        else:
            raise OutputSchemaError(
                "output_schema must be a plain JSON object (a dict), a pydantic model, a dataclass or a TypedDict, "
                f"not {getattr(source, '__name__', type(source).__name__)}."
            )
        try:
            json.dumps(schema)
        except (TypeError, ValueError) as error:
            raise OutputSchemaError(f"output_schema is no JSON: {error}.") from error
        strict = _strict(schema, schema)
        if strict.get("type") != "object":
            raise OutputSchemaError(f"An answer must be a JSON object, and {getattr(source, '__name__', 'that of output_schema')} is none.")
        _check(strict, "")
        return cls(strict, adapter)

    def parse(self, text: str) -> Any:
        """Read an answer.

        Args:
            text: The agent's final message.

        Returns:
            An instance of the type, or the plain JSON value for a bare schema.

        Raises:
            OutputSchemaError: If it is no JSON, or does not fit the type. The error carries the text.
        """
        try:
            return json.loads(text) if self.adapter is None else self.adapter.validate_json(text)
        except ValidationError as error:
            raise OutputSchemaError(f"The answer does not fit the output schema: {_first(error)}", text=text) from error
        except ValueError as error:
            raise OutputSchemaError(f"The answer is no JSON: {error}.", text=text) from error


def _readable(kind: Any) -> Any:
    """A type that pydantic can read: before Python 3.12 it takes a TypedDict of `typing_extensions` only, not one of `typing`."""
    if sys.version_info >= (3, 12):
        return kind
    if is_typeddict(kind):
        hints = {name: _readable(hint) for name, hint in get_type_hints(kind, include_extras=True).items()}
        return typing_extensions.TypedDict(kind.__name__, hints, total=kind.__total__)  # type: ignore[operator]
    origin, arguments = get_origin(kind), tuple(map(_readable, get_args(kind)))
    if not arguments or arguments == get_args(kind):
        return kind
    return reduce(or_, arguments) if origin is UnionType else origin[arguments]


def _first(error: ValidationError) -> str:
    detail = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, detail['loc'])) or 'the whole'}: {detail['msg']}."


def _strict(node: Any, root: Mapping[str, Any], inside: tuple[str, ...] = ()) -> Any:
    """Bring a schema, or a part of one, into the form that the API demands; a schema in that form stays as it is.

    See the rules for structured outputs in the API's documentation: every object is closed (`additionalProperties` is false) and has all
    its properties required, alternatives are `anyOf`, nothing has a default, and a reference stands alone.
    """
    if isinstance(node, list):
        return [_strict(entry, root, inside) for entry in node]
    if not isinstance(node, Mapping):
        return node
    reference = node.get("$ref")
    if isinstance(reference, str) and (len(node) > 1 or node is root):
        target = _resolved(reference, root)
        beside = {key: value for key, value in node.items() if key != "$ref"}
        # A reference back to where it stands cannot be written out: it loses what is beside it instead.
        if target is not None and reference not in inside:
            return _strict({**target, **beside}, root, (*inside, reference))
        if node is not root:
            return {"$ref": reference}
    strict: dict[str, Any] = {}
    for key, value in node.items():
        if key in _LEFT_OUT or (key == "format" and value not in _FORMATS):
            continue
        if key in ("properties", "$defs", "definitions") and isinstance(value, Mapping):
            # Here the keys are names, not keywords.
            strict[key] = {name: _strict(inner, root, inside) for name, inner in value.items()}
        elif key in ("enum", "const", "examples", "required"):
            strict[key] = value
        else:
            strict["anyOf" if key == "oneOf" and "anyOf" not in node else key] = _strict(value, root, inside)
    if isinstance(strict.get("properties"), dict):
        strict.setdefault("type", "object")
        strict["additionalProperties"] = False
        strict["required"] = list(strict["properties"])
    elif strict.get("type") == "object":
        strict.setdefault("additionalProperties", False)
    return strict


def _check(node: Any, path: str) -> None:
    """Refuse at once, and with its place, what the API would refuse when the turn has begun.

    Args:
        node: A strict schema, or a part of one.
        path: Where it stands, such as `rows[].name`; empty for the whole.
    """
    where = path or "the answer"
    if not isinstance(node, Mapping):
        raise OutputSchemaError(f"output_schema: {where} must be described by a JSON object, not {node!r}: say what it holds.")
    for keyword in _NOT_TAKEN:
        if keyword in node:
            remedy = "use a list, or an object with a name for each place" if keyword == "prefixItems" else "describe it without that"
            what = "is a tuple" if keyword == "prefixItems" else f"uses `{keyword}`"
            raise OutputSchemaError(f"output_schema: {where} {what}, which the API does not take: {remedy}.")
    if node.get("additionalProperties", False) is not False:
        raise OutputSchemaError(
            f"output_schema: {where} is an object of any keys, such as a dict, which the API does not take: "
            "use a list of objects with a key and a value, or give the keys names."
        )
    if not {"type", "$ref", "anyOf", "enum", "const"} & node.keys() or (node.get("type") == "array" and not node.get("items")):
        raise OutputSchemaError(f"output_schema: {where} may hold anything, which the API does not take: say what it holds.")
    for name, inner in node.get("properties", {}).items():
        _check(inner, f"{path}.{name}".removeprefix("."))
    for name, inner in (node.get("$defs", {}) | node.get("definitions", {})).items():
        _check(inner, name)
    for inner in node.get("anyOf", ()):
        _check(inner, path)
    if "items" in node:
        _check(node["items"], f"{path}[]")


def _resolved(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The part of the schema that a reference such as `#/$defs/Name` means; None if there is none."""
    node: Any = root
    for name in reference.removeprefix("#/").split("/"):
        node = node.get(name) if isinstance(node, Mapping) else None
    return node if isinstance(node, Mapping) else None
