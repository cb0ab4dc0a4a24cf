"""Render an item as an HTML card: inline literal styles, no scripts, no ids, and no meaning in colour alone.

Only `card` returns sanitized HTML. The other functions build parts of it.
"""

import base64
import re
from typing import Any, Final

from codex_jupyter._image_formats import raster_of
from codex_jupyter._visible_text import reveal
from codex_jupyter.notebook.render import app_server_cards, colors, phrases
from codex_jupyter.notebook.render.ansi import html_lines
from codex_jupyter.notebook.render.html_parts import badge, block, excerpt_block, fold, frame, inline_code, row, tone_of
from codex_jupyter.notebook.render.markdown import markdown_html
from codex_jupyter.notebook.render.sanitizer import escape, is_image, is_link, sanitize
from codex_jupyter.sdk.models.items import (
    AgentMessageItem,
    CollabToolCallItem,
    CommandExecutionItem,
    ErrorItem,
    FileChangeItem,
    McpToolCallItem,
    ReasoningItem,
    ThreadItem,
    TodoListItem,
    UnknownItem,
    WebSearchItem,
)

EDGE_LINES: Final = 10
"""Lines at the start and at the end of a long output that are not folded."""
SHOWN_FILES: Final = 12
IMAGE_LIMIT: Final = 2 * 1024 * 1024
"""Maximum base64 characters of the images of one result. Further images are described."""
DIFF_LIMIT: Final = 10_000
"""Maximum characters shown of a diff."""
_CHANGED: Final = tuple(re.compile(rf"^{sign}(?!{sign * 2} )", re.MULTILINE) for sign in (r"\+", "-"))


def card(item: ThreadItem, *, cwd: str | None, elapsed: float | None, diff: str | None, streaming: bool) -> str:
    """Return the sanitized HTML of an item. The arguments are those of `item_bundle`."""
    match item:
        case AgentMessageItem():
            html = _message(item.text, streaming)
        case ReasoningItem():
            html = _reasoning(item.text, streaming)
        case CommandExecutionItem():
            html = _command(item, elapsed)
        case FileChangeItem():
            html = _file_change(item, cwd, elapsed, diff)
        case McpToolCallItem():
            html = _tool_call(item, elapsed)
        case CollabToolCallItem():
            html = _collab(item, elapsed)
        case WebSearchItem():
            html = _web_search(item, elapsed)
        case TodoListItem():
            html = _todo_list(item)
        case ErrorItem():
            html = frame(f'<div style="white-space:pre-wrap">{badge(phrases.WARNING)} {inline_code(item.message)}</div>', "warn")
        case UnknownItem():
            html = _unknown(item)
        case _:
            html = app_server_cards.card(item, cwd, elapsed)
    return sanitize(html)


def _message(text: str, streaming: bool) -> str:
    if streaming:
        return frame(f'<div style="white-space:pre-wrap;line-height:1.55">{_growing(text)}</div>', "run")
    return frame(markdown_html(text), "message", math=True)


def _growing(text: str) -> str:
    """Return the HTML of a text that still grows: the start and the newest part of a long one, because it is sent often."""
    return escape(phrases.short(text, phrases.OUTPUT_LIMIT))


def _reasoning(text: str, streaming: bool) -> str:
    title, rest = phrases.reasoning_parts(text)
    label = f"<em>thinking: {inline_code(title or '…')}</em>"
    if streaming:
        return frame(f'<div style="white-space:pre-wrap;opacity:.8;font-size:.9em">{label}\n{_growing(rest)}</div>', "run")
    if not rest:
        return frame(f'<div style="opacity:.8;font-size:.9em">{label}</div>', "quiet")
    return frame(fold(label, f'<div style="opacity:.85;font-size:.95em">{markdown_html(rest)}</div>'), "quiet")


