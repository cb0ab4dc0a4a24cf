"""Typed answers to the questions of a form."""

from typing import Any

import pytest

from codex_jupyter.sdk.models.questions import Question, QuestionType


def question(kind: QuestionType) -> Question:
    return Question(id="q", text="Price", type=kind)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("number", "1.5", 1.5),
        ("number", " 2 ", 2),
        ("number", "-3e2", -300.0),
        ("integer", "7", 7),
        ("boolean", "Yes", True),
        ("string", "1.5", "1.5"),
        ("array", "a, b,,", ["a", "b"]),
    ],
)
def test_a_text_becomes_a_value_of_the_type(kind: QuestionType, text: str, value: Any) -> None:
    parsed = question(kind).parse(text)
    assert (parsed, type(parsed)) == (value, type(value))


@pytest.mark.parametrize("text", ["x", "", "nan", "inf", "-Infinity", "1,5"])
def test_a_text_that_is_not_a_finite_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"^Price: '{text}' is not a number"):
        question("number").parse(text)


@pytest.mark.parametrize("text", ["1.5", "x", "1e3"])
def test_a_text_that_is_not_a_whole_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"^Price: '{text}' is not a whole number"):
        question("integer").parse(text)
