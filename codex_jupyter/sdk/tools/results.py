"""Results of tools -> texts and images for the model, within limits. Libraries are recognised by the methods of their values."""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_json

from codex_jupyter._image_formats import png_mode, raster_of
from codex_jupyter._shortening import shorten
from codex_jupyter.sdk.models.inputs import ImageInput, LocalImageInput, TextInput
from codex_jupyter.sdk.tools.limits import ToolLimits
from codex_jupyter.sdk.tools.wire import ImagePart, ResultPart, TextPart, ToolOutput

Convert = Callable[[Any], Sequence[ResultPart] | None]
"""Converts values that this module does not know; None for values that it does not know either."""
NOTHING: Final = "The tool has finished and returned nothing."
MAX_REPR: Final = 2_000
"""Characters of a value that has no other form than its `repr`."""
MAX_ARRAY: Final = 1_000
"""Elements of an array that are written out."""
MAX_ENTRIES: Final = 10_000
"""Entries of a generator that are read."""
_DEPTH: Final = 3
"""Levels of lists in which images are found."""


def to_parts(value: Any, limits: ToolLimits, convert: Convert | None = None, *, depth: int = _DEPTH) -> list[ResultPart]:
    """Return the parts of a result, not yet within the limits of texts and images.

    Args:
        value: A text, a value that can be written as JSON, a pydantic model, a data frame, a figure, an image, bytes of an image, a pair of
            bytes and their media type, or a list of them.
        limits: The limits of data frames.
        convert: Converts other values; asked first.
        depth: Levels of lists in which images are found.

    Raises:
        ValueError: If bytes have an unknown type.
        Exception: Any other, as the value raises it.
    """
    if convert is not None and (parts := convert(value)) is not None:
        return list(parts)
    if isinstance(value, ToolOutput):
        return list(value.parts)
    if isinstance(value, TextPart | ImagePart):
        return [value]
    if _is_generator(value):
        return _of_generator(value, limits)
    if isinstance(value, list | tuple) and depth and any(map(_is_rich, value)):
        if len(value) == 2 and isinstance(value[0], bytes | bytearray | memoryview) and isinstance(value[1], str) and "/" in value[1]:
            return [_bytes_part(bytes(value[0]), value[1])]
        return [part for entry in value for part in to_parts(entry, limits, depth=depth - 1)]
    data = _image_bytes(value)
    return [_bytes_part(data)] if data is not None else [TextPart(_text(value, limits))]


def _is_generator(value: Any) -> bool:
    """Return True for a value that makes its entries one by one, perhaps without an end. An open file is not one."""
    return isinstance(value, Iterator) and not hasattr(type(value), "read")


def _of_generator(value: Iterator[Any], limits: ToolLimits) -> list[ResultPart]:
    """Return the parts of the first entries of a generator, in a list. It may have no end."""
    entries, has_more = _first_entries(value)
    parts = to_parts(entries, limits)
    return [*parts, TextPart(f"[only the first {MAX_ENTRIES:,} entries: the result has more]")] if has_more else parts


def _first_entries(value: Iterator[Any]) -> tuple[list[Any], bool]:
    """Return the first entries of a generator, and True if it has more."""
    entries = list(islice(value, MAX_ENTRIES + 1))
    return entries[:MAX_ENTRIES], len(entries) > MAX_ENTRIES


def within_limits(parts: Iterable[ResultPart], limits: ToolLimits, redact: Callable[[str], str] | None = None) -> tuple[ResultPart, ...]:
    """Return the parts within the limits. A text says what is left out.

    Args:
        parts: The parts.
        limits: The limits.
        redact: Removes secrets from texts, before they are cut.
    """
    bounded: list[ResultPart] = []
    left, images = limits.max_text, 0
    for part in parts:
        if isinstance(part, ImagePart):
            images += 1
            if images > limits.max_images:
                continue
            if len(part.data) <= limits.max_image_bytes:
                bounded.append(part)
                continue
            bounded.append(TextPart(f"[an image of {len(part.data):,} bytes is left out: at most {limits.max_image_bytes:,} are sent]"))
            continue
        text = cut(redact(part.text) if redact is not None else part.text, left)
        left -= len(text.encode("utf-8", "replace"))
        if text or not part.text:
            bounded.append(TextPart(text))
    if images > limits.max_images:
        bounded.append(TextPart(f"[{images - limits.max_images} more images are left out: at most {limits.max_images} are sent]"))
    return tuple(bounded)


def cut(text: str, limit: int) -> str:
    """Return a text of at most `limit` bytes of UTF-8; the middle of a longer text is left out. Invalid Unicode is replaced."""
    data = text.encode("utf-8", "replace")
    if len(data) <= limit:
        return data.decode()
    gap = f"\n[... {len(data) - limit:,} or more bytes are left out ...]\n"
    half = (limit - len(gap)) // 2
    if half <= 0:
        return ""
    return data[:half].decode(errors="ignore") + gap + data[-half:].decode(errors="ignore")


