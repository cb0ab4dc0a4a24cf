"""The form of an answer: a type or a JSON Schema goes in, a strict schema and a parsed value come out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError

from codex_jupyter.sdk.errors import OutputSchemaError


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
            OutputSchemaError: If it is neither, or describes no JSON object.
        """
        if isinstance(source, Mapping):
            schema, adapter = dict(source), None
        elif isinstance(source, type) and source not in (dict, list, str, int, float, bool):
            try:
                adapter = TypeAdapter(source)
                schema = adapter.json_schema()
            except (PydanticSchemaGenerationError, PydanticUserError) as error:
                raise OutputSchemaError(f"No JSON Schema can be made of {source.__name__}: {error.message}") from error
        else:
            raise OutputSchemaError(
                "output_schema must be a plain JSON object (a dict), a pydantic model, a dataclass or a TypedDict, "
                f"not {getattr(source, '__name__', type(source).__name__)}."
            )
        if adapter is not None and schema.get("type") != "object" and "$ref" not in schema:
            raise OutputSchemaError(f"An answer must be a JSON object, and {source.__name__} is none.")
        try:
            json.dumps(schema)
        except (TypeError, ValueError) as error:
            raise OutputSchemaError(f"output_schema is no JSON: {error}.") from error
        return cls(_strict(schema), adapter)

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


def _first(error: ValidationError) -> str:
    detail = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, detail['loc'])) or 'the whole'}: {detail['msg']}."


def _strict(node: Any) -> Any:
    """Close every object of a schema: no other properties, all properties required. References stay as they are.

    See the rules for structured outputs in the API's documentation: `additionalProperties` must be false and each field required.
    """
    if isinstance(node, list):
        return [_strict(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    # In `properties` and `$defs` the keys are names, not keywords.
    named = ("properties", "$defs", "definitions")
    strict = {
        key: {name: _strict(inner) for name, inner in value.items()}
        if key in named and isinstance(value, dict)
        else value
        if key in ("enum", "const", "default", "examples")
        else _strict(value)
        for key, value in node.items()
    }
    if isinstance(strict.get("properties"), dict):
        strict.setdefault("additionalProperties", False)
        strict["required"] = list(strict["properties"])
        strict.setdefault("type", "object")
    return strict
