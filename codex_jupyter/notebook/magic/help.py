"""What `%codex help` and `%codex?` say."""

import argparse
import re
import textwrap
from collections.abc import Iterator
from typing import Final, TypeVar

from IPython.core.magic_arguments import MagicArgumentParser

_WIDTH: Final = 100
_COLUMN: Final = 27
"""Where the explanations begin."""
_T = TypeVar("_T")

_HELP: Final = """\
%%codex [options]         the cell's text is the prompt; the agent goes on in the notebook's thread
%codex [options] prompt   the same, in one line

Options, before the prompt; `--` ends them:
{options}

Commands, instead of a prompt:
  %codex status            what is in use, and what runs
  %codex threads           the threads of this notebook
  %codex new [NAME]        the next prompt of the thread begins it anew
  %codex resume [WHICH]    go on with an earlier thread: an id, a name, or last
  %codex fork [NAME]       begin a thread, for -t NAME, with the history of the notebook's own
  %codex show              the last turn once more, for example after the page was reloaded
  %codex stop              stop the turns in the background
  %codex wait              wait for the turns in the background
  %codex insert [N]        put the last (or the N-th) code block of the answer into a new cell
  %codex fix               have the cell that failed repaired; the code comes into a new cell
  %codex context [WHAT]    what the kernel would tell along with the next prompt
  %codex steer TEXT        add to what the turn in the background was asked
  %codex release           let other programs, such as codex resume, use the threads
  %codex chat [NAME]       a chat in this cell, on the notebook's thread or another
  %codex usage             the tokens of each turn
  %codex export FORMAT [FILE]   write the thread as md, html, ipynb or jsonl
  %codex demo              a script answers instead of a model: no account, no network
  %codex demo off          your own Codex answers again
  %codex use NAME          the variable NAME, a Codex client or a ScriptedModel, answers from now on
  %codex enable            load this extension in every kernel from now on
  %codex disable           load it only by `%load_ext codex_jupyter`, as before
  %codex rules             what you have allowed for good
  %codex rules revoke N    ask again about the N-th of them
  %codex login [HOW]       log in: browser, device (a code for a browser elsewhere) or key
  %codex logout            log out
  %codex doctor            what is installed and found, and how to mend what is missing
  %codex help              this text

Commands of the agent inherit the environment variables of the kernel, but for CODEX_API_KEY. With
`%config CodexMagics.shell_environment = "core"` they inherit only what a shell needs, such as HOME and PATH.

Examples:
  %codex Why is the last cell slow?
  %%codex -s workspace-write -e high     let it write files, and think hard
  %%codex -i plot --context vars:df      show it the newest plot, and tell it more of df
  %%codex --schema Verdict -o verdict    an answer as a value of your class Verdict
  %codex --bg -t docs Write docstrings   in the background, in a thread of its own

A short line that starts like a command, such as `%codex help me`, is not sent; `%codex -- help me` sends it as a prompt.
{{name}} in a prompt becomes the value of that variable; {{{{name}}}} stays {{name}}. A `;` at the end shows nothing.
Interrupting the kernel stops a turn. Options hold for one cell; settings of the same names hold for the notebook, as in
`%config CodexMagics.sandbox = "workspace-write"`; `%config CodexMagics` lists them."""


def help_text(parser: MagicArgumentParser) -> str:
    """All of the help.

    Args:
        parser: The parser of the options.
    """
    return _HELP.format(options="\n".join(line for action in parser._actions for line in _option(action)))


def usage_of(command: str) -> str:
    """The forms of a command as the help lists them, such as "`%codex demo` or `%codex demo off`".

    Args:
        command: Its first word.
    """
    return " or ".join(f"`{form}`" for form in re.findall(rf"^  (%codex {command}\b.*?) {{2,}}", _HELP, re.MULTILINE))


def documented(magic: _T) -> _T:
    """Give a magic with arguments the help as its docstring, which is what `%magic?` shows."""
    magic.__doc__ = help_text(magic.parser)  # type: ignore[attr-defined]
    return magic


def _option(action: argparse.Action) -> Iterator[str]:
    """The lines about an option."""
    flags = [flag for flag in action.option_strings if not flag.startswith("--no-") or len(action.option_strings) == 1]
    names = ", ".join(flags)
    if isinstance(action, argparse.BooleanOptionalAction):
        names = names.replace("--", "--[no-]")
    elif action.nargs != 0:
        value = action.metavar or action.dest.upper()
        names += f" [{value}]" if action.nargs == "?" else f" {value}"
    says = str(action.help)
    if action.choices:
        says = f"{says.removesuffix('.')}: {', '.join(map(str, action.choices))}."
    first, *rest = textwrap.wrap(says, _WIDTH - _COLUMN, break_on_hyphens=False)
    if len(names) + 4 > _COLUMN:
        yield f"  {names}"
        names, rest = "", [first, *rest]
    else:
        yield f"  {names}".ljust(_COLUMN) + first
    yield from (" " * _COLUMN + line for line in rest)
