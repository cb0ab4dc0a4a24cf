"""Render an item as plain text, for terminals, GitHub, nbconvert and the clipboard. The text is readable Markdown.

It contains no control characters, see `sanitizer.plain`.
"""

from typing import Final

from codex_jupyter._shortening import Excerpt
from codex_jupyter.notebook.render import app_server_phrases, phrases
from codex_jupyter.notebook.render.app_server_phrases import AppServerItem
from codex_jupyter.notebook.render.sanitizer import plain
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

EDGE_LINES: Final = 20
"""Lines shown at the start and at the end of a long output."""
_INDENT = "    "


def item_text(item: ThreadItem, *, cwd: str | None, elapsed: float | None, diff: str | None, streaming: bool = False) -> str:
    """Return the plain text of an item, without a newline at its end. The arguments are those of `item_bundle`."""
    return plain(_text(item, cwd, elapsed, diff, phrases.OUTPUT_LIMIT if streaming else phrases.TEXT_LIMIT)).rstrip("\n")


def _text(item: ThreadItem, cwd: str | None, elapsed: float | None, diff: str | None, limit: int) -> str:
    match item:
        case AgentMessageItem():
            return phrases.short(item.text, limit)
        case ReasoningItem():
            return "\n".join(f"> {line}".rstrip() for line in phrases.short(item.text, limit).strip().split("\n"))
        case CommandExecutionItem():
            lines = [
                "$ " + "\n> ".join(phrases.exact_excerpt(phrases.shell_command(item.command)).lines),
                _edges_text(item.aggregated_output),
                "→ " + _state(item, elapsed),
            ]
            return _indented("\n".join(filter(None, lines)))
        case FileChangeItem():
            return _file_change(item, cwd, elapsed, diff)
        case McpToolCallItem():
            return _tool_call(item, elapsed)
        case CollabToolCallItem():
            return _collab(item, elapsed)
        case WebSearchItem():
            verb, target = phrases.search_words(item)
            return f"{verb} {target}".rstrip() + f" → {_state(item, elapsed)}"
        case TodoListItem():
            done = sum(step.completed for step in item.items)
            shown, left_out = phrases.some(item.items)
            steps = [f"- [{'x' if step.completed else ' '}] {phrases.short(step.text)}{phrases.running_mark(step)}" for step in shown]
            return "\n".join([f"plan, {done} of {len(item.items)} done", "", *steps, *filter(None, [left_out])])
        case ErrorItem():
            return f"{phrases.WARNING.symbol} {phrases.WARNING.word} {phrases.short(phrases.plain_warning(item.message))}"
        case UnknownItem():
            return f"item of an unknown type: {phrases.short(item.wire_type) or '?'}\n\n" + _indented(
                _edges_text(phrases.pretty(item.model_dump()))
            )
        case _:
            return _app_server_item(item, cwd, elapsed)


def _app_server_item(item: AppServerItem, cwd: str | None, elapsed: float | None) -> str:
    state = app_server_phrases.state(item)
    time = "" if elapsed is None else f" · {phrases.duration(elapsed)}"
    line = f"{app_server_phrases.title(item, cwd)} → {state.word}{time}"
    images = [f"[image, {len(url):,} characters]" for url in app_server_phrases.image_urls(item)]
    details = [_indented(_edges_text(text)) for text in (*app_server_phrases.details(item), *images) if text]
    return "\n\n".join([line, *details])


def _state(item: ThreadItem, elapsed: float | None) -> str:
    state = phrases.item_state(item)
    return state.word if elapsed is None else f"{state.word} · {phrases.duration(elapsed)}"


def _indented(text: str) -> str:
    return "\n".join(_INDENT + line if line else line for line in text.split("\n"))


def _edges_text(text: str) -> str:
    """Return the start and the end of a text that may be long."""
    return "\n".join(_edges(phrases.excerpt(text)))


def _diff(diff: str) -> list[str]:
    """Return the start and the end of a diff that may be long, in lines."""
    return _edges(phrases.exact_excerpt(phrases.unix_lines(diff)))


def _edges(shown: Excerpt) -> list[str]:
    """Return the lines of an excerpt. If there are many, leave out those in the middle, and say once how many lines are missing."""
    front, back = shown.front, shown.back
    if not shown.left_out:
        if len(front) <= 2 * EDGE_LINES + 4:
            return list(front)
        front, back = front[:-EDGE_LINES], front[-EDGE_LINES:]
    hidden = max(0, len(front) - EDGE_LINES) + max(0, len(back) - EDGE_LINES) + shown.skipped
    gap = phrases.count(hidden, "more line") if hidden else shown.left_out
    return [*front[:EDGE_LINES], f"⋯ {gap} ⋯", *back[-EDGE_LINES:]]


def _file_change(item: FileChangeItem, cwd: str | None, elapsed: float | None, diff: str | None) -> str:
    rows = []
    changes, left_out = phrases.some(item.changes)
    for change in changes:
        symbol, word = phrases.change_words(change, item.status)
        names = " → ".join(phrases.relative_path(path, cwd) for path in (change.path, change.move_path) if path)
        rows.append(f"{symbol} {phrases.exact(word)} {names}")
    rows += filter(None, [left_out])
    lines = [_edges_text("\n".join(rows)), *(["", *_diff(diff), ""] if diff else []), "→ " + _state(item, elapsed)]
    return _indented("\n".join(lines))


def _tool_call(item: McpToolCallItem, elapsed: float | None) -> str:
    inline = phrases.inline_arguments(item.arguments)
    lines = [f"tool {phrases.exact(item.server)}.{phrases.exact(item.tool)}{f'({inline})' if inline else ''}"]
    if inline is None:
        lines.append("\n".join(_edges(phrases.exact_excerpt(phrases.pretty(item.arguments)))))
    lines.append("→ " + _state(item, elapsed))
    if item.result is not None:
        contents, left_out = phrases.some(item.result.content)
        lines += [_edges_text("\n".join([*map(phrases.content_text, contents), *filter(None, [left_out])]))]
        if not item.result.content and item.result.structured_content is not None:
            lines.append(_edges_text(phrases.pretty(item.result.structured_content)))
    if item.error is not None:
        lines.append(_edges_text(item.error.message))
    return _indented("\n".join(lines))


def _collab(item: CollabToolCallItem, elapsed: float | None) -> str:
    lines = [phrases.short(phrases.COLLAB_WORDS.get(item.tool, item.tool)), *([_edges_text(item.prompt)] if item.prompt else [])]
    lines.append("→ " + _state(item, elapsed))
    agents, left_out = phrases.some(list(item.agents_states.items()))
    for thread_id, agent in agents:
        state = phrases.state_of(agent.status)
        lines.append(f"{phrases.short_id(thread_id)} {state.symbol} {state.word}")
        if agent.message:
            lines.append(_edges_text(phrases.short(agent.message)))
    lines += filter(None, [left_out])
    return _indented("\n".join(lines))
