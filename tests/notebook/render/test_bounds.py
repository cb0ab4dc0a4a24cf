"""However large or hostile an item is, what is shown and stored of it stays small, and ordinary answers stay whole."""

import json
from typing import Any

import pytest

from codex_jupyter.notebook.render import TurnInfo, item_bundle, markdown_to_html, turn_from_json, turn_to_json
from codex_jupyter.notebook.render.turn_json import MAX_JSON
from codex_jupyter.sdk.models.items import AgentMessageItem, CommandExecutionItem, McpToolCallItem, McpToolCallResult
from codex_jupyter.sdk.models.turn import Turn
from tests.benchmarks.hostile import hostile_items, hostile_texts
from tests.notebook.render.markup import check_bundle, read, text_of

PROSE = """## Installation

Install the package with `pip`, **then** restart the kernel. See [the documentation](https://example.com/docs) for *details*:

* The first point has `code` and a [link](https://example.com/1).
* The second point is **important**.

1. Open the file `settings.toml`.
2. Set `timeout = 30`.

> A quotation, with an equation $a^2 + b^2 = c^2$.

"""
"""A part of an ordinary answer."""
SOURCE = "".join(
    f'def function_{i}(x: int) -> str:\n    """Return a text."""\n    return f"{{x}} and {i}"  # a comment\n\n' for i in range(300)
)
"""Ordinary code."""
LARGE = "".join(f"line {i}\n" for i in range(100_000))
AS_IT_IS = '<div style="white-space:pre-wrap">'
HOSTILE = hostile_texts(50_000)
ITEMS = hostile_items()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_markdown_gives_no_more_than_ordinary_markup(name: str) -> None:
    """It is shown as Markdown or as it is, in markup of bounded size."""
    bundle = item_bundle(AgentMessageItem(id="a", text=HOSTILE[name]))
    check_bundle(bundle)
    assert len(bundle["text/html"]) < 1_200_000
    assert len(read(bundle["text/html"]).seen) < 10_000


@pytest.mark.parametrize("name", ["brackets", "images", "wide table", "table", "list items", "paragraphs", "autolinks"])
def test_what_would_take_long_is_shown_as_it_is(name: str) -> None:
    """The costly forms are given up, and no character is lost."""
    html = markdown_to_html(HOSTILE[name])
    assert html.startswith(AS_IT_IS)
    assert text_of(html) == HOSTILE[name]


def test_an_ordinary_answer_of_20_kilobytes_is_markdown() -> None:
    """Prose, lists, tables and code of that length are within the budget, and all of 16 KB of code has its colours."""
    table = "| day | value | note |\n|---|---:|---|\n" + "".join(f"| {i} | {i * i} | is **{i}** |\n" for i in range(250))
    listed = "".join(f"- item {i} with `code`, **bold** text and a [link](https://example.com/{i})\n" for i in range(250))
    code = f"```python\n{SOURCE[:16_000]}\n```\n"
    for answer in ((PROSE * 60)[:20_000], table, listed, code):
        assert not markdown_to_html(answer).startswith(AS_IT_IS)
    assert markdown_to_html(code)[-2_000:].count("<span") > 5


@pytest.mark.parametrize("name", ITEMS)
def test_a_huge_item_is_shown_in_part(name: str) -> None:
    """Output, arguments, results, files, steps: of a megabyte some kilobytes are shown, in both forms, and stored."""
    item = ITEMS[name]()
    bundle = item_bundle(item, cwd="/w")
    check_bundle(bundle)
    if name == "message":
        assert len(bundle["text/plain"]) < 250_000
    else:
        assert len(bundle["text/html"]) < 200_000
        assert len(bundle["text/plain"]) < 250_000
    saved = turn_to_json(Turn(items=(item,)), TurnInfo())
    (stored,) = saved["turn"]["items"]
    assert len(json.dumps(stored, ensure_ascii=False)) < MAX_JSON + 100
    assert "characters" in stored["left_out"]
    assert [type(again) for again in turn_from_json(saved)[0].items] == [type(item)]


def test_a_stored_output_keeps_its_ends_and_says_what_is_missing() -> None:
    """The first and the last lines come back, and between them stands how much was left out; the diff likewise."""
    item = CommandExecutionItem(id="a", command="seq", aggregated_output=LARGE, exit_code=0, status="completed")
    again, _ = turn_from_json(turn_to_json(Turn(items=(item,), diffs={"a": LARGE}), TurnInfo()))
    (kept,) = again.items
    assert isinstance(kept, CommandExecutionItem)
    for text in (kept.aggregated_output, again.diffs["a"]):
        assert text.startswith("line 0\n")
        assert text.rstrip().endswith("line 99999")
        assert "lines left out" in text
    assert (kept.command, kept.exit_code, kept.status) == ("seq", 0, "completed")


def test_a_stored_image_that_is_too_large_becomes_its_name() -> None:
    """Half of an image would not be an image."""
    blocks: list[Any] = [
        {"type": "image", "mimeType": "image/png", "data": "iVBORw0KGgo" + "A" * 100_001},
        {"type": "text", "text": "a plot"},
    ]
    item = McpToolCallItem(id="a", server="s", tool="t", status="completed", result=McpToolCallResult(content=blocks))
    (kept,) = turn_from_json(turn_to_json(Turn(items=(item,)), TurnInfo()))[0].items
    assert isinstance(kept, McpToolCallItem)
    assert kept.result is not None
    assert [block["text"] for block in kept.result.content] == ["[image, image/png, 100,012 characters]", "a plot"]


def test_an_ordinary_item_is_stored_as_it_is() -> None:
    """Text below the limit is returned unchanged."""
    item = CommandExecutionItem(id="a", command="seq", aggregated_output=LARGE[:50_000], exit_code=0, status="completed")
    assert turn_from_json(turn_to_json(Turn(items=(item,)), TurnInfo()))[0].items == (item,)


def test_a_long_text_that_streams_shows_its_newest_part() -> None:
    """Text that is sent again and again stays small. The whole text comes when it is complete."""
    message = AgentMessageItem(id="a", text=LARGE[:90_000] + "the newest words")
    for form in item_bundle(message, streaming=True).values():
        assert len(form) < 25_000
        assert "the newest words" in form
    assert "line 5000\n" in item_bundle(message)["text/html"]
