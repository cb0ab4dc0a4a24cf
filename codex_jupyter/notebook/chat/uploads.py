"""Pictures on their way from the page to the next prompt."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from codex_jupyter.notebook.images.attach import attach
from codex_jupyter.notebook.images.from_file import image_of_bytes
from codex_jupyter.notebook.images.spec import MAX_ATTACHED
from codex_jupyter.notebook.render import plain
from codex_jupyter.sdk import InputError

if TYPE_CHECKING:
    from codex_jupyter.notebook.images.resize import Attachment

MAX_UPLOAD: Final = 20 * 1024 * 1024
"""Bytes of a picture that the page sends, in pieces that the connection takes."""


class Uploads:
    """The pictures that the next prompt takes along."""

    def __init__(self) -> None:
        self.attachments: dict[str, Attachment] = {}
        self._pieces: dict[str, bytearray] = {}

    def take(self) -> "dict[str, Attachment]":
        """Hand out the pictures; none is attached any more."""
        taken, self.attachments = self.attachments, {}
        return taken

    def add(self, item: str, name: str, last: bool, pieces: Sequence[Any], limits: dict[str, int]) -> bool:
        """Take a piece of a picture.

        Args:
            item: What the page calls it.
            name: The name of its file.
            last: Whether it is the last piece.
            pieces: The bytes.
            limits: Of the pictures that are sent; see `attach`.

        Returns:
            Whether the picture is complete.

        Raises:
            InputError: If it is too large or no picture, or they are too many.
        """
        data = self._pieces.setdefault(item, bytearray())
        for piece in pieces:
            data += piece
        if len(data) > MAX_UPLOAD or len(self._pieces) + len(self.attachments) > MAX_ATTACHED:
            del self._pieces[item]
            if len(data) > MAX_UPLOAD:
                raise InputError(f"{plain(name)} is too large: at most {MAX_UPLOAD // 1024**2} MiB can be attached.")
            raise InputError(f"At most {MAX_ATTACHED} pictures go with a turn.")
        if not last:
            return False
        del self._pieces[item]
        (self.attachments[item],) = attach([image_of_bytes(bytes(data), plain(name) or "picture")], **limits)
        return True


def thumbnails(attachments: "dict[str, Attachment]") -> list[dict[str, str]]:
    """What the page shows of pictures that wait to be sent."""
    return [{"item": item, "url": one.thumbnail.url, "caption": plain(one.thumbnail.caption)} for item, one in attachments.items()]
