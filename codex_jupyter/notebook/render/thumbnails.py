"""Thumbnails: of the pictures that went along with a prompt, and of those that a turn wrote."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from codex_jupyter.notebook.render import phrases
from codex_jupyter.notebook.render.sanitizer import escape, is_image, is_image_link


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnail:
    """A small picture, and what is said of it.

    Attributes:
        url: A data URL of the small picture.
        caption: What it is, its size in pixels and bytes, and what was done to it.
        width: Pixels of the page that it takes; 0 is all that it has.
        path: The file that the picture is in, from the notebook's folder; empty if it is none, or elsewhere.
    """

    url: str
    caption: str
    width: int = 0
    path: str = ""


def attached_html(thumbnails: Sequence[Thumbnail]) -> str:
    """The pictures that went along, side by side. Not sanitised yet."""
    return "".join(_figure(one, "display:inline-block;vertical-align:bottom;margin:4px 16px 4px 0") for one in thumbnails)


def written_html(thumbnails: Sequence[Thumbnail]) -> str:
    """The pictures that a turn wrote, one below the other. Not sanitised yet."""
    return "".join(_figure(one, "margin:6px 0") for one in thumbnails)


def attached_text(thumbnails: Sequence[Thumbnail]) -> str:
    """The same as plain text, a line for each."""
    return "\n".join(f"picture: {one.caption}" for one in thumbnails)


def written_text(thumbnails: Sequence[Thumbnail]) -> str:
    """The same for those that a turn wrote."""
    return "\n".join(f"written: {one.caption}" for one in thumbnails)


def _figure(thumbnail: Thumbnail, place: str) -> str:
    # A width that JupyterLab leaves in a notebook which is not trusted, and that shrinks with the page.
    box = f' style="max-width:{thumbnail.width}px"' if thumbnail.width else ""
    caption = escape(phrases.short(thumbnail.caption, 300))
    link = file_link(thumbnail.path)
    label = f'<a href="{escape(link)}" target="_blank">{caption}</a>' if link else caption
    picture = (
        f'<img src="{thumbnail.url}" alt="{caption}" style="max-width:100%;background:#fff;border-radius:3px">'
        if is_image(thumbnail.url)
        else ""
    )
    return f'<div style="{place}"><div{box}>{picture}</div><div style="font-size:.8em;opacity:.8">{label}</div></div>'


def file_link(path: str) -> str:
    """A link to a picture's file from the notebook's folder; empty if there can be none.

    Whatever the name is, the link is a path below the folder: every character that might make it anything else is escaped.
    """
    link = f"./{quote(path)}" if path and not path.startswith(("/", "\\")) else ""
    return link if is_image_link(link) else ""
