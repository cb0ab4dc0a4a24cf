"""Files and images of all kinds: what cannot be sent is refused in one line, and no file harms the kernel or reaches beyond itself."""

import base64
import http.server
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from PIL import Image

from codex_jupyter import InputError
from codex_jupyter.notebook.images.from_value import image_from_value
from codex_jupyter.notebook.images.resize import fit, thumbnail
from codex_jupyter.notebook.images.source import ImageSource
from codex_jupyter.notebook.workspace.written_images import ImageFiles
from tests.notebook.images.test_display_log import encoded, opened

XMLNS = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
GREEN = (0, 255, 0)


def shown_by(url: str) -> Image.Image:
    return opened(base64.b64decode(url.partition(",")[2]))


def svg(content: str, size: str = 'width="40" height="30"') -> str:
    return f"<svg {XMLNS} {size}>{content}</svg>"


def sent_of(text: str) -> Image.Image:
    return opened(fit(image_from_value(text.encode(), "it")).input.data).convert("RGBA")


@pytest.mark.integration
def test_an_svg_reaches_no_file_and_no_server(tmp_path: Path) -> None:
    """The file may be the agent's, and the kernel is not sandboxed. In a page, an image cannot reach anything either."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None: ...

    secret = tmp_path / "secret.png"
    Image.new("RGB", (9, 9), "red").save(secret)
    inside = base64.b64encode(encoded(Image.new("RGB", (9, 9), GREEN), "PNG")).decode()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        nested = base64.b64encode(svg(f'<image href="{url}/nested" width="9" height="9"/>').encode()).decode()
        links = (f"{url}/plain", str(secret), secret.as_uri(), f"data:image/svg+xml;base64,{nested}")
        images = [f'<image {name}="{link}" width="20" height="30"/>' for link in links for name in ("href", "xlink:href")]
        style = f"<style>@import url({url}/import); @font-face {{ font-family: x; src: url({url}/font) }} text {{ font-family: x }}</style>"
        drawn = sent_of(
            svg(f'{style}{"".join(images)}<text>x</text><image href="data:image/png;base64,{inside}" x="20" width="30" height="30"/>')
        )
        server.shutdown()
    assert asked == []
    assert drawn.getpixel((10, 40)) == (0, 0, 0, 0)
    assert drawn.getpixel((60, 30)) == (*GREEN, 255)  # what it holds itself is drawn


@pytest.mark.integration
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (svg("", 'width="1000000000" height="1"'), ""),
        (
            svg(
                '<pattern id="p" width="1e6" height="1e6" patternUnits="userSpaceOnUse"><rect width="9" height="9"/></pattern>'
                '<rect fill="url(#p)" width="1e7" height="1e7"/>'
            ),
            "",
        ),
        (
            f'<!DOCTYPE svg [<!ENTITY a0 "{"a" * 99}">'
            + "".join(f'<!ENTITY a{number} "{f"&a{number - 1};" * 10}">' for number in range(1, 9))
            + f"]>{svg('<text>&a8;</text>')}",
            "ParseError: limit on input amplification factor",
        ),
        ('<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + svg("<text>&x;</text>"), "ParseError: undefined entity"),
        ("<html><svg></svg></html>", "SVG file must have the xmlns attribute"),
        ("<svg", "ParseError: unclosed token"),
    ],
)
def test_an_svg_that_cannot_be_drawn_is_refused(text: str, message: str) -> None:
    """Also if rendering it here would end the kernel."""
    with pytest.raises(InputError, match=f"it cannot be converted: {message}") as error:
        fit(image_from_value(text.encode(), "it"))
    assert "\n" not in str(error.value)


@pytest.mark.integration
def test_an_svg_that_is_never_drawn_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a time."""
    monkeypatch.setattr("codex_jupyter.notebook.images.rasterize.SVG_PROGRAM", "import time; time.sleep(600)")
    monkeypatch.setattr("codex_jupyter.notebook.images.rasterize.SVG_SECONDS", 0.1)
    with pytest.raises(InputError, match=r"it cannot be converted: the conversion takes longer than 0.1 seconds\."):
        fit(image_from_value(svg("").encode(), "it"))


