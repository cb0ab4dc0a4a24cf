"""Make an image of a value: figures, axes, charts, arrays, PIL images, bytes, and objects that display themselves as an image.

No library is imported, because the figures of a library exist only if it has been imported.
"""

import base64
import io
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from io import IOBase
from pathlib import Path
from typing import Any, Final

from codex_jupyter._image_formats import SUFFIXES, SVG_SUFFIX, raster_of
from codex_jupyter.notebook.images.exporters import export, is_chart
from codex_jupyter.notebook.images.from_array import image_of_array, is_array, is_array_like
from codex_jupyter.notebook.images.from_file import error_line, image_of_bytes, in_png_mode, png, read_image, read_stream
from codex_jupyter.notebook.images.from_html import shown_in_html
from codex_jupyter.notebook.images.representations import REPRS, displayed_image, registered_printer, with_article, without_metadata
from codex_jupyter.notebook.images.source import PLOTLY, VEGA_LITE, WIDGET, ImageSource, displayed
from codex_jupyter.notebook.images.widgets import contents, media_name
from codex_jupyter.sdk import ImageInput, InputError

MAIN_THREAD_SECONDS: Final = 2.0
"""Maximum time to wait for the kernel's main thread, in seconds."""
MAX_FIGURE_SIDE: Final = 8192
"""Maximum longest side of a figure in pixels, four times the sent size. A larger figure is reduced, because it could take minutes."""
MAX_ELEMENTS: Final = 20
"""Maximum number of elements of a list that is attached."""
MAX_DEPTH: Final = 3
"""Maximum number of lists around an image."""
ENCODED_SIDE: Final = 2048
"""Longest side, in pixels, of an image in memory that is encoded without scaling."""
_SUPPORTED: Final = "Attach a figure, axes, a chart, a PIL image, an array, or the bytes or the path of an image"


def images_from_value(value: Any, name: str, shell: Any | None = None) -> list[ImageSource]:
    """Return the images of a value. Of a list or a tuple, these are the images of its elements; figures are attached once.

    Args:
        value: A value as in `image_from_value`, or a list of such values. An array of objects, such as axes, is a list.
        name: Its name in errors and labels.
        shell: As in `image_from_value`.

    Raises:
        InputError: If there is no image of it or of one of its elements, or there are more than `MAX_ELEMENTS`.
    """
    if not _is_list(value):
        return [image_from_value(value, name, shell)]
    elements = _elements(value, name)
    if len(elements) > MAX_ELEMENTS and len({id(_figure(element)) for _, element in elements}) > 1:
        raise InputError(f"{name} contains {len(elements):,} images. Attach at most {MAX_ELEMENTS} images to a turn.")
    if not elements:
        raise InputError(f"{name} is empty.")
    figures = {id(figure) for _, element in elements if (figure := _figure(element)) is not None}
    if len(figures) == 1 and all(_is_figure(element) for _, element in elements):
        return [image_from_value(elements[0][1], name, shell)]
    distinct = {id(_figure(element) or element): (part, element) for part, element in elements}
    return [image_from_value(element, part, shell) for part, element in distinct.values()]


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple) or (is_array(value) and value.dtype == object and value.ndim > 0)


def _elements(value: Any, name: str, depth: int = MAX_DEPTH) -> list[tuple[str, Any]]:
    """Return the elements of a list and of the lists in it, with their names."""
    if len(value) > MAX_ELEMENTS:
        limit = f"Attach at most {MAX_ELEMENTS} images to a turn, such as {name}[:{MAX_ELEMENTS}]."
        raise InputError(f"{name} has {len(value):,} elements. {limit}")
    elements: list[tuple[str, Any]] = []
    for number, element in enumerate(value):
        part = f"{name}[{number}]"
        if depth == 1 and _is_list(element):
            raise InputError(f"{part} is a {type(element).__name__} in {MAX_DEPTH} others, not an image. {_SUPPORTED}.")
        elements += _elements(element, part, depth - 1) if _is_list(element) else [(part, element)]
    return elements


def image_from_value(value: Any, name: str, shell: Any | None = None) -> ImageSource:
    """Make an image of a value.

    Args:
        value: A matplotlib figure, axes or other artist; a seaborn grid; a PIL image; an array as in `image_of_array`; a Plotly or Altair
            chart; a widget with an image or a figure; the bytes of an image; an open binary file; the path of a file; or an object that
            displays itself as an image (`_repr_png_`, `_repr_mimebundle_`, ...) or converts itself to an array.
        name: Its name in errors and labels.
        shell: The `InteractiveShell` whose formatters are used, so that a figure looks as it does in the notebook.

    Raises:
        InputError: If there is no image of it, or it is empty.
    """
    try:
        return _image_from_value(value, name, shell)
    except InputError:
        raise
    except Exception as error:  # code of the value, such as a `__getattr__`, can raise anything
        raise InputError(f"{name} is {with_article(type(value).__name__)} of which no image can be made: {error_line(error)}.") from error


