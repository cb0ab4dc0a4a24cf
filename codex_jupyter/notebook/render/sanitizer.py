"""The gate: untrusted text becomes harmless text, and HTML keeps only what is listed here.

A trusted notebook sanitises nothing, so every piece of HTML of this package passes `sanitize` last, whatever built it.
"""

import re
from typing import Final

IGNORED_BY_MATH: Final = "tex2jax_ignore mathjax_ignore"
"""The one class value that is let through: front ends leave the dollar signs of shell text alone."""

TAGS: Final = frozenset({
    "a", "blockquote", "br", "code", "del", "details", "div", "em", "footer", "h1", "h2", "h3", "h4", "h5", "h6",
    "header", "hr", "img", "li", "ol", "p", "pre", "s", "section", "small", "span", "strong", "summary", "table",
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
    "direction", "display", "flex", "font-family", "font-size", "font-style", "font-weight", "gap", "align-items", "line-height",
    "list-style", "margin", "max-width", "min-width", "opacity", "overflow", "padding", "text-align",
    "text-decoration", "unicode-bidi", "vertical-align", "white-space",
})  # fmt: skip
URL_SCHEMES: Final = frozenset({"http", "https", "mailto"})

_LINK = re.compile(r"(?:https?://|mailto:)[^\s\\]+", re.IGNORECASE)
_RASTER = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}")
_SVG = re.compile(r"data:image/svg\+xml;base64,[A-Za-z0-9+/]+={0,2}")
_PICTURE_LINK = re.compile(r"\./(?!\.\.?/)[\w.~%-]+(?:/(?!\.\.?/)[\w.~%-]+)*\.(?:png|jpe?g|gif|webp|svg)", re.ASCII | re.IGNORECASE)
_STYLE = re.compile(r"(?!.*url)[\w\s#.,:;()%+-]*", re.IGNORECASE)

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor movements
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS, ...: with their payload
    r"|\x1b[ -/]*[0-~]?"
)
# C0 without tab and newline, DEL, C1, embeddings, overrides and isolates of the bidi algorithm, surrogates, noncharacters.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]+")


class _Pictures(dict[int, str]):
    """What stands for an unseen character, by its code; each is made when it is first met."""

    def __missing__(self, code: int) -> str:
        if code < 0x20:
            picture = chr(0x2400 + code)
        elif code == 0x7F:
            picture = "\u2421"
        else:
            picture = f"⟨U+{code:04X}⟩" if 0x202A <= code <= 0x2069 else "\ufffd"
        return self.setdefault(code, picture)


_PICTURES: Final = _Pictures()


def strip_escapes(text: str) -> str:
    """Text without the control sequences of a terminal, complete or cut off."""
    return _ESCAPES.sub("", text)


def visible(text: str) -> str:
    """Text whose control characters can be seen and do nothing.

    Control characters become their pictures (`␀`), carriage returns newlines; characters that reorder the text around them (bidi
    embeddings, overrides, isolates) become their names (`⟨U+202E⟩`); surrogates become U+FFFD. Newline and tab stay.
    """
    return _UNSEEN.sub(_seen, text.replace("\r\n", "\n").replace("\r", "\n"))


def plain(text: str) -> str:
    """Untrusted text for a terminal: no control sequences, no control characters but newline and tab."""
    return visible(strip_escapes(text))


def escape(text: str) -> str:
    """Untrusted text for HTML: as `plain`, and with `& < > " '` escaped, fit for text and for quoted attributes."""
    # Not `html.escape`: importing `html` for it costs more than a millisecond.
    text = plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace('"', "&quot;").replace("'", "&#x27;")


def is_link(url: str) -> bool:
    """Whether a link may go there: `http`, `https`, `mailto`, and nothing relative."""
    return _LINK.fullmatch(url) is not None


def is_raster_image(url: str) -> bool:
    """Whether an image is part of the page: a base64 data URL of a raster type. Anything else would send a request."""
    return _RASTER.fullmatch(url) is not None


def is_image(url: str) -> bool:
    """Whether an image is part of the page, of a raster type or an SVG.

    Browsers draw an SVG that is the source of an `img` without running its scripts and without loading anything it names.
    """
    return is_raster_image(url) or _SVG.fullmatch(url) is not None


def is_image_link(url: str) -> bool:
    """Whether a link leads to a picture's file below the notebook's folder, with every unusual character escaped."""
    return _PICTURE_LINK.fullmatch(url) is not None


def sanitize(html: str) -> str:
    """HTML reduced to the listed tags, attributes, style properties and URL schemes, balanced and well formed."""
    import nh3  # here, because importing the package must stay cheap

    return nh3.clean(
        html,
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


def _seen(match: re.Match[str]) -> str:
    # A run of them at once: a text of nothing else must not cost a call for each.
    return match[0].translate(_PICTURES)
