"""Find the image files that a turn wrote into its folder or looked at, to show them below the turn."""

import os
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from codex_jupyter._image_formats import SUFFIXES, SVG_SUFFIX, SVG_TYPE, is_svg, raster_of
from codex_jupyter.notebook.render import Thumbnail
from codex_jupyter.notebook.render.phrases import byte_count
from codex_jupyter.sdk import InputError
from codex_jupyter.sdk.rollouts import codex_home

MAX_SHOWN: Final = 8
"""Maximum number of images that are shown."""
MAX_FILES: Final = 5_000
"""Maximum number of examined image files of a folder."""
MAX_SECONDS: Final = 0.5
"""Maximum time to read the folder, in seconds."""
MAX_FILE_BYTES: Final = 50_000_000
SHOWN_SIDE: Final = 1024
"""Longest side of a shown image, in pixels."""
MAX_SHOWN_PIXELS: Final = 25_000_000
"""Maximum pixels of a shown image. Decoding takes time and memory, and no one has asked for these images."""
MAX_ALL_PIXELS: Final = 50_000_000
"""Maximum pixels of all shown images of a turn. Of the others, name and size are shown."""
MAX_SHOWN_BYTES: Final = 200_000
"""Maximum size of a shown image in bytes. The image itself stays in its file."""

SKIPPED_FOLDERS: Final = frozenset({"venv", "node_modules", "__pycache__"})
_SUFFIXES: Final = (*SUFFIXES, SVG_SUFFIX)

_State = tuple[int, int]


class ImageFiles:
    """The image files of a folder, in their state at the start of a turn.

    Args:
        folder: The working folder of the turn.
        home: The folder at which links start, which is the notebook's.
    """

    def __init__(self, folder: Path, home: Path) -> None:
        self._folder, self._home = folder, home
        self._before: dict[str, _State] | None = None
        self._pixels_left = MAX_ALL_PIXELS

    def remember(self) -> None:
        """Record the current image files. Blocks for at most `MAX_SECONDS`. In a folder that is too large, no images are shown."""
        self._before = self._states()

    def written(self, viewed: Iterable[str] = ()) -> tuple[Thumbnail, ...]:
        """Return thumbnails of images, at most `MAX_SHOWN`: the viewed ones, then new and changed files in the order of writing.

        Args:
            viewed: Paths of the images that the agent looked at or generated.
        """
        before = self._before
        states = self._states() if before is not None else None
        new = {} if states is None or before is None else {path: state for path, state in states.items() if before.get(path) != state}
        changed = sorted((state[0], path) for path, state in new.items())
        sources = dict.fromkeys((os.path.normpath(self._folder / path) for path in viewed), "viewed")
        sources |= dict.fromkeys((path for _, path in changed), "written")
        self._pixels_left = MAX_ALL_PIXELS
        # The newest first, because they matter most if there are too many pixels.
        thumbnails = [(self._thumbnail(path), source) for path, source in reversed(list(sources.items())[-MAX_SHOWN:])]
        return tuple(replace(thumbnail, source=source) for thumbnail, source in reversed(thumbnails) if thumbnail is not None)

    def _states(self) -> dict[str, _State] | None:
        states: dict[str, _State] = {}
        deadline = time.monotonic() + MAX_SECONDS
        for number, path in enumerate(_walk(self._folder, os.path.realpath(codex_home(None)))):
            if number % 256 == 0 and time.monotonic() > deadline:
                return None
            if path.lower().endswith(_SUFFIXES):
                if len(states) >= MAX_FILES:
                    return None
                try:
                    state = os.stat(path)
                except OSError:
                    continue
                states[path] = (state.st_mtime_ns, state.st_size)
        return states

    def _thumbnail(self, path: str) -> Thumbnail | None:
        """Return the thumbnail of a file, or a caption with the error if an unexpected error occurs."""
        try:
            return self._shown(path)
        except Exception as error:
            return Thumbnail(url="", caption=f"{os.path.relpath(path, self._folder)} · not shown: {type(error).__name__}")

    def _shown(self, path: str) -> Thumbnail | None:
        """Return the thumbnail of a file, or None if the file does not contain an image."""
        # Imported late, because most turns write no image.
        from codex_jupyter.notebook.images.from_file import pixel_count, read_file
        from codex_jupyter.notebook.images.resize import data_url, thumbnail
        from codex_jupyter.notebook.images.source import ImageSource

        name, link = os.path.relpath(path, self._folder), os.path.relpath(path, self._home)
        link = "" if link.startswith("..") else Path(link).as_posix()
        try:
            data = read_file(Path(path), MAX_FILE_BYTES)
        except InputError:
            return None
        raster = raster_of(data)
        if raster is None and not is_svg(data):
            return None
        caption = f"{name} · {byte_count(len(data))}"
        try:
            image = ImageSource(data, SVG_TYPE if raster is None else raster.media_type, name)
            pixels = 0 if raster is None else pixel_count(data, name)
            if self._pixels_left < pixels <= MAX_SHOWN_PIXELS:
                limit = f"the shown images of a turn have at most {MAX_ALL_PIXELS:,} pixels"
                return Thumbnail(url="", caption=f"{caption} · not shown: {limit}", path=link)
            shown = thumbnail(image, side=SHOWN_SIDE, max_bytes=MAX_SHOWN_BYTES, max_pixels=MAX_SHOWN_PIXELS, path=link)
            self._pixels_left -= pixels
            return shown
        except InputError as error:
            # Without a library that converts it, the page shows the SVG itself. Not all viewers of saved notebooks can do that.
            if raster is None and len(data) <= MAX_SHOWN_BYTES:
                return Thumbnail(url=data_url(data, SVG_TYPE), caption=caption, path=link)
            return Thumbnail(url="", caption=f"{caption} · not shown: {str(error).removeprefix(f'{name} ')}", path=link)


def _walk(folder: Path, skipped: str) -> Iterable[str]:
    """Yield the files below a folder, except those of hidden folders, environments, caches, and another folder, given by its real path."""
    for parent, folders, names in os.walk(folder):
        folders[:] = [
            name
            for name in folders
            if name not in SKIPPED_FOLDERS and not name.startswith(".") and os.path.realpath(os.path.join(parent, name)) != skipped
        ]
        yield from (os.path.join(parent, name) for name in names)
