"""Output schemas: convert a type or a JSON Schema to a strict schema, and parse the answer."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

import typing_extensions
from pydantic import PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError, TypeAdapter, ValidationError

from codex_jupyter.sdk.errors import OutputSchemaError
from codex_jupyter.sdk.models.strict_schema import allows_null, may_be_absent, resolve, strict_schema


@dataclass(frozen=True, slots=True)
class OutputSchema:
    """A schema in the strict form that the API requires, and the parser of its answers."""

    json_schema: dict[str, Any]
    adapter: TypeAdapter[Any] | None = None
    """Parses the answer as a value of the type. None for a plain schema."""
    declared: Mapping[str, Any] = field(default_factory=dict)
    """The schema before its conversion."""

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
                adapter = TypeAdapter(readable(source))
                schema = adapter.json_schema()
            except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError) as error:
                why = error.message.partition("\n")[0].partition(" Set `arbitrary_types_allowed")[0]  # what follows is about other uses
                raise OutputSchemaError(f"No JSON Schema can be made of {source.__name__}: {why}") from error
            except RecursionError as error:  # pydantic reads a recursive TypedDict of `typing` from Python 3.12 on
                raise OutputSchemaError(
                    f"No JSON Schema can be made of {source.__name__}, because it is nested too deeply, or contains itself. "
                    "Use a pydantic model for a type that contains itself."
                ) from error
        else:
            raise OutputSchemaError(
                "output_schema must be a plain JSON object (a dict), a pydantic model, a dataclass or a TypedDict, "
                f"not {getattr(source, '__name__', type(source).__name__)}."
            )
        try:
            return cls(_strict(schema, getattr(source, "__name__", "output_schema")), adapter, schema)
        except RecursionError as error:
            raise OutputSchemaError("output_schema is nested too deeply. The API accepts at most 10 levels of objects.") from error

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
            answer = _Reader(self.declared, text, plain=self.adapter is None).read(json.loads(text), self.declared)
            # As JSON again: pydantic reads some types, such as dates, only from JSON.
            return answer if self.adapter is None else self.adapter.validate_json(json.dumps(answer))
        except ValidationError as error:
            raise OutputSchemaError(f"The answer does not match the output schema: {_first(error)}", text=text) from error
        except (ValueError, RecursionError) as error:
            raise OutputSchemaError(f"The answer is not valid JSON: {error}.", text=text) from error
        except OutputSchemaError:
            raise
        except Exception as error:  # a validator of the type can raise anything
            problem = f"its type raised {type(error).__name__}: {error}"
            raise OutputSchemaError(f"The answer does not match the output schema: {problem}.", text=text) from error


def _strict(schema: Mapping[str, Any], name: str) -> dict[str, Any]:
    try:
        json.dumps(schema, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise OutputSchemaError(f"output_schema is not valid JSON: {error}. Use plain JSON values.") from error
    if not _is_object(schema):
        raise OutputSchemaError(f"An answer must be a JSON object, and {name} describes something else. Put the value into a field.")
    return strict_schema(schema)


def readable(kind: Any) -> Any:
    """Return a type that pydantic can read: before Python 3.12 it accepts TypedDicts of `typing_extensions`, but not of `typing`."""
    if sys.version_info >= (3, 12):
        return kind
    if is_typeddict(kind):
        hints = {name: readable(hint) for name, hint in get_type_hints(kind, include_extras=True).items()}
        return typing_extensions.TypedDict(kind.__name__, hints, total=kind.__total__)  # type: ignore[operator]
    origin, arguments = get_origin(kind), tuple(map(readable, get_args(kind)))
    if not arguments or arguments == get_args(kind):
        return kind
    return reduce(or_, arguments) if origin is UnionType else origin[arguments if len(arguments) > 1 else arguments[0]]


def _first(error: ValidationError) -> str:
    detail = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, detail['loc'])) or 'the whole'}: {detail['msg']}."


def _is_object(schema: Mapping[str, Any]) -> bool:
    """Return whether a schema describes one object, possibly by a reference."""
    target = resolve(schema["$ref"], schema) if "$ref" in schema else schema
    if target is None or {"anyOf", "oneOf", "enum", "const"} & target.keys():
        return False
    return target.get("type") == "object" or ("type" not in target and "properties" in target)


class _Reader:
    """Read an answer as the declared schema describes it, which has optional properties and limits that the API does not support."""

    def __init__(self, root: Mapping[str, Any], text: str, *, plain: bool) -> None:
        self._root, self._text, self._plain = root, text, plain

    def read(self, value: Any, node: Any, path: str = "") -> Any:
        """Return a value without the nulls that stand for absent properties.

        Raises:
            OutputSchemaError: If the value is outside of a limit that was not sent.
        """
        while isinstance(node, Mapping) and "$ref" in node:
            node = {**(resolve(node["$ref"], self._root) or {}), **{key: part for key, part in node.items() if key != "$ref"}}
        if not isinstance(node, Mapping):
            return value
        for part in (*node.get("anyOf", ()), *node.get("oneOf", ()), *node.get("allOf", ())):
            if self._fits(value, part):
                return self.read(value, part, path)
        if self._plain:  # a type checks its own limits
            self._check(value, node, path)
        if isinstance(value, list) and isinstance(node.get("items"), Mapping):
            return [self.read(entry, node["items"], f"{path}[{index}]") for index, entry in enumerate(value)]
        properties = node.get("properties")
        if not isinstance(value, dict) or not isinstance(properties, Mapping):
            return value
        read = {}
        for name, inner in value.items():
            form = properties.get(name)
            if inner is None and name in properties and may_be_absent(name, node) and not allows_null(form, self._root):
                continue
            read[name] = self.read(inner, form, f"{path}.{name}".removeprefix("."))
        return read

    def _fits(self, value: Any, node: Any) -> bool:
        """Return whether an alternative is the one that a value was written for."""
        while isinstance(node, Mapping) and "$ref" in node:
            node = resolve(node["$ref"], self._root)
        if not isinstance(node, Mapping):
            return False
        if isinstance(value, dict):
            properties = node.get("properties")
            if not isinstance(properties, Mapping) or set(value) != set(properties):
                return False
            fixed = {name: form["const"] for name, form in properties.items() if isinstance(form, Mapping) and "const" in form}
            return all(value[name] == constant for name, constant in fixed.items())
        return (node.get("type") == "array") if isinstance(value, list) else (node.get("type") == "string" and isinstance(value, str))

    def _check(self, value: Any, node: Mapping[str, Any], path: str) -> None:
        where, problem = path or "the whole", ""
        if isinstance(value, str):
            if len(value) < node.get("minLength", 0):
                problem = f"has {len(value)} characters, at least {node['minLength']} are needed"
            elif len(value) > node.get("maxLength", len(value)):
                problem = f"has {len(value)} characters, at most {node['maxLength']} are possible"
        elif isinstance(value, list) and node.get("uniqueItems") is True and len(set(map(json.dumps, value))) < len(value):
            problem = "has an entry twice"
        if problem:
            raise OutputSchemaError(f"The answer does not match the output schema: {where} {problem}.", text=self._text)
