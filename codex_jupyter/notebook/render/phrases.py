"""Phrases that the HTML and the plain text of an item share."""

import json
import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from codex_jupyter._shortening import Excerpt, excerpt_lines
from codex_jupyter._visible_text import reveal
from codex_jupyter.notebook.render.ansi import resolve_overwrites
from codex_jupyter.notebook.render.colors import Tone
from codex_jupyter.notebook.render.sanitizer import escape
from codex_jupyter.sdk.models.items import (
    CommandExecutionItem,
    FileChangeItem,
    FileUpdateChange,
    ThreadItem,
    TodoItem,
    WebSearchItem,
)
from codex_jupyter.sdk.models.turn import Turn

DEMO: Final = "scripted demo"
"""Marks answers that a script wrote, not a model."""
OUTPUT_LIMIT: Final = 20_000
"""Maximum characters shown of one command's output or one tool's result."""
TEXT_LIMIT: Final = 200_000
"""Maximum characters shown of a message that cannot be shown as Markdown."""
NAME_LIMIT: Final = 2_000
"""Maximum characters shown of a value that is usually one line, such as a path, a query or a step of a plan."""
PARTS_LIMIT: Final = 200
"""Maximum number of files, steps, agents or results shown of one item."""
MAX_INLINE: Final = 72
"""Maximum characters of the arguments of a call that are shown in its line."""
MAX_INLINE_ARGUMENTS: Final = 6
CHANGE_WORDS: Final = {
    "add": ("+", "added", "add"),
    "delete": ("−", "deleted", "delete"),
    "update": ("~", "changed", "change"),
    "move": ("~", "moved", "move"),
}
"""Symbol and words of each kind of change: of a file that was changed, and of one that was to be changed."""
COLLAB_WORDS: Final = {
    "spawn_agent": "start sub-agent",
    "send_input": "message sub-agent",
    "wait": "wait for sub-agents",
    "close_agent": "close sub-agent",
}

_BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
_WRAPPER = re.compile(r"(?:/(?:usr/|usr/local/|opt/homebrew/|run/current-system/sw/)?bin/)?(?:bash|sh|zsh) -l?c ")
"""A system shell. A shell elsewhere is part of what the agent runs, so it is shown."""

_ENCODED = re.compile(r'("data\\?"\s*:\s*\\?"|;base64,)([A-Za-z0-9+/=]{200,}(?:…\d+ chars truncated…[A-Za-z0-9+/=]*)?)')
"""Base64 in JSON or in a data URL. The CLI sends a result of more than 1 MiB as one text: the start and the end of its JSON."""

_WARNINGS: Final = (
    (
        re.compile(r"This session was recorded with model `([^`]{1,100})` but is resuming with `([^`]{1,100})`.*", re.DOTALL),
        r"The thread continues with the model `\2`. Its earlier turns are by `\1`.",
    ),
    (
        re.compile(r"Model metadata for `([^`]{1,100})` not found.*", re.DOTALL),
        r"Codex does not know the model `\1`, so it assumes the limits of an ordinary one. Check the name.",
    ),
)
_T = TypeVar("_T")


class State(NamedTuple):
    """Progress of an item or a turn.

    Attributes:
        word: The state in words.
        symbol: A symbol with the same meaning.
        tone: The tone of its colour.
    """

    word: str
    symbol: str
    tone: Tone


_STATES: Final = {
    "in_progress": State("running", "●", "run"),
    "completed": State("done", "✓", "good"),
    "failed": State("failed", "✗", "bad"),
    "errored": State("failed", "✗", "bad"),
    "declined": State("declined", "⊘", "warn"),
    "not_run": State("not run", "⊘", "warn"),
    "interrupted": State("interrupted", "■", "warn"),
    "refused": State("refused", "⊘", "warn"),
    "timed_out": State("timed out", "◷", "warn"),
    "running": State("running", "●", "run"),
    "waiting": State("waiting for you", "◐", "warn"),
}


WARNING: Final = State("warning:", "⚠", "warn")


def state_of(status: str) -> State:
    """Return the state of a status. An unknown status is shown unchanged."""
    return _STATES.get(status) or State(status.replace("_", " ") or "unknown", "•", "quiet")


def item_state(item: ThreadItem) -> State:
    """Return the state of an item. The state of a command includes its exit code."""
    if isinstance(item, CommandExecutionItem) and item.exit_code is not None:
        state = state_of(item.status)
        word = f"exit {item.exit_code}"
        return state._replace(word=word if item.status in ("completed", "failed") else f"{state.word}, {word}")
    if isinstance(item, WebSearchItem):
        # A search has no status on the wire, and has no query until it ends.
        return state_of("completed") if item.query else State("started", "○", "run")
    return state_of(str(getattr(item, "status", "completed")))


