"""Tools with the real CLI: the model sees the results and images in its next request, in code mode and without."""

import io
import threading
from contextlib import suppress
from typing import Any

import anyio
import pytest
from PIL import Image

from codex_jupyter.sdk import (
    ApprovalDecision,
    ApprovalRequest,
    Codex,
    ConfigError,
    DynamicToolCallItem,
    ItemUpdatedEvent,
    Thread,
    TurnInterruptedError,
    UnsupportedOperationError,
)
from codex_jupyter.sdk.rollouts import stored_tools
from codex_jupyter.sdk.tools import ToolContext, ToolLimits, ToolNamespace, tool
from codex_jupyter.sdk.transports.exec.transport import ExecTransport
from codex_jupyter.testing import RecordedRequest, ScriptedModel, call
from tests.catalogue import DIRECT
from tests.sdk.conftest import Real

pytestmark = pytest.mark.anyio
MODELS = [pytest.param(None, id="code mode"), pytest.param(DIRECT, id="direct")]


def thread_of(real: Real, model: ScriptedModel, *tools: Any, thread_id: str | None = None, **options: Any) -> Thread:
    client = options.pop("client", None) or real.codex(model, **options)
    given: dict[str, Any] = {"working_directory": real.workspace, "skip_git_repo_check": True, "tools": tools}
    return client.start_thread(**given) if thread_id is None else client.resume_thread(thread_id, **given)


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, "PNG")
    return buffer.getvalue()


def outputs(request: RecordedRequest) -> str:
    """The outputs of tools that the model sees."""
    return str([item.get("output") for item in request.input if str(item.get("type")).endswith("_call_output")])


@tool(read_only=True)
def plot(count: int) -> list[Any]:
    """Plot something."""
    return [f"{count} plots", *[png()] * count]


def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


@pytest.mark.parametrize("kind", MODELS)
async def test_the_model_gets_the_text_and_the_images_of_a_tool_in_its_next_request(live: Real, kind: str | None) -> None:
    """An image is an image in both modes, never base64 text. It is not a prompt: neither in the history nor in titles."""
    model = live.play([[call("plot", {"count": 2}), call("add", {"a": 2}, namespace="sum"), "Done."], "Later."], model=kind)
    thread = thread_of(live, model, plot, ToolNamespace("sum", [add]))
    turn = await thread.run("Plot it.")
    assert (turn.status, turn.final_response) == ("completed", "Done.")
    second, third = model.requests[1:3]
    assert "2 plots" in outputs(second)
    assert [image.data for image in second.images] == [png(), png()]
    assert ("base64" in outputs(second)) is (kind == DIRECT)
    assert "'3'" in outputs(third)
    client = live.servers[0]
    await thread.run("Go on.")
    assert len([part for part in str(model.requests[-1].input).split("data:image/png") if part]) == 3
    stored = await client.read_thread(thread.id or "")
    assert [past.prompt for past in stored.turns] == ["Plot it.", "Go on."]
    assert [summary.title for summary in await client.list_threads(live.workspace)] == ["Plot it."]


@pytest.mark.parametrize("kind", MODELS)
async def test_a_resumed_thread_binds_functions_by_name_and_a_missing_one_is_explained_to_the_model(live: Real, kind: str | None) -> None:
    model = live.play(["Started.", [call("add", {"a": 1}), call("plot", {"count": 0}), "Done."]], model=kind)
    first = thread_of(live, model, plot, add)
    await first.run("Start.")
    assert stored_tools(live.folder / "home", first.id or "") == [(None, "plot"), (None, "add")]
    await live.servers[0].aclose()

    @tool(name="add")
    def subtract(a: int, b: int = 1) -> int:
        return a - b

    await thread_of(live, model, subtract, thread_id=first.id).run("Go on.")
    assert "0" in outputs(model.requests[2])
    assert "The tool plot has no function in this session" in outputs(model.requests[3])


