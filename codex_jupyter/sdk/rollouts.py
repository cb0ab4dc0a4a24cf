"""Read the files of threads in a CODEX_HOME.

The CLI writes each thread into one file, `sessions/YYYY/MM/DD/rollout-TIME-ID.jsonl`: a first line about the thread, then one line for each
event. After a revert, the thread continues in another file, `rollout-TIME-ID_FILE.jsonl`. The first line of such a file, and of a fork,
names the file with its start. Damaged or unknown lines are skipped,
and a file without a valid first line is ignored. Measured with 0.163 to 0.171.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from codex_jupyter.sdk.models.envelope import HINT, unmarked
from codex_jupyter.sdk.models.usage import Usage

MAX_LINE: Final = 4 * 1024 * 1024
"""Maximum bytes of a line. A longer line has an image or the output of a command, which is not needed here."""
KIND_WITHIN: Final = 400
"""Bytes at the start of a line that contain its type."""
MAX_FORKS: Final = 100
"""Maximum number of files that are followed to the start of a fork."""

_HOME: Final = ".codex"
_TAIL: Final = 256 * 1024
"""Bytes at the end of a thread's file that are searched for its token counts."""
_EXTERNAL: Final = re.compile(r"<(external_\w+)>(.*)</\1>", re.DOTALL)


def codex_home(env: Mapping[str, str] | None) -> Path:
    """Return the folder of the CLI's state: CODEX_HOME, or `.codex` in the user's home folder.

    Args:
        env: The environment of the CLI. None is that of this process.
    """
    env = os.environ if env is None else env
    return Path(env.get("CODEX_HOME") or os.path.join(env.get("HOME") or env.get("USERPROFILE") or Path.home(), _HOME))


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
        file_id, _, end = beginning(thread_meta(path) or {})
        path = _newest(home, file_id, exact=True)
    return None


def stored_tools(home: Path, thread_id: str) -> list[tuple[str | None, str]] | None:
    """Return the tools that a stored thread was started with, as groups and names; None if that is not known. Tools of no group have None.

    Args:
        home: The CODEX_HOME.
        thread_id: The thread's UUID.
    """
    path = _newest(home, thread_id)
    meta = None if path is None else thread_meta(path)
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
        path = _newest(home, beginning(thread_meta(path) or {})[0], exact=True)
    return contexts


def _marked_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the payloads of the lines with marked data."""
    try:
        with path.open("rb") as file:
            for line in file:
                if len(line) <= MAX_LINE and HINT in line and isinstance(payload := json_object(line).get("payload"), dict):
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
            total: Any = json_object(line)
            for name in ("payload", "info", "total_token_usage"):
                total = total.get(name) if isinstance(total, dict) else None
            if isinstance(total, dict):
                return usage_of(total)
    return None


def usage_of(count: Mapping[str, Any]) -> Usage:
    """Return the tokens of a count as the CLI writes it. Malformed numbers are left out.

    Args:
        count: The numbers by their names.
    """
    return Usage(**{name: count[name] for name in Usage.model_fields if isinstance(count.get(name), int)})


def _newest(home: Path, thread_id: str, *, exact: bool = False) -> Path | None:
    """Return the file in which a thread continues, or exactly the file with this id; None for an invalid id."""
    if not re.fullmatch(r"[0-9A-Za-z-]+", thread_id):
        return None
    pattern = f"*/*/*/rollout-*[-_]{thread_id}.jsonl" if exact else f"*/*/*/rollout-*-{thread_id}*.jsonl"
    files = [(time, path) for path, time in thread_files(home / "sessions", pattern)]
    return max(files)[1] if files else None


def thread_files(sessions: Path, pattern: str = "*/*/*/rollout-*.jsonl") -> Iterator[tuple[Path, float]]:
    """Yield the files of threads with the times of their last change, in seconds."""
    for path in sessions.glob(pattern):
        try:
            yield path, path.stat().st_mtime
        except OSError:
            continue  # archived or deleted in this moment


def thread_meta(path: Path) -> dict[str, Any] | None:
    """Return the data of the first line about the thread; None if it is another line."""
    try:
        with path.open("rb") as file:
            line = json_object(file.readline(MAX_LINE))
    except OSError:
        return None
    meta = line.get("payload")
    if line.get("type") != "session_meta" or not isinstance(meta, dict):
        return None
    return meta if isinstance(meta.get("id"), str) and isinstance(meta.get("cwd"), str) else None


def beginning(meta: Mapping[str, Any]) -> tuple[str, int, int | None]:
    """Return the file with the start of this one: its id, and the number of its lines and bytes. The id is empty for a complete file."""
    base = meta.get("history_base")
    if isinstance(base, dict) and isinstance(base.get("thread_id"), str) and isinstance(base.get("end_ordinal_exclusive"), int):
        end = base.get("end_byte_offset")
        return base["thread_id"], base["end_ordinal_exclusive"], end if isinstance(end, int) else None
    origin, before = meta.get("forked_from_id"), meta.get("forked_from_ordinal_exclusive")
    return (origin, before, None) if isinstance(origin, str) and isinstance(before, int) else ("", 0, None)


def json_object(text: bytes | str) -> dict[str, Any]:
    """Return the JSON object of a text, such as a line of a rollout; empty if it is something else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
