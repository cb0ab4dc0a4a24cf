"""The line of a magic: options first, then a prompt, which is taken to the letter.

The options are those of an IPython `MagicArgumentParser`. Only they are read as words; whatever follows them is text that may hold quotes,
braces or dashes, and is never altered.
"""

import argparse
import difflib
import re
from typing import Final, NamedTuple

from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicArgumentParser

_WORD: Final = re.compile(r"""\s*((?:"(?:\\.|[^"\\])*"|'[^']*'|[^\s"'])+)""")
"""A word with the blanks before it; quoted parts may hold blanks."""
_REFERENCE: Final = re.compile(r"last|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""The value of an option that needs none, unless it comes after `=`: an id is no word of a prompt."""
_QUOTED: Final = re.compile(r""""((?:\\.|[^"\\])*)"|'([^']*)'""")


class Line(NamedTuple):
    """The line of a magic."""

    options: argparse.Namespace
    rest: str
    """Everything after the options, without the blanks around it."""
    is_prompt: bool
    """Whether `--` ended the options, so that the rest is a prompt even if it looks like a command."""


def parse_line(parser: MagicArgumentParser, line: str) -> Line:
    """Split a line into options and the rest.

    Args:
        parser: The parser of the options; it must have no positional arguments.
        line: Everything after the magic's name.

    Raises:
        UsageError: If an option is unknown, ambiguous, lacks its value, or has a bad one or one with a quote that is not closed.
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
        action = _action(parser, flag)
        if action.nargs == 0 and has_value:
            raise UsageError(f"{flag} takes no value.")
        words.append(word)
        if action.nargs != 0 and not has_value:
            value = _WORD.match(line, position)
            if action.nargs == "?" and (value is None or not _REFERENCE.fullmatch(value[1])):
                continue  # what follows is the prompt
            if value is None or (_is_option(value[1]) and value[1] != "-"):
                raise UsageError(f"{flag} needs a value: {action.help}")
            words.append(value[1])
            position = value.end()
        if line[position : position + 1].strip():
            # Not repeated: the value may be a secret.
            raise UsageError(f"{flag}: a quote in its value is not closed.")
    options = parser.parse_args([_QUOTED.sub(lambda quoted: quoted[1] or quoted[2] or "", word) for word in words])
    return Line(options, line[position:].strip(), word == "--")


def _is_option(word: str) -> bool:
    return len(word) > 1 and word[0] == "-" and not word[1].isdigit() and not word[1].isspace()


def _action(parser: MagicArgumentParser, flag: str) -> argparse.Action:
    actions = parser._option_string_actions  # there is no public way to ask which options take a value
    if flag in actions:
        return actions[flag]
    # Letters are near to each other only as large and small ones.
    nearest = [name for name in actions if name == flag.swapcase()] or difflib.get_close_matches(
        flag, [name for name in actions if name.startswith("--")], n=1, cutoff=0.5 if len(flag) > 2 else 1.0
    )
    hint = f" Did you mean {nearest[0]}?" if nearest else ""
    raise UsageError(
        f"There is no option {flag}.{hint} `%codex help` lists them; `--` before a prompt that begins with a dash ends the options."
    )
