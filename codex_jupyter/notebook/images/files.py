"""Pictures of bytes and files, as Pillow reads and writes them."""

import io
import stat
import warnings
from pathlib import Path
from typing import Any, Final

from codex_jupyter.notebook.images.log import SVG, Picture
from codex_jupyter.notebook.render.words import byte_count
from codex_jupyter.sdk import InputError

_SIGNATURES: Final = {
    "image/png": (b"\x89PNG\r\n\x1a\n", 0),
    "image/jpeg": (b"\xff\xd8\xff", 0),
    "image/gif": (b"GIF8", 0),
    "image/webp": (b"WEBP", 8),
}
MAX_FILE_BYTES: Final = 500_000_000
"""Largest file that is read as a picture."""


def picture_of_bytes(data: bytes, name: str) -> Picture:
    """The picture that some bytes are.

    Raises:
        InputError: If they are none: empty, text, or of a kind that is not known.
    """
    media_type = raster_type(data)
    if media_type is not None:
        return Picture(data, media_type, name)
    if not data:
        raise InputError(f"{name} is empty.")
    if b"<svg" in data[:2048]:
        return Picture(data, SVG, name)
    # What Pillow reads beyond that (BMP, TIFF, ...) is made into a PNG.
    return Picture(png(opened(data, name), name), "image/png", name)


def opened(data: bytes, name: str) -> Any:
    """A file's pixels, as a PIL image.

    Raises:
        InputError: If it is no picture, is damaged, or has so many pixels that it might be meant to fill the memory.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # Pillow warns of twice as many pixels before it refuses; of all else that it warns of, it reads what it can.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data))
            # Read here, where damage is caught; both are kept.
            getattr(image, "n_frames", 1), image.getexif()
            image.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(f"{name} has too many pixels to be scaled down: more than {Image.MAX_IMAGE_PIXELS:,}.") from None
    except UnidentifiedImageError:
        if raster_type(data) is not None:
            raise InputError(f"{name} is a damaged picture.") from None
        known = "PNG, JPEG, GIF, WebP, SVG and what Pillow reads can be attached"
        raise InputError(f"{name} is no picture of a known kind: {known}.") from None
    except Exception as error:  # damaged files make its readers raise all kinds of errors
        raise InputError(f"{name} is a damaged picture: {line_of(error)}.") from None
    return image


def read_picture(path: Path, name: str = "") -> Picture:
    """The picture in a file.

    Raises:
        InputError: If it is missing, cannot be read, or is no picture.
    """
    try:
        # What never ends, or is of another order than any picture, is not read to see that it is none.
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise InputError(f"The file {path} cannot be read: it is a device or a pipe.")
        if status.st_size > MAX_FILE_BYTES:
            raise InputError(f"The file {path} is too large for a picture: {byte_count(status.st_size)}.")
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except OSError as error:
        raise InputError(f"The file {path} cannot be read: {error.strerror}.") from None
    return picture_of_bytes(data, name or str(path))


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


def raster_type(data: bytes) -> str | None:
    """The media type of a file that needs not be drawn; None if it is something else."""
    return next((kind for kind, (mark, at) in _SIGNATURES.items() if data[at : at + len(mark)] == mark), None)


def line_of(error: BaseException) -> str:
    """An error of a library in one line."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first[:300]}".rstrip(".: ")
