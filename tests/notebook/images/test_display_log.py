"""The memory of displayed images, and the size in which an image is sent."""

import base64
import gc
import io
import os
import sys
import tracemalloc
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import ipywidgets  # type: ignore[import-untyped]
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import Image as Displayed
from IPython.display import clear_output, display, update_display
from PIL import Image, ImageFile

from codex_jupyter import InputError
from codex_jupyter._image_formats import SVG_TYPE
from codex_jupyter.notebook.images.attach import attach
from codex_jupyter.notebook.images.display_log import DisplayLog
from codex_jupyter.notebook.images.from_value import image_from_value, is_image
from codex_jupyter.notebook.images.resize import MAX_THUMBNAIL_BYTES, fit
from codex_jupyter.notebook.images.source import PLOTLY, VEGA_HTML, VEGA_LITE, ImageSource, image_of
from codex_jupyter.notebook.images.spec import ImageFinder
from codex_jupyter.notebook.workspace.written_images import ImageFiles


@pytest.fixture
def log(shell: InteractiveShell) -> Iterator[DisplayLog]:
    log = DisplayLog(shell, max_images=50, max_bytes=1_000_000)
    log.start()
    yield log
    log.stop()


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def noise(width: int, height: int) -> Image.Image:
    return Image.frombytes("RGB", (width, height), os.urandom(3 * width * height))


def test_ten_thousand_distinct_images_take_no_more_memory_than_a_few(shell: InteractiveShell, log: DisplayLog) -> None:
    """The oldest are forgotten by number and by bytes; nothing grows with what was displayed."""
    publish = shell.display_pub.publish

    def show(count: int) -> int:
        for _ in range(count):
            publish({"image/png": base64.b64encode(os.urandom(40_000)).decode()})
            assert shell.history_manager is not None
            shell.history_manager.outputs.clear()  # outside of a kernel, IPython keeps everything itself
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        early = show(500)
        late = show(9_500)
    finally:
        tracemalloc.stop()
    assert log.shown == 10_000
    assert len(log.images) == 25
    assert log.size == 25 * 40_000
    assert late - early < 200_000


def test_an_image_that_is_shown_again_is_kept_once(shell: InteractiveShell, log: DisplayLog) -> None:
    """Both places are known, the bytes are one object."""
    for _ in range(3):
        shell.display_pub.publish({"image/png": base64.b64encode(b"same").decode(), "text/plain": "x"})
    assert [picture.number for picture in log.images] == [1, 2, 3]
    assert len({id(picture.data) for picture in log.images}) == 1
    assert log.size == 4
    assert [picture.number for picture in log.newest(5)] == [3]


def test_the_data_of_an_image_larger_than_the_bound_is_not_kept(shell: InteractiveShell, log: DisplayLog) -> None:
    """It would push out all others. It is refused when it is named."""
    shell.display_pub.publish({"image/png": b"small"})
    shell.display_pub.publish({"image/png": bytes(1_000_001)})
    assert [picture.data for picture in log.images] == [b"small", b""]
    assert log.images[1].refusal.startswith("an image of 1,000,001 bytes")


def test_an_update_replaces_what_it_updates(shell: InteractiveShell, log: DisplayLog) -> None:
    """Only the last state of a progress image is shown, so only that is remembered."""
    first, second = png(Image.new("L", (1, 1))), png(Image.new("L", (2, 2)))
    shell.run_cell("1")
    display(Displayed(data=first), display_id="it")
    for _ in range(30):
        update_display(Displayed(data=second), display_id="it")
    assert [picture.data for picture in log.images] == [second]
    update_display("text", display_id="it")
    assert log.images == []


def test_a_cleared_output_widget_has_no_images_and_others_keep_theirs(shell: InteractiveShell, log: DisplayLog) -> None:
    """The callback of a slider often clears its widget with `wait=True`."""
    first, second = ipywidgets.Output(), ipywidgets.Output()

    def show(widget: ipywidgets.Output, color: str, *, clear: bool = False) -> None:
        widget.msg_id = "run"  # as in its `with` block
        if clear:
            clear_output(wait=True)
        display(Displayed(png(Image.new("RGB", (2, 2), color))))
        widget.msg_id = ""

    display(Displayed(png(Image.new("RGB", (2, 2), "white"))))
    show(first, "red")
    show(second, "lime")
    show(first, "blue", clear=True)
    assert [opened(image.data).getpixel((0, 0)) for image in log.images] == [(255, 255, 255), (0, 255, 0), (0, 0, 255)]
    first.msg_id = "run"
    clear_output()
    first.msg_id = ""
    assert [opened(image.data).getpixel((0, 0)) for image in log.images] == [(255, 255, 255), (0, 255, 0)]


