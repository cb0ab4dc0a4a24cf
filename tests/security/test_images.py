"""An image is what its bytes say: no file makes the kernel start a program, and none fills the memory."""

import base64
import io
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import GifImagePlugin, Image, ImageFile

from codex_jupyter._image_formats import MAX_PIXELS, OTHER_FORMATS, raster_of
from codex_jupyter.notebook.chat.uploads import Uploads
from codex_jupyter.notebook.images.from_file import read_image
from codex_jupyter.notebook.images.from_value import image_from_value
from codex_jupyter.notebook.images.resize import fit, thumbnail
from codex_jupyter.notebook.images.source import ImageSource
from codex_jupyter.notebook.workspace.written_images import MAX_SHOWN_PIXELS, ImageFiles
from codex_jupyter.sdk import ImageInput, InputError, LocalImageInput
from codex_jupyter.sdk.transports.image_files import stage_images
from codex_jupyter.testing import ScriptedModel, shell
from codex_jupyter.testing.script import Script
from tests.notebook.chat.pages import ChatPage
from tests.notebook.conftest import Kernel

Scripted = Callable[[Script], ScriptedModel]
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n0 0 moveto 9 9 lineto stroke\nshowpage\n%%EOF\n"
LIMITS = {"max_side": 2048, "max_bytes": 5_000_000}
SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg")


def png(width: int, height: int) -> bytes:
    """A PNG of one bit per pixel, all black: a few bytes for very many pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    row = b"\0" * (1 + (width + 7) // 8)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def claimed(format: str, side: int) -> bytes:
    """A small file of a format whose header claims so many pixels in each direction."""
    if format == "PNG":
        return png(8, 8).replace(struct.pack(">II", 8, 8), struct.pack(">II", side, side))
    file = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(file, format, **({"lossless": True} if format == "WEBP" else {}))
    data = bytearray(file.getvalue())
    if format == "GIF":
        data[6:10] = struct.pack("<HH", side, side)
    elif format == "JPEG":
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = struct.pack(">HH", side, side)
    elif format == "WEBP":
        extended = b"VP8X" + struct.pack("<I", 10) + b"\0" * 4 + (side - 1).to_bytes(3, "little") * 2
        data[12:12] = extended
        data[4:8] = struct.pack("<I", len(data) - 8)
    elif format == "BMP":
        data[18:26] = struct.pack("<ii", side, side)
    return bytes(data)


def files() -> dict[str, bytes]:
    """A small file of each format that this Pillow can write from a grey image, but those that can be sent as they are."""
    Image.init()
    contents = {}
    for name in Image.SAVE:
        file = io.BytesIO()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                Image.new("L", (16, 16)).save(file, name)
        except (OSError, ValueError):  # not of such an image, or not without a library
            file.truncate(0)
        if raster_of(file.getvalue()) is None and file.getvalue():
            contents[name] = file.getvalue()
    return contents


FILES = files()


def programs(folder: Path) -> Path:
    """A folder with programs under the names that Pillow starts; each notes that it ran."""
    folder.mkdir()
    for name in ("gs", "gswin32c", "gswin64c", "xdg-open", "djpeg", "convert", "dwebp"):
        (folder / name).write_text(f"#!/bin/sh\necho {name} >> {folder}/ran\n")
        (folder / name).chmod(0o755)
    return folder / "ran"


def entries(data: bytes, name: str, folder: Path) -> list[Callable[[], object]]:
    """All ways by which the bytes of a file become an image of a prompt or of a page."""
    path = folder / name
    path.write_bytes(data)

    def written() -> None:
        (folder / "turn").mkdir()
        files = ImageFiles(folder / "turn", folder)
        files.remember()
        (folder / "turn" / name).write_bytes(data)
        if any(image.url for image in files.written()):
            return
        raise InputError("not shown")

    return [
        lambda: fit(read_image(path)),
        lambda: fit(image_from_value(data, "bytes")),
        lambda: fit(image_from_value(str(path), "path")),
        lambda: fit(ImageSource(data, "image/png", "displayed")),
        lambda: thumbnail(ImageSource(data, "image/png", "displayed")),
        lambda: Uploads().add("1", name, True, [data], LIMITS),
        written,
        lambda: stage_images([LocalImageInput(path=path)], folder),
        lambda: stage_images([ImageInput(data=data)], folder),
        lambda: stage_images([ImageInput(data=data, media_type="image/png")], folder),
    ]


@pytest.mark.parametrize("number", range(10))
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_program_is_started_for_a_file_that_only_another_program_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, number: int
) -> None:
    ran = programs(tmp_path / "programs")
    monkeypatch.setenv("PATH", str(tmp_path / "programs"), prepend=":")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    with pytest.raises(InputError):
        entries(EPS, f"plot{suffix}", tmp_path)[number]()
    assert not ran.exists()


def test_an_agents_eps_under_the_name_of_an_image_starts_no_program_in_the_kernel(
    kernel: Kernel, scripted: Scripted, tmp_path: Path
) -> None:
    """Unasked after the turn, by -i, by a mention, by a variable, as a display, and by an upload."""
    ran = programs(tmp_path / "programs")
    kernel.execute(f"import os; os.environ['PATH'] = '{tmp_path / 'programs'}:' + os.environ['PATH']")
    text = EPS.decode().replace("\n", "\\n").replace("%", "%%")
    scripted([[[shell(f"for suffix in png jpg jpeg gif webp svg; do printf '{text}' > plot.$suffix; done")], "Drawn."], *["Seen."] * 9])
    assert "Drawn." in kernel.execute("%codex -s workspace-write draw").text
    assert (tmp_path / "work" / "plot.png").read_bytes() == EPS
    for line in (
        "%codex -i plot.png what is it?",
        "%codex -i *.jpg what is it?",
        "from pathlib import Path\nfigure = Path('plot.png')\n%codex what is @figure?",
        "data = Path('plot.png').read_bytes()\n%codex -i data what is it?",
        "from IPython.display import Image, display\ndisplay(Image(data=data, format='png'))\n%codex what is @plot?",
        "import codex_jupyter\ncodex_jupyter.image('plot.png')",
    ):
        assert "InputError" in (kernel.execute(line).error or ""), line
    kernel.execute("codex_jupyter.chat()")
    assert "plot.png" in ChatPage(kernel).do([EPS], do="upload", item="1", name="plot.png", last=True)["error"]
    assert not ran.exists()


@pytest.mark.parametrize("format", sorted(FILES.keys() - set(OTHER_FORMATS)))
def test_a_format_that_is_not_listed_is_not_read(format: str) -> None:
    """Of all that this Pillow can write."""
    with pytest.raises(InputError, match="supported format"):
        image_from_value(FILES[format], "file")


@pytest.mark.parametrize("format", sorted(FILES.keys() & set(OTHER_FORMATS)))
def test_a_listed_format_is_converted_to_png(format: str) -> None:
    assert fit(image_from_value(FILES[format], "file")).input.media_type == "image/png"


@pytest.mark.parametrize("number", range(10))
@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "WEBP", "BMP"])
def test_an_image_that_would_fill_the_memory_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str, number: int
) -> None:
    """Also where the user has lifted Pillow's own limit, as many do for large photographs."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    data = claimed(format, 16_000)
    forbid_decoding(monkeypatch)
    with pytest.raises(InputError):
        entries(data, f"plot.{format.lower()}", tmp_path)[number]()


