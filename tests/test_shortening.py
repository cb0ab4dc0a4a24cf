"""Texts are shortened in time that grows with their length."""

import re

from hypothesis import given
from hypothesis import strategies as st

from codex_jupyter._shortening import without_overwritten


@given(st.text("ab\r\n"))
def test_the_text_before_the_last_carriage_return_of_a_line_is_removed_unless_it_ends_the_line(text: str) -> None:
    assert without_overwritten(text) == re.sub(r"[^\n]*\r(?!\n)", "", text)


def test_a_long_line_without_carriage_returns_stays() -> None:
    """The pattern above would take hours for it."""
    line = "x" * 5_000_000
    assert without_overwritten(line) == line
    assert without_overwritten(f"{line}\r\n{line}\r{line}") == f"{line}\r\n{line}"
