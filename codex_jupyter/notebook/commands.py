"""The commands of `%codex`: lines that are no prompts. A line is one only if all of it has the form of one; anything else is a prompt."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from IPython.core.error import UsageError

from codex_jupyter.notebook.context import Context
from codex_jupyter.notebook.conversation import MAIN, Conversation
from codex_jupyter.notebook.export import ExportFormat, export_turns
from codex_jupyter.notebook.session import show_past
from codex_jupyter.notebook.table import Table
from codex_jupyter.sdk.transports.auto import AutoTransport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codex_jupyter.notebook.chat import CodexChat
    from codex_jupyter.notebook.images.fit import Attachment
    from codex_jupyter.notebook.magics import CodexMagics
    from codex_jupyter.notebook.session import NotebookSession
    from codex_jupyter.sdk import ThreadOptions, TurnOptions

HELP: Final = """\
%%codex [options]         the cell's text is the prompt; the agent goes on in the notebook's thread
%codex [options] prompt   the same, in one line

Commands, instead of a prompt:
  %codex status           what is in use, and what runs
  %codex threads          the threads of this notebook
  %codex new [NAME]       the next prompt of the thread begins it anew
  %codex resume [WHICH]   go on with an earlier thread: an id, a name, or last
  %codex fork [NAME]      begin a thread, for -t NAME, with the history of the notebook's own
  %codex show             the last turn once more, for example after the page was reloaded
  %codex stop             stop the turns in the background
  %codex wait             wait for the turns in the background
  %codex insert [N]       put the last (or the N-th) code block of the answer into a new cell
  %codex fix              have the cell that failed repaired; the code comes into a new cell
  %codex context [WHAT]   what the kernel would tell along with the next prompt
  %codex steer TEXT       add to what the turn in the background was asked
  %codex release          let other programs, such as codex resume, use the threads
  %codex chat [NAME]      a chat in this cell, on the notebook's thread or another
  %codex usage            the tokens of each turn
  %codex export FORMAT [FILE]   write the thread as md, html, ipynb or jsonl
  %codex demo             a script answers instead of a model: no account, no network
  %codex demo off         your own Codex answers again
  %codex use NAME         the variable NAME, a Codex client or a ScriptedModel, answers from now on
  %codex doctor           what is installed and found, and how to mend what is missing
  %codex help             this text

Examples:
  %%codex -s workspace-write -e high     let it write files, and think hard
  %%codex --schema Verdict -o verdict    an answer as a value of your class Verdict
  %codex --bg -t docs Write docstrings   in the background, in a thread of its own

