"""Convert a JSON Schema to the strict form of the API's structured outputs, or refuse it.

The rules are those that OpenAI publishes for structured outputs: each part has a type, each object is closed and has all its properties
required, a value that may be absent is null instead, alternatives are `anyOf`, a reference stands alone, and nothing has a default.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from codex_jupyter.sdk.errors import OutputSchemaError

MAX_PROPERTIES: Final = 5_000
"""Maximum properties of all objects of a schema."""
MAX_DEPTH: Final = 10
"""Maximum levels of objects in objects."""
MAX_ENUM_VALUES: Final = 1_000
"""Maximum values of all enumerations of a schema."""
MAX_STRINGS: Final = 120_000
"""Maximum characters of all names and values of a schema."""
LONG_ENUM: Final = 250
MAX_LONG_ENUM: Final = 15_000
"""Maximum characters of the values of an enumeration with more than `LONG_ENUM` texts."""

_SENT: Final = frozenset(
    {
        *("title", "description", "pattern", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"),
        *("minItems", "maxItems"),
    }
)
"""Keywords that are sent as they are. `minLength`, `maxLength` and `uniqueItems` are checked when the answer is read instead."""
_FORMATS: Final = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
"""Formats of texts that the API knows."""
_REFUSED: Final = (
    *("prefixItems", "patternProperties", "propertyNames", "unevaluatedProperties", "dependentRequired", "dependentSchemas", "not", "if"),
    *("then", "else", "contains", "minContains", "maxContains", "unevaluatedItems", "additionalItems", "nullable", "$dynamicRef"),
)
"""Keywords that the API refuses and that cannot be left out without a change of the meaning."""
_TYPES: Final = ("string", "number", "integer", "boolean", "object", "array", "null")
_NULL: Final[Mapping[str, Any]] = {"type": "null"}


def strict_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a schema. Annotations that the API does not know, such as examples, are left out.

    Args:
        schema: A JSON Schema. It is not changed.

    Raises:
        OutputSchemaError: If a part cannot be expressed. The message has its path, such as `rows[].name`, and a remedy.
    """
    strict = _Converter(schema).convert(schema, "", ())
    _check_size(strict)
    return strict


