"""What both forms of an item, HTML and plain text, say in the same words."""

import json
import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeVar

from codex_jupyter._visible_text import reveal
from codex_jupyter.notebook.render.ansi import resolve_overwrites
from codex_jupyter.notebook.render.colors import Tone
from codex_jupyter.notebook.render.sanitizer import escape
from codex_jupyter.sdk.models.items import (
    CollabToolCallItem,
    CommandExecutionItem,
    FileChangeItem,
    McpToolCallItem,
    ThreadItem,
    WebSearchItem,
)
from codex_jupyter.sdk.models.turn import Turn

DEMO_NOTE: Final = "Scripted demo: a script, not a model, wrote these answers."
OUTPUT_LIMIT: Final = 20_000
"""Characters of one command's output, or of one tool's result, that are shown at most."""
TEXT_LIMIT: Final = 200_000
"""Characters of a message that are shown at most if it cannot be shown as Markdown."""
NAME_LIMIT: Final = 2_000
"""Characters of what is one line in ordinary items, such as a path, a query or a step of a plan, that are shown at most."""
PARTS_LIMIT: Final = 200
"""Files, steps, agents or results of one item that are shown at most."""
CHANGE_WORDS: Final = {"add": ("+", "added"), "delete": ("−", "deleted"), "update": ("~", "changed")}
COLLAB_WORDS: Final = {
    "spawn_agent": "start sub-agent",
    "send_input": "tell sub-agent",
    "wait": "wait for sub-agents",
    "close_agent": "close sub-agent",
}

_BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
_WRAPPER = re.compile(r"(?:/(?:usr/|usr/local/|opt/homebrew/|run/current-system/sw/)?bin/)?(?:bash|sh|zsh) -l?c ")
"""A shell of the system. The agent may name another one, which is then part of what it runs."""

_T = TypeVar("_T")


class State(NamedTuple):
    """How far an item or a turn is: a word, a symbol that says the same, and a tone for the colour."""

    word: str
    symbol: str
    tone: Tone


_STATES: Final = {
    "in_progress": State("running", "●", "run"),
    "completed": State("done", "✓", "good"),
    "failed": State("failed", "✗", "bad"),
    "errored": State("failed", "✗", "bad"),
    "declined": State("declined", "⊘", "warn"),
    "interrupted": State("interrupted", "■", "warn"),
    "refused": State("refused", "⊘", "warn"),
    "timed_out": State("timed out", "◷", "warn"),
    "running": State("running", "●", "run"),
}


WARNING: Final = State("warning:", "⚠", "warn")


def state_of(status: str) -> State:
    """The state of a status string; a status that is not known is shown as it is."""
    return _STATES.get(status) or State(status.replace("_", " ") or "unknown", "•", "quiet")


def item_state(item: ThreadItem) -> State:
    """The state of an item; a command says its exit code, a search without a query has only started."""
    if isinstance(item, CommandExecutionItem) and item.exit_code is not None:
        state = state_of(item.status)
        word = f"exit {item.exit_code}"
        return state._replace(word=word if item.status in ("completed", "failed") else f"{state.word}, {word}")
    if isinstance(item, WebSearchItem):
        # A search has no status on the wire; until it ends it has no query.
        return state_of("completed") if item.query else State("started", "○", "run")
    if isinstance(item, CommandExecutionItem | FileChangeItem | McpToolCallItem | CollabToolCallItem):
        return state_of(item.status)
    return state_of("completed")


