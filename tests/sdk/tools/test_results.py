"""Results of tools as texts and images for the model."""

import io
import json
import math
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
from PIL import Image
from pydantic import BaseModel

from codex_jupyter.sdk import ImageInput, LocalImageInput
from codex_jupyter.sdk.tools import ImagePart, TextPart, ToolLimits, ToolOutput
from codex_jupyter.sdk.tools.results import MAX_ENTRIES, NOTHING, cut, to_parts, within_limits

LIMITS = ToolLimits(max_rows=2, max_columns=2, max_text=200, max_images=2, max_image_bytes=500)


def png(color: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), color).save(buffer, "PNG")
    return buffer.getvalue()


class Model(BaseModel):
    name: str


@dataclass
class Data:
    number: int


def text_of(value: Any) -> str:
    (part,) = to_parts(value, LIMITS)
    assert isinstance(part, TextPart)
    return part.text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, NOTHING),
        ("é", "é"),
        ({"a": [1, 2.5, None, math.inf]}, '{"a":[1,2.5,null,Infinity]}'),
        (Model(name="x"), '{"name":"x"}'),
        ([Model(name="x"), Data(3)], '[{"name":"x"},{"number":3}]'),
        ({Path("/a"): {1}}, '{"/a":[1]}'),
        (np.float64(0.5), "0.5"),
        ({"array": np.arange(3)}, '{"array":[0,1,2]}'),
    ],
)
def test_values_become_text_or_json(value: Any, text: str) -> None:
    assert text_of(value) == text


def test_a_value_without_a_json_form_is_its_repr_in_short() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert text_of(loop) == "[[...]]"
    assert len(text_of(np.zeros(100_000))) < 3_000
    assert "object at" in json.loads(text_of({"a": object()}))["a"]
    assert text_of({"raw": b"\xff"}).startswith("{'raw'")


def test_a_generator_is_a_list_of_its_first_entries_because_it_may_have_no_end() -> None:
    assert text_of(number for number in range(3)) == "[0,1,2]"
    endless = text_of({"rows": count()})
    assert len(json.loads(endless)["rows"]) == MAX_ENTRIES + 1
    listed, note = to_parts(count(), ToolLimits())
    assert isinstance(listed, TextPart)
    assert isinstance(note, TextPart)
    assert json.loads(listed.text)[-1] == MAX_ENTRIES - 1
    assert "has more" in note.text
    image, text = to_parts((part for part in (Image.new("L", (2, 2)), "caption")), ToolLimits())
    assert isinstance(image, ImagePart)
    assert isinstance(text, TextPart)


@pytest.mark.parametrize("mode", ["1", "L", "P", "PA", "RGBa", "CMYK", "YCbCr", "HSV", "LAB", "I;16"])
def test_an_image_of_each_mode_with_colours_is_sent(mode: str) -> None:
    (part,) = to_parts(Image.new(mode, (2, 2)), ToolLimits())
    assert isinstance(part, ImagePart)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_an_image_of_numbers_is_refused_with_the_remedy(mode: str) -> None:
    with pytest.raises(ValueError, match=f"mode {mode}.*Convert it"):
        to_parts(Image.new(mode, (2, 2)), ToolLimits())


def test_a_data_frame_is_its_size_and_its_first_rows_and_columns() -> None:
    frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y,z", "w"], "c": [0, 0, 0]})
    assert text_of(frame) == 'DataFrame, 3 rows x 3 columns, the first 2 rows, the first 2 columns, as CSV:\n,a,b\n0,1,x\n1,2,"y,z"\n'
    assert text_of(frame["a"].head(1)) == "DataFrame, 1 rows, as CSV:\n,a\n0,1\n"


def test_a_frame_without_an_index_is_written_by_its_own_method() -> None:
    class Frame:
        """A frame in the form of polars."""

        shape = (3, 2)
        columns = ("a", "b")

        def head(self, rows: int) -> "Frame":
            return self

        def select(self, names: list[str]) -> "Frame":
            return self

        def write_csv(self) -> str:
            return "a,b\n1,2\n"

    assert text_of(Frame()) == "Frame, 3 rows x 2 columns, the first 2 rows, as CSV:\na,b\n1,2\n"


