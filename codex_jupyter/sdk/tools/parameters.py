"""The parameters of a Python function as a JSON Schema, and the arguments of a call as Python values."""

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUserError
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind
from pydantic_core import to_json

from codex_jupyter.sdk.errors import ConfigError
from codex_jupyter.sdk.models.output_schema import readable
from codex_jupyter.sdk.tools.context import ToolContext

MAX_PROBLEMS: Final = 10
"""Problems with the arguments of a call that the model is sent."""
_DROPPED: Final = (
    "default",
    "format",
    "pattern",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
)
"""Keywords that the CLI does not pass on, so they become a part of the description. Measured with 0.163 and 0.171."""
_SCHEMAS: Final = ("properties", "$defs", "patternProperties")
"""Keywords whose values are schemas by name."""


class ArgumentsError(ValueError):
    """Raised when the arguments of a call do not match the parameters. The message is for the model."""


class _QuietSchema(GenerateJsonSchema):
    """Makes schemas without a warning for a default that has no JSON form. The default applies in the function nevertheless."""

    ignored_warning_kinds: set[JsonSchemaWarningKind] = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012 - of the base class


class Parameters:
    """The parameters of a function, which the model fills in.

    Args:
        function: A function whose parameters have type annotations. A parameter of the type `ToolContext` is not the model's.
        name: The name of the tool, for errors.
        descriptions: The descriptions of the parameters by their names.

    Raises:
        ConfigError: If a parameter cannot be filled in with JSON.
    """

    def __init__(self, function: Callable[..., Any], name: str, descriptions: Mapping[str, str]) -> None:
        self._fields: dict[str, str] = {}
        self.context: str | None = None
        """The name of the parameter that receives the `ToolContext`; None if there is none."""
        fields: dict[str, Any] = {}
        for number, (parameter, annotation) in enumerate(self._annotated(function, name)):
            if annotation is ToolContext or ToolContext in typing.get_args(annotation):
                self.context = parameter.name
                continue
            # Names of parameters may be those of attributes of a pydantic model.
            self._fields[f"p{number}"] = parameter.name
            fields[f"p{number}"] = (annotation, _field(parameter, annotation, descriptions.get(parameter.name)))
        try:
            config = ConfigDict(extra="forbid", arbitrary_types_allowed=False)
            self._model: type[BaseModel] = create_model(f"{name}_arguments", __config__=config, **fields)
            self.schema: dict[str, Any] = _for_the_cli(self._model.model_json_schema(by_alias=True, schema_generator=_QuietSchema))
            """The JSON Schema of the arguments, in the form that the CLI passes on."""
        except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema, PydanticUserError) as error:
            reason = str(error).splitlines()[0]
            raise ConfigError(
                f"The tool {name} has a parameter whose type cannot be sent as JSON: {reason} "
                "Use types such as str, int, list, Literal or a pydantic model."
            ) from None

    @staticmethod
    def _annotated(function: Callable[..., Any], name: str) -> list[tuple[inspect.Parameter, Any]]:
        """Return the parameters with their types."""
        try:
            signature = inspect.signature(function)
            hints = {key: readable(hint) for key, hint in typing.get_type_hints(_plain(function), include_extras=True).items()}
        except (RecursionError, TypeError, ValueError, NameError, AttributeError) as error:
            raise ConfigError(f"The signature of the tool {name} cannot be read: {error}. Define it with resolvable types.") from None
        annotated = []
        for parameter in signature.parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
                raise ConfigError(
                    f"The tool {name} cannot have the parameter {parameter}, because the model passes arguments by name. "
                    "Use parameters that can be passed by name."
                )
            if isinstance(parameter.default, FieldInfo):
                raise ConfigError(
                    f"The parameter {parameter.name} of the tool {name} has Field(...) as its default, which the function would get. "
                    "Write it into the type, as Annotated[..., Field(...)]."
                )
            if parameter.name not in hints:
                raise ConfigError(
                    f"The parameter {parameter.name} of the tool {name} has no type. Annotate it, such as {parameter.name}: str."
                )
            annotated.append((parameter, hints[parameter.name]))
        return annotated

    def validate(self, arguments: object) -> dict[str, Any]:
        """Return the arguments of a call as Python values. Parameters that are not passed are left out, so their defaults apply.

        Args:
            arguments: A JSON object, as the CLI passes it on. None is an object without fields.

        Raises:
            ArgumentsError: If they do not match the parameters.
        """
        try:
            # As JSON, because an array may become a tuple and a text a date.
            values = self._model.model_validate_json(to_json({} if arguments is None else arguments))
        except ValidationError as error:
            raise ArgumentsError(self._explain(error)) from None
        except (ValueError, RecursionError) as error:
            raise ArgumentsError(f"The arguments are not valid JSON: {type(error).__name__}.") from None
        return {self._fields[field]: getattr(values, field) for field in self._fields if field in values.model_fields_set}

    def _explain(self, error: ValidationError) -> str:
        details = error.errors(include_url=False, include_input=False, include_context=False)
        lines = [f"{'.'.join(map(str, detail['loc'])) or 'arguments'}: {detail['msg']}" for detail in details[:MAX_PROBLEMS]]
        if len(details) > MAX_PROBLEMS:
            lines.append(f"and {len(details) - MAX_PROBLEMS} more")
        names = ", ".join(self.schema["properties"]) or "none"
        return "\n".join(["The arguments do not match the tool's parameters.", *lines, f"Parameters: {names}."])


def _plain(function: Callable[..., Any]) -> Any:
    """Return what has the annotations: a callable object has them in its method."""
    if inspect.isroutine(function) or inspect.isclass(function):
        return function
    return getattr(function, "func", None) or type(function).__call__


def _field(parameter: inspect.Parameter, annotation: object, description: str | None) -> Any:
    stated = any(isinstance(extra, FieldInfo) and extra.description for extra in getattr(annotation, "__metadata__", ()))
    default = ... if parameter.default is parameter.empty else parameter.default
    if stated or not description:
        return Field(default, alias=parameter.name)
    return Field(default, alias=parameter.name, description=description)


def _for_the_cli(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that means the same to the model after the CLI has dropped the keywords that it does not know."""
    cleaned = _cleaned(schema)
    cleaned.pop("description", None)
    return {"type": "object", "properties": {}, **cleaned, "additionalProperties": False}


def _cleaned(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_cleaned(entry) for entry in schema]
    if not isinstance(schema, Mapping):
        return schema
    cleaned = {
        keyword: {name: _cleaned(entry) for name, entry in value.items()}
        if keyword in _SCHEMAS
        else _cleaned(value)
        if isinstance(value, list | dict) and keyword not in ("enum", "const", "default", "required", "examples")
        else value
        for keyword, value in schema.items()
        if keyword not in _DROPPED and keyword != "title"
    }
    notes = [f"{keyword}: {to_json(schema[keyword]).decode()}" for keyword in _DROPPED if keyword in schema]
    if "prefixItems" in cleaned:
        # The CLI would make a list of texts of it.
        notes.append(f"the items are, in order: {to_json(cleaned['prefixItems']).decode()}")
        cleaned["items"] = {"anyOf": _distinct(cleaned.pop("prefixItems"))}
    if notes:
        description = str(cleaned.get("description", ""))
        cleaned["description"] = f"{description} ({'; '.join(notes)})" if description else "; ".join(notes)
    return cleaned


def _distinct(schemas: Iterable[Any]) -> list[Any]:
    distinct: list[Any] = []
    for schema in schemas:
        if schema not in distinct:
            distinct.append(schema)
    return distinct