@pytest.mark.parametrize("kind", MODELS)
async def test_the_item_of_a_call_has_arguments_progress_images_and_the_whole_exception(live: Real, kind: str | None) -> None:
    """The model receives one line of an exception, the user the traceback. An image is an image also in code mode."""
    seen = threading.Event()

    @tool(read_only=True)
    def work(fail: bool, context: ToolContext) -> list[Any]:
        if fail:
            raise LookupError("not there")
        context.report("half")
        seen.wait(10)
        return ["done", png()]

    model = live.play([[call("work", {"fail": False}), call("work", {"fail": True}), "Done."]], model=kind)
    streamed = await thread_of(live, model, work).run_streamed("Go.")
    async for event in streamed.events:
        item = getattr(event, "item", None)
        if isinstance(event, ItemUpdatedEvent) and isinstance(item, DynamicToolCallItem):
            assert item.content_items == [{"type": "inputText", "text": "half"}]
            seen.set()
    assert seen.is_set()
    turn = streamed.turn
    good, bad = (item for item in turn.items if isinstance(item, DynamicToolCallItem))
    assert (good.tool, good.arguments, good.status, good.success) == ("work", {"fail": False}, "completed", True)
    assert [part["type"] for part in good.content_items] == ["inputText", "inputImage"]
    assert (bad.status, bad.success) == ("failed", False)
    assert bad.content_items == [{"type": "inputText", "text": "LookupError: not there"}]
    assert "Traceback" in (bad.error or "")
    assert "raise LookupError" in (bad.error or "")
    assert "codex_jupyter" not in (bad.error or "")


async def test_a_thread_cannot_get_other_tools_later(live: Real) -> None:
    model = live.play(["Started.", "Never."])
    first = thread_of(live, model, add)
    await first.run("Start.")
    with pytest.raises(ConfigError, match=r"plot is not a tool of this thread.*start_thread"):
        await first.run("Go on.", tools=[plot])
    await live.servers[0].aclose()
    with pytest.raises(ConfigError, match=r"without the tools plot.*Start a new thread"):
        await thread_of(live, model, add, plot, thread_id=first.id).run("Go on.")
    assert len(model.requests) == 1


async def test_a_turn_may_use_the_selected_tools_only(live: Real) -> None:
    model = live.play([[call("add", {"a": 1}), call("plot", {"count": 0}), "Done."]])
    await thread_of(live, model, add, plot).run("Go.", tools=["plot"])
    assert "The tool add is not available in this turn" in outputs(model.requests[1])
    assert "0 plots" in outputs(model.requests[2])


@pytest.mark.parametrize("kind", MODELS)
async def test_the_decision_cancel_ends_the_turn_and_no_other_call_is_asked_for_or_run(live: Real, kind: str | None) -> None:
    model = live.play([[[call("add", {"a": 1}), call("add", {"a": 2})], call("plot", {"count": 0}), "Never."]], model=kind)
    asking = anyio.Lock()
    asked = list[ApprovalRequest]()

    async def decide(request: ApprovalRequest) -> ApprovalDecision:
        async with asking:  # as one user, who answers one question after the other
            asked.append(request)
            return "cancel"

    with pytest.raises(TurnInterruptedError, match="by a decision") as caught:
        await thread_of(live, model, add, plot).run("Go.", on_approval=decide)
    assert len(asked) == 1
    assert len(model.requests) == 1
    assert caught.value.turn is not None
    assert not any(item.success for item in caught.value.turn.items if isinstance(item, DynamicToolCallItem))


@pytest.mark.parametrize("decision", ["accept_for_session", "decline"])
async def test_a_tool_that_changes_something_asks_the_handler(live: Real, decision: ApprovalDecision) -> None:
    model = live.play([[call("add", {"a": 1}), call("add", {"a": 5}), call("plot", {"count": 0}), "Done."]])
    asked: list[ApprovalRequest] = []

    def decide(request: ApprovalRequest) -> ApprovalDecision:
        asked.append(request)
        return decision

    turn = await thread_of(live, model, add, plot).run("Go.", on_approval=decide)
    statuses = [item.status for item in turn.items if isinstance(item, DynamicToolCallItem)][:2]
    assert statuses == (["declined"] if decision == "decline" else ["completed"]) * 2
    assert [(request.kind, request.tool, request.arguments) for request in asked] == [
        ("tool", "add", {"a": number}) for number in ((1,) if decision == "accept_for_session" else (1, 5))
    ]
    assert ("The user declined this call" in outputs(model.requests[1])) is (decision == "decline")


