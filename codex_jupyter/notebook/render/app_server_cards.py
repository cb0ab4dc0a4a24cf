"""Render the items that only the app-server sends as HTML cards of one line, with folded details. The result must be sanitized."""

import base64
from typing import Final

from codex_jupyter._image_formats import raster_of
from codex_jupyter.notebook.render import app_server_phrases, phrases
from codex_jupyter.notebook.render.app_server_phrases import AppServerItem
from codex_jupyter.notebook.render.html_parts import block, excerpt_block, fold, frame, row, tone_of
from codex_jupyter.notebook.render.markdown import markdown_html
from codex_jupyter.notebook.render.sanitizer import escape, is_image
from codex_jupyter.sdk.models.app_server_items import DynamicToolCallItem, PlanItem

IMAGE_LIMIT: Final = 2 * 1024 * 1024
"""Maximum characters of the data URLs of one item. Further images are described."""


def card(item: AppServerItem, cwd: str | None, elapsed: float | None) -> str:
    """Return the HTML of an item. The arguments are those of `item_bundle`."""
    state = app_server_phrases.state(item)
    if isinstance(item, PlanItem):
        return frame(f"{row('proposed plan', state, elapsed)}{markdown_html(item.text)}", "message", math=True)
    title = escape(app_server_phrases.title(item, cwd))
    if isinstance(item, DynamicToolCallItem) and (code := app_server_phrases.kernel_code(item)) is not None:
        return frame(row(title, state, elapsed) + _kernel_code(code, item, title), tone_of(state))
    parts = [row(title, state, elapsed)]
    if isinstance(item, DynamicToolCallItem) and item.arguments not in (None, {}, []):
        arguments = phrases.exact_excerpt(phrases.pretty(item.arguments)).lines
        parts.append(fold("arguments", block(escape("\n".join(arguments)), exact=True)))
    details = [text for text in app_server_phrases.details(item) if text]
    if details:
        parts.append(fold("details", excerpt_block("\n".join(details)), opened=state.tone == "bad"))
    room = IMAGE_LIMIT
    for url in app_server_phrases.image_urls(item):
        room -= len(url)
        parts.append(_image(url, title, shown=room >= 0))
    return frame("".join(parts), tone_of(state))


def _kernel_code(code: str, item: DynamicToolCallItem, title: str) -> str:
    """Return code that the agent ran in the kernel, and below it texts and images in their order, as in a cell."""
    parts = [block(escape("\n".join(phrases.exact_excerpt(code).lines)), exact=True)]
    room = IMAGE_LIMIT
    for part in item.content_items:
        if part.get("type") == "inputImage":
            url = str(part.get("imageUrl") or "")
            room -= len(url)
            parts.append(_image(url, title, shown=room >= 0))
        elif text := str(part.get("text") or ""):
            parts.append(excerpt_block(text))
    if item.error:
        parts.append(fold("details", excerpt_block(item.error)))
    return "".join(parts)


def _image(url: str, alt: str, *, shown: bool) -> str:
    if shown and is_safe_image(url):
        return f'<img src="{url}" alt="{alt}" style="max-width:100%;margin:4px 0">'
    return f"<div>[image, {len(url):,} characters]</div>"


def is_safe_image(url: str) -> bool:
    """Return True if a data URL has the raster format that it claims."""
    head, _, data = url.partition(",")
    if not is_image(url) or len(data) % 4:
        return False
    # The first bytes are enough to check the format.
    raster = raster_of(base64.b64decode(data[:16]))
    return raster is not None and head == f"data:{raster.media_type};base64"
