"""`%codex undo` and `%codex redo`: show what would change, ask, and do it."""

import shlex
from pathlib import Path

from IPython.core.error import UsageError

from codex_jupyter.notebook.display.text_output import show_text
from codex_jupyter.notebook.session.keyboard import confirm
from codex_jupyter.notebook.session.session import NotebookSession
from codex_jupyter.notebook.session.undo_plan import UndoPlan


def undo(session: NotebookSession, *arguments: str) -> None:
    """Take back the last turns: files, cells and the thread."""
    number, keep, is_sure = _parsed(arguments)
    _run(session, session.undo.plan(number, keep), is_sure)


def redo(session: NotebookSession, *arguments: str) -> None:
    """Bring back what the last undo took back."""
    _, keep, is_sure = _parsed(arguments)
    _run(session, session.undo.plan_redo(keep), is_sure)


def _run(session: NotebookSession, plan: UndoPlan, is_sure: bool) -> None:
    show_text(plan.preview)
    if plan.is_empty:
        show_text("There is nothing to do.")
        return
    if not is_sure:
        verb = "Redo" if plan.files.redo else "Undo"
        answer = confirm(f"{verb} this?", session.keyboard)
        if answer is None:
            command = "redo" if plan.files.redo else "undo"
            show_text(f"No one can answer here, so nothing was done. `%codex {command} --yes` does not ask.")
        if not answer:
            return
    show_text(session.undo.apply(plan))


def _parsed(arguments: tuple[str, ...]) -> tuple[int, list[Path], bool]:
    """Return the number of turns, the files to keep, and True for `--yes`."""
    try:
        words = shlex.split(" ".join(arguments))
    except ValueError as error:
        raise UsageError(f"`%codex undo` cannot read its options: {error}.") from None
    number, keep, is_sure = 1, [], False
    rest = iter(words)
    for word in rest:
        if word == "--yes":
            is_sure = True
        elif word == "--keep":
            keep.append(Path(next(rest, "")).expanduser())
        else:
            number = int(word)
    return number, keep, is_sure
