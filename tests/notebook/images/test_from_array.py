"""Images from memory are sent as they look, or are refused with the expression that converts them."""

import io
import tempfile
from collections.abc import Callable
from typing import Any

import ipywidgets  # type: ignore[import-untyped]
import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
from PIL import Image

from codex_jupyter import ImageInput, InputError
from codex_jupyter.notebook.images import from_array
from codex_jupyter.notebook.images.attach import attach
from codex_jupyter.notebook.images.from_array import image_of_array
from codex_jupyter.notebook.images.from_value import image_from_value, images_from_value, is_image
from codex_jupyter.notebook.images.resize import fit
from codex_jupyter.testing import ScriptedModel
from codex_jupyter.testing.script import Script
from tests.notebook.conftest import Kernel

GREY = np.array([[0, 128], [255, 1]], dtype=np.uint8)
RGB = np.dstack([GREY, GREY, GREY])
CLEAR = (255, 255, 255, 0)


class ArrayLike:
    """As a tensor of PyTorch or a labelled array of xarray."""

    def __init__(self, array: Any, error: Exception | None = None) -> None:
        self.array, self.error = array, error

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if self.error is not None:
            raise self.error
        return self.array


class Subclass(np.ndarray[Any, Any]):
    """As a quantity of astropy."""


def png(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (3, 2), colour).save(file, "PNG")
    return file.getvalue()


def sent(value: Any) -> Image.Image:
    return Image.open(io.BytesIO(fit(image_from_value(value, "x")).input.data))


SAME = {
    "uint8": GREY,
    "height x width x 1": GREY[..., None],
    "int64": GREY.astype(np.int64),
    "int16": GREY.astype(np.int16),
    "uint32, height x width x 1": GREY[..., None].astype(np.uint32),
    "float64": GREY / 255,
    "float32": (GREY / 255).astype(np.float32),
    "float16": (GREY / 255).astype(np.float16),
    "another byte order": (GREY / 255).astype(">f8"),
    "a matrix": GREY.view(np.matrix),
    "a subclass": GREY.view(Subclass),
    "an array that is masked nowhere": np.ma.masked_array(GREY, mask=False),
    "a part of an array": np.repeat(np.repeat(GREY, 2, 0), 2, 1)[::2, ::2],
    "a transposed array": np.asfortranarray(GREY),
    "a read-only array": np.broadcast_to(GREY, GREY.shape),
    "uint16": GREY.astype(np.uint16) * 257,
    "an object that converts itself": ArrayLike(GREY),
    "an object that converts itself to floats": ArrayLike((GREY / 255)[..., None]),
}


@pytest.mark.parametrize("what", SAME)
def test_an_array_of_any_type_is_sent_with_its_greys(what: str) -> None:
    image = sent(SAME[what])
    pixels = np.asarray(image).astype(int)
    assert (pixels // 257 if pixels.max() > 255 else pixels).tolist() == GREY.tolist()


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float64])
def test_colours_keep_their_channels(dtype: Any) -> None:
    colours = np.zeros((2, 2, 3), dtype=dtype)
    colours[..., 1] = 1.0 if dtype is np.float64 else 255
    assert sent(colours).getpixel((0, 0)) == (0, 255, 0)
    assert sent(np.dstack([colours, colours[..., 1]])).getpixel((0, 0)) == (0, 255, 0, 255)


def test_booleans_are_black_and_white() -> None:
    assert np.asarray(sent(GREY > 100)).tolist() == [[0, 255], [255, 0]]


MASKED = {
    "a mark": np.ma.masked_equal(GREY, 255),
    "a mark in floats": np.ma.masked_equal(np.array([[0, 0.5], [-9999, 1]]), -9999),
    "NaN": np.ma.masked_invalid(np.array([[0, 0.5], [np.nan, 1]])),
    "a mark in integers": np.ma.masked_less(np.array([[0, 128], [-1, 7]]), 0),
    "one channel of three": np.ma.masked_array(RGB, mask=RGB == 255),
    "uint16": np.ma.masked_equal(GREY.astype(np.uint16) * 257, 65535),
    "height x width x 1": np.ma.masked_equal(GREY, 255)[..., None],
}