def resolve(reference: object, root: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the part of a schema for a reference such as `#/$defs/Name`; None if it does not exist."""
    node: Any = root
    for name in str(reference).removeprefix("#").strip("/").split("/"):
        name = name.replace("~1", "/").replace("~0", "~")
        node = node if not name else node.get(name) if isinstance(node, Mapping) else None
    return node if isinstance(node, Mapping) else None


def allows_null(node: object, root: Mapping[str, Any]) -> bool:
    """Return whether a part of a schema accepts null."""
    seen: set[str] = set()
    while isinstance(node, Mapping) and "$ref" in node and str(node["$ref"]) not in seen:
        seen.add(str(node["$ref"]))
        node = resolve(node["$ref"], root)
    if not isinstance(node, Mapping):
        return False
    kind = node.get("type")
    return (
        kind == "null"
        or (isinstance(kind, list) and "null" in kind)
        or ("const" in node and node["const"] is None)
        or ("type" not in node and isinstance(node.get("enum"), list) and None in node["enum"])
        or any(allows_null(part, root) for key in ("anyOf", "oneOf") for part in _list(node, key))
    )


def may_be_absent(name: str, node: Mapping[str, Any]) -> bool:
    """Return whether a property of an object may be absent. One with a default is always requested, because the model can choose it.

    The model cannot choose the default None of a property that does not accept null.
    """
    form = node["properties"][name]
    return name not in _list(node, "required") and not (isinstance(form, Mapping) and form.get("default") is not None)


class _Converter:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root

    def convert(self, node: Any, path: str, inside: tuple[str, ...]) -> dict[str, Any]:
        """Convert a part of the schema.

        Args:
            node: The part.
            path: Its path; empty for the whole.
            inside: The references that are being written out.
        """
        if not isinstance(node, Mapping):
            raise _refused(path, f"is {node!r}", "Describe it by a JSON object")
        node = _single(node)
        if "$ref" in node:
            target = resolve(node["$ref"], self._root)
            if target is None:
                raise _refused(path, f"refers to {node['$ref']!r}, which does not exist", "Define it in $defs")
            beside = {key: value for key, value in node.items() if key != "$ref"}
            # A reference back to where it stands cannot be written out: it loses what is beside it instead.
            if (not beside and path) or node["$ref"] in inside:
                return {"$ref": node["$ref"]}
            return self.convert({**target, **beside}, path, (*inside, node["$ref"]))
        for keyword in _REFUSED:
            if keyword in node and not (keyword == "additionalItems" and "items" not in node):
                raise _unsupported(path, keyword)
        strict = {key: value for key, value in node.items() if key in _SENT}
        if node.get("format") in _FORMATS:
            strict["format"] = node["format"]
        for key in ("$defs", "definitions"):
            if isinstance(node.get(key), Mapping):
                strict[key] = {name: self.convert(inner, str(name), (f"#/{key}/{name}",)) for name, inner in node[key].items()}
        return self._with_meaning(node, strict, path, inside)

    def _with_meaning(self, node: Mapping[str, Any], strict: dict[str, Any], path: str, inside: tuple[str, ...]) -> dict[str, Any]:
        alternatives = [*_list(node, "anyOf"), *_list(node, "oneOf")]
        forms = [key for key in ("properties", "items", "enum", "const") if key in node]
        if alternatives and forms:
            raise _refused(path, f"has alternatives beside `{forms[0]}`", "Put it into each alternative")
        if {"enum", "const"} & node.keys() and {"properties", "items"} & node.keys():
            raise _refused(path, f"has `{forms[0]}` beside `{forms[-1]}`", "Use only one of them")
        if alternatives:
            if "type" in node:
                if any(isinstance(part, Mapping) and part.get("type", node["type"]) != node["type"] for part in alternatives):
                    raise _refused(path, "has alternatives beside another type", "Put the type into each alternative")
                alternatives = [{"type": node["type"], **part} if isinstance(part, Mapping) else part for part in alternatives]
            strict["anyOf"] = [self.convert(part, path, inside) for part in alternatives]
            return strict
        if "const" in node:
            return strict | _constant(node, path)
        if "enum" in node:
            return strict | _enumeration(node, path)
        kinds = self._kinds(node, path)
        strict["type"] = kinds[0] if isinstance(node.get("type", ""), str) else kinds
        if "object" in kinds:
            self._close(node, strict, path, inside)
        if "array" in kinds:
            if not node.get("items"):
                raise _refused(path, "can be anything", "Describe the type of its entries with `items`")
            strict["items"] = self.convert(node["items"], f"{path}[]", inside)
        return strict

    def _kinds(self, node: Mapping[str, Any], path: str) -> list[str]:
        given = node.get("type")
        if given is None:
            given = "object" if "properties" in node or "additionalProperties" in node else "array" if "items" in node else None
        if not given:
            raise _refused(path, "can be anything", "Describe its type")
        kinds = given if isinstance(given, list) else [given]
        for kind in kinds:
            if kind not in _TYPES:
                raise _refused(path, f"has the type {kind!r}", f"Use {', '.join(_TYPES)}")
        return list(map(str, kinds))

    def _close(self, node: Mapping[str, Any], strict: dict[str, Any], path: str, inside: tuple[str, ...]) -> None:
        """Close an object: with all its properties, and without others."""
        more, properties = node.get("additionalProperties"), node.get("properties")
        if properties is None and more is False:
            properties = {}
        if not isinstance(properties, Mapping) or more not in (None, False):
            raise _refused(
                path, "is an object with any keys, such as a dict", "Use a list of objects with a key and a value, or name the keys"
            )
        if missing := [str(name) for name in _list(node, "required") if name not in properties]:
            raise _refused(path, f"requires {', '.join(missing)} without a description", "Add it to the properties")
        strict["properties"] = {}
        for name, form in properties.items():
            inner = self.convert(form, f"{path}.{name}".removeprefix("."), inside)
            if may_be_absent(name, node) and not allows_null(form, self._root):
                inner = _or_null(inner)
            strict["properties"][name] = inner
        strict["required"] = list(properties)
        strict["additionalProperties"] = False


def _single(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Merge an `allOf` with one entry, which is a way to write something beside a reference."""
    entries = node.get("allOf")
    if not isinstance(entries, list):
        return node
    if len(entries) != 1 or not isinstance(entries[0], Mapping):
        return {**node, "not": entries}  # refused with its path
    return _single({**entries[0], **{key: value for key, value in node.items() if key != "allOf"}})


def _or_null(node: dict[str, Any]) -> dict[str, Any]:
    if isinstance(node.get("anyOf"), list):
        return {**node, "anyOf": [*node["anyOf"], dict(_NULL)]}
    return {"anyOf": [node, dict(_NULL)]}


def _constant(node: Mapping[str, Any], path: str) -> dict[str, Any]:
    value = node["const"]
    kind = _kind(value, path)
    if value is None:
        return dict(_NULL)
    _check_values(node, [value], path)
    return {"const": value, "type": node.get("type", kind)}


def _enumeration(node: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return an enumeration with its type. Values of several types become alternatives."""
    values = node["enum"]
    if not isinstance(values, list) or not values:
        raise _refused(path, "has an empty `enum`", "List its values")
    kinds = [_kind(value, path) for value in values]
    if "type" in node:
        _check_values(node, values, path)
        return {"enum": list(values), "type": node["type"]}
    parts: list[dict[str, Any]] = []
    for kind in dict.fromkeys(kinds):
        part: dict[str, Any] = {"type": kind}
        if kind != "null":
            part = {"enum": [value for value, its in zip(values, kinds, strict=True) if its == kind], **part}
        parts.append(part)
    return parts[0] if len(parts) == 1 else {"anyOf": parts}


def _kind(value: object, path: str) -> str:
    """Return the type of a value of an enumeration."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
    raise _refused(path, f"has the value {value!r}", "Use texts, numbers and booleans, or describe it as an object")


def _check_values(node: Mapping[str, Any], values: Sequence[Any], path: str) -> None:
    kinds = node.get("type", [_kind(value, path) for value in values])
    kinds = kinds if isinstance(kinds, list) else [kinds]
    for value in values:
        kind = _kind(value, path)
        if kind not in kinds and not (kind == "integer" and "number" in kinds):
            raise _refused(path, f"has the value {value!r}, which its type excludes", f"Add the type {kind!r}, or leave the type out")


def _unsupported(path: str, keyword: str) -> OutputSchemaError:
    if keyword == "prefixItems":
        return _refused(path, "is a tuple", "Use a list, or an object with a name for each place")
    if keyword in ("patternProperties", "propertyNames"):
        return _refused(path, "is an object with any keys", "Use a list of objects with a key and a value, or name the keys")
    if keyword == "nullable":
        return _refused(path, "uses `nullable`", 'Add the type "null"')
    return _refused(path, f"uses `{'allOf' if keyword == 'not' else keyword}`", "Describe it without that")


def _refused(path: str, problem: str, remedy: str) -> OutputSchemaError:
    return OutputSchemaError(f"output_schema: {path or 'the answer'} {problem}, which the API does not support. {remedy}.")


def _list(node: Mapping[str, Any], key: str) -> Sequence[Any]:
    value = node.get(key)
    return value if isinstance(value, list) else ()


def _check_size(strict: Mapping[str, Any]) -> None:
    properties, values, strings = 0, 0, 0
    for node in _parts(strict):
        properties += len(node.get("properties", ()))
        strings += sum(map(len, node.get("properties", ()))) + sum(
            len(name) for key in ("$defs", "definitions") for name in node.get(key, ())
        )
        listed = node["enum"] if "enum" in node else [node["const"]] if "const" in node else []
        size = sum(len(value) for value in listed if isinstance(value, str))
        values, strings = values + len(node.get("enum", ())), strings + size
        if len(listed) > LONG_ENUM and size > MAX_LONG_ENUM:
            raise _too_much(f"an enumeration of {len(listed)} values with {size:,} characters", f"{MAX_LONG_ENUM:,} characters")
    depth = _Depth(strict).of(strict)
    for count, limit, what in (
        (properties, MAX_PROPERTIES, "properties"),
        (values, MAX_ENUM_VALUES, "values in enumerations"),
        (strings, MAX_STRINGS, "characters of names and values"),
        (depth, MAX_DEPTH, "levels of objects"),
    ):
        if count > limit:
            raise _too_much(f"{count:,} {what}", f"{limit:,}")


def _too_much(count: str, limit: str) -> OutputSchemaError:
    return OutputSchemaError(
        f"output_schema has {count}, and the API accepts at most {limit}. Use a smaller schema, or ask in several turns."
    )


def _parts(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield a strict schema and all its parts, each definition once."""
    yield node
    inner = [*node.get("anyOf", ()), *([node["items"]] if "items" in node else ())]
    for key in ("properties", "$defs", "definitions"):
        inner += node.get(key, {}).values()
    for part in inner:
        yield from _parts(part)


class _Depth:
    """Count the levels of objects. A recursive reference counts once."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._levels: dict[str, int] = {}

    def of(self, node: Mapping[str, Any]) -> int:
        if "$ref" in node:
            name = str(node["$ref"])
            if name not in self._levels:
                self._levels[name] = 0
                self._levels[name] = self.of(resolve(name, self._root) or {})
            return self._levels[name]
        inner = [*node.get("properties", {}).values(), *node.get("anyOf", ()), *([node["items"]] if "items" in node else ())]
        return max(map(self.of, inner), default=0) + ("properties" in node)
