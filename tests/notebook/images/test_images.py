"""Images of the notebook as input: displayed in every way, they reach the model as the user saw them."""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from codex_jupyter.testing import ScriptedModel, shell
from codex_jupyter.testing.script import Script
from tests.notebook.conftest import Execution, Kernel

Scripted = Callable[[Script], ScriptedModel]

SETUP = """
%matplotlib inline
import io
import matplotlib.pyplot as plt, numpy as np, pandas as pd, seaborn as sns
from PIL import Image as PIL
from IPython.display import Image, SVG, display, update_display
def picture(colour, kind="PNG", size=(40, 30)):
    file = io.BytesIO()
    PIL.new("RGB", size, colour).save(file, kind)
    return file.getvalue()
"""
SVG_TEXT = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"><rect width="40" height="30" fill="#00ff00"/></svg>'

WAYS = {
    "a figure flushed at the end of the cell": "plt.plot([1, 3, 2])\nNone",
    "a figure shown by plt.show": "plt.plot([1, 2, 3]); plt.show()\nNone",
    "a figure that is displayed": "fig, ax = plt.subplots(); ax.plot([3, 2]); display(fig); plt.close(fig)",
    "a figure as the value of the cell": "fig, ax = plt.subplots(); ax.plot([5, 2]); plt.close(fig); fig",
    "a figure at the resolution of the screen": (
        "%config InlineBackend.figure_formats = ['retina']\nplt.plot([1, 6]); plt.show()\n%config InlineBackend.figure_formats = ['png']"
    ),
    "a figure as JPEG": (
        "%config InlineBackend.figure_formats = ['jpeg']\nplt.plot([1, 7]); plt.show()\n%config InlineBackend.figure_formats = ['png']"
    ),
    "a plot of seaborn": "sns.histplot(x=[1, 1, 2, 3])\nNone",
    "a plot of pandas": "pd.Series([1, 4, 2]).plot()\nNone",
    "a PIL image as the value": "PIL.new('RGB', (20, 10), 'red')",
    "a PIL image that is displayed": "display(PIL.new('RGB', (20, 10), 'blue'))",
    "an Image from bytes": "Image(data=picture('green'))",
    "a JPEG": "Image(data=picture('green', 'JPEG'), format='jpeg')",
    "a GIF": "Image(data=picture('green', 'GIF'), format='gif')",
    "an object with _repr_png_": "class Shown:\n    def _repr_png_(self): return picture('yellow')\nShown()",
    "an object with _repr_jpeg_": "class Shown:\n    def _repr_jpeg_(self): return picture('yellow', 'JPEG')\nShown()",
    "an object with a mime bundle": (
        "class Shown:\n    def _repr_mimebundle_(self, **_): return {'image/png': picture('pink'), 'text/plain': 'x'}\nShown()"
    ),
    "a picture updated in place": "h = display(Image(data=picture('black')), display_id='it')\nh.update(Image(data=picture('white')))",
    "a figure in a cell that fails": "plt.plot([9, 8]); plt.show()\n1 / 0",
    "a figure of an async cell": "import asyncio\nawait asyncio.sleep(0)\nplt.plot([1, 2, 4]); plt.show()",
    "a picture displayed by another thread": (
        "import threading, contextvars\nrun = contextvars.copy_context().run\n"
        "t = threading.Thread(target=run, args=(display, PIL.new('RGB', (5, 5), 'navy')))\nt.start(); t.join()"
    ),
}


@pytest.fixture
def kernel(kernel: Kernel) -> Kernel:
    """The kernel as if it had shown nothing yet."""
    kernel.execute("%reload_ext codex_jupyter\n%config CodexMagics.context = 'none'")
    return kernel


@pytest.fixture(scope="module")
def shared_kernel(shared_kernel: Kernel) -> Kernel:
    assert shared_kernel.execute(SETUP).error is None
    return shared_kernel


def displayed(execution: Execution) -> list[bytes]:
    """Return the images that a front end shows in the end."""
    values = [message["content"]["data"] for message in execution.messages if message["msg_type"] == "execute_result"]
    images = []
    for bundle in [*execution.outputs.values(), *values]:
        data = next((bundle[kind] for kind in ("image/png", "image/jpeg", "image/gif") if kind in bundle), None)
        if data is not None:
            images.append(base64.b64decode(data))
    return images