@pytest.mark.parametrize("what", MASKED)
def test_hidden_elements_of_a_masked_array_are_not_sent(what: str) -> None:
    """They are transparent, and the hidden value is nowhere in the file."""
    image = sent(MASKED[what])
    assert image.mode == "RGBA"
    assert image.getpixel((0, 1)) == CLEAR
    assert image.getpixel((0, 0)) == (0, 0, 0, 255)
    assert image.getpixel((1, 0))[0] in (127, 128)  # type: ignore[index]


REFUSED = {
    "NaN": (np.array([[0.5, np.nan]]), "NaN or infinite. .* Attach np.ma.masked_invalid\\(x\\)"),
    "infinity": (np.array([[0.5, np.inf]]), "NaN or infinite"),
    "floats to 255": (GREY.astype(float), "values from 0 to 255. .* Attach x / 255."),
    "floats around 0": (np.array([[-1.0, 1.0]]), "values from -1 to 1. .* Scale it: \\(x - x.min\\(\\)\\) / np.ptp\\(x\\)."),
    "large integers": (np.array([[0, 4095]]), "integers from 0 to 4095. .* Scale it"),
    "negative integers": (np.array([[-5, 5]]), "integers from -5 to 5"),
    "a mask of integers": (np.array([[0, 1]]), "would be black. Attach x \\* 255, or x.astype\\(bool\\) for a mask."),
    "8 bits in uint16": (GREY.astype(np.uint16), "nearly black in 16 bits. Attach x.astype\\(np.uint8\\)."),
    "complex": (np.array([[1j]]), "array of complex128. .* np.abs\\(x\\)"),
    "dates": (np.array([["2024-01-01"]], dtype="M8[D]"), "array of datetime64"),
    "text": (np.array([["a"]]), "array of <U1"),
    "two channels": (np.zeros((5, 5, 2)), "5 x 5 x 2. .* Attach one channel: x\\[..., 0\\]."),
    "channels first": (np.zeros((3, 5, 6)), "3 x 5 x 6. .* np.moveaxis\\(x, 0, -1\\)"),
    "a batch": (np.zeros((2, 5, 6, 3)), "2 x 5 x 6 x 3. .* x\\[0\\]"),
    "one dimension": (np.zeros(5), "array of 5\\."),
    "no dimension": (np.array(0.5), "array of no dimension"),
    "empty": (np.zeros((0, 5)), "array of 0 x 5"),
    "an object that fails": (ArrayLike(0, TypeError("a GPU\nuse .cpu()")), "converted to an array: TypeError: a GPU."),
    "a table": (pd.DataFrame({"a": [0.5]}), "a DataFrame of pandas, not an image"),
    "a column": (pd.Series([0.5]), "a Series of pandas, not an image"),
    "an empty list": ([], "x is empty"),
    "a list of numbers": ([[0.1, 0.2]], "x\\[0\\]\\[0\\] is a float, not an image"),
    "a list with something else": ([GREY, 3], "x\\[1\\] is an int, not an image"),
    "too many images": ([GREY] * 21, "x has 21 elements. Attach at most 20 images to a turn, such as x\\[:20\\]."),
    "text in a buffer": (io.StringIO("text"), "x is not an image of a supported format"),
    "an empty buffer": (io.BytesIO(), "x is empty"),
    "an empty widget": (ipywidgets.Image(), "x is a widget without an image"),
    "a dict": ({"a": GREY}, "x is a dict, not an image"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_a_value_whose_colours_are_not_certain_is_refused_with_the_remedy(what: str) -> None:
    value, message = REFUSED[what]
    with pytest.raises(InputError, match=message) as refused:
        [fit(image) for image in images_from_value(value, "x")]
    assert "\n" not in str(refused.value)


def test_a_list_that_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert not is_image(endless)
    with pytest.raises(InputError, match=r"x\[0\]\[0\]\[0\] is a list in 3 others"):
        images_from_value(endless, "x")


def test_the_elements_of_a_list_are_images() -> None:
    """Of a list of axes, the figure once; of several figures, each."""
    from matplotlib.figure import Figure

    figures = [Figure(figsize=(2, 1)), Figure(figsize=(2, 1))]
    for figure in figures:
        figure.subplots(1, 2)[0].plot([1, 2])
    axes = figures[0].axes
    nested = np.empty((1, 2), dtype=object)
    nested[0, :] = axes
    counts = [
        len(images_from_value(value, "x"))
        for value in (
            [GREY, RGB],
            (png("red"), io.BytesIO(png("blue"))),
            axes,
            nested,
            (figures[0], axes),
            figures,
            [axes, figures[1].axes],
        )
    ]
    assert counts == [2, 2, 1, 1, 1, 2, 2]
    assert [image.label for image in images_from_value([GREY, [RGB]], "x")] == ["x[0]", "x[1][0]"]
    assert is_image(axes)
    assert is_image([png("red"), png("blue")])
    assert not is_image([1, 2])
    assert not is_image([])


def test_buffers_files_widgets_and_inputs_are_images() -> None:
    """A buffer is read from its start, and keeps its position."""
    buffer = io.BytesIO(png("red"))
    buffer.seek(0, io.SEEK_END)
    with tempfile.TemporaryFile() as file:
        file.write(png("red"))
        values = [buffer, io.BufferedReader(io.BytesIO(png("red"))), file, ipywidgets.Image(value=png("red")), ImageInput(data=png("red"))]
        assert {image_from_value(value, "x").data for value in values} == {png("red")}
    assert buffer.tell() == len(png("red"))
    with pytest.raises(InputError, match=r"x cannot be read: ValueError: .*closed file\. Attach its path"):
        image_from_value(file, "x")
    with tempfile.NamedTemporaryFile("w") as written, pytest.raises(InputError, match="open it with the mode 'rb'"):
        image_from_value(written, "x")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "La", "CMYK", "YCbCr", "HSV", "I;16", "I", "F"])
