"""Render an item as an HTML card: inline literal styles, no scripts, no ids, and no meaning in colour alone.

Only `card`, `remark` and `line` return sanitized HTML. The other functions build parts of it.
"""

import base64
from typing import Any, Final

from codex_jupyter._image_formats import raster_of
from codex_jupyter.notebook.render import app_server_cards, colors, file_cards, phrases
from codex_jupyter.notebook.render.ansi import html_lines
from codex_jupyter.notebook.render.html_parts import Card, badge, block, call, excerpt_block, fold, inline_code, tone_of
from codex_jupyter.notebook.render.json_answer import json_html
from codex_jupyter.notebook.render.markdown import markdown_html
from codex_jupyter.notebook.render.sanitizer import IGNORED_BY_MATH, escape, is_image, is_link, sanitize
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
NAME_LENGTH: Final = 160
"""Maximum characters of a command in one line."""
IMAGE_LIMIT: Final = 2 * 1024 * 1024
"""Maximum base64 characters of the images of one result. Further images are described."""


def card(item: ThreadItem, *, cwd: str | None, elapsed: float | None, diff: str | None, streaming: bool) -> str:
    """Return the sanitized HTML of an item as a card. The arguments are those of `item_bundle`."""
    if isinstance(item, AgentMessageItem) and item.phase != "commentary":
        return sanitize(_answer(item.text, streaming))
    return sanitize(_card(item, cwd, elapsed, diff, streaming).full)


def remark(item: AgentMessageItem, *, streaming: bool) -> str:
    """Return the sanitized HTML of a message that is not the answer."""
    return sanitize(_remark(item.text, streaming).full)


def line(item: ThreadItem, *, cwd: str | None, elapsed: float | None, diff: str | None) -> str:
    """Return the sanitized HTML of an item as one line, which opens to the card. The arguments are those of `item_bundle`."""
    return sanitize(_card(item, cwd, elapsed, diff, False).folded)


def reference(item: ThreadItem, *, cwd: str | None) -> str:
    """Return the sanitized HTML of a line at the place of an item that is shown elsewhere."""
    css = "margin:6px 0;padding:0 0 0 14px;opacity:.9;font-size:.85em"
    return sanitize(f'<div class="{IGNORED_BY_MATH}" style="{css}">{_card(item, cwd, None, None, False).label} <em>(below)</em></div>')


def _card(item: ThreadItem, cwd: str | None, elapsed: float | None, diff: str | None, streaming: bool) -> Card:
    match item:
        case AgentMessageItem():
            return _remark(item.text, streaming)
        case ReasoningItem():
            return _reasoning(item.text, streaming)
        case CommandExecutionItem():
            return _command(item, elapsed)
        case FileChangeItem():
            return file_cards.card(item, cwd, elapsed, diff)
        case McpToolCallItem():
            return _tool_call(item, elapsed)
        case CollabToolCallItem():
            return _collab(item, elapsed)
        case WebSearchItem():
            return _web_search(item, elapsed)
        case TodoListItem():
            return _todo_list(item)
        case ErrorItem():
            warning = f"{badge(phrases.WARNING)} {inline_code(phrases.plain_warning(item.message))}"
            return Card(title=f'<div style="white-space:pre-wrap">{warning}</div>', name=warning, tone="warn")
        case UnknownItem():
            return _unknown(item)
        case _:
            return app_server_cards.card(item, cwd, elapsed)


def _answer(text: str, streaming: bool) -> str:
    """Return the answer: prose of the page, without a card around it."""
    if streaming:
        return f'<div style="margin:6px 0;white-space:pre-wrap;line-height:1.55">{_growing(text)}</div>'
    return f'<div style="margin:6px 0">{json_html(text) or markdown_html(text)}</div>'


def _remark(text: str, streaming: bool) -> Card:
    """Return a message between the steps of the work, which is quieter than the answer."""
    css = "opacity:.8;font-size:.95em"
    if streaming:
        return Card(title=f'<div style="white-space:pre-wrap;line-height:1.5;{css}">{_growing(text)}</div>', tone="run")
    return Card(title=f'<div style="{css}">{markdown_html(text)}</div>', math=True)


def _growing(text: str) -> str:
    """Return the HTML of a text that still grows: the start and the newest part of a long one, because it is sent often."""
    return escape(phrases.short(text, phrases.OUTPUT_LIMIT))


def _reasoning(text: str, streaming: bool) -> Card:
    title, rest = phrases.reasoning_parts(text)
    label = f"<em>thinking: {inline_code(title or '…')}</em>"
    if streaming:
        return Card(title=f'<div style="white-space:pre-wrap;opacity:.8;font-size:.9em">{label}\n{_growing(rest)}</div>', tone="run")
    if not rest:
        return Card(title=f'<div style="opacity:.8;font-size:.9em">{label}</div>', name=label)
    body = f'<div style="opacity:.85;font-size:.95em">{markdown_html(rest)}</div>'
    return Card(title=fold(label, body), name=label, body="")


