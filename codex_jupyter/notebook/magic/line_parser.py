"""Parse the line of a magic: options, then a prompt, which is never altered.

Only the options are read as words. The text after them can contain quotes, braces or dashes.
"""

import argparse
import re
from functools import cache
from typing import Final, NamedTuple

from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicArgumentParser

from codex_jupyter.notebook.magic.option import Option
from codex_jupyter.notebook.magic.option_table import FLAGS, LINE_OPTIONS

_WORD: Final = r"""\s*((?:"(?:\\.|[^"\\])*"|'[^']*'|[^\s"'])+)"""
"""A word with the blanks before it. Quoted parts can contain blanks."""
_REFERENCE: Final = r"last|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
"""Value of an option that needs none, unless it follows `=`. An id is not a word of a prompt."""
_QUOTED: Final = r""""((?:\\.|[^"\\])*)"|'([^']*)'"""

_TOML_SETTING: Final = r"(?:(?:-c|--config)=)?[\w.-]+=[\[{]"
"""A setting with a list or a table, which starts at its bracket."""


class Line(NamedTuple):
    """The line of a magic."""

    options: argparse.Namespace
    rest: str
    """The text after the options, without the blanks around it."""
    is_prompt: bool
    """True if `--` ended the options. The rest is then a prompt even if it looks like a command."""


@cache
def option_parser() -> MagicArgumentParser:
    """Return the parser of the options in the option table."""
    parser = MagicArgumentParser("codex")
    for option in LINE_OPTIONS:
        option.argument().add_to_parser(parser, None)
    return parser


def parse_line(parser: MagicArgumentParser, line: str) -> Line:
    """Split a line into options and the rest.

    Args:
        parser: The parser of the options in the option table.
        line: The text after the magic's name.

    Raises:
        UsageError: If an option is unknown, has no value, or has an invalid value or one with an unclosed quote.
    """
    words: list[str] = []
    position, word = 0, ""
    while match := _word(line, position):
        word = match[1]
        if not _is_option(word):
            break
        position = match.end()
        if word == "--":
            break
        flag, has_value, _ = word.partition("=")
        option = _option(flag)
        if not option.takes_value and has_value:
            raise UsageError(f"{flag} takes no value.")
        if has_value and option.name == "config":
            word, position = _toml_word(line, match)
        words.append(word)
        if option.takes_value and not has_value:
            value = _word(line, position)
            if option.bare_value is not None and (value is None or not re.fullmatch(_REFERENCE, value[1])):
                continue  # what follows is the prompt
            if value is None or (_is_option(value[1]) and value[1] != "-"):
                raise UsageError(f"{flag} needs a value: {option.help}")
            text, position = _toml_word(line, value) if option.name == "config" else (value[1], value.end())
            words.append(text)
        if line[position : position + 1].strip():
            # The message does not contain the value, which may be a secret.
            raise UsageError(f"{flag}: a quote in its value is not closed.")
    options = parser.parse_args([_unquoted(word) for word in words])
    return Line(options, line[position:].strip(), word == "--")


def _word(line: str, position: int) -> re.Match[str] | None:
    """Match the word of a line that starts at a position, or after blanks there."""
    return re.compile(_WORD).match(line, position)


def _toml_word(line: str, match: re.Match[str]) -> tuple[str, int]:
    """Return the value of a `key=value` option and its end. The brackets and quotes of TOML belong to it, also with blanks between them."""
    word, end = match[1], match.end()
    while re.match(_TOML_SETTING, word) and _open_brackets(word) > 0 and (following := _word(line, end)) is not None:
        word, end = line[match.start(1) : following.end()], following.end()
    return word, end


def _open_brackets(text: str) -> int:
    bare = re.sub(_QUOTED, "", text)
    return bare.count("[") + bare.count("{") - bare.count("]") - bare.count("}")


def _unquoted(word: str) -> str:
    """Return a word without the quotes of the line. A setting with a list, a table or a text of TOML keeps those of TOML."""
    if re.match(_TOML_SETTING, word):
        return word
    return re.sub(_QUOTED, lambda quoted: quoted[1] or quoted[2] or "", word)


def _is_option(word: str) -> bool:
    return len(word) > 1 and word[0] == "-" and not word[1].isdigit() and not word[1].isspace()


def _option(flag: str) -> Option:
    if flag in FLAGS:
        return FLAGS[flag]
    from difflib import get_close_matches  # not needed to load the extension

    # Single letters only resemble the same letter in the other case. The dashes would make all others similar.
    words = [name.removeprefix("--") for name in FLAGS if name.startswith("--")]
    near = get_close_matches(flag.lstrip("-"), words, n=1) if len(flag) > 2 else []
    nearest = [*(name for name in FLAGS if name == flag.swapcase()), *(f"--{word}" for word in near)]
    hint = f" Did you mean {nearest[0]}?" if nearest else ""
    raise UsageError(
        f"There is no option {flag}.{hint} `%codex help` lists the options. `--` ends them, before a prompt that starts with a dash."
    )
