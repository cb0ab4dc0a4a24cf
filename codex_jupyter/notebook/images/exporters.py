"""Draw charts that only a browser shows, if their own library can export them. Most libraries need Selenium and a browser for that."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from codex_jupyter.notebook.images.from_file import error_line
from codex_jupyter.sdk import InputError


class _Exporter(NamedTuple):
    """The export of a library.

    Attributes:
        module: Module of the base class of its charts, or a package around it.
        attribute: An attribute of those that can be exported. Empty for all.
        noun: A chart of the library.
        draw: Returns the bytes of an image, a PIL image, or a figure of another library.
    """

    module: str
    attribute: str
    noun: str
    draw: Callable[[Any], Any]


_CHARTS: Final = (
    *("bokeh.plotting", "bokeh.models.plots", "folium.folium", "holoviews.element", "holoviews.core.layout", "holoviews.core.overlay"),
    *("holoviews.core.spaces", "lets_plot.plot", "matplotlib.animation", "plotnine.ggplot", "pyecharts.charts"),
)
"""Modules with the classes of charts that no method such as `_repr_png_` marks as images."""


def is_chart(value: Any) -> bool:
    """Return True for a chart of a listed library, even if it cannot be drawn here. Runs no code of it."""
    modules = [f"{cls.__module__}." for cls in type(value).__mro__]
    return any(module.startswith(f"{charts}.") for module in modules for charts in _CHARTS)


def export(value: Any, name: str) -> Any | None:
    """Return a chart as its library exports it.

    Args:
        value: Anything.
        name: Its name in errors.

    Returns:
        The bytes of an image, a PIL image, or a figure of another library. None if the value is not a chart of a listed library.

    Raises:
        InputError: If the library cannot export it here.
    """
    modules = [str(cls.__module__) for cls in type(value).__mro__]
    for exporter in _EXPORTERS:
        if any(f"{module}.".startswith(f"{exporter.module}.") for module in modules) and hasattr(value, exporter.attribute or "__class__"):
            try:
                return exporter.draw(value)
            except Exception as error:  # of many types, such as for a missing browser
                problem = f"{name} is {exporter.noun}, and its library cannot draw it here: {error_line(error)}"
                raise InputError(f"{problem}. Attach a file of it.") from error
    return None


def _bokeh(value: Any) -> Any:
    from bokeh.io.export import get_screenshot_as_png

    return get_screenshot_as_png(value)


def _holoviews(value: Any) -> Any:
    import holoviews

    return holoviews.render(value)


_EXPORTERS: Final = (
    _Exporter("bokeh.model", "", "a Bokeh chart", _bokeh),
    _Exporter("holoviews", "", "a HoloViews plot", _holoviews),
    _Exporter("folium", "_to_png", "a Folium map", lambda value: value._to_png()),
    _Exporter("branca", "_to_png", "a map", lambda value: value._to_png()),
)