@pytest.mark.integration
@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ('width="40" height="30"', (80, 60)),
        ('width="40px" height="30px"', (80, 60)),
        ('width="1in" height="72pt"', (192, 192)),
        ('viewBox="0 0 50 40"', (100, 80)),
        ('viewBox="0,0,50,40" width="100%" height="100%"', (100, 80)),
        ('viewBox="0 0 50000 25000"', (2048, 1024)),
        ('width="100000" height="100000"', (2048, 2048)),
    ],
)
def test_an_svg_is_drawn_at_twice_its_size_as_far_as_that_is_sent(size: str, expected: tuple[int, int]) -> None:
    """Its declared size is ignored."""
    assert sent_of(svg('<rect width="100%" height="100%" fill="lime"/>', size)).size == expected


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize(
    ("mode", "value", "grey"), [("I;16", 40_000, 156), ("I;16B", 40_000, 156), ("I", 40_000, 156), ("F", 0.5, 128), ("F", 200.0, 200)]
)
def test_an_image_of_numbers_keeps_its_greys(mode: str, value: float, grey: int, scaled: bool) -> None:
    """Scientific images have 16 bits or are floats; cut off at 8 bits, they would be white."""
    sent = fit(image_from_value(Image.new(mode, (64, 32), value), "it"), max_side=16 if scaled else 2048)
    image, small = opened(sent.input.data), shown_by(sent.thumbnail.url)
    assert image.getpixel((3, 3)) in (grey, value)
    assert small.getpixel((3, 3)) == grey


def test_a_png_of_16_bits_is_sent_byte_for_byte_and_seen() -> None:
    """The thumbnail shows its greys."""
    data = encoded(Image.new("I;16", (64, 32), 40_000), "PNG")
    sent = fit(image_from_value(data, "it"))
    assert sent.input.data == data
    assert shown_by(sent.thumbnail.url).getpixel((3, 3)) == 156


@pytest.mark.parametrize(("mode", "value"), [("I", -1), ("I", 70_000), ("F", -0.5), ("F", 300.0), ("F", float("nan"))])
def test_an_image_of_numbers_that_are_not_grey_values_is_refused(mode: str, value: float) -> None:
    """The number that means white is unknown."""
    with pytest.raises(InputError, match=f"it has values from .* An image of mode {mode} must have values from 0 to"):
        fit(image_from_value(Image.new(mode, (4, 4), value), "it"))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
def test_a_damaged_file_is_one_line(kind: str) -> None:
    """Cut off anywhere, or with bytes changed, it is sent as far as it can be read, or refused; nothing else happens."""
    chance = random.Random(kind)  # noqa: S311 - the same damage each time
    image = Image.frombytes("RGB", (40, 30), chance.randbytes(40 * 30 * 3))
    data = encoded(image, kind, **({"save_all": True, "append_images": [image.rotate(90)]} if kind in ("GIF", "WEBP") else {}))
    damaged = [data[:length] for length in range(0, len(data), len(data) // 25)]
    for _ in range(60):
        changed = bytearray(data)
        for _ in range(chance.randint(1, 6)):
            changed[chance.randrange(len(data))] = chance.randrange(256)
        damaged.append(bytes(changed))
    messages = []
    for file in damaged:
        try:
            fit(image_from_value(file, "it"))
        except InputError as error:
            messages.append(str(error))
    assert messages
    assert not [message for message in messages if "\n" in message or "<" in message or not message.startswith("it ")]


def test_a_file_that_is_not_an_image_is_not_read(tmp_path: Path) -> None:
    """A pipe would wait for ever, a device would never end, and a data set of gigabytes is read for nothing."""
    os.mkfifo(tmp_path / "pipe.png")
    with (tmp_path / "huge.parquet").open("wb") as file:
        file.truncate(600_000_000)
    for path, message in (
        (tmp_path / "pipe.png", "a device or a pipe"),
        (tmp_path / "huge.parquet", "has 600.0 MB. An image may have at most"),
    ):
        with pytest.raises(InputError, match=message):
            image_from_value(path, "it")


def test_a_photograph_is_upright_in_its_thumbnail() -> None:
    """Also where it is only shown."""
    exif = Image.Exif()
    exif[0x0112] = 6
    photograph = ImageSource(encoded(Image.new("RGB", (400, 200)), "JPEG", exif=exif), "image/jpeg", "it")
    small = thumbnail(photograph, side=100)
    assert shown_by(small.url).size == (50, 100)
    assert "200 x 400 px" in small.caption


@pytest.mark.integration
def test_what_is_said_of_an_svg_is_true_of_its_file() -> None:
    """It is drawn larger, for sharp screens, and shown at its size."""
    text = svg('<rect width="40" height="30"/>')
    small = thumbnail(image_from_value(text.encode(), "it"))
    assert small.caption == f"it · 40 x 30 px · {len(text)} B"
    assert small.width == 40
    assert shown_by(small.url).size == (80, 60)


@pytest.mark.integration
def test_the_agents_svg_cannot_end_the_kernel(tmp_path: Path) -> None:
    """A file of a few bytes asks for an image of gigabytes. The file is named nevertheless."""
    program = f"""
from pathlib import Path
from codex_jupyter.notebook.workspace.written_images import ImageFiles
files = ImageFiles(Path({str(tmp_path)!r}), Path({str(tmp_path)!r}))
files.remember()
Path({str(tmp_path)!r}, "bomb.svg").write_text({svg("", 'width="1e9" height="2"')!r})
print([one.path for one in files.written()])
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "['bomb.svg']\n"
    assert ImageFiles(tmp_path, tmp_path).written() == ()
