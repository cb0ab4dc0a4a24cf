"""Splitting a stream into lines, for every way to cut it into chunks."""

from itertools import combinations, pairwise, product

import pytest

from codex_jupyter.sdk.processes.framing import LineFramer


def chunkings(data: bytes) -> list[list[bytes]]:
    """Return every way to cut the data into chunks that are not empty."""
    inner = range(1, len(data))
    cuts = [places for count in range(len(data)) for places in combinations(inner, count)]
    return [[data[start:end] for start, end in pairwise((0, *places, len(data)))] for places in cuts]


@pytest.mark.parametrize("length", range(1, 7))
def test_every_chunking_of_every_short_stream_gives_the_same_lines(length: int) -> None:
    for pieces in product([b"a", b"\n"], repeat=length):
        data = b"".join(pieces)
        *whole, rest = data.split(b"\n")
        for chunks in chunkings(data):
            framer = LineFramer()
            lines = [line for chunk in chunks for line in framer.feed(chunk)]
            assert (lines, framer.flush()) == (whole, [rest] if rest else []), chunks


@pytest.mark.parametrize(
    ("chunks", "lines", "rest"),
    [
        ([b"a", b"b", b"c\n"], [b"abc"], []),
        ([b"a", b"b\nc", b"d\n\n"], [b"ab", b"cd", b""], []),
        (["é".encode()[:1], "é".encode()[1:] + b"\n\n", b"end"], ["é".encode(), b""], [b"end"]),
        ([b"", b"a", b"", b"\n", b""], [b"a"], []),
    ],
    ids=["a line of three chunks", "two lines and a blank one", "half a character", "empty chunks"],
)
def test_a_line_is_complete_at_its_newline(chunks: list[bytes], lines: list[bytes], rest: list[bytes]) -> None:
    framer = LineFramer()
    assert [line for chunk in chunks for line in framer.feed(chunk)] == lines
    assert framer.flush() == rest
    assert framer.flush() == []
