"""The calls of a turn: checks, approval, limits, parallel and exclusive calls, time limits and cancellation."""

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from codex_jupyter.sdk.tools import (
    CallDeclinedError,
    Tool,
    ToolCall,
    ToolContext,
    ToolLimits,
    ToolNamespace,
    ToolOutput,
    ToolRunner,
    ToolSet,
    tool,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


def call(name: str, arguments: Any = None, *, namespace: str | None = None, thread: str = "T", number: int = 0) -> ToolCall:
    return ToolCall(thread_id=thread, turn_id="U", call_id=f"C{number}", namespace=namespace, name=name, arguments=arguments)


def runner(*tools: Any, **options: Any) -> ToolRunner:
    return ToolRunner(ToolSet(tools), thread_id="T", **options)


def add(a: int, b: int = 1) -> int:
    return a + b


async def add_later(a: int) -> int:
    await anyio.lowlevel.checkpoint()
    return a


def crash(text: str) -> None:
    raise LookupError(text)


@pytest.mark.parametrize(
    ("request_of", "text", "success"),
    [
        (call("add", {"a": 2}), "3", True),
        (call("add_later", {"a": 2}), "2", True),
        (call("add", {"a": "x"}), "do not match", False),
        (call("add", {"a": 2}, thread="other"), "another thread", False),
        (call("absent"), "no function in this session", False),
        (call("add", {"a": 2}, namespace="group"), "group.add has no function", False),
        (call("crash", {"text": "no key"}), "LookupError: no key", False),
        (call("crash", {"text": "x" * 9_999}), "x ... x", False),
    ],
)
async def test_each_call_has_an_answer_for_the_model(request_of: ToolCall, text: str, success: bool) -> None:
    output = await runner(add, add_later, crash).run(request_of)
    assert text in output.text
    assert len(output.text) < 2_000
    assert output.success is success


async def test_the_user_gets_the_whole_exception_of_a_tool() -> None:
    output = await runner(crash).run(call("crash", {"text": "x" * 9_999}))
    assert isinstance(output.error, LookupError)
    assert str(output.error) == "x" * 9_999
    assert output.error.__traceback__ is not None


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
async def test_a_tool_cannot_end_the_process_or_the_loop(kind: type[BaseException]) -> None:
    def leave() -> None:
        raise kind("out")

    assert (await runner(leave).run(call("leave"))).text == f"{kind.__name__}: out"


class FailsToDescribeItselfError(BaseException):
    def __str__(self) -> str:
        raise ValueError("no")


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    ("kind", "text"), [(BaseException, "BaseException: out"), (FailsToDescribeItselfError, "ItselfError: (without a message)")]
)
async def test_any_exception_of_a_tool_is_an_answer_for_the_model(kind: type[BaseException], text: str, is_async: bool) -> None:
    def leave() -> None:
        raise kind("out")

    async def leave_later() -> None:
        await anyio.lowlevel.checkpoint()
        raise kind("out")

    output = await runner(leave, leave_later).run(call("leave_later" if is_async else "leave"))
    assert text in output.text
    assert isinstance(output.error, kind)


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_the_cancellation_of_a_task_that_a_tool_waits_for_is_an_answer_for_the_model() -> None:
    async def wait_for_a_cancelled_task() -> None:
        task = asyncio.create_task(asyncio.sleep(60))
        task.cancel()
        await task

    output = await runner(wait_for_a_cancelled_task).run(call("wait_for_a_cancelled_task"))
    assert output.text == "CancelledError: "
    assert isinstance(output.error, asyncio.CancelledError)


async def test_an_async_generator_is_a_list_of_its_first_entries_and_is_closed() -> None:
    closed: list[bool] = []

    async def some() -> AsyncIterator[int]:
        for number in range(3):
            yield number

    async def endless() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    assert (await runner(some).run(call("some"))).text == "[0,1,2]"
    assert "has more" in (await runner(endless).run(call("endless"))).text
    assert closed == [True]


async def test_a_tool_outside_the_selection_or_after_the_end_of_the_turn_is_not_called() -> None:
    calls: list[int] = []

    def note(a: int) -> None:
        calls.append(a)

    selected = ToolRunner(ToolSet([note, add]).select(["add"]), thread_id="T")
    assert "not available in this turn" in (await selected.run(call("note", {"a": 1}))).text
    ended = runner(note)
    ended.close()
    assert "The turn has ended" in (await ended.run(call("note", {"a": 1}))).text
    assert calls == []


@pytest.mark.integration  # it takes seconds
async def test_a_call_beyond_the_limit_of_a_turn_is_refused_and_200_calls_leave_nothing_behind() -> None:
    calls = runner(add, limits=ToolLimits(max_calls=200))
    before, kept = threading.active_count(), outputs_alive()
    for number in range(200):
        assert (await calls.run(call("add", {"a": number}))).text == str(number + 1)
    assert "limit of 200 tool calls" in (await calls.run(call("add", {"a": 1}))).text
    assert outputs_alive() <= kept
    assert threading.active_count() <= before + 8


def outputs_alive() -> int:
    gc.collect()
    return sum(type(entry) is ToolOutput for entry in gc.get_objects())  # `isinstance` would ask the objects of other tests


