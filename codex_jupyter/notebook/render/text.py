"""One item as plain text: for a terminal, for GitHub, for nbconvert, for a copy. Readable as Markdown, too.

Nothing in it can drive a terminal: see `clean.plain`.
"""

from typing import Final

from codex_jupyter.notebook.render import words
from codex_jupyter.notebook.render.clean import plain
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
"""Lines of a long output that are shown at its beginning and at its end."""
_INDENT = "    "


def item_text(item: ThreadItem, *, cwd: str | None, elapsed: float | None, diff: str | None, streaming: bool = False) -> str:
    """The plain text of one item, without a newline at its end; the arguments are those of `item_bundle`."""
    return plain(_text(item, cwd, elapsed, diff, words.OUTPUT_LIMIT if streaming else words.TEXT_LIMIT)).rstrip("\n")


def _text(item: ThreadItem, cwd: str | None, elapsed: float | None, diff: str | None, limit: int) -> str:
    match item:
        case AgentMessageItem():
            return words.short(item.text, limit)
        case ReasoningItem():
            return "\n".join(f"> {line}".rstrip() for line in words.short(item.text, limit).strip().split("\n"))
        case CommandExecutionItem():
            lines = [
                "$ " + "\n> ".join(words.exact_excerpt(words.shell_command(item.command)).lines),
                _short(item.aggregated_output),
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
            verb, what = words.search_words(item)
            return f"{verb} {what}".rstrip() + f" → {_state(item, elapsed)}"
        case TodoListItem():
            done = sum(step.completed for step in item.items)
            shown, left_out = words.some(item.items)
            steps = [f"- [{'x' if step.completed else ' '}] {words.short(step.text)}" for step in shown]
            return "\n".join([f"plan, {done} of {len(item.items)} done", "", *steps, *filter(None, [left_out])])
        case ErrorItem():
            return f"{words.WARNING.symbol} {words.WARNING.word} {words.short(item.message)}"
        case UnknownItem():
            return f"item of an unknown kind: {words.short(item.type) or '?'}\n\n" + _indented(_short(words.pretty(item.model_dump())))


def _state(item: ThreadItem, elapsed: float | None) -> str:
    state = words.item_state(item)
    return state.word if elapsed is None else f"{state.word} · {words.duration(elapsed)}"


def _indented(text: str) -> str:
    return "\n".join(_INDENT + line if line else line for line in text.split("\n"))


def _short(text: str) -> str:
    """The edges of a text that may be long."""
    return "\n".join(_edges(words.excerpt(text)))


def _diff(diff: str) -> list[str]:
    """The edges of a diff that may be long."""
    return _edges(words.exact_excerpt(words.unix_lines(diff)))


def _edges(shown: words.Excerpt) -> list[str]:
    """The lines of an excerpt without those in the middle, if they are many."""
    lines = shown.lines
    if len(lines) > 2 * EDGE_LINES + 4:
        hidden = f"⋯ {words.count(len(lines) - 2 * EDGE_LINES - bool(shown.left_out), 'more line')}"
        gap = hidden + (f", {shown.left_out} ⋯" if shown.left_out else " ⋯")
        lines = [*lines[:EDGE_LINES], gap, *lines[-EDGE_LINES:]]
    return lines


def _file_change(item: FileChangeItem, cwd: str | None, elapsed: float | None, diff: str | None) -> str:
    rows = []
    changes, left_out = words.some(item.changes)
    for change in changes:
        symbol, word = words.CHANGE_WORDS.get(change.kind, ("•", change.kind))
        rows.append(f"{symbol} {words.exact(word)} {words.relative_path(change.path, cwd)}")
    rows += filter(None, [left_out])
    lines = [_short("\n".join(rows)), *(["", *_diff(diff), ""] if diff else []), "→ " + _state(item, elapsed)]
    return _indented("\n".join(lines))


def _tool_call(item: McpToolCallItem, elapsed: float | None) -> str:
    lines = [f"tool {words.exact(item.server)}.{words.exact(item.tool)}"]
    if item.arguments not in (None, {}, []):
        lines.append("\n".join(_edges(words.exact_excerpt(words.pretty(item.arguments)))))
    lines.append("→ " + _state(item, elapsed))
    if item.result is not None:
        contents, left_out = words.some(item.result.content)
        lines += [_short("\n".join([*map(words.content_text, contents), *filter(None, [left_out])]))]
        if not item.result.content and item.result.structured_content is not None:
            lines.append(_short(words.pretty(item.result.structured_content)))
    if item.error is not None:
        lines.append(_short(item.error.message))
    return _indented("\n".join(lines))


def _collab(item: CollabToolCallItem, elapsed: float | None) -> str:
    lines = [words.short(words.COLLAB_WORDS.get(item.tool, item.tool)), *([_short(item.prompt)] if item.prompt else [])]
    lines.append("→ " + _state(item, elapsed))
    agents, left_out = words.some(list(item.agents_states.items()))
    for thread_id, agent in agents:
        state = words.state_of(agent.status)
        lines.append(f"{words.short_id(thread_id)} {state.symbol} {state.word}")
        if agent.message:
            lines.append(_short(words.short(agent.message)))
    lines += filter(None, [left_out])
    return _indented("\n".join(lines))
