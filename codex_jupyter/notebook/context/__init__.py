"""What the kernel tells the agent along with a prompt: variables, cells, outputs, the last error.

    collector.py   the part that others know: it watches, collects and remembers
    cells.py       the cells that ran, kept as they run
    spec.py        the words of `--context`
    collection.py  one collection, bounded in size and time
    values.py      a value -> text, without running code of the user's
    classes.py     what a value's class alone tells
    libraries.py   data frames, arrays and figures of known libraries
    mask.py        secrets -> ***
    clean.py       text that shows what it says
    model.py       the result, and the memory of what was sent

Loading the extension loads the first two; the rest is loaded when something is collected.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from codex_jupyter.notebook.context.collector import ContextCollector

if TYPE_CHECKING:
    from codex_jupyter.notebook.context.model import Context, ContextPart
    from codex_jupyter.notebook.context.spec import CellRange, Spec, parse_spec

__all__ = ["CellRange", "Context", "ContextCollector", "ContextPart", "Spec", "parse_spec"]

_HOMES: Final = {"CellRange": "spec", "Context": "model", "ContextPart": "model", "Spec": "spec", "parse_spec": "spec"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
