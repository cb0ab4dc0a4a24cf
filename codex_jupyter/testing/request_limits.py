"""Limits of the headers and of the body of a request."""

import re
from email.message import Message
from http.client import HTTPException
from io import BufferedIOBase
from typing import Final

from codex_jupyter.testing.parts import Fail

MAX_HEADER_BYTES: Final = 64 * 1024
"""Maximum size of all headers of a request."""
MAX_BODY_BYTES: Final = 128 * 1024 * 1024
"""Maximum size of a request's body. 20 images of the largest size that the CLI sends need about 100 MB."""


class HeaderReader:
    """The header lines of a request, at most `MAX_HEADER_BYTES`.

    Args:
        file: The connection's input.
    """

    def __init__(self, file: BufferedIOBase) -> None:
        self._file, self._left = file, MAX_HEADER_BYTES

    def readline(self, size: int) -> bytes:
        """Read a line of at most `size` bytes.

        Raises:
            HTTPException: If the headers are too large.
        """
        line = self._file.readline(min(size, self._left + 1))
        self._left -= len(line)
        if self._left < 0:
            raise HTTPException(f"the headers have more than {MAX_HEADER_BYTES} bytes")
        return line


def body_length(headers: Message) -> int | Fail:
    """Return the size of a body in bytes, or the reason to refuse it.

    Args:
        headers: The headers of the request.
    """
    given = {value.strip() for value in headers.get_all("content-length", [])}
    if "transfer-encoding" in headers or not given:
        return Fail(411, "the request needs a Content-Length", "invalid_request_error")
    if len(given) > 1 or not re.fullmatch(r"[0-9]{1,18}", length := given.pop()):
        return Fail(400, "the Content-Length is not a size in bytes", "invalid_request_error")
    if int(length) > MAX_BODY_BYTES:
        return Fail(413, f"the body has more than {MAX_BODY_BYTES} bytes", "invalid_request_error")
    return int(length)
