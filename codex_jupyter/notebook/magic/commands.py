"""The functions of the commands in the command table. Each takes the notebook's session, and the arguments of the line."""

import dataclasses
from pathlib import Path
from typing import Final

from IPython.core.error import UsageError

from codex_jupyter.demo import SCRIPTS
from codex_jupyter.notebook.cell_tools.changes import InsertedCell
from codex_jupyter.notebook.display.text_output import show_text
from codex_jupyter.notebook.magic import startup
from codex_jupyter.notebook.magic.help import help_text
from codex_jupyter.notebook.magic.login import log_in, log_out
from codex_jupyter.notebook.magic.report import report
from codex_jupyter.notebook.magic.rules import list_rules, revoke_rule
from codex_jupyter.notebook.magic.status import own_thread, status
from codex_jupyter.notebook.magic.tables import sent, threads, usage
from codex_jupyter.notebook.magic.undo import redo, undo
from codex_jupyter.notebook.namespace import Namespace
from codex_jupyter.notebook.persistence.exporting import EXPORT_FORMATS, export_turns
from codex_jupyter.notebook.render.app_server_phrases import kernel_code
from codex_jupyter.notebook.render.phrases import count
from codex_jupyter.notebook.session.code_blocks import CodeBlock, code_blocks, last_python
from codex_jupyter.notebook.session.notebook_thread import MAIN
from codex_jupyter.notebook.session.session import NotebookSession
from codex_jupyter.notebook.session.turn_outputs import show_past
from codex_jupyter.sdk import Codex, DynamicToolCallItem
from codex_jupyter.sdk.executable.sandbox_check import sandbox_problem
from codex_jupyter.testing import ScriptedModel

__all__ = [
    "demo",
    "demo_off",
    "disable",
    "doctor",
    "enable",
    "export",
    "fix",
    "fork",
    "insert",
    "list_rules",
    "log_in",
    "log_out",
    "new",
    "open_chat",
    "redo",
    "release",
    "resume",
    "retry",
    "revoke_rule",
    "sent",
    "show",
    "show_context",
    "show_help",
    "status",
    "steer",
    "stop",
    "threads",
    "undo",
    "usage",
    "use",
    "wait",
]

FIX_PROMPT: Final = (
    "Fix the last cell that failed.\n\nIt is in the notebook data, with its error. Find out why it failed. Answer with a short "
    "explanation, and then the whole repaired cell as one Python code block that can run in its place. Change no files."
)


def steer(session: NotebookSession, text: str) -> None:
    """Add to the prompt of the turn in the background."""
    session.steer(text)


def release(session: NotebookSession) -> None:
    """Unload the threads, so that other programs can continue them."""
    session.client.release()
    show_text("Other programs, such as `codex resume`, can now use the threads of this notebook. The next prompt takes them back.")


def new(session: NotebookSession, name: str = "") -> None:
    """Let the next prompt start a new thread."""
    name = name or own_thread(session)
    session.threads.new_thread(name)
    show_text(f"The next prompt{_in_thread(name)} starts a new thread.")


def resume(session: NotebookSession, which: str = "") -> None:
    """Continue an earlier thread, and show its turns, from the saved notebook or as Codex has stored them."""
    thread_id, record = session.threads.find(which)
    conversation = session.threads.adopt(record.name if record is not None else own_thread(session), thread_id, record)
    for past in conversation.history:
        show_past(past)
    show_text(f"The next prompt{_in_thread(conversation.name)} continues thread {conversation.thread.id}.")


def fork(session: NotebookSession, name: str = "fork") -> None:
    """Start a thread with the history of the notebook's own thread."""
    own = own_thread(session)
    if name == own:
        raise UsageError(f"The copy needs another name: {name} is the thread that is copied.")
    forked = session.threads.fork(own, name)
    show_text(f"`-t {name}` continues from here in thread {forked.thread.id}. The notebook's own thread stays as it is.")


def show(session: NotebookSession) -> None:
    """Show the last turn again, live if it still runs."""
    last = session.threads.last
    if last is None or not (last.turns or last in session.threads.running):
        raise UsageError("There is no turn yet.")
    session.outputs.show(last)


def stop(session: NotebookSession) -> None:
    """Stop the turns in the background."""
    stopped = session.threads.stop()
    show_text(f"Stopped {stopped} turn{'s' if stopped != 1 else ''}." if stopped else "No turn runs.")


def wait(session: NotebookSession) -> None:
    """Wait until the turns in the background have ended and are shown. An interrupt ends the waiting, not the turns."""
    conversations = session.threads.conversations.values()
    if not any(conversation.repeat is not None or conversation in session.threads.running for conversation in conversations):
        show_text("No turn runs.")
    for conversation in conversations:
        conversation.wait()


def insert(session: NotebookSession, number: str = "0") -> None:
    """Put code of the last turn into a new cell below.

    Without a number, it is the last Python block of the answer, or the last code that ran in the kernel if the answer has no block. With a
    number, it is a block in any language, or code that ran in the kernel, numbered after the blocks.
    """
    answered, ran = _answered_code(session), _kernel_code(session)
    blocks = [*answered, *ran]
    if not 0 <= int(number) <= len(blocks) or not blocks:
        runs = f", and code ran {count(len(ran), 'time')} in the kernel" if ran else ""
        raise UsageError(f"The last answer has {count(len(answered), 'code block') if answered else 'no code block'}{runs}.")
    code = blocks[int(number) - 1].as_cell if int(number) else last_python(answered or ran)
    if code is None:
        listed = ", ".join(f"{position} {block.language or 'text'}" for position, block in enumerate(blocks, 1))
        block = "That block is neither Python nor a language of a cell magic"
        raise UsageError(f"{block if int(number) else 'The last answer has no Python code block'} ({listed}). Copy it from the answer.")
    _insert_cell(session, code)


