"""Render turns and items as MIME bundles. Pure functions: no state, and no IPython.

A bundle holds `text/html` that is sanitised and survives being saved and reopened untrusted, and `text/plain` that says the same as
readable Markdown. A whole turn also holds itself as JSON under `TURN_MIME`. There is never `application/json` (JupyterLab would prefer
it to the HTML) nor `text/markdown` (a trusted notebook runs the HTML in it).

No function here raises because of what an item or a turn contains: what cannot be rendered is shown as plain text, with a line about it.
"""

from codex_jupyter.notebook.render.ansi import resolve_overwrites
from codex_jupyter.notebook.render.bundles import (
    closing_bundle,
    footer_bundle,
    header_bundle,
    item_bundle,
    items_bundle,
    prompt_bundle,
    turn_bundle,
)
from codex_jupyter.notebook.render.header_footer import TurnInfo
from codex_jupyter.notebook.render.markdown import markdown_to_html
from codex_jupyter.notebook.render.sanitizer import escape, plain, sanitize
from codex_jupyter.notebook.render.thumbnails import Thumbnail
from codex_jupyter.notebook.render.turn_json import TURN_MIME, TURNS_MIME, turn_from_json, turn_to_json

__all__ = [
    "TURNS_MIME",
    "TURN_MIME",
    "Thumbnail",
    "TurnInfo",
    "closing_bundle",
    "escape",
    "footer_bundle",
    "header_bundle",
    "item_bundle",
    "items_bundle",
    "markdown_to_html",
    "plain",
    "prompt_bundle",
    "resolve_overwrites",
    "sanitize",
    "turn_bundle",
    "turn_from_json",
    "turn_to_json",
]
