"""Render the items that only the app-server sends: one line, and folded details. The result must be sanitized."""

import base64
from typing import Any, Final

from codex_jupyter._image_formats import raster_of
from codex_jupyter.notebook.render import app_server_phrases, phrases
from codex_jupyter.notebook.render.app_server_phrases import AppServerItem
from codex_jupyter.notebook.render.html_parts import Card, block, call, excerpt_block, fold, tone_of
from codex_jupyter.notebook.render.markdown import markdown_html
from codex_jupyter.notebook.render.sanitizer import escape, is_image
from codex_jupyter.sdk.models.app_server_items import DynamicToolCallItem, PlanItem

IMAGE_LIMIT: Final = 2 * 1024 * 1024
"""Maximum characters of the data URLs of one item. Further images are described."""

MAX_TOKENS: Final = 2_000
"""Maximum number of coloured tokens of code that ran in the kernel."""


def card(item: AppServerItem, cwd: str | None, elapsed: float | None) -> Card:
    """Return the parts of the card of an item. The arguments are those of `item_bundle`."""
    state = app_server_phrases.state(item)
    shared: Any = {"state": state, "elapsed": elapsed, "tone": tone_of(state)}
    if isinstance(item, PlanItem):
        return Card(title="proposed plan", body=markdown_html(item.text), math=True, **shared)
    title = escape(app_server_phrases.title(item, cwd))
    if isinstance(item, DynamicToolCallItem) and (code := app_server_phrases.kernel_code(item)) is not None:
        body, images = _kernel_code(code, item, title)
        return Card(title=title, body=body, images=images, **shared)
    parts = []
    name = title
    if isinstance(item, DynamicToolCallItem):
        function, arguments = call(f"{item.namespace}.{item.tool}" if item.namespace else item.tool, item.arguments)
        name, parts = f"tool {function}", [arguments]
    details = [text for text in app_server_phrases.details(item) if text]
    if details:
        parts.append(fold("details", excerpt_block("\n".join(details)), opened=state.tone == "bad"))
    room, images = IMAGE_LIMIT, ""
    for url in app_server_phrases.image_urls(item):
        room -= len(url)
        images += _image(url, title, shown=room >= 0)
    return Card(title=name, body="".join(parts), images=images, **shared)


def _kernel_code(code: str, item: DynamicToolCallItem, title: str) -> tuple[str, str]:
    """Return code that the agent ran in the kernel with its texts below it, and its images."""
    from codex_jupyter.notebook.render.highlight import code_lines

    lines = code_lines(phrases.exact_excerpt(code).lines, "cell.py", MAX_TOKENS)
    parts = [block("\n".join(lines), wrap=False, exact=True)]
    images, room = "", IMAGE_LIMIT
    for part in item.content_items:
        if part.get("type") == "inputImage":
            url = str(part.get("imageUrl") or "")
            room -= len(url)
            images += _image(url, title, shown=room >= 0)
        elif text := str(part.get("text") or ""):
            parts.append(excerpt_block(text))
    if item.error:
        parts.append(fold("details", excerpt_block(item.error)))
    return "".join(parts), images


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
