"""Read unified diffs, and render them as reviewers expect: by file, with counts, line numbers and the colours of the language."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from codex_jupyter._visible_text import reveal
from codex_jupyter.notebook.render import colors, phrases
from codex_jupyter.notebook.render.sanitizer import escape, preformatted

MAX_READ: Final = 5_000
"""Maximum lines of a diff that are read. The rest is counted."""
MAX_SHOWN: Final = 10_000
"""Maximum characters shown of the diff of one file."""
MAX_TOKENS: Final = 2_000
"""Maximum coloured tokens of one file."""
MAX_COLORED: Final = 8
"""Maximum number of files of one diff with colours."""
_HUNK: Final = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@ ?(.*)")
_SIGNS: Final = {"+": colors.ADDED, "-": colors.REMOVED}


@dataclass(slots=True)
class Line:
    """A line of a file in a diff.

    Attributes:
        sign: `+`, `-`, a blank for an unchanged line, or `@` for a gap between two parts of the file.
        text: The line, without its sign.
        number: Its number in the new file, or in the old file if it was removed. 0 if it is not known.
    """

    sign: str
    text: str
    number: int = 0


@dataclass(slots=True)
class FileDiff:
    """The changes of one file.

    Attributes:
        old: Name of the old file, such as `a/stats.py`. Empty if it is not known.
        new: Name of the new file.
        lines: Its lines.
    """

    old: str = ""
    new: str = ""
    lines: list[Line] = field(default_factory=list)

    @property
    def path(self) -> str:
        """The path that the names stand for."""
        name = self.old if self.new in ("", "/dev/null") else self.new
        return name[2:] if name.startswith(("a/", "b/")) else name

    @property
    def counts(self) -> tuple[int, int]:
        """The numbers of added and removed lines."""
        signs = [line.sign for line in self.lines]
        return signs.count("+"), signs.count("-")


def file_diffs(diff: str) -> tuple[list[FileDiff], int]:
    """Return the files of a unified diff, and the number of lines that were not read.

    A line of a file that looks like a header is a line of the file, because the head of each part contains the number of its lines. Lines
    in another form are kept as they are.
    """
    lines = phrases.unix_lines(diff).split("\n")
    files: list[FileDiff] = []
    read = lines[:MAX_READ]
    position = 0
    while position < len(read):
        line, following = read[position], read[position + 1 : position + 2]
        if line.startswith("diff --git ") or not line:
            position += 1
        elif line.startswith("--- ") and following and following[0].startswith("+++ "):
            files.append(FileDiff(_name(line), _name(following[0])))
            position += 2
        elif head := _HUNK.fullmatch(line):
            files = files or [FileDiff()]
            position = _read_hunk(read, position + 1, head, files[-1])
        else:
            files = files or [FileDiff()]
            files[-1].lines.append(Line(" ", line))
            position += 1
    return files, max(0, len(lines) - MAX_READ)


def _name(header: str) -> str:
    return header[4:].partition("\t")[0]


def _read_hunk(lines: Sequence[str], position: int, head: re.Match[str], file: FileDiff) -> int:
    """Read the lines of a part of a file. Return the position after it."""
    old, new = int(head[1]), int(head[3])
    old_end, new_end = old + int(head[2] or 1), new + int(head[4] or 1)
    if file.lines or head[5]:
        file.lines.append(Line("@", head[5]))
    while position < len(lines) and (old < old_end or new < new_end):
        sign, text = lines[position][:1] or " ", lines[position][1:]
        if sign == "-":
            file.lines.append(Line(sign, text, old))
            old += 1
        elif sign == "+":
            file.lines.append(Line(sign, text, new))
            new += 1
        elif sign == " ":
            file.lines.append(Line(sign, text, new))
            old, new = old + 1, new + 1
        elif sign != "\\":
            break
        position += 1
    if position < len(lines) and lines[position].startswith("\\"):
        position += 1  # "\ No newline at end of file"
    return position


def counts_html(added: int, removed: int) -> str:
    """Return the numbers of added and removed lines."""
    return (
        f'<span style="white-space:nowrap"><span style="{colors.text(colors.GREEN)}">+{added:,}</span> '
        f'<span style="{colors.text(colors.RED)}">−{removed:,}</span></span>'
    )


def diff_html(file: FileDiff, *, colored: bool = True) -> str:
    """Return the lines of a file as a block with line numbers. Long lines scroll.

    Args:
        file: The file.
        colored: Use the colours of the language.
    """
    shown, size = [], 0
    for line in file.lines:
        size += len(line.text)
        if size > MAX_SHOWN:
            break
        shown.append(Line(line.sign, reveal(line.text), line.number))
    texts = _colored(file.path, shown) if colored else [escape(line.text) for line in shown]
    width = max((len(str(line.number)) for line in shown), default=1)
    runs: list[tuple[str, list[str]]] = []
    for line, text in zip(shown, texts, strict=True):
        css = _SIGNS.get(line.sign, "")
        if not runs or runs[-1][0] != css:
            runs.append((css, []))
        runs[-1][1].append(_line_html(line, text, width))
    body = "".join(f'<span style="display:block;{css}">{"".join(run)}</span>' if css else "".join(run) for css, run in runs)
    if left_out := len(file.lines) - len(shown):
        body += f"<em>⋯ {phrases.count(left_out, 'more line')} ⋯</em>"
    order = "" if all(line.text.isascii() for line in shown) else colors.in_order(body)
    return preformatted(body, f"{order}{colors.PRE};white-space:pre")


def _line_html(line: Line, text: str, width: int) -> str:
    if line.sign == "@":
        return f'<span style="opacity:.75">{"⋯":>{width}}   {text}</span>\n'
    number = str(line.number or "").rjust(width)
    sign = {"-": "−"}.get(line.sign, line.sign)
    return f'<span style="opacity:.75">{number}</span> {sign} {text}\n'


def _colored(path: str, lines: Sequence[Line]) -> list[str]:
    """Return the HTML of the lines. The old and the new file are coloured separately, because each is code by itself."""
    from codex_jupyter.notebook.render.highlight import code_lines

    old = iter(code_lines([line.text for line in lines if line.sign in " -"], path, MAX_TOKENS))
    new = iter(code_lines([line.text for line in lines if line.sign in " +"], path, MAX_TOKENS))
    return list(_merged(lines, old, new))


def _merged(lines: Sequence[Line], old: Iterator[str], new: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if line.sign == "-":
            yield next(old)
        elif line.sign == "+":
            yield next(new)
        elif line.sign == " ":
            next(old)
            yield next(new)
        else:
            yield escape(line.text)
