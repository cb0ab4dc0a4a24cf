"""Scale an image to the size that is sent, and make its thumbnail."""

import base64
import io
import math
import zlib
from dataclasses import dataclass
from typing import Any, Final

from codex_jupyter._image_formats import MAX_PIXELS, RASTERS, SVG_TYPE
from codex_jupyter.notebook.images.from_file import frame_count, in_png_mode, open_image, png
from codex_jupyter.notebook.images.rasterize import MAX_SVG_SIDE, SVG_SCALE, rasterize
from codex_jupyter.notebook.images.source import ImageSource
from codex_jupyter.notebook.render.phrases import byte_count
from codex_jupyter.notebook.render.thumbnails import Thumbnail
from codex_jupyter.sdk import ImageInput

MAX_SIDE: Final = 2048
"""Maximum longest side in pixels. The CLI scales larger images down without a notice."""
MAX_BYTES: Final = 5_000_000
THUMBNAIL_SIDE: Final = 192
"""Longest side of a thumbnail in pixels. It is shown at half of that, for screens with a high resolution."""
MAX_THUMBNAIL_BYTES: Final = 24_000
_TRIES: Final = 10
_FAST_PIXELS: Final = 250_000
"""Pixels from which a PNG file is encoded fast instead of small."""
_PHOTOGRAPH: Final = 0.5
"""Bytes per pixel of a PNG file from which an image counts as a photograph. Plots have less than 0.1, photographs 1 to 3."""
_SCALABLE: Final = ("L", "RGB", "RGBA", "CMYK")
"""Modes that are scaled before they are converted."""
_ORIENTATION: Final = 0x0112
"""The EXIF tag with the orientation of a photograph."""
_MEDIA_TYPES: Final = {raster.format: raster.media_type for raster in RASTERS}


@dataclass(frozen=True, slots=True)
class Attachment:
    """An image as it is sent, with its thumbnail."""

    input: ImageInput
    label: str
    """The name that the agent and the user see."""
    thumbnail: Thumbnail


def fit(image: ImageSource, *, max_side: int = MAX_SIDE, max_bytes: int = MAX_BYTES) -> Attachment:
    """Scale an image to the size that is sent. An image that fits is sent unchanged.

    An image that is too large keeps its aspect ratio, and a file its format. Transparent parts become white. Of an animation, the first
    frame is sent. A photograph is turned upright. One that is in memory and too large is sent as JPEG.

    Args:
        image: The image.
        max_side: Maximum longest side in pixels, at least 16.
        max_bytes: Maximum size of the file in bytes, at least 1,000.

    Raises:
        InputError: If it is damaged, or cannot be converted.
    """
    if image.pixels is not None:
        return _fit_pixels(image, max_side, max_bytes)
    data, media_type = rasterize(image)
    pixels = open_image(data, image.label)
    notes = []
    if media_type != image.media_type:
        notes.append("drawn as PNG")
    frames, turned = frame_count(pixels, len(data)), pixels.getexif().get(_ORIENTATION, 1) != 1
    if frames != 1:
        notes.append(f"first of {frames or 'many'} frames")
    width, height = pixels.size
    if max(pixels.size) > max_side or len(data) > max_bytes:
        notes.append(f"scaled from {width:,} x {height:,}")
    elif frames == 1 and not turned:
        return _attachment(image.label, data, _MEDIA_TYPES.get(pixels.format or "", media_type), pixels, notes)
    kind = pixels.format if frames == 1 and pixels.format in ("PNG", "JPEG", "WEBP") else "PNG"
    pixels = _upright(pixels) if turned else pixels
    data, pixels = _scaled(_on_white(pixels), kind, max_side, max_bytes, original=len(data))
    return _attachment(image.label, data, _MEDIA_TYPES[kind], pixels, notes)


def _fit_pixels(image: ImageSource, max_side: int, max_bytes: int) -> Attachment:
    """Scale an image that is in memory. The whole image is encoded only if it is sent in its full size."""
    width, height = image.pixels.size
    if max(width, height) <= max_side:
        data = png(image.pixels, image.label)
        if len(data) <= max_bytes:
            return _attachment(image.label, data, "image/png", image.pixels, [])
    factor = min(1.0, max_side / max(width, height))
    pixels = in_png_mode(image.pixels, image.label)
    if pixels.mode in _SCALABLE and factor < 1:
        pixels = _resized(pixels, factor)
    pixels = _on_white(pixels)
    # Encoding a photograph as PNG takes more time than everything else. Its pixels are not exact any more, because they are scaled.
    is_photograph = factor < 1 and _estimated_size(pixels, "PNG") > _PHOTOGRAPH * pixels.width * pixels.height
    kind = "JPEG" if is_photograph else "PNG"
    data, pixels = _scaled(pixels, kind, max_side, max_bytes, original=0)
    return _attachment(image.label, data, _MEDIA_TYPES[kind], pixels, [f"scaled from {width:,} x {height:,}"])