def test_images_have_the_number_of_their_cell(shell: InteractiveShell, log: DisplayLog) -> None:
    """Numbers are those of `In[...]`; of a cell that ran with a number again, the last run counts."""
    shell.run_cell("from IPython.display import display, Image", store_history=True)
    shell.user_ns["one"], shell.user_ns["two"] = Displayed(data=png(Image.new("L", (1, 1)))), Displayed(data=png(Image.new("L", (2, 2))))
    shell.run_cell("display(one)\ndisplay(two)", store_history=True)
    number = len(shell.user_ns["In"]) - 1
    assert [picture.cell for picture in log.images] == [number, number]
    assert len(log.of_cell(number)) == 2


def test_what_cannot_be_read_is_displayed_nevertheless(
    shell: InteractiveShell, log: DisplayLog, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is refused when it is named."""
    shell.display_pub.publish({"image/png": 42, "text/plain": "shown all the same"})
    assert "shown all the same" in capsys.readouterr().out
    assert [picture.refusal for picture in log.images] == ["an image or chart with damaged data, of which the kernel has no image"]


def test_a_later_wrapper_of_the_same_method_keeps_working(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    """Ours then stays in the chain and does nothing."""
    log = DisplayLog(shell)
    log.start()
    ours, seen = shell.display_pub.publish, []

    def theirs(data: Any, *args: Any, **kwargs: Any) -> None:
        seen.append(data)
        ours(data, *args, **kwargs)

    shell.display_pub.publish = theirs  # type: ignore[method-assign]
    log.stop()
    shell.display_pub.publish({"image/png": b"x", "text/plain": "still"})
    del shell.display_pub.publish
    assert len(seen) == 1
    assert log.images == []
    assert "still" in capsys.readouterr().out


PLOTLY_FIGURE = b'{"data": [{"y": [1]}], "layout": {"title": "t"}}'


@pytest.mark.parametrize(
    ("bundle", "expected"),
    [
        ({"text/plain": "x", "text/html": "<b>x</b>"}, None),
        ({"image/png": "AAAA", "image/jpeg": b"j"}, (b"\0\0\0", "image/png")),
        ({"image/svg+xml": "<svg/>", "image/png": b"p"}, (b"p", "image/png")),
        ({"image/svg+xml": "<svg/>"}, (b"<svg/>", SVG_TYPE)),
        ({PLOTLY: {"data": []}, "text/html": "<div>"}, (b'{"data": []}', PLOTLY)),
        ({"application/vnd.vegalite.v6+json": {"mark": "bar"}}, (b'{"mark": "bar"}', VEGA_LITE)),
        (
            {"text/html": '<script>a.newPlot(1); Plotly.newPlot(  "x",\n [{"y": [1]}],  {"title": "t"}, {})</script>'},
            (PLOTLY_FIGURE, PLOTLY),
        ),
        ({"text/html": "&lt;script&gt;vegaEmbed(); Plotly.newPlot()"}, None),
        ({"text/html": "<script>vegaEmbed()</script>"}, (b"<script>vegaEmbed()</script>", VEGA_HTML)),
    ],
)
def test_the_image_of_a_bundle_is_its_best_format(bundle: dict[str, Any], expected: tuple[bytes, str] | None) -> None:
    """Raster before SVG before what must be drawn."""
    assert image_of(bundle) == expected


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_an_image_that_fits_is_sent_byte_for_byte(kind: str) -> None:
    """Nothing is encoded anew that need not be."""
    data = encoded(Image.new("RGB", (40, 30), "teal"), kind)
    sent = fit(image_from_value(data, "it"))
    assert sent.input.data == data
    assert sent.input.media_type == f"image/{kind.lower()}"
    assert sent.thumbnail.caption == f"it · 40 x 30 px · {len(data)} B"


def test_the_first_frame_of_an_animation_is_sent() -> None:
    """And the caption says so."""
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    sent = fit(image_from_value(data, "it"))
    assert sent.input.media_type == "image/png"
    assert opened(sent.input.data).convert("RGB").getpixel((4, 4)) == (255, 0, 0)
    assert "first of 3 frames" in sent.thumbnail.caption


def test_a_photograph_is_turned_upright() -> None:
    """As every viewer shows it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    sent = fit(image_from_value(encoded(Image.new("RGB", (40, 20)), "JPEG", exif=exif), "it"))
    assert opened(sent.input.data).size == (20, 40)


def test_what_is_scaled_stands_on_white() -> None:
    """Where it was transparent; its aspect stays."""
    image = Image.new("RGBA", (4000, 1000), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 2000, 1000))
    sent = fit(image_from_value(png(image), "it"), max_side=400)
    small = opened(sent.input.data)
    assert small.size == (400, 100)
    assert small.mode == "RGB"
    assert small.getpixel((50, 50)) == (255, 0, 0)
    assert small.getpixel((350, 50)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_an_image_of_too_many_bytes_is_scaled_in_its_own_format(kind: str) -> None:
    """Until it fits; noise is the worst case for all of them."""
    sent = fit(image_from_value(encoded(noise(600, 400), kind), "it"), max_bytes=40_000)
    assert len(sent.input.data) <= 40_000
    small = opened(sent.input.data)
    assert small.format == kind
    assert small.width > 30
    assert small.width / small.height == pytest.approx(1.5, abs=0.05)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F", "HSV", "YCbCr"])
def test_every_mode_of_a_pil_image_is_attached(mode: str) -> None:
    """Also when it must be scaled."""
    image = Image.new(mode, (64, 32)) if mode != "P" else Image.new("RGB", (64, 32), "red").quantize(4)
    assert opened(fit(image_from_value(image, "it"), max_side=16).input.data).size == (16, 8)


def test_a_thumbnail_is_small() -> None:
    """Also of noise, which nothing can compress."""
    for image in (noise(1000, 1000), noise(3000, 20), noise(1, 1), Image.new("RGBA", (500, 500))):
        thumbnail = fit(image_from_value(png(image), "it")).thumbnail
        assert len(base64.b64decode(thumbnail.url.partition(",")[2])) <= MAX_THUMBNAIL_BYTES


def test_an_image_that_would_fill_the_memory_is_refused() -> None:
    """A small file can stand for gigabytes of pixels."""
    bomb = encoded(Image.new("1", (9_001, 10_000)), "PNG")
    with pytest.raises(InputError, match="has more than 90,000,000 pixels"):
        fit(image_from_value(bomb, "it"))


def test_more_images_than_a_turn_takes_are_refused() -> None:
    """Before anything is drawn or sent."""
    with pytest.raises(InputError, match="21 images are too many"):
        attach(ImageSource(bytes([number]), "image/png") for number in range(21))


def test_only_an_unmistakable_mention_is_an_image(shell: InteractiveShell) -> None:
    """Nothing of the value is called, so that a mention has no side effects."""
    import numpy as np

    class Loud:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(name)

    class Shown:
        def _repr_png_(self) -> bytes:
            raise AssertionError

    assert is_image(Image.new("L", (1, 1)))
    assert is_image(np.zeros((2, 2, 3), dtype=np.uint8))
    assert is_image(Shown())
    assert is_image(io.BytesIO(png(Image.new("L", (1, 1)))))
    for module in ("bokeh.plotting._figure", "plotnine.ggplot", "holoviews.element.chart", "folium.folium", "matplotlib.animation"):
        assert is_image(type("Chart", (), {"__module__": module, "__getattr__": Loud.__getattr__})()), module
    assert not is_image(type("ColumnDataSource", (), {"__module__": "bokeh.models.sources"})())
    assert not is_image(io.BytesIO(b"text"))
    for value in (Loud(), np.zeros((2, 2)), np.zeros((2, 2, 3)), "a.png", b"text", 3, None, [], [1], type):
        assert not is_image(value)
    assert "PIL" in {name.partition(".")[0] for name in sys.modules}


@pytest.mark.parametrize(
    ("prompt", "names"),
    [
        ("@fig", 1),
        ("(@fig)", 1),
        ("see @fig.", 1),
        ("@fig's shape", 1),
        ("me@fig", 0),
        ("@@fig", 0),
        ("x.@fig", 0),
        ("`@fig`", 0),
        ("@fig and @fig", 2),
        ("é@fig", 0),
        ("@fig.register", 0),
        ("@fig/core", 0),
        ("see `a` and @fig, `b`", 1),
        ("`x @fig`", 0),
        ("``a ` @fig``", 0),
        ("```python\n@fig\ndef f(): ...\n```\nand @fig", 1),
        ("~~~\n@fig\n~~~", 0),
        ("```\n@fig, never closed", 0),
        ("don't ` @fig", 1),
        ("@fig:2", 1),
        ("この@fig、", 1),
        ("看@fig", 1),
        ("图@图", 1),
        ("@é and @fig", 2),
    ],
)
def test_a_mention_starts_and_ends_at_word_boundaries(shell: InteractiveShell, log: DisplayLog, prompt: str, names: int) -> None:
    """It stands by itself."""
    shell.user_ns |= dict.fromkeys(("fig", "图", "é"), Image.new("L", (1, 1)))
    assert len(ImageFinder(shell, log).mentioned(prompt)) == names


def test_a_mention_of_a_part_is_that_part(shell: InteractiveShell, log: DisplayLog) -> None:
    """Not the whole variable. A part that does not exist is refused if the variable is an image, and is text otherwise."""
    import numpy as np

    reds, photo = [Image.new("L", (1, 1), grey) for grey in (1, 2, 3)], np.zeros((2, 2, 3), np.uint8)
    shell.user_ns |= {"reds": reds, "by_name": {"a b": reds[2]}, "rows": [1, 2], "i": 1, "photo": photo, "fig": reds[0]}
    finder = ImageFinder(shell, log)

    def greys(prompt: str) -> list[object]:
        return [opened(image.data).getpixel((0, 0)) for image in finder.mentioned(prompt)]

    assert greys("see @reds[1].") == [2]
    assert greys("@reds[i], @reds[-1] and @by_name['a b']") == [2, 3, 3]
    assert greys("@reds[1:]") == [2, 3]
    assert greys("@reds [1]") == [1, 2, 3]
    assert greys("@photo[0]") == [0]
    assert greys("@rows[0] @rows[7] @by_name['c'] @by_name @rows") == []
    for prompt, message in {"@reds[7]": "IndexError", "@fig[0]": "TypeError", "@reds[unknown]": r"No file matches reds\[unknown\]"}.items():
        with pytest.raises(InputError, match=message):
            finder.mentioned(prompt)


def test_a_number_of_any_length_is_the_number_of_a_plot(shell: InteractiveShell, log: DisplayLog) -> None:
    """A mention with a long number is refused, and is not the newest plot."""
    shell.display_pub.publish({"image/png": base64.b64encode(png(Image.new("L", (1, 1)))).decode()})
    shell.user_ns["plot"] = Image.new("L", (1, 1))
    finder = ImageFinder(shell, log)
    assert len(finder.mentioned("@plot:1")) == 1
    for number in ("12345678", "9" * 30):
        with pytest.raises(InputError, match=f"There is no (file )?plot:{number}"):
            finder.mentioned(f"@plot:{number}")


def test_a_key_without_its_quotes_is_refused_with_the_way_to_write_it(shell: InteractiveShell, log: DisplayLog) -> None:
    """A line is split like one of a shell, which removes the quotes."""
    shell.user_ns["figures"] = {"a": Image.new("L", (1, 1))}
    with pytest.raises(InputError, match=r"""No file matches figures\[a\].*: -i "figures\['key'\]"\."""):
        ImageFinder(shell, log).find("figures[a]")


@pytest.mark.parametrize("prompt", ["@figure", "why is @figs red?", "(@Fig)"])
def test_an_unknown_name_in_a_mention_is_refused(shell: InteractiveShell, log: DisplayLog, prompt: str) -> None:
    """With the name that may be meant; the names of Python are text."""
    shell.user_ns["fig"] = Image.new("L", (1, 1))
    finder = ImageFinder(shell, log)
    with pytest.raises(InputError, match=r"There is no variable \w+. Did you mean fig\? If it is not an image, write `@\w+` as code"):
        finder.mentioned(prompt)
    assert finder.mentioned("@property, @staticmethod") == []


def test_written_images_are_decoded_up_to_a_number_of_pixels_in_all(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest are shown. Of the others, and of a huge one, the name and the reason are shown, and their pixels are not decoded."""
    monkeypatch.setattr("codex_jupyter.notebook.workspace.written_images.MAX_ALL_PIXELS", 25_000)
    monkeypatch.setattr("codex_jupyter.notebook.workspace.written_images.MAX_SHOWN_PIXELS", 20_000)
    decoded: list[int] = []
    load = ImageFile.ImageFile.load

    def count(self: ImageFile.ImageFile) -> Any:
        decoded.append(self.width * self.height)
        return load(self)

    monkeypatch.setattr(ImageFile.ImageFile, "load", count)
    files = ImageFiles(tmp_path, tmp_path)
    files.remember()
    for number, side in enumerate([100, 200, 100, 100]):
        path = tmp_path / f"{number}.png"
        path.write_bytes(png(Image.new("L", (side, side))))
        os.utime(path, (number, number))
    shown = files.written()
    assert [thumbnail.url != "" for thumbnail in shown] == [False, False, True, True]
    assert shown[0].caption.endswith("not shown: the shown images of a turn have at most 25,000 pixels")
    assert "not shown: has more than 20,000 pixels" in shown[1].caption
    assert set(decoded) == {10_000}


def test_images_in_the_state_of_programs_are_not_shown(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook in the home folder must not show images of `~/.codex`, of other hidden folders, or of CODEX_HOME under another name."""
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "state"))
    files = ImageFiles(tmp_path, tmp_path)
    files.remember()
    for folder in (".codex/plugins", ".cache", "state/cache", "plots", "state 2", "."):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "a.png").write_bytes(png(Image.new("L", (1, 1))))
    assert sorted(thumbnail.path for thumbnail in files.written()) == ["a.png", "plots/a.png", "state 2/a.png"]


