"""The picture files that a turn wrote into its folder, so that they can be seen where the turn is."""

import os
import time
from pathlib import Path
from typing import Final

from codex_jupyter.notebook.render import Thumbnail
from codex_jupyter.notebook.render.phrases import byte_count
from codex_jupyter.notebook.workspace.file_snapshots import walk

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg")
MAX_SHOWN: Final = 8
MAX_FILES: Final = 5_000
"""ImageSource files of a folder that are looked at."""
MAX_SECONDS: Final = 0.5
"""Longest time to look through the folder."""
MAX_FILE_BYTES: Final = 50_000_000
SHOWN_SIDE: Final = 1024
"""Pixels of the longest side of what is shown."""
MAX_SHOWN_PIXELS: Final = 25_000_000
"""Pixels of the largest picture that is shown. No one has asked for these pictures, and decoding them takes time and memory."""
MAX_SHOWN_BYTES: Final = 200_000
"""Bytes of what is shown of one picture; the picture itself stays in its file."""

_State = tuple[int, int]


class ImageFiles:
    """The picture files of a folder, as they were when a turn began.

    Args:
        folder: The working folder of the turn.
        home: The folder that links start at: the notebook's.
    """

    def __init__(self, folder: Path, home: Path) -> None:
        self._folder, self._home = folder, home
        self._known: dict[str, _State] | None = None

    def remember(self) -> None:
        """Look which there are. Blocks for `MAX_SECONDS` seconds at most; of a folder that is too large, nothing is shown."""
        self._known = self._states()

    def written(self) -> tuple[Thumbnail, ...]:
        """Those that are new or have changed since `remember`, in the order in which they were written, `MAX_SHOWN` of them."""
        states = self._states() if self._known is not None else None
        if states is None or self._known is None:
            return ()
        changed = sorted((state[0], path) for path, state in states.items() if self._known.get(path) != state)
        shown = (self._thumbnail(path) for _, path in changed[-MAX_SHOWN:])
        return tuple(one for one in shown if one is not None)

    def _states(self) -> dict[str, _State] | None:
        states: dict[str, _State] = {}
        deadline = time.monotonic() + MAX_SECONDS
        for number, path in enumerate(walk(self._folder)):
            if number % 256 == 0 and time.monotonic() > deadline:
                return None
            if path.lower().endswith(SUFFIXES):
                if len(states) >= MAX_FILES:
                    return None
                try:
                    state = os.stat(path)
                except OSError:
                    continue
                states[path] = (state.st_mtime_ns, state.st_size)
        return states

    def _thumbnail(self, path: str) -> Thumbnail | None:
        """Return the thumbnail of a file, or its name if making one fails in a way that no one thought of."""
        try:
            return self._shown(path)
        except Exception as error:
            return Thumbnail(url="", caption=f"{os.path.relpath(path, self._folder)} · not shown: {type(error).__name__}")

    def _shown(self, path: str) -> Thumbnail | None:
        """Return the thumbnail of a file; None if the file is not a picture, whatever its name says."""
        from codex_jupyter.notebook.images.display_log import SVG, ImageSource
        from codex_jupyter.notebook.images.from_file import is_svg, read_file
        from codex_jupyter.notebook.images.resize import data_url, thumbnail
        from codex_jupyter.sdk import InputError
        from codex_jupyter.sdk.image_formats import raster_of

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
            picture = ImageSource(data, SVG if raster is None else raster.media_type, name)
            return thumbnail(picture, side=SHOWN_SIDE, max_bytes=MAX_SHOWN_BYTES, max_pixels=MAX_SHOWN_PIXELS, path=link)
        except InputError as error:
            # Without a library that draws it, the page draws an SVG by itself; not every place that shows saved notebooks does.
            if raster is None and len(data) <= MAX_SHOWN_BYTES:
                return Thumbnail(url=data_url(data, SVG), caption=caption, path=link)
            return Thumbnail(url="", caption=f"{caption} · not shown: {str(error).removeprefix(f'{name} ')}", path=link)