def thumbnail(
    image: ImageSource,
    *,
    side: int = THUMBNAIL_SIDE,
    max_bytes: int = MAX_THUMBNAIL_BYTES,
    max_pixels: int = MAX_PIXELS,
    path: str = "",
) -> Thumbnail:
    """Return a thumbnail of an image. For an SVG, which is converted at a larger scale, the caption has the SVG's own size.

    Args:
        image: The image.
        side: Longest side in pixels.
        max_bytes: Maximum size in bytes.
        max_pixels: Maximum pixels of the image that is read.
        path: The file of the image, for a link to it.

    Raises:
        InputError: If it is damaged, or cannot be converted.
    """
    data, media_type = rasterize(image)
    pixels = open_image(data, image.label, max_pixels=max_pixels)
    turned = pixels.getexif().get(_ORIENTATION, 1) != 1
    pixels = _upright(pixels) if turned else pixels
    caption, width = _caption(image.label, pixels.size, len(data)), 0
    if image.media_type == SVG_TYPE:
        scale = SVG_SCALE if max(pixels.size) < MAX_SVG_SIDE else 1
        width = max(1, pixels.width // scale)
        caption = _caption(image.label, (width, max(1, pixels.height // scale)), len(image.data))
    fits = max(pixels.size) <= side and len(data) <= max_bytes
    url = data_url(data, media_type) if fits else _small(pixels, side, max_bytes)
    return Thumbnail(url=url, caption=caption, width=width, path=path)


def _attachment(label: str, data: bytes, media_type: str, pixels: Any, notes: list[str]) -> Attachment:
    url, caption = _small(pixels, THUMBNAIL_SIDE, MAX_THUMBNAIL_BYTES), _caption(label, pixels.size, len(data), notes)
    width = max(1, min(pixels.width, THUMBNAIL_SIDE // 2 * pixels.width // max(pixels.size)))
    return Attachment(ImageInput(data=data, media_type=media_type), label, Thumbnail(url=url, caption=caption, width=width))


def _caption(label: str, size: tuple[int, int], length: int, notes: list[str] | None = None) -> str:
    return " · ".join([label, f"{size[0]:,} x {size[1]:,} px", byte_count(length), *(notes or ())])


def _upright(pixels: Any) -> Any:
    from PIL import ImageOps

    return ImageOps.exif_transpose(pixels)


def _on_white(pixels: Any) -> Any:
    """Return the image without transparency, in a mode that can be scaled."""
    from PIL import Image

    if pixels.mode.startswith("I"):
        pixels = pixels.convert("I").point(lambda value: value / 256).convert("L")  # 16 bits, which Pillow would cut off at 8
    if pixels.mode in ("RGBA", "LA", "PA") or "transparency" in pixels.info:
        pixels = pixels.convert("RGBA")
        white = Image.new("RGBA", pixels.size, "white")
        return Image.alpha_composite(white, pixels).convert("RGB")
    return pixels if pixels.mode in ("L", "RGB", "CMYK") else pixels.convert("RGB")


def _scaled(pixels: Any, kind: str, max_side: int, max_bytes: int, *, original: int) -> tuple[bytes, Any]:
    """Return the scaled image and its file, within the limits."""
    factor = min(1.0, max_side / max(pixels.size))
    if factor == 1.0 and original > max_bytes:
        factor = math.sqrt(max_bytes / original)
    for number in range(_TRIES):
        small = _resized(pixels, factor)
        if number == 0 and (estimate := _estimated_size(small, kind)) > 0.97 * max_bytes:
            factor *= 0.96 * math.sqrt(max_bytes / estimate)
            small = _resized(pixels, factor)
        data = _encoded(small, kind)
        if len(data) <= max_bytes:
            break
        factor *= min(0.9, math.sqrt(max_bytes / len(data)))
    return data, small


def _resized(pixels: Any, factor: float) -> Any:
    from PIL import Image

    size = (max(1, round(pixels.width * factor)), max(1, round(pixels.height * factor)))
    # Reduce by a whole number first, which is much faster and can hardly be seen.
    return pixels.resize(size, Image.Resampling.LANCZOS, reducing_gap=1.1) if size != pixels.size else pixels


def _estimated_size(pixels: Any, kind: str) -> float:
    """Return the approximate size of a file in bytes, from some rows. 0 if encoding the image takes no time anyway."""
    rows = pixels.height // 16
    if kind != "PNG" or pixels.width * pixels.height < _FAST_PIXELS:
        return 0.0
    sample = pixels.crop((0, (pixels.height - rows) // 2, pixels.width, (pixels.height + rows) // 2))
    return float(len(_encoded(sample, kind, fast=True)) * pixels.height / rows)


def _small(pixels: Any, side: int, max_bytes: int) -> str:
    """Return a data URL of a small copy of an image: as PNG if that is small enough, else as JPEG."""
    # Reduce first, because scaling a photograph of 50 megapixels with a filter would be slow.
    pixels = _on_white(pixels.reduce(max(1, max(pixels.size) // (4 * side))) if pixels.mode in ("L", "RGB", "RGBA") else pixels)
    pixels = pixels.convert("RGB") if pixels.mode == "CMYK" else pixels
    pixels.thumbnail((side, side))
    data, media_type = _encoded(pixels, "PNG"), "image/png"
    if len(data) > max_bytes // 3:
        jpeg = min(_encoded(pixels, "JPEG", quality=85), data, key=len)
        media_type = "image/jpeg" if jpeg is not data else media_type
        data = jpeg
    while len(data) > max_bytes and max(pixels.size) > 32:
        pixels = pixels.reduce(2)
        data, media_type = _encoded(pixels, "JPEG", quality=75), "image/jpeg"
    return data_url(data, media_type)


def _encoded(pixels: Any, kind: str, quality: int = 90, *, fast: bool = False) -> bytes:
    file = io.BytesIO()
    options: dict[str, Any] = {"quality": quality, "subsampling": 0} if kind == "JPEG" else {"quality": quality}
    if kind == "PNG":
        # Of a large image, run lengths take half of the time and make the file hardly larger.
        fast = fast or pixels.width * pixels.height >= _FAST_PIXELS
        # The highest level takes ten times as long as the default one, for a file that is a few percent smaller.
        options = {"compress_type": zlib.Z_RLE} if fast else {}
    pixels.save(file, kind, **options)
    return file.getvalue()


def data_url(data: bytes, media_type: str) -> str:
    """Return a data URL with the content of a file."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
