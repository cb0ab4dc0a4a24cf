"""Make an image of an array of numbers. Values whose colour is not certain are refused, with the expression that converts them."""

import math
import sys
from typing import Any, Final

from codex_jupyter.notebook.images.from_file import error_line
from codex_jupyter.sdk import InputError

_TABLES: Final = ("cudf", "dask.dataframe", "geopandas", "modin", "pandas", "polars", "pyarrow")
"""Packages whose frames and columns convert to arrays, but are not images."""
CHUNK: Final = 2**19
"""Bytes that are checked and converted at once: they stay in the cache of the processor."""
_CHANNELS: Final = (1, 3, 4)
_FORM: Final = "An image must be height x width, or height x width x 3 or 4"


def is_array(value: Any) -> bool:
    """Return True for a NumPy array, also of a subclass."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def is_array_like(value: Any) -> bool:
    """Return True for an object that converts itself to an array, such as a tensor, and that is not a table."""
    if isinstance(value, type) or not hasattr(type(value), "__array__"):
        return False
    modules = [f"{cls.__module__}." for cls in type(value).__mro__]
    return not any(module.startswith(f"{table}.") for module in modules for table in _TABLES)


def image_of_array(value: Any, name: str) -> Any:
    """Return an array as a PIL image. Hidden elements of a masked array are transparent.

    Args:
        value: An array of height x width, or height x width x 1, 3 or 4, or an object that converts itself to one. Its values are
            booleans, `uint8`, integers from 0 to 255, `uint16`, or floats from 0 to 1.
        name: Its name in errors.

    Raises:
        InputError: If it has another shape, or values of which the colour is not certain.
    """
    import numpy as np
    from PIL import Image

    mask = None
    if isinstance(value, np.ma.MaskedArray):
        mask, value = np.ma.getmaskarray(value), value.data
    try:
        array = np.asarray(value)
    except Exception as error:  # from the code of another package, for example for a tensor of a GPU
        raise InputError(f"{name} cannot be converted to an array: {error_line(error)}.") from error
    _check_shape(array, name)
    if mask is not None and mask.any():
        return _masked(array, mask, name)
    return Image.fromarray(_pixels(array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array, name))


def _masked(array: Any, mask: Any, name: str) -> Any:
    """Return a masked array as an image. White is under the hidden elements, for programs that ignore transparency."""
    import numpy as np
    from PIL import Image

    hidden = mask.any(axis=2) if mask.ndim == 3 else mask
    # Zero is a valid value of each type. The hidden values are not checked, because they are often NaN or a mark such as -9999.
    visible = np.where(mask if mask.ndim == array.ndim else hidden[..., None], np.zeros((), array.dtype), array)
    pixels = _pixels(visible[..., 0] if visible.ndim == 3 and visible.shape[2] == 1 else visible, name)
    image = Image.fromarray(pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)).convert("RGBA")
    shown = Image.fromarray(~hidden)
    return Image.composite(image, Image.new("RGBA", image.size, (255, 255, 255, 0)), shown)


def _check_shape(array: Any, name: str) -> None:
    shape = " x ".join(map(str, array.shape)) or "no dimension"
    if array.ndim in (2, 3) and 0 not in array.shape and (array.ndim == 2 or array.shape[2] in _CHANNELS):
        return
    hint = ""
    if array.ndim == 3 and array.shape[0] in _CHANNELS and 0 not in array.shape:
        hint = f" If the channels come first, attach np.moveaxis({name}, 0, -1)."
    elif array.ndim == 3 and array.shape[2] == 2:
        hint = f" Attach one channel: {name}[..., 0]."
    elif array.ndim == 4:
        hint = f" Attach one of its images: {name}[0]."
    raise InputError(f"{name} is an array of {shape}. {_FORM}.{hint}")


def _pixels(array: Any, name: str) -> Any:
    """Return an array as `uint8`, or as `uint16` if it has one channel of 16 bits."""
    import numpy as np

    kind = array.dtype.kind
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    if kind in "iu":
        return _of_integers(array, name)
    if kind == "f":
        return _of_floats(array, name)
    hint = f" Attach its absolute value, scaled to 1: np.abs({name}) / np.abs({name}).max()." if kind == "c" else ""
    raise InputError(f"{name} is an array of {array.dtype}. An image must have uint8, booleans, or floats from 0 to 1.{hint}")


def _of_integers(array: Any, name: str) -> Any:
    import numpy as np

    low, high = int(array.min()), int(array.max())
    if array.dtype.itemsize == 2 and array.dtype.kind == "u" and high > 255:
        return np.ascontiguousarray(array, dtype=np.uint16) if array.ndim == 2 else (array >> 8).astype(np.uint8)
    if low == 0 and high <= 1:
        form = f"{name} is an array of {array.dtype}. An image must have uint8, or floats from 0 to 1."
        raise InputError(f"{form} Integers up to {high} would be black. Attach {name} * 255, or {name}.astype(bool) for a mask.")
    if array.dtype.itemsize == 2 and array.dtype.kind == "u":
        remedy = f"Attach {name}.astype(np.uint8)."
        raise InputError(f"{name} has {array.dtype} values from {low} to {high}, which would be nearly black in 16 bits. {remedy}")
    if low >= 0 and high <= 255:
        return array.astype(np.uint8)
    raise InputError(f"{name} has integers from {low} to {high}. An image must have integers from 0 to 255. {_scale(name)}")


def _of_floats(array: Any, name: str) -> Any:
    import numpy as np

    pixels = np.empty(array.shape, np.uint8)
    rows = max(1, CHUNK // array[0].nbytes)
    for row in range(0, len(array), rows):
        part = array[row : row + rows]
        if not (part.min() >= 0 and part.max() <= 1):  # also if one of them is NaN
            raise _wrong_floats(array, name)
        part = part * np.float32(255)
        pixels[row : row + rows] = np.rint(part, out=part)
    return pixels


def _wrong_floats(array: Any, name: str) -> InputError:
    """Return the error for an array with values outside of 0 to 1."""
    low, high = float(array.min()), float(array.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        remedy = f"Attach np.ma.masked_invalid({name}) to leave them out, or np.nan_to_num({name})."
        return InputError(f"{name} has values that are NaN or infinite. An image must have floats from 0 to 1. {remedy}")
    remedy = f"Attach {name} / 255." if low >= 0 and 1.5 < high <= 255 else _scale(name)
    return InputError(f"{name} has values from {low:.6g} to {high:.6g}. An image must have floats from 0 to 1, or uint8. {remedy}")


def _scale(name: str) -> str:
    return f"Scale it: ({name} - {name}.min()) / np.ptp({name})."
