"""Describe frames, arrays and figures of supported libraries. No library is imported, because values exist only of imported ones."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from codex_jupyter._shortening import shorten
from codex_jupyter.notebook.context.introspection import Detail, bare_name, class_name, lineage, lookup, module_name

MAX_MIN_MAX: Final = 1_000_000
"""Arrays with this many elements or more are not searched for their minimum and maximum."""


class Render(Protocol):
    """Renders a value of a table. The name of its column decides if it is a secret."""

    def __call__(self, item: object, column: object = "") -> str:
        """Return the text of one value."""
        ...


@dataclass(frozen=True)
class Kind:
    """Descriptions of a class that responds quickly and without side effects.

    Attributes:
        brief: Returns type and shape.
        details: Returns lines with dtypes and some values, or None if there are none.
        scalar: Returns a short text for a single value, such as a timestamp.
    """

    brief: Callable[[Any], str]
    details: Callable[[Any, Detail, Render], list[str]] | None = None
    scalar: Callable[[Any], str] | None = None


def kind_of(cls: type) -> Kind | None:
    """Return the descriptions of a class, or None. Of subclasses, only the library's own count, because others may run any code."""
    root = module_name(cls).partition(".")[0]
    for base in lineage(cls)[:-1]:
        entry = _KINDS.get((module_name(base).partition(".")[0], bare_name(base)))
        if entry and entry[0].partition(".")[0] == root and lookup(entry[0], bare_name(base)) is base:
            return entry[1]
    return None


def _named(value: object, shape: str) -> str:
    return f"{class_name(type(value))}, {shape}"


def _frame_brief(name: str, value: Any) -> str:
    rows, columns = value.shape
    return f"{name}, {rows} rows × {columns} columns"


def _pandas_frame(value: Any, detail: Detail, render: Render) -> list[str]:
    part = value.iloc[: detail.rows, : detail.columns]
    names = [render(name) if type(name) is not str else shorten(name, 40) for name in part.columns]
    columns = [[render(cell, name) for cell in part.iloc[:, place]] for place, name in enumerate(names)]
    index = [render(label) for label in part.index]
    return _table(value.shape, names, list(part.dtypes), zip(index, *columns, strict=True))


def _polars_frame(value: Any, detail: Detail, render: Render) -> list[str]:
    names = value.columns[: detail.columns]
    part = value.select(names).head(detail.rows)
    rows = [[render(cell, name) for cell, name in zip(row, names, strict=True)] for row in part.rows()]
    return _table(value.shape, [shorten(name, 40) for name in names], list(part.dtypes), rows)


def _table(shape: tuple[int, int], names: list[str], dtypes: list[Any], rows: Any) -> list[str]:
    """Return the columns with their types, and the first rows."""
    typed = [f"{name} {shorten(str(dtype), 40)}" for name, dtype in zip(names, dtypes, strict=True)]
    more = f", … {shape[1] - len(names)} more" if shape[1] > len(names) else ""
    return [f"columns: {', '.join(typed)}{more}", *(" | ".join(shorten(cell, 40) for cell in row) for row in rows)]


def _series(value: Any, detail: Detail, render: Render) -> list[str]:
    name = value.name if type(value.name) is str else ""
    return [f"first: {', '.join(render(item, name) for item in value.head(detail.items))}"] if len(value) else []


def _array_brief(value: Any) -> str:
    return _named(value, f"shape {tuple(value.shape)}, {shorten(str(value.dtype), 60)}")


def _array(value: Any, detail: Detail, render: Render) -> list[str]:
    # Subclasses may be stored on disk, or have masks and units that a number would hide.
    if class_name(type(value)) != "numpy.ndarray" or not 0 < value.size < MAX_MIN_MAX or value.dtype.kind not in "biuf":
        return []
    return [f"from {value.min().item()!r} to {value.max().item()!r}"]


def _tensor_brief(value: Any) -> str:
    return _named(value, f"shape {tuple(value.shape)}, {value.dtype}, on {value.device}")


_FRAME: Final = Kind(partial(_frame_brief, "pandas.DataFrame"), _pandas_frame)
_PANDAS_SCALAR: Final = Kind(lambda value: f"pandas.{type(value).__name__}", scalar=str)
_NUMBERS: Final = ("bool", "bool_", "float16", "float32", "float64", "longdouble", "complex64", "complex128", "datetime64", "timedelta64")
_INTEGERS: Final = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
_KINDS: Final[dict[tuple[str, str], tuple[str, Kind]]] = {
    ("pandas", "DataFrame"): ("pandas", _FRAME),
    ("pandas", "Series"): ("pandas", Kind(lambda value: f"pandas.Series, {len(value)} × {shorten(str(value.dtype), 60)}", _series)),
    ("pandas", "Index"): ("pandas", Kind(lambda value: _named(value, f"{len(value)} labels"))),
    ("pandas", "Timestamp"): ("pandas", _PANDAS_SCALAR),
    ("pandas", "Timedelta"): ("pandas", _PANDAS_SCALAR),
    ("pandas", "NaTType"): ("pandas._libs.tslibs.nattype", _PANDAS_SCALAR),
    ("pandas", "NAType"): ("pandas._libs.missing", _PANDAS_SCALAR),
    ("polars", "DataFrame"): ("polars", Kind(partial(_frame_brief, "polars.DataFrame"), _polars_frame)),
    ("polars", "Series"): ("polars", Kind(lambda value: f"polars.Series, {len(value)} × {value.dtype}", _series)),
    ("numpy", "ndarray"): ("numpy", Kind(_array_brief, _array)),
    **{("numpy", name): ("numpy", Kind(lambda value: class_name(type(value)), scalar=str)) for name in (*_NUMBERS, *_INTEGERS)},
    ("torch", "Tensor"): ("torch", Kind(_tensor_brief)),
    ("PIL", "Image"): ("PIL.Image", Kind(lambda value: _named(value, f"{value.mode} {value.size[0]}×{value.size[1]}"))),
    ("matplotlib", "Figure"): ("matplotlib.figure", Kind(lambda value: _named(value, f"{len(value.axes)} axes"))),
}
"""Supported classes, by the first part of their module and their name, with the module that contains them."""
