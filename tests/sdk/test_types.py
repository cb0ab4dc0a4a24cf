"""The types that users see. mypy and pyright check every `assert_type`; the tests only run the functions."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, assert_type

import pytest

from codex_jupyter import (
    Account,
    AgentMessageItem,
    BudgetExceededError,
    CodexError,
    CommandExecutionItem,
    ErrorItem,
    Failure,
    FailureReason,
    InputPart,
    ItemCompletedEvent,
    LocalImageInput,
    Model,
    RateLimitError,
    ScriptedTransport,
    SkillInput,
    StreamedTurn,
    Thread,
    ThreadEvent,
    ThreadItem,
    ThreadOptions,
    ThreadPage,
    Turn,
    TurnBudget,
    TurnFailedError,
    TurnFailedEvent,
    UnknownEvent,
    UnknownItem,
    retry,
    sync,
)
from codex_jupyter.sdk import Codex, parse_event

ANSWER = [
    {"type": "item.completed", "item": {"id": "a", "type": "agent_message", "text": '{"name": "Ada"}'}},
    {"type": "turn.completed", "usage": {}},
]


@dataclass
class Person:
    name: str


class Row(TypedDict):
    name: str


def thread() -> Thread:
    return Codex(transport=ScriptedTransport([ANSWER])).start_thread()


@pytest.mark.anyio
async def test_run_returns_a_turn_whose_parsed_has_the_type_of_the_output_schema() -> None:
    """A dataclass and a TypedDict give their type, a plain schema gives Any."""
    person = await thread().run("Who?", output_schema=Person)
    assert_type(person, Turn[Person])
    assert_type(person.parsed, Person)
    assert person.parsed == Person("Ada")
    row = await thread().run("Who?", output_schema=Row, timeout=10)
    assert_type(row.parsed, Row)
    assert row.parsed == {"name": "Ada"}
    plain = await thread().run("Who?", output_schema={"type": "object", "properties": {"name": {"type": "string"}}})
    assert_type(plain, Turn[Any])
    assert (await thread().run("Who?")).parsed is None


@pytest.mark.anyio
async def test_run_streamed_returns_a_streamed_turn_of_the_type_of_the_output_schema() -> None:
    """`wait` and `turn` have it, too."""
    async with thread().run_streamed("Who?", output_schema=Person) as streamed:
        assert_type(streamed, StreamedTurn[Person])
        turn = await streamed.wait()
        assert_type(turn, Turn[Person])
        assert turn.parsed == streamed.turn.parsed == Person("Ada")


@pytest.mark.anyio
async def test_retry_and_budgets_keep_the_type_of_the_turn() -> None:
    """A turn can take options that hold for it alone."""
    turn = await retry(lambda: thread().run("Who?", output_schema=Person, model="m", budget=TurnBudget(tool_calls=3)))
    assert_type(turn, Turn[Person])
    assert_type(turn.failure, Failure | None)
    parts: list[InputPart] = [{"type": "text", "text": "Who?"}, LocalImageInput(path="a.png"), SkillInput(name="demo")]
    assert_type(thread().run_streamed(parts, sandbox_mode="read-only", summary="auto"), StreamedTurn[Any])


def handled(error: CodexError) -> str:
    if isinstance(error, BudgetExceededError):
        return f"{error.limit}: {error.used:g} of {error.allowed:g}"
    if isinstance(error, TurnFailedError):
        assert_type(error.reason, FailureReason)
        assert_type(error.http_status, int | None)
        return error.reason
    return str(error.retryable)


def test_errors_have_typed_reasons() -> None:
    """Subclasses have the reason of their name."""
    assert handled(RateLimitError("slow")) == "rate_limit"
    assert handled(BudgetExceededError("x", limit="tokens", used=3, allowed=2)) == "tokens: 3 of 2"
    assert handled(CodexError()) == "False"


@pytest.mark.anyio
async def test_lists_of_threads_and_models_have_typed_entries(tmp_path: Path) -> None:
    """The values of the app-server are typed, too."""
    codex = Codex(env={"CODEX_HOME": str(tmp_path)})
    page = await codex.list_threads()
    assert_type(page, ThreadPage)
    assert_type([summary.name for summary in page], list[str | None])
    assert (page, page.next_cursor) == ([], None)

    async def asked() -> str | None:
        models, status = await codex.models(hidden=True), await codex.account()
        assert_type(models, tuple[Model, ...])
        assert_type(status.account, Account | None)
        return models[0].default_effort

    assert asked is not None


def text_of(event: ThreadEvent) -> str:
    if event.type == "item.completed":
        assert_type(event, ItemCompletedEvent)
        return described(event.item)
    if event.type == "turn.failed":
        assert_type(event, TurnFailedEvent)
        return event.error.message
    if event.type == "unknown":
        assert_type(event, UnknownEvent)
        return event.wire_type
    return event.type


def described(item: ThreadItem) -> str:
    if item.type == "agent_message":
        assert_type(item, AgentMessageItem)
        return item.text
    if item.type == "command_execution":
        assert_type(item, CommandExecutionItem)
        return item.command
    if item.type == "error":
        assert_type(item, ErrorItem)
        return item.message
    if item.type == "unknown":
        assert_type(item, UnknownItem)
        return item.wire_type
    return item.type


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('{"type": "item.completed", "item": {"id": "a", "type": "agent_message", "text": "Hi"}}', "Hi"),
        ('{"type": "item.completed", "item": {"id": "a", "type": "hologram"}}', "hologram"),
        ('{"type": "item.completed", "item": {"id": "a", "type": "unknown"}}', "unknown"),
        ('{"type": "turn.failed", "error": {"message": "No."}}', "No."),
        ('{"type": "turn.paused", "why": 1}', "turn.paused"),
        ('{"type": "turn.started"}', "turn.started"),
    ],
)
def test_the_type_of_an_event_or_item_narrows_its_class(line: str, text: str) -> None:
    """An object of an unknown type has the type `unknown`, and the type that was sent in `wire_type`."""
    event = parse_event(line)
    assert event is not None
    assert text_of(event) == text


def test_an_unknown_event_is_dumped_as_it_was_read() -> None:
    """A saved turn can be read again by a version that knows the type."""
    for line in ({"type": "turn.paused", "why": 1}, {"type": "item.completed", "item": {"id": "a", "type": "hologram", "beam": [1]}}):
        event = parse_event(str(line).replace("'", '"'))
        assert event is not None
        assert event.model_dump(exclude={"delta"}) == line
        assert parse_event(event.model_dump_json()) == event


def test_paths_can_be_texts_or_path_objects(tmp_path: Path) -> None:
    """The options and images store a `Path`."""
    assert LocalImageInput(path="a.png") == LocalImageInput(path=Path("a.png"))
    options = ThreadOptions(working_directory=str(tmp_path), additional_directories=["b", Path("c")])
    assert options == ThreadOptions(working_directory=tmp_path, additional_directories=(Path("b"), Path("c")))
    assert_type(options.working_directory, Path | None)


def test_the_synchronous_client_has_the_types_of_the_asynchronous_one() -> None:
    threads = sync.Codex(transport=ScriptedTransport([ANSWER, ANSWER, ANSWER])).start_thread()
    assert_type(threads, sync.Thread)
    assert_type(threads.run("go"), Turn[Any])
    turn = threads.run("go", output_schema=Person)
    assert_type(turn.parsed, Person)
    with threads.run_streamed("go", output_schema=Person) as streamed:
        assert_type(streamed, sync.StreamedTurn[Person])
        for event in streamed.events:
            assert_type(event, ThreadEvent)
        assert_type(streamed.wait().parsed, Person)
    assert_type(sync.retry(lambda: turn), Turn[Person])