def test_of_a_folder_that_is_too_large_nothing_is_shown(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than everything that could not be looked at before the turn."""
    monkeypatch.setattr("codex_jupyter.notebook.workspace.written_images.MAX_FILES", 3)
    files = ImageFiles(tmp_path, tmp_path)
    for number in range(5):
        (tmp_path / f"{number}.png").write_bytes(png(Image.new("L", (1, 1))))
    files.remember()
    (tmp_path / "new.png").write_bytes(png(Image.new("L", (1, 1))))
    assert files.written() == ()


def test_what_a_turn_wrote_is_shown_with_a_harmless_link(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name does not matter. There is no link outside of the notebook's folder. Without a library, the page converts an SVG."""
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    files, elsewhere = ImageFiles(tmp_path, tmp_path), ImageFiles(tmp_path, tmp_path / "deeper")
    files.remember()
    elsewhere.remember()
    names = ["a b.png", 'x"onerror=alert(1) .png', "javascript:alert(1).png", "ü.svg"]
    for name in names[:3]:
        (tmp_path / name).write_bytes(png(Image.new("L", (1, 1))))
    (tmp_path / names[3]).write_text("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")
    written = files.written()
    assert sorted(image.path for image in written) == sorted(names)

    from codex_jupyter.notebook.render import TurnInfo, footer_bundle
    from codex_jupyter.sdk import Turn

    html = footer_bundle(Turn(thread_id="t", status="completed"), TurnInfo(written=written))["text/html"]
    assert 'href="./a%20b.png"' in html
    assert 'href="./javascript%3Aalert%281%29.png"' in html
    assert 'href="javascript' not in html
    assert "<svg" not in html
    assert "data:image/svg+xml;base64," in html
    names_of_attributes = set[str]()
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: names_of_attributes.update(name for name, _ in attrs)  # type: ignore[method-assign]
    parser.feed(html)
    assert names_of_attributes <= {"class", "style", "src", "alt", "href", "target", "rel"}
    assert {image.path for image in elsewhere.written()} == {""}
