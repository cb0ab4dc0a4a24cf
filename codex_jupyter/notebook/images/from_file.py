"""Make images of bytes and files, as Pillow reads and writes them."""

import io
import stat
import sys
import warnings
from io import IOBase
from pathlib import Path
from typing import Any, Final

from codex_jupyter._image_formats import MAX_PIXELS, OTHER_FORMATS, SVG_TYPE, TooManyPixelsError, is_svg, open_raster, png_mode, raster_of
from codex_jupyter.notebook.images.source import ImageSource
from codex_jupyter.notebook.render.phrases import byte_count
from codex_jupyter.sdk import InputError

MAX_FILE_BYTES: Final = 500_000_000
"""Maximum size of a file that is read as an image."""
MAX_COUNTED_BYTES: Final = 1_000_000
"""Maximum size of a GIF whose frames are counted."""


def image_of_bytes(data: bytes, name: str) -> ImageSource:
    """Return the image in some bytes.

    Raises:
        InputError: If they are empty, or have an unsupported format.
    """
    raster = raster_of(data)
    if raster is not None:
        return ImageSource(data, raster.media_type, name)
    if not data:
        raise InputError(f"{name} is empty.")
    if is_svg(data):
        return ImageSource(data, SVG_TYPE, name)
    # The other supported formats (BMP, TIFF, ...) are converted to PNG.
    return ImageSource(png(open_image(data, name), name), "image/png", name)


def open_image(data: bytes, name: str, *, max_pixels: int = MAX_PIXELS) -> Any:
    """Return a file's pixels, as a PIL image.

    Args:
        data: The file, in one of the formats of `codex_jupyter._image_formats`. Its name and its media type are not used.
        name: Its name in errors.
        max_pixels: Maximum width times height.

    Raises:
        InputError: If it is not an image, is damaged, or has too many pixels.
    """
    from PIL import UnidentifiedImageError

    raster = raster_of(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow reads what it can, and warns about the rest
            image = open_raster(data, OTHER_FORMATS if raster is None else [raster.format], max_pixels=max_pixels)
            # Both read the file, so errors of damaged files are caught here. Pillow keeps the results.
            frame_count(image, len(data)), image.getexif()
            image.load()
    except TooManyPixelsError:
        raise InputError(f"{name} has more than {max_pixels:,} pixels. Scale it down.") from None
    except UnidentifiedImageError:
        if raster is not None:
            raise InputError(f"{name} is damaged.") from None
        supported = "PNG, JPEG, GIF, WebP, SVG, BMP, TIFF, ICO, PPM, JPEG 2000 and AVIF"
        raise InputError(f"{name} is not an image of a supported format. Convert it to one of {supported}.") from None
    except Exception as error:  # damaged files cause errors of many types
        raise InputError(f"{name} is damaged: {error_line(error)}.") from None
    return image


def pixel_count(data: bytes, name: str) -> int:
    """Return width times height of a raster file, from its header. `sys.maxsize` if there are more than Pillow accepts.

    Args:
        data: The file, in one of the formats that can be sent.
        name: Its name in errors.

    Raises:
        InputError: If it is damaged.
    """
    raster = raster_of(data)
    try:
        image = open_raster(data, [] if raster is None else [raster.format], max_pixels=sys.maxsize)
    except TooManyPixelsError:
        return sys.maxsize
    except Exception as error:  # damaged files cause errors of many types
        raise InputError(f"{name} is damaged: {error_line(error)}.") from None
    return image.width * image.height


def frame_count(image: Any, size: int) -> int | None:
    """Return the number of frames of an image, or None if it has several and counting them could take long.

    Args:
        image: A PIL image.
        size: Size of its file in bytes. A GIF does not contain the number of its frames, and a frame can take 20 bytes.
    """
    if image.format == "GIF" and size > MAX_COUNTED_BYTES:
        return None if image.is_animated else 1
    return int(getattr(image, "n_frames", 1))


def read_image(path: Path, name: str = "") -> ImageSource:
    """Return the image in a file.

    Raises:
        InputError: If it is missing, cannot be read, or is not an image.
    """
    return image_of_bytes(read_file(path), name or str(path))


def read_file(path: Path, max_bytes: int = MAX_FILE_BYTES) -> bytes:
    """Return the content of a regular file.

    Args:
        path: The file.
        max_bytes: Maximum size.

    Raises:
        InputError: If it is missing, too large, or cannot be read.
    """
    try:
        # Devices and very large files are not read.
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise InputError(f"The file {path} cannot be read: it is a device or a pipe.")
        if status.st_size > max_bytes:
            raise InputError(f"The file {path} has {byte_count(status.st_size)}. An image may have at most {byte_count(max_bytes)}.")
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except OSError as error:
        raise InputError(f"The file {path} cannot be read: {error.strerror}.") from None


def read_stream(stream: IOBase, name: str) -> bytes:
    """Return the whole content of an open file or a buffer, from its start. Its position does not change.

    Raises:
        InputError: If it is closed, is not seekable, or cannot be read.
    """
    try:
        position = stream.tell()
        stream.seek(0)
        content = stream.read(MAX_FILE_BYTES + 1)
        stream.seek(position)
    except (OSError, ValueError) as error:  # also of a file that is closed, or opened for writing or as text
        raise InputError(f"{name} cannot be read: {error_line(error)}. Attach its path, or open it with the mode 'rb'.") from None
    if len(content) > MAX_FILE_BYTES:
        raise InputError(f"{name} has more than {byte_count(MAX_FILE_BYTES)}, which is the largest size of an image.")
    return content.encode() if isinstance(content, str) else bytes(content)


def png(image: Any, name: str) -> bytes:
    """Return a PIL image of any mode as a PNG file.

    Raises:
        InputError: If its values are not colours.
        OSError: If it cannot be written.
        ValueError: If it cannot be written.
    """
    file = io.BytesIO()
    in_png_mode(image, name).save(file, "PNG")
    return file.getvalue()


def in_png_mode(image: Any, name: str) -> Any:
    """Return a PIL image of any mode in a mode that a PNG file can have.

    Raises:
        InputError: If its values are not colours.
        OSError: If its file is damaged.
        ValueError: If its mode cannot be converted.
    """
    mode = png_mode(image.mode)
    if mode is None:
        return _numbers(image, name)
    return image if mode == image.mode else image.convert(mode)


def _numbers(image: Any, name: str) -> Any:
    """Return an image of numbers in grey: integers of 16 bits unchanged, floats from 0 to 1 or to 255."""
    image = image.convert("I") if image.mode.startswith("I") else image
    low, high = image.getextrema()
    if image.mode == "I" and 0 <= low <= high < 65536:
        return image.convert("I;16")
    if image.mode == "F" and 0 <= low <= high < 256:
        return (image.point(lambda value: value * 255 + 0.5) if high <= 1 else image).convert("L")
    highest = "65,535" if image.mode == "I" else "1, or to 255"
    raise InputError(f"{name} has values from {low:.6g} to {high:.6g}. An image of mode {image.mode} must have values from 0 to {highest}.")


def error_line(error: BaseException) -> str:
    """Return an error of a library in one line."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first[:300]}".rstrip(".: ")
