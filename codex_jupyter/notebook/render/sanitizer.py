"""Sanitize untrusted text and HTML.

Front ends do not sanitize the output of a trusted notebook. Therefore `sanitize` is applied to all HTML of this package, as the last step.
"""

import html
import re
from typing import Any, Final

from codex_jupyter._image_formats import RASTERS, SUFFIXES, SVG_SUFFIX
from codex_jupyter._shortening import shorten

IGNORED_BY_MATH: Final = "tex2jax_ignore mathjax_ignore"
"""The only class value that is allowed. Front ends then ignore the dollar signs of shell text."""

TAGS: Final = frozenset({
    "a", "blockquote", "br", "code", "details", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6",
    "hr", "img", "li", "ol", "p", "pre", "s", "small", "span", "strong", "summary", "table",
    "tbody", "td", "th", "thead", "tr", "ul",
})  # fmt: skip
ATTRIBUTES: Final = {
    "*": {"style", "class"},
    "a": {"href", "target"},
    "details": {"open"},
    "img": {"src", "alt"},
    "ol": {"start"},
}
STYLE_PROPERTIES: Final = frozenset({
    "background", "border", "border-bottom", "border-collapse", "border-left", "border-radius", "color", "cursor",
    "direction", "display", "float", "font-family", "font-size", "font-style", "font-weight", "line-height",
    "list-style", "margin", "max-width", "min-width", "opacity", "overflow", "padding", "text-align",
    "text-decoration", "unicode-bidi", "vertical-align", "white-space", "word-break", "overflow-wrap",
})  # fmt: skip
URL_SCHEMES: Final = frozenset({"http", "https", "mailto"})
MAX_ERROR: Final = 2_000
"""Limit of the characters of an error for a page. An error can quote what the page has sent."""

_LINK = re.compile(r"(?:https?://|mailto:)[^\s\\]+", re.IGNORECASE)
_RASTER = re.compile(rf"data:(?:{'|'.join(raster.media_type for raster in RASTERS)});base64,[A-Za-z0-9+/]+={{0,2}}")
_SVG = re.compile(r"data:image/svg\+xml;base64,[A-Za-z0-9+/]+={0,2}")
_SUFFIXES: Final = "|".join(suffix.removeprefix(".") for suffix in (*SUFFIXES, SVG_SUFFIX))
_IMAGE_LINK = re.compile(rf"\./(?!\.\.?/)[\w.~%-]+(?:/(?!\.\.?/)[\w.~%-]+)*\.(?:{_SUFFIXES})", re.ASCII | re.IGNORECASE)
_STYLE = re.compile(r"(?!.*url)[\w\s#.,:;()%+-]*", re.IGNORECASE)

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor movements
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS, ...: with their payload
    r"|\x1b[ -/]*[0-~]?"
)
_SURROGATES = re.compile("[\ud800-\udfff]")
# C0 without tab and newline, DEL, C1, bidi embeddings, overrides and isolates, surrogates, noncharacters.
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]+")


class _ControlSymbols(dict[int, str]):
    """Replacements of invisible characters, by code point. Each is created at its first use."""

    def __missing__(self, code: int) -> str:
        if code < 0x20:
            symbol = chr(0x2400 + code)
        elif code == 0x7F:
            symbol = "\u2421"
        else:
            symbol = f"⟨U+{code:04X}⟩" if 0x202A <= code <= 0x2069 else "\ufffd"
        return self.setdefault(code, symbol)


_CONTROL_SYMBOLS: Final = _ControlSymbols()


def strip_escapes(text: str) -> str:
    """Remove the control sequences of a terminal, also incomplete ones."""
    return _ESCAPES.sub("", text)


def visible(text: str) -> str:
    """Replace control characters by visible ones.

    Control characters become their symbols (`␀`), carriage returns become newlines. Bidi embeddings, overrides and isolates become their
    names (`⟨U+202E⟩`). Surrogates become U+FFFD. Newline and tab stay.
    """
    return _INVISIBLE.sub(_replace_control, text.replace("\r\n", "\n").replace("\r", "\n"))


def plain(text: str) -> str:
    """Return untrusted text for a terminal: no control sequences, and no control characters except newline and tab."""
    return visible(strip_escapes(text))


def well_formed(value: Any) -> Any:
    """Return JSON from a page with U+FFFD in place of lone surrogates. No message to a page can contain those."""
    if isinstance(value, str):
        return _SURROGATES.sub("\ufffd", value)
    if isinstance(value, list):
        return [well_formed(part) for part in value]
    return {well_formed(key): well_formed(part) for key, part in value.items()} if isinstance(value, dict) else value


def error_text(error: Exception) -> str:
    """Return the text of an exception for a page, at most `MAX_ERROR` characters. It is never empty."""
    return shorten(plain(str(error)), MAX_ERROR) or type(error).__name__


def preformatted(html: str, css: str) -> str:
    """Return a `<pre>` that shows HTML exactly as it is.

    Parsers drop a newline that directly follows `<pre>` (HTML standard, section 13.2.6.4.7). An empty element before it keeps a first blank
    line, however often the page is parsed and written again.

    Args:
        html: The content, escaped.
        css: Its style.
    """
    return f'<pre style="{css}">{"<span></span>" if html.startswith(chr(10)) else ""}{html}</pre>'


def escape(text: str) -> str:
    """Return untrusted text for HTML and for quoted attributes: as `plain`, with `& < > " '` escaped."""
    return html.escape(plain(text))


def is_link(url: str) -> bool:
    """Return True for an absolute link with the scheme `http`, `https` or `mailto`."""
    return _LINK.fullmatch(url) is not None


def is_raster_image(url: str) -> bool:
    """Return True for a base64 data URL of a raster format. Any other image would send a request."""
    return _RASTER.fullmatch(url) is not None


def is_image(url: str) -> bool:
    """Return True for a base64 data URL of a raster format or an SVG.

    Browsers show an SVG in an `img` without running its scripts and without loading other files.
    """
    return is_raster_image(url) or _SVG.fullmatch(url) is not None


def is_image_link(url: str) -> bool:
    """Return True for a relative link to an image file below the notebook's folder, with every unusual character escaped."""
    return _IMAGE_LINK.fullmatch(url) is not None


def sanitize(source: str) -> str:
    """Reduce HTML to the allowed tags, attributes, style properties and URL schemes, balanced and well formed."""
    import nh3  # imported late, because importing the package must be cheap

    return nh3.clean(
        source,
        tags=set(TAGS),
        attributes={tag: set(names) for tag, names in ATTRIBUTES.items()},
        attribute_filter=_attribute,
        filter_style_properties=set(STYLE_PROPERTIES),
        url_schemes=URL_SCHEMES | {"data"},
        link_rel="noopener noreferrer",
    )


def _attribute(tag: str, name: str, value: str) -> str | None:
    match name:
        case "style":
            return value if _STYLE.fullmatch(value) else None
        case "class":
            return value if value == IGNORED_BY_MATH else None
        case "href":
            return value if is_link(value) or is_image_link(value) else None
        case "src":
            return value if is_image(value) else None
        case "target":
            return "_blank"
        case "start":
            return value if value.isdecimal() else None
        case _:
            return value


def _replace_control(match: re.Match[str]) -> str:
    # Replace a run at once, because a call per character would be slow for a text of control characters.
    return match[0].translate(_CONTROL_SYMBOLS)
