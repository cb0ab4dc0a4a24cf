"""Raster files of pictures that are described, not painted: SVG, and charts of Plotly and Vega."""

import json
import re
import subprocess
from typing import Any, Final
from xml.etree import ElementTree

from codex_jupyter._trusted_imports import isolated_python
from codex_jupyter.notebook.images.display_log import PLOTLY, RASTER_TYPES, SVG, VEGA_HTML, VEGA_LITE, ImageSource
from codex_jupyter.notebook.images.from_file import line_of
from codex_jupyter.sdk import InputError

SVG_SCALE: Final = 2
"""An SVG is drawn at twice its size, for sharp screens."""
MAX_SVG_SIDE: Final = 4096
"""Pixels of the longest side of what an SVG is drawn on."""
SVG_SECONDS: Final = 10
SVG_MEMORY: Final = 4 * 1024**3
"""Address space of the process that draws one, in bytes."""


def rasterize(picture: ImageSource) -> tuple[bytes, str]:
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
    except _Undrawable as error:
        raise InputError(f"{picture.label} cannot be made into a picture: {error}.") from None
    except Exception as error:  # whatever such a library raises
        raise InputError(f"{picture.label} cannot be made into a picture: {line_of(error)}.") from error


class _Undrawable(Exception):
    """Why something cannot be drawn, in our words."""


def _plotly_png(data: bytes) -> bytes:
    import kaleido  # noqa: F401  # Plotly's own message, when it is missing, is a page long
    import plotly.io

    return bytes(plotly.io.to_image(plotly.io.from_json(data.decode(), skip_invalid=True), "png"))


def _vega_png(data: bytes) -> bytes:
    import vl_convert

    return bytes(vl_convert.vegalite_to_png(data.decode(), scale=2))


def _vega_html_png(data: bytes) -> bytes:
    html, decoder = data.decode(), json.JSONDecoder()
    # Altair's page ends with `})({spec}, {options});`.
    start = html.rfind("})({")
    if start < 0:
        raise _Undrawable("the page holds no chart in a form that is known; attach the chart by its variable")
    return _vega_png(json.dumps(decoder.raw_decode(html, start + 3)[0]).encode())


def _svg_png(data: bytes) -> bytes:
    """Draw an SVG, which may be the agent's: in a process of its own, for a few bytes can ask for all memory and time that there is."""
    import vl_convert  # noqa: F401  # whether it is there

    svg, scale = _self_contained(data)
    command = isolated_python(_DRAW_SVG, str(scale), str(SVG_MEMORY))
    try:
        drawn = subprocess.run(command, input=svg, capture_output=True, timeout=SVG_SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise _Undrawable(f"it is not drawn after {SVG_SECONDS} seconds") from None
    if drawn.returncode:
        said = drawn.stderr.decode(errors="replace").strip()
        raise _Undrawable(said.splitlines()[-1] if drawn.returncode == 1 and said else "it asks for more memory than it may have")
    return drawn.stdout


_DRAW_SVG: Final = """
import sys, vl_convert
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2)
except (ImportError, ValueError, OSError):
    pass
try:
    drawn = vl_convert.svg_to_png(sys.stdin.buffer.read().decode(), scale=float(sys.argv[1]))
except BaseException as error:  # a panic of Rust is no Exception
    sys.exit(str(error).strip().partition("\\n")[0][:300])
sys.stdout.buffer.write(drawn)
"""


def _self_contained(data: bytes) -> tuple[bytes, float]:
    """An SVG that reads no other file and asks no server, as none in a page does, and the scale to draw it at."""
    root = ElementTree.fromstring(data)  # noqa: S314 - it opens no external entity, and expat bounds what entities expand to
    for element in root.iter():
        for name in list(element.attrib):
            if name.rpartition("}")[2] == "href" and not element.attrib[name].strip().startswith(("#", "data:")):
                del element.attrib[name]
    box = [*map(_pixels, re.split(r"[\s,]+", root.get("viewBox", "").strip())), 0.0, 0.0, 0.0, 0.0][2:4]
    longest = max(_pixels(root.get("width")) or box[0], _pixels(root.get("height")) or box[1], 1.0)
    return ElementTree.tostring(root), min(SVG_SCALE, MAX_SVG_SIDE / longest)


def _pixels(length: str | None) -> float:
    """A length of an SVG in pixels; 0 if it is relative or none."""
    match = re.fullmatch(r"\s*\+?((?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(px|in|cm|mm|pt|pc|em|ex)?\s*", length or "")
    return float(match[1]) * _UNITS[match[2] or "px"] if match is not None else 0.0


_UNITS: Final = {"px": 1.0, "in": 96.0, "cm": 96 / 2.54, "mm": 96 / 25.4, "pt": 96 / 72, "pc": 16.0, "em": 12.0, "ex": 6.0}
_CONVERTERS: Final[dict[str, Any]] = {PLOTLY: _plotly_png, VEGA_LITE: _vega_png, VEGA_HTML: _vega_html_png, SVG: _svg_png}
_LIBRARIES: Final = {PLOTLY: "kaleido", VEGA_LITE: "vl-convert-python", VEGA_HTML: "vl-convert-python", SVG: "vl-convert-python"}
