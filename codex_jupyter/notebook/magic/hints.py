"""What Tab offers on a line of the magic, from what the notebook and the CLI know."""

import re
from functools import partial
from typing import TYPE_CHECKING, Final

from codex_jupyter.notebook.magic.completion import OptionHint, candidates
from codex_jupyter.notebook.session.model_catalogue import EFFORTS, catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from codex_jupyter.notebook.magic.magics import CodexMagics

CONTEXTS: Final = ("auto", "vars", "cells", "outputs", "error", "none")
COMMAND_WORDS: Final = (
    *(
        "status",
        "threads",
        "new",
        "resume",
        "fork",
        "show",
        "stop",
        "wait",
        "insert",
        "fix",
        "context",
        "usage",
        "chat",
        "steer",
        "release",
        "enable",
        "disable",
        "login",
        *(f"login {way}" for way in ("browser", "device", "key")),
        "logout",
        "doctor",
        "rules",
        "rules revoke",
        "help",
        "use",
        "demo",
        "demo off",
    ),
    *(f"export {form}" for form in ("md", "html", "ipynb", "jsonl")),
)
"""The commands as Tab offers them."""
_NAMED: Final = re.compile(r"%codex\s+(new|resume|chat)\s")
"""Commands that take the name of a thread."""


def completions(magics: "CodexMagics", line: str) -> list[str]:
    """What Tab offers at the end of a line of the magic: options, their values, and the commands."""
    hints = {
        flag: OptionHint(
            partial(_values, magics, action.dest, action.choices),
            takes_value=action.nargs != 0,
            is_path=action.dest in ("cd", "add_dir", "schema", "image"),
        )
        for flag, action in magics.codex.parser._option_string_actions.items()
    }
    named = _NAMED.search(line)
    threads = [f"{named[1]} {name}" for name in magics.session.threads.names] if named else []
    return candidates(line, options=hints, commands=(*COMMAND_WORDS, *threads))


def _values(magics: "CodexMagics", option: str, choices: "Iterable[str] | None") -> "Iterable[str]":
    """The values of an option, as far as they are known."""
    if choices is not None:
        return choices
    match option:
        case "model":
            return [model.name for model in catalogue(magics.session.client.cli.path)]
        case "effort":
            return EFFORTS
        case "context":
            return CONTEXTS
        case "thread":
            return magics.session.threads.names
        case "resume":
            return ["last", *(one.id for one in magics.session.threads.records)]
        case "image":
            from codex_jupyter.notebook.images.spec import ImageFinder

            return ImageFinder(magics.shell, magics.pictures).offers()
        case "out" | "schema":
            return [name for name in magics.shell.user_ns if not name.startswith("_")]
    return ()
