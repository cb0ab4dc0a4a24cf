"""A picture of a value: figures, axes, charts, arrays, PIL images, files' bytes, and whatever else can show itself as one.

No library is imported for it: a value of a library that is not loaded cannot be one of its figures.
"""

import base64
import io
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from codex_jupyter.notebook.images.log import PLOTLY, RASTER_TYPES, SVG, VEGA_HTML, VEGA_LITE, Picture, picture_of
from codex_jupyter.sdk import InputError

_SIGNATURES: Final = {
    "image/png": (b"\x89PNG\r\n\x1a\n", 0),
    "image/jpeg": (b"\xff\xd8\xff", 0),
    "image/gif": (b"GIF8", 0),
    "image/webp": (b"WEBP", 8),
}
_WHAT_CAN: Final = "A figure, axes, a chart, a PIL image, an array, the bytes or the path of a picture can be attached"
_REPRS: Final = {
    "image/png": "_repr_png_",
    "image/jpeg": "_repr_jpeg_",
    "image/webp": "_repr_webp_",
    "image/gif": "_repr_gif_",
    SVG: "_repr_svg_",
}


def draw(value: Any, name: str, shell: Any | None = None) -> Picture:
    """Make a picture of a value.

    Args:
        value: A matplotlib figure, axes or other artist, or a list of them; a seaborn grid; a PIL image; a NumPy array of height x width,
            or height x width x 3 or 4, of `uint8`, or of floats from 0 to 1; a Plotly or Altair chart; the bytes of a picture; the
            path of a file; or an object that shows itself as a picture (`_repr_png_`, `_repr_mimebundle_`, ...).
        name: What to call it.
        shell: The `InteractiveShell` whose formatters draw what they are made for, so that a figure looks as it does in the notebook.

    Raises:
        InputError: If it is nothing that can be drawn, or is empty, in one line.
    """
    if isinstance(value, Picture):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return picture_of_bytes(bytes(value), name)
    if isinstance(value, str | Path):
        return read_picture(Path(value).expanduser(), name)
    for is_one, drawn in _KINDS:
        if is_one(value):
            data, media_type = drawn(value, name, shell)
            return Picture(data, media_type, name)
    found = _shown(value, shell)
    if found is None:
        raise InputError(f"{name} is {_a(type(value).__name__)}, not a picture. {_WHAT_CAN}.")
    return Picture(*found, name)


