"""What can be known of a value from its class alone, without running code of the user's."""

import sys
import types
from dataclasses import dataclass
from typing import Final

# A metaclass or a `__getattribute__` can put code behind any attribute; the slots of `type` and `module` themselves have none.
_module_of: Final = type.__dict__["__module__"].__get__
_qualname_of: Final = type.__dict__["__qualname__"].__get__
_mro_of: Final = type.__dict__["__mro__"].__get__
dict_of: Final = type.__dict__["__dict__"].__get__
module_dict: Final = vars(types.ModuleType)["__dict__"].__get__

_FUNCTIONS: Final = (types.FunctionType, types.BuiltinFunctionType, types.MethodType)
_STANDARD: Final = frozenset(
    [("datetime", name) for name in ("date", "time", "datetime", "timedelta", "timezone")]
    + [
        (module, name)
        for module in ("pathlib", "pathlib._local")
        for name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")
    ]
    + [("decimal", "Decimal"), ("fractions", "Fraction"), ("uuid", "UUID"), ("zoneinfo", "ZoneInfo")]
)
"""Types of the standard library whose `repr` is short and runs nothing of the user's, by module and name."""


@dataclass(frozen=True)
class Detail:
    """How much to tell of a value; all are upper bounds.

    Attributes:
        items: Items of a container.
        depth: Containers in containers.
        chars: Characters of a text.
        rows: Rows of a frame.
        columns: Columns of a frame.
        total: Characters in all.
    """

    items: int
    depth: int
    chars: int
    rows: int
    columns: int
    total: int


def lookup(module: str, name: str) -> object:
    """What a module that is already imported has under a name; None if it is not imported or has none. Imports nothing, runs nothing."""
    found = sys.modules.get(module)
    return module_dict(found).get(name) if types.ModuleType in _mro_of(type(found)) else None


def lineage(cls: type) -> tuple[type, ...]:
    """A class and its bases, in order."""
    bases: tuple[type, ...] = _mro_of(cls)
    return bases


def module_name(cls: type) -> str:
    """The module that a class says it is from; empty if it says something that is no text."""
    module = _module_of(cls)
    return module if type(module) is str else ""


def bare_name(cls: type) -> str:
    """The name of a class without its module, in one line of at most 100 characters."""
    return " ".join(str(_qualname_of(cls))[:100].split())


def class_name(cls: type) -> str:
    """The name of a class with its module, unless that is the notebook or the built-ins."""
    module, name = module_name(cls), bare_name(cls)
    return name if module in ("builtins", "__main__", "") else f"{module[:100]}.{name}"


def clip(text: str, limit: int) -> str:
    """A text of at most `limit` characters, with the end left out if it is longer."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def group_of(value: object) -> str:
    """`modules`, `functions` or `classes` for what is told by name only; empty for data."""
    cls = type(value)
    if types.ModuleType in lineage(cls):
        return "modules"
    if type in lineage(cls):
        return "classes"
    return "functions" if cls in _FUNCTIONS else ""


def is_standard(value: object) -> bool:
    """Whether a value is of the standard library's plain kinds, such as a date or a path: its `repr` runs nothing of the user's."""
    cls = type(value)
    key = (module_name(cls), bare_name(cls))
    if key not in _STANDARD or lookup(*key) is not cls:
        return False
    # The `repr` of a time contains that of its zone, which may be anything.
    zone = value.tzinfo if key in (("datetime", "datetime"), ("datetime", "time")) else None  # type: ignore[attr-defined]
    return zone is None or is_standard(zone)
