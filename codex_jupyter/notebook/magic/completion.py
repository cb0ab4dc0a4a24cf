"""Tab completion on the line of `%codex` and `%%codex`.

The module `matcher` gives the completions to IPython.
"""

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

MAX_PATHS: Final = 500
"""Limit of offered files and folders, which is what IPython shows."""

_MAGIC: Final = re.compile(r"\s*(?:[\w.\[\], ]+=\s*)?(%{1,2})codex(?=\s)")
"""The magic, also in an assignment."""
_WORD: Final = re.compile(r"""(?:"[^"]*(?:"|$)|'[^']*(?:'|$)|[^\s"'])+""")
"""A word. Quotes in the last word can be unclosed."""
_QUOTED: Final = re.compile(r"""(["'])(.*?)(?:\1|$)""")
_NEEDS_QUOTES: Final = re.compile(r"""[\s"']""")


@dataclass(frozen=True)
class OptionHint:
    """The possible values of an option.

    Attributes:
        values: Returns the values at the time of completion. None if they are not known. If it raises, there are no values.
        takes_value: A value follows, as the next word or after `=`.
        is_path: Files and folders are values.
    """

    values: Callable[[], Iterable[str]] | None = None
    takes_value: bool = False
    is_path: bool = False


class _Place(NamedTuple):
    """The position of the cursor on a line."""

    is_cell: bool
    before: list[str]
    """The words before the one at the cursor."""
    word: str
    """The word that ends at the cursor. Empty after a blank."""


def candidates(line: str, *, options: Mapping[str, OptionHint], commands: Sequence[str]) -> list[str]:
    """Return the possible completions at the end of a line.

    Args:
        line: The line up to the cursor, with `%codex` or `%%codex`, also in an assignment.
        options: The values of each option, by its flag (`-m`, `--model`), in the order in which they are offered.
        commands: The commands of `%codex`, such as `status` or `demo off`. They start a line, but never the line of `%%codex`.

    Returns:
        Replacements for `current_word(line)`, each once. A value with blanks is in quotes. Empty inside a prompt, and on other lines.
    """
    place = _place(line)
    if place is None:
        return []
    flag, prompt = _state(place.before, options)
    if prompt is None:
        return []
    flag_of_word, has_value, value = place.word.partition("=")
    if place.word.startswith("-") and not prompt:
        words = _values(options.get(flag_of_word), value) if has_value else (name for name in options if name.startswith(place.word))
    elif flag is not None:
        words = _values(options[flag], place.word)
    else:
        words = iter(()) if place.is_cell else _next_words(commands, prompt, place.word)
    return list(dict.fromkeys(words))


def current_word(line: str) -> str:
    """Return the end of a line that `candidates` replaces: a word, or the value after `--option=`. Empty after a blank."""
    place = _place(line)
    word = place.word if place else ""
    flag, has_value, value = word.partition("=")
    return value if has_value and flag.startswith("-") else word


def _place(line: str) -> _Place | None:
    match = _MAGIC.match(line)
    if match is None:
        return None
    words = [(word[0], word.end()) for word in _WORD.finditer(line, match.end())]
    at_cursor = bool(words) and words[-1][1] == len(line)
    before = [word for word, _ in (words[:-1] if at_cursor else words)]
    return _Place(match[1] == "%%", before, words[-1][0] if at_cursor else "")


def _state(words: list[str], options: Mapping[str, OptionHint]) -> tuple[str | None, list[str] | None]:
    """Return the flag whose value is missing, and the words after the options. These are None if they cannot be a command."""
    flag = None
    for index, word in enumerate(words):
        if flag is not None:
            flag = None
        elif len(word) > 1 and word.startswith("-"):
            name, has_value, _ = word.partition("=")
            # An unknown option, or the `--` before a prompt.
            if name not in options:
                return None, None
            flag = name if options[name].takes_value and not has_value else None
        else:
            return None, words[index:]
    return flag, []


def _next_words(commands: Sequence[str], before: list[str], start: str) -> Iterator[str]:
    for command in commands:
        words = command.split()
        if len(words) > len(before) and words[: len(before)] == before and words[len(before)].startswith(start):
            yield words[len(before)]


def _values(hint: OptionHint | None, word: str) -> Iterator[str]:
    """Yield the values of an option that start with a word. The word can be quoted, also without its end."""
    start = _QUOTED.sub(r"\2", word)
    if hint is not None and hint.values is not None:
        with contextlib.suppress(Exception):
            yield from (_quoted(value) for value in hint.values() if value.startswith(start))
    if hint is not None and hint.is_path:
        yield from (_quoted(path) for path in _paths(start))


def _paths(start: str) -> list[str]:
    """Return files and folders whose path starts with a text. Folders end with a slash. Hidden names need a dot."""
    if start == "~":
        return ["~/"]
    folder, slash, name = start.rpartition("/")
    try:
        with os.scandir(Path(f"{folder}{slash}" or ".").expanduser()) as entries:
            paths = [
                f"{folder}{slash}{entry.name}{'/' if entry.is_dir() else ''}"
                for entry in entries
                if entry.name.startswith(name) and (name or not entry.name.startswith("."))
            ]
    except (OSError, RuntimeError, ValueError):
        return []
    return sorted(paths)[:MAX_PATHS]


def _quoted(value: str) -> str:
    """Return a value as one word. The quotes of a folder are closed too, because `current_word` replaces them when the path continues."""
    if not _NEEDS_QUOTES.search(value):
        return value
    return f"'{value}'" if '"' in value else f'"{value}"'
