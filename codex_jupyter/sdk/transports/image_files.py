"""Check the images of a turn, and give each a file that the CLI can read.

The CLI does not report an image that it cannot use: it sends the model a sentence instead. So every image is checked before a process
starts. The CLI splits image paths at commas, and it takes image files only. Such images are copied to a file with a safe name.
"""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from codex_jupyter._image_formats import MAX_PIXELS, TooManyPixelsError, is_svg, open_raster, raster_of
from codex_jupyter.sdk.errors import InputError
from codex_jupyter.sdk.executable.workspace import absolute
from codex_jupyter.sdk.models.inputs import ImageInput, LocalImageInput, UserInput, images_of

MAX_IMAGE_BYTES: Final = 20 * 1024 * 1024
"""Largest image that is sent, in bytes; the CLI would send a larger one whole and let the model's provider refuse it."""
_SUPPORTED: Final = "PNG, JPEG, GIF and WebP images can be sent"


def stage_images(parts: Sequence[UserInput], folder: Path) -> list[Path]:
    """Check the images of an input, and return for each a path that the CLI can read.

    Args:
        parts: The parts of an input.
        folder: The folder for images without a usable file. The caller removes it after the turn.

    Returns:
        One absolute path per image, in order: that of the image, or of a copy in `folder`.

    Raises:
        InputError: If an image is missing, unreadable, empty, too large or of an unsupported format.
    """
    return [_staged(image, folder / f"image-{number}") for number, image in enumerate(images_of(parts), 1)]


def _staged(image: LocalImageInput | ImageInput, target: Path) -> Path:
    if isinstance(image, ImageInput):
        media_type, suffix = _kind("The image", image.data)
        if image.media_type and image.media_type.replace("image/jpg", "image/jpeg") != media_type:
            raise InputError(
                f"The media_type of the image is {image.media_type}, but its data are {media_type}. Correct or omit media_type."
            )
        data = image.data
    else:
        path = Path(os.path.normpath(absolute(image.path)))
        data = _read(path)
        _, suffix = _kind(f"The image {path}", data)
        if "," not in str(path):
            return path
    target = target.with_suffix(suffix)
    target.write_bytes(data)
    return target


def _read(path: Path) -> bytes:
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise InputError(f"The image {path} is not a file. Pass the path of an image file.")
        size = state.st_size
        if size > MAX_IMAGE_BYTES:
            raise InputError(f"The image {path} has {size:,} bytes; at most {MAX_IMAGE_BYTES:,} can be sent. Scale it down.")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"The image {path} cannot be read: {error.strerror}.") from error


def _kind(what: str, data: bytes) -> tuple[str, str]:
    """Return media type and file suffix, judged by the data alone."""
    if len(data) > MAX_IMAGE_BYTES:
        raise InputError(f"{what} has {len(data):,} bytes; at most {MAX_IMAGE_BYTES:,} can be sent. Scale it down.")
    raster = raster_of(data)
    if raster is not None:
        try:
            open_raster(data, [raster.format])
        except TooManyPixelsError:
            raise InputError(f"{what} has more than {MAX_PIXELS:,} pixels. Scale it down.") from None
        except Exception:  # damaged files make Pillow raise all kinds of errors
            raise InputError(f"{what} is a damaged {raster.format} file. Save it again.") from None
        return raster.media_type, raster.suffix
    if not data:
        raise InputError(f"{what} is empty. Pass an image with data.")
    if is_svg(data):
        raise InputError(f"{what} is an SVG. {_SUPPORTED}: save it as PNG first.")
    raise InputError(f"{what} has no supported format. {_SUPPORTED}.")
