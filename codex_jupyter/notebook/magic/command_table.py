r"""The commands of `%codex`, each once: lines that are not prompts. The lookup, the help and Tab completion are made from this table.

A line is a command if the whole line has the form of one. A short line that only starts like a command is refused, because it is more often
a typing error than a prompt. Any other line is a prompt.
"""

import re
from dataclasses import dataclass
from typing import Final

from IPython.core.error import UsageError

from codex_jupyter.notebook.magic.option import Values

MAX_COMMAND_WORDS: Final = 3
"""Words of a line that can be a mistyped command. A longer line is a prompt."""
_NAME: Final = r"(?: ([A-Za-z_]\w*))?"
_UNDO: Final = r"((?: --keep (?:\"[^\"]+\"|'[^']+'|\S+)| --yes)*)"
_WORD: Final = r"(?: (\S+))?"


@dataclass(frozen=True, kw_only=True, eq=False)
class Command:
    """A command of `%codex`.

    Attributes:
        usage: The command and its arguments, as the help shows it. Empty for another form of the command before it.
        help: One line about it.
        function: Name of its function in `commands`. It takes the session, and the groups of the pattern that matched.
        pattern: Regular expression of the whole line. Empty stands for the words of `usage`.
        values: Values that Tab offers for its argument.
        uses_names: The function takes the names of the calling code after the session, because its argument is one.
    """

    usage: str = ""
    help: str = ""
    function: str
    pattern: str = ""
    values: Values | None = None
    uses_names: bool = False

    @property
    def words(self) -> str:
        """The command without its arguments, such as `demo off`."""
        return " ".join(re.findall(r"\b[a-z]+\b", self.usage.split("[")[0]))

    @property
    def regex(self) -> str:
        """Regular expression of the whole line."""
        return self.pattern or self.words


COMMANDS: Final = (
    Command(usage="status", function="status", help="what is in use, and what runs"),
    Command(usage="threads", function="threads", help="the threads of this notebook"),
    Command(usage="new [NAME]", function="new", pattern=f"new{_NAME}", values="thread", help="start a new thread with the next prompt"),
    Command(
        usage="resume [WHICH]",
        function="resume",
        pattern=r"resume(?: ([\w-]+))?",
        values="thread",
        help="continue an earlier thread: an id, a name, or last",
    ),
    Command(
        usage="fork [NAME]",
        function="fork",
        pattern=f"fork{_NAME}",
        help="start a thread, for -t NAME, with the history of the notebook's own",
    ),
    Command(usage="show", function="show", help="show the last turn again, for example after the page was reloaded"),
    Command(usage="stop", function="stop", help="stop the turns in the background"),
    Command(usage="wait", function="wait", help="wait for the turns in the background"),
    Command(
        usage="insert [N]",
        function="insert",
        pattern=r"insert(?: (\d+))?",
        help="put the last Python block (or the N-th block) of the answer, or code that ran in the kernel, into a new cell",
    ),
    Command(
        usage="undo [N] [--keep PATH] [--yes]",
        function="undo",
        pattern=rf"undo(?: (\d+))?{_UNDO}",
        help="take back the last turn or the last N turns: files, cells and the thread, after a preview; --keep leaves a file out",
    ),
    Command(usage="redo [--keep PATH] [--yes]", function="redo", pattern=f"redo{_UNDO}", help="bring back what the last undo took back"),
    Command(usage="retry", function="retry", help="run the last prompt again, with its options and images"),
    Command(usage="fix", function="fix", help="repair the cell that failed; the code appears in a new cell"),
    Command(
        usage="context [WHAT]",
        function="show_context",
        pattern=f"context{_WORD}",
        uses_names=True,
        help="what the kernel would report with the next prompt",
    ),
    Command(usage="steer TEXT", function="steer", pattern="steer (.+)", help="add to the prompt of the turn in the background"),
    Command(usage="release", function="release", help="let other programs, such as codex resume, use the threads"),
    Command(
        usage="chat [NAME]",
        function="open_chat",
        pattern=f"chat{_NAME}",
        values="thread",
        help="open a chat in this cell, on the notebook's thread or another",
    ),
    Command(usage="sent", function="sent", help="what left this kernel: context, images, results of tools, with sizes"),
    Command(usage="usage", function="usage", help="the tokens of each turn"),
    Command(
        usage="export FORMAT [FILE]",
        function="export",
        pattern=f"export{_WORD}",
        values="export format",
        help="write the thread as md, html, ipynb or jsonl",
    ),
    Command(function="export", pattern=r"export (md|html|ipynb|jsonl) (.+)"),
    Command(
        usage="demo [NAME]",
        function="demo",
        pattern=r"demo(?: (?!off$)(\S+))?",
        values="demo",
        help="let a script answer instead of a model: no account, no network; each notebook of this project has its script",
    ),
    Command(usage="demo off", function="demo_off", help="let your own Codex answer again"),
    Command(
        usage="use NAME",
        function="use",
        pattern=f"use{_NAME}",
        values="variable",
        uses_names=True,
        help="let the variable NAME answer, a Codex client or a ScriptedModel",
    ),
    Command(usage="enable", function="enable", help="load this extension in every new kernel"),
    Command(usage="disable", function="disable", help="undo `%codex enable`"),
    Command(function="disable", pattern="enable off"),
    Command(usage="rules", function="list_rules", help="what you have approved permanently"),
    Command(
        usage="rules revoke N",
        function="revoke_rule",
        pattern=f"rules revoke{_WORD}",
        help="revoke the N-th of these approvals",
    ),
    Command(
        usage="login [HOW]",
        function="log_in",
        pattern="login(?: ([a-z]+))?",
        values="login way",
        help="log in: browser, device (a code for a browser elsewhere) or key",
    ),
    Command(usage="logout", function="log_out", help="log out"),
    Command(usage="doctor", function="doctor", help="what is installed and found, and how to fix problems"),
    Command(usage="help", function="show_help", help="this text"),
)


def find_command(line: str) -> tuple[Command, list[str]] | None:
    """Return the command that a line stands for, with its arguments. None if the line is a prompt.

    Raises:
        UsageError: If the line is short and its first word is a command, or close to one, but the line does not have the form of a command.
    """
    line = " ".join(line.split())
    for command in COMMANDS:
        if (match := re.fullmatch(command.regex, line)) is not None:
            return command, [group for group in match.groups() if group is not None]
    if (meant := _nearest(line)) is not None:
        usages = " or ".join(f"`%codex {command.usage}`" for command in COMMANDS if command.usage.split(" ")[0] == meant)
        raise UsageError(f"Did you mean {usages}? Nothing was sent; `%codex -- {line}` sends this line as a prompt.")
    return None


def _nearest(line: str) -> str | None:
    """Return the first word of the command that a short line resembles."""
    from difflib import get_close_matches  # not needed to load the extension

    words = line.split(" ")
    first = words[0].rstrip("?!.,;:").lower()
    if len(words) > MAX_COMMAND_WORDS or not first:
        return None
    names = list(dict.fromkeys(command.usage.split(" ")[0] for command in COMMANDS if command.usage))
    if first in names:
        return first
    # With fewer letters, everyday words are close to commands: "for" to "fork", "now" to "new".
    near = [name for name in names if name[0] == first[0] and min(len(name), len(first)) > 3]
    swapped = [name for name in near if sorted(name) == sorted(first)]
    return next(iter([*swapped, *get_close_matches(first, near, n=1, cutoff=0.8)]), None)
