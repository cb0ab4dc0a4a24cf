r"""Split a stream of bytes into lines."""

from io import BytesIO


class LineFramer:
    r"""Split a stream of bytes into lines at `\n`. The chunks of the stream may have any size."""

    def __init__(self) -> None:
        self._partial: BytesIO | None = None

    def feed(self, chunk: bytes) -> list[bytes]:
        """Add the next chunk, and return the lines that it completes, without their newline."""
        lines = chunk.split(b"\n")
        if self._partial is not None:
            self._partial.write(lines[0])
            if len(lines) == 1:
                return []
            # The line shares its memory with the buffer, so that a line of many megabytes is not copied.
            lines[0] = self._partial.getvalue()
            self._partial = None
        if tail := lines.pop():
            self._partial = BytesIO()
            self._partial.write(tail)
        return lines

    def flush(self) -> list[bytes]:
        """Return the bytes after the last newline as a line; an empty list if there are no such bytes."""
        lines = [] if self._partial is None else [self._partial.getvalue()]
        self._partial = None
        return lines