def _command(item: CommandExecutionItem, elapsed: float | None) -> str:
    state = phrases.item_state(item)
    command = phrases.shell_command(item.command)
    shown = phrases.exact_excerpt(command, 1_200 if command.count("\n") < EDGE_LINES else 300)
    text = "\n".join([*shown.front, f"⋯ {shown.left_out} ⋯", *shown.back]) if shown.left_out else "\n".join(shown.front)
    first, *more = (escape(line) for line in text.split("\n"))
    # The continuation prompt of a shell, so that no line of the command looks like a line of this package.
    prompt, following = (f'<span style="color:{colors.GREY}">{sign}</span>' for sign in ("$ ", "&gt; "))
    body = "\n".join([f"{prompt}<strong>{first}</strong>", *(following + line for line in more)])
    css = f"{colors.in_order(text)}margin:0;padding:0;background:transparent;{colors.MONO};font-size:.95em;white-space:pre-wrap"
    title = f'<pre style="{css}">{body}</pre>'
    full_command = ""
    if shown.left_out:
        full_command = fold(
            f"whole command, {phrases.count(command.count(chr(10)) + 1, 'line')}", block(phrases.bounded(reveal(command)), exact=True)
        )
    return frame(row(title, state, elapsed) + full_command + _folded_output(item.aggregated_output), tone_of(state))


def _folded_output(output: str) -> str:
    """Return an output with its colours. A long one shows its start and its end, and folds the rest."""
    shown = phrases.excerpt(output)
    gap = [f"<em>⋯ {shown.left_out} ⋯</em>"] if shown.left_out else []
    lines = html_lines([*shown.front, *shown.back])
    lines[len(shown.front) : len(shown.front)] = gap
    if not lines:
        return ""
    if len(lines) <= 2 * EDGE_LINES + 4:
        return block("\n".join(lines), wrap=bool(gap))
    hidden = len(lines) - 2 * EDGE_LINES
    more = f"⋯ {phrases.count(hidden - len(gap), 'more line')}" + (f", {shown.left_out}" if gap else "")
    head, middle, tail = lines[:EDGE_LINES], lines[EDGE_LINES:-EDGE_LINES], lines[-EDGE_LINES:]
    return "".join([_part(head), fold(more, _part(middle)), _part(tail)])


def _part(lines: list[str]) -> str:
    return block("\n".join(lines), wrap=False)


def _file_change(item: FileChangeItem, cwd: str | None, elapsed: float | None, diff: str | None) -> str:
    state = phrases.item_state(item)
    rows = []
    changes, left_out = phrases.some(item.changes)
    for change in changes:
        symbol, word = phrases.change_words(change)
        paths = [escape(phrases.relative_path(path, cwd)) for path in (change.path, change.move_path) if path]
        names = " → ".join(f'<code style="{colors.CODE}">{path}</code>' for path in paths)
        rows.append(f"<div>{escape(symbol)} {escape(phrases.exact(word))} {names}</div>")
    if left_out:
        rows.append(f"<div>{left_out}</div>")
    files = "".join(rows[:SHOWN_FILES]) or "no file"
    if len(rows) > SHOWN_FILES:
        files += fold(phrases.count(len(item.changes) - SHOWN_FILES, "more file"), "".join(rows[SHOWN_FILES:]))
    return frame(row(files, state, elapsed) + (_diff(diff) if diff else ""), tone_of(state))


def _diff(diff: str) -> str:
    """Return a unified diff with tinted lines. A short diff is open."""
    lines = phrases.exact_excerpt(phrases.unix_lines(diff), DIFF_LIMIT).lines
    runs: list[tuple[str, list[str]]] = []
    for line in lines:
        css = _diff_style(line)
        if not runs or runs[-1][0] != css:
            runs.append((css, []))
        runs[-1][1].append(escape(line) + "\n")
    body = "".join(f'<span style="display:block;{css}">{"".join(run)}</span>' if css else "".join(run) for css, run in runs)
    added, removed = (len(changed.findall(diff)) for changed in _CHANGED)
    return fold(f"diff +{added} −{removed}", block(body, exact=True), opened=len(lines) <= 40)


def _diff_style(line: str) -> str:
    if line.startswith(("+++ ", "--- ", "diff ")):
        return "font-weight:600"
    if line.startswith("@@"):
        return f"color:{colors.TEAL}"
    return {"+": colors.ADDED, "-": colors.REMOVED}.get(line[:1], "")


