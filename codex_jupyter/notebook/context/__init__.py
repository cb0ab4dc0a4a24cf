"""Context that the kernel sends with a prompt: variables, cells, outputs, the last error.

When the extension is loaded, only `collector` and `cells` are imported. The others are imported when context is collected.
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
