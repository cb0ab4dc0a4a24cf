"""Find the figure that a displayed widget shows."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

Shows: TypeAlias = Callable[[Mapping[str, Any]], Sequence[Any]]
"""Returns what the display of a MIME bundle shows, as `ImageSource`."""
WIDGET: Final = "application/vnd.jupyter.widget-view+json"
"""A widget that shows a figure. The data is the id of its model, because a widget changes while it is displayed."""

_CONTROLS: Final = (
    "codex_jupyter", "ipyaggrid", "ipydatagrid", "ipyevents", "ipyfilechooser", "ipysheet", "ipytree", "ipyvue", "ipyvuetify", "ipywidgets",
    "itables", "qgrid", "sidecar",
)  # fmt: skip
"""Packages whose widgets are controls, tables or containers, except those of `_MEDIA`."""
_BASES: Final = tuple(f"ipywidgets.widgets.{name}" for name in ("widget", "domwidget", "valuewidget", "widget_core"))
"""Modules of the base classes of all widgets."""
_MEDIA: Final = ("Image", "Video")
_WITH_CONTENT: Final = (*_MEDIA, "HTML", "Output")
"""Classes of ipywidgets that can contain an image."""
_DEPTH: Final = 8
"""Maximum number of containers around a figure."""


def widget_of(model_id: str) -> Any | None:
    """Return the open widget with an id. None if there is none."""
    module = sys.modules.get("ipywidgets.widgets.widget")
    return getattr(module, "_instances", {}).get(model_id)


def shown_figure(model_id: str, shows: Shows) -> Any | None:
    """Return the widget with a figure that a displayed widget is or contains. Of several, the last one. None if it shows controls only."""
    widget = widget_of(model_id)
    return None if widget is None else _figure(widget, _DEPTH, shows)


def media_name(value: Any) -> str:
    """Return `Image`, `Video`, `HTML` or `Output` for such a widget of ipywidgets or of a subclass. Empty for anything else."""
    classes = [cls for cls in type(value).__mro__ if str(cls.__module__).startswith("ipywidgets.")]
    return next((cls.__name__ for cls in classes if cls.__name__ in _WITH_CONTENT), "")


def contents(output_widget: Any, shows: Shows) -> list[Any]:
    """Return what an `Output` widget shows. Its outputs come from the page, or from code that has set them."""
    outputs = [output.get("data") for output in output_widget.outputs if isinstance(output, Mapping)]
    return [source for data in outputs if isinstance(data, Mapping) for source in shows(data)]


def _figure(widget: Any, depth: int, shows: Shows) -> Any | None:
    modules = [str(cls.__module__) for cls in type(widget).__mro__]
    is_control = any(module.partition(".")[0] in _CONTROLS and module not in _BASES for module in modules)
    name = media_name(widget)
    if not is_control or name in _MEDIA or (name == "HTML" and shows({"text/html": str(widget.value)})):
        return widget
    if name == "Output":
        shown = contents(widget, shows)
        inner = shown[-1].data.decode() if shown and shown[-1].media_type == WIDGET else ""
        return widget_of(inner) or (widget if shown else None)
    if depth == 0:
        return None
    children = reversed(list(getattr(widget, "children", ())))
    return next((figure for child in children if (figure := _figure(child, depth - 1, shows)) is not None), None)
