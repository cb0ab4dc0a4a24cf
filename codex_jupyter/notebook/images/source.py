"""An image of the notebook in any form, and how it is read from a MIME bundle."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from codex_jupyter._image_formats import RASTERS, SVG_TYPE

RASTER_TYPES: Final = tuple(raster.media_type for raster in RASTERS)
PLOTLY: Final = "application/vnd.plotly.v1+json"
_PLOTLY_CALL: Final = "Plotly.newPlot("
VEGA_LITE: Final = "application/vnd.vegalite+json"
"""Any version of the type."""
VEGA_HTML: Final = "text/html+vegalite"
"""A page that shows a Vega-Lite chart, as displayed by Altair. This is not a registered type."""


@dataclass(frozen=True, slots=True)
class ImageSource:
    """An image in any form, also as a chart or an SVG.

    Attributes:
        data: The bytes of a file of the media type.
        media_type: One of `RASTER_TYPES`, or `SVG_TYPE`, `PLOTLY`, `VEGA_LITE`, `VEGA_HTML`.
        label: A short description.
        number: Number among the images that the notebook displayed, from 1. 0 if it was not displayed.
        cell: The number of its cell, as in `In[...]`, or 0.
        run: Id of the run of the cell.
        is_value: True for the value of a cell, as in `Out[...]`.
    """

    data: bytes
    media_type: str
    label: str = ""
    number: int = 0
    cell: int = 0
    run: str = ""
    is_value: bool = False

    def __repr__(self) -> str:
        return f"ImageSource({self.label!r}, {self.media_type}, {len(self.data):,} bytes)"


def image_of(bundle: Mapping[str, Any]) -> tuple[bytes, str] | None:
    """Return the image of a MIME bundle.

    Args:
        bundle: Data by media type. Images are base64 text or bytes, depending on the library.

    Returns:
        Data and type of the form that needs the least conversion, or None if there is no image.

    Raises:
        ValueError: If the data are not base64, or a page has an unexpected form.
        IndexError: If a page has an unexpected form.
        TypeError: If the value is not data.
    """
    for media_type in RASTER_TYPES:
        if media_type in bundle:
            value = bundle[media_type]
            return base64.b64decode(value) if isinstance(value, str) else _bytes(value), media_type
    if SVG_TYPE in bundle:
        value = bundle[SVG_TYPE]
        return value.encode() if isinstance(value, str) else _bytes(value), SVG_TYPE
    for media_type, value in bundle.items():
        if media_type == PLOTLY:
            return json.dumps(value).encode(), PLOTLY
        if media_type.startswith("application/vnd.vegalite.") and isinstance(value, dict):
            return json.dumps(value).encode(), VEGA_LITE
    html = bundle.get("text/html")
    # Outputs of this package may contain these words, but never a script.
    if isinstance(html, str) and "<script" in html:
        if _PLOTLY_CALL in html:
            return _plotly_of(html), PLOTLY
        if "vegaEmbed" in html:
            return html.encode(), VEGA_HTML
    return None


def _plotly_of(html: str) -> bytes:
    """Return the figure of a page that Plotly made. The arguments of the call are an id, the data and the layout."""
    decoder, position = json.JSONDecoder(), html.rindex(_PLOTLY_CALL) + len(_PLOTLY_CALL)
    arguments: list[Any] = []
    while len(arguments) < 3:
        while html[position] in ", \t\r\n":
            position += 1
        value, position = decoder.raw_decode(html, position)
        arguments.append(value)
    return json.dumps({"data": arguments[1], "layout": arguments[2]}).encode()


def _bytes(value: bytes | bytearray | memoryview) -> bytes:
    return memoryview(value).tobytes()
