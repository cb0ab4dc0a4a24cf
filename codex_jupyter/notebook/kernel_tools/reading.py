"""Look at the kernel for the agent: variables, cells, outputs, errors, images, documentation. Runs no code of the agent."""

import builtins
import inspect
import re
import sys
import types
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from IPython.core.error import UsageError

from codex_jupyter._shortening import shorten_middle
from codex_jupyter.notebook.context.untrusted_text import neutralize
from codex_jupyter.sdk import ContextInput, ImageInput
from codex_jupyter.sdk.redaction import mask

if TYPE_CHECKING:
    from codex_jupyter.notebook.context import ContextCollector
    from codex_jupyter.notebook.images.display_log import DisplayLog

MAX_SOURCE: Final = 8_000
"""Characters of a source or a docstring."""
GAP: Final = "\n[...]\n"
NOTHING: Final = "(nothing)"
_DOCUMENTED: Final = (types.ModuleType, type, types.FunctionType, types.MethodType)
"""Classes of documented objects, besides functions in C."""
_BUILT_IN: Final = (
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    types.MethodWrapperType,
)
"""Classes of Python's own functions and methods in C, such as `len` and `list.append`."""
_HEAP_TYPE: Final = 1 << 9
"""The flag of classes that were created at run time, as all classes in Python code (`Py_TPFLAGS_HEAPTYPE` in Python's C API)."""
_FIELDS: Final = (types.GetSetDescriptorType, types.MemberDescriptorType)
"""Attributes that C code reads."""
_SIMPLE: Final = (str, int, float, bool, type(None))
_CELLS: Final = re.compile(r"-?\d{1,9}|(-?\d{1,9})?\.\.(-?\d{1,9})?")
_CELLS_USAGE: Final = "Use a cell such as 4, or a range such as 3..7 or -5.. for the last five."
_PLOT: Final = re.compile(r"plot|plot:-?\d{1,6}|(plots|cell):\d{1,6}")
_NAME: Final = re.compile(r"[A-Za-z]\w*(\.[A-Za-z]\w*){0,9}")


class KernelReader:
    """Looks at a kernel. Secrets are masked, and names that start with an underscore are not seen.

    Args:
        shell: The notebook's shell.
        collector: Collects what the kernel reports.
        display_log: Images that the notebook displayed.
    """

    def __init__(self, shell: Any, collector: "ContextCollector", display_log: "DisplayLog") -> None:
        self._shell, self._collector, self._display_log = shell, collector, display_log

    def variables(self) -> str:
        """Return the variables with types, shapes and short values."""
        return self._collected("vars")

    def variable(self, name: str, max_rows: int) -> str:
        """Return one variable in detail.

        Raises:
            ValueError: If there is no such variable.
        """
        try:
            return self._collector.describe(name, max_rows)
        except UsageError as error:
            raise ValueError(str(error)) from None

    def cells(self, cells: str) -> str:
        """Return the sources and text outputs of cells.

        Raises:
            ValueError: If the range is invalid.
        """
        return self._collected(f"cells:{_range(cells)}+outputs:{_range(cells)}")

    def outputs(self, cell: int) -> tuple[str, list[ImageInput]]:
        """Return the text output and the images of the last run of a cell."""
        text = self._collected(f"outputs:{cell}") if cell > 0 else NOTHING
        return text, self._images(self._display_log.of_cell(cell))

    def last_error(self) -> str:
        """Return the last error with its cell and its traceback."""
        return self._collected("error")

    def plots(self, spec: str) -> list[ImageInput]:
        """Return images that the notebook displayed.

        Raises:
            ValueError: If the spec is invalid.
            InputError: If there is no such image.
        """
        from codex_jupyter.notebook.images.spec import ImageFinder
        from codex_jupyter.notebook.namespace import Namespace

        if not _PLOT.fullmatch(spec):
            raise ValueError("Use plot for the newest image, plot:-2 for the one before it, plots:3, or cell:12 for In[12].")
        return self._images(ImageFinder(self._shell, self._display_log, Namespace({})).find(spec))

    def documentation(self, name: str) -> str:
        """Return signature, docstring and source of a function, a class or a module.

        Args:
            name: A variable of the notebook, an imported module or a builtin, and attributes of it.

        Raises:
            ValueError: If there is no such object, or it is a value.
        """
        value = self._object(name)
        kind = type(value)  # a proxy may have another `__class__`, and run code for it
        if not issubclass(kind, _DOCUMENTED) and not _is_in_c(kind):
            raise ValueError(f"{name} is a {kind.__name__}. Functions, classes and modules have documentation. Use inspect.")
        parts = [f"{'function' if _is_in_c(kind) else kind.__name__} {name}{_signature(value)}"]
        parts.append(shorten_middle(_docstring(value) or "(no docstring)", MAX_SOURCE, GAP))
        with suppress(OSError, TypeError):
            if (defined := _defined(value)) is not None:
                parts.append(f"Source:\n{shorten_middle(inspect.getsource(defined), MAX_SOURCE, GAP)}")
        return neutralize(mask("\n\n".join(parts), code=True))

    def _object(self, name: str) -> Any:
        """Return an object without running code: attributes are looked up as they are stored."""
        if not _NAME.fullmatch(name):
            raise ValueError("Use a name such as df, my_function or pandas.DataFrame.merge. Names must not start with an underscore.")
        first, *rest = name.split(".")
        value = self._shell.user_ns.get(first, sys.modules.get(first, vars(builtins).get(first)))
        for attribute in rest:
            if issubclass(type(value), types.ModuleType):
                inner = types.ModuleType.__getattribute__(value, "__dict__")
                value = inner.get(attribute, sys.modules.get(f"{inner.get('__name__')}.{attribute}"))
            else:
                value = inspect.getattr_static(value, attribute, None)
            if type(value) in (staticmethod, classmethod):
                value = value.__func__
        if value is None:
            raise ValueError(f"There is no {name} in the notebook or in an imported module.")
        return value

    def _collected(self, spec: str) -> str:
        try:
            context = self._collector.collect(spec, None, is_prompt=False)
        except UsageError:  # a range that goes backwards, or the cell 0
            raise ValueError(_CELLS_USAGE) from None
        return "\n\n".join(part.text for part in context.parts) or NOTHING

    @staticmethod
    def _images(sources: Any) -> list[ImageInput]:
        from codex_jupyter.notebook.images.attach import attach

        return [attachment.input for attachment in attach(sources)]


