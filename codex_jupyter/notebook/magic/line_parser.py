"""Parse the line of a magic: options, then a prompt, which is never altered.

Only the options are read as words. The text after them can contain quotes, braces or dashes.
"""

import argparse
import difflib
import re
from typing import Final, NamedTuple

from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicArgumentParser

from codex_jupyter.notebook.magic.option import Option
from codex_jupyter.notebook.magic.option_table import FLAGS

_WORD: Final = re.compile(r"""\s*((?:"(?:\\.|[^"\\])*"|'[^']*'|[^\s"'])+)""")
"""A word with the blanks before it. Quoted parts can contain blanks."""
_REFERENCE: Final = re.compile(r"last|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""Value of an option that needs none, unless it follows `=`. An id is not a word of a prompt."""
_QUOTED: Final = re.compile(r""""((?:\\.|[^"\\])*)"|'([^']*)'""")

_TOML_SETTING: Final = re.compile(r"(?:(?:-c|--config)=)?[\w.-]+=[\[{]")
"""A setting with a list or a table, which starts at its bracket."""


class Line(NamedTuple):
    """The line of a magic."""

    options: argparse.Namespace
    rest: str
    """The text after the options, without the blanks around it."""
    is_prompt: bool
    """True if `--` ended the options. The rest is then a prompt even if it looks like a command."""


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
    while match := _WORD.match(line, position):
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
            value = _WORD.match(line, position)
            if option.bare_value is not None and (value is None or not _REFERENCE.fullmatch(value[1])):
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


def _toml_word(line: str, match: re.Match[str]) -> tuple[str, int]:
    """Return the value of a `key=value` option and its end. The brackets and quotes of TOML belong to it, also with blanks between them."""
    word, end = match[1], match.end()
    while _TOML_SETTING.match(word) and _open_brackets(word) > 0 and (following := _WORD.match(line, end)) is not None:
        word, end = line[match.start(1) : following.end()], following.end()
    return word, end


def _open_brackets(text: str) -> int:
    bare = _QUOTED.sub("", text)
    return bare.count("[") + bare.count("{") - bare.count("]") - bare.count("}")


def _unquoted(word: str) -> str:
    """Return a word without the quotes of the line. A setting with a list, a table or a text of TOML keeps those of TOML."""
    if _TOML_SETTING.match(word):
        return word
    return _QUOTED.sub(lambda quoted: quoted[1] or quoted[2] or "", word)


def _is_option(word: str) -> bool:
    return len(word) > 1 and word[0] == "-" and not word[1].isdigit() and not word[1].isspace()


def _option(flag: str) -> Option:
    if flag in FLAGS:
        return FLAGS[flag]
    # Single letters only resemble the same letter in the other case.
    nearest = [name for name in FLAGS if name == flag.swapcase()] or difflib.get_close_matches(
        flag, [name for name in FLAGS if name.startswith("--")], n=1, cutoff=0.5 if len(flag) > 2 else 1.0
    )
    hint = f" Did you mean {nearest[0]}?" if nearest else ""
    raise UsageError(
        f"There is no option {flag}.{hint} `%codex help` lists the options. `--` ends them, before a prompt that starts with a dash."
    )
