r"""Lines, whatever the pieces are that they come in."""

from io import BytesIO


class LineFramer:
    r"""Cuts a stream of bytes into lines at `\n`, whatever the pieces are that it comes in."""

    def __init__(self) -> None:
        self._partial: BytesIO | None = None

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take in the next piece; gives the lines that it completes, without their newline."""
        lines = chunk.split(b"\n")
        if self._partial is not None:
            self._partial.write(lines[0])
            if len(lines) == 1:
                return []
            # Shares its memory with the buffer: of a line of many megabytes there is never a second copy.
            lines[0] = self._partial.getvalue()
            self._partial = None
        if tail := lines.pop():
            self._partial = BytesIO()
            self._partial.write(tail)
        return lines

    def flush(self) -> list[bytes]:
        """Give what came after the last newline, as a line; nothing if that is nothing."""
        lines = [] if self._partial is None else [self._partial.getvalue()]
        self._partial = None
        return lines