def test_images_in_all_forms_are_images_alone_and_in_lists(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png())

    class Shown:
        def _repr_png_(self) -> bytes:
            return png()

    images = [png(), bytearray(png()), ImageInput(data=png()), LocalImageInput(path=path), Image.new("RGB", (4, 4), "red"), Shown()]
    for value in [*images, (png(), "image/png")]:
        assert to_parts(value, LIMITS) == [ImagePart(png(), "image/png")]
    parts = to_parts(["before", *images, {"after": 1}], LIMITS)
    assert [type(part) for part in parts] == [TextPart, *[ImagePart] * len(images), TextPart]
    assert parts[-1] == TextPart('{"after":1}')


def test_a_figure_is_a_png() -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots()
    for value in (figure, axes):
        (part,) = to_parts(value, LIMITS)
        assert isinstance(part, ImagePart)
        assert part.media_type == "image/png"


def test_bytes_need_a_type_that_the_model_can_receive() -> None:
    assert to_parts((b"a,b", "text/csv"), LIMITS) == [TextPart("a,b")]
    assert to_parts((b"{}", "application/json; charset=utf-8"), LIMITS) == [TextPart("{}")]
    for value in (b"abc", (b"abc", "application/zip"), (b"abc", "image/png")):
        with pytest.raises(ValueError, match=r"3 bytes of .* Return a text"):
            to_parts(value, LIMITS)


def test_the_notebooks_own_conversion_is_asked_first() -> None:
    parts = [TextPart("converted")]
    assert to_parts(3, LIMITS, lambda value: parts if value == 3 else None) == parts
    assert to_parts(4, LIMITS, lambda value: parts if value == 3 else None) == [TextPart("4")]


def test_texts_are_cut_in_the_middle_by_bytes_and_never_within_a_character() -> None:
    for text in ("é" * 5_000, "🎉" * 3_000, "a" * 9_999 + "\ud800"):
        short = cut(text, 300)
        assert len(short.encode()) <= 300
        assert "bytes are left out" in short
    assert cut("é" * 10, 20) == "é" * 10


def test_a_result_stays_within_the_limits_and_says_what_is_left_out() -> None:
    large = ImagePart(b"x" * 501, "image/png")
    small = ImagePart(png(), "image/png")
    parts = within_limits([TextPart("a" * 150), large, small, small, small, TextPart("b" * 500), TextPart("c" * 50)], LIMITS)
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    assert sum(isinstance(part, ImagePart) for part in parts) == 1
    assert "501 bytes is left out" in "".join(texts)
    assert texts[-1] == "[2 more images are left out: at most 2 are sent]"
    assert sum(len(text) for text in texts if "image" not in text) <= 200


def test_secrets_are_removed_before_a_text_is_cut() -> None:
    secret = "k" * 100
    parts = within_limits([TextPart("a" * 150 + secret)], LIMITS, lambda text: text.replace(secret, "***"))
    assert parts == (TextPart("a" * 150 + "***"),)


def test_the_reply_has_images_for_direct_models_and_a_note_in_code_mode() -> None:
    output = ToolOutput((TextPart("seen"), ImagePart(b"data", "image/png")))
    url = "data:image/png;base64,ZGF0YQ=="
    assert output.reply() == {
        "contentItems": [{"type": "inputText", "text": "seen"}, {"type": "inputImage", "imageUrl": url}],
        "success": True,
    }
    note = "[image 1 of 1: image/png, it follows this output as an input image]"
    assert output.reply(in_script=True)["contentItems"] == [{"type": "inputText", "text": "seen"}, {"type": "inputText", "text": note}]
    assert output.injected() == [{"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": url}]}]
    assert ToolOutput((TextPart("seen"),)).injected() == []
    assert ToolOutput(()).reply()["contentItems"] == [{"type": "inputText", "text": ""}]