def same_pixels(image: bytes, other: bytes) -> bool:
    first, second = (Image.open(io.BytesIO(data)).convert("RGBA") for data in (image, other))
    return first.size == second.size and ImageChops.difference(first, second).getbbox(alpha_only=False) is None


@pytest.mark.parametrize("way", WAYS)
def test_what_was_displayed_reaches_the_model(kernel: Kernel, scripted: Scripted, way: str) -> None:
    """The pixels of the data URL are those on screen; a PNG or JPEG is the same file, byte for byte."""
    model = scripted(["Seen."])
    shown = displayed(kernel.execute(WAYS[way]))
    assert shown
    asked = kernel.execute("%%codex\nwhat is @plot?")
    assert asked.error is None
    sent = model.requests[-1].images
    assert len(sent) == 1
    assert same_pixels(sent[0].data, shown[-1])
    if shown[-1][:4] != b"GIF8":  # the CLI itself makes PNG of it
        assert sent[0].data == shown[-1]
    assert model.requests[-1].prompt.strip() == "what is @plot?"
    assert "[Image #1]: " in str(model.requests[-1].input)


def test_a_chart_reaches_the_model_as_its_library_draws_it(kernel: Kernel, scripted: Scripted) -> None:
    """Altair shows a page, Plotly a description: both are drawn when they are sent, whether displayed or named."""
    model = scripted(["Seen."] * 4)
    assert (
        kernel.execute("import altair as alt\nchart = alt.Chart(pd.DataFrame({'a': [1, 2]})).mark_bar().encode(x='a')\nchart").error is None
    )
    assert kernel.execute("import plotly.graph_objects as go\nfigure = go.Figure(go.Bar(y=[1, 2]))\nfigure").error is None
    # Where the page does not know the type, as in Colab, the figure is a page of its own.
    assert kernel.execute("go.Figure(go.Bar(y=[3, 2, 1])).show('notebook_connected')").error is None
    for prompt in ("%codex see @plot:-3", "%codex -i chart see", "%codex see @plot:-2", "%codex see @plot"):
        asked = kernel.execute(prompt)
        assert asked.error is None, asked.error
        assert "drawn as PNG" in asked.text
        (sent,) = model.requests[-1].images
        with Image.open(io.BytesIO(sent.data)) as image:
            colours = image.convert("RGB").getcolors(100_000)
        assert len(colours or ()) > 5  # bars and axes, not a blank page


