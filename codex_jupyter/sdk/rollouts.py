"""Read the threads that are stored in a CODEX_HOME.

The CLI writes each thread into one file, `sessions/YYYY/MM/DD/rollout-TIME-ID.jsonl`: a first line about the thread, then one line for each
event. After a revert, the thread continues in another file, `rollout-TIME-ID_FILE.jsonl`. The first line of such a file, and of a fork,
names the file with its start. `codex exec` cannot list threads, so this module reads the files. Damaged or unknown lines are skipped, and a
file without a valid first line is ignored. Measured with 0.163 to 0.171.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from codex_jupyter._cli_messages import is_synthetic
from codex_jupyter.sdk.models.envelope import HINT, unmarked
from codex_jupyter.sdk.models.events import Usage

TITLE_LENGTH: Final = 100
"""Maximum characters of a title. A longer prompt is shortened."""
MAX_LINE: Final = 4 * 1024 * 1024
"""Maximum bytes of a line. A longer line has an image or the output of a command, which is not needed here."""
MAX_FORKS: Final = 100
"""Maximum number of files that are followed to the start of a fork."""

_HOME: Final = ".codex"
_TAIL: Final = 256 * 1024
"""Bytes at the end of a thread's file that are searched for its token counts."""
_KIND_WITHIN: Final = 400
"""Bytes at the start of a line that contain its type."""
_WANTED: Final = re.compile(rb'"(?:task_started|turn_context|UserMessage|user_message)"|"role": ?"user"')
_EXTERNAL: Final = re.compile(r"<(external_\w+)>(.*)</\1>", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadSummary:
    """A stored thread."""

    id: str
    """The thread's UUID, for `Codex.resume_thread`."""
    title: str
    """The start of its first prompt on one line, at most `TITLE_LENGTH` characters. Empty without a prompt."""
    created: datetime
    updated: datetime
    """The time of the last change. Both times are in UTC."""
    turns: int
    """The number of its turns, including failed turns and turns before a fork."""
    working_directory: Path
    model: str | None
    """The model of its last turn."""
    source: str
    """The program that started it, such as `exec`, `cli` or `vscode`."""


def codex_home(env: Mapping[str, str] | None) -> Path:
    """Return the folder of the CLI's state: CODEX_HOME, or `.codex` in the user's home folder.

    Args:
        env: The environment of the CLI. None is that of this process.
    """
    env = os.environ if env is None else env
    return Path(env.get("CODEX_HOME") or Path(env.get("HOME") or env.get("USERPROFILE") or Path.home()) / _HOME)


def stored_threads(home: Path, working_directory: Path | None, limit: int | None) -> list[ThreadSummary]:
    """Read the threads of a CODEX_HOME.

    Threads of sub-agents, archived threads, and threads that the CLI has compressed are left out. By default it compresses none.

    Args:
        home: The folder. It need not exist.
        working_directory: The folder that the threads were started in, or None for all.
        limit: The maximum number of threads, or None for all.

    Returns:
        The threads, last changed first.
    """
    times = dict(_files(home / "sessions"))
    files = {path.stem[-36:]: path for path in times}
    wanted = None if working_directory is None else _resolved(working_directory)
    summaries: list[ThreadSummary] = []
    seen = set()
    for path, time in sorted(times.items(), key=lambda entry: (entry[1], entry[0]), reverse=True):
        if limit is not None and len(summaries) >= limit:
            break
        meta = _meta(path)
        if meta is None or meta["id"] in seen:
            continue
        seen.add(meta["id"])
        if meta.get("parent_thread_id") or (wanted is not None and _resolved(Path(meta["cwd"])) != wanted):
            continue
        title, turns, model = _contents(path, meta, files)
        first = files.get(meta["id"], path)
        start = meta if first == path else _meta(first) or meta
        source = meta.get("source")
        summaries.append(
            ThreadSummary(
                id=meta["id"],
                title=title,
                created=_time(start.get("timestamp")) or datetime.fromtimestamp(time, UTC),
                updated=datetime.fromtimestamp(time, UTC),
                turns=turns,
                working_directory=Path(meta["cwd"]),
                model=model,
                source=source if isinstance(source, str) else "unknown",
            )
        )
    return summaries


def is_stored(home: Path, thread_id: str) -> bool:
    """Return whether a CODEX_HOME has a thread.

    Args:
        home: The CODEX_HOME.
        thread_id: The thread's UUID.
    """
    return _newest(home, thread_id) is not None


def thread_file(home: Path, thread_id: str) -> Path | None:
    """Return the file that the CLI writes a thread to now; None if the thread is not stored.

    Args:
        home: The CODEX_HOME.
        thread_id: The thread's UUID.
    """
    return _newest(home, thread_id)


def stored_usage(home: Path, thread_id: str) -> Usage | None:
    """Return the tokens that a stored thread has used so far. The CLI writes them after each answer of the model.

    Args:
        home: The CODEX_HOME.
        thread_id: The thread's UUID.

    Returns:
        The tokens as the CLI counts them, with those before a fork and without those of reverted turns. None if they are unknown.
    """
    path, end = _newest(home, thread_id), None
    for _ in range(MAX_FORKS):
        if path is None:
            break
        if (usage := _last_usage(path, end)) is not None:
            return usage
        file_id, _, end = _beginning(_meta(path) or {})
        path = _newest(home, file_id, exact=True)
    return None


def stored_tools(home: Path, thread_id: str) -> list[tuple[str | None, str]] | None:
    """Return the tools that a stored thread was started with, as groups and names; None if that is not known. Tools of no group have None.

    Args:
        home: The CODEX_HOME.
        thread_id: The thread's UUID.
    """
    path = _newest(home, thread_id)
    meta = None if path is None else _meta(path)
    if meta is None:
        return None
    tools = [tool for tool in meta.get("dynamic_tools") or () if isinstance(tool, dict)]
    return [
        (str(tool["name"]) if tool.get("type") == "namespace" else tool.get("namespace"), str(entry.get("name")))
        for tool in tools
        for entry in (tool.get("tools") or () if tool.get("type") == "namespace" else [tool])
    ]


def stored_contexts(home: Path, thread_id: str) -> dict[str, str]:
    """Return the data that was sent beside the prompts of a stored thread, as the app-server sends it.

    Args:
        home: The CODEX_HOME.
        thread_id: The thread's UUID.

    Returns:
        The marked blocks of each turn, by the id of the turn.
    """
    contexts: dict[str, str] = {}
    path = _newest(home, thread_id)
    for _ in range(MAX_FORKS):
        if path is None:
            break
        for payload in _marked_lines(path):
            turn = payload.get("internal_chat_message_metadata_passthrough")
            name = turn.get("turn_id") if isinstance(turn, dict) else None
            if isinstance(name, str) and (block := _context(payload)):
                contexts[name] = "\n\n".join(filter(None, [contexts.get(name), block]))
        path = _newest(home, _beginning(_meta(path) or {})[0], exact=True)
    return contexts


def _marked_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the payloads of the lines with marked data."""
    try:
        with path.open("rb") as file:
            for line in file:
                if len(line) <= MAX_LINE and HINT in line and isinstance(payload := _object(line).get("payload"), dict):
                    yield payload
    except OSError:
        return


def _context(payload: Mapping[str, Any]) -> str:
    """Return the marked blocks of an item that contains nothing else: a message in 0.163, the output of a tool without a call in 0.171."""
    text, content = payload.get("output"), payload.get("content")
    if isinstance(content, list) and content and isinstance(content[0], dict):
        match = _EXTERNAL.fullmatch(str(content[0].get("text")))
        text = match[2] if match is not None else None
    return unmarked(text)[0] if isinstance(text, str) and "call_id" not in payload else ""


def _last_usage(path: Path, end: int | None) -> Usage | None:
    """Return the last token counts in the first `end` bytes of a file, or in the whole file."""
    try:
        with path.open("rb") as file:
            end = path.stat().st_size if end is None else max(0, end)
            file.seek(max(0, end - _TAIL))
            lines = file.read(min(end, _TAIL)).splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        if b'"token_count"' in line:
            total: Any = _object(line)
            for name in ("payload", "info", "total_token_usage"):
                total = total.get(name) if isinstance(total, dict) else None
            if isinstance(total, dict):
                return Usage(**{name: total[name] for name in Usage.model_fields if isinstance(total.get(name), int)})
    return None


def _newest(home: Path, thread_id: str, *, exact: bool = False) -> Path | None:
    """Return the file in which a thread continues, or exactly the file with this id; None for an invalid id."""
    if not re.fullmatch(r"[0-9A-Za-z-]+", thread_id):
        return None
    pattern = f"*/*/*/rollout-*[-_]{thread_id}.jsonl" if exact else f"*/*/*/rollout-*-{thread_id}*.jsonl"
    files = [(time, path) for path, time in _files(home / "sessions", pattern)]
    return max(files)[1] if files else None


def _files(sessions: Path, pattern: str = "*/*/*/rollout-*.jsonl") -> Iterator[tuple[Path, float]]:
    """Yield the files of threads with the times of their last change, in seconds."""
    for path in sessions.glob(pattern):
        try:
            yield path, path.stat().st_mtime
        except OSError:
            continue  # archived or deleted in this moment


def _meta(path: Path) -> dict[str, Any] | None:
    """Return the data of the first line about the thread; None if it is another line."""
    try:
        with path.open("rb") as file:
            line = _object(file.readline(MAX_LINE))
    except OSError:
        return None
    meta = line.get("payload")
    if line.get("type") != "session_meta" or not isinstance(meta, dict):
        return None
    return meta if isinstance(meta.get("id"), str) and isinstance(meta.get("cwd"), str) else None


def _beginning(meta: Mapping[str, Any]) -> tuple[str, int, int | None]:
    """Return the file with the start of this one: its id, and the number of its lines and bytes. The id is empty for a complete file."""
    base = meta.get("history_base")
    if isinstance(base, dict) and isinstance(base.get("thread_id"), str) and isinstance(base.get("end_ordinal_exclusive"), int):
        end = base.get("end_byte_offset")
        return base["thread_id"], base["end_ordinal_exclusive"], end if isinstance(end, int) else None
    origin, before = meta.get("forked_from_id"), meta.get("forked_from_ordinal_exclusive")
    return (origin, before, None) if isinstance(origin, str) and isinstance(before, int) else ("", 0, None)


def _contents(path: Path, meta: Mapping[str, Any], files: Mapping[str, Path]) -> tuple[str, int, str | None]:
    """Return title, number of turns and model of a thread, including its start in other files."""
    parts: list[tuple[Path, float]] = [(path, float("inf"))]
    while len(parts) < MAX_FORKS:
        origin, lines, _ = _beginning(meta)
        if origin not in files:
            break
        parts.append((files[origin], lines))
        meta = _meta(files[origin]) or {}
    title, turns, model = "", set[str](), None
    for part, before in reversed(parts):
        for kind, payload in _lines(part, before):
            if kind == "turn_context":
                model = payload["model"] if isinstance(payload.get("model"), str) else model
            elif payload.get("type") == "task_started":
                # A review is one turn, although its work is done in a second one.
                turns.add(str(payload.get("root_turn_id") or payload.get("turn_id")))
            elif not title and (prompt := _prompt(payload)):
                title = prompt
    return title, len(turns), model


def _lines(path: Path, before: float) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield type and payload of the relevant lines, up to an ordinal."""
    try:
        with path.open("rb") as file:
            while head := file.readline(MAX_LINE):
                whole = head.endswith(b"\n")
                while not whole and (rest := file.readline(MAX_LINE)):
                    whole = rest.endswith(b"\n")
                if not _WANTED.search(head, 0, _KIND_WITHIN):
                    continue
                line = _object(head)
                ordinal, payload = line.get("ordinal"), line.get("payload")
                if isinstance(ordinal, int) and ordinal >= before:
                    return
                if isinstance(payload, dict):
                    yield str(line.get("type")), payload
    except OSError:
        return


def _prompt(payload: dict[str, Any]) -> str:
    """Return the prompt in a user message, on one line. Empty if there is none, or if the CLI wrote it."""
    item = payload.get("item")
    message = item if isinstance(item, dict) and item.get("type") == "UserMessage" else payload
    if message is payload and payload.get("role") != "user" and payload.get("type") != "user_message":
        return ""
    content = message.get("content", message.get("message"))
    texts = [part.get("text") for part in content if isinstance(part, dict)] if isinstance(content, list) else [content]
    said = [text for text in texts if isinstance(text, str) and not is_synthetic(text) and not text.startswith(("<image", "</image"))]
    text = " ".join(unmarked("\n\n".join(said))[1].split())
    return text if len(text) <= TITLE_LENGTH else f"{text[: TITLE_LENGTH - 1].rstrip()}…"


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _time(value: Any) -> datetime | None:
    try:
        time = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _resolved(folder: Path) -> str:
    return os.path.realpath(folder.expanduser())