def _image_from_value(value: Any, name: str, shell: Any | None) -> ImageSource:
    if isinstance(value, ImageSource):
        return value
    if _is_list(value):
        images = images_from_value(value, name, shell)
        if len(images) != 1:
            raise InputError(f"{name} has {len(images)} images. Attach one of them, such as {name}[0].")
        return images[0]
    if isinstance(value, ImageInput):
        return image_of_bytes(value.data, name)
    if isinstance(value, bytes | bytearray | memoryview):
        return image_of_bytes(bytes(value), name)
    if isinstance(value, str | Path):
        return read_image(Path(os.path.expanduser(value)), name)
    if _is_stream(value):
        return image_of_bytes(read_stream(value, name), name)
    for is_kind, convert in _KINDS:
        if is_kind(value):
            data, media_type = convert(value, name, shell)
            return ImageSource(data, media_type, name)
    if _is_pil(value) or is_array(value):
        return _image_of_pixels(value if _is_pil(value) else image_of_array(value, name), name)
    if (drawn := export(value, name)) is not None:
        return image_from_value(drawn, name, shell)
    shown = displayed_image(value, name, shell)
    if shown is not None:
        return ImageSource(shown.data, shown.media_type, name)
    if is_array_like(value):
        return _image_of_pixels(image_of_array(value, name), name)
    package = str(type(value).__module__).partition(".")[0]
    of = "" if package in ("builtins", "__main__", "IPython") else f" of {package}"
    raise InputError(f"{name} is {with_article(type(value).__name__)}{of}, not an image. {_SUPPORTED}.")


def _is_stream(value: Any) -> bool:
    return isinstance(value, IOBase) or all(hasattr(type(value), name) or hasattr(value, name) for name in ("read", "seek", "tell"))


def _image_of_pixels(image: Any, name: str) -> ImageSource:
    """Return the image of a PIL image. A large one is not encoded yet, because it is scaled when it is sent."""
    if 0 in image.size:
        raise InputError(f"{name} is an empty image: {image.width} x {image.height} pixels.")
    try:
        image.load()  # the image may be a file that is not read yet
        if max(image.size) > ENCODED_SIDE:
            return ImageSource(b"", "image/png", name, pixels=in_png_mode(image, name))
        return ImageSource(png(image, name), "image/png", name)
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f"{name} cannot be written as PNG: {error_line(error)}.") from error


def is_image(value: Any, depth: int = MAX_DEPTH) -> bool:
    """Return True if a value is clearly an image: a figure, a chart, a PIL image, or the bytes or the path of one. Runs no code of it.

    Args:
        value: Anything. A list is an image if its elements are.
        depth: Maximum number of lists around an image.
    """
    if isinstance(value, ImageSource) or _is_figure(value) or _is_pil(value) or _is_plotly(value) or _is_altair(value):
        return True
    if is_chart(value):
        return True
    if _is_list(value):
        return 0 < len(value) <= MAX_ELEMENTS and all(is_image(element, depth - 1) for element in value) if depth else False
    if is_array(value):
        # Any matrix could be an image. Only an array with the layout of a photograph is taken for one.
        return bool(value.dtype.name == "uint8" and value.ndim == 3 and value.shape[2] in (3, 4))
    if isinstance(value, Path):
        return value.suffix.lower() in (*SUFFIXES, SVG_SUFFIX)
    if isinstance(value, bytes):
        return raster_of(value) is not None
    if type(value) is io.BytesIO:
        return not value.closed and raster_of(value.getvalue()) is not None
    return any(hasattr(type(value), name) for name in REPRS.values() if name != "_repr_svg_")


# For each kind of value: a function that recognizes it, and one that converts it.


def _is_figure(value: Any) -> bool:
    return _figure(value) is not None


def _figure(value: Any) -> Any | None:
    """Return the matplotlib figure that a value is or belongs to: an artist, a seaborn grid, or a widget of ipympl."""
    artist = sys.modules.get("matplotlib.artist")
    if artist is None:
        return None
    if str(type(value).__module__).startswith(("seaborn.", "ipympl.")) or isinstance(value, artist.Artist):
        figure = getattr(value, "figure", None)
        figure = getattr(figure, "figure", figure)  # the whole figure of a subfigure
        return value if figure is None and hasattr(value, "savefig") else figure
    return None


