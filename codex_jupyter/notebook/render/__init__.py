"""Render turns and items as MIME bundles. Pure functions: no state, and no IPython.

A bundle contains sanitized `text/html`, which still works when the notebook is saved and reopened untrusted, and `text/plain`, which is
readable Markdown with the same content. The bundle of a whole turn also contains the turn as JSON under `TURN_MIME`. No bundle contains
`application/json`, because JupyterLab would prefer it to the HTML, or `text/markdown`, because a trusted notebook runs HTML in it.

No function raises an error because of the content of an item or a turn. Content that cannot be rendered is shown as plain text with a note.
"""

from codex_jupyter.notebook.render.ansi import resolve_overwrites
from codex_jupyter.notebook.render.bundles import item_bundle, items_bundle, join, live_bundle, work_bundle
from codex_jupyter.notebook.render.header_footer import TurnInfo
from codex_jupyter.notebook.render.markdown import markdown_to_html
from codex_jupyter.notebook.render.sanitizer import error_text, escape, plain, sanitize, well_formed
from codex_jupyter.notebook.render.thumbnails import Thumbnail
from codex_jupyter.notebook.render.turn_bundles import (
    answer_bundle,
    closing_bundle,
    footer_bundle,
    header_bundle,
    last_work_bundle,
    prompt_bundle,
    question_bundle,
    status_bundle,
    turn_bundle,
    undone_bundle,
    with_saved_turn,
)
from codex_jupyter.notebook.render.turn_json import TURN_MIME, TURNS_MIME, turn_from_json, turn_to_json

__all__ = [
    "TURNS_MIME",
    "TURN_MIME",
    "Thumbnail",
    "TurnInfo",
    "answer_bundle",
    "closing_bundle",
    "error_text",
    "escape",
    "footer_bundle",
    "header_bundle",
    "item_bundle",
    "items_bundle",
    "join",
    "last_work_bundle",
    "live_bundle",
    "markdown_to_html",
    "plain",
    "prompt_bundle",
    "question_bundle",
    "resolve_overwrites",
    "sanitize",
    "status_bundle",
    "turn_bundle",
    "turn_from_json",
    "turn_to_json",
    "undone_bundle",
    "well_formed",
    "with_saved_turn",
    "work_bundle",
]
