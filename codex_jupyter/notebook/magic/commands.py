"""The commands of `%codex`: lines that are not prompts.

A line is a command if all of it has the form of one. A short line that only starts like a command is refused: it is more often a typo than
a prompt. Anything else is a prompt.
"""

import dataclasses
import difflib
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from IPython.core.error import UsageError

from codex_jupyter.notebook.display.table import Table
from codex_jupyter.notebook.magic.help import usage_of
from codex_jupyter.notebook.magic.rules import revoke_rule, rules
from codex_jupyter.notebook.persistence.exporting import EXPORT_FORMATS, export_turns
from codex_jupyter.notebook.render.rights import sandbox
from codex_jupyter.notebook.session.conversation import MAIN
from codex_jupyter.notebook.session.session import show_past

if TYPE_CHECKING:
    from codex_jupyter.notebook.magic.magics import CodexMagics
    from codex_jupyter.notebook.session.conversation import Conversation
    from codex_jupyter.notebook.session.session import NotebookSession

FIX_PROMPT: Final = (
    "The last cell that failed is in the notebook data, with its error. Find out why it failed. Answer with a short explanation, "
    "and then the whole repaired cell as one Python code block that can run in its place. Change no files."
)

MAX_COMMAND_WORDS: Final = 3
"""Words of a line that can be a mistyped command. A longer line is a prompt."""

Command = Callable[..., Any]


def find_command(line: str) -> Callable[["CodexMagics"], Any] | None:
    """Return the command that a line stands for; None if it is a prompt.

    Raises:
        UsageError: If the line is short and its first word is a command, or close to one, but the line does not have the form of a command.
    """
    line = " ".join(line.split())
    for pattern, command in COMMANDS.items():
        if (match := re.fullmatch(pattern, line)) is not None:
            return _given(command, [group for group in match.groups() if group is not None])
    if (meant := _nearest(line)) is not None:
        raise UsageError(f"Did you mean {usage_of(meant)}? Nothing was sent; `%codex -- {line}` sends this line as a prompt.")
    return None


def _nearest(line: str) -> str | None:
    """The command that a line starts like; None if it is too long, or does not."""
    words = line.split(" ")
    first = words[0].rstrip("?!.,;:").lower()
    names = list(dict.fromkeys(match[0] for pattern in COMMANDS if (match := re.match(r"[a-z]+", pattern))))
    if len(words) > MAX_COMMAND_WORDS or not first:
        return None
    # With fewer letters, everyday words are close to commands: "for" to "fork", "now" to "new".
    near = [name for name in names if name[0] == first[0] and min(len(name), len(first)) > 3]
    swapped = [name for name in near if sorted(name) == sorted(first)]
    return first if first in names else next(iter([*swapped, *difflib.get_close_matches(first, near, n=1, cutoff=0.8)]), None)


def _given(command: Command, arguments: list[str]) -> Callable[["CodexMagics"], Any]:
    return lambda magics: command(magics, *arguments)


def status(magics: "CodexMagics") -> None:
    """What is in use, and what runs."""
    session = magics.session
    main = session.threads.conversations.get(_own(magics))
    lines = [
        f"codex CLI   {session.client.cli.version} ({session.client.cli.path})",
        f"answers     {'a script (demo mode), not a model' if session.client.demo else 'the model of your Codex account'}",
        f"thread      {(main and main.thread.id) or 'none yet: the next prompt begins one'}",
        f"model       {magics.model or 'as Codex is configured'}",
        f"sandbox     {_sandbox(magics, main)}",
        f"folder      {Path(magics.cd or '.').expanduser().absolute()}",
    ]
    lines.append(f"transport   {_transport(session)}")
    for one in session.threads.running:
        tokens = session.threads.tokens(one)
        used = f", {tokens:,} tokens so far" if tokens else ""
        lines += [f"running     {one.name}: for {one.running.elapsed:.0f} s{used}"] if one.running is not None else []
    lines += [f"! {session.threads.warning}"] if session.threads.warning else []
    print("\n".join(lines))


def _sandbox(magics: "CodexMagics", main: "Conversation | None") -> str:
    """The sandbox of the next prompts, and that of the last turn as the CLI has reported it."""
    last = main.turns[-1].turn.rights if main is not None and main.turns else None
    reported = sandbox(last, None) if last is not None else None
    return (magics.sandbox or "as Codex is configured") + (f"; last turn: {reported.words}" if reported is not None else "")


def _transport(session: "NotebookSession") -> str:
    """What runs the turns, and why."""
    return session.call(session.client.codex.transport.describe)


def steer(magics: "CodexMagics", text: str) -> None:
    """Add to what the turn in the background was asked."""
    magics.session.steer(text)


def release(magics: "CodexMagics") -> None:
    """Let go of the threads, so that other programs can go on with them."""
    magics.session.client.release()
    print("The threads of this notebook are free for other programs, such as `codex resume`; the next prompt takes them up again.")


