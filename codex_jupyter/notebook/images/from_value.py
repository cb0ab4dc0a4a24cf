"""A picture of a value: figures, axes, charts, arrays, PIL images, files' bytes, and whatever else can show itself as one.

No library is imported for it: a value of a library that is not loaded cannot be one of its figures.
"""

import base64
import io
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final

from codex_jupyter.notebook.images.display_log import PLOTLY, SVG, VEGA_LITE, ImageSource, image_of
from codex_jupyter.notebook.images.from_file import image_of_bytes, line_of, png, read_image
from codex_jupyter.sdk import InputError
from codex_jupyter.sdk.image_formats import raster_of

MAIN_THREAD_SECONDS: Final = 2.0
"""Longest time to wait until the kernel's main thread is free to draw a figure."""
MAX_FIGURE_SIDE: Final = 8192
"""Pixels of a figure's longest side, four times what is sent. A larger figure is drawn at this size: at its own that could take minutes."""
_WHAT_CAN: Final = "A figure, axes, a chart, a PIL image, an array, the bytes or the path of a picture can be attached"
_REPRS: Final = {
    "image/png": "_repr_png_",
    "image/jpeg": "_repr_jpeg_",
    "image/webp": "_repr_webp_",
    "image/gif": "_repr_gif_",
    SVG: "_repr_svg_",
}


def draw(value: Any, name: str, shell: Any | None = None) -> ImageSource:
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
    if isinstance(value, ImageSource):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return image_of_bytes(bytes(value), name)
    if isinstance(value, str | Path):
        return read_image(Path(os.path.expanduser(value)), name)
    for is_one, drawn in _KINDS:
        if is_one(value):
            data, media_type = drawn(value, name, shell)
            return ImageSource(data, media_type, name)
    found = _shown(value, shell)
    if found is None:
        raise InputError(f"{name} is {_a(type(value).__name__)}, not a picture. {_WHAT_CAN}.")
    return ImageSource(*found, name)


def is_image(value: Any) -> bool:
    """Whether a value is plainly meant to be seen: a figure, chart, image or file of one. Draws nothing, calls nothing of it."""
    if isinstance(value, ImageSource) or _is_figure(value) or _is_pil(value) or _is_plotly(value) or _is_altair(value):
        return True
    if _is_array(value):
        # Any matrix could be drawn; only what is laid out as a photograph is taken for one.
        return bool(value.dtype.name == "uint8" and value.ndim == 3 and value.shape[2] in (3, 4))
    if isinstance(value, Path):
        return value.suffix.lower() in (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg")
    if isinstance(value, bytes):
        return raster_of(value) is not None
    return any(hasattr(type(value), name) for name in _REPRS.values() if name != "_repr_svg_")


# Each kind of value: whether it is one, and how it is drawn.


def _is_figure(value: Any) -> bool:
    return _figure(value) is not None


def _figure(value: Any) -> Any | None:
    """The matplotlib figure that a value is, or is part of: an artist, some artists, a grid of seaborn."""
    artist = sys.modules.get("matplotlib.artist")
    if artist is None:
        return None
    # What `plt.subplots()` returns is a figure and axes, or arrays of axes.
    for _ in range(2):
        if _is_array(value):
            value = value.flat[0] if value.dtype == object and value.size else None
        elif isinstance(value, list | tuple):
            value = value[0] if value else None
    if str(type(value).__module__).startswith("seaborn.") or isinstance(value, artist.Artist):
        figure = getattr(value, "figure", None)
        figure = getattr(figure, "figure", figure)  # of a subfigure, the whole one
        return value if figure is None and hasattr(value, "savefig") else figure
    return None


def _draw_figure(value: Any, name: str, shell: Any | None) -> tuple[bytes, str]:
    figure: Any = _figure(value)
    if threading.current_thread() is not threading.main_thread():
        return _on_main_thread(lambda: _draw_figure(value, name, shell), name, shell)
    if all(child is figure.patch for child in figure.get_children()):
        raise InputError(f"{name} is a blank figure: there is nothing on it.")
    side = max(figure.get_size_inches())
    dpi = MAX_FIGURE_SIDE / side if side * figure.dpi > MAX_FIGURE_SIDE else None
    formatter = shell.display_formatter.formatters["image/png"] if shell is not None and dpi is None else None
    if formatter is not None and _has_formatter(formatter, figure):
        drawn = formatter(figure)
        if drawn is not None:
            drawn = drawn[0] if isinstance(drawn, tuple) else drawn
            return (base64.b64decode(drawn) if isinstance(drawn, str) else drawn), "image/png"
    file = io.BytesIO()
    try:
        figure.savefig(file, format="png", bbox_inches="tight", dpi=dpi)
    except Exception as error:  # a formula that cannot be set, a callback of the user's, ...
        raise InputError(f"{name} cannot be drawn: {line_of(error)}.") from error
    return file.getvalue(), "image/png"


def _on_main_thread(draw_it: Callable[[], tuple[bytes, str]], name: str, shell: Any | None) -> tuple[bytes, str]:
    """Draw a figure between two cells: a chat asks on another thread, and Matplotlib is not made for several."""
    drawn: Future[tuple[bytes, str]] = Future()

    def run() -> None:
        if drawn.set_running_or_notify_cancel():
            try:
                drawn.set_result(draw_it())
            except Exception as error:
                drawn.set_exception(error)

    loop = getattr(getattr(shell, "kernel", None), "io_loop", None)
    if loop is not None:
        loop.add_callback(run)
        try:
            return drawn.result(MAIN_THREAD_SECONDS)
        except TimeoutError:
            if not drawn.cancel():  # it is being drawn
                return drawn.result()
    raise InputError(
        f"{name} is a figure; figures are drawn on the kernel's main thread only, and that is busy. "
        "Wait for the cell that runs, or name what it has shown: plot."
    )


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
        return png(value, name), "image/png"
    except (OSError, ValueError) as error:
        raise InputError(f"{name} cannot be written as PNG: {line_of(error)}.") from error


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
    return png(Image.fromarray(np.ascontiguousarray(value)), name), "image/png"


def _is_plotly(value: Any) -> bool:
    plotly = sys.modules.get("plotly.basedatatypes")
    return plotly is not None and isinstance(value, plotly.BaseFigure)


def _draw_plotly(value: Any, name: str, _: object) -> tuple[bytes, str]:
    if not value.data and not value.layout.annotations and not value.layout.shapes and not value.layout.images:
        raise InputError(f"{name} is a blank figure: there is nothing on it.")
    return value.to_json().encode(), PLOTLY


def _is_altair(value: Any) -> bool:
    return str(type(value).__module__).startswith("altair.") and hasattr(type(value), "to_json")


def _draw_altair(value: Any, name: str, _: object) -> tuple[bytes, str]:
    try:
        return value.to_json().encode(), VEGA_LITE
    except Exception as error:  # a schema error of theirs, many lines long
        raise InputError(f"{name} is no chart that can be drawn: {line_of(error)}.") from error


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
        found = image_of(bundle)
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


def _a(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"