def forbid_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test if an image is decoded."""

    def load(self: Any) -> None:
        pytest.fail(f"an image of {self.size} was decoded")

    Image.init()
    for kind in {ImageFile.ImageFile, *ImageFile.ImageFile.__subclasses__()}:
        monkeypatch.setattr(kind, "load", load)


def test_the_bound_is_on_the_product_of_the_sides(tmp_path: Path) -> None:
    """A long strip of few pixels is sent; one pixel more than the bound is not."""
    (path,) = stage_images([ImageInput(data=png(60_000, 10))], tmp_path)
    assert path.exists()
    with pytest.raises(InputError, match=r"more than 90,000,000 pixels\. Scale it down"):
        stage_images([ImageInput(data=png(MAX_PIXELS // 10 + 1, 10))], tmp_path)


def test_what_the_agent_wrote_is_shown_up_to_a_size_and_named_beyond_it(tmp_path: Path) -> None:
    """No one has asked for these images, so the bound is lower; the file can still be opened by its link."""
    files = ImageFiles(tmp_path, tmp_path)
    files.remember()
    (tmp_path / "small.png").write_bytes(png(400, 300))
    (tmp_path / "large.png").write_bytes(png(MAX_SHOWN_PIXELS // 5000 + 1, 5000))
    small, large = sorted(files.written(), key=lambda image: image.path, reverse=True)
    assert small.url.startswith("data:image/png;base64,")
    assert (large.url, large.path) == ("", "large.png")
    assert "not shown: has more than 25,000,000 pixels" in large.caption


def test_the_frames_of_a_large_animation_are_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GIF of 1 MB can have 50,000 of them."""
    file = io.BytesIO()
    Image.new("P", (1, 1)).save(file, "GIF")
    head, frame = file.getvalue()[: 13 + 3 * 2], file.getvalue()[13 + 3 * 2 : -1]
    assert frame.startswith(b",")
    (tmp_path / "long.gif").write_bytes(head + frame * (1_100_000 // len(frame)) + b";")
    sought: list[int] = []
    # Pillow reads and counts the frames of a GIF with this method. It has no public one for a single frame.
    seek = GifImagePlugin.GifImageFile._seek  # noqa: SLF001

    def counted(self: Any, frame: int, *args: Any) -> None:
        sought.append(frame)
        seek(self, frame, *args)

    monkeypatch.setattr(GifImagePlugin.GifImageFile, "_seek", counted)
    attachment = fit(read_image(tmp_path / "long.gif"))
    assert "first of many frames" in attachment.thumbnail.caption
    assert max(sought) <= 1


def test_a_file_is_shown_and_sent_by_its_content_not_its_suffix(tmp_path: Path) -> None:
    """A PNG in a file named .jpg goes as a PNG."""
    file = tmp_path / "photo.jpg"
    file.write_bytes(png(40, 30))
    assert fit(read_image(file)).input.media_type == "image/png"
    assert base64.b64decode(thumbnail(read_image(file)).url.partition(",")[2]).startswith(b"\x89PNG")