def threads(magics: "CodexMagics") -> Table:
    """The threads of this notebook, of this kernel and of earlier ones."""
    session = magics.session
    in_use = {one.thread.id for one in session.threads.conversations.values()}
    rows = (
        {
            "name": record.name,
            "id": record.id,
            "turns": record.turns,
            "tokens": record.tokens,
            "last prompt": " ".join(record.last_prompt.split())[:60],
            "in use": record.id in in_use,
        }
        for record in session.threads.records
    )
    return Table(rows, ("name", "id", "turns", "tokens", "last prompt", "in use"), empty="This notebook has no thread yet.")


def new(magics: "CodexMagics", name: str | None = None) -> None:
    """Begin the thread anew with the next prompt."""
    name = name or _own(magics)
    magics.session.threads.new_thread(name)
    print(f"The next prompt{_of(name)} begins a new thread.")


def resume(magics: "CodexMagics", which: str = "") -> None:
    """Go on with an earlier thread, and show its turns, as the saved notebook has them or as Codex has kept them."""
    session = magics.session
    found = session.threads.find(which)
    conversation = session.threads.adopt(found[1].name if found[1] else _own(magics), *found)
    for past in conversation.history:
        show_past(past)
    print(f"The next prompt{_of(conversation.name)} goes on with thread {conversation.thread.id}.")


def fork(magics: "CodexMagics", name: str = "fork") -> None:
    """Begin a thread with the history of the notebook's own."""
    if name == _own(magics):
        raise UsageError(f"The copy needs a name of its own: {name} is the thread that is copied.")
    forked = magics.session.threads.fork(_own(magics), name)
    print(f"`-t {name}` goes on from here in thread {forked.thread.id}; the notebook's own thread stays as it is.")


def show(magics: "CodexMagics") -> None:
    """Show the last turn again, live if it still runs."""
    last = magics.session.threads.last
    if last is None or not (last.turns or last in magics.session.threads.running):
        raise UsageError("There is no turn yet.")
    magics.session.show(last)


def stop(magics: "CodexMagics") -> None:
    """Stop what runs in the background."""
    stopped = magics.session.threads.stop()
    print(f"Stopped {stopped} turn{'s' if stopped != 1 else ''}." if stopped else "No turn runs.")


def wait(magics: "CodexMagics") -> None:
    """Wait for what runs in the background, and see that it is shown; an interrupt ends the waiting, not the turns."""
    conversations = magics.session.threads.conversations.values()
    if not any(one.repeat is not None or one in magics.session.threads.running for one in conversations):
        print("No turn runs.")
    for conversation in conversations:
        conversation.wait()


def insert(magics: "CodexMagics", number: str = "0") -> None:
    """Put a code block of the last answer into a new cell below."""
    blocks = _answered_code(magics)
    if not 0 <= int(number) <= len(blocks) or not blocks:
        raise UsageError(f"The last answer has {len(blocks)} code block{'s' if len(blocks) != 1 else ''}.")
    magics.shell.set_next_input(blocks[int(number) - 1].rstrip("\n"), replace=False)


def code_blocks(markdown: str) -> list[str]:
    """The code blocks of a message, in order."""
    from markdown_it import MarkdownIt

    return [token.content for token in MarkdownIt().parse(markdown) if token.type in ("fence", "code_block")]


def _answered_code(magics: "CodexMagics") -> list[str]:
    """The code blocks of the last answer; none without one."""
    last = magics.session.threads.last
    return code_blocks(last.history[-1].turn.final_response) if last and last.history else []


def usage(magics: "CodexMagics") -> Table:
    """The tokens of each turn of this kernel."""
    numbers: Counter[str | None] = Counter()
    rows = []
    for past in magics.session.threads.turns:
        numbers[past.turn.thread_id] += 1
        used = past.turn.usage
        rows.append(
            {
                "thread": past.info.thread_name or MAIN,
                "turn": numbers[past.turn.thread_id],
                "status": past.turn.status,
                "seconds": round(past.info.elapsed or 0.0, 1),
                "tokens in": used and used.input_tokens,
                "cached": used and used.cached_input_tokens,
                "tokens out": used and used.output_tokens,
                "prompt": " ".join(past.prompt.split())[:60],
            }
        )
    names = ("thread", "turn", "status", "seconds", "tokens in", "cached", "tokens out", "prompt")
    return Table(rows, names, empty="No turn has ended yet.")


def export(magics: "CodexMagics", form: str = "", file: str | None = None) -> None:
    """Write the thread that was used last; before the first prompt of a kernel, the earlier one."""
    if form not in EXPORT_FORMATS:
        raise UsageError(f"`%codex export` takes a format, {' or '.join(EXPORT_FORMATS)}, and a file if you like; not {form!r}.")
    session = magics.session
    turns = session.threads.last.history if session.threads.last is not None else []
    if session.threads.last is None and (earlier := session.threads.earlier()) is not None:
        turns = session.threads.past(earlier.name, earlier.id)
    if not turns:
        raise UsageError("There is no turn to export yet.")
    path = export_turns(turns, form, None if file is None else Path(file).expanduser())
    print(f"Wrote {len(turns)} turn{'s' if len(turns) != 1 else ''} to {path}.")


