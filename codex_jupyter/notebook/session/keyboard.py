"""Ask the user at the keyboard: show exactly what the agent wants to do, and read an answer.

`input()` works in every front end while a cell runs. Without a keyboard, as in nbconvert and papermill, every request is declined.
"""

import getpass
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from codex_jupyter._visible_text import ESCAPE, reveal
from codex_jupyter.notebook.display.terminal_display import status_line
from codex_jupyter.notebook.render import phrases
from codex_jupyter.notebook.render.approval import Fact, always, facts, meaning, quoted, title
from codex_jupyter.sdk import ApprovalDecision, ApprovalRequest, Question
from codex_jupyter.sdk.models.approvals import ApprovalChoice

ANSWERS: Final[dict[ApprovalChoice, tuple[str, ...]]] = {
    "accept": ("y", "yes"),
    "accept_for_session": ("s", "session"),
    "accept_always": ("always",),
    "decline": ("n", "no"),
    "cancel": ("c", "cancel"),
}
"""The exact answers for each choice. No other text decides anything."""
FULL: Final = ("f", "full")
TRIES: Final = 10
"""Limit of invalid answers to a question. Then it is declined."""
TOO_EARLY: Final = 1.0
"""Seconds after a question in which answers are ignored: the front end moves the focus to it while the user may be typing elsewhere."""
MAX_LINES: Final = 40
"""Lines of one part of a request that the question shows. The answer `f` shows all lines."""
COLUMNS: Final = 80
"""Columns of a question if the width is not known, as in a notebook."""


class _NoKeyboard(Exception):
    """Raised when the user cannot be asked."""


@dataclass(frozen=True, slots=True)
class Keyboard:
    """Read answers that were typed after their question.

    Args:
        terminal: True for a terminal, whose pending input can be dropped. False for a front end.
        clock: Returns the time in seconds.
    """

    terminal: bool = False
    clock: Callable[[], float] = time.monotonic

    @property
    def columns(self) -> int:
        """Width of a question."""
        return shutil.get_terminal_size((COLUMNS, 24)).columns if self.terminal else COLUMNS

    def read(self, prompt: str, *, secret: bool = False) -> str | None:
        """Ask once.

        Returns:
            The line. None if it was typed too early to be an answer.
        """
        if self.terminal:
            _drop_pending()
            if sys.stdout.isatty():
                status_line("")  # the running time is in the line of the question
        asked = self.clock()
        try:
            line = (getpass.getpass if secret else input)(prompt)  # the kernel replaces both while a cell runs
        except (EOFError, NotImplementedError):  # ipykernel's StdinNotImplementedError is of the second kind
            raise _NoKeyboard from None
        except KeyboardInterrupt:
            if self.terminal:
                print()  # ends the line of the question
            raise
        return None if not self.terminal and self.clock() - asked < TOO_EARLY else line.strip()


def first_answers(request: ApprovalRequest) -> dict[ApprovalChoice, str]:
    """Return what to type for each choice of a request."""
    return {choice: ANSWERS[choice][0] for choice in request.choices}


def ask(request: ApprovalRequest, keyboard: Keyboard | None = None, *, shown: bool = False) -> ApprovalDecision | None:
    """Ask with `input()`, on the main thread, until there is an answer.

    Args:
        request: The request of the agent.
        keyboard: The source of the answer. None is a front end.
        shown: The whole request is on the screen, so that one line is enough.

    Returns:
        The decision. None if the user cannot be asked.
    """
    keyboard = keyboard or Keyboard()
    try:
        return _answers(request, keyboard, shown=shown) if request.questions else _choice(request, keyboard, shown=shown)
    except _NoKeyboard:
        return None


def confirm(question: str, keyboard: Keyboard | None = None) -> bool | None:
    """Ask a question of this package with `input()`, on the main thread. Only an exact answer counts.

    Args:
        question: The question.
        keyboard: The source of the answer. None is a front end.

    Returns:
        True for yes, False for no. None if the user cannot be asked.
    """
    keyboard, prompt = keyboard or Keyboard(), f"{question} y, n > "
    for _ in range(TRIES):
        try:
            typed = keyboard.read(prompt)
        except _NoKeyboard:
            return None
        if typed is None:
            prompt = "This was typed too early to be an answer. y, n > "
        elif typed.lower() in ANSWERS["accept"]:
            return True
        elif typed.lower() in ANSWERS["decline"]:
            return False
        else:
            prompt = "This is not a valid answer, so nothing is decided. y, n > "
    return False