def is_picture(value: Any) -> bool:
    """Whether a value is plainly meant to be seen: a figure, chart, image or file of one. Draws nothing, calls nothing of it."""
    if isinstance(value, Picture) or _is_figure(value) or _is_pil(value) or _is_plotly(value) or _is_altair(value):
        return True
    if _is_array(value):
        # Any matrix could be drawn; only what is laid out as a photograph is taken for one.
        return bool(value.dtype.name == "uint8" and value.ndim == 3 and value.shape[2] in (3, 4))
    if isinstance(value, Path):
        return value.suffix.lower() in (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg")
    if isinstance(value, bytes):
        return _raster_type(value) is not None
    return any(hasattr(type(value), name) for name in _REPRS.values() if name != "_repr_svg_")


def picture_of_bytes(data: bytes, name: str) -> Picture:
    """The picture that some bytes are.

    Raises:
        InputError: If they are none: empty, text, or of a kind that is not known.
    """
    media_type = _raster_type(data)
    if media_type is not None:
        return Picture(data, media_type, name)
    if not data:
        raise InputError(f"{name} is empty.")
    if b"<svg" in data[:2048]:
        return Picture(data, SVG, name)
    from PIL import Image, UnidentifiedImageError

    # What Pillow reads beyond that (BMP, TIFF, ...) is made into a PNG.
    try:
        with Image.open(io.BytesIO(data)) as image:
            return Picture(_png(image), "image/png", name)
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        raise InputError(
            f"{name} is no picture of a known kind: PNG, JPEG, GIF, WebP, SVG and what Pillow reads can be attached."
        ) from None


def read_picture(path: Path, name: str = "") -> Picture:
    """The picture in a file.

    Raises:
        InputError: If it is missing, cannot be read, or is no picture.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except OSError as error:
        raise InputError(f"The file {path} cannot be read: {error.strerror}.") from None
    return picture_of_bytes(data, name or str(path))


def rasterised(picture: Picture) -> tuple[bytes, str]:
    """The bytes of a picture as a raster file, and their media type.

    Raises:
        InputError: If it must be drawn for that and no library for it is installed, or the drawing fails.
    """
    if picture.media_type in RASTER_TYPES:
        return picture.data, picture.media_type
    try:
        return _CONVERTERS[picture.media_type](picture.data), "image/png"
    except ImportError as error:
        library = _LIBRARIES[picture.media_type]
        raise InputError(f"{picture.label} can be attached when {library} is installed: `%pip install {library}`.") from error
    except Exception as error:  # whatever such a library raises
        raise InputError(f"{picture.label} cannot be made into a picture: {_line(error)}.") from error


# Each kind of value: whether it is one, and how it is drawn.


def _is_figure(value: Any) -> bool:
    return _figure(value) is not None


def _figure(value: Any) -> Any | None:
    """The matplotlib figure that a value is, or is part of: an artist, some artists, a grid of seaborn."""
    artist = sys.modules.get("matplotlib.artist")
    if artist is None:
        return None
    if type(value).__module__.startswith("seaborn.") or isinstance(value, artist.Artist):
        figure = getattr(value, "figure", None)
        figure = getattr(figure, "figure", figure)  # of a subfigure, the whole one
        return value if figure is None and hasattr(value, "savefig") else figure
    if _is_array(value):
        return _figure(value.flat[0]) if value.dtype == object and value.size else None
    return _figure(value[0]) if isinstance(value, list | tuple) and value else None


def _draw_figure(value: Any, name: str, shell: Any | None) -> tuple[bytes, str]:
    figure: Any = _figure(value)
    if threading.current_thread() is not threading.main_thread():
        raise InputError(f"{name} is a figure; figures are drawn on the kernel's main thread only.")
    if all(child is figure.patch for child in figure.get_children()):
        raise InputError(f"{name} is a blank figure: there is nothing on it.")
    formatter = shell.display_formatter.formatters["image/png"] if shell is not None else None
    if formatter is not None and _has_formatter(formatter, figure):
        drawn = formatter(figure)
        if drawn is not None:
            drawn = drawn[0] if isinstance(drawn, tuple) else drawn
            return (base64.b64decode(drawn) if isinstance(drawn, str) else drawn), "image/png"
    file = io.BytesIO()
    try:
        figure.savefig(file, format="png", bbox_inches="tight")
    except Exception as error:  # a formula that cannot be set, a callback of the user's, ...
        raise InputError(f"{name} cannot be drawn: {_line(error)}.") from error
    return file.getvalue(), "image/png"


def _has_formatter(formatter: Any, value: Any) -> bool:
    try:
        formatter.lookup(value)
    except KeyError:
        return False
    return True


def _is_pil(value: Any) -> bool:
    pil = sys.modules.get("PIL.Image")
    return pil is not None and isinstance(value, pil.Image)


def _draw_pil(value: Any, name: str, _: object) -> tuple[bytes, str]:
    if 0 in value.size:
        raise InputError(f"{name} is an empty picture: {value.width} x {value.height} pixels.")
    try:
        return _png(value), "image/png"
    except (OSError, ValueError) as error:
        raise InputError(f"{name} cannot be written as PNG: {_line(error)}.") from error


def _png(image: Any) -> bytes:
    file = io.BytesIO()
    fits = image.mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
    (image if fits else image.convert("RGB")).save(file, "PNG")
    return file.getvalue()


def _is_array(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def _draw_array(value: Any, name: str, _: object) -> tuple[bytes, str]:
    import numpy as np
    from PIL import Image

    if value.ndim not in (2, 3) or (value.ndim == 3 and value.shape[2] not in (3, 4)) or 0 in value.shape:
        shape = " x ".join(map(str, value.shape)) or "no dimension"
        raise InputError(f"{name} is an array of {shape}; a picture is height x width, or height x width x 3 or 4.")
    if value.dtype != np.uint8:
        if not np.issubdtype(value.dtype, np.floating):
            raise InputError(f"{name} is an array of {value.dtype}; a picture is of uint8, or of floats from 0 to 1.")
        if not np.isfinite(value).all():
            raise InputError(f"{name} has values that are NaN or infinite; a picture is of floats from 0 to 1.")
        if value.min() < 0 or value.max() > 1:
            raise InputError(
                f"{name} has values from {value.min():.6g} to {value.max():.6g}; a picture is of floats from 0 to 1, or of uint8."
            )
        value = (value * 255).round().astype(np.uint8)
    return _png(Image.fromarray(np.ascontiguousarray(value))), "image/png"


def _is_plotly(value: Any) -> bool:
    plotly = sys.modules.get("plotly.basedatatypes")
    return plotly is not None and isinstance(value, plotly.BaseFigure)


def _draw_plotly(value: Any, name: str, _: object) -> tuple[bytes, str]:
    if not value.data and not value.layout.annotations and not value.layout.shapes and not value.layout.images:
        raise InputError(f"{name} is a blank figure: there is nothing on it.")
    return value.to_json().encode(), PLOTLY


def _is_altair(value: Any) -> bool:
    return type(value).__module__.startswith("altair.") and hasattr(type(value), "to_json")


def _draw_altair(value: Any, name: str, _: object) -> tuple[bytes, str]:
    try:
        return value.to_json().encode(), VEGA_LITE
    except Exception as error:  # a schema error of theirs, many lines long
        raise InputError(f"{name} is no chart that can be drawn: {_line(error)}.") from error


_Drawing = Callable[[Any, str, Any], tuple[bytes, str]]
_KINDS: Final[tuple[tuple[Callable[[Any], bool], _Drawing], ...]] = (
    (_is_figure, _draw_figure),
    (_is_pil, _draw_pil),
    (_is_array, _draw_array),
    (_is_plotly, _draw_plotly),
    (_is_altair, _draw_altair),
)


def _shown(value: Any, shell: Any | None) -> tuple[bytes, str] | None:
    """The picture as which an object shows itself."""
    for bundle in _bundles(value, shell):
        found = picture_of(bundle)
        if found is not None and found[0]:
            return found
    return None


def _bundles(value: Any, shell: Any | None) -> Iterator[dict[str, Any]]:
    if isinstance(value, type):
        return
    formatters = shell.display_formatter.formatters if shell is not None else {}
    for media_type, method in _REPRS.items():
        shown = None
        if media_type in formatters:
            shown = formatters[media_type](value)
        elif hasattr(type(value), method):
            shown = getattr(value, method)()
        shown = shown[0] if isinstance(shown, tuple) else shown
        if isinstance(shown, str | bytes):
            yield {media_type: shown}
    if hasattr(type(value), "_repr_mimebundle_"):
        shown = value._repr_mimebundle_(include=None, exclude=None)
        yield shown[0] if isinstance(shown, tuple) else shown or {}


# What is drawn from a description, by the library that can.


def _plotly_png(data: bytes) -> bytes:
    import kaleido  # noqa: F401  # Plotly's own message, when it is missing, is a page long
    import plotly.io

    return bytes(plotly.io.to_image(plotly.io.from_json(data.decode(), skip_invalid=True), "png"))


def _vega_png(data: bytes) -> bytes:
    import vl_convert

    return bytes(vl_convert.vegalite_to_png(data.decode(), scale=2))


def _vega_html_png(data: bytes) -> bytes:
    import json

    html, decoder = data.decode(), json.JSONDecoder()
    # Altair's page ends with `})({spec}, {options});`.
    start = html.rfind("})({")
    if start < 0:
        raise ValueError("the page holds no chart in a form that is known; attach the chart by its variable")
    return _vega_png(json.dumps(decoder.raw_decode(html, start + 3)[0]).encode())


def _svg_png(data: bytes) -> bytes:
    import vl_convert

    return bytes(vl_convert.svg_to_png(data.decode(), scale=2))


_CONVERTERS: Final = {PLOTLY: _plotly_png, VEGA_LITE: _vega_png, VEGA_HTML: _vega_html_png, SVG: _svg_png}
_LIBRARIES: Final = {PLOTLY: "kaleido", VEGA_LITE: "vl-convert-python", VEGA_HTML: "vl-convert-python", SVG: "vl-convert-python"}


def _raster_type(data: bytes) -> str | None:
    return next((kind for kind, (mark, at) in _SIGNATURES.items() if data[at : at + len(mark)] == mark), None)


def _a(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def _line(error: BaseException) -> str:
    """An error of a library in one line."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first[:300]}".rstrip(".: ")