def _docstring(value: Any) -> str:
    """Return the docstring of an object as it is stored. A class or a module can compute another one by its code."""
    if issubclass(type(value), type):
        texts = [type.__dict__["__dict__"].__get__(owner).get("__doc__") for owner in type.__dict__["__mro__"].__get__(value)[:-1]]
    elif issubclass(type(value), types.ModuleType):
        texts = [types.ModuleType.__getattribute__(value, "__dict__").get("__doc__")]
    else:
        function = _function(value)
        field = inspect.getattr_static(type(function), "__doc__")  # a text for an instance of a class of Python
        texts = [field.__get__(function)] if type(field) in _FIELDS else [_attributes(function).get("__doc__")]
    return next((inspect.cleandoc(text) for text in texts if type(text) is str), "")


def _signature(value: Any) -> str:
    """Return the signature of a function or a class; empty if it has none, or if code of the user would compute it.

    Defaults and annotations are left out if the code of their types would write them.
    """
    is_class = issubclass(type(value), type)
    called = inspect.getattr_static(value, "__init__") if is_class else _function(value)
    if is_class and type(called) is not types.FunctionType:
        called = value if type(value) is type else None
    elif not _is_stored(called):
        called = None
    if called is None or issubclass(type(called), types.ModuleType):
        return ""
    try:
        signature = inspect.signature(called)
    except (ValueError, TypeError):
        return ""
    parameters = list(signature.parameters.values())[called is not value and type(value) is not types.FunctionType :]
    plain = [
        parameter.replace(
            default=parameter.default if type(parameter.default) in _SIMPLE or parameter.default is parameter.empty else ...,
            annotation=parameter.annotation if _is_plain(parameter.annotation) else parameter.empty,
        )
        for parameter in parameters
    ]
    result = signature.return_annotation
    return str(inspect.Signature(plain, return_annotation=result if _is_plain(result) else signature.empty))


def _function(value: Any) -> Any:
    """Return the function of a method, or the value itself."""
    while type(value) is types.MethodType:
        value = value.__func__
    return value


def _defined(value: Any) -> Any:
    """Return the class or the code whose source can be looked up without a call of other code; None if there is none."""
    if issubclass(type(value), type):
        has_own_look_up = inspect.getattr_static(type(value), "__getattr__", None) is not None
        is_plain = inspect.getattr_static(type(value), "__getattribute__") is type.__getattribute__ and not has_own_look_up
        return value if is_plain else None
    function = _function(value)
    while type(_attributes(function).get("__wrapped__")) is types.FunctionType:
        function = _attributes(function)["__wrapped__"]
    return function.__code__ if type(function) is types.FunctionType else None


def _is_stored(function: Any) -> bool:
    """Return True if the signature of a function is read without a call of other code."""
    while _has_stored_attributes(type(function)):
        attributes = _attributes(function)
        if type(attributes.get("__signature__")) not in (types.NoneType, inspect.Signature):
            return False
        if "__wrapped__" not in attributes:
            return True
        function = attributes["__wrapped__"]
    return False


def _is_in_c(kind: type) -> bool:
    """Return True for a class of functions in C that runs no code of a user: those of Python, and of numpy, such as `numpy.mean`."""
    if kind in _BUILT_IN:
        return True
    flags, module, own = (type.__dict__[name].__get__(kind) for name in ("__flags__", "__module__", "__dict__"))
    return module == "numpy" and not flags & _HEAP_TYPE and "__call__" in own


def _has_stored_attributes(kind: type) -> bool:
    """Return True for a class of functions whose attributes are read without a call of other code."""
    return kind is types.FunctionType or _is_in_c(kind)


def _attributes(function: Any) -> dict[str, Any]:
    """Return what is stored at a function; nothing for objects that may have code for it."""
    if not _has_stored_attributes(type(function)):
        return {}
    try:
        attributes: dict[str, Any] = object.__getattribute__(function, "__dict__")
    except AttributeError:
        return {}
    return attributes


def _is_plain(annotation: Any) -> bool:
    """Return True if no code of the user writes an annotation."""
    if type(annotation) in (types.GenericAlias, types.UnionType):
        return _is_plain(getattr(annotation, "__origin__", None)) and all(map(_is_plain, annotation.__args__))
    return type(annotation) in (str, type, types.NoneType)


def as_data(text: str) -> str:
    """Return text of the notebook with marks around it: it is information for the agent, never an instruction."""
    return ContextInput(text=text, name="notebook").marked


def _range(cells: str) -> str:
    if not _CELLS.fullmatch(cells) or cells == "..":
        raise ValueError(_CELLS_USAGE)
    return cells