def question_text(request: ApprovalRequest, columns: int = COLUMNS, *, full: bool = False) -> str:
    """Return a request as lines of a terminal. The agent's text is right of a gutter, the text of this package left of it.

    Args:
        request: The request of the agent.
        columns: The width.
        full: Show all lines of long parts.
    """
    parts = (*facts(request), *always(request))
    label = max((len(fact.name) for fact in parts), default=0)
    lines = [f"Codex asks: {title(request)}"]
    for fact in parts:
        quote = quoted(fact, columns, label)
        hidden = len(quote) - MAX_LINES
        if hidden > 1 and not full:
            half = MAX_LINES // 2
            quote[half:-half] = [f"{'':{label}} ⋯ {phrases.count(hidden, 'more line')}: answer f to see all"]
        lines += quote
    if any(ESCAPE.search(fact.text) for fact in parts):
        lines.append(r"(\x.., \u....: a character that cannot be seen; {3}: three of them; \\x.., \\u....: the text itself)")
    return "\n".join(lines)


def _choice(request: ApprovalRequest, keyboard: Keyboard, *, shown: bool) -> ApprovalDecision:
    choices = {typed: choice for choice in request.choices for typed in ANSWERS[choice]}
    offers = [f"  {ANSWERS[choice][0]:8}{meaning(choice, request)}" for choice in request.choices]
    text, whole = (question_text(request, keyboard.columns, full=full) for full in (False, True))
    if shown:
        text = whole = title(request)
        offers = []
    offers += [f"  {FULL[0]:8}show all of it first"] if text != whole else []
    names = ", ".join([*first_answers(request).values(), *(FULL[:1] if text != whole else ())])
    prompt = f"{text} {names} > " if shown else "\n".join([text, *offers, f"{names} > "])
    for _ in range(TRIES):
        typed = keyboard.read(prompt)
        if typed is None:
            prompt = f"This was typed too early to be an answer. {names} > "
        elif typed.lower() in FULL:
            print(whole)
            prompt = f"{names} > "
        elif typed.lower() in choices:
            return choices[typed.lower()]
        else:
            prompt = f"This is not a valid answer, so nothing is decided. {names} > "
    print(f"There was no valid answer in {TRIES} tries, so the request is declined.")
    return "decline"


def _answers(request: ApprovalRequest, keyboard: Keyboard, *, shown: bool) -> ApprovalDecision:
    answers = {}
    for question in request.questions:
        answer = _answer(question, title(request) if shown else question_text(request, keyboard.columns, full=True), keyboard)
        if answer is None:
            return "decline"
        answers[question.id] = answer
    return answers


def _answer(question: Question, text: str, keyboard: Keyboard) -> str | None:
    """Ask until there is an answer. None declines."""
    empty = "takes the default" if question.default else "declines" if question.required else "leaves it out"
    prompt = f"{text}\n{_asked(question, keyboard.columns)}\n(an empty line {empty}) > "
    for _ in range(TRIES):
        typed = keyboard.read(prompt, secret=question.secret)
        if typed is None:
            prompt = "This was typed too early to be an answer. > "
            continue
        typed = typed or question.default
        if not typed:
            return None if question.required else ""
        parts = typed.split(",") if question.type == "array" else [typed]
        typed = ", ".join(_numbered(question, part.strip()) for part in parts)
        try:
            question.parse(typed)
        except ValueError as error:
            prompt = "\n".join([*quoted(Fact("not an answer", reveal(str(error))), keyboard.columns, 0), "> "])
        else:
            return typed
    return None


def _asked(question: Question, columns: int) -> str:
    """Return a question with its options and its default."""
    hints = question.option_descriptions or ("",) * len(question.options)
    parts = [Fact("question", reveal(question.text))]
    for number, (option, hint) in enumerate(zip(question.options, hints, strict=True), 1):
        parts.append(Fact(str(number), reveal(f"{option}: {hint}" if hint else option, one_line=True)))
    parts += [Fact("default", reveal(question.default, one_line=True))] if question.default else []
    label = max(len(part.name) for part in parts)
    lines = [line for part in parts for line in quoted(part, columns, label)]
    return "\n".join([*lines, *(["several, separated by commas"] if question.type == "array" else [])])


def _numbered(question: Question, typed: str) -> str:
    """Return the option with this number. Other text is the answer itself."""
    return question.options[int(typed) - 1] if typed.isdecimal() and 1 <= int(typed) <= len(question.options) else typed


def _drop_pending() -> None:
    """Drop input that was typed before the question."""
    with suppress(ImportError, OSError, ValueError):  # Windows; or a standard input that is not a terminal
        import termios

        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
