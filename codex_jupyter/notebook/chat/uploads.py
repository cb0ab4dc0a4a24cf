"""Images that the page sends for the next prompt."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from codex_jupyter.notebook.chat.protocol import MAX_UPLOAD
from codex_jupyter.notebook.images.attach import attach
from codex_jupyter.notebook.images.from_file import image_of_bytes
from codex_jupyter.notebook.images.spec import MAX_ATTACHED
from codex_jupyter.notebook.render import plain
from codex_jupyter.sdk import InputError

if TYPE_CHECKING:
    from codex_jupyter.notebook.images.resize import Attachment


EXPIRY: Final = 60.0
"""Seconds after the last piece of an unfinished image after which it is dropped. A page that was reloaded never finishes it."""


@dataclass(slots=True)
class _Unfinished:
    """An image of which not all pieces have been received."""

    data: bytearray = field(default_factory=bytearray)
    received: float = 0.0
    """Time of the last piece."""


class Uploads:
    """The images of the next prompt.

    Args:
        clock: Returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.attachments: dict[str, Attachment] = {}
        self._unfinished: dict[str, _Unfinished] = {}
        self._clock = clock

    def take(self) -> "dict[str, Attachment]":
        """Return the images and detach them."""
        taken, self.attachments = self.attachments, {}
        return taken

    def add(self, item: str, name: str, last: bool, pieces: Sequence[Any], limits: dict[str, int]) -> bool:
        """Add a piece of an image.

        Args:
            item: Id of the image in the page.
            name: Name of its file.
            last: If this is the last piece.
            pieces: The bytes.
            limits: Limits of the images that are sent; see `attach`.

        Returns:
            True if the image is complete.

        Raises:
            InputError: If the image is too large, is not an image, or there are too many.
        """
        now = self._clock()
        self._unfinished = {key: upload for key, upload in self._unfinished.items() if key == item or now - upload.received < EXPIRY}
        upload = self._unfinished.setdefault(item, _Unfinished())
        upload.received = now
        for piece in pieces:
            upload.data += piece
        if len(upload.data) > MAX_UPLOAD or len(self._unfinished) + len(self.attachments) > MAX_ATTACHED:
            del self._unfinished[item]
            if len(upload.data) > MAX_UPLOAD:
                raise InputError(f"{plain(name)} is too large: at most {MAX_UPLOAD // 1024**2} MiB can be attached.")
            raise InputError(f"At most {MAX_ATTACHED} images can be attached to a turn. Remove some of them first.")
        if not last:
            return False
        del self._unfinished[item]
        (self.attachments[item],) = attach([image_of_bytes(bytes(upload.data), plain(name) or "image")], **limits)
        return True


def thumbnails(attachments: "dict[str, Attachment]") -> list[dict[str, str]]:
    """Return the attached images as the page shows them."""
    return [
        {"item": item, "url": attachment.thumbnail.url, "caption": plain(attachment.thumbnail.caption)}
        for item, attachment in attachments.items()
    ]
