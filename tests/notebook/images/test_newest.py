"""The newest plot is the one that the user saw last, also if there is no image of it: then it is refused, and no older one is sent."""

import base64
import html
import io
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import ipywidgets  # type: ignore[import-untyped]
import pytest
import traitlets
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import HTML, DisplayHandle, Image, Markdown, display
from PIL import Image as PIL

from codex_jupyter import InputError
from codex_jupyter.notebook.images.display_log import DisplayLog, display_own
from codex_jupyter.notebook.images.from_html import shown_in_html
from codex_jupyter.notebook.images.from_value import image_from_value
from codex_jupyter.notebook.images.resize import fit
from codex_jupyter.notebook.images.spec import ImageFinder
from codex_jupyter.testing import ScriptedModel
from codex_jupyter.testing.script import Script
from tests.notebook.conftest import Kernel

Scripted = Callable[[Script], ScriptedModel]


def raster(colour: str, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    PIL.new("RGB", (20, 10), colour).save(file, kind)
    return file.getvalue()


def url(data: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


RED, BLUE = raster("red"), raster("blue")
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"><rect width="40" height="30" fill="#00ff00"/></svg>'
CHART = b'<svg xmlns="http://www.w3.org/2000/svg" width="200" height="100" stroke-width="2"><rect/></svg>'
LEAFLET = (
    f'<div style="width:100%"><iframe srcdoc="{html.escape("<script>L.map(1)</script><link href=leaflet.css><div></div>")}"></iframe></div>'
)


@pytest.fixture
def log(shell: InteractiveShell) -> Iterator[DisplayLog]:
    log = DisplayLog(shell, max_bytes=100_000)
    log.start()
    display(Image(data=RED))
    yield log
    log.stop()


@pytest.fixture
def finder(shell: InteractiveShell, log: DisplayLog) -> ImageFinder:
    return ImageFinder(shell, log)


@pytest.fixture
def kernel(kernel: Kernel) -> Kernel:
    """Return the kernel as if it had displayed nothing yet."""
    kernel.execute("%reload_ext codex_jupyter\n%config CodexMagics.context = 'none'")
    return kernel


def test_a_chart_without_an_image_is_refused_and_no_older_plot_is_sent(kernel: Kernel, scripted: Scripted) -> None:
    """The message names the chart and its cell, and what can be attached. New plots that are attached by themselves follow the rule."""
    model = scripted(["Seen."] * 4)
    kernel.execute(f"from IPython.display import HTML, Image\nLEAFLET = {LEAFLET!r}")
    kernel.execute(f"Image(data={RED!r})")
    number = int(kernel.execute("display(HTML(LEAFLET))\nlen(In) - 1").value or 0)
    refused = kernel.execute("%codex what is @plot?")
    assert refused.error == (
        f"InputError: plot 2 of In[{number}] is a Leaflet or Folium map, of which the kernel has no image. Attach the object that draws "
        f"it by its variable (-i name), or a file (-i chart.png). The newest image before it is plot:1, of In[{number - 1}]."
    )
    for spec in ("-i plot", "-i plots:2", "-i plot:2", f"-i cell:{number}", "-i plot:-1"):
        assert "is a Leaflet or Folium map" in (kernel.execute(f"%codex {spec} see").error or ""), spec
    assert model.requests == []
    assert kernel.execute("%codex what is @plot:1?").error is None
    assert model.requests[-1].images[0].data == RED
    kernel.execute(f"display(Image(data={BLUE!r}), HTML(LEAFLET))")
    asked = kernel.execute("%config CodexMagics.attach_plots = 'new'\n%codex and now?\n%config CodexMagics.attach_plots = 'mentioned'")
    assert "Not attached: plot 4" in asked.text
    assert [image.data for image in model.requests[-1].images] == [BLUE]
    kernel.execute(f"HTML('<p>See: <img src=\"{url(RED)}\"></p>')")
    assert kernel.execute("%codex what is @plot?").error is None
    assert [image.data for image in model.requests[-1].images] == [RED]


IMAGES = {
    "a data URL in HTML": ({"text/html": f"<p>x <img alt='' src='{url(BLUE)}'></p>"}, BLUE),
    "a data URL without quotes": ({"text/html": f"<IMG SRC={url(BLUE)} width=10>"}, BLUE),
    "a data URL that is percent-encoded": ({"text/html": f'<img src="data:image/svg+xml,{quote(SVG)}">'}, SVG),
    "an SVG as text in a data URL": ({"text/html": f"<img src='data:image/svg+xml;utf8,{SVG.decode()}'>"}, SVG),
    "an SVG as a data URL": ({"text/html": f'<img src="{url(SVG, "image/svg+xml")}">'}, SVG),
    "an SVG as the page": ({"text/html": f"<div>\n{SVG.decode()}\n</div>"}, SVG),
    "a data URL of the wrong type": ({"text/html": f'<img src="{url(raster("blue", "GIF"), "image/png")}">'}, raster("blue", "GIF")),
    "the last of several": ({"text/html": f'<img src="{url(SVG, "image/svg+xml")}"><img src="{url(BLUE)}">'}, BLUE),
    "an image in a table": ({"text/html": f'<table><tr><td><img src="{url(BLUE)}"></table>'}, BLUE),
    "an image as a background": ({"text/html": f"<div style='background: url({url(BLUE)})'></div>"}, BLUE),
    "an image in an embedded page": ({"text/html": f'<iframe srcdoc="{html.escape(f"<img src={url(BLUE)}>")}"></iframe>'}, BLUE),
    "an SVG below a headline": ({"text/html": f"<h3>Title</h3>{CHART.decode()}<p>text <svg width='16' height='16'></svg></p>"}, CHART),
    "an image in an SVG": ({"text/html": f'<p>x</p><svg><image href="{url(BLUE)}"/></svg>'}, BLUE),
    "Markdown": ({"text/markdown": f"# Title\n![plot]({url(BLUE)} 'title')\ntext"}, BLUE),
    "HTML in Markdown": ({"text/markdown": f"# Title\n<img src='{url(BLUE)}'>"}, BLUE),
}  # fmt: skip


@pytest.mark.parametrize("what", IMAGES)
def test_data_urls_are_images(shell: InteractiveShell, finder: ImageFinder, what: str) -> None:
    bundle, expected = IMAGES[what]
    shell.display_pub.publish({"text/plain": "x", **bundle})
    [image] = finder.find("plot")
    assert image.data == expected
    assert "plot" in finder.offers()


@pytest.mark.timeout(20)
def test_a_page_with_a_great_many_svgs_takes_no_time() -> None:
    """The search is linear. A page can have any form."""
    icon = "<svg></svg>" * 10_000
    pages = {
        "<svg>" * 50_000: 0,
        "<svg>" * 50_000 + "</svg>": 1,
        f"<p>x</p>{icon}": 10_000,
        f"<p>x</p><svg width={' ' * 100_000}></svg>": 1,
    }
    assert [len(shown_in_html(page)) for page in pages] == [*pages.values()]


CHARTS = {
    "Bokeh": ({"application/javascript": "docs_json", "application/vnd.bokehjs_exec.v0+json": ""}, "a Bokeh chart"),
    "HoloViews": ({"text/html": "<div></div>", "application/vnd.holoviews_exec.v0+json": ""}, "a HoloViews or Panel plot"),
    "Folium": ({"text/html": LEAFLET}, "a Leaflet or Folium map"),
    "pyecharts": ({"text/html": "<script>require(['echarts'])</script><div id='x'></div>"}, "an ECharts chart"),
    "D3": ({"text/html": "<div id=a></div><script src='https://d3js.org/d3.v7.js'></script>"}, "a D3 chart"),
    "an unknown library": ({"text/html": "<canvas id=a></canvas><script>draw()</script>"}, "an interactive page"),
    "an animation": ({"text/html": "<div></div><script>a = new Animation(['data:image/png;'])</script>"}, "an animation of Matplotlib"),
    "a video": ({"text/html": "<video controls><source src='data:video/mp4;base64,AAAA'></video>"}, "a video"),
    "a video as a type of its own": ({"video/mp4": "AAAA"}, "an output of the type video/mp4"),
    "an embedded page": ({"text/html": "<iframe src='https://example.org/a.html'></iframe>"}, "the page https://example.org/a.html"),
    "an image of the web": ({"text/html": "<img src='https://example.org/a.png'/>"}, "an image of a web page (https://example.org/a.png)"),
    "a file": ({"text/html": "<img src='plots/a.png'/>"}, "the image file plots/a.png"),
    "a file in Markdown": ({"text/markdown": "![](plots/a.png)"}, "the image file plots/a.png"),
    "an attachment of a cell": ({"text/markdown": "![](attachment:a.png)"}, "an attachment of a cell (a.png)"),
    "Mermaid": ({"text/markdown": "```mermaid\ngraph TD\n```"}, "a Mermaid diagram"),
    "a script that draws": ({"application/javascript": "element.append('x')"}, "an output of a script"),
    "a map as data": ({"application/geo+json": {}, "text/plain": "x"}, "a map"),
    "another image type": ({"image/tiff": "AAAA"}, "an output of the type image/tiff"),
    "damaged data": ({"image/png": "A"}, "an image or chart with damaged data"),
    "a damaged data URL": ({"text/html": "<img src='data:image/png;base64,AAAA'>"}, "an image in an unsupported format or damaged"),
    "a page of Plotly that is cut": ({"text/html": "<script>Plotly.newPlot('a', [1"}, "an image or chart with damaged data"),
    "an image that is too large to record": ({"image/png": base64.b64encode(bytes(100_001)).decode()}, "an image of 100,001 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("what", CHARTS)
def test_a_chart_of_any_library_is_named_and_refused(shell: InteractiveShell, finder: ImageFinder, what: str) -> None:
    bundle, name = CHARTS[what]
    shell.display_pub.publish(bundle)
    with pytest.raises(InputError) as refused:
        finder.find("plot")
    message = str(refused.value)
    assert message.startswith(f"plot 2 is {name}")
    assert message.endswith("The newest image before it is plot:1.")
    assert "\n" not in message
    assert [image.data for image in finder.find("plot:1")] == [RED]
    assert finder.offers()[:1] == ["plot:-2"]


NOTHING = {
    "text": {"text/plain": "x"},
    "a table": {"text/html": "<style>td {color: red}</style><table><tr><td>1</table>"},
    "a table of Colab": {"text/html": "<div><table></table><button><svg></svg></button><script>convert()</script></div>"},
    "an estimator of scikit-learn": {"text/html": "<style></style><div class='sk-top-container'><svg></svg></div><script>copy()</script>"},
    "the fields of a Bokeh model": {"text/html": '<div style="display: table;"><div>figure</div></div><script>toggle()</script>'},
    "a loaded Bokeh": {"application/javascript": "element", "application/vnd.bokehjs_load.v0+json": "x"},
    "the logo of Bokeh": {"text/html": f"<style>.bk-notebook-logo {{background-image: url({url(BLUE)})}}</style><div>Loading</div>"},
    "a loaded HoloViews": {"text/html": "panel.models.browser.BrowserInfo", "application/vnd.holoviews_exec.v0+json": ""},
    "the logo of HoloViews": {"text/html": f'<div class="logo-block"><img src="{url(BLUE)}"></div>'},
    "a script without output": {"application/javascript": "require.config({})"},
    "a page with styles and scripts only": {"text/html": "<script>window.x = 1</script><style>a {}</style>"},
    "JSON": {"application/json": {"a": 1}},
    "Markdown": {"text/markdown": "# Title\n[link](a.png) `data:image/png;base64` text"},
    "an image in code in Markdown": {"text/markdown": "`![](a.png)` and ``![](b.png)``\n```python\nprint('![](c.png)')\n```"},
    "an icon": {"text/html": "<h3><svg width='1em' stroke-width='2'></svg> Title</h3>"},
    "LaTeX": {"text/latex": "$x$"},
}  # fmt: skip


@pytest.mark.parametrize("what", NOTHING)
def test_text_tables_and_loaders_are_not_plots(shell: InteractiveShell, finder: ImageFinder, what: str) -> None:
    shell.display_pub.publish(NOTHING[what])
    assert [image.data for image in finder.find("plot")] == [RED]


def test_outputs_of_this_package_are_not_plots(finder: ImageFinder) -> None:
    """Also those with a thumbnail."""
    display_own({"text/html": f'<section><img src="{url(BLUE)}"></section>', "text/plain": "x"})
    assert [image.data for image in finder.find("plot")] == [RED]


def test_a_chart_that_is_replaced_or_cleared_is_not_the_newest(finder: ImageFinder) -> None:
    handle: DisplayHandle = display(HTML(LEAFLET), display_id=True)
    with pytest.raises(InputError):
        finder.find("plot")
    handle.update(HTML("<b>closed</b>"))
    assert [image.data for image in finder.find("plot")] == [RED]


class Unknown(ipywidgets.DOMWidget):  # type: ignore[misc]
    """As a library of maps defines its widgets."""

    _view_name = traitlets.Unicode("View").tag(sync=True)


Unknown.__module__ = "ipymaps.widgets"


class Canvas(ipywidgets.DOMWidget):  # type: ignore[misc]
    """As in ipympl, whose widget has a figure."""

    _view_name = traitlets.Unicode("View").tag(sync=True)


Canvas.__module__ = "ipympl.backend_nbagg"


def test_a_widget_is_drawn_as_it_is_now(finder: ImageFinder) -> None:
    """Images, pages, figures of Plotly, Altair and ipympl, and containers with them. Controls are not plots."""
    import altair
    import plotly.graph_objects as plotly
    from matplotlib.figure import Figure

    shown = ipywidgets.Image(value=BLUE, format="png")
    box = ipywidgets.VBox([ipywidgets.IntSlider(), ipywidgets.HBox([shown, ipywidgets.Label("x")])])
    display(box)
    assert finder.find("plot")[0].data == BLUE
    shown.value = RED
    [image] = finder.find("plot")
    assert (image.data, image.label) == (RED, "plot 2")
    display(ipywidgets.HTML(f'<img src="{url(BLUE)}">'))
    assert finder.find("plot")[0].data == BLUE
    figure = plotly.FigureWidget()
    display(figure)
    figure.add_bar(y=[1, 3, 2])
    assert finder.find("plot")[0].media_type == "application/vnd.plotly.v1+json"
    assert b"bar" in finder.find("plot")[0].data
    chart: Any = altair.JupyterChart(altair.Chart(altair.InlineData([{"a": 1}])).mark_bar())
    display(chart)
    assert "vegalite" in finder.find("plot")[0].media_type
    canvas: Any = Canvas()
    canvas.figure = Figure()
    display(canvas)
    canvas.figure.subplots().plot([1, 2])
    assert finder.find("plot")[0].data[:4] == b"\x89PNG"
    display(ipywidgets.IntSlider())
    display(ipywidgets.VBox([ipywidgets.Output(), ipywidgets.HTML("<b>text</b>")]))
    assert finder.find("plot")[0].data[:4] == b"\x89PNG"


def outputs_with(*bundles: dict[str, Any]) -> Any:
    """Return an `Output` widget with outputs, as a page reports them, or as code sets them."""
    return ipywidgets.Output(outputs=tuple({"output_type": "display_data", "data": data, "metadata": {}} for data in bundles))


def test_what_an_output_widget_contains_is_displayed_with_it(shell: InteractiveShell, finder: ImageFinder) -> None:
    """Outputs that code has set were never displayed by themselves. Of several, the last one is meant."""
    png = {"image/png": base64.b64encode(BLUE).decode()}
    display(ipywidgets.Tab([ipywidgets.Label("x"), outputs_with({"text/plain": "x"}, png, {"text/plain": "y"}), ipywidgets.Output()]))
    assert finder.find("plot")[0].data == BLUE
    appended = ipywidgets.Output()
    appended.append_display_data(Image(RED))
    assert image_from_value(appended, "appended", shell).data == RED
    inner = ipywidgets.Image(value=RED)
    display(outputs_with(png, {"application/vnd.jupyter.widget-view+json": {"model_id": inner.model_id}}))
    assert finder.find("plot")[0].data == RED
    display(outputs_with({"text/html": LEAFLET}))
    with pytest.raises(InputError, match=r"plot 4 contains a Leaflet or Folium map, .*The newest image before it is plot:1"):
        finder.find("plot")
    with pytest.raises(InputError, match="empty is an Output widget without an image"):
        image_from_value(ipywidgets.Output(), "empty", shell)


@pytest.mark.parametrize(
    ("widget", "message"),
    [
        (Unknown, "plot 2 is an Unknown of ipymaps, not an image."),
        (lambda: ipywidgets.HBox([Unknown()]), "plot 2 is an Unknown of ipymaps, not an image."),
        (ipywidgets.Video, "plot 2 is a widget that does not contain an image."),
        (ipywidgets.Image, "plot 2 is a widget without an image."),
        (lambda: ipywidgets.Image(value=b"https://example.org/a.png", format="url"), "plot 2 is a widget that does not contain an image."),
        (lambda: ipywidgets.Image(value=b"damaged"), "plot 2 is not an image of a supported format."),
        (lambda: ipywidgets.HTML(LEAFLET), "plot 2 is a widget that does not contain an image."),
    ],
)
def test_a_widget_that_cannot_be_drawn_is_refused(finder: ImageFinder, widget: Callable[[], Any], message: str) -> None:
    display(widget())
    with pytest.raises(InputError) as refused:
        finder.find("plot")
    assert str(refused.value).startswith(message)
    assert str(refused.value).endswith("The newest image before it is plot:1.")


def test_a_closed_widget_is_refused(finder: ImageFinder) -> None:
    shown = ipywidgets.Image(value=BLUE)
    display(shown)
    shown.close()
    with pytest.raises(InputError, match="plot 2 is a widget that was closed"):
        finder.find("plot")


@pytest.fixture
def libraries(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Libraries whose charts only a browser draws, with their export."""

    def chart(module: str, **members: Any) -> Any:
        return type("Chart", (), {"__module__": module, "_repr_html_": lambda self: LEAFLET, **members})()

    def module(name: str, **members: Any) -> None:
        stand_in = types.ModuleType(name)
        vars(stand_in).update(members)
        monkeypatch.setitem(sys.modules, name, stand_in)

    def fail(_: object) -> None:
        raise RuntimeError("Export needs selenium\nand more\n")

    bokeh, figure = chart("bokeh.model.model"), chart("bokeh.model.model")
    module("bokeh")
    module("bokeh.io")
    module("bokeh.io.export", get_screenshot_as_png=lambda chart: PIL.new("RGB", (4, 4), "blue") if chart is bokeh else fail(chart))
    module("holoviews", render=lambda chart: chart.inner)
    return {
        "bokeh": bokeh,
        "figure": figure,
        "curve": chart("holoviews.element.chart", inner=bokeh),
        "area": chart("holoviews.element.chart", inner=figure),
        "map": chart("folium.folium", _to_png=lambda self: BLUE),
        "broken": chart("folium.folium", _to_png=lambda self: fail(self)),
        "marker": chart("folium.map"),
    }


@pytest.mark.parametrize("name", ["bokeh", "curve", "map"])
def test_a_chart_is_drawn_by_its_own_library(shell: InteractiveShell, finder: ImageFinder, libraries: dict[str, Any], name: str) -> None:
    """As a value that is named, and as the value of the newest cell."""
    image = PIL.open(io.BytesIO(fit(image_from_value(libraries[name], name, shell)).input.data)).convert("RGB")
    assert image.getpixel((1, 1)) == (0, 0, 255)
    shell.user_ns["value"] = libraries[name]
    shell.run_cell("value", store_history=True).raise_error()
    [drawn] = finder.find("plot")
    assert drawn.label == "plot 2 of In[1]"
    assert drawn.data[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("figure", "x is a Bokeh chart, and its library cannot draw it here: RuntimeError: Export needs selenium."),
        ("area", "x is a Bokeh chart, and its library cannot draw it here: RuntimeError: Export needs selenium."),
        ("broken", "x is a Folium map, and its library cannot draw it here: RuntimeError: Export needs selenium."),
        ("marker", "x shows a Leaflet or Folium map, of which the kernel has no image. Attach a file of it."),
    ],
)  # fmt: skip
def test_a_chart_that_its_library_cannot_draw_is_refused(
    shell: InteractiveShell, libraries: dict[str, Any], name: str, message: str
) -> None:
    with pytest.raises(InputError) as refused:
        image_from_value(libraries[name], "x", shell)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


def test_an_object_that_displays_a_page_with_an_image_can_be_named(shell: InteractiveShell) -> None:
    """One image is attached; of several, none is chosen."""
    assert image_from_value(HTML(f'<img src="{url(BLUE)}">'), "page", shell).data == BLUE
    assert image_from_value(Markdown(f"![]({url(BLUE)})"), "text", shell).data == BLUE
    with pytest.raises(InputError, match=r"page shows the image file a.png, .* Attach the file: -i a.png"):
        image_from_value(HTML('<img src="a.png">'), "page", shell)
    with pytest.raises(InputError, match=r"page shows an image of a web page \(https://example.org/a.png\)"):
        image_from_value(Image(url="https://example.org/a.png"), "page", shell)
    with pytest.raises(InputError, match="page displays 2 images"):
        image_from_value(HTML(f'<img src="{url(BLUE)}"><img src="{url(RED)}">'), "page", shell)
