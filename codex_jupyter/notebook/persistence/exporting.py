"""Export a thread to a file: Markdown or HTML to read, a notebook to reopen, JSON lines for programs."""

import itertools
import json
import os
import re
import textwrap
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

from codex_jupyter._system_errors import explained
from codex_jupyter.notebook.persistence.finished_turn import FinishedTurn
from codex_jupyter.notebook.render import (
    escape,
    footer_bundle,
    header_bundle,
    item_bundle,
    plain,
    turn_bundle,
    turn_from_json,
    turn_to_json,
)
from codex_jupyter.sdk import AgentMessageItem, InputError, ThreadItem

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

ExportFormat: TypeAlias = Literal["md", "html", "ipynb", "jsonl"]
EXPORT_FORMATS: Final[tuple[ExportFormat, ...]] = get_args(ExportFormat)

_AFTER: Final = "what follows"
_MARKDOWN_SPECIALS: Final = re.compile(r"([\\`*_{}\[\]<>#|~])")

_PAGE: Final = """\
<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --page: #fff; --text: #1f2328; }}
@media (prefers-color-scheme: dark) {{ :root {{ --page: #111; --text: #e6e6e6; }} }}
h1 {{ font-size: 1.3rem; }}
body {{ max-width: 56rem; margin: 2rem auto; padding: 0 1rem; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }}
.prompt {{ margin: 2.5rem 0 1rem; padding: .7rem 1rem; border-radius: 6px; background: rgba(127,127,127,.14); white-space: pre-wrap; }}
@media print {{ body {{ max-width: none; margin: 0; }} .prompt {{ break-after: avoid; }} }}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""


def export_turns(turns: Sequence[FinishedTurn], format: ExportFormat, file: Path | None = None) -> Path:
    """Write turns into a file.

    Args:
        turns: The turns of a thread, in order.
        format: `md` is a transcript. `html` is one page that needs no other file and sends no request. `ipynb` is a notebook with the
            outputs of the cells. `jsonl` has one JSON object per turn, and `read_jsonl` reads it.
        file: The file. An existing file is replaced; a link is not followed. None is a new file in the current folder:
            `codex-<first 8 characters of the thread id>` with the extension of the format, and with `-2`, `-3`, ... if the name is taken.

    Returns:
        The path of the file. Without `file`, it is absolute.

    Raises:
        InputError: If there is no turn, the format is unknown, or the file cannot be written.
    """
    if format not in _WRITERS:
        raise InputError(f"{format!r} is not an export format. Use one of {', '.join(EXPORT_FORMATS)}.")
    if not turns:
        raise InputError("There is no turn to export. Run a prompt first.")
    # Characters that UTF-8 cannot encode become question marks.
    data = _WRITERS[format](turns).encode("utf-8", "replace")
    path = None if file is None else file.expanduser()
    try:
        if path is None:
            return _write_new(Path().absolute(), f"codex-{_file_part(turns)}", format, data)
        _replace(path, data)
    except OSError as error:
        reason = explained(error) if path is None else (error.strerror or str(error)).lower()
        raise InputError(f"The export to {path or 'the current folder'} failed: {reason}.") from None
    return path


def _replace(path: Path, data: bytes) -> None:
    """Write a file. A link is not followed, and nothing waits for a reader: the agent may have put a link or a pipe there."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, name, 0)
    try:
        handle = os.open(path, flags, 0o666)
    except OSError as error:
        if path.is_symlink():
            raise OSError(error.errno, "it is a link, which is not followed") from None
        raise
    with open(handle, "wb") as file:
        file.write(data)


