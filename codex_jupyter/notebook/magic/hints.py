"""What Tab offers on a line of the magic, from what the notebook and the CLI know."""

import json
import re
import subprocess
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from codex_jupyter.notebook.magic.completion import OptionHint, candidates

if TYPE_CHECKING:
    from collections.abc import Iterable

    from codex_jupyter.notebook.magic.magics import CodexMagics

EFFORTS: Final = ("minimal", "low", "medium", "high", "xhigh", "max")
"""The efforts that Tab offers; a model may know others."""
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
    threads = [f"{named[1]} {name}" for name in magics.session.names] if named else []
    return candidates(line, options=hints, commands=(*COMMAND_WORDS, *threads))


def _values(magics: "CodexMagics", option: str, choices: "Iterable[str] | None") -> "Iterable[str]":
    """The values of an option, as far as they are known."""
    if choices is not None:
        return choices
    match option:
        case "model":
            return models(magics.session.cli.path)
        case "effort":
            return EFFORTS
        case "context":
            return CONTEXTS
        case "thread":
            return magics.session.names
        case "resume":
            return ["last", *(one.id for one in magics.session.records)]
        case "image":
            from codex_jupyter.notebook.images.spec import ImageFinder

            return ImageFinder(magics.shell, magics.pictures).offers()
        case "out" | "schema":
            return [name for name in magics.shell.user_ns if not name.startswith("_")]
    return ()


@dataclass(frozen=True, slots=True)
class Model:
    """A model that the CLI knows."""

    name: str
    listed: bool
    """Whether the CLI offers it to everybody."""
    efforts: tuple[str, ...]
    """How hard it can think."""


def models(codex: Path) -> list[str]:
    """The names of the models that the CLI knows; none if it does not tell."""
    return [model.name for model in catalogue(codex)]


_catalogues: Final[dict[Path, tuple[Model, ...]]] = {}


def catalogue(codex: Path, *, timeout: float = 5.0) -> tuple[Model, ...]:
    """The models that the CLI knows; it is asked until it has told them once.

    Args:
        codex: The CLI.
        timeout: Seconds to wait for it at most.

    Returns:
        The models; none if it does not tell.
    """
    if codex not in _catalogues:
        command: list[Path | str] = [codex, "debug", "models"]
        try:
            told = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=timeout, check=False)  # noqa: S603
            _catalogues[codex] = tuple(
                Model(
                    model["slug"],
                    model.get("visibility", "list") == "list",
                    tuple(level["effort"] for level in model.get("supported_reasoning_levels") or ()),
                )
                for model in json.loads(told.stdout)["models"]
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, subprocess.TimeoutExpired):
            return ()
    return _catalogues[codex]