{name} in a prompt becomes the value of that variable; {{name}} stays {name}. Interrupting the kernel stops a turn.
Options hold for one cell; `%config CodexMagics.sandbox = "workspace-write"` holds for the notebook.
"""

FIX_PROMPT: Final = (
    "The last cell that failed is in the notebook data, with its error. Find out why it failed. Answer with a short explanation, "
    "and then the whole repaired cell as one Python code block that can run in its place. Change no files."
)

Command = Callable[..., Any]


def find_command(line: str) -> Callable[["CodexMagics"], Any] | None:
    """What a line asks for, if it is no prompt."""
    for pattern, command in COMMANDS.items():
        if (match := re.fullmatch(pattern, " ".join(line.split()))) is not None:
            return _given(command, [group for group in match.groups() if group is not None])
    return None


def _given(command: Command, arguments: list[str]) -> Callable[["CodexMagics"], Any]:
    return lambda magics: command(magics, *arguments)


def status(magics: "CodexMagics") -> None:
    """What is in use, and what runs."""
    session = magics.session
    main = session.conversations.get(MAIN)
    lines = [
        f"codex CLI   {session.cli.version} ({session.cli.path})",
        f"answers     {'a script (demo mode), not a model' if session.demo else 'the model of your Codex account'}",
        f"thread      {(main and main.thread.id) or 'none yet: the next prompt begins one'}",
        f"model       {magics.model or 'as Codex is configured'}",
        f"sandbox     {magics.sandbox or 'as Codex is configured (read-only unless you changed it)'}",
        f"folder      {Path(magics.cd or '.').expanduser().absolute()}",
    ]
    lines.append(f"transport   {_transport(session)}")
    for one in session.running:
        tokens = session.tokens(one)
        used = f", {tokens:,} tokens so far" if tokens else ""
        lines += [f"running     {one.name}: for {one.running.elapsed:.0f} s{used}"] if one.running is not None else []
    lines += [f"! {session.warning}"] if session.warning else []
    print("\n".join(lines))


def _transport(session: "NotebookSession") -> str:
    """What runs the turns, and why."""
    transport = session.codex.transport
    if isinstance(transport, AutoTransport):
        return f"{transport.name}: {transport.reason}"
    return session.transport


def steer(magics: "CodexMagics", text: str) -> None:
    """Add to what the turn in the background was asked."""
    magics.session.steer(text)


def release(magics: "CodexMagics") -> None:
    """Let go of the threads, so that other programs can go on with them."""
    magics.session.release()
    print("The threads of this notebook are free for other programs, such as `codex resume`; the next prompt takes them up again.")


def threads(magics: "CodexMagics") -> Table:
    """The threads of this notebook, of this kernel and of earlier ones."""
    session = magics.session
    records = {one.name: one for one in session.remembered.threads}
    records |= {one.name: one.record for one in session.conversations.values() if one.record is not None}
    rows = (
        {
            "name": record.name,
            "id": record.id,
            "turns": record.turns,
            "tokens": record.tokens,
            "last prompt": " ".join(record.last_prompt.split())[:60],
            "in use": record.name in session.conversations,
        }
        for record in records.values()
    )
    return Table(rows, empty="This notebook has no thread yet.")


def new(magics: "CodexMagics", name: str = MAIN) -> None:
    """Begin the thread anew with the next prompt."""
    magics.session.new_thread(name)


def resume(magics: "CodexMagics", which: str = "last", *, name: str | None = None, show: bool = True) -> None:
    """Go on with an earlier thread, and show its turns, as the saved notebook has them or as Codex has kept them."""
    session = magics.session
    remembered = session.remembered
    record = next((one for one in remembered.threads if which in (one.name, one.id)), None)
    if which == "last" and record is None:
        record = next((one for one in remembered.threads if one.name == remembered.current), None)
        if record is None:
            raise UsageError("There is no earlier thread of this notebook. `%codex resume ID` takes any thread's id.")
    if record is None and not re.fullmatch(r"[0-9a-fA-F-]{32,36}", which):
        known = ", ".join(one.name for one in remembered.threads) or "none"
        raise UsageError(f"There is no thread {which} (known: {known}). `%codex resume ID` takes any thread's id.")
    conversation = session.adopt(name or (record.name if record else MAIN), record.id if record else which, record)
    if show:
        for past in conversation.past:
            show_past(past)
        print(f"The next prompt{_of(conversation)} goes on with thread {conversation.thread.id}.")


def fork(magics: "CodexMagics", name: str = "fork") -> None:
    """Begin a thread with the history of the notebook's own."""
    forked = magics.session.fork(MAIN, name)
    print(f"`-t {name}` goes on from here in thread {forked.thread.id}; the notebook's own thread stays as it is.")


def show(magics: "CodexMagics") -> None:
    """Show the last turn again, live if it still runs."""
    last = magics.session.last
    if last is None or not (last.turns or last in magics.session.running):
        raise UsageError("There is no turn yet.")
    magics.session.show(last)


def stop(magics: "CodexMagics") -> None:
    """Stop what runs in the background."""
    stopped = magics.session.stop()
    print(f"Stopped {stopped} turn{'s' if stopped != 1 else ''}." if stopped else "No turn runs.")


def wait(magics: "CodexMagics") -> None:
    """Wait for what runs in the background; an interrupt ends the waiting, not the turns."""
    for conversation in magics.session.conversations.values():
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
    last = magics.session.last
    return code_blocks(last.history[-1].turn.final_response) if last and last.history else []


def usage(magics: "CodexMagics") -> Table:
    """The tokens of each turn of this kernel."""
    rows = (
        {
            "thread": conversation.name,
            "turn": number,
            "status": past.turn.status,
            "seconds": round(past.info.elapsed or 0.0, 1),
            "tokens in": past.turn.usage.input_tokens if past.turn.usage else None,
            "cached": past.turn.usage.cached_input_tokens if past.turn.usage else None,
            "tokens out": past.turn.usage.output_tokens if past.turn.usage else None,
            "prompt": " ".join(past.prompt.split())[:60],
        }
        for conversation in magics.session.conversations.values()
        for number, past in enumerate(conversation.turns, 1)
    )
    return Table(rows, empty="No turn has ended yet.")


def export(magics: "CodexMagics", form: ExportFormat, file: str | None = None) -> None:
    """Write the thread that was used last."""
    last = magics.session.last
    turns = last.history if last is not None else []
    if not turns:
        raise UsageError("There is no turn to export yet.")
    path = export_turns(turns, form, None if file is None else Path(file).expanduser())
    print(f"Wrote {len(turns)} turn{'s' if len(turns) != 1 else ''} to {path}.")