def _bytes_part(data: bytes, media_type: str = "") -> ResultPart:
    raster = raster_of(data)
    if raster is not None:
        return ImagePart(data, raster.media_type)
    if media_type.startswith("text/") or media_type.split(";")[0].endswith(("json", "xml", "+yaml", "javascript")):
        return TextPart(data.decode(errors="replace"))
    kind = media_type or "an unknown type"
    raise ValueError(f"The result is {len(data):,} bytes of {kind}. Return a text, or a PNG, JPEG, GIF or WebP image.")


def _is_rich(value: Any) -> bool:
    """Return True for a value that would lose its meaning as JSON."""
    if isinstance(value, bytes | bytearray | memoryview | ImageInput | LocalImageInput | TextInput | ImagePart | TextPart):
        return True
    if isinstance(value, list | tuple):
        return any(isinstance(entry, bytes | ImagePart) or _is_rich_object(entry) for entry in value)
    return _is_rich_object(value)


def _is_rich_object(value: Any) -> bool:
    return _is_figure(value) or _is_pil(value) or _is_plotly(value) or _has_image_repr(value) or _is_frame(value)


def _is_figure(value: Any) -> bool:
    return hasattr(type(value), "savefig") or hasattr(type(getattr(value, "figure", None)), "savefig")


def _is_pil(value: Any) -> bool:
    return type(value).__module__.startswith("PIL.") and hasattr(type(value), "save")


def _is_plotly(value: Any) -> bool:
    return type(value).__module__.startswith("plotly.") and hasattr(type(value), "to_image")


def _has_image_repr(value: Any) -> bool:
    return any(hasattr(type(value), name) for name in ("_repr_png_", "_repr_jpeg_"))


def _is_frame(value: Any) -> bool:
    kind = type(value)
    return hasattr(kind, "head") and hasattr(kind, "shape") and (hasattr(kind, "to_csv") or hasattr(kind, "write_csv"))


def _image_bytes(value: Any) -> bytes | None:
    """Return the bytes of an image; None if the value is not one."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, ImageInput):
        return value.data
    if isinstance(value, LocalImageInput):
        return Path(value.path).read_bytes()
    buffer = io.BytesIO()
    if _is_figure(value):
        figure = value if hasattr(type(value), "savefig") else value.figure
        figure.savefig(buffer, format="png", bbox_inches="tight")
        return buffer.getvalue()
    if _is_pil(value):
        mode = png_mode(value.mode)
        if mode is None:
            raise ValueError(f"The result is an image of numbers (mode {value.mode}). Convert it to a mode with colours, such as 'L'.")
        (value if mode == value.mode else value.convert(mode)).save(buffer, format="PNG")
        return buffer.getvalue()
    if _is_plotly(value):
        return bytes(value.to_image(format="png"))
    for name in ("_repr_png_", "_repr_jpeg_"):
        shown = getattr(value, name)() if hasattr(type(value), name) else None
        data = shown[0] if isinstance(shown, tuple) else shown
        if isinstance(data, bytes):
            return data
    return None


def _text(value: Any, limits: ToolLimits) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, str):
        return str(value)
    if isinstance(value, TextInput):
        return value.text
    if isinstance(value, BaseModel):
        return value.model_dump_json()
    if _is_frame(value):
        return _table(value, limits)
    try:
        return to_json(_bounded(value), inf_nan_mode="constants", fallback=_as_json).decode()
    except (PydanticSerializationError, ValueError, RecursionError):
        return shorten(repr(value), MAX_REPR)


def _bounded(value: Any, depth: int = _DEPTH) -> Any:
    """Return a value with lists in place of the generators in its lists and dicts, because a generator may have no end."""
    if _is_generator(value):
        entries, has_more = _first_entries(value)
        return [*entries, "[the result has more entries]"] if has_more else entries
    if depth and type(value) is dict:
        return {key: _bounded(entry, depth - 1) for key, entry in value.items()}
    return [_bounded(entry, depth - 1) for entry in value] if depth and type(value) in (list, tuple) else value


def _as_json(value: Any) -> Any:
    """Return another form of a value in a JSON document: that of a scalar or an array, or its `repr`."""
    size = getattr(value, "size", None)
    if hasattr(type(value), "tolist") and isinstance(size, int) and size <= MAX_ARRAY:
        return value.tolist()
    return shorten(repr(value), MAX_REPR)


def _table(value: Any, limits: ToolLimits) -> str:
    """Return the first rows of a data frame or a series as CSV, below a line with its size."""
    rows, *columns = value.shape
    if hasattr(value, "to_frame") and not columns:
        value = value.to_frame()
    size = f"{rows:,} rows" + "".join(f" x {count:,} columns" for count in columns)
    names = list(value.columns)[: limits.max_columns]
    head = value.head(limits.max_rows)
    # polars and narwhals select by names; pandas needs places, because names may repeat.
    text = head.iloc[:, : len(names)].to_csv() if hasattr(head, "iloc") else head.select(names).write_csv()
    parts = [f"the first {limits.max_rows} rows"] * (rows > limits.max_rows)
    parts += [f"the first {limits.max_columns} columns"] * (len(list(value.columns)) > limits.max_columns)
    return f"{type(value).__name__}, {size}{''.join(f', {part}' for part in parts)}, as CSV:\n{text}"