def change_words(change: FileUpdateChange, status: str) -> tuple[str, str]:
    """Return the symbol and the word for the change of a file. Only a completed patch has changed it."""
    symbol, done, wanted = CHANGE_WORDS.get("move" if change.move_path else change.kind, ("•", change.kind, change.kind))
    return symbol, done if status == "completed" else wanted


def running_mark(step: TodoItem) -> str:
    """Return the text after a step of a plan that the agent works on. Empty for other steps."""
    return " (running)" if step.status == "in_progress" else ""


def duration(seconds: float) -> str:
    """Format a time span: `0.4 s`, `12 s`, `3 min 05 s`, `1 h 02 min`. Negative spans count as 0."""
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def count(number: int, singular: str, plural: str | None = None) -> str:
    """Format a number with its noun: `1 file`, `2,000 files`."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def counts(*parts: tuple[int, str]) -> str:
    """Format numbers with their nouns, such as `3 files, 1 turn`. Zeros are left out, so the text can be empty."""
    return ", ".join(count(number, noun) for number, noun in parts if number)


def byte_count(number: int) -> str:
    """Format a size in powers of ten: `812 B`, `23.4 kB`, `1.2 MB`."""
    if number < 1000:
        return f"{number} B"
    return f"{number / 1e3:.1f} kB" if number < 999_950 else f"{number / 1e6:.1f} MB"


def short_id(thread_id: str) -> str:
    """Shorten a thread id. Ids start with the time, so ids of the same minute differ only at their end."""
    return thread_id if len(thread_id) <= 16 else f"{thread_id[:8]}…{thread_id[-4:]}"


def shell_command(command: str) -> str:
    """Return a command without the `/bin/bash -lc '...'` around it. Other commands are returned unchanged."""
    if _WRAPPER.match(command) and len(command) <= OUTPUT_LIMIT:
        try:
            parts = shlex.split(command)
        except ValueError:
            return command
        if len(parts) == 3:
            return parts[2]
    return command


def relative_path(path: str, cwd: str | None) -> str:
    """Return a path relative to the working folder if it is inside, else the path itself."""
    if cwd:
        separator = "\\" if "\\" in cwd and "/" not in cwd else "/"
        path = path.removeprefix(cwd.rstrip(separator) + separator) or path
    return exact(path)


def pretty(value: Any) -> str:
    """Format a JSON value on several lines, with at most `OUTPUT_LIMIT` characters. Strings are returned as they are."""
    if isinstance(value, str):
        return value
    pieces, remaining = [], OUTPUT_LIMIT
    for piece in json.JSONEncoder(indent=2, ensure_ascii=False, default=str).iterencode(value):
        pieces.append(piece)
        remaining -= len(piece)
        if remaining < 0:
            return short("".join(pieces), OUTPUT_LIMIT) + "\n⋯ and more ⋯"
    return "".join(pieces)


def excerpt(text: str, limit: int = OUTPUT_LIMIT) -> Excerpt:
    """Return the lines of an output as a terminal shows them, at most `limit` characters: the first and the last half.

    The cost does not grow with the text, except for a few scans. Lines are kept whole if that costs less than a fifth of the room.
    """
    cut = excerpt_lines(resolve_overwrites(text).rstrip("\n"), limit)
    return cut._replace(front=_convert(resolve_overwrites, cut.front), back=_convert(resolve_overwrites, cut.back))


def exact_excerpt(text: str, limit: int = OUTPUT_LIMIT) -> Excerpt:
    """Return the lines of a command or a diff in exact form (see `reveal`), shortened like `excerpt`."""
    cut = excerpt_lines(text, limit)
    return cut._replace(front=_convert(reveal, cut.front), back=_convert(reveal, cut.back))


def _convert(convert: Callable[[str], str], lines: Sequence[str]) -> Sequence[str]:
    text = convert("\n".join(lines))
    return text.split("\n") if text else ()


def unix_lines(diff: str) -> str:
    """Return a diff without the carriage returns of Windows files and without newlines at its end."""
    return diff.replace("\r\n", "\n").rstrip("\n")


def exact(text: str, limit: int = NAME_LIMIT) -> str:
    """Return a text in exact form on one line (see `reveal`). Of a longer text, return both ends."""
    if len(text) <= limit:
        return reveal(text, one_line=True)
    ends = (reveal(end, one_line=True) for end in (text[: limit // 2], text[-(limit // 2) :]))
    return f" ⋯ {len(text) - limit:,} characters left out ⋯ ".join(ends)


def short(text: str, limit: int = NAME_LIMIT) -> str:
    """Return a text, or the start and the end of a text with more than `limit` characters."""
    return "\n".join(excerpt_lines(text, limit).lines)


def some(parts: Sequence[_T]) -> tuple[Sequence[_T], str]:
    """Return the first `PARTS_LIMIT` parts and a note about the rest. The note is empty if there are no more."""
    left_out = len(parts) - PARTS_LIMIT
    return parts[:PARTS_LIMIT], f"⋯ {left_out:,} more left out ⋯" if left_out > 0 else ""


def bounded(text: str) -> str:
    """Return the escaped HTML of a text, or of the start and the end of a text with more than `TEXT_LIMIT` characters.

    Characters that HTML writes as entities count tenfold, because each costs the sanitizer about a microsecond.
    """
    if len(text) + 10 * sum(map(text.count, "&<>\"'")) > TEXT_LIMIT:
        text = "\n".join(excerpt(text).lines)
    return escape(text)


def content_text(content: Any) -> str:
    """Return an MCP content block as text. A block with bytes is described, not shown."""
    if not isinstance(content, dict):
        return pretty(content)
    match content.get("type"):
        case "text":
            text = str(content.get("text", ""))
            # The search takes 30 ms for a megabyte, and most results have no such data.
            return _ENCODED.sub(_describe_encoded, text) if '"data' in text or ";base64," in text else text
        case "image" | "audio" as kind:
            return f"[{kind}, {content.get('mimeType', 'unknown type')}, {len(str(content.get('data', ''))):,} characters]"
        case _:
            return pretty(content)


def _describe_encoded(match: re.Match[str]) -> str:
    return f"{match[1]}[{len(match[2]):,} characters of base64]"


def plain_warning(message: str) -> str:
    """Return a warning of the CLI in plain words, if its meaning is known."""
    for pattern, words in _WARNINGS:
        if match := pattern.match(message):
            return match.expand(words)
    return message


def inline_arguments(arguments: Any) -> str | None:
    """Return the arguments of a call in one line, such as `city="Hamburg", days=3`. None if they are too long or not named."""
    if arguments in (None, {}, []):
        return ""
    if not isinstance(arguments, dict) or len(arguments) > MAX_INLINE_ARGUMENTS:
        return None
    parts, room = [], MAX_INLINE
    for name, value in arguments.items():
        if isinstance(value, dict | list) or len(str(value)) > room or not str(name).isidentifier():
            return None
        parts.append(f"{name}={json.dumps(value, ensure_ascii=False, default=str)}")
        room -= len(parts[-1])
    text = ", ".join(parts)
    return exact(text) if room >= 0 else None


def reasoning_parts(text: str) -> tuple[str, str]:
    """Split a reasoning summary into its title and the rest. The title is the bold text at its start, or the first line."""
    text = text.strip()
    if bold := _BOLD.match(text):
        return bold[1].strip(), text[bold.end() :].strip()
    first, _, rest = text.partition("\n")
    return first.strip().strip("*#").strip(), rest.strip()


def search_words(item: WebSearchItem) -> tuple[str, str]:
    """Return the action of a web search and its object, such as `("searched the web for", "pandas melt")`."""
    verb, target = _search_words(item)
    return verb, exact(target)


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
    """Return the figures below a turn: time, commands, files, tokens. Unknown figures and zeros are left out."""
    facts = [] if elapsed is None else [duration(elapsed)]
    if commands := sum(isinstance(item, CommandExecutionItem) for item in turn.items):
        facts.append(count(commands, "command"))
    changed = {
        change.path for item in turn.items if isinstance(item, FileChangeItem) and item.status == "completed" for change in item.changes
    }
    if changed:
        facts.append(count(len(changed), "file") + " changed")
    return facts + token_facts(turn)


def token_facts(turn: Turn) -> list[str]:
    """Return the tokens of a turn in one line, or no line if they are unknown or zero."""
    usage = turn.usage or turn.thread_usage
    if usage is None or not (usage.input_tokens or usage.output_tokens):
        return []
    scope = "" if turn.usage else " in the whole thread"
    cached = f" ({usage.cached_input_tokens:,} cached)" if usage.cached_input_tokens else ""
    return [f"{usage.input_tokens:,} tokens in{cached}, {usage.output_tokens:,} out{scope}"]


def turn_state(turn: Turn) -> State:
    """Return the state of a turn. A finished turn is shown as `completed`."""
    state = state_of(turn.status)
    return state._replace(word="completed") if turn.status == "completed" else state