def _command(item: CommandExecutionItem, elapsed: float | None) -> Card:
    state = phrases.item_state(item)
    command = phrases.shell_command(item.command)
    shown = phrases.exact_excerpt(command, 1_200 if command.count("\n") < EDGE_LINES else 300)
    text = "\n".join([*shown.front, f"⋯ {shown.left_out} ⋯", *shown.back]) if shown.left_out else "\n".join(shown.front)
    first, *more = (escape(line) for line in text.split("\n"))
    # The continuation prompt of a shell, so that no line of the command looks like a line of this package.
    prompt, following = (f'<span style="opacity:.75">{sign}</span>' for sign in ("$ ", "&gt; "))
    body = "\n".join([f"{prompt}<strong>{first}</strong>", *(following + line for line in more)])
    css = f"{colors.in_order(text)}margin:0;padding:0;background:transparent;{colors.MONO};font-size:.95em;{colors.WRAP}"
    title = f'<pre style="{css}">{body}</pre>'
    full_command = ""
    if shown.left_out:
        full_command = fold(
            f"whole command, {phrases.count(command.count(chr(10)) + 1, 'line')}",
            block(phrases.bounded("\n".join(phrases.exact_excerpt(command, phrases.TEXT_LIMIT).lines)), exact=True),
        )
    one_line = phrases.exact(command, NAME_LENGTH)
    name = f'<code style="{colors.in_order(one_line)}{colors.CODE}">{escape(one_line)}</code>'
    # The CLI does not send the first line of an output before the command has ended.
    cut = "<em>⋯</em>" if item.aggregated_output and item.status in ("in_progress", "interrupted") else ""
    output = full_command + cut + _folded_output(item.aggregated_output)
    line = fold(f"{badge(state)} · {name}", output if one_line == command else title + output)
    return Card(title=title, name=name, line=line, body=output, state=state, elapsed=elapsed, tone=tone_of(state))


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
    # The line in the middle says what is left out of them.
    more = f"⋯ {phrases.count(hidden - len(gap), 'more line')}"
    head, middle, tail = lines[:EDGE_LINES], lines[EDGE_LINES:-EDGE_LINES], lines[-EDGE_LINES:]
    return "".join([_part(head), fold(more, _part(middle)), _part(tail)])


def _part(lines: list[str]) -> str:
    return block("\n".join(lines), wrap=False)


def _tool_call(item: McpToolCallItem, elapsed: float | None) -> Card:
    state = phrases.item_state(item)
    name, arguments = call(f"{phrases.exact(item.server)}.{phrases.exact(item.tool)}", item.arguments)
    texts, images = _results(item)
    parts = [arguments]
    if texts:
        parts.append(fold("result", excerpt_block("\n".join(texts)), opened=state.tone == "bad"))
    if item.error is not None:
        parts.append(excerpt_block(item.error.message))
    title = f"tool {name}"
    return Card(title=title, body="".join(parts), images="".join(images), state=state, elapsed=elapsed, tone=tone_of(state))


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
    url = f"data:image/{kind};base64,{data}"
    if not is_image(url):
        return ""
    # The first bytes are enough to check the format.
    start = base64.b64decode(data[:16])
    if kind == "svg+xml":
        return url if start.startswith(b"<") else ""
    raster = raster_of(start)
    return url if raster is not None and raster.media_type == f"image/{kind}" else ""


def _collab(item: CollabToolCallItem, elapsed: float | None) -> Card:
    state = phrases.item_state(item)
    parts = [fold("prompt", excerpt_block(item.prompt))] if item.prompt else []
    agents, left_out = phrases.some(list(item.agents_states.items()))
    for thread_id, agent in agents:
        name = f'<code style="{colors.CODE}">{escape(phrases.short_id(thread_id))}</code>'
        parts.append(f'<div style="font-size:.9em">{name} {badge(phrases.state_of(agent.status))}</div>')
        if agent.message:
            parts.append(excerpt_block(phrases.short(agent.message)))
    if left_out:
        parts.append(f"<div>{left_out}</div>")
    title = escape(phrases.short(phrases.COLLAB_WORDS.get(item.tool, item.tool)))
    return Card(title=title, body="".join(parts), state=state, elapsed=elapsed, tone=tone_of(state))


def _web_search(item: WebSearchItem, elapsed: float | None) -> Card:
    state = phrases.item_state(item)
    verb, target = phrases.search_words(item)
    shown = escape(target)
    if is_link(target):
        shown = f'<a href="{shown}" target="_blank" style="{colors.text(colors.BLUE)}">{shown}</a>'
    return Card(title=f"{escape(verb)} <strong>{shown}</strong>", state=state, elapsed=elapsed, tone=tone_of(state))


def _todo_list(item: TodoListItem) -> Card:
    done = sum(step.completed for step in item.items)
    steps: list[str] = []
    shown, left_out = phrases.some(item.items)
    for step in shown:
        mark, css = ("☑", f"opacity:{colors.FAINT}") if step.completed else ("☐", "")
        steps.append(f'<li style="{css}">{mark} {inline_code(step.text)}{phrases.running_mark(step)}</li>')
    if left_out:
        steps.append(f"<li>{left_out}</li>")
    head = f"plan, {done} of {len(item.items)} done"
    body = f'<ul style="list-style:none;margin:2px 0;padding:0">{"".join(steps)}</ul>'
    return Card(title=f'<div style="font-size:.9em;opacity:.8">{head}</div>', name=head, body=body)


def _unknown(item: UnknownItem) -> Card:
    text = phrases.pretty(item.model_dump(mode="python"))
    name = f"item of an unknown type: {escape(phrases.short(item.wire_type) or '?')}"
    return Card(title=fold(name, excerpt_block(text)), name=name)
