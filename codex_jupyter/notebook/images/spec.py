"""Find the images that a user's words name: `plot`, `plots:3`, `cell:12`, `out:12`, a variable or a part of it, a file, or a pattern."""

import ast
import builtins
import difflib
import glob
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from codex_jupyter.notebook.images.display_log import DisplayLog
from codex_jupyter.notebook.images.exporters import export
from codex_jupyter.notebook.images.from_file import error_line, read_image
from codex_jupyter.notebook.images.from_html import MARKDOWN_CODE
from codex_jupyter.notebook.images.from_value import image_from_value, images_from_value, is_image
from codex_jupyter.notebook.images.source import WIDGET, ImageSource
from codex_jupyter.notebook.images.widgets import widget_of
from codex_jupyter.notebook.namespace import Namespace, notebook_namespace
from codex_jupyter.notebook.templates import evaluate, hidden_name, small_expression
from codex_jupyter.sdk import InputError

MAX_ATTACHED: Final = 20
"""Maximum number of images of a turn. A pattern of files may match more than the user meant."""

_KEYWORD: Final = re.compile(r"(plot|plots|cell|out)(?::(-?\d{1,18}))?")
_NO_SPACES: Final = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Letters of languages that are written without spaces, such as Chinese, Japanese and Thai. A mention can follow them directly."""
_MENTION: Final = re.compile(
    rf"(?<![^\W{_NO_SPACES}])(?<![@./])@"
    r"(?:((?:plots?|cell|out)(?::-?\d+)?)(?![\w:])|([^\W\d]\w*+)((?:\[[^\[\]\n]{1,80}\])*+))(?![./]\w)"
)
"""`@plot` and the like, or `@name` or a part such as `@name[0]`; not an address, a decorator after a dot or with one, or the scope of a
package."""


class ImageFinder:
    """Finds the images that a spec names.

    Args:
        shell: The notebook's shell.
        log: The images that the notebook displayed.
        names: The names that stand for values. None uses those of the notebook.
    """

    def __init__(self, shell: Any, log: DisplayLog, names: Namespace | None = None) -> None:
        self._shell, self._log = shell, log
        self._names = names or notebook_namespace(shell)
        self._values = self._names.values

    def find(self, spec: Any) -> list[ImageSource]:
        """Return the images of a spec.

        Args:
            spec: `plot` (the newest), `plot:-2` (the one before), `plot:7` (the one with this number), `plots:3` (the newest three),
                `cell:12` (all of that cell's last run), `out:12` (its value), the name of a variable, a part of it (`axes[0]`,
                    `result.plot`), a file, a pattern such as `figures/*.png`, or a value, see `image_from_value`. Numbers are those of
                    `In[...]`.

        Returns:
            At least one image, in the order of their display. Images of a pattern are in the order of their names.

        Raises:
            InputError: If there is none.
        """
        if not isinstance(spec, str):
            return images_from_value(spec, f"the {type(spec).__name__}", self._shell)
        keyword = _KEYWORD.fullmatch(spec)
        if keyword is not None and (keyword[2] is not None or spec == "plot" or spec not in self._values):
            return self._displayed(keyword[1], None if keyword[2] is None else int(keyword[2]))
        if spec in self._values:
            return images_from_value(self._values[spec], spec, self._shell)
        part = small_expression(spec, self._values)
        if part is not None and isinstance(part.body, ast.Attribute | ast.Subscript) and not os.path.lexists(spec):
            try:
                value = evaluate(part, self._values)
            except Exception as error:
                raise InputError(
                    f"There is no file {spec}, and it cannot be evaluated as a part of a variable: {error_line(error)}."
                ) from error
            return images_from_value(value, spec, self._shell)
        if (name := hidden_name(spec, self._values, self._names.hidden)) is not None and not os.path.lexists(spec):
            raise InputError(f"There is no file {spec}, and it has no value: {self._names.hidden[name]}")
        return list(self._files(spec))

    def mentioned(self, prompt: str) -> list[ImageSource]:
        """Return the images that a prompt mentions: `@plot` and the other specs, and `@name` of a variable that is clearly an image.

        `@name[0]` is that part of the variable. An `@name` of another variable, or of a name of Python, such as `@property`, is text.

        Raises:
            InputError: As in `find`, or if there is no such name.
        """
        images: list[ImageSource] = []
        for match in _MENTION.finditer(MARKDOWN_CODE.sub("``", prompt)):
            name = match[1] or match[2]
            if match[3] and name in self._values:
                images += self._mentioned_part(name, f"{name}{match[3]}")
            elif name in self._values:
                images += self.find(name) if is_image(self._values[name]) or name == "plot" else []
            elif match[1]:
                images += self.find(name)
            elif not hasattr(builtins, name):
                raise InputError(f"@{name}: {self._missing(name)} If it is not an image, write `@{name}` as code, in backticks.")
        return images

    def _mentioned_part(self, name: str, spec: str) -> list[ImageSource]:
        """Return the image that a part of a variable is. Nothing if neither the part nor the variable is an image."""
        value, part = None, small_expression(spec, self._values)
        if part is not None:
            with suppress(Exception):  # of the code of the value: `find` reports it if the variable is an image
                value = evaluate(part, self._values)
        return self.find(spec) if is_image(value) or is_image(self._values[name]) else []

    def _missing(self, name: str, kinds: str = "variable") -> str:
        """Return why a name has no value, in one or two sentences."""
        near = difflib.get_close_matches(name, ["plot", *self.variables()], n=1)
        return self._names.hidden.get(name) or f"There is no {kinds} {name}.{f' Did you mean {near[0]}?' if near else ''}"

    def offers(self) -> list[str]:
        """Return the specs that name an image now, for completion."""
        images = self._log.newest(max(1, len(self._log.images)))
        refused = {image.number for image in images if not image.media_type}
        last = enumerate(reversed(images[-5:]), 1)
        specs = [f"plot:-{behind}" if behind > 1 else "plot" for behind, image in last if image.number not in refused]
        specs += [f"plots:{n}" for n in (2, 3, 4) if n <= len(images) and refused.isdisjoint(image.number for image in images[-n:])]
        cells = dict.fromkeys(image.cell for image in reversed(images) if image.cell)
        specs += [f"cell:{n}" for n in cells if refused.isdisjoint(image.number for image in images if image.cell == n)][:10]
        specs += [f"out:{number}" for number, value in reversed(self._shell.user_ns.get("Out", {}).items()) if is_image(value)][:10]
        return specs + self.variables()

    def variables(self) -> list[str]:
        """Return the variables that are clearly images."""
        return [name for name, value in self._values.items() if not name.startswith("_") and is_image(value)]

    def _displayed(self, word: str, number: int | None) -> list[ImageSource]:
        self.show_open_figures()
        newest = self._log.newest(max(1, len(self._log.images)))
        match word, number:
            case "plot", None:
                images = newest[-1:]
            case "plot", int() if number < 0:
                images = newest[number:][:1] if -number <= len(newest) else []
            case "plot", int():
                images = [image for image in self._log.images if image.number == number]
            case "plots", int() if number > 0:
                images = newest[-number:]
            case "cell", int() if number > 0:
                images = self._log.of_cell(number)
            case "out", int() if number > 0:
                return self._value(number)
            case _:
                hint = "plots:3 for the newest three" if word == "plots" else f"{word}:12 for In[12]"
                raise InputError(f"{word} needs a number: {hint}.")
        if not newest:
            raise InputError("The notebook has displayed no image since the extension was loaded. Attach a figure instead: -i fig.")
        if not images:
            recorded = f"{len(newest)} image{'s are' if len(newest) != 1 else ' is'} recorded"
            cells = ", ".join(str(cell) for cell in dict.fromkeys(image.cell for image in newest) if cell)
            raise InputError(f"There is no {word}:{number}; {recorded}{f', of the cells {cells}' if cells else ''}.")
        return [self.resolve(image) for image in images]

    def resolve(self, image: ImageSource) -> ImageSource:
        """Return a displayed image. That of a widget or a chart is drawn now, if it can be.

        Raises:
            InputError: If there is no image of it.
        """
        if image.media_type and image.media_type != WIDGET:
            return image
        try:
            drawn = image_from_value(self._drawable(image), image.label, self._shell)
        except InputError as error:
            others = [other for other in self._log.images if other.media_type not in ("", WIDGET) and other.number < image.number]
            other = f" The newest image before it is plot:{others[-1].number}{_of_cell(others[-1])}." if others else ""
            raise InputError(f"{error}{other}") from error
        return replace(drawn, label=image.label, number=image.number, cell=image.cell, run=image.run, is_value=image.is_value)

    def _drawable(self, image: ImageSource) -> Any:
        """Return the widget that was displayed, or what the library of a chart makes of it."""
        if image.media_type == WIDGET:
            widget = widget_of(image.data.decode())
            if widget is None:
                raise InputError(f"{image.label} is a widget that was closed. Display it again, and then attach it.")
            return widget
        values = self._shell.user_ns.get("Out", {})
        exported = export(values[image.cell], image.label) if image.is_value and image.cell in values else None
        if exported is None:
            raise InputError(f"{image.label} is {image.refusal}. {image.remedy}".rstrip())
        return exported

    def show_open_figures(self) -> None:
        """Display the figures that this cell would display at its end, because `plot` includes them."""
        inline = sys.modules.get("matplotlib_inline.backend_inline")
        pyplot = sys.modules.get("matplotlib.pyplot")
        # A chat runs on another thread. There, this would take figures away from the cell that still plots them.
        in_cell = threading.current_thread() is threading.main_thread()
        if in_cell and inline is not None and pyplot is not None and pyplot.get_fignums():
            inline.flush_figures()

    def _value(self, number: int) -> list[ImageSource]:
        # Prefer the displayed image, because a figure may have changed since.
        shown = [image for image in self._log.of_cell(number) if image.is_value]
        if shown and shown[-1].media_type not in ("", WIDGET):
            return shown[-1:]
        values = self._shell.user_ns.get("Out", {})
        if number not in values:
            raise InputError(f"There is no Out[{number}].")
        return images_from_value(values[number], f"Out[{number}]", self._shell)

    def _files(self, spec: str) -> Iterator[ImageSource]:
        path = os.path.expanduser(spec)
        if glob.has_magic(spec) and not os.path.lexists(path):
            files = sorted(filter(os.path.isfile, glob.glob(path, recursive=True)))
            if not files:
                variable = spec.partition("[")[0]
                hint = (
                    f" For a part of {variable}, write the quotes of its key twice: -i \"{variable}['key']\"."
                    if variable in self._values
                    else ""
                )
                raise InputError(f"No file matches {spec}.{hint}")
            if len(files) > MAX_ATTACHED:
                raise InputError(f"{len(files)} files match {spec}. Attach at most {MAX_ATTACHED} images to a turn.")
            yield from (read_image(Path(path)) for path in files)
            return
        if spec.isidentifier() and not os.path.lexists(path):
            raise InputError(self._missing(spec, "variable and no file"))
        yield read_image(Path(path), spec)


def _of_cell(image: ImageSource) -> str:
    return f", of In[{image.cell}]" if image.cell else ""
