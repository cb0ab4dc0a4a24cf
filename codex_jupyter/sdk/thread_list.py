"""List the threads that are stored in a CODEX_HOME, from their files: no process is started."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from codex_jupyter._cli_messages import is_synthetic
from codex_jupyter._shortening import shorten
from codex_jupyter.sdk.errors import ConfigError
from codex_jupyter.sdk.models.envelope import unmarked
from codex_jupyter.sdk.rollouts import KIND_WITHIN, MAX_FORKS, MAX_LINE, beginning, json_object, thread_files, thread_meta

ThreadOrder: TypeAlias = Literal["updated", "created"]
TITLE_LENGTH: Final = 100
"""Maximum characters of a title. A longer prompt is shortened."""
_WANTED: Final = re.compile(rb'"(?:task_started|turn_context|UserMessage|user_message)"|"role": ?"user"')
_NAMES: Final = "session_index.jsonl"
"""The file with the names of threads. Its last line about a thread counts."""
_ARCHIVE: Final = "archived_sessions"
_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


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
    name: str | None = None
    """The name that a user gave it; None if there is none. See `Codex.set_thread_name`."""
    archived: bool = False


class ThreadPage(list[ThreadSummary]):
    """A page of stored threads.

    Attributes:
        next_cursor: The `cursor` of the next page; None if this is the last page.
    """

    def __init__(self, threads: Iterable[ThreadSummary] = (), next_cursor: str | None = None) -> None:
        super().__init__(threads)
        self.next_cursor = next_cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadQuery:
    """The threads to list, and their order."""

    working_directory: Path | None = None
    """The folder that the threads were started in; None for all folders."""
    archived: bool = False
    search: str = ""
    """A part of the name or the title, in upper or lower case."""
    sources: frozenset[str] = frozenset()
    """The programs that started them; empty for all."""
    order: ThreadOrder = "updated"
    limit: int | None = None
    cursor: str | None = None


def list_threads(home: Path, query: ThreadQuery) -> ThreadPage:
    """List the threads of a CODEX_HOME.

    Threads of sub-agents, and threads that the CLI has compressed, are left out. By default it compresses none.

    Args:
        home: The folder. It need not exist.
        query: The threads to list.

    Raises:
        ConfigError: If the cursor is not from a page in the same order.
    """
    times = dict(thread_files(home / _ARCHIVE, "rollout-*.jsonl") if query.archived else thread_files(home / "sessions"))
    files = {path.stem[-36:]: path for path in (*(path for path, _ in thread_files(home / "sessions")), *times)}
    after = _position(query)
    names = _names(home)
    page, last = ThreadPage(), query.cursor
    seen: set[str] = set()
    for place, path in sorted(((_place(path, time, query.order), path) for path, time in times.items()), reverse=True):
        meta = thread_meta(path)
        if meta is None or meta["id"] in seen:
            continue
        seen.add(meta["id"])
        if after is not None and place >= after:
            continue
        if not _is_wanted(meta, query):
            continue
        is_full = query.limit is not None and len(page) >= query.limit
        # The first line is enough to know that there is another page, unless a text is searched for.
        summary = None if is_full and not query.search else _summary(path, times[path], meta, files, names.get(meta["id"]))
        if summary is not None and query.search.lower() not in f"{summary.name or ''}\n{summary.title}".lower():
            continue
        if is_full or summary is None:
            page.next_cursor = last
            break
        page.append(summary)
        last = f"{query.order} {place[0]!r} {place[1]}"
    return page


def thread_name(home: Path, thread_id: str) -> str | None:
    """Return the name that a user gave a thread; None if there is none."""
    return _names(home).get(thread_id)


def _place(path: Path, time: float, order: ThreadOrder) -> tuple[float, str]:
    """Return the place of a thread in a list. Ids start with the time of their creation."""
    match = _ID.search(path.stem)
    return time if order == "updated" else 0.0, f"{'' if match is None else match[0]}/{path.stem}"


def _position(query: ThreadQuery) -> tuple[float, str] | None:
    if query.cursor is None:
        return None
    try:
        order, time, name = query.cursor.split(" ")
        if order == query.order:
            return float(time), name
    except ValueError:
        pass
    raise ConfigError("The cursor is not from a page in this order. Pass the next_cursor of the page before, or None.")


def _is_wanted(meta: Mapping[str, Any], query: ThreadQuery) -> bool:
    folder = query.working_directory
    return (
        not meta.get("parent_thread_id")
        and (folder is None or _resolved(Path(meta["cwd"])) == _resolved(folder))
        and (not query.sources or meta.get("source") in query.sources)
    )


def _summary(path: Path, time: float, meta: Mapping[str, Any], files: Mapping[str, Path], name: str | None) -> ThreadSummary:
    title, turns, model = _contents(path, meta, files)
    first = files.get(meta["id"], path)
    start = meta if first == path else thread_meta(first) or meta
    source = meta.get("source")
    return ThreadSummary(
        id=meta["id"],
        title=title,
        created=_time(start.get("timestamp")) or datetime.fromtimestamp(time, UTC),
        updated=datetime.fromtimestamp(time, UTC),
        turns=turns,
        working_directory=Path(meta["cwd"]),
        model=model,
        source=source if isinstance(source, str) else "unknown",
        name=name,
        archived=path.parent.name == _ARCHIVE,
    )


def _names(home: Path) -> dict[str, str]:
    names: dict[str, str] = {}
    try:
        with (home / _NAMES).open("rb") as file:
            for line in file:
                entry = json_object(line) if len(line) <= MAX_LINE else {}
                if isinstance(entry.get("id"), str) and isinstance(entry.get("thread_name"), str):
                    names[entry["id"]] = " ".join(entry["thread_name"].split())
    except OSError:
        pass
    return names


def _contents(path: Path, meta: Mapping[str, Any], files: Mapping[str, Path]) -> tuple[str, int, str | None]:
    """Return title, number of turns and model of a thread, including its start in other files."""
    parts: list[tuple[Path, float]] = [(path, float("inf"))]
    while len(parts) < MAX_FORKS:
        origin, lines, _ = beginning(meta)
        if origin not in files:
            break
        parts.append((files[origin], lines))
        meta = thread_meta(files[origin]) or {}
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
                if not _WANTED.search(head, 0, KIND_WITHIN):
                    continue
                line = json_object(head)
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
    return shorten(text, TITLE_LENGTH)


def _time(value: Any) -> datetime | None:
    try:
        time = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _resolved(folder: Path) -> str:
    return os.path.realpath(folder.expanduser())