@pytest.mark.parametrize("read_only", [True, False])
async def test_only_tools_that_change_something_ask(read_only: bool) -> None:
    asked: list[tuple[str, Any]] = []

    async def approve(tool: Tool[..., Any], call: ToolCall) -> bool:
        asked.append((tool.name, call.arguments))
        return False

    output = await runner(tool(read_only=read_only)(add), approve=approve).run(call("add", {"a": 2}))
    assert asked == ([] if read_only else [("add", {"a": 2})])
    assert output.text == "3" if read_only else "The user declined" in output.text
    assert output.declined is not read_only


async def test_the_end_of_the_turn_is_not_a_decision_of_the_user() -> None:
    """A handler that cannot ask any more declines."""

    async def approve(_tool: Tool[..., Any], _call: ToolCall) -> bool:
        calls.close()
        return False

    calls = runner(add, approve=approve)
    output = await calls.run(call("add", {"a": 2}))
    assert "The turn has ended" in output.text
    assert not output.declined


async def test_a_tool_that_asks_the_user_itself_can_report_that_the_user_declined() -> None:
    def ask() -> None:
        raise CallDeclinedError("The user said no.")

    output = await runner(ask).run(call("ask"))
    assert (output.text, output.declined, output.success) == ("The user said no.", True, False)


async def test_calls_run_at_the_same_time_up_to_the_limit() -> None:
    running = most = 0
    lock, enough = threading.Lock(), threading.Event()

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            if most == 3:
                enough.set()
        enough.wait(5)
        with lock:
            running -= 1

    calls = runner(work, limits=ToolLimits(max_parallel=3))
    async with anyio.create_task_group() as group:
        for number in range(6):
            group.start_soon(calls.run, call("work", number=number))
    assert most == 3


@pytest.mark.parametrize("kind", ["plain", "async"])
async def test_an_exclusive_tool_runs_one_call_at_a_time_also_of_two_turns(kind: str) -> None:
    running = most = 0

    def enter() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)

    def leave() -> None:
        nonlocal running
        running -= 1

    def plain() -> None:
        enter()
        threading.Event().wait(0.01)
        leave()

    async def later() -> None:
        enter()
        await anyio.sleep(0.01)
        leave()

    work: Tool[..., Any] = tool(exclusive=True, name="work")(plain if kind == "plain" else later)
    turns = [runner(work), runner(ToolNamespace("group", [work]))]
    async with anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(turns[0].run, call("work", number=number))
            group.start_soon(turns[1].run, call("work", namespace="group", number=number))
    assert (most, running) == (1, 0)


async def test_a_tool_that_takes_too_long_is_given_up_and_stays_locked_until_it_ends() -> None:
    started, end = threading.Semaphore(0), threading.Event()

    @tool(timeout=0.05, exclusive=True)
    def hang() -> str:
        started.release()
        end.wait(10)
        return "late"

    calls = runner(hang)
    output = await calls.run(call("hang"))
    assert "no result within 0.05 seconds" in output.text
    assert isinstance(output.error, TimeoutError)
    with anyio.move_on_after(0.1) as waiting:
        await calls.run(call("hang"))
    assert waiting.cancelled_caught
    assert started.acquire(blocking=False)
    assert not started.acquire(blocking=False), "the function ran twice at the same time"
    end.set()
    with anyio.fail_after(30):
        while (await calls.run(call("hang"))).text != "late":  # a busy machine may need more than one attempt
            pass


async def test_a_cancelled_async_tool_is_stopped() -> None:
    stopped: list[str] = []

    @tool(timeout=0.05)
    async def forever() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            stopped.append("here")

    assert "no result" in (await runner(forever).run(call("forever"))).text
    assert stopped == ["here"]


async def test_a_tool_sees_its_call_and_reports_while_it_runs() -> None:
    reports: list[tuple[str, str]] = []

    def work(context: ToolContext) -> str:
        context.report("half")
        return f"{context.thread_id} {context.turn_id} {context.call_id}"

    report: Callable[[ToolCall, str], object] = lambda of, text: reports.append((of.call_id, text))  # noqa: E731
    assert (await runner(work, report=report).run(call("work"))).text == "T U C0"
    assert reports == [("C0", "half")]
    assert (await runner(work).run(call("work"))).success


async def test_what_the_model_receives_is_redacted_also_in_errors() -> None:
    def leak(fail: bool) -> str:
        if fail:
            raise ValueError("key sesame")
        return "key sesame"

    calls = runner(leak, redact=lambda text: text.replace("sesame", "***"))
    assert (await calls.run(call("leak", {"fail": False}))).text == "key ***"
    assert (await calls.run(call("leak", {"fail": True}))).text == "ValueError: key ***"


def test_the_parameters_of_a_request_are_read_in_any_form_they_are() -> None:
    params = {"threadId": "T", "turnId": "U", "callId": "exec-1", "namespace": None, "tool": "x", "arguments": [1]}
    assert ToolCall.from_wire(params) == ToolCall(thread_id="T", turn_id="U", call_id="exec-1", namespace=None, name="x", arguments=[1])
    assert ToolCall.from_wire(params).in_script
    assert not ToolCall.from_wire({}).in_script
