"""Traces of OpenTelemetry: the active trace reaches the CLI, and turns and items have spans."""

import json
import subprocess
import sys
from typing import Any

import pytest

from codex_jupyter import sync
from codex_jupyter.sdk import Codex, ScriptedTransport, TransportName, TurnFailedError
from codex_jupyter.sdk.tracing import CONTENT_VARIABLE, trace_context, trace_variables
from codex_jupyter.testing import shell
from tests.sdk.conftest import Real

trace = pytest.importorskip("opentelemetry.trace")
sdk_trace = pytest.importorskip("opentelemetry.sdk.trace")
export = pytest.importorskip("opentelemetry.sdk.trace.export")
memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
COMMAND = {"id": "c", "type": "command_execution", "command": "ls secret-folder"}
TURN: list[Any] = [
    {"type": "item.started", "item": COMMAND},
    {"type": "item.completed", "item": COMMAND | {"aggregated_output": "out", "exit_code": 2, "status": "failed"}},
    {"type": "item.completed", "item": {"id": "a", "type": "agent_message", "text": "Hi!"}},
    {"type": "turn.completed", "usage": {"input_tokens": 10, "cached_input_tokens": 4, "output_tokens": 2}},
]
pytestmark = pytest.mark.anyio


class Program:
    """The provider of the program, which OpenTelemetry lets it set once. It records nothing outside of the tests that set `provider`."""

    provider: Any = trace.NoOpTracerProvider()

    def get_tracer(self, *arguments: Any, **named: Any) -> Any:
        return self.provider.get_tracer(*arguments, **named)


@pytest.fixture(scope="session")
def program() -> Program:
    program = Program()
    trace.set_tracer_provider(program)
    return program


@pytest.fixture
def spans(program: Program, monkeypatch: pytest.MonkeyPatch) -> Any:
    exporter, provider = memory.InMemorySpanExporter(), sdk_trace.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    monkeypatch.setattr(program, "provider", provider)
    return exporter.get_finished_spans


async def test_a_turn_and_its_items_have_spans_with_tokens_and_without_contents(spans: Any) -> None:
    with trace.get_tracer("test").start_as_current_span("program"):
        await Codex(transport=ScriptedTransport([TURN])).start_thread(model="some-model").run("a prompt")
    command, message, turn, program = spans()
    assert [span.name for span in (command, message, turn)] == ["execute_tool shell", "agent_message", "invoke_agent codex"]
    assert turn.parent.span_id == program.context.span_id
    assert command.parent.span_id == message.parent.span_id == turn.context.span_id
    expected = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.request.model": "some-model",
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "gen_ai.usage.output_tokens": 2,
    }
    assert expected.items() <= dict(turn.attributes).items()
    assert turn.attributes["gen_ai.conversation.id"]
    assert command.attributes["gen_ai.tool.name"] == "shell"
    assert command.attributes["process.exit.code"] == 2
    assert command.attributes["error.type"] == "failed"
    assert not any(text in span.to_json() for span in spans() for text in ("a prompt", "secret-folder", "Hi!"))


async def test_contents_are_recorded_only_on_request(spans: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONTENT_VARIABLE, "true")
    await Codex(transport=ScriptedTransport([TURN])).start_thread().run("a prompt with sk-abcdefghij1234567890")
    command, message, turn = spans()
    prompt = json.loads(turn.attributes["gen_ai.input.messages"])[0]["parts"][0]["content"]
    assert prompt == "a prompt with ***"
    assert json.loads(turn.attributes["gen_ai.output.messages"])[0]["parts"][0]["content"] == "Hi!"
    assert json.loads(command.attributes["gen_ai.tool.call.arguments"]) == {"command": "ls secret-folder"}
    assert "Hi!" in message.attributes["gen_ai.output.messages"]


@pytest.mark.parametrize("content", [False, True])
async def test_the_span_of_a_failed_turn_has_the_reason(spans: Any, monkeypatch: pytest.MonkeyPatch, content: bool) -> None:
    """And the message, which can repeat a part of the prompt, on request only."""
    monkeypatch.setenv(CONTENT_VARIABLE, str(content))
    failed = [TURN[0], {"type": "turn.failed", "error": {"message": "You've hit your usage limit."}}]
    with pytest.raises(TurnFailedError):
        await Codex(transport=ScriptedTransport([failed])).start_thread().run("go")
    command, turn = spans()
    assert turn.attributes["error.type"] == "usage_limit"
    assert turn.status.status_code is trace.StatusCode.ERROR
    assert turn.status.description == ("You've hit your usage limit." if content else None)
    assert command.attributes["error.type"] == "interrupted"


async def test_no_trace_is_passed_on_without_an_active_one() -> None:
    assert trace_context() == trace_variables() == {}


@pytest.mark.integration
def test_opentelemetry_is_not_imported() -> None:
    code = (
        "import sys, anyio; from codex_jupyter import Codex, ScriptedTransport\n"
        "anyio.run(Codex(transport=ScriptedTransport([[{'type': 'turn.completed', 'usage': {}}]])).start_thread().run, 'go')\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.integration
@pytest.mark.parametrize("transport", ["exec", "app-server"])
def test_the_trace_reaches_the_model_and_not_the_next_turn(real: Real, spans: Any, transport: TransportName) -> None:
    """A CLI with a trace exporter sends it with its requests. The synchronous client passes on the trace of its caller's thread."""
    model = real.play([[shell("true"), "One."], "Two."])
    exporter = {"otlp-http": {"endpoint": "http://127.0.0.1:9/v1/traces", "protocol": "json"}}
    with sync.Codex(
        config={**model.config, "otel": {"trace_exporter": exporter}}, env=real.environment(model), transport=transport
    ) as codex:
        thread = codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True)
        with trace.get_tracer("test").start_as_current_span("program") as program:
            thread.run("go")
        thread.run("again")
    expected = f"{program.get_span_context().trace_id:032x}"
    traces = [request.headers.get("traceparent", "--").split("-")[1] for request in model.requests]
    turn = next(span for span in spans() if span.name == "invoke_agent codex")
    assert f"{turn.context.trace_id:032x}" == expected
    assert traces[:2] == [expected, expected]
    assert traces[2] != expected
