"""Find the images in an HTML or Markdown output, and the charts in it of which there is no image."""

import base64
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from codex_jupyter._image_formats import SVG_TYPE, is_svg, raster_of

MARKDOWN_CODE: Final = re.compile(r"^ {0,3}(```+|~~~+).*?(?:^ {0,3}\1|\Z)|(?<!`)(`+)(?!`).+?(?<!`)\2(?!`)", re.DOTALL | re.MULTILINE)
"""Code in Markdown, where an image is only text, and an `@` can start a decorator."""


class Shown(NamedTuple):
    """One image or chart of a page.

    Attributes:
        data: The bytes of an image. Empty for a chart of which there is no image.
        media_type: The type of the image.
        name: The chart, such as `a Bokeh chart`.
        remedy: How the user can attach it, as a sentence. Can be empty.
    """

    data: bytes = b""
    media_type: str = ""
    name: str = ""
    remedy: str = ""


_VISUAL: Final = re.compile(r"data:image/|<(?:script|iframe|img|canvas|video|embed|object|svg)\b|!\[", re.IGNORECASE)
"""Parts without which a page shows text and tables only. Most pages have none, and are not parsed."""
_DATA_URL: Final = re.compile(r"data:image/[\w.+-]+((?:;[\w.=+-]+)*),([^\"'()<>]*)", re.IGNORECASE)
_WHOLE_URL: Final = re.compile(r"\s*data:image/[\w.+-]+((?:;[\w.=+-]+)*),(.*)", re.IGNORECASE | re.DOTALL)
"""A data URL that is a whole attribute. The text of an SVG can contain any character."""
_MARKDOWN_IMAGE: Final = re.compile(r"!\[[^\]\n]{0,1000}\]\(\s{0,1000}<?([^)\s>]+)")
_ONLY_SVG: Final = re.compile(
    r"\s*(?:<(?:div|span|figure|center|p)\b[^>]*>\s*)*(<svg\b.*</svg>)\s*(?:</(?:div|span|figure|center|p)>\s*)*", re.DOTALL | re.IGNORECASE
)
_SVG: Final = re.compile(r"<svg\b([^<>]*)>.*", re.DOTALL | re.IGNORECASE)
"""An SVG beside other elements, such as a headline, in the text up to its end."""
_SVG_END: Final = re.compile(r"(?<=</svg>)", re.IGNORECASE)
_ICON: Final = re.compile(
    r"""(?<![-\w])(?:width|height)\s*[=:][\s"']*+(?:[0-4]?\d(?:\.\d*)?(?:px|pt)?|[0-2](?:\.\d*)?r?em)\s*(?=["';\s/>]|$)""", re.IGNORECASE
)
"""The size of an icon, in the attributes of an SVG."""
_LOGOS: Final = ("logo-block", "bk-notebook-logo")
"""Classes of the logos that HoloViews and Bokeh show when they are loaded."""
_TABLES: Final = re.compile(r"<table\b|display: ?table|sk-top-container|xr-wrap", re.IGNORECASE)
"""Signs of tables and reports whose scripts fold and sort, such as of pandas in Colab, scikit-learn and xarray."""
_LIBRARIES: Final = {
    "bokeh": "a Bokeh chart",
    "holoviews": "a HoloViews plot",
    "leaflet": "a Leaflet or Folium map",
    "deck.gl": "a deck.gl map",
    "deckgl": "a deck.gl map",
    "echarts": "an ECharts chart",
    "highcharts": "a Highcharts chart",
    "plotly": "a Plotly chart in an unknown form",
    "vega": "a Vega chart in an unknown form",
    "mpld3": "an mpld3 figure",
    "vis-network": "a network of pyvis",
    "d3js": "a D3 chart",
    "d3.min": "a D3 chart",
    "cytoscape": "a Cytoscape network",
    "three": "a 3D scene",
    "mermaid": "a Mermaid diagram",
    "new animation(": "an animation of Matplotlib",
    "youtube.com/embed": "a YouTube video",
}
_REMEDY: Final = "Attach the object that draws it by its variable (-i name), or a file (-i chart.png)."