def test_an_svg_is_drawn_as_it_looks(kernel: Kernel, scripted: Scripted) -> None:
    """The model does not accept SVG. It receives an image with the same colour."""
    model = scripted(["Seen."])
    kernel.execute(f"SVG({SVG_TEXT!r})")
    asked = kernel.execute("%codex what is @plot?")
    assert asked.error is None
    (sent,) = model.requests[-1].images
    with Image.open(io.BytesIO(sent.data)) as image:
        assert image.convert("RGB").getpixel((image.width // 2, image.height // 2)) == (0, 255, 0)


def test_every_form_of_a_spec_names_its_images(kernel: Kernel, scripted: Scripted, tmp_path: Path) -> None:
    """By age, by number, by cell, by value, by variable, by a part of one, by file and by pattern."""
    model = scripted(["Seen."] * 20)
    kernel.execute("for colour in ('red', 'green', 'blue'): display(Image(data=picture(colour)))")
    in_cell = kernel.execute("get_ipython().displayhook.prompt_count")
    cell = int(in_cell.value or 0) - 1
    kernel.execute("Image(data=picture('white'))")
    kernel.execute(
        "photo, folder = PIL.new('RGB', (9, 9), 'gold'), '.'\nphoto.save('a.png'); photo.rotate(90).resize((8, 8)).save('b, c.png')"
    )
    kernel.execute("array, rgb = np.zeros((7, 5)), np.full((4, 6, 3), 255, dtype=np.uint8)")
    kernel.execute("figure, axes = plt.subplots(1, 2); axes[0].plot([1]); plt.close(figure); data = picture('cyan')")
    kernel.execute("from types import SimpleNamespace as N\nnamed = {'a b': photo}; held = N(grid=np.array([[None, data]])); key = 'a b'")
    wanted = {
        "plot": ["white"],
        "plot:-2": ["blue"],
        "plots:3": ["green", "blue", "white"],
        f"cell:{cell}": ["red", "green", "blue"],
        f"out:{cell + 2}": ["white"],
        "photo": ["gold"],
        "a.png": ["gold"],
        "*.png": ["gold", "gold"],
        "'b, c.png'": ["gold"],
        "array": ["black"],
        "rgb": ["white"],
        "data": ["cyan"],
        """'named["a b"]'""": ["gold"],
        "named[key]": ["gold"],
        "held.grid[-1,1]": ["cyan"],
    }
    for spec, colours in wanted.items():
        asked = kernel.execute(f"%codex -n -i {spec} what is it?")
        assert asked.error is None, (spec, asked.error)
        pixels = []
        for sent in model.requests[-1].images:
            with Image.open(io.BytesIO(sent.data)) as image:
                pixels.append(image.convert("RGB").getpixel((2, 2)))
        assert pixels == [Image.new("RGB", (1, 1), colour).getpixel((0, 0)) for colour in colours], spec
    for spec in ("figure", "axes", "axes[1]", "axes[0].lines[0]"):
        assert kernel.execute(f"%codex -n -i {spec} what is it?").error is None


def test_what_the_cell_is_about_to_show_is_the_newest_plot(kernel: Kernel, scripted: Scripted) -> None:
    """A figure drawn above the magic in the same cell would be shown at the cell's end only."""
    model = scripted(["Seen."])
    done = kernel.execute("plt.plot([4, 4, 1])\nget_ipython().run_line_magic('codex', 'why does @plot fall?')")
    assert done.error is None
    assert model.requests[-1].images[0].data == displayed(done)[0]


def test_several_images_are_sent_with_their_names(kernel: Kernel, scripted: Scripted) -> None:
    """The agent learns which is which. An image that is named twice is sent once."""
    model = scripted(["Seen."])
    kernel.execute("one, two = PIL.new('RGB', (3, 3), 'red'), PIL.new('RGB', (3, 3), 'blue')")
    done = kernel.execute("%codex -i one -i two -i one compare @two with @one")
    request = model.requests[-1]
    assert len(request.images) == 2
    assert "[Image #1]: one\n[Image #2]: two" in json.dumps(request.input).replace("\\n", "\n")
    assert "one · 3 x 3 px" in done.text
    assert done.html.count("<img") == 2


def test_a_mention_is_an_image_only_if_it_is_unmistakable(kernel: Kernel, scripted: Scripted) -> None:
    """Addresses, decorators and other variables stay text, and `none` lets everything be text. An unknown name is refused."""
    model = scripted(["ok"] * 3)
    kernel.execute("table, number = pd.DataFrame({'a': [1]}), 3\nImage(data=picture('red'))")
    done = kernel.execute("%%codex\nask me@plot, @table, @number, `@nobody` and `@plot` about @property")
    assert done.error is None
    assert model.requests[-1].images == []
    refused = kernel.execute("%codex what is @tabel?")
    assert refused.error == "InputError: @tabel: There is no variable tabel. If it is not an image, write `@tabel` as code, in backticks."
    assert len(model.requests) == 1
    kernel.execute("%config CodexMagics.attach_plots = 'none'")
    kernel.execute("%codex what is @plot, @nobody?")
    assert len(model.requests) == 2
    kernel.execute("%config CodexMagics.attach_plots = 'mentioned'")
    assert model.requests[-1].images == []


def test_new_images_can_be_sent_automatically(kernel: Kernel, scripted: Scripted) -> None:
    """With `new`, what was shown since the thread's last turn; nothing twice."""
    model = scripted(["ok"] * 3)
    kernel.execute("%config CodexMagics.attach_plots = 'new'")
    kernel.execute("display(Image(data=picture('red')), Image(data=picture('tan')))")
    counts = []
    for _ in range(2):
        kernel.execute("%codex and now?")
        counts.append(len(model.requests[-1].images))
    kernel.execute("Image(data=picture('navy'))")
    kernel.execute("%codex and now?\n%config CodexMagics.attach_plots = 'mentioned'")
    assert [*counts, len(model.requests[-1].images)] == [2, 0, 1]


@pytest.mark.parametrize(
    ("setup", "spec", "message"),
    [
        ("x = plt.figure(); plt.close(x)", "x", "x is a blank figure. Plot something on it first."),
        ("x = plt.figure(); x.add_subplot().plot([1]); x.clf(); plt.close(x)", "x", "x is a blank figure. Plot something on it first."),
        ("x = np.zeros(5)", "x", "x is an array of 5. An image must be height x width, or height x width x 3 or 4."),
        ("x = np.zeros((5, 5, 2))", "x", "x is an array of 5 x 5 x 2. An image must be height x width, or height x width x 3 or 4."),
        ("x = np.zeros((0, 5))", "x", "x is an array of 0 x 5. An image must be height x width, or height x width x 3 or 4."),
        ("x = np.zeros((5, 5), dtype=int)", "x", "x is an array of int64. An image must have uint8, or floats from 0 to 1."),
        ("x = np.full((5, 5), np.nan)", "x", "x has values that are NaN or infinite. An image must have floats from 0 to 1."),
        ("x = np.full((5, 5), 255.0)", "x", "x has values from 255 to 255. An image must have floats from 0 to 1, or uint8."),
        ("x = pd.DataFrame()", "x", "x is a DataFrame of pandas, not an image."),
        ("x = b''", "x", "x is empty."),
        ("x = b'hello'", "x", "x is not an image of a supported format"),
        ("x = picture('red')[:60]", "x", "x is damaged"),
        ("x = PIL.new('RGB', (0, 0))", "x", "x is an empty image: 0 x 0 pixels."),
        ("x = plt.figure(); x.text(0, 0, r'$\\\\nope{$'); plt.close(x)", "x", "x cannot be drawn: ValueError"),
        ("open('notes.png', 'w').write('text')", "notes.png", "notes.png is not an image of a supported format"),
        ("", "missing.png", "There is no file missing.png."),
        ("", "plt.gcf", "plt.gcf is a function, not an image."),
        ("", "plt.gcf()", "There is no file plt.gcf()."),
        (
            "x = [picture('red')]",
            "x[7]",
            "There is no file x[7], and it cannot be evaluated as a part of a variable",
        ),
        (
            "x = PIL.new('L', (1, 1))",
            "x.png",
            "There is no file x.png, and it cannot be evaluated as a part of a variable",
        ),
        ("", "no/*.png", "No file matches no/*.png."),
        ("", ".", "The file . cannot be read: Is a directory."),
        ("fig_of_it = PIL.new('L', (1, 1))", "fig_of_i", "There is no variable and no file fig_of_i. Did you mean fig_of_it?"),
        ("", "plot:99999", "There is no plot:99999"),
        ("", "cell:99999", "There is no cell:99999"),
        ("", "out:99999", "There is no Out[99999]."),
        ("", "plots", "plots needs a number: plots:3 for the newest three."),
        ("", "cell", "cell needs a number: cell:12 for In[12]."),
        ("Image(url='http://127.0.0.1:9/a.png')", "_", "_ shows an image of a web page"),
    ],
)
def test_what_cannot_be_attached_is_one_clear_line(kernel: Kernel, scripted: Scripted, setup: str, spec: str, message: str) -> None:
    """And the turn is not sent."""
    model = scripted(["never"])
    kernel.execute("Image(data=picture('red'))")
    assert kernel.execute(setup).error is None
    asked = kernel.execute(f"%codex -i {spec} what is it?")
    assert (asked.error or "").startswith(f"InputError: {message}")
    assert "\n" not in (asked.error or "")
    assert model.requests == []


def test_without_any_image_the_message_says_what_to_do(kernel: Kernel, scripted: Scripted) -> None:
    """Instead of sending a prompt about an image that does not exist."""
    model = scripted(["never"])
    asked = kernel.execute("%codex what is @plot?")
    assert asked.error == (
        "InputError: The notebook has displayed no image since the extension was loaded. Attach a figure instead: -i fig."
    )
    assert model.requests == []


@pytest.mark.parametrize(
    ("module", "code"), [("vl_convert", f"SVG({SVG_TEXT!r})"), ("kaleido", "import plotly.graph_objects as g\ng.Figure(g.Bar(y=[1]))")]
)
def test_without_the_library_that_draws_it_the_message_names_it(kernel: Kernel, scripted: Scripted, module: str, code: str) -> None:
    """An SVG and a chart need one; nothing else does."""
    model = scripted(["never"])
    kernel.execute(f"{code}")
    kernel.execute(f"import sys; kept = sys.modules.get({module!r}); sys.modules[{module!r}] = None")
    asked = kernel.execute("%codex what is @plot?")
    kernel.execute(f"sys.modules.pop({module!r}) if kept is None else sys.modules.update({module}=kept)")
    library = module.replace("vl_convert", "vl-convert-python")
    assert (asked.error or "").endswith(f"can be attached when {library} is installed: `%pip install {library}`.")
    assert model.requests == []


def test_a_large_image_is_scaled_down_and_the_caption_says_so(kernel: Kernel, scripted: Scripted) -> None:
    """By the limits of the settings; its form and its format stay."""
    model = scripted(["ok", "ok"])
    kernel.execute(
        "big = PIL.effect_noise((3000, 1500), 90).convert('RGB')\nb = io.BytesIO(); big.save(b, 'JPEG', quality=95); photo = b.getvalue()"
    )
    done = kernel.execute("%codex -i photo what is it?")
    assert done.error is None
    (sent,) = model.requests[-1].images
    with Image.open(io.BytesIO(sent.data)) as image:
        assert (image.format, image.size) == ("JPEG", (2048, 1024))
    assert "2,048 x 1,024 px" in done.text
    assert "scaled from 3,000 x 1,500" in done.text
    kernel.execute("%config CodexMagics.max_image_bytes = 50_000\n%config CodexMagics.max_image_side = 500")
    kernel.execute(
        "%codex -n -i big what is it?\n%config CodexMagics.max_image_bytes = 5_000_000\n%config CodexMagics.max_image_side = 2048"
    )
    (sent,) = model.requests[-1].images
    assert len(sent.data) <= 50_000
    with Image.open(io.BytesIO(sent.data)) as image:
        assert image.format == "PNG"
        assert max(image.size) <= 500
        assert image.width == pytest.approx(2 * image.height, abs=2)


def test_a_figure_of_absurd_size_is_drawn_at_a_size_that_can_be_seen(kernel: Kernel) -> None:
    """At 12,000 pixels, and then at 120,000, which Matplotlib does not draw; its shape stays."""
    drawn = (
        "from codex_jupyter.notebook.images.from_value import image_from_value\n"
        "fig = plt.figure(figsize=(240, 24), dpi={dpi}); plt.plot([1, 2]); plt.close(fig)\n"
        "width, height = PIL.open(io.BytesIO(image_from_value(fig, 'fig', get_ipython()).data)).size\n"
        "6000 < width <= 8192 and 7 < width / height < 13"
    )
    assert kernel.execute(drawn.format(dpi=50)).value == "True"
    assert kernel.execute(drawn.format(dpi=500)).value == "True"


def test_the_thumbnail_is_small_and_the_image_is_not_saved_twice(kernel: Kernel, scripted: Scripted) -> None:
    """The output contains the thumbnail in its HTML and in the turn's JSON, and nowhere the whole image."""
    scripted(["ok"])
    kernel.execute("photo = PIL.effect_noise((800, 600), 90)\nb = io.BytesIO(); photo.save(b, 'PNG'); size = len(b.getvalue())")
    done = kernel.execute("%codex -i photo what is it?")
    size = int(kernel.execute("size").value or 0)
    assert size > 300_000
    assert sum(len(json.dumps(bundle)) for bundle in done.outputs.values()) < 100_000


def test_a_dry_run_lists_the_images(kernel: Kernel, scripted: Scripted) -> None:
    """With name, pixels and bytes."""
    model = scripted(["never"])
    kernel.execute("photo = PIL.new('RGB', (30, 20))")
    done = kernel.execute("%codex --dry-run -i photo what is it?")
    assert "The images:\nimage-1: photo · 30 x 20 px · " in done.text
    assert model.requests == []


def test_the_same_specs_work_in_python(kernel: Kernel) -> None:
    """`image` gives one, `images` all; a value needs no name."""
    kernel.execute("display(Image(data=picture('red')), Image(data=picture('tan')))")
    done = kernel.execute(
        "import codex_jupyter\n"
        "[codex_jupyter.image().data == picture('tan'), len(codex_jupyter.images('plots:2')), "
        "codex_jupyter.image(np.zeros((3, 3))).media_type, codex_jupyter.image(picture('red', 'JPEG')).media_type]"
    )
    assert done.value == "[True, 2, 'image/png', 'image/jpeg']"
    several = kernel.execute("codex_jupyter.image('plots:2')")
    assert "'plots:2' names 2 images. Use `images` to get all of them." in (several.error or "")


def test_figures_are_drawn_on_the_main_thread_only(kernel: Kernel) -> None:
    """Matplotlib is not made for threads; what was displayed can be had from everywhere."""
    kernel.execute("figure, _ = plt.subplots(); plt.close(figure)\nImage(data=picture('red'))")
    done = kernel.execute(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor() as pool:\n"
        "    print(pool.submit(codex_jupyter.image, 'plot').result().media_type)\n"
        "    print(pool.submit(codex_jupyter.image, figure).exception())"
    )
    assert "image/png" in done.text
    assert "Figures are drawn on the kernel's main thread" in done.text


def test_our_own_outputs_do_not_count_as_images(kernel: Kernel, scripted: Scripted) -> None:
    """A turn that shows thumbnails displays nothing that the next one would take for a plot."""
    scripted(["![](data:image/png;base64,AAAA)"])
    kernel.execute("photo = PIL.new('RGB', (30, 20))")
    assert kernel.execute("%codex -i photo what is it?").error is None
    assert "has displayed no image" in (kernel.execute("codex_jupyter.image('plot')").error or "")


def test_images_that_the_agent_wrote_are_shown(kernel: Kernel, scripted: Scripted, tmp_path: Path) -> None:
    """PNG, JPEG and SVG files of the working folder, with a link; not those that were there, nor what only has the name."""
    kernel.execute("PIL.new('RGB', (2000, 1000), 'red').save('old.png')\nPIL.new('RGB', (2000, 1000), 'teal').save('/dev/null', 'PNG')")
    write = (
        "python3 -c \"import base64; open('new plot.png','wb').write(open('old.png','rb').read()+b' ')\" && "
        f"mkdir -p sub && printf '%s' '{SVG_TEXT}' > sub/drawn.svg && echo text > fake.png"
    )
    scripted([[shell(write), "Done."]])
    done = kernel.execute("%codex -s danger-full-access plot it")
    assert done.error is None
    assert "written: new plot.png · 2,000 x 1,000 px" in done.text
    assert f"written: sub/drawn.svg · 40 x 30 px · {len(SVG_TEXT)} B" in done.text
    assert "old.png ·" not in done.text
    assert "fake.png ·" not in done.text
    assert 'href="./new%20plot.png"' in done.html


def test_completion_offers_what_exists(kernel: Kernel) -> None:
    """Specs of displayed images, variables that hold images, and files."""
    kernel.execute("photo, number = PIL.new('RGB', (3, 3)), 3\nphoto.save('saved.png')")
    kernel.execute("display(Image(data=picture('red')), Image(data=picture('tan')))")
    done = kernel.execute("print(list(get_ipython().magics_manager.registry['CodexMagics'].complete('%codex -i ')))")
    for offer in ("'plot'", "'plot:-2'", "'plots:2'", "'photo'", "'saved.png'"):
        assert offer in done.text
    assert "'number'" not in done.text


def test_unloading_releases_everything(kernel: Kernel) -> None:
    """The shell's own methods are as before, and no image stays in memory."""
    kernel.execute("import gc\nfrom codex_jupyter.notebook.images.source import ImageSource\nImage(data=picture('red'))")
    done = kernel.execute(
        "%unload_ext codex_jupyter\n"
        "gc.collect()\nip = get_ipython()\n"
        "left = [vars(ip.display_pub).get(name) for name in ('publish', 'clear_output')]\n"
        "left.append(vars(ip.displayhook).get('write_format_data'))\n"
        "print(left, sum(isinstance(one, ImageSource) for one in gc.get_objects()))"
    )
    kernel.execute("%load_ext codex_jupyter")
    assert done.text.strip() == "[None, None, None] 0"
