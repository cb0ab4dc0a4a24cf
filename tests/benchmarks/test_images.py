"""Processor time to attach an image of 24 megapixels, as a ratio to a floor: Pillow scales it once and encodes it once."""

import io
import zlib
from functools import partial
from typing import Any

import numpy as np
import pytest
from PIL import Image

from codex_jupyter.notebook.images.from_value import image_from_value
from codex_jupyter.notebook.images.resize import MAX_SIDE, fit
from tests.benchmarks.test_rendering import milliseconds, table

pytestmark = pytest.mark.benchmark
HEIGHT, WIDTH = 4_000, 6_000


def arrays() -> dict[str, Any]:
    """Arrays of 24 megapixels: a plot with flat areas, and a photograph with noise."""
    generator = np.random.default_rng(0)
    flat = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    flat[500:3_500:100, 300:5_700] = (31, 119, 180)
    noise = generator.normal(0, 6, (HEIGHT, WIDTH, 3)) + np.linspace(0, 240, WIDTH)[None, :, None]
    photograph = noise.clip(0, 255).astype(np.uint8)
    return {
        "plot, uint8": flat,
        "photograph, uint8": photograph,
        "photograph, float": photograph / np.float32(255),
        "mask, bool": flat[..., 0] > 99,
    }


def attach(value: Any) -> int:
    return len(fit(image_from_value(value, "image")).input.data or b"")


def scale_and_encode(value: Any) -> int:
    pixels = Image.fromarray(value)
    pixels = pixels.resize((MAX_SIDE, round(MAX_SIDE * HEIGHT / WIDTH)), Image.Resampling.BILINEAR, reducing_gap=1.1)
    pixels.save(file := io.BytesIO(), "PNG", compress_type=zlib.Z_RLE)
    return len(file.getvalue())


def test_processor_time_to_attach_24_megapixels() -> None:
    """The goal is 0.5 s of one processor, and about as much as the floor."""
    values = arrays()
    cost = partial(milliseconds, times=3)
    floors = {name: cost(partial(scale_and_encode, value)) for name, value in values.items() if name.endswith("uint8")}
    rows = [("array", "KB sent", "ms", "floor ms", "ratio")]
    for name, value in values.items():
        spent = cost(partial(attach, value))
        floor = floors.get(name, floors["photograph, uint8"])
        rows.append((name, f"{attach(value) / 1000:,.0f}", f"{spent:.0f}", f"{floor:.0f}", f"{spent / floor:.2f}"))
    table("Attaching an array of 4,000 x 6,000 pixels", rows)
