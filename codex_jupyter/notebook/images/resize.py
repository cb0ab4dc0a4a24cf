"""A picture at the size that is sent, and its thumbnail."""

import base64
import io
import math
from dataclasses import dataclass
from typing import Any, Final

from codex_jupyter.notebook.images.display_log import SVG, ImageSource
from codex_jupyter.notebook.images.from_file import frame_count, opened
from codex_jupyter.notebook.images.rasterize import MAX_SVG_SIDE, SVG_SCALE, rasterize
from codex_jupyter.notebook.render.phrases import byte_count
from codex_jupyter.notebook.render.thumbnails import Thumbnail
from codex_jupyter.sdk import ImageInput
from codex_jupyter.sdk.image_formats import MAX_PIXELS

MAX_SIDE: Final = 2048
"""Pixels of the longest side. The CLI scales down what is larger, without a word."""
MAX_BYTES: Final = 5_000_000
THUMBNAIL_SIDE: Final = 192
"""Pixels of a thumbnail's longest side; it is shown at half of that, sharp on every screen, and large enough to know it again."""
MAX_THUMBNAIL_BYTES: Final = 24_000
_TRIES: Final = 10
_ORIENTATION: Final = 0x0112
"""The EXIF tag that says how a photograph is to be turned."""
_FORMATS: Final = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}


@dataclass(frozen=True, slots=True)
class Attachment:
    """A picture as it is sent, and what the user sees of it."""

    input: ImageInput
    label: str
    """What the agent and the user call it."""
    thumbnail: Thumbnail


def fit(picture: ImageSource, *, max_side: int = MAX_SIDE, max_bytes: int = MAX_BYTES) -> Attachment:
    """Bring a picture to the size that is sent. One that fits is sent as it is, byte for byte.

    What does not is scaled down in its own format, its aspect kept, what is transparent on white. Of an animation the first frame is
    sent, and a photograph is turned upright.

    Args:
        picture: What to send.
        max_side: Pixels of the longest side, at least 16.
        max_bytes: Largest file in bytes, at least 1,000.

    Raises:
        InputError: If it is damaged, or cannot be drawn.
    """
    data, media_type = rasterize(picture)
    image = opened(data, picture.label)
    notes = []
    if media_type != picture.media_type:
        notes.append("drawn as PNG")
    frames, turned = frame_count(image, len(data)), image.getexif().get(_ORIENTATION, 1) != 1
    if frames != 1:
        notes.append(f"first of {frames or 'many'} frames")
    width, height = image.size
    if max(image.size) > max_side or len(data) > max_bytes:
        notes.append(f"scaled from {width:,} x {height:,}")
    elif frames == 1 and not turned:
        return _attachment(picture.label, data, _FORMATS.get(image.format or "", media_type), image, notes)
    kind = image.format if frames == 1 and image.format in ("PNG", "JPEG", "WEBP") else "PNG"
    image = _upright(image) if turned else image
    data, image = _scaled(_on_white(image), kind, max_side, max_bytes, original=len(data))
    return _attachment(picture.label, data, _FORMATS[kind], image, notes)


def thumbnail(
    picture: ImageSource,
    *,
    side: int = THUMBNAIL_SIDE,
    max_bytes: int = MAX_THUMBNAIL_BYTES,
    max_pixels: int = MAX_PIXELS,
    path: str = "",
) -> Thumbnail:
    """A small picture of a picture; of an SVG, which is drawn larger for sharp screens, size and bytes are its own.

    Args:
        picture: The picture; an SVG shows itself.
        side: Pixels of the longest side.
        max_bytes: Largest size in bytes.
        max_pixels: Pixels of the largest picture that is read.
        path: The file that the picture is in, for a link to it.

    Raises:
        InputError: If it is damaged, or cannot be drawn.
    """
    data, media_type = rasterize(picture)
    image = opened(data, picture.label, max_pixels=max_pixels)
    turned = image.getexif().get(_ORIENTATION, 1) != 1
    image = _upright(image) if turned else image
    caption, width = _caption(picture.label, image.size, len(data)), 0
    if picture.media_type == SVG:
        scale = SVG_SCALE if max(image.size) < MAX_SVG_SIDE else 1
        width = max(1, image.width // scale)
        caption = _caption(picture.label, (width, max(1, image.height // scale)), len(picture.data))
    fits = max(image.size) <= side and len(data) <= max_bytes
    url = data_url(data, media_type) if fits else _small(image, side, max_bytes)
    return Thumbnail(url=url, caption=caption, width=width, path=path)


def _attachment(label: str, data: bytes, media_type: str, image: Any, notes: list[str]) -> Attachment:
    url, caption = _small(image, THUMBNAIL_SIDE, MAX_THUMBNAIL_BYTES), _caption(label, image.size, len(data), notes)
    width = max(1, min(image.width, THUMBNAIL_SIDE // 2 * image.width // max(image.size)))
    return Attachment(ImageInput(data=data, media_type=media_type), label, Thumbnail(url=url, caption=caption, width=width))


def _caption(label: str, size: tuple[int, int], length: int, notes: list[str] | None = None) -> str:
    return " · ".join([label, f"{size[0]:,} x {size[1]:,} px", byte_count(length), *(notes or ())])


def _upright(image: Any) -> Any:
    from PIL import ImageOps

    return ImageOps.exif_transpose(image)


def _on_white(image: Any) -> Any:
    """The picture in colours that can be scaled, without transparency."""
    from PIL import Image

    if image.mode.startswith("I"):
        image = image.convert("I").point(lambda value: value / 256).convert("L")  # 16 bits, which Pillow would cut off at 8
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _scaled(image: Any, kind: str, max_side: int, max_bytes: int, *, original: int) -> tuple[bytes, Any]:
    """The picture and its file, within the limits."""
    from PIL import Image

    factor = min(1.0, max_side / max(image.size))
    if factor == 1.0 and original > max_bytes:
        factor = math.sqrt(max_bytes / original)
    for _ in range(_TRIES):
        size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
        small = image.resize(size, Image.Resampling.LANCZOS) if size != image.size else image
        data = _encoded(small, kind)
        if len(data) <= max_bytes:
            break
        factor *= min(0.9, math.sqrt(max_bytes / len(data)))
    return data, small


def _small(image: Any, side: int, max_bytes: int) -> str:
    """A data URL of a picture that is at most so large: as PNG if that is small, else as JPEG."""
    # Reduced first: of a photograph of 50 megapixels, the last pixels need not be weighed one by one.
    image = _on_white(image.reduce(max(1, max(image.size) // (4 * side))) if image.mode in ("L", "RGB", "RGBA") else image)
    image = image.convert("RGB") if image.mode == "CMYK" else image
    image.thumbnail((side, side))
    data, media_type = _encoded(image, "PNG"), "image/png"
    if len(data) > max_bytes // 3:
        jpeg = min(_encoded(image, "JPEG", quality=85), data, key=len)
        media_type = "image/jpeg" if jpeg is not data else media_type
        data = jpeg
    while len(data) > max_bytes and max(image.size) > 32:
        image = image.reduce(2)
        data, media_type = _encoded(image, "JPEG", quality=75), "image/jpeg"
    return data_url(data, media_type)


def _encoded(image: Any, kind: str, quality: int = 90) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **({"optimize": True} if kind == "PNG" else {"quality": quality}))
    return file.getvalue()


def data_url(data: bytes, media_type: str) -> str:
    """A file as a URL that holds it."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
