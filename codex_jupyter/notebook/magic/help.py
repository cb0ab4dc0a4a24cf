"""The text of `%codex help` and `%codex?`, made from the tables of options and commands."""

import re
import textwrap
from collections.abc import Iterator
from typing import Final

from codex_jupyter.notebook.magic.command_table import COMMANDS
from codex_jupyter.notebook.magic.option import Option
from codex_jupyter.notebook.magic.option_table import LINE_OPTIONS

_WIDTH: Final = 90
"""Maximum characters of a line, which fit into a notebook of 900 pixels."""
_COLUMN: Final = 27
"""Column in which the explanations start."""
_GROUPS: Final = {
    "Turns": ("retry", "fix", "show", "insert", "stop", "wait", "steer", "undo", "redo", "export"),
    "Threads": ("threads", "new", "resume", "fork", "release", "chat"),
    "What is sent and used": ("status", "context", "sent", "usage"),
    "Rights": ("rules",),
    "Set-up": ("doctor", "login", "logout", "enable", "disable", "demo", "use", "help"),
}
"""The commands by their first words. Commands without a group come last."""

_HELP: Final = """\
%%codex [options]         send the text of the cell as a prompt, in the notebook's thread
%codex [options] prompt   the same, in one line

Options, before the prompt; `--` ends them:
{options}

Commands, instead of a prompt:
{commands}

Commands of the agent inherit the environment variables of the kernel, but not
CODEX_API_KEY. With `%config CodexMagics.shell_environment = "core"` they inherit
only what a shell needs, such as HOME and PATH.

Examples:
  %codex Why is the last cell slow?
  %%codex -s workspace-write -e high     let it write files, with a high reasoning effort
  %%codex -i plot --context vars:df      attach the newest plot, and report more about df
  %%codex --schema Verdict -o verdict    get the answer as a value of your class Verdict
  %codex --bg -t docs Write docstrings   in the background, in a separate thread

A short line that starts like a command, such as `%codex help me`, is not sent;
`%codex -- help me` sends it as a prompt.
{{name}} in a prompt becomes the value of that variable; {{{{name}}}} stays {{name}}.
A `;` at the end hides the turn. Interrupting the kernel stops a turn.
Options apply to one cell. Settings of the same names apply to the notebook, as in
`%config CodexMagics.sandbox = "workspace-write"`; `%config CodexMagics` lists them."""


def help_text() -> str:
    """Return the whole help."""
    options = (line for option in LINE_OPTIONS for line in _option(option))
    return _HELP.format(options="\n".join(options), commands="\n\n".join(_command_groups()))


def _command_groups() -> Iterator[str]:
    """Yield the commands of each group, below its name."""
    remaining = [command for command in COMMANDS if command.usage]
    for name, words in (*_GROUPS.items(), ("Others", tuple(command.usage.split(" ")[0] for command in COMMANDS if command.usage))):
        commands = [command for command in remaining if command.usage.split(" ")[0] in words]
        remaining = [command for command in remaining if command not in commands]
        if commands:
            yield "\n".join([f"{name}:", *(line for command in commands for line in _entry(f"%codex {command.usage}", command.help))])


def _option(option: Option) -> Iterator[str]:
    """Yield the lines about an option."""
    names = ", ".join(option.flags)
    if not option.takes_value:
        names = names.replace("--", "--[no-]")
    else:
        value = option.metavar or option.name.upper()
        names += f" [{value}]" if option.bare_value is not None else f" {value}"
    text = option.help
    if not all(re.search(rf"\b{choice}\b", text) for choice in option.choices):
        text = f"{text.removesuffix('.')}: {', '.join(option.choices)}."
    yield from _entry(names, text)


def _entry(names: str, text: str) -> Iterator[str]:
    """Yield names, and a text in the column beside them."""
    first, *rest = textwrap.wrap(text, _WIDTH - _COLUMN, break_on_hyphens=False)
    if len(names) + 4 > _COLUMN:
        yield f"  {names}"
        names, rest = "", [first, *rest]
    else:
        yield f"  {names}".ljust(_COLUMN) + first
    yield from (" " * _COLUMN + line for line in rest)
