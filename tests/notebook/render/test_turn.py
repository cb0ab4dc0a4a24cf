"""Whole turns: header, footer, the saved JSON, and the recordings of the real CLI."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from codex_jupyter.notebook.render import (
    TURN_MIME,
    TurnInfo,
    answer_bundle,
    footer_bundle,
    header_bundle,
    join,
    last_work_bundle,
    status_bundle,
    turn_bundle,
    turn_from_json,
    turn_to_json,
)
from codex_jupyter.sdk.models.app_server_items import DynamicToolCallItem
from codex_jupyter.sdk.models.events import UnknownEvent, parse_event
from codex_jupyter.sdk.models.items import CommandExecutionItem, FileChangeItem, FileUpdateChange, McpToolCallItem, ThreadItem, UnknownItem
from codex_jupyter.sdk.models.rights import EffectiveRights
from codex_jupyter.sdk.models.turn import Turn, TurnBuilder, TurnStatus
from codex_jupyter.sdk.models.usage import Usage
from tests.invented import MODEL
from tests.notebook.render.markup import check_bundle, items_saying, text_of

RECORDINGS = sorted((Path(__file__).parents[2] / "recordings").glob("exec_*.jsonl"))
THREAD = "01a2023e-ec8b-7f50-89d6-35f1e90c87a4"
INFO = TurnInfo(model=MODEL, sandbox="read-only", cwd="/w", thread_name="main", elapsed=83.0)
RIGHTS = EffectiveRights(sandbox="read-only", approvals="never")
ITEMS: tuple[ThreadItem, ...] = (
    CommandExecutionItem(id="c", command="ls", aggregated_output="x\n", exit_code=0, status="completed"),
    FileChangeItem(id="f", changes=[FileUpdateChange(path="/w/a.py", kind="update")], status="completed"),
    FileChangeItem(id="g", changes=[FileUpdateChange(path="/w/b.py", kind="update")], status="failed"),
)


def replay(path: Path, *, ended: bool = True) -> Turn:
    """Return the turn of a recording."""
    builder = TurnBuilder(usage_before=Usage())
    for line in path.read_bytes().splitlines():
        event = parse_event(line)
        assert event is not None
        assert not isinstance(event, UnknownEvent)
        builder.apply(event)
    if ended:
        builder.finish("interrupted")
    return builder.turn


def test_the_error_of_a_turn_is_once_in_each_form_of_a_cell() -> None:
    """A cell has the outcome above its work and the figures below it. An error that the cell raises is only there."""
    turn = Turn(thread_id=THREAD, status="failed", error="The model is overloaded.", items=ITEMS)
    for shown in (True, False):
        cell = join([answer_bundle(turn, INFO, error=shown), last_work_bundle(ITEMS, turn, INFO)])
        assert [form.count("overloaded") for form in cell.values()] == [shown, shown]
    whole = turn_bundle(turn, INFO)
    assert [whole[kind].count("overloaded") for kind in ("text/html", "text/plain")] == [1, 1]


def test_code_in_the_error_of_a_turn_is_shown_as_code() -> None:
    """The rest of the error is text. The plain text has the backticks."""
    turn = Turn(thread_id=THREAD, status="failed", error="Log in with `%codex login`.\nNot <b>.")
    cell = answer_bundle(turn, INFO)
    assert re.search(r"Log in with <code style=[^>]*>%codex login</code>\.\nNot &lt;b&gt;\.", cell["text/html"])
    assert "Log in with `%codex login`.\nNot <b>." in cell["text/plain"]


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_every_recording_is_rendered_and_comes_back_from_its_json(path: Path) -> None:
    """The output of the real CLI has no unknown item, makes harmless bundles, running and ended, and survives being saved."""
    for ended in (False, True):
        turn = replay(path, ended=ended)
        assert not any(isinstance(item, UnknownItem) for item in turn.items)
        bundle = turn_bundle(turn, INFO)
        check_bundle(bundle)
        assert turn_from_json(json.loads(json.dumps(bundle[TURN_MIME]))) == (turn, INFO)


def test_there_are_recordings() -> None:
    """An empty folder would pass the test above unseen."""
    assert len(RECORDINGS) > 80


def test_the_header_names_what_is_known() -> None:
    """Model, sandbox and name of the thread in one line; unknown parts leave no gap. Ids are in `%codex status`."""
    bundle = header_bundle(INFO, RIGHTS)
    assert bundle["text/plain"] == f"codex · {MODEL} · sandbox read-only · thread main"
    assert text_of(bundle["text/html"]) == bundle["text/plain"]
    assert header_bundle(TurnInfo())["text/plain"] == "codex"


def test_the_demo_says_that_it_is_one() -> None:
    """A script's answers must not be taken for a model's."""
    for form in header_bundle(TurnInfo(demo=True, model=MODEL)).values():
        assert "scripted demo" in form
        assert MODEL not in form
    for form in header_bundle(INFO).values():
        assert "demo" not in form


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("completed", "✓ completed"),
        ("failed", "✗ failed"),
        ("interrupted", "■ interrupted"),
        ("timed_out", "◷ timed out"),
        ("in_progress", "● running"),
    ],
)
def test_the_footer_says_how_the_turn_ended(status: TurnStatus, words: str) -> None:
    """Status, time, counts, tokens, and the error with the CLI's messages, in both forms."""
    usage = Usage(input_tokens=12345, cached_input_tokens=8000, output_tokens=721)
    turn = Turn(status=status, items=ITEMS, usage=usage, error="429 Too Many", warnings=("Reconnecting 1/2",))
    bundle = footer_bundle(turn, INFO)
    check_bundle(bundle)
    facts = f"{words} · 1 min 23 s · 1 command · 1 file changed · 12,345 tokens in (8,000 cached), 721 out"
    for form in (text_of(bundle["text/html"]), bundle["text/plain"]):
        assert facts in form
        assert "429 Too Many" in form
        assert "Reconnecting 1/2" in form