def _convert_figure(value: Any, name: str, shell: Any | None) -> tuple[bytes, str]:
    figure: Any = _figure(value)
    if threading.current_thread() is not threading.main_thread():
        return _on_main_thread(lambda: _convert_figure(value, name, shell), name, shell)
    if all(child is figure.patch for child in figure.get_children()):
        raise InputError(f"{name} is a blank figure. Plot something on it first.")
    side = max(figure.get_size_inches())
    dpi = MAX_FIGURE_SIDE / side if side * figure.dpi > MAX_FIGURE_SIDE else None
    printer = registered_printer(shell.display_formatter.formatters["image/png"], figure) if shell is not None and dpi is None else None
    file = io.BytesIO()
    try:
        result = without_metadata(printer()) if printer is not None else None
        if result is not None:
            return (base64.b64decode(result) if isinstance(result, str) else result), "image/png"
        figure.savefig(file, format="png", bbox_inches="tight", dpi=dpi)
    except Exception as error:  # an invalid formula, an error in a callback of the user, ...
        raise InputError(f"{name} cannot be drawn: {error_line(error)}.") from error
    return file.getvalue(), "image/png"


def _on_main_thread(convert: Callable[[], tuple[bytes, str]], name: str, shell: Any | None) -> tuple[bytes, str]:
    """Convert a figure between two cells, because a chat asks on another thread and Matplotlib is not thread-safe."""
    pending: Future[tuple[bytes, str]] = Future()

    def run() -> None:
        if pending.set_running_or_notify_cancel():
            try:
                pending.set_result(convert())
            except Exception as error:
                pending.set_exception(error)

    loop = getattr(getattr(shell, "kernel", None), "io_loop", None)
    if loop is not None:
        loop.add_callback(run)
        try:
            return pending.result(MAIN_THREAD_SECONDS)
        except TimeoutError:
            if not pending.cancel():  # it has started
                return pending.result()
    raise InputError(
        f"{name} is a figure. Figures are drawn on the kernel's main thread, which is busy. "
        "Wait for the running cell, or attach a displayed image: plot."
    )


def _is_pil(value: Any) -> bool:
    pil = sys.modules.get("PIL.Image")
    return pil is not None and isinstance(value, pil.Image)


def _is_plotly(value: Any) -> bool:
    plotly = sys.modules.get("plotly.basedatatypes")
    return plotly is not None and isinstance(value, plotly.BaseFigure)


def _convert_plotly(value: Any, name: str, _: object) -> tuple[bytes, str]:
    if not value.data and not value.layout.annotations and not value.layout.shapes and not value.layout.images:
        raise InputError(f"{name} is a blank figure. Plot something on it first.")
    return value.to_json().encode(), PLOTLY


def _is_altair(value: Any) -> bool:
    is_altair = str(type(value).__module__).startswith("altair.")
    return is_altair and (hasattr(type(value), "to_json") or hasattr(value, "chart"))


def _convert_altair(value: Any, name: str, _: object) -> tuple[bytes, str]:
    chart = value if hasattr(type(value), "to_json") else value.chart  # of a `JupyterChart`
    try:
        return chart.to_json().encode(), VEGA_LITE
    except Exception as error:  # Altair's schema errors have many lines
        raise InputError(f"{name} is not a valid chart: {error_line(error)}.") from error


def _is_media_widget(value: Any) -> bool:
    return media_name(value) != ""


def _convert_media_widget(value: Any, name: str, _: object) -> tuple[bytes, str]:
    kind = media_name(value)
    if kind == "Output":
        return _convert_outputs(value, name)
    content = value.value
    if kind == "Image" and value.format != "url" and content:
        image = image_of_bytes(bytes(content), name)
        return image.data, image.media_type
    shown = shown_in_html(content) if kind == "HTML" else []
    if shown and shown[-1].data:
        return shown[-1].data, shown[-1].media_type
    is_empty = kind == "Image" and not content
    raise InputError(f"{name} is a widget {'without' if is_empty else 'that does not contain'} an image. Attach the file of it.")


def _convert_outputs(widget: Any, name: str) -> tuple[bytes, str]:
    """Return the last image in the outputs that an `Output` widget contains."""
    sources = [source for source in contents(widget, displayed) if source.media_type != WIDGET]
    if not sources:
        raise InputError(f"{name} is an Output widget without an image. Attach what it displays by its variable, or as plot.")
    if sources[-1].refusal:
        raise InputError(f"{name} contains {sources[-1].refusal}. {sources[-1].remedy}".rstrip())
    return sources[-1].data, sources[-1].media_type


_Converter = Callable[[Any, str, Any], tuple[bytes, str]]
_KINDS: Final[tuple[tuple[Callable[[Any], bool], _Converter], ...]] = (
    (_is_figure, _convert_figure),
    (_is_plotly, _convert_plotly),
    (_is_altair, _convert_altair),
    (_is_media_widget, _convert_media_widget),
)
