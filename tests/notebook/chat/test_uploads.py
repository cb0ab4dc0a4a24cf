"""Images that a page uploads in pieces, and of which it never sends the end."""

from io import BytesIO

import pytest
from PIL import Image

from codex_jupyter.notebook.chat.uploads import EXPIRY, Uploads
from codex_jupyter.notebook.images.spec import MAX_ATTACHED
from codex_jupyter.sdk import InputError

LIMITS = {"max_side": 2048, "max_bytes": 5_000_000}


def png() -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (3, 2)).save(buffer, "PNG")
    return buffer.getvalue()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_images_that_a_reload_has_cut_off_expire() -> None:
    """Without an end, they would count for ever, and every image would be refused."""
    clock = Clock()
    uploads = Uploads(clock)
    for number in range(MAX_ATTACHED):
        assert uploads.add(f"cut-{number}", "a.png", False, [png()[:9]], LIMITS) is False
    with pytest.raises(InputError, match="At most"):
        uploads.add("refused", "a.png", True, [png()], LIMITS)
    clock.now += EXPIRY
    assert uploads.add("later", "a.png", True, [png()], LIMITS) is True
    assert list(uploads.attachments) == ["later"]


def test_an_upload_that_is_slow_but_continues_does_not_expire() -> None:
    clock = Clock()
    uploads = Uploads(clock)
    data = png()
    for number in range(4):
        uploads.add("slow", "a.png", False, [data[number * 10 : number * 10 + 10]], LIMITS)
        uploads.add(f"other-{number}", "a.png", False, [b"x"], LIMITS)
        clock.now += EXPIRY * 0.9
    assert uploads.add("slow", "a.png", True, [data[40:]], LIMITS) is True


def test_the_rest_of_an_expired_upload_is_refused_as_an_image() -> None:
    clock = Clock()
    uploads = Uploads(clock)
    uploads.add("cut", "a.png", False, [png()[:9]], LIMITS)
    clock.now += EXPIRY
    uploads.add("other", "a.png", True, [png()], LIMITS)
    with pytest.raises(InputError):
        uploads.add("cut", "a.png", True, [png()[9:]], LIMITS)
    assert list(uploads.attachments) == ["other"]
