"""Output schemas: convert a type or a JSON Schema to a strict schema, and parse the answer."""

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
"""Keywords that the API refuses and that can be left out. For a type, parsing the answer still checks them."""
_FORMATS: Final = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
"""Formats of texts that the API knows."""
_NOT_TAKEN: Final = ("prefixItems", "patternProperties", "allOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas")
"""Keywords that the API refuses and that cannot be left out without a change of the meaning."""


@dataclass(frozen=True, slots=True)
class OutputSchema:
    """A schema in the strict form that the API requires, and the parser of its answers."""

    json_schema: dict[str, Any]
    adapter: TypeAdapter[Any] | None = None
    """Parses the answer as a value of the type. None for a plain schema."""

    @classmethod
    def of(cls, source: Any) -> "OutputSchema":
        """Create a schema.

        Args:
            source: A JSON Schema as a mapping, or a type: a pydantic model, a dataclass, a TypedDict.

        Raises:
            OutputSchemaError: If it is neither, does not describe a JSON object, or contains something that the API does not support, such
                as a dict with any keys.
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
            raise OutputSchemaError(f"output_schema is not valid JSON: {error}. Use plain JSON values.") from error
        strict = _strict(schema, schema)
        if strict.get("type") != "object":
            name = getattr(source, "__name__", "output_schema")
            raise OutputSchemaError(f"An answer must be a JSON object, and {name} describes something else. Put the value into a field.")
        _check(strict, "")
        return cls(strict, adapter)

    def parse(self, text: str) -> Any:
        """Parse an answer.

        Args:
            text: The agent's final message.

        Returns:
            An instance of the type, or the plain JSON value for a plain schema.

        Raises:
            OutputSchemaError: If the text is not valid JSON, or does not match the type. The error has the text.
        """
        try:
            return json.loads(text) if self.adapter is None else self.adapter.validate_json(text)
        except ValidationError as error:
            raise OutputSchemaError(f"The answer does not match the output schema: {_first(error)}", text=text) from error
        except ValueError as error:
            raise OutputSchemaError(f"The answer is not valid JSON: {error}.", text=text) from error


def _readable(kind: Any) -> Any:
    """Return a type that pydantic can read: before Python 3.12 it accepts TypedDicts of `typing_extensions`, but not of `typing`."""
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
    """Convert a schema, or a part of one, to the form that the API requires. A schema in that form stays as it is.

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
    """Raise an error with the path of anything that the API would refuse after the turn has started.

    Args:
        node: A strict schema, or a part of one.
        path: The path of the part, such as `rows[].name`; empty for the whole.
    """
    where = path or "the answer"
    if not isinstance(node, Mapping):
        raise OutputSchemaError(f"output_schema: {where} is {node!r}. Describe it by a JSON object.")
    for keyword in _NOT_TAKEN:
        if keyword in node:
            remedy = "Use a list, or an object with a name for each place" if keyword == "prefixItems" else "Describe it without that"
            what = "is a tuple" if keyword == "prefixItems" else f"uses `{keyword}`"
            raise OutputSchemaError(f"output_schema: {where} {what}, which the API does not support. {remedy}.")
    if node.get("additionalProperties", False) is not False:
        raise OutputSchemaError(
            f"output_schema: {where} is an object with any keys, such as a dict, which the API does not support. "
            "Use a list of objects with a key and a value, or name the keys."
        )
    if not {"type", "$ref", "anyOf", "enum", "const"} & node.keys() or (node.get("type") == "array" and not node.get("items")):
        raise OutputSchemaError(f"output_schema: {where} can be anything, which the API does not support. Describe its type.")
    for name, inner in node.get("properties", {}).items():
        _check(inner, f"{path}.{name}".removeprefix("."))
    for name, inner in (node.get("$defs", {}) | node.get("definitions", {})).items():
        _check(inner, name)
    for inner in node.get("anyOf", ()):
        _check(inner, path)
    if "items" in node:
        _check(node["items"], f"{path}[]")


def _resolved(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the part of the schema for a reference such as `#/$defs/Name`; None if it does not exist."""
    node: Any = root
    for name in reference.removeprefix("#/").split("/"):
        node = node.get(name) if isinstance(node, Mapping) else None
    return node if isinstance(node, Mapping) else None