async def test_without_a_handler_and_with_the_policy_never_tools_run(live: Real) -> None:
    model = live.play([[call("add", {"a": 1}), "Done."], [call("add", {"a": 6}), "Done."]])
    client = live.codex(model)
    await thread_of(live, model, add, client=client).run("Go.")
    never = client.start_thread(working_directory=live.workspace, skip_git_repo_check=True, tools=[add], approval_policy="never")
    await never.run("Go.", on_approval=lambda request: "decline")
    assert "2" in outputs(model.requests[1])
    assert "7" in outputs(model.requests[3])


async def test_an_interrupt_stops_a_running_tool_and_then_the_turn(live: Real) -> None:
    stopped, started = anyio.Event(), anyio.Event()

    @tool(read_only=True)
    async def forever() -> None:
        """Run for ever."""
        started.set()
        try:
            await anyio.sleep_forever()
        finally:
            stopped.set()

    model = live.play([[call("forever", {}), "Never."]])
    streamed = await thread_of(live, model, forever).run_streamed("Go.")
    async with anyio.create_task_group() as group:

        async def read() -> None:
            with suppress(TurnInterruptedError):
                async for _ in streamed.events:
                    pass

        group.start_soon(read)
        with anyio.fail_after(20):
            await started.wait()
            await streamed.interrupt()
            await stopped.wait()
    assert streamed.turn.status == "interrupted"
    assert len(model.requests) == 1


async def test_200_calls_in_one_turn_have_their_results_and_the_next_is_refused(live: Real) -> None:
    calls = [[call("add", {"a": 1_000 + number}) for number in range(start, start + 70)] for start in (0, 70, 140)]
    model = live.play([[*calls, "Done."]], model=DIRECT)
    thread = thread_of(live, model, add, tool_limits=ToolLimits(max_calls=200))
    turn = await thread.run("Go.")
    assert turn.final_response == "Done."
    text = outputs(model.requests[-1])
    assert text.count("The limit of 200 tool calls") == 10
    assert sum(str(1_001 + number) in text for number in range(210)) == 200


async def test_exec_refuses_tools_with_the_remedy_and_auto_uses_the_app_server(real: Real) -> None:
    model = real.play([[call("add", {"a": 1}), "Done."]])
    with pytest.raises(UnsupportedOperationError, match="app-server"):
        real.codex(model, tools=[add])
    with pytest.raises(UnsupportedOperationError, match="app-server"):
        real.codex(model).start_thread(tools=[add])
    client = real.codex(model, transport="auto", tools=[add])
    assert client.transport.has_tools
    assert not ExecTransport(client.options).has_tools
    await client.start_thread(working_directory=real.workspace, skip_git_repo_check=True).run("Go.")
    assert "2" in outputs(model.requests[1])
    other = Codex(transport="auto", tools=[add])
    with pytest.raises(UnsupportedOperationError, match="Tools need the transport 'app-server'"):
        await other.start_thread(working_directory=real.workspace, skip_git_repo_check=True, profile="work").run("Go.")


async def test_a_fork_has_the_tools_of_its_source(live: Real) -> None:
    model = live.play(["Started.", [call("add", {"a": 1}), "Done."]])
    client = live.codex(model)
    source = thread_of(live, model, add, client=client)
    await source.run("Start.")
    fork = await client.fork_thread(source.id or "", tools=[add], working_directory=live.workspace, skip_git_repo_check=True)
    await fork.run("Go on.")
    assert "2" in outputs(model.requests[2])
