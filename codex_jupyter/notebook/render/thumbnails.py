"""Thumbnails of images that were sent with a prompt and of images that a turn wrote."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from codex_jupyter.notebook.render import phrases
from codex_jupyter.notebook.render.sanitizer import escape, is_image, is_image_link


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnail:
    """A small image with a caption.

    Attributes:
        url: A data URL of the small image.
        caption: Name, size in pixels and bytes, and how the image was changed.
        width: Width on the page in pixels. 0 uses the available width.
        path: Path of the image file, relative to the notebook's folder. Empty if there is no file, or if it is elsewhere.
        source: The reason why a turn has the image, as one word.
    """

    url: str
    caption: str
    width: int = 0
    path: str = ""
    source: str = "written"


def attached_html(thumbnails: Sequence[Thumbnail]) -> str:
    """Return the HTML of images that were sent, side by side. It must be sanitized."""
    return "".join(_figure(thumbnail, "display:inline-block;vertical-align:bottom;margin:4px 16px 4px 0") for thumbnail in thumbnails)


def written_html(thumbnails: Sequence[Thumbnail]) -> str:
    """Return the HTML of images that a turn wrote, below each other. It must be sanitized."""
    return "".join(_figure(thumbnail, "margin:6px 0") for thumbnail in thumbnails)


def attached_text(thumbnails: Sequence[Thumbnail]) -> str:
    """Return a line of plain text for each image that was sent."""
    return "\n".join(f"image: {thumbnail.caption}" for thumbnail in thumbnails)


def written_text(thumbnails: Sequence[Thumbnail]) -> str:
    """Return a line of plain text for each image that a turn wrote or looked at."""
    return "\n".join(f"{thumbnail.source}: {thumbnail.caption}" for thumbnail in thumbnails)


def _figure(thumbnail: Thumbnail, css: str) -> str:
    # JupyterLab keeps a maximum width in an untrusted notebook. It shrinks with the page.
    box = f' style="max-width:{thumbnail.width}px"' if thumbnail.width else ""
    caption = escape(phrases.short(thumbnail.caption, 300))
    link = file_link(thumbnail.path)
    label = f'<a href="{escape(link)}" target="_blank">{caption}</a>' if link else caption
    image = (
        f'<img src="{thumbnail.url}" alt="{caption}" style="max-width:100%;background:#fff;border-radius:3px">'
        if is_image(thumbnail.url)
        else ""
    )
    return f'<div style="{css}"><div{box}>{image}</div><div style="font-size:.8em;opacity:.8">{label}</div></div>'


def file_link(path: str) -> str:
    """Return a link to an image file, relative to the notebook's folder. Empty if the path is absolute or outside of the folder.

    All characters that could change the meaning of the link are escaped.
    """
    link = f"./{quote(path)}" if path and not path.startswith(("/", "\\")) else ""
    return link if is_image_link(link) else ""
