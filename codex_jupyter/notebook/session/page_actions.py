"""Check what pages send against its declared type, in one place. A page can be of another version, or under the control of someone else."""

from collections.abc import Mapping
from functools import cache
from typing import Any, get_args

from IPython.core.error import UsageError
from pydantic import TypeAdapter, ValidationError

from codex_jupyter.notebook.render import plain
from codex_jupyter.sdk.models.output_schema import readable


def checked_action(action: Mapping[str, Any], types: Any) -> dict[str, Any]:
    """Return an action of a page without the fields that its type does not declare.

    Args:
        action: The action, with its name as `do`.
        types: The union of the types of all actions.

    Raises:
        UsageError: If the action is unknown, or a field is missing or has another type.
    """
    kind = _by_name(types).get(str(action.get("do")))
    if kind is None:
        raise UsageError(
            "This page has another version of codex-jupyter than the kernel. Install the same version in both, then reload the page."
        )
    return checked(action, kind)


def checked(data: Mapping[str, Any], kind: Any) -> dict[str, Any]:
    """Return data of a page without the fields that their type does not declare.

    Args:
        data: The data.
        kind: The `TypedDict` that they must have.

    Raises:
        UsageError: If a field is missing or has another type.
    """
    try:
        result: dict[str, Any] = _adapter(kind).validate_python(data, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = plain(".".join(map(str, first["loc"])))
        raise UsageError(f"The page sent {place!r} in a wrong form: {first['msg'].lower()}. Reload the page.") from None
    return result


@cache
def _by_name(types: Any) -> dict[str, Any]:
    return {get_args(kind.__annotations__["do"])[0]: kind for kind in get_args(types)}


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(readable(kind))