def _answered_code(session: NotebookSession) -> list[CodeBlock]:
    """Return the code blocks of the last answer."""
    last = session.threads.last
    return code_blocks(last.history[-1].turn.final_response) if last and last.history else []


def _kernel_code(session: NotebookSession) -> list[CodeBlock]:
    """Return the code that ran in the kernel in the last turn, in order."""
    last = session.threads.last
    items = last.history[-1].turn.items if last and last.history else ()
    codes = (kernel_code(item) for item in items if isinstance(item, DynamicToolCallItem))
    return [CodeBlock(code, "python") for code in codes if code is not None]


def _insert_cell(session: NotebookSession, code: str) -> None:
    session.shell.set_next_input(code.rstrip("\n"), replace=False)
    last = session.threads.last
    if last is not None and last.history:
        last.history[-1].undoables.append(InsertedCell())


def export(session: NotebookSession, form: str = "", file: str = "") -> None:
    """Write the last used thread to a file. Before the first prompt of a kernel, this is the earlier thread."""
    if form not in EXPORT_FORMATS:
        raise UsageError(f"`%codex export` takes a format, {' or '.join(EXPORT_FORMATS)}, and optionally a file; not {form!r}.")
    last = session.threads.last
    turns = last.history if last is not None else []
    if last is None and (earlier := session.threads.earlier()) is not None:
        turns = session.threads.past(earlier)
    if not turns:
        raise UsageError("There is no turn to export yet.")
    path = export_turns(turns, form, Path(file).expanduser() if file else None)
    show_text(f"Wrote {len(turns)} turn{'s' if len(turns) != 1 else ''} to {path}.")


def demo(session: NotebookSession, name: str = "") -> None:
    """Let a built-in script answer."""
    if name and name not in SCRIPTS:
        *most, last = SCRIPTS
        raise UsageError(f"`%codex demo` takes the name of a script, {', '.join(most)} or {last}; not {name!r}.")
    model = ScriptedModel(SCRIPTS[name or "quickstart"]())
    session.use(model)
    show_text("Demo mode: a script answers, not a model. The codex CLI and its actions are real.\n`%codex demo off` ends it.")
    if (problem := sandbox_problem(session.client.cli, model.env())) is not None:
        session.use(model, sandboxed=False)
        show_text(f"This machine has no sandbox ({problem}): only the demo's own commands run without one.")


def demo_off(session: NotebookSession) -> None:
    """Return to the user's own Codex."""
    session.use(None)
    show_text("Demo mode is off: your own Codex answers the next prompt.")


def use(session: NotebookSession, names: Namespace, name: str = "") -> None:
    """Let a client or a scripted model answer."""
    client = names.values.get(name)
    if not isinstance(client, Codex | ScriptedModel):
        problem = f"{name} is a {type(client).__name__}." if name in names.values else names.hidden.get(name, f"{name} is not defined.")
        reason = f"; {problem}" if name else "."
        raise UsageError(f"`%codex use` takes the name of a Codex client or a ScriptedModel{reason}")
    session.use(client)


def open_chat(session: NotebookSession, name: str = MAIN) -> object:
    """Open a chat on a thread."""
    if session.open_chat is None:
        raise UsageError("There is no chat here. Load the extension with `%load_ext codex_jupyter`.")
    if not hasattr(session.shell, "kernel"):
        raise UsageError("A terminal cannot show a chat. `%codex` before a prompt sends it to the same thread.")
    return session.open_chat(name)


def doctor(session: NotebookSession) -> None:
    """Show what is installed and found."""
    show_text(report(session))


def show_help(session: NotebookSession) -> None:
    """Show the help."""
    show_text(help_text())


def enable(session: NotebookSession) -> None:
    """Load the extension in every new kernel of the profile."""
    show_text(startup.enable(session.shell))


def disable(session: NotebookSession) -> None:
    """Undo `%codex enable`."""
    show_text(startup.disable(session.shell))


def show_context(session: NotebookSession, names: Namespace, spec: str = "") -> None:
    """Print exactly what the kernel would report with the next prompt, with the sizes of its parts."""
    own = session.threads.conversations.get(own_thread(session))
    context = session.collector.collect(spec or session.settings.context, own.key if own else None, names)
    sizes = ", ".join(f"{name} {size:,} characters" for name, size in context.sizes.items())
    show_text(f"{sizes}\n\n{context.text}" if context.text else "The kernel would report nothing with the next prompt.")


def retry(session: NotebookSession) -> object:
    """Run the last prompt of a cell again, with its options and images."""
    if session.last_request is None:
        raise UsageError("There is no prompt to repeat yet.")
    return session.run(session.last_request)


def fix(session: NotebookSession) -> None:
    """Repair the last cell that failed, and put the code into a new cell below. It is not run."""
    if "error" not in session.collector.collect("error", None).sizes:
        raise UsageError("No cell has failed, so there is nothing to fix.")
    request = session.request(FIX_PROMPT, context=["error+vars"])
    session.run(dataclasses.replace(request, shown_as="%codex fix"))
    if (code := last_python(_answered_code(session))) is not None:
        _insert_cell(session, code)


def _in_thread(name: str) -> str:
    return "" if name == MAIN else f" of {name}"
