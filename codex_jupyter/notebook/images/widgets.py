"""Find the figure that a displayed widget shows."""

import sys
from typing import Any, Final

_CONTROLS: Final = (
    "codex_jupyter", "ipyaggrid", "ipydatagrid", "ipyevents", "ipyfilechooser", "ipysheet", "ipytree", "ipyvue", "ipyvuetify", "ipywidgets",
    "itables", "qgrid", "sidecar",
)  # fmt: skip
"""Packages whose widgets are controls, tables or containers, except those of `_MEDIA`."""
_BASES: Final = tuple(f"ipywidgets.widgets.{name}" for name in ("widget", "domwidget", "valuewidget", "widget_core"))
"""Modules of the base classes of all widgets."""
_MEDIA: Final = ("Image", "Video")
_DEPTH: Final = 8
"""Maximum number of containers around a figure."""


def widget_of(model_id: str) -> Any | None:
    """Return the open widget with an id. None if there is none."""
    module = sys.modules.get("ipywidgets.widgets.widget")
    return getattr(module, "_instances", {}).get(model_id)


def shown_figure(model_id: str) -> Any | None:
    """Return the widget with a figure that a displayed widget is or contains. Of several, the last one. None if it shows controls only."""
    widget = widget_of(model_id)
    return None if widget is None else _figure(widget, _DEPTH)


def media_name(value: Any) -> str:
    """Return `Image`, `Video` or `HTML` for such a widget of ipywidgets or of a subclass. Empty for anything else."""
    classes = [cls for cls in type(value).__mro__ if str(cls.__module__).startswith("ipywidgets.")]
    return next((cls.__name__ for cls in classes if cls.__name__ in (*_MEDIA, "HTML")), "")


def _figure(widget: Any, depth: int) -> Any | None:
    modules = [str(cls.__module__) for cls in type(widget).__mro__]
    is_control = any(module.partition(".")[0] in _CONTROLS and module not in _BASES for module in modules)
    name = media_name(widget)
    if not is_control or name in _MEDIA or (name == "HTML" and _shows_image(str(widget.value))):
        return widget
    if depth == 0:
        return None
    children = reversed(list(getattr(widget, "children", ())))
    return next((figure for child in children if (figure := _figure(child, depth - 1)) is not None), None)


def _shows_image(html: str) -> bool:
    from codex_jupyter.notebook.images.page import shown_in_html  # its parser is not needed to load the extension

    return bool(shown_in_html(html))