def test_a_large_image_of_any_mode_is_scaled(mode: str) -> None:
    """With its colour, although it is scaled before it is encoded."""
    large = Image.new("L", (2100, 70), 128)
    if mode in ("I;16", "I", "F"):
        scale = {"I;16": 257, "I": 257, "F": 1}[mode]
        image = Image.fromarray(np.asarray(large).astype({"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]) * scale)
    elif mode in ("RGBa", "La"):
        image = large.convert("RGBA" if mode == "RGBa" else "LA").convert(mode)
    elif mode == "PA":
        image = large.convert("P").convert(mode)
    else:
        image = (large.convert("RGB") if mode in ("CMYK", "YCbCr", "HSV", "RGBX") else large).convert(mode)
    attachment = fit(image_from_value(image, "x"))
    scaled = Image.open(io.BytesIO(attachment.input.data))
    assert scaled.size == (2048, 68)
    assert "scaled from 2,100 x 70" in attachment.thumbnail.caption
    expected = 255 if mode == "1" else 128
    shown = scaled.convert("RGB").getpixel((1000, 30))
    assert isinstance(shown, tuple)
    assert mode == "1" or all(abs(value - expected) <= 2 for value in shown)


class Lazy:
    """An object whose attributes cannot be read now, such as a proxy."""

    def __getattr__(self, name: str) -> None:
        raise RuntimeError(f"no {name} outside of a request")


class Anything:
    """An object that has every attribute, such as a proxy of a program on another machine."""

    def __getattr__(self, name: str) -> "Anything":
        return self

    def __call__(self, *args: object, **kwargs: object) -> "Anything":
        return self


@pytest.mark.parametrize("kind", [Lazy, Anything])
def test_any_error_of_the_code_of_a_value_is_one_line(kind: type) -> None:
    value = kind()
    with pytest.raises(InputError, match=r"of which no image can be made: \w+Error"):
        images_from_value(value, "v")


def test_a_large_image_is_scaled_first_and_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an array nor a PIL image is encoded in its full size, nor refused for it. Noise would exceed the limit of bytes."""
    encoded: list[int] = []
    save = Image.Image.save

    def count(self: Image.Image, *args: Any, **options: Any) -> None:
        encoded.append(self.width * self.height)
        save(self, *args, **options)

    monkeypatch.setattr(Image.Image, "save", count)
    limits: dict[str, int] = {"max_side": 1024, "max_bytes": 2_000_000}
    noise = np.random.default_rng(0).integers(0, 256, (1100, 2200, 3), dtype=np.uint8)
    for value in (noise, Image.fromarray(noise), np.zeros((9400, 9600), dtype=bool), np.ma.masked_less(noise[..., 0], 3)):
        encoded.clear()
        data = fit(image_from_value(value, "x"), **limits).input.data
        assert len(data) <= limits["max_bytes"]
        assert sum(encoded) < 1.2 * limits["max_side"] ** 2
        assert len([pixels for pixels in encoded if pixels > 500_000]) == 1
    assert len(attach([image_from_value(noise, "x"), image_from_value(noise.copy(), "y")], **limits)) == 1


def test_a_photograph_is_sent_as_jpeg_only_if_it_is_scaled_and_other_images_stay_exact() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (350, 2100, 3), dtype=np.uint8)
    plot = np.full((350, 2100, 3), 255, np.uint8)
    plot[50:300:25, 100:800] = (31, 119, 180)
    sides = (2000, 2100)
    kinds = [fit(image_from_value(value, "x"), max_side=side).input.media_type for value in (noise, plot) for side in sides]
    assert kinds == ["image/jpeg", "image/png", "image/png", "image/png"]


def test_wrong_floats_are_found_in_any_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows are checked in groups."""
    monkeypatch.setattr(from_array, "CHUNK", 8 * 3)
    for row in range(7):
        for value, reason in ((np.nan, "NaN"), (-0.1, "from -0.1 to 0.5"), (1.2, "from 0.5 to 1.2")):
            array = np.full((7, 3), 0.5)
            array[row, 1] = value
            with pytest.raises(InputError, match=reason):
                image_of_array(array, "x")


def test_images_in_memory_reach_the_model(kernel: Kernel, scripted: Callable[[Script], ScriptedModel]) -> None:
    """A masked array without its hidden values, all images of a list, a buffer, and a tensor; a failing representation is one line."""
    model = scripted(["Seen."] * 4)
    kernel.execute(
        "import io, numpy as np\nfrom PIL import Image as PIL\n"
        "class Broken:\n    def draw(self):\n        raise RuntimeError('no display\\nmore')\n"
        "    def _repr_png_(self):\n        return self.draw()\n"
        "    def _repr_mimebundle_(self, **_):\n        return self.draw()\n"
        "masked = np.ma.masked_equal(np.array([[0, 200]], dtype=np.uint8), 200)\n"
        "several = [PIL.new('RGB', (3, 3), colour) for colour in ('red', 'blue')]\n"
        "buffer = io.BytesIO(); several[0].save(buffer, 'PNG')"
    )
    assert kernel.execute("%codex -i masked see").error is None
    [image] = model.requests[-1].images
    assert np.asarray(Image.open(io.BytesIO(image.data))).tolist() == [[[0, 0, 0, 255], [255, 255, 255, 0]]]
    assert kernel.execute("%codex see @several").error is None
    assert len(model.requests[-1].images) == 2
    assert kernel.execute("%codex -i buffer see").error is None
    for refused in ("%codex -i broken see", "codex_jupyter.image(broken)"):
        error = kernel.execute(f"import codex_jupyter\nbroken = Broken()\n{refused}")
        line = "cannot be displayed: RuntimeError: no display."
        assert (error.error or "").splitlines()[-1].endswith(line), error.error
        assert "Traceback" not in error.text
    assert len((kernel.execute("%codex -i broken see").error or "").splitlines()) == 1
    assert len(model.requests) == 3
