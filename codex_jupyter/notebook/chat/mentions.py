"""Images and variables of the notebook that a page can add to a prompt."""

import itertools
import os
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, Final

from codex_jupyter._visible_text import reveal
from codex_jupyter.notebook.images.display_log import DisplayLog
from codex_jupyter.notebook.images.from_file import pixel_count
from codex_jupyter.notebook.images.resize import thumbnail
from codex_jupyter.notebook.images.source import RASTER_TYPES
from codex_jupyter.notebook.images.spec import ImageFinder
from codex_jupyter.notebook.render import plain
from codex_jupyter.sdk import InputError

RECENT_PLOTS: Final = 12
MAX_PIXELS: Final = 50_000_000
"""Pixels of all plots that are decoded for their thumbnails."""
MAX_MENTIONS: Final = 10
MAX_FILES: Final = 5
"""Files for which there is always room among the mentions."""
MAX_SCANNED: Final = 5000
"""Entries of a folder that are read."""


def recent_plots(log: DisplayLog) -> list[dict[str, str]]:
    """Return the newest plots, newest first, as the page shows them.

    Plots that cannot be drawn are left out, and large ones after `MAX_PIXELS`.
    """
    plots = []
    pixels = MAX_PIXELS
    for image in reversed(log.newest(RECENT_PLOTS)):
        try:
            small = thumbnail(image, max_pixels=max(1, pixels))
            pixels -= pixel_count(image.data, image.label) if image.media_type in RASTER_TYPES else 0
        except InputError:  # for example a chart whose library is not installed
            continue
        plots.append({"spec": f"plot:{image.number}", "url": small.url, "caption": plain(small.caption)})
    return plots


def find_mentions(shell: Any, finder: ImageFinder, word: str) -> list[dict[str, str]]:
    """Return what can follow an `@`: images, variables, whose value is sent by `{name}`, and files of the current folder.

    Args:
        shell: The interactive shell.
        finder: Knows the images of the notebook.
        word: The start of the name, in any case.

    Returns:
        At most `MAX_MENTIONS` entries with `name`, `text` and `description`.
    """
    images = dict.fromkeys(finder.offers(), "image")
    descriptions = images | {
        name: type(value).__name__
        for name, value in list(shell.user_ns.items())
        if name not in images and not name.startswith("_") and name not in shell.user_ns_hidden and not _is_code(value)
    }
    names = [name for name in descriptions if name.lower().startswith(word.lower())]
    offers = [
        {"name": name, "text": f"@{name}" if name in images else f"{{{name}}}", "description": plain(descriptions[name])} for name in names
    ]
    files = _files(word)
    # Variables are named more often, but must not hide the files.
    return [*offers[: MAX_MENTIONS - min(len(files), MAX_FILES)], *files][:MAX_MENTIONS]


def _files(word: str) -> list[dict[str, str]]:
    """Return the files and folders of the current folder whose path starts with a word. A folder is completed further by its `/`.

    A name that looks different from what it is, such as one with a newline or a zero-width space, is left out.
    """
    folder, _, start = word.rpartition("/")
    if word.startswith("/") or ".." in folder.split("/"):
        return []
    try:
        with os.scandir(folder or ".") as entries:
            matching = sorted(
                (not entry.is_dir(), entry.name)
                for entry in itertools.islice(entries, MAX_SCANNED)
                if entry.name.lower().startswith(start.lower()) and (start or not entry.name.startswith("."))
            )
    except OSError:
        return []
    paths = [
        (f"{folder}/{name}" if folder else name, is_file)
        for is_file, name in matching[:MAX_MENTIONS]
        if reveal(name, one_line=True) == name and "`" not in name
    ]
    return [
        {"name": path, "text": f"`{path}`", "description": "file"}
        if is_file
        else {"name": f"{path}/", "text": f"@{path}/", "description": "folder"}
        for path, is_file in paths
    ]


def _is_code(value: object) -> bool:
    return isinstance(value, type | ModuleType | FunctionType | BuiltinFunctionType | MethodType)