def demo(magics: "CodexMagics") -> None:
    """Have the built-in script answer."""
    from codex_jupyter.demo import ScriptedModel, showcase
    from codex_jupyter.sdk.cli.sandbox import sandbox_problem

    session, model = magics.session, ScriptedModel(showcase())
    session.use(model)
    print("Demo mode: a script answers, not a model. The codex CLI and what it does are real.\n`%codex demo off` ends it.")
    if (problem := sandbox_problem(session.cli, model.env())) is not None:
        session.use(model, sandboxed=False)
        print(f"This machine has no sandbox ({problem}): the demo's own commands, and they alone, run without one.")


def demo_off(magics: "CodexMagics") -> None:
    """Go back to the user's own Codex."""
    magics.session.use(None)
    print("Demo mode is off: the next prompt goes to your own Codex.")


def use(magics: "CodexMagics", name: str) -> None:
    """Have a client or a scripted model of the notebook answer."""
    from codex_jupyter.demo import ScriptedModel
    from codex_jupyter.sdk import Codex

    client = magics.shell.user_ns.get(name)
    if not isinstance(client, Codex | ScriptedModel):
        what = f"is a {type(client).__name__}" if name in magics.shell.user_ns else "is not defined"
        raise UsageError(f"`%codex use` takes the name of a Codex client or a ScriptedModel; {name} {what}.")
    magics.session.use(client)


def open_chat(magics: "CodexMagics", name: str = MAIN) -> "CodexChat":
    """Open a chat on a thread."""
    from codex_jupyter.notebook.chat import chat

    return chat(name)


def doctor(magics: "CodexMagics") -> None:
    """Say what is installed and found."""
    from codex_jupyter.notebook.doctor import report

    print(report(magics))


def show_help(magics: "CodexMagics") -> None:
    """Say what there is."""
    print(f"{HELP}\n{magics.codex.parser.format_help()}")


def show_context(magics: "CodexMagics", spec: str | None = None) -> None:
    """Print exactly what would go along with the next prompt, with the sizes of its parts."""
    known = magics.session.conversations.get(MAIN)
    context = magics.collector.collect(spec or magics.context, known.key if known else None)
    sizes = ", ".join(f"{name} {size:,} characters" for name, size in context.sizes.items())
    print(f"{sizes}\n\n{context.text}" if context.text else "Nothing would go along with the next prompt.")


def fix(magics: "CodexMagics") -> None:
    """Have the cell that failed last repaired, and put the repaired code into a new cell below. It is not run."""
    if "error" not in magics.collector.collect("error", None).sizes:
        raise UsageError("No cell has failed, so there is nothing to fix.")
    options = magics.codex.parser.parse_args(["--context", "error+vars"])
    magics.ask(FIX_PROMPT, options)
    blocks = _answered_code(magics)
    if blocks:
        magics.shell.set_next_input(blocks[-1].rstrip("\n"), replace=False)


def dry_run(
    magics: "CodexMagics",
    prompt: str,
    context: Context,
    options: "ThreadOptions",
    turn_options: "TurnOptions",
    name: str,
    attached: "Sequence[Attachment]" = (),
) -> None:
    """Show the exact request, and send nothing."""
    from codex_jupyter.sdk.schema import OutputSchema
    from codex_jupyter.sdk.transports.base import TurnRequest
    from codex_jupyter.sdk.transports.exec import child_environment, exec_arguments
    from codex_jupyter.sdk.transports.secrets import secrets

    session = magics.session
    known, client = session.conversations.get(name), session.codex.options
    schema = None if turn_options.output_schema is None else OutputSchema.of(turn_options.output_schema).json_schema
    request = TurnRequest(input=(), thread_id=known.thread.id if known else None, options=options, output_schema=schema)
    env = child_environment(client, session.cli)
    arguments = shlex.join(exec_arguments(request, client, env=env))
    for secret in secrets(client, env):
        arguments = arguments.replace(secret, "***")
    lines = ["Nothing was sent. This would be run:", f"codex {arguments}"]
    if schema is not None:
        lines += ["with the schema:", json.dumps(schema, indent=2)]
    lines += ["with the pictures:", *(one.thumbnail.caption for one in attached)] if attached else []
    print("\n".join([*lines, "and this prompt:", *filter(None, [context.text]), prompt]))


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
    r"export (md|html|ipynb|jsonl)(?: (.+))?": export,
    "demo": demo,
    "demo off": demo_off,
    r"use ([A-Za-z_]\w*)": use,
    r"chat(?: ([A-Za-z_]\w*))?": open_chat,
    "doctor": doctor,
    "help": show_help,
}
"""The form of each command, as a regular expression for the whole line."""


def _of(conversation: Conversation) -> str:
    return "" if conversation.name == MAIN else f" of {conversation.name}"