def read_jsonl(file: Path) -> list[FinishedTurn]:
    """Return the turns that `export_turns` wrote as `jsonl`.

    Args:
        file: The file. Blank lines are skipped.

    Returns:
        The turns in order. `Turn.parsed` contains JSON values.

    Raises:
        InputError: If the file cannot be read, or a line is not a turn that this version can read.
    """
    try:
        lines = file.expanduser().read_bytes().split(b"\n")
    except OSError as error:
        raise InputError(f"{file} cannot be read: {(error.strerror or str(error)).lower()}.") from None
    return [_exported(line, f"{file}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]


def _exported(line: bytes, where: str) -> FinishedTurn:
    try:
        data = json.loads(line)
        turn, info = turn_from_json(data)
        return FinishedTurn(str(data["prompt"]), turn, info)
    except (ValueError, KeyError, RecursionError):
        raise InputError(f"{where}: this is not an exported turn, or a newer version of codex-jupyter wrote it.") from None


def _file_part(turns: Sequence[FinishedTurn]) -> str:
    # An id may come from an untrusted file, and must not lead to another folder.
    return re.sub(r"[^\w-]", "", _thread_id(turns))[:8] or "thread"


def _thread_id(turns: Sequence[FinishedTurn]) -> str:
    return next((finished.turn.thread_id for finished in turns if finished.turn.thread_id), "")


def _write_new(folder: Path, stem: str, extension: str, data: bytes) -> Path:
    for number in itertools.count(1):
        path = folder / f"{stem}{f'-{number}' if number > 1 else ''}.{extension}"
        try:
            with path.open("xb") as file:
                file.write(data)
        except FileExistsError:
            continue
        return path
    raise AssertionError("the numbers have no end")


def _title(turns: Sequence[FinishedTurn]) -> str:
    return f"Codex thread {plain(_thread_id(turns))}".strip()


def _jsonl(turns: Sequence[FinishedTurn]) -> str:
    lines = ({"prompt": finished.prompt, **turn_to_json(finished.turn, finished.info, complete=True)} for finished in turns)
    return "".join(json.dumps(line) + "\n" for line in lines)


def _html(turns: Sequence[FinishedTurn]) -> str:
    parts = []
    for finished in turns:
        if finished.prompt:
            parts.append(f'<div class="prompt">{escape(finished.prompt)}</div>')
        parts.append(f"<div>{turn_bundle(finished.turn, finished.info, complete=True)['text/html']}</div>")
    return _PAGE.format(title=escape(_title(turns)), body="\n".join(parts))


def _ipynb(turns: Sequence[FinishedTurn]) -> str:
    cells = [_cell("markdown", "title", f"# {_escape_markdown(_title(turns))}")]
    for number, finished in enumerate(turns, 1):
        if finished.prompt:
            cells.append(_cell("markdown", f"prompt-{number}", _quoted(finished.prompt)))
        cell = _cell("code", f"turn-{number}", "")
        cell["metadata"] = {"jupyter": {"source_hidden": True}}
        metadata = {"codex": {"thread_id": finished.turn.thread_id, "status": finished.turn.status}}
        output = {"output_type": "display_data", "data": turn_bundle(finished.turn, finished.info), "metadata": metadata}
        cells.append({**cell, "execution_count": None, "outputs": [output]})
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"


def _cell(kind: str, cell_id: str, source: str) -> dict[str, Any]:
    return {"cell_type": kind, "id": cell_id, "metadata": {}, "source": source}


def _markdown(turns: Sequence[FinishedTurn]) -> str:
    blocks = [f"# {_escape_markdown(_title(turns))}"]
    for number, finished in enumerate(turns, 1):
        blocks += [f"## Turn {number}", _quoted(finished.prompt) if finished.prompt else ""]
        blocks.append(_escape_markdown(header_bundle(finished.info, finished.turn.rights)["text/plain"]))
        blocks += [_item(item, finished) for item in finished.turn.items]
        blocks.append(_escape_markdown(footer_bundle(finished.turn, finished.info)["text/plain"]))
    return "\n\n".join(filter(None, blocks)) + "\n"


def _item(item: ThreadItem, finished: FinishedTurn) -> str:
    text = item_bundle(item, cwd=finished.info.cwd, diff=finished.turn.diffs.get(item.id))["text/plain"]
    # The renderer indents output. An indented block after a list would become a part of the list. A fence does not.
    if text.startswith("    ") and not isinstance(item, AgentMessageItem):
        return _in_fence(textwrap.dedent(text))
    return _contained(text)


def _quoted(prompt: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in _contained(plain(prompt).strip("\n")).split("\n"))


def _escape_markdown(text: str) -> str:
    """Return lines of text in which all markup is escaped."""
    return "  \n".join(_MARKDOWN_SPECIALS.sub(r"\\\1", line.strip()) for line in text.splitlines())


def _contained(text: str) -> str:
    """Return Markdown that is complete and has no HTML unchanged. Put other Markdown into a fence, so that it cannot swallow later text."""
    tokens = _parser().parse(f"{text}\n\n{_AFTER}")
    ends = [(token.type, token.level, token.content) for token in tokens[-3:]]
    alone = ends == [("paragraph_open", 0, ""), ("inline", 1, _AFTER), ("paragraph_close", 0, "")]
    parts = [part for token in tokens for part in (token, *(token.children or ()))]
    html = any(part.type == "html_block" or (part.type == "html_inline" and not part.content.startswith("<br")) for part in parts)
    return text if alone and not html else _in_fence(text)


def _in_fence(text: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark")


_WRITERS: Final[dict[str, Callable[[Sequence[FinishedTurn]], str]]] = {"md": _markdown, "html": _html, "ipynb": _ipynb, "jsonl": _jsonl}
