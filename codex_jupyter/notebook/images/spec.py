"""What a user writes for a picture: `plot`, `plots:3`, `cell:12`, `out:12`, a variable or a part of it, a file, or a pattern of files."""

import ast
import difflib
import glob
import os
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from codex_jupyter.notebook.images.display_log import DisplayLog, ImageSource
from codex_jupyter.notebook.images.from_file import line_of, read_image
from codex_jupyter.notebook.images.from_value import draw, is_image
from codex_jupyter.notebook.templates import evaluate, small_expression
from codex_jupyter.sdk import InputError

MAX_ATTACHED: Final = 20
"""Pictures that go with a turn at most; a pattern of files may match more than anybody means."""

_KEYWORD: Final = re.compile(r"(plot|plots|cell|out)(?::(-?\d{1,6}))?")
_MENTION: Final = re.compile(r"(?<![\w@./])@(?:((?:plots?|cell|out)(?::-?\d{1,6})?)(?![\w:])|([A-Za-z_]\w*))(?![./]\w)")
"""`@plot` and the like, or `@name`; not an address, a decorator after a dot or with one, or the scope of a package."""
_CODE: Final = re.compile(r"^ {0,3}(```+|~~~+).*?(?:^ {0,3}\1|\Z)|(`+)(?!`).+?(?<!`)\2(?!`)", re.DOTALL | re.MULTILINE)
"""What Markdown takes for code, where an `@` begins a decorator."""


class ImageFinder:
    """Finds the pictures that a spec names.

    Args:
        shell: The notebook's shell.
        log: What it displayed.
    """

    def __init__(self, shell: Any, log: DisplayLog) -> None:
        self._shell, self._log = shell, log

    def find(self, spec: Any) -> list[ImageSource]:
        """The pictures of a spec.

        Args:
            spec: `plot` (the newest), `plot:-2` (the one before), `plot:7` (the one with this number), `plots:3` (the newest three),
                `cell:12` (all of that cell's last run), `out:12` (its value), the name of a variable, a part of it (`axes[0]`,
                `result.plot`), a file, a pattern such as `figures/*.png`; or a value that `draw` takes. Numbers are those of
                `In[...]`.

        Returns:
            At least one, in the order in which they were shown; those of a pattern in the order of their names.

        Raises:
            InputError: If there is none, in one line that says why and what could be done.
        """
        if not isinstance(spec, str):
            return [draw(spec, f"the {type(spec).__name__}", self._shell)]
        keyword = _KEYWORD.fullmatch(spec)
        if keyword is not None and (keyword[2] is not None or spec == "plot" or spec not in self._shell.user_ns):
            return self._displayed(keyword[1], None if keyword[2] is None else int(keyword[2]))
        if spec in self._shell.user_ns:
            return [draw(self._shell.user_ns[spec], spec, self._shell)]
        part = small_expression(spec, self._shell.user_ns)
        if part is not None and isinstance(part.body, ast.Attribute | ast.Subscript) and not os.path.lexists(spec):
            try:
                value = evaluate(part, self._shell.user_ns)
            except Exception as error:
                raise InputError(f"There is no file {spec}, and no such part of a variable: {line_of(error)}.") from error
            return [draw(value, spec, self._shell)]
        return list(self._files(spec))

    def mentioned(self, prompt: str) -> list[ImageSource]:
        """The pictures that a prompt mentions: `@plot` and the other specs, and `@name` of a variable that is plainly a picture.

        Raises:
            InputError: As `find` does. An `@name` of anything else is just text.
        """
        found = []
        for match in _MENTION.finditer(_CODE.sub("``", prompt)):
            name = match[1] or match[2]
            if name == "plot" or ":" in name or (name in self._shell.user_ns and is_image(self._shell.user_ns[name])):
                found += self.find(name)
        return found

    def offers(self) -> list[str]:
        """The specs that name something now, for completion."""
        pictures = self._log.pictures
        specs = ["plot", *(f"plot:-{number}" for number in range(2, min(len(pictures), 5) + 1))] if pictures else []
        specs += [f"plots:{number}" for number in (2, 3, 4) if number <= len(pictures)]
        specs += [f"cell:{number}" for number in dict.fromkeys(picture.cell for picture in reversed(pictures)) if number][:10]
        specs += [f"out:{number}" for number, value in reversed(self._shell.user_ns.get("Out", {}).items()) if is_image(value)][:10]
        return specs + self.variables()

    def variables(self) -> list[str]:
        """The variables that are plainly pictures."""
        return [name for name, value in list(self._shell.user_ns.items()) if not name.startswith("_") and is_image(value)]

    def _displayed(self, word: str, number: int | None) -> list[ImageSource]:
        self.show_open_figures()
        newest = self._log.newest(max(1, len(self._log.pictures)))
        match word, number:
            case "plot", None:
                found = newest[-1:]
            case "plot", int() if number < 0:
                found = newest[number:][:1] if -number <= len(newest) else []
            case "plot", int():
                found = [picture for picture in self._log.pictures if picture.number == number]
            case "plots", int() if number > 0:
                found = newest[-number:]
            case "cell", int() if number > 0:
                found = self._log.of_cell(number)
            case "out", int() if number > 0:
                return [self._value(number)]
            case _:
                hint = "plots:3 for the newest three" if word == "plots" else f"{word}:12 for In[12]"
                raise InputError(f"{word} needs a number: {hint}.")
        if not newest:
            raise InputError("The notebook has shown no picture since the extension was loaded. Name a figure instead: -i fig.")
        if not found:
            shown = f"{len(newest)} picture{'s are' if len(newest) != 1 else ' is'} remembered"
            cells = ", ".join(str(one) for one in dict.fromkeys(picture.cell for picture in newest) if one)
            raise InputError(f"There is no {word}:{number}; {shown}{f', of the cells {cells}' if cells else ''}.")
        return found

    def show_open_figures(self) -> None:
        """Show the figures that this cell would show at its end: they are what `plot` means in it."""
        inline = sys.modules.get("matplotlib_inline.backend_inline")
        pyplot = sys.modules.get("matplotlib.pyplot")
        # On another thread, as a chat may ask, they would be taken away from the cell that still draws them.
        cells = threading.current_thread() is threading.main_thread()
        if cells and inline is not None and pyplot is not None and pyplot.get_fignums():
            inline.flush_figures()

    def _value(self, number: int) -> ImageSource:
        # As it was displayed, if it was: a figure may have changed since.
        shown = [picture for picture in self._log.of_cell(number) if picture.is_value]
        if shown:
            return shown[-1]
        values = self._shell.user_ns.get("Out", {})
        if number not in values:
            raise InputError(f"There is no Out[{number}].")
        return draw(values[number], f"Out[{number}]", self._shell)

    def _files(self, spec: str) -> Iterator[ImageSource]:
        path = os.path.expanduser(spec)
        if glob.has_magic(spec) and not os.path.lexists(path):
            found = sorted(filter(os.path.isfile, glob.glob(path, recursive=True)))
            if not found:
                raise InputError(f"No file matches {spec}.")
            if len(found) > MAX_ATTACHED:
                raise InputError(f"{len(found)} files match {spec}; at most {MAX_ATTACHED} pictures go with a turn.")
            yield from (read_image(Path(path)) for path in found)
            return
        if spec.isidentifier() and not os.path.lexists(path):
            near = difflib.get_close_matches(spec, ["plot", *self.variables()], n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise InputError(f"There is no variable and no file {spec}.{hint}")
        yield read_image(Path(path), spec)