def _tool_call(item: McpToolCallItem, elapsed: float | None) -> str:
    state = phrases.item_state(item)
    name = f'<code style="{colors.CODE}">{escape(phrases.exact(item.server))}.{escape(phrases.exact(item.tool))}</code>'
    parts = [row(f"tool {name}", state, elapsed)]
    if item.arguments not in (None, {}, []):
        arguments = phrases.exact_excerpt(phrases.pretty(item.arguments)).lines
        parts.append(fold("arguments", block(escape("\n".join(arguments)), exact=True)))
    texts, images = _results(item)
    if texts:
        parts.append(fold("result", excerpt_block("\n".join(texts)), opened=state.tone == "bad"))
    parts += images
    if item.error is not None:
        parts.append(excerpt_block(item.error.message))
    return frame("".join(parts), tone_of(state))


def _results(item: McpToolCallItem) -> tuple[list[str], list[str]]:
    """Return the texts of a result, and the HTML of its images."""
    texts, images, room = [], [], IMAGE_LIMIT
    contents, left_out = phrases.some(item.result.content if item.result else ())
    for content in contents:
        url = _image_url(content)
        if url and len(url) <= room:
            room -= len(url)
            images.append(f'<img src="{url}" alt="image from {escape(phrases.exact(item.tool))}" style="max-width:100%;margin:4px 0">')
        else:
            texts.append(phrases.content_text(content))
    if left_out:
        texts.append(left_out)
    if item.result and item.result.structured_content is not None and not texts:
        texts.append(phrases.pretty(item.result.structured_content))
    return texts, images


def _image_url(content: Any) -> str:
    """Return the data URL of an MCP image block. Empty if it is not an image, is too large, or has another format than it claims."""
    if not isinstance(content, dict) or content.get("type") != "image" or not isinstance(content.get("data"), str):
        return ""
    kind, data = str(content.get("mimeType")).removeprefix("image/"), content["data"]
    if len(data) > IMAGE_LIMIT or len(data) % 4:
        return ""
        return ""
    url = f"data:image/{kind};base64,{data}"
    if not is_image(url):
        return ""
    # The first bytes are enough to check the format.
    start = base64.b64decode(data[:16])
    if kind == "svg+xml":
        return url if start.startswith(b"<") else ""
    raster = raster_of(start)
    return url if raster is not None and raster.media_type == f"image/{kind}" else ""


def _collab(item: CollabToolCallItem, elapsed: float | None) -> str:
    state = phrases.item_state(item)
    parts = [row(escape(phrases.short(phrases.COLLAB_WORDS.get(item.tool, item.tool))), state, elapsed)]
    if item.prompt:
        parts.append(fold("prompt", excerpt_block(item.prompt)))
    agents, left_out = phrases.some(list(item.agents_states.items()))
    for thread_id, agent in agents:
        name = f'<code style="{colors.CODE}">{escape(phrases.short_id(thread_id))}</code>'
        parts.append(f'<div style="font-size:.9em">{name} {badge(phrases.state_of(agent.status))}</div>')
        if agent.message:
            parts.append(excerpt_block(phrases.short(agent.message)))
    if left_out:
        parts.append(f"<div>{left_out}</div>")
    return frame("".join(parts), tone_of(state))


def _web_search(item: WebSearchItem, elapsed: float | None) -> str:
    state = phrases.item_state(item)
    verb, target = phrases.search_words(item)
    shown = escape(target)
    if is_link(target):
        shown = f'<a href="{shown}" target="_blank" style="color:{colors.BLUE}">{shown}</a>'
    return frame(row(f"{escape(verb)} <strong>{shown}</strong>", state, elapsed), tone_of(state))


def _todo_list(item: TodoListItem) -> str:
    done = sum(step.completed for step in item.items)
    steps: list[str] = []
    shown, left_out = phrases.some(item.items)
    for step in shown:
        mark, css = ("☑", "opacity:.65") if step.completed else ("☐", "")
        steps.append(f'<li style="{css}">{mark} {inline_code(step.text)}{phrases.running_mark(step)}</li>')
    if left_out:
        steps.append(f"<li>{left_out}</li>")
    head = f'<div style="font-size:.9em;opacity:.8">plan, {done} of {len(item.items)} done</div>'
    return frame(f'{head}<ul style="list-style:none;margin:2px 0;padding:0">{"".join(steps)}</ul>', "quiet")


def _unknown(item: UnknownItem) -> str:
    text = phrases.pretty(item.model_dump(mode="python"))
    return frame(fold(f"item of an unknown type: {escape(phrases.short(item.wire_type) or '?')}", excerpt_block(text)), "quiet")