def test_tokens_of_the_thread_are_not_taken_for_those_of_the_turn() -> None:
    """If only the thread's total is known, the footer says so."""
    turn = Turn(status="completed", thread_usage=Usage(input_tokens=5, output_tokens=6))
    assert footer_bundle(turn, TurnInfo())["text/plain"] == "✓ completed · 5 tokens in, 6 out in the whole thread"
    assert footer_bundle(Turn(status="completed"), TurnInfo())["text/plain"] == "✓ completed"
    assert footer_bundle(Turn(status="failed", usage=Usage()), TurnInfo())["text/plain"] == "✗ failed"


@given(st.text(max_size=60))
@settings(max_examples=60, deadline=None)
def test_a_turn_comes_back_exactly_from_its_json(text: str) -> None:
    """Every kind of item, extra fields, usage, errors and warnings survive the way through a file."""
    items = tuple(item for item in items_saying(text) if not isinstance(item, UnknownItem))
    unknown = UnknownItem.model_validate({"id": "u", "type": "hologram", "beam": {text: [1, None, 2.5]}})
    usage = Usage.model_validate({"input_tokens": 3, "new_kind_of_tokens": 4})
    turn = Turn(
        thread_id=text,
        status="failed",
        items=(*items, unknown),
        usage=usage,
        thread_usage=usage,
        error=text,
        warnings=(text, text),
        parsed={"a": [1, text, None]},
    )
    info = TurnInfo(model=text, demo=True, elapsed=0.1)
    assert turn_from_json(json.loads(json.dumps(turn_to_json(turn, info)))) == (turn, info)


def test_a_parsed_model_is_saved_as_its_json() -> None:
    """The class is not in the file; its values are. What has no JSON is saved as its text."""

    class Verdict(BaseModel):
        good: bool

    assert turn_from_json(turn_to_json(Turn(parsed=Verdict(good=True)), INFO))[0].parsed == {"good": True}
    assert turn_from_json(turn_to_json(Turn(parsed=1j), INFO))[0].parsed == "1j"


@pytest.mark.parametrize(
    "data", [{}, [], {**turn_to_json(Turn(), INFO), "version": 2}, {"version": 1}, {"version": 1, "turn": {"items": 3}, "info": {}}]
)
def test_data_of_another_form_are_refused(data: dict[str, object]) -> None:
    """A file that is broken or newer raises one kind of error."""
    with pytest.raises(ValueError, match=r"saved turn|validation error"):
        turn_from_json(data)


def test_the_plain_text_of_a_turn_reads_like_a_transcript() -> None:
    """Header, items and footer, apart by blank lines."""
    turn = Turn(thread_id=THREAD, status="completed", items=ITEMS[:2], rights=RIGHTS)
    assert turn_bundle(replace(turn, diffs={"f": "-a\n+b\n"}), INFO)["text/plain"].split("\n\n") == [
        f"codex · {MODEL} · sandbox read-only · thread main",
        "    $ ls\n    x\n    → exit 0",
        "    ~ changed a.py",
        "    -a\n    +b",
        "    → done",
        "✓ completed · 1 min 23 s · 1 command · 1 file changed",
    ]


def test_a_running_turn_shows_the_newest_message_of_the_cli() -> None:
    """A lost connection is seen at once, not behind a builder."""
    running = Turn(thread_id="t", status="in_progress", warnings=("Reconnecting... 1/5", "Reconnecting... 2/5"))
    html = footer_bundle(running, INFO)["text/html"]
    assert "Reconnecting... 2/5" in html.partition("<details")[0]
    assert "Reconnecting... 2/5" not in footer_bundle(replace(running, status="completed"), INFO)["text/html"].partition("<details")[0]


def test_the_status_says_that_codex_starts_until_there_is_a_thread() -> None:
    """The model is not said to think before it has been asked. Without a network, this takes seconds."""
    assert "Starting Codex" in status_bundle(Turn(), INFO)["text/plain"]
    assert "Thinking" in status_bundle(Turn(thread_id="t"), INFO)["text/plain"]


def test_the_status_says_that_a_turn_waits_for_the_network() -> None:
    """The reason is known, so the model is not said to think."""
    running = Turn(thread_id="t", warnings=("Reconnecting... 2/5",))
    assert "Thinking" in status_bundle(running, INFO)["text/plain"]
    for form in status_bundle(replace(running, reconnecting=True), INFO).values():
        assert "Waiting for the network" in form
        assert "Thinking" not in form


def test_the_line_about_the_work_counts_calls_of_tools() -> None:
    """Of MCP servers and of the notebook."""
    calls = (McpToolCallItem(id="m", server="s", tool="t", status="completed"), DynamicToolCallItem(id="d", tool="t", status="completed"))
    line = text_of(turn_bundle(Turn(thread_id="t", status="completed", items=(*ITEMS, *calls)), INFO)["text/html"])
    assert "Worked for 1 min 23 s · 1 command · 2 tool calls · 1 file" in line
