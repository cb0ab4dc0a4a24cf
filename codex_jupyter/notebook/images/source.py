"""An image of the notebook in any form, and how images are read from a MIME bundle."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from codex_jupyter._image_formats import RASTERS, SVG_TYPE
from codex_jupyter.notebook.images.widgets import WIDGET as WIDGET
from codex_jupyter.notebook.images.widgets import shown_figure

RASTER_TYPES: Final = tuple(raster.media_type for raster in RASTERS)
PLOTLY: Final = "application/vnd.plotly.v1+json"
_PLOTLY_CALL: Final = "Plotly.newPlot("
VEGA_LITE: Final = "application/vnd.vegalite+json"
"""Any version of the type."""
VEGA: Final = "application/vnd.vega+json"
"""Any version of the type."""
VEGA_HTML: Final = "text/html+vegalite"
"""A page that shows a Vega-Lite chart, as displayed by Altair. This is not a registered type."""

_LOADERS: Final = ("application/vnd.bokehjs_load.v0+json", "application/vnd.holoviews_load.v0+json")
"""Outputs that load a library and show nothing."""
_PANEL_LOADER: Final = "panel.models.browser.BrowserInfo"
"""A model in the page with which HoloViews and Panel ask for the size of the window when they are loaded."""
_CHARTS: Final = {
    "application/vnd.bokehjs_exec.v0+json": "a Bokeh chart",
    "application/vnd.holoviews_exec.v0+json": "a HoloViews or Panel plot",
    "application/geo+json": "a map",
    "application/pdf": "a PDF",
    "text/vnd.mermaid": "a Mermaid diagram",
}
_ELEMENT: Final = r"\belement\b"
"""The output of the cell, in a script that draws there."""
_VARIABLE: Final = "Attach the object by its variable (-i name) if its library can draw it, or a file (-i chart.png)."


@dataclass(frozen=True, slots=True)
class ImageSource:
    """An image in any form, also as a chart or an SVG.

    Attributes:
        data: The bytes of a file of the media type.
        media_type: One of `RASTER_TYPES`, or `SVG_TYPE`, `PLOTLY`, `VEGA_LITE`, `VEGA`, `VEGA_HTML`, `WIDGET`. Empty with a refusal.
        label: A short description.
        number: Number among the images that the notebook displayed, from 1. 0 if it was not displayed.
        cell: The number of its cell, as in `In[...]`, or 0.
        run: Id of the run of the cell.
        is_value: True for the value of a cell, as in `Out[...]`.
        refusal: Why there is no image of it, such as `a Bokeh chart, of which the kernel has no image`.
        remedy: How it can be attached instead, as a sentence. Can be empty.
        pixels: A PIL image, if the image is in memory and larger than what is usually sent. It is scaled first, and then encoded once.
            `data` is then empty.
    """

    data: bytes
    media_type: str
    label: str = ""
    number: int = 0
    cell: int = 0
    run: str = ""
    is_value: bool = False
    refusal: str = ""
    remedy: str = ""
    pixels: Any = None

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for images with the same data. Charts without an image differ."""
        if self.pixels is not None:
            return ("pixels", id(self.pixels))
        return (self.data, self.media_type) if self.media_type else (self.number, self.refusal)

    def __repr__(self) -> str:
        return f"ImageSource({self.label!r}, {self.media_type}, {len(self.data):,} bytes)"


def displayed(bundle: Mapping[str, Any]) -> list[ImageSource]:
    """Return the images and charts that the display of a MIME bundle shows, in order. Text, tables and controls are not among them.

    Args:
        bundle: Data by media type.
    """
    if WIDGET in bundle:
        model = str(bundle[WIDGET].get("model_id", "")) if isinstance(bundle[WIDGET], dict) else ""
        # A figure of ipympl also has an image, which shows the figure before the rest of the cell has changed it.
        widget = shown_figure(model, displayed)
        if widget is not None:
            return [ImageSource(str(widget.model_id).encode(), WIDGET)]
    try:
        content = image_of(bundle)
    except (ValueError, TypeError, LookupError):
        return [_chart("an image or chart with damaged data")]
    if content is not None:
        return [ImageSource(*content)]
    if any(loader in bundle for loader in _LOADERS) or WIDGET in bundle or _PANEL_LOADER in str(bundle.get("text/html", "")):
        return []
    return _displayed_otherwise(bundle)


def _displayed_otherwise(bundle: Mapping[str, Any]) -> list[ImageSource]:
    """Return what a bundle without an image of its own shows."""
    from codex_jupyter.notebook.images.from_html import (
        Shown,
        shown_in_html,
        shown_in_markdown,
    )  # its parser is not needed to load the extension

    for media_type in bundle:
        if media_type in _CHARTS or media_type.startswith(("image/", "video/")):
            return [_chart(_CHARTS.get(media_type, f"an output of the type {media_type}"))]
    html, markdown, script = (bundle.get(f"{kind}") for kind in ("text/html", "text/markdown", "application/javascript"))
    shown: list[Shown] = []
    if isinstance(html, str):
        shown = shown_in_html(html)
    elif isinstance(markdown, str):
        shown = shown_in_markdown(markdown)
    elif isinstance(script, str) and re.search(_ELEMENT, script):
        shown = [Shown(name="an output of a script", remedy=_VARIABLE)]
    return [ImageSource(item.data, item.media_type) if item.data else _chart(item.name, item.remedy) for item in shown]


def _chart(name: str, remedy: str = _VARIABLE) -> ImageSource:
    return ImageSource(b"", "", refusal=f"{name}, of which the kernel has no image", remedy=remedy)


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
        if media_type.startswith("application/vnd.vega.") and isinstance(value, dict):
            return json.dumps(value).encode(), VEGA
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
