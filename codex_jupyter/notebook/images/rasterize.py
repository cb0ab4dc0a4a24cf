"""Convert images without pixels to raster files: SVG, and charts of Plotly and Vega."""

import json
import re
import subprocess
from typing import Any, Final
from xml.etree import ElementTree

from codex_jupyter._image_formats import SVG_TYPE
from codex_jupyter._trusted_imports import isolated_python
from codex_jupyter.notebook.images.from_file import error_line, png
from codex_jupyter.notebook.images.source import PLOTLY, RASTER_TYPES, VEGA, VEGA_HTML, VEGA_LITE, WIDGET, ImageSource
from codex_jupyter.sdk import InputError

SVG_SCALE: Final = 2
"""Scale of a converted SVG, for screens with a high resolution."""
MAX_SVG_SIDE: Final = 4096
"""Maximum longest side of a converted SVG, in pixels."""
SVG_SECONDS: Final = 10
SVG_MEMORY: Final = 4 * 1024**3
"""Maximum address space of the process that converts an SVG, in bytes."""


def rasterize(image: ImageSource) -> tuple[bytes, str]:
    """Return an image as a raster file, with its media type.

    Raises:
        InputError: If there is no image of it, the conversion fails, or needs a library that is not installed.
    """
    if image.refusal or image.media_type == WIDGET:
        raise InputError(f"{image.label} is {image.refusal or 'a widget'}. {image.remedy}".rstrip())
    if image.pixels is not None:
        return png(image.pixels, image.label), "image/png"
    if image.media_type in RASTER_TYPES:
        return image.data, image.media_type
    try:
        return _CONVERTERS[image.media_type](image.data), "image/png"
    except ImportError as error:
        library = _LIBRARIES[image.media_type]
        raise InputError(f"{image.label} can be attached when {library} is installed: `%pip install {library}`.") from error
    except _ConversionError as error:
        raise InputError(f"{image.label} cannot be converted: {error}.") from None
    except Exception as error:  # the libraries raise errors of many types
        raise InputError(f"{image.label} cannot be converted: {error_line(error)}.") from error


class _ConversionError(Exception):
    """Raised with a message for the user when a conversion fails."""


def _plotly_png(data: bytes) -> bytes:
    import kaleido  # noqa: F401  # imported first, because Plotly's error about it fills a page
    import plotly.io

    return bytes(plotly.io.to_image(plotly.io.from_json(data.decode(), skip_invalid=True), "png"))


def _vega_lite_png(data: bytes) -> bytes:
    import vl_convert

    return bytes(vl_convert.vegalite_to_png(data.decode(), scale=2))


def _vega_png(data: bytes) -> bytes:
    import vl_convert

    return bytes(vl_convert.vega_to_png(data.decode(), scale=2))


def _vega_html_png(data: bytes) -> bytes:
    html, decoder = data.decode(), json.JSONDecoder()
    # Altair's page ends with `})({spec}, {options});`.
    start = html.rfind("})({")
    if start < 0:
        raise _ConversionError("the page has no chart in a supported form. Attach the chart by its variable")
    return _vega_lite_png(json.dumps(decoder.raw_decode(html, start + 3)[0]).encode())


def _svg_png(data: bytes) -> bytes:
    """Convert an SVG, which the agent may have written. A small SVG can take all memory and time, so a separate process converts it."""
    import vl_convert  # noqa: F401  # raises ImportError if it is missing

    svg, scale = _self_contained(data)
    command = isolated_python(SVG_PROGRAM, str(scale), str(SVG_MEMORY))
    try:
        process = subprocess.run(command, input=svg, capture_output=True, timeout=SVG_SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise _ConversionError(f"the conversion takes longer than {SVG_SECONDS} seconds") from None
    if process.returncode:
        message = process.stderr.decode(errors="replace").strip()
        raise _ConversionError(message.splitlines()[-1] if process.returncode == 1 and message else "it needs too much memory")
    return process.stdout


SVG_PROGRAM: Final = """
import sys, vl_convert
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2)
except (ImportError, ValueError, OSError):
    pass
try:
    drawn = vl_convert.svg_to_png(sys.stdin.buffer.read().decode(), scale=float(sys.argv[1]))
except BaseException as error:  # a panic in Rust is not an Exception
    sys.exit(str(error).strip().partition("\\n")[0][:300])
sys.stdout.buffer.write(drawn)
"""


def _self_contained(data: bytes) -> tuple[bytes, float]:
    """Return an SVG that reads no other file and sends no request, like an SVG in a page, and the scale of the conversion."""
    root = ElementTree.fromstring(data)  # noqa: S314 - it reads no external entity, and expat limits the expansion of entities
    for element in root.iter():
        for name in list(element.attrib):
            if name.rpartition("}")[2] == "href" and not element.attrib[name].strip().startswith(("#", "data:")):
                del element.attrib[name]
    box = [*map(_pixels, re.split(r"[\s,]+", root.get("viewBox", "").strip())), 0.0, 0.0, 0.0, 0.0][2:4]
    longest = max(_pixels(root.get("width")) or box[0], _pixels(root.get("height")) or box[1], 1.0)
    return ElementTree.tostring(root), min(SVG_SCALE, MAX_SVG_SIDE / longest)


def _pixels(length: str | None) -> float:
    """Return a length of an SVG in pixels. 0 if it is relative or invalid."""
    match = re.fullmatch(r"\s*\+?((?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(px|in|cm|mm|pt|pc|em|ex)?\s*", length or "")
    return float(match[1]) * _UNITS[match[2] or "px"] if match is not None else 0.0


_UNITS: Final = {"px": 1.0, "in": 96.0, "cm": 96 / 2.54, "mm": 96 / 25.4, "pt": 96 / 72, "pc": 16.0, "em": 12.0, "ex": 6.0}
_CONVERTERS: Final[dict[str, Any]] = {
    PLOTLY: _plotly_png,
    VEGA_LITE: _vega_lite_png,
    VEGA: _vega_png,
    VEGA_HTML: _vega_html_png,
    SVG_TYPE: _svg_png,
}
_LIBRARIES: Final = {PLOTLY: "kaleido", **dict.fromkeys((VEGA_LITE, VEGA, VEGA_HTML, SVG_TYPE), "vl-convert-python")}
