"""Pictures of bytes and files, as Pillow reads and writes them."""

import io
import stat
import warnings
from pathlib import Path
from typing import Any, Final

from codex_jupyter.notebook.images.display_log import SVG, ImageSource
from codex_jupyter.notebook.render.phrases import byte_count
from codex_jupyter.sdk import InputError
from codex_jupyter.sdk.image_formats import MAX_PIXELS, OTHER_FORMATS, TooManyPixelsError, open_raster, raster_of

MAX_FILE_BYTES: Final = 500_000_000
"""Largest file that is read as a picture."""
MAX_COUNTED_BYTES: Final = 1_000_000
"""Largest GIF whose frames are counted."""


def image_of_bytes(data: bytes, name: str) -> ImageSource:
    """The picture that some bytes are.

    Raises:
        InputError: If they are none: empty, text, or of a kind that is not known.
    """
    raster = raster_of(data)
    if raster is not None:
        return ImageSource(data, raster.media_type, name)
    if not data:
        raise InputError(f"{name} is empty.")
    if is_svg(data):
        return ImageSource(data, SVG, name)
    # The other formats that are read (BMP, TIFF, ...) become a PNG.
    return ImageSource(png(opened(data, name), name), "image/png", name)


def is_svg(data: bytes) -> bool:
    """Return True if a file is an SVG."""
    return b"<svg" in data[:2048]


def opened(data: bytes, name: str, *, max_pixels: int = MAX_PIXELS) -> Any:
    """Return a file's pixels, as a PIL image.

    Args:
        data: The file, of one of the formats of `codex_jupyter.sdk.image_formats`, whatever its name or its media type says.
        name: What to call it in an error.
        max_pixels: The largest width times height.

    Raises:
        InputError: If it is no picture, is damaged, or has too many pixels.
    """
    from PIL import UnidentifiedImageError

    raster = raster_of(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow reads what it can, and warns of the rest
            image = open_raster(data, OTHER_FORMATS if raster is None else [raster.format], max_pixels=max_pixels)
            # Read here, where damage is caught; both are kept.
            frame_count(image, len(data)), image.getexif()
            image.load()
    except TooManyPixelsError:
        raise InputError(f"{name} has more than {max_pixels:,} pixels. Scale it down.") from None
    except UnidentifiedImageError:
        if raster is not None:
            raise InputError(f"{name} is a damaged picture.") from None
        known = "PNG, JPEG, GIF, WebP, SVG, BMP, TIFF, ICO, PPM, JPEG 2000 and AVIF can be attached"
        raise InputError(f"{name} is no picture of a known kind: {known}.") from None
    except Exception as error:  # damaged files make its readers raise all kinds of errors
        raise InputError(f"{name} is a damaged picture: {line_of(error)}.") from None
    return image


def frame_count(image: Any, size: int) -> int | None:
    """Return the number of frames of an image; None if it has several, and counting them could take long.

    Args:
        image: A PIL image.
        size: Bytes of its file. A GIF says nowhere how many frames it has, and a frame takes 20 bytes.
    """
    if image.format == "GIF" and size > MAX_COUNTED_BYTES:
        return None if image.is_animated else 1
    return int(getattr(image, "n_frames", 1))


def read_image(path: Path, name: str = "") -> ImageSource:
    """The picture in a file.

    Raises:
        InputError: If it is missing, cannot be read, or is no picture.
    """
    return image_of_bytes(read_file(path), name or str(path))


def read_file(path: Path, max_bytes: int = MAX_FILE_BYTES) -> bytes:
    """Return the content of a file, which must be a regular one.

    Args:
        path: The file.
        max_bytes: The largest size.

    Raises:
        InputError: If it is missing, too large, or cannot be read.
    """
    try:
        # What never ends, or is of another order than any picture, is not read to see that it is none.
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise InputError(f"The file {path} cannot be read: it is a device or a pipe.")
        if status.st_size > max_bytes:
            raise InputError(f"The file {path} is too large for a picture: {byte_count(status.st_size)}.")
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except OSError as error:
        raise InputError(f"The file {path} cannot be read: {error.strerror}.") from None


def png(image: Any, name: str) -> bytes:
    """A PIL image as a PNG, whatever its mode is.

    Raises:
        InputError: If it holds numbers that are no colours.
        OSError: If it cannot be written.
        ValueError: The same.
    """
    if image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        image = _numbers(image, name) if image.mode[0] in "IF" else image.convert(_PNG_MODES.get(image.mode, "RGB"))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


_PNG_MODES: Final = {"RGBa": "RGBA", "La": "LA", "PA": "RGBA"}


def _numbers(image: Any, name: str) -> Any:
    """An image of numbers in grey: whole ones as the notebook shows them, of 16 bits; others from 0 to 1 or to 255."""
    image = image.convert("I") if image.mode.startswith("I") else image
    low, high = image.getextrema()
    if image.mode == "I" and 0 <= low <= high < 65536:
        return image.convert("I;16")
    if image.mode == "F" and 0 <= low <= high < 256:
        return (image.point(lambda value: value * 255 + 0.5) if high <= 1 else image).convert("L")
    most = "65,535" if image.mode == "I" else "1, or to 255"
    raise InputError(f"{name} has values from {low:.6g} to {high:.6g}; a picture of mode {image.mode} is of values from 0 to {most}.")


def line_of(error: BaseException) -> str:
    """An error of a library in one line."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first[:300]}".rstrip(".: ")
