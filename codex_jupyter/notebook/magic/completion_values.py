"""Tab completion of options, their values and commands, from the tables and the notebook."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from codex_jupyter.notebook.magic.command_table import COMMANDS
from codex_jupyter.notebook.magic.completion import OptionHint, candidates
from codex_jupyter.notebook.magic.option import Option, Values
from codex_jupyter.notebook.magic.option_table import FLAGS
from codex_jupyter.notebook.namespace import notebook_namespace
from codex_jupyter.notebook.session.model_catalogue import EFFORTS, TAB_WAIT

if TYPE_CHECKING:
    from codex_jupyter.notebook.session.session import NotebookSession

CONTEXTS: Final = ("auto", "vars", "cells", "outputs", "error", "none")


class CompletionValues:
    """Completes lines of the magic.

    Args:
        shell: The notebook's shell.
        session: Returns the notebook's session. It is only called for values that need it, because the first call imports the SDK.
    """

    def __init__(self, shell: Any, session: "Callable[[], NotebookSession]") -> None:
        self._shell, self._session = shell, session
        self._sources: dict[Values, Callable[[], Iterable[str]]] = {
            "model": lambda: [model.name for model in session().client.models.get(TAB_WAIT)],
            "effort": lambda: EFFORTS,
            "context": lambda: CONTEXTS,
            "thread": lambda: session().threads.names,
            "earlier thread": lambda: ["last", *(record.id for record in session().threads.records)],
            "image": self._images,
            "variable": lambda: [name for name in notebook_namespace(shell).values if not name.startswith("_")],
            "export format": self._export_formats,
            "login way": self._login_ways,
            "demo": self._demos,
        }

    def complete(self, line: str) -> list[str]:
        """Return what Tab offers at the end of a line."""
        options = {
            flag: OptionHint(partial(self._values, option), takes_value=option.takes_value, is_path=option.is_path)
            for flag, option in FLAGS.items()
        }
        return candidates(line, options=options, commands=list(self._commands(line)))

    def _values(self, option: Option) -> Iterable[str]:
        if option.choices:
            return option.choices
        return self._sources[option.values]() if option.values is not None else ()

    def _commands(self, line: str) -> Iterable[str]:
        """Yield the commands, and those that the line may already name with the values of their argument."""
        typed = " ".join(line.split())
        for command in COMMANDS:
            if command.usage:
                yield command.words
            if command.values is not None and f"%codex {command.words}" in typed:
                yield from (f"{command.words} {value}" for value in self._sources[command.values]())

    def _images(self) -> Iterable[str]:
        from codex_jupyter.notebook.images.spec import ImageFinder  # imports Pillow

        return ImageFinder(self._shell, self._session().display_log).offers()

    def _export_formats(self) -> Iterable[str]:
        from codex_jupyter.notebook.persistence.exporting import EXPORT_FORMATS  # imports the SDK

        return EXPORT_FORMATS

    def _demos(self) -> Iterable[str]:
        from codex_jupyter.demo import SCRIPTS  # imports the scripted model

        return SCRIPTS

    def _login_ways(self) -> Iterable[str]:
        from codex_jupyter.notebook.magic.login import WAYS  # imports the SDK

        return WAYS