def shown_in_html(html: str) -> list[Shown]:
    """Return the images and charts of a page, in order. Text and tables are not among them.

    Args:
        html: The page. It can have any form.
    """
    if _VISUAL.search(html) is None or any(logo in html for logo in _LOGOS):
        return []
    svg = _ONLY_SVG.fullmatch(html)
    if svg is not None:
        return [Shown(svg[1].encode(), SVG_TYPE)]
    page = _Page()
    page.feed(html)
    page.close()
    if _TABLES.search(html) is None:
        if page.is_scripted and page.is_visible and not page.frames:
            page.shown.append(_chart(html))
        elif not page.is_scripted and not page.shown:
            *parts, _ = _SVG_END.split(html)  # so that each part is searched once
            matches = filter(None, map(_SVG.search, parts))
            page.shown += (Shown(match[0].encode(), SVG_TYPE) for match in matches if _ICON.search(match[1]) is None)
    return page.shown


def shown_in_markdown(text: str) -> list[Shown]:
    """Return the images of a Markdown text, in order."""
    if "```mermaid" in text:
        return [Shown(name="a Mermaid diagram")]
    if _VISUAL.search(text) is None:
        return []
    text = MARKDOWN_CODE.sub("``", text)
    return [item for match in _MARKDOWN_IMAGE.finditer(text) for item in _image(match[1])] + shown_in_html(text.replace("![", "!("))


def _chart(html: str) -> Shown:
    lowered = html.lower()
    name = next((name for sign, name in _LIBRARIES.items() if sign.lower() in lowered), "an interactive page")
    return Shown(name=name, remedy=_REMEDY)


class _Page(HTMLParser):
    """Collects what a page shows."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.shown: list[Shown] = []
        self.is_scripted = self.is_visible = False
        self.frames = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.is_scripted |= tag == "script"
        self.is_visible |= tag in ("div", "canvas", "svg", "span", "p")
        if tag in ("iframe", "embed", "object", "video"):
            self.frames += 1
            self.shown += _frame(tag, values)
        elif tag == "img" and not values.get("src", "").lower().startswith("data:"):
            self.shown += _image(values.get("src", ""))
        else:
            self.shown += (item for value in values.values() if "data:image/" in value.lower() for item in _data_images(value))


def _frame(tag: str, values: dict[str, str]) -> Iterator[Shown]:
    """Yield what an embedded page or file shows."""
    inner, source = values.get("srcdoc", ""), values.get("src") or values.get("data", "")
    if source.lower().startswith("data:image/"):
        yield from _data_images(source)
    elif inner:
        yield from shown_in_html(inner) or [_chart(inner)]
    elif tag == "video":
        yield Shown(name="a video", remedy="Attach a frame of it as a file (-i frame.png).")
    else:
        chart = _chart(source)
        page = source if len(source) < 80 else f"{source[:77]}..."
        yield chart if chart.name != "an interactive page" else Shown(name=f"the page {page}", remedy=_REMEDY)


def _image(source: str) -> Iterator[Shown]:
    """Yield the image of a URL or a path."""
    if source.lower().startswith("data:"):
        yield from _data_images(source)
    elif source.lower().startswith("attachment:"):
        yield Shown(name=f"an attachment of a cell ({source[11:91]})", remedy="Save it as a file, and attach the file (-i image.png).")
    elif re.match(r"[a-z][a-z+.-]*:|//", source, re.IGNORECASE):
        yield Shown(name=f"an image of a web page ({source[:80]})", remedy="Download it, and attach the file (-i image.png).")
    elif source:
        short = source if len(source) <= 80 else f"{source[:77]}..."
        yield Shown(name=f"the image file {short}", remedy=f"Attach the file: -i {short}.")


def _data_images(text: str) -> Iterator[Shown]:
    whole = _WHOLE_URL.fullmatch(text)
    for match in [whole] if whole is not None else _DATA_URL.finditer(text):
        data = _decoded(match[1], match[2])
        raster = raster_of(data)
        if raster is not None:
            yield Shown(data, raster.media_type)
        elif is_svg(data):
            yield Shown(data, SVG_TYPE)
        else:
            yield Shown(name="an image in an unsupported format or damaged")


def _decoded(parameters: str, text: str) -> bytes:
    data = unquote_to_bytes(text)
    try:
        return base64.b64decode(data) if parameters.lower().endswith(";base64") else data
    except ValueError:
        return b""
