"""Facts about a value that its class alone gives, without running the user's code."""

import sys
import types
from dataclasses import dataclass
from typing import Final

# A metaclass or a `__getattribute__` can run code for any attribute. The slots of `type` and `module` run no such code.
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
"""Types of the standard library with a short `repr` that runs no user code, by module and name."""


@dataclass(frozen=True)
class Detail:
    """Limits of a description.

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
    """Return an attribute of a module if the module is imported and has it, else None. Imports nothing and runs nothing."""
    loaded = sys.modules.get(module)
    return module_dict(loaded).get(name) if types.ModuleType in _mro_of(type(loaded)) else None


def lineage(cls: type) -> tuple[type, ...]:
    """Return a class and its bases, in order."""
    bases: tuple[type, ...] = _mro_of(cls)
    return bases


def module_name(cls: type) -> str:
    """Return the name of a class's module. Empty if it is not a string."""
    module = _module_of(cls)
    return module if type(module) is str else ""


def bare_name(cls: type) -> str:
    """Return the name of a class without its module, in one line of at most 100 characters."""
    return " ".join(str(_qualname_of(cls))[:100].split())


def class_name(cls: type) -> str:
    """Return the name of a class with its module. Notebook and built-in classes have no module."""
    module, name = module_name(cls), bare_name(cls)
    return name if module in ("builtins", "__main__", "") else f"{module[:100]}.{name}"


def group_of(value: object) -> str:
    """Return `modules`, `functions` or `classes` for values that are listed by name only. Empty for data."""
    cls = type(value)
    if types.ModuleType in lineage(cls):
        return "modules"
    if type in lineage(cls):
        return "classes"
    return "functions" if cls in _FUNCTIONS else ""


def is_standard(value: object) -> bool:
    """Return True for plain values of the standard library, such as dates and paths. Their `repr` runs no user code."""
    cls = type(value)
    key = (module_name(cls), bare_name(cls))
    if key not in _STANDARD or lookup(*key) is not cls:
        return False
    # The `repr` of a time contains the `repr` of its time zone, which may be of any class.
    zone = value.tzinfo if key in (("datetime", "datetime"), ("datetime", "time")) else None  # type: ignore[attr-defined]
    return zone is None or is_standard(zone)
