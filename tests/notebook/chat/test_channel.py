"""The connection of a chat with its pages, which can send anything."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from codex_jupyter.notebook.chat.channel import MAX_TEXT, Channel

SURROGATE = json.loads('"a\\ud800b"')
"""A lone surrogate, as `JSON.stringify` writes it. It cannot be sent back."""


class Page:
    """A page, and the actions that the chat has performed for it."""

    def __init__(self, error: str = "") -> None:
        self.sent: list[dict[str, Any]] = []
        self.performed: list[dict[str, Any]] = []
        self.error = error
        self.channel = Channel(self.sent.append, self.perform)

    def perform(self, action: dict[str, Any], buffers: Sequence[Any]) -> None:
        if self.error:
            raise ValueError(self.error)
        self.performed.append(action)

    def send(self, **action: Any) -> dict[str, Any]:
        """Send an action, and return the answer."""
        self.channel.receive({"secret": self.channel.secret, "id": 7, **action})
        return self.sent[-1]


def test_a_lone_surrogate_of_a_page_is_replaced_because_no_message_could_contain_it() -> None:
    page = Page()
    answer = page.send(do="choose", id=SURROGATE, value=SURROGATE, answers={SURROGATE: [SURROGATE]})
    assert answer == {"type": "done", "id": "a\ufffdb", "error": "", "sequence": 1}
    assert page.performed[0]["value"] == "a\ufffdb"
    assert page.performed[0]["answers"] == {"a\ufffdb": ["a\ufffdb"]}


@pytest.mark.parametrize("secret", [SURROGATE, None, 1, [], {"a": 1}, "x" * 100_000])
def test_an_action_with_another_value_than_the_secret_is_ignored(secret: Any) -> None:
    page = Page()
    page.channel.receive({"do": "send", "text": "hello", "secret": secret})
    assert page.sent == page.performed == []


def test_a_text_that_the_cli_would_refuse_is_refused_before_anything_is_done_with_it() -> None:
    page = Page()
    assert page.send(do="choose", trait="thread", value="x" * (MAX_TEXT + 1))["error"].startswith("The text is too long")
    assert page.send(do="send", text="x" * MAX_TEXT)["error"] == ""
    assert len(page.performed) == 1


def test_an_error_that_quotes_a_long_text_is_shortened() -> None:
    answer = Page("There is no " + "x" * 1_000_000).send(do="attach")
    assert answer["error"].startswith("There is no xxx")
    assert len(answer["error"]) == 2_000


def test_an_action_of_many_levels_is_refused_in_one_line() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    page = Page()
    assert page.send(do="send", text=deep)["error"] != ""
    assert page.performed == []