def duration(seconds: float) -> str:
    """A time span for reading: `0.4 s`, `12 s`, `3 min 05 s`, `1 h 02 min`. Negative spans count as 0."""
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 file`, `2,000 files`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def byte_count(number: int) -> str:
    """`812 B`, `23.4 kB`, `1.2 MB`; in powers of ten."""
    if number < 1000:
        return f"{number} B"
    return f"{number / 1e3:.1f} kB" if number < 999_950 else f"{number / 1e6:.1f} MB"


def short_id(thread_id: str) -> str:
    """A thread's UUID, shortened. Ids begin with the time, so those of one minute differ at the end only."""
    return thread_id if len(thread_id) <= 16 else f"{thread_id[:8]}…{thread_id[-4:]}"


def shell_command(command: str) -> str:
    """The command as it was written: without the `/bin/bash -lc '...'` around it. Anything else stays as it is."""
    if _WRAPPER.match(command) and len(command) <= OUTPUT_LIMIT:
        import shlex

        try:
            parts = shlex.split(command)
        except ValueError:
            return command
        if len(parts) == 3:
            return parts[2]
    return command


def relative_path(path: str, cwd: str | None) -> str:
    """The path from the working folder if it lies inside, else the path as it is."""
    if cwd:
        separator = "\\" if "\\" in cwd and "/" not in cwd else "/"
        path = path.removeprefix(cwd.rstrip(separator) + separator) or path
    return exact(path)


def pretty(value: Any) -> str:
    """A JSON value over several lines; a text stays a text; what is no JSON is shown by its `str`. Ends after `OUTPUT_LIMIT` characters."""
    if isinstance(value, str):
        return value
    pieces, left = [], OUTPUT_LIMIT
    for piece in json.JSONEncoder(indent=2, ensure_ascii=False, default=str).iterencode(value):
        pieces.append(piece)
        left -= len(piece)
        if left < 0:
            return short("".join(pieces), OUTPUT_LIMIT) + "\n⋯ and more ⋯"
    return "".join(pieces)


class Excerpt(NamedTuple):
    """The beginning and the end of a long text, in lines."""

    front: Sequence[str]
    left_out: str = ""
    """What lies between, in words; empty if nothing is left out."""
    back: Sequence[str] = ()

    @property
    def lines(self) -> list[str]:
        """All lines that are shown, with one that says what is left out."""
        return [*self.front, *([f"⋯ {self.left_out} ⋯"] if self.left_out else []), *self.back]


def excerpt(text: str, limit: int = OUTPUT_LIMIT) -> Excerpt:
    """The lines of an output as a terminal shows them, at most `limit` characters: half from the beginning, half from the end.

    The cost does not grow with the text but for a few scans of it; lines are kept whole where that costs less than a fifth.
    """
    cut = _cut(resolve_overwrites(text).rstrip("\n"), limit)
    return cut._replace(front=_lines(resolve_overwrites("\n".join(cut.front))), back=_lines(resolve_overwrites("\n".join(cut.back))))


def exact_excerpt(text: str, limit: int = OUTPUT_LIMIT) -> Excerpt:
    """Return the lines of what the agent did, such as a command, as `reveal` shows them; cut as `excerpt` cuts an output."""
    cut = _cut(text, limit)
    return cut._replace(front=_lines(reveal("\n".join(cut.front))), back=_lines(reveal("\n".join(cut.back))))


def unix_lines(diff: str) -> str:
    """A diff without the carriage returns of a file from Windows, and without a newline at its end."""
    return diff.replace("\r\n", "\n").rstrip("\n")


def exact(text: str, limit: int = NAME_LIMIT) -> str:
    """Return what is one line in ordinary items, such as a path, as `reveal` shows it, on one line; of a longer one both ends."""
    if len(text) <= limit:
        return reveal(text, one_line=True)
    ends = (reveal(end, one_line=True) for end in (text[: limit // 2], text[-(limit // 2) :]))
    return f" ⋯ {len(text) - limit:,} characters left out ⋯ ".join(ends)


def _lines(text: str) -> Sequence[str]:
    return text.split("\n") if text else ()


def _cut(text: str, limit: int) -> Excerpt:
    """The beginning and the end of a text, in lines."""
    if len(text) <= limit:
        return Excerpt(_lines(text))
    half = limit // 2
    end = text.rfind("\n", half - half // 5, half)
    start = text.find("\n", len(text) - half, len(text) - half + half // 5)
    end, start = (half if end < 0 else end), (len(text) - half if start < 0 else start + 1)
    lines = text.count("\n", end, start)
    left_out = (f"{count(max(1, lines - 1), 'line')}, " if lines else "") + f"{start - end:,} characters left out"
    return Excerpt(_lines(text[:end]), left_out, _lines(text[start:]))


def short(text: str, limit: int = NAME_LIMIT) -> str:
    """A text, of more than `limit` characters its beginning and its end."""
    return "\n".join(_cut(text, limit).lines)


def some(parts: Sequence[_T]) -> tuple[Sequence[_T], str]:
    """The first `PARTS_LIMIT` parts, and what is left out, in words; empty if nothing is."""
    left_out = len(parts) - PARTS_LIMIT
    return parts[:PARTS_LIMIT], f"⋯ {left_out:,} more left out ⋯" if left_out > 0 else ""


def bounded(text: str) -> str:
    """Escaped HTML of a text that is shown as it is; of more than `TEXT_LIMIT` characters the beginning and the end.

    Characters that HTML writes as entities count tenfold: each costs the sanitiser about a microsecond.
    """
    if len(text) + 10 * sum(map(text.count, "&<>\"'")) > TEXT_LIMIT:
        text = "\n".join(excerpt(text).lines)
    return escape(text)


def content_text(content: Any) -> str:
    """One MCP content block as text; a block that holds bytes is named, not shown."""
    if not isinstance(content, dict):
        return pretty(content)
    match content.get("type"):
        case "text":
            return str(content.get("text", ""))
        case "image" | "audio" as kind:
            return f"[{kind}, {content.get('mimeType', 'unknown type')}, {len(str(content.get('data', ''))):,} characters]"
        case _:
            return pretty(content)


def reasoning_parts(text: str) -> tuple[str, str]:
    """The title of a reasoning summary and the rest: the bold words that it begins with, else its first line."""
    text = text.strip()
    if bold := _BOLD.match(text):
        return bold[1].strip(), text[bold.end() :].strip()
    first, _, rest = text.partition("\n")
    return first.strip().strip("*#").strip(), rest.strip()


def search_words(item: WebSearchItem) -> tuple[str, str]:
    """What a web search did and with what: `("searched", "pandas melt")`, `("opened", "https://...")`."""
    verb, what = _search_words(item)
    return verb, exact(what)


def _search_words(item: WebSearchItem) -> tuple[str, str]:
    action = item.action or {}
    match action.get("type"):
        case "open_page":
            return "opened", str(action.get("url") or item.query)
        case "find_in_page":
            return "looked in page for", f"{action.get('pattern', '')} in {action.get('url', '')}" if action.get("url") else item.query
        case "search":
            queries = action.get("queries")
            return "searched the web for", " | ".join(map(str, queries)) if isinstance(queries, list) and queries else item.query
        case _:
            return ("searched the web for", item.query) if item.query else ("searching the web", "")


def turn_facts(turn: Turn, elapsed: float | None) -> list[str]:
    """The figures below a turn: time, commands, files, tokens; those that are zero or unknown are left out."""
    facts = [] if elapsed is None else [duration(elapsed)]
    if commands := sum(isinstance(item, CommandExecutionItem) for item in turn.items):
        facts.append(count(commands, "command"))
    changed = {
        change.path for item in turn.items if isinstance(item, FileChangeItem) and item.status == "completed" for change in item.changes
    }
    if changed:
        facts.append(count(len(changed), "file") + " changed")
    if usage := turn.usage or turn.thread_usage:
        whose = "" if turn.usage else " in the whole thread"
        cached = f" ({usage.cached_input_tokens:,} cached)" if usage.cached_input_tokens else ""
        facts.append(f"{usage.input_tokens:,} tokens in{cached}, {usage.output_tokens:,} out{whose}")
    return facts


def turn_state(turn: Turn) -> State:
    """The state of a turn; a finished turn says `completed`."""
    state = state_of(turn.status)
    return state._replace(word="completed") if turn.status == "completed" else state
