"""Ask the user in a cell: what the agent wants to do, in words, and an answer from the keyboard.

`input()` works in every front end while a cell runs; where there is no keyboard, as in nbconvert and papermill, the answer is no.
"""

from getpass import getpass
from typing import Final

from codex_jupyter.notebook.render import plain
from codex_jupyter.notebook.render.words import short
from codex_jupyter.sdk import ApprovalDecision, ApprovalRequest, Question
from codex_jupyter.sdk.approvals import MEANINGS, ApprovalChoice

LETTERS: Final[dict[ApprovalChoice, str]] = {
    "accept": "y",
    "accept_for_session": "s",
    "accept_always": "a",
    "decline": "n",
    "cancel": "c",
}
MAX_DIFF: Final = 4_000
"""Characters of a patch that are shown in the question."""


def ask(request: ApprovalRequest) -> ApprovalDecision | None:
    """Ask with `input()`, on the main thread, until the answer is one.

    Returns:
        The decision; None where nobody can be asked.
    """
    try:
        return _answers(request) if request.questions else _choice(request)
    except (EOFError, NotImplementedError, RuntimeError):  # ipykernel's StdinNotImplementedError is of the second kind, or of none
        return None
    except Exception as error:
        if type(error).__name__ == "StdinNotImplementedError":
            return None
        raise


def question_text(request: ApprovalRequest) -> str:
    """What is asked, as plain text over several lines."""
    lines = [f"Codex asks: {request.message}"]
    lines += [f"why: {request.reason}"] if request.reason else []
    lines += [f"in {request.cwd}"] if request.cwd else []
    lines += [short(request.diff, MAX_DIFF)] if request.diff else []
    lines += [f"{request.server}.{request.tool} {short(str(request.arguments), 1_000)}"] if request.tool else []
    lines += [short(str(request.arguments), 1_000)] if request.kind == "permissions" else []
    lines += [f"asked by the MCP server {request.server}"] if request.server and not request.tool else []
    lines += [f"at {request.url}"] if request.url else []
    lines += [f"always: every command that begins with {' '.join(request.rule)}"] if request.rule else []
    return plain("\n".join(lines))


def summary(request: ApprovalRequest, decision: ApprovalDecision | None) -> str:
    """A decision in a line, for the record; None is the no where nobody could be asked."""
    said = decision.replace("_", " ") if isinstance(decision, str) else "answered"
    who = "nobody could be asked, so the answer was no" if decision is None else f"you decided: {said}"
    what = request.command or ", ".join(change.path for change in request.changes) or request.tool or request.message
    return plain(f"{who}: {short(what, 200)}")


def _choice(request: ApprovalRequest) -> ApprovalDecision:
    letters = {LETTERS[choice]: choice for choice in request.choices}
    offers = "\n".join(f"  {letter}  {MEANINGS[choice]}" for letter, choice in letters.items())
    text = f"{question_text(request)}\n{offers}\n"
    while True:
        typed = input(text + "> ").strip().lower()[:1]
        if typed in letters:
            return letters[typed]
        text = f"{', '.join(letters)}? "


def _answers(request: ApprovalRequest) -> ApprovalDecision:
    answers = {}
    for question in request.questions:
        answer = _answer(question, f"{question_text(request)}\n{question.text}")
        if answer is None:
            return "decline"
        answers[question.id] = answer
    return answers


def _answer(question: Question, text: str) -> str | None:
    """Ask until there is an answer; None if there is to be none."""
    hints = question.hints or ("",) * len(question.options)
    for number, (option, hint) in enumerate(zip(question.options, hints, strict=True), 1):
        text += f"\n  {number}  {option}" + (f": {hint}" if hint else "")
    text += "\n  several, with commas between them" if question.type == "array" else ""
    empty = f"is {question.default}" if question.default else "declines" if question.required else "leaves it out"
    prompt = plain(f"{text}\n(an empty line {empty}) > ")
    while True:
        typed = (getpass if question.secret else input)(prompt).strip() or question.default
        if not typed:
            return None if question.required else ""
        parts = typed.split(",") if question.type == "array" else [typed]
        typed = ", ".join(_numbered(question, part.strip()) for part in parts)
        try:
            question.value(typed)
        except ValueError as error:
            prompt = plain(f"{error} > ")
        else:
            return typed


def _numbered(question: Question, typed: str) -> str:
    """The option with this number; what is no such number is an answer itself."""
    return question.options[int(typed) - 1] if typed.isdecimal() and 1 <= int(typed) <= len(question.options) else typed
