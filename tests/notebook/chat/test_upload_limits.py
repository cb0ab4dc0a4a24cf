"""The kernel's own limits of the images that a page uploads. The page has the same limits, but anyone can send messages."""

import io

import pytest
from PIL import Image

from codex_jupyter.notebook.chat.protocol import MAX_UPLOAD
from codex_jupyter.notebook.chat.uploads import Uploads
from codex_jupyter.notebook.images.spec import MAX_ATTACHED
from codex_jupyter.sdk import InputError

LIMITS = {"max_side": 100, "max_bytes": 100_000}


def png(grey: int) -> bytes:
    """Return a small image of one shade of grey."""
    data = io.BytesIO()
    Image.new("L", (4, 4), grey).save(data, "PNG")
    return data.getvalue()


def test_a_file_above_the_size_limit_is_refused_and_its_pieces_are_dropped() -> None:
    uploads, piece = Uploads(), bytes(MAX_UPLOAD // 4)
    for _ in range(4):
        assert not uploads.add("large", "large.png", False, [piece], LIMITS)
    with pytest.raises(InputError, match=r"large\.png is too large: at most 20 MiB can be attached"):
        uploads.add("large", "large.png", False, [b"x"], LIMITS)
    # The next piece starts a new file, so the first one is not in memory any more.
    assert not uploads.add("large", "large.png", False, [piece] * 4, LIMITS)


def test_more_images_than_a_turn_takes_are_refused_and_the_others_stay() -> None:
    uploads = Uploads()
    for number in range(MAX_ATTACHED):
        assert uploads.add(str(number), f"{number}.png", True, [png(number)], LIMITS)
    with pytest.raises(InputError, match=f"At most {MAX_ATTACHED} images can be attached to a turn"):
        uploads.add("more", "more.png", True, [png(200)], LIMITS)
    assert len(uploads.attachments) == MAX_ATTACHED
    del uploads.attachments["0"]
    assert uploads.add("more", "more.png", True, [png(200)], LIMITS)
