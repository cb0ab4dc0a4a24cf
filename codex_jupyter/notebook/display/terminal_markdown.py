"""Style Markdown for a terminal, block by block. Pygments, which IPython needs anyway, colours the code blocks."""

import re
from collections.abc import Iterator
from typing import Final

_RESET: Final = "\x1b[0m"
_BOLD: Final = "\x1b[1m"
_FENCE: Final = re.compile(r"(`{3,}|~{3,})[ ]*(\w*)[^`]*")
_HEADING: Final = re.compile(r"#{1,6} +(.+?)(?: +#+)?")
_BULLET: Final = re.compile(r"\A( {0,3})[-*+] +(?=\S)")
_RULE: Final = re.compile(r"\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?")
"""The line below the head of a table."""
_COLUMN: Final = re.compile(r"(?<!\\)\|")
_STYLE: Final = re.compile(r"\x1b\[[\d;]*m")
_CODE: Final = re.compile(r"`([^`]+)`")
_SPANS: Final = (
    (re.compile(r"\*\*(?=\S)([^*]+?)(?<=\S)\*\*"), f"{_BOLD}\\1{_RESET}"),
    (re.compile(r"(?<![\w*])\*(?=[^\s*])([^*]+?)(?<=[^\s*])\*(?![\w*])"), f"\x1b[3m\\1{_RESET}"),
)
"""Parts of a paragraph that are not code, and their styles."""


def terminal_markdown(text: str) -> str:
    """Return text with the styles of its Markdown as control sequences. Indented lines, such as output of commands, are unchanged.

    Args:
        text: Markdown without control sequences, as `plain` returns it.
    """
    return "\n".join(_lines(text.split("\n")))


def _lines(lines: list[str]) -> Iterator[str]:
    position = 0
    while position < len(lines):
        line = lines[position]
        position += 1
        if fence := _FENCE.fullmatch(line):
            end = next((number for number in range(position, len(lines)) if lines[number].strip() == fence[1]), len(lines))
            yield from (f"    {code}" for code in _code(lines[position:end], fence[2]))
            position = end + 1
        elif line.startswith("    "):
            yield line
        elif "|" in line and position < len(lines) and _RULE.fullmatch(lines[position].strip()):
            end = next((number for number in range(position, len(lines)) if "|" not in lines[number]), len(lines))
            yield from _table([_cells(row) for row in (line, *lines[position:end])])
            position = end
        elif heading := _HEADING.fullmatch(line):
            yield f"{_BOLD}{heading[1]}{_RESET}"
        else:
            end = next((number for number in range(position, len(lines)) if _starts_block(lines, number)), len(lines))
            # A style can end on a later line of the paragraph than it starts.
            yield _styled("\n".join([_BULLET.sub(r"\1• ", line), *lines[position:end]]))
            position = end


def _starts_block(lines: list[str], position: int) -> bool:
    """Return True if a line is not a further line of the paragraph before it."""
    line = lines[position]
    follows = lines[position + 1] if position + 1 < len(lines) else ""
    is_table = "|" in line and _RULE.fullmatch(follows.strip()) is not None
    return not line.strip() or line.startswith("    ") or is_table or any(mark.match(line) for mark in (_FENCE, _HEADING, _BULLET))


def _styled(paragraph: str) -> str:
    parts = []
    # With one group, `split` returns text, code, text, code, ..., text.
    for position, part in enumerate(_CODE.split(paragraph)):
        if position % 2:
            parts.append(f"\x1b[36m{part}{_RESET}")
            continue
        styled = part
        for pattern, style in _SPANS:
            styled = pattern.sub(style, styled)
        parts.append(styled)
    return "".join(parts)


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in _COLUMN.split(row.strip().removeprefix("|").removesuffix("|"))]


def _table(rows: list[list[str]]) -> Iterator[str]:
    """Return the lines of a table in columns of equal width: the head, a rule, and the rows.

    Args:
        rows: The cells of each line. The second line has the alignments.
    """
    from prompt_toolkit.utils import get_cwidth  # slow to import, and a part of IPython

    head, rule, *body = rows
    styled = [[_styled(cell) for cell in row[: len(rule)]] + [""] * (len(rule) - len(row)) for row in (head, *body)]
    sizes = [[get_cwidth(_STYLE.sub("", cell)) for cell in row] for row in styled]
    widths = [max(column) for column in zip(*sizes, strict=True)]

    def line(row: int) -> str:
        gaps = [" " * (width - size) for width, size in zip(widths, sizes[row], strict=True)]
        right = [mark.endswith(":") and not mark.startswith(":") for mark in rule]
        cells = zip(styled[row], gaps, right, strict=True)
        return "  ".join(gap + cell if at_right else cell + gap for cell, gap, at_right in cells).rstrip()

    yield f"{_BOLD}{line(0)}{_RESET}"
    yield "  ".join("─" * width for width in widths)
    yield from (line(row) for row in range(1, len(styled)))


def _code(lines: list[str], language: str) -> list[str]:
    """Return the lines of a code block, coloured if Pygments knows the language."""
    from pygments import highlight  # slow to import
    from pygments.formatters import TerminalFormatter
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        lexer = get_lexer_by_name(language or "text", stripnl=False)
    except ClassNotFound:
        return lines
    return str(highlight("\n".join(lines), lexer, TerminalFormatter())).rstrip("\n").split("\n")
