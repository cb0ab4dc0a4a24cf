"""The supported raster formats, recognised by their first bytes, and the limit of pixels.

A name or a media type is only a claim. An EPS file named `plot.png` would make Pillow start Ghostscript, and a PNG file of 400 KB can take
gigabytes of memory in any program that decodes it. So the formats are listed, each is decoded in this process, and the size is read first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

MAX_PIXELS: Final = 90_000_000
"""Pixels of an image, width times height. It is about the size at which Pillow warns, and takes 360 MB to decode."""


@dataclass(frozen=True, slots=True)
class Raster:
    """A format that can be sent to the model."""

    media_type: str
    suffix: str
    format: str
    """Pillow's name of the format."""
    signature: bytes
    offset: int = 0
    """The place of the signature in the file."""


RASTERS: Final = (
    Raster("image/png", ".png", "PNG", b"\x89PNG\r\n\x1a\n"),
    Raster("image/jpeg", ".jpg", "JPEG", b"\xff\xd8\xff"),
    Raster("image/gif", ".gif", "GIF", b"GIF8"),
    Raster("image/webp", ".webp", "WEBP", b"WEBP", 8),
)
SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".gif", ".webp")
"""Suffixes of files in these formats, in lower case."""
SVG_TYPE: Final = "image/svg+xml"
SVG_SUFFIX: Final = ".svg"
_PLUGINS: Final = {
    "PNG": "PngImagePlugin",
    "JPEG": "JpegImagePlugin",
    "GIF": "GifImagePlugin",
    "WEBP": "WebPImagePlugin",
    "BMP": "BmpImagePlugin",
    "ICO": "IcoImagePlugin",
    "JPEG2000": "Jpeg2KImagePlugin",
    "PPM": "PpmImagePlugin",
    "TIFF": "TiffImagePlugin",
    "AVIF": "AvifImagePlugin",
}
"""The modules of Pillow that read the formats. Its own search would import all others, too."""
OTHER_FORMATS: Final = ("BMP", "ICO", "JPEG2000", "PPM", "TIFF", "AVIF", "HEIF")
"""Formats that are read and converted. Pillow 11.3 brings AVIF; the package `pillow-heif` adds HEIF when the user registers it."""


class TooManyPixelsError(Exception):
    """Raised when an image has more pixels than it may have."""


def raster_of(data: bytes) -> Raster | None:
    """Return the format of a file that can be sent as it is; None for anything else."""
    return next((raster for raster in RASTERS if data.startswith(raster.signature, raster.offset)), None)


def is_svg(data: bytes) -> bool:
    """Return whether a file is an SVG: comments, a prolog or a doctype can stand before its element."""
    return b"<svg" in data[:2048]


def open_raster(data: bytes, formats: Sequence[str], *, max_pixels: int = MAX_PIXELS) -> "ImageFile":
    """Open an image; its pixels are not decoded yet.

    Args:
        data: The bytes of a file.
        formats: Pillow's names of the formats that it may have; what this Pillow does not know is left out.
        max_pixels: The largest width times height.

    Returns:
        An image of Pillow.

    Raises:
        TooManyPixelsError: If the image is larger.
        PIL.UnidentifiedImageError: If the data have none of the formats.
        Exception: Any other, as damaged files make Pillow raise them.
    """
    from PIL import Image

    readable = []
    for name in formats:
        if name not in Image.OPEN and name in _PLUGINS:
            try:
                import_module(f"PIL.{_PLUGINS[name]}")
            except ImportError:
                continue
        if name in Image.OPEN:
            readable.append(name)
    try:
        image = Image.open(BytesIO(data), formats=readable)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise TooManyPixelsError from None
    if image.width * image.height > max_pixels:
        raise TooManyPixelsError
    return image


def png_mode(mode: str) -> str | None:
    """Return the mode in which a PNG file can have an image of a mode of Pillow.

    Args:
        mode: The mode of the image, such as `CMYK`.

    Returns:
        The mode, which is the same if a PNG file can have it. None for numbers, whose colours are not certain.
    """
    if mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        return mode
    return None if mode[0] in "IF" else {"RGBa": "RGBA", "La": "LA", "PA": "RGBA"}.get(mode, "RGB")