def demo(magics: "CodexMagics") -> None:
    """Have the built-in script answer."""
    from codex_jupyter.demo import showcase
    from codex_jupyter.sdk.executable.sandbox_check import sandbox_problem
    from codex_jupyter.testing import ScriptedModel

    session, model = magics.session, ScriptedModel(showcase())
    session.use(model)
    print("Demo mode: a script answers, not a model. The codex CLI and what it does are real.\n`%codex demo off` ends it.")
    if (problem := sandbox_problem(session.client.cli, model.env())) is not None:
        session.use(model, sandboxed=False)
        print(f"This machine has no sandbox ({problem}): the demo's own commands, and they alone, run without one.")


def demo_off(magics: "CodexMagics") -> None:
    """Go back to the user's own Codex."""
    magics.session.use(None)
    print("Demo mode is off: the next prompt goes to your own Codex.")


def use(magics: "CodexMagics", name: str = "") -> None:
    """Have a client or a scripted model of the notebook answer."""
    from codex_jupyter.sdk import Codex
    from codex_jupyter.testing import ScriptedModel

    client = magics.shell.user_ns.get(name)
    if not isinstance(client, Codex | ScriptedModel):
        what = f"is a {type(client).__name__}" if name in magics.shell.user_ns else "is not defined"
        said = f"; {name} {what}." if name else "."
        raise UsageError(f"`%codex use` takes the name of a Codex client or a ScriptedModel{said}")
    magics.session.use(client)


def open_chat(magics: "CodexMagics", name: str = MAIN) -> object:
    """Open a chat on a thread."""
    if magics.open_chat is None:
        raise UsageError("This environment has no chat: load the extension with `%load_ext codex_jupyter`.")
    return magics.open_chat(name)


def doctor(magics: "CodexMagics") -> None:
    """Say what is installed and found."""
    from codex_jupyter.notebook.magic.report import report

    print(report(magics))


def login(magics: "CodexMagics", way: str = "") -> None:
    """Log in to the provider of the model."""
    from codex_jupyter.notebook.magic import login

    print(login.login(magics, way))


def logout(magics: "CodexMagics") -> None:
    """Log out."""
    from codex_jupyter.notebook.magic import login

    print(login.logout(magics))


def show_help(magics: "CodexMagics") -> None:
    """Say what there is."""
    print(magics.codex.__doc__)


def enable(magics: "CodexMagics", off: str = "") -> None:
    """Load the extension in every kernel of the profile, or no longer."""
    from codex_jupyter.notebook.magic import startup

    print(startup.disable(magics.shell) if off else startup.enable(magics.shell))


def disable(magics: "CodexMagics") -> None:
    """Undo `%codex enable`."""
    enable(magics, "off")


def show_context(magics: "CodexMagics", spec: str | None = None) -> None:
    """Print exactly what would go along with the next prompt, with the sizes of its parts."""
    known = magics.session.threads.conversations.get(_own(magics))
    context = magics.collector.collect(spec or magics.context, known.key if known else None)
    sizes = ", ".join(f"{name} {size:,} characters" for name, size in context.sizes.items())
    print(f"{sizes}\n\n{context.text}" if context.text else "Nothing would go along with the next prompt.")


def fix(magics: "CodexMagics") -> None:
    """Have the cell that failed last repaired, and put the repaired code into a new cell below. It is not run."""
    if "error" not in magics.collector.collect("error", None).sizes:
        raise UsageError("No cell has failed, so there is nothing to fix.")
    request = magics.session.request(FIX_PROMPT, context=["error+vars"])
    magics.session.run(dataclasses.replace(request, shown_as="%codex fix"))
    blocks = _answered_code(magics)
    if blocks:
        magics.shell.set_next_input(blocks[-1].rstrip("\n"), replace=False)


COMMANDS: Final[dict[str, Command]] = {
    "status": status,
    "threads": threads,
    r"new(?: ([A-Za-z_]\w*))?": new,
    r"resume(?: ([\w-]+))?": resume,
    r"fork(?: ([A-Za-z_]\w*))?": fork,
    "show": show,
    "stop": stop,
    r"steer (.+)": steer,
    "release": release,
    "wait": wait,
    r"insert(?: (\d+))?": insert,
    "usage": usage,
    r"context(?: (\S+))?": show_context,
    "fix": fix,
    r"export (md|html|ipynb|jsonl) (.+)": export,
    r"export(?: (\S+))?": export,
    "demo": demo,
    "demo off": demo_off,
    r"use(?: ([A-Za-z_]\w*))?": use,
    r"chat(?: ([A-Za-z_]\w*))?": open_chat,
    "enable(?: (off))?": enable,
    "disable": disable,
    "rules": rules,
    r"rules revoke(?: (\S+))?": revoke_rule,
    r"login(?: ([a-z]+))?": login,
    "logout": logout,
    "doctor": doctor,
    "help": show_help,
}
"""The form of each command, as a regular expression for the whole line."""


def _own(magics: "CodexMagics") -> str:
    """The name of the thread that prompts use."""
    return magics.thread or MAIN


def _of(name: str) -> str:
    return "" if name == MAIN else f" of {name}"
