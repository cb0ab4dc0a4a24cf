"""Traces of OpenTelemetry: pass the active trace on to Codex, and record a span for each turn and each item.

Codex continues the trace, and sends it to the model's provider, if its configuration has an `otel.trace_exporter`: measured with 0.163.

Nothing here imports OpenTelemetry. A program that has not loaded it has no active trace. The names are those of the semantic conventions
for generative AI. Prompts, answers, commands, outputs and error messages are recorded only if the environment variable `CONTENT_VARIABLE`
of OpenTelemetry is true.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from importlib import import_module
from typing import Any, Final

from codex_jupyter.sdk.models.events import ItemCompletedEvent, ItemStartedEvent, ItemUpdatedEvent, ThreadEvent
from codex_jupyter.sdk.models.items import ThreadItem
from codex_jupyter.sdk.models.turn import Turn
from codex_jupyter.sdk.redaction import mask_message

CONTENT_VARIABLE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_API: Final = "opentelemetry.trace"
_FAILED: Final = frozenset({"failed", "declined", "interrupted", "errored"})
_TOOLS: Final[Mapping[str, tuple[str, str]]] = {
    "command_execution": ("shell", "extension"),
    "file_change": ("apply_patch", "extension"),
    "web_search": ("web_search", "extension"),
    "mcp_tool_call": ("", "extension"),
    "collab_tool_call": ("", "extension"),
    "dynamic_tool_call": ("", "function"),
}
"""Name and type of the tool of an item, by the type of the item. An empty name is that of the item."""
_ARGUMENTS: Final = ("command", "arguments", "query", "prompt", "changes")
_RESULTS: Final = ("aggregated_output", "result", "content_items", "error")


def trace_context() -> dict[str, str]:
    """Return the active trace as the headers `traceparent` and `tracestate`. Empty if there is none."""
    if _API not in sys.modules:
        return {}
    carrier: dict[str, str] = {}
    import_module(f"{_API}.propagation.tracecontext").TraceContextTextMapPropagator().inject(carrier)
    if "traceparent" in carrier:
        start, _, flags = carrier["traceparent"].rpartition("-")
        # Codex ignores a trace with a flag that is newer than "sampled", such as "random" of OpenTelemetry 1.45: measured with 0.163.
        carrier["traceparent"] = f"{start}-{int(flags, 16) & 1:02x}"
    return carrier


def trace_variables() -> dict[str, str]:
    """Return the active trace as environment variables."""
    return {name.upper(): value for name, value in trace_context().items()}


class TurnTrace:
    """The span of a turn, with a child for each item.

    Args:
        api: The module `opentelemetry.trace`.
        span: The span of the turn.
    """

    def __init__(self, api: Any, span: Any) -> None:
        self._api, self._span = api, span
        self._content = os.environ.get(CONTENT_VARIABLE, "").strip().lower() in ("1", "true", "span_only", "span_and_event")
        self._items: dict[str, Any] = {}

    @classmethod
    def start(cls, *, model: str | None, thread_id: str | None, prompt: Callable[[], str]) -> "TurnTrace | None":
        """Start the span of a turn. Return None if no one records it.

        Args:
            model: The model that the options name.
            thread_id: The id of the thread, if it has one.
            prompt: Returns the prompt, if contents are recorded.
        """
        api: Any = sys.modules.get(_API)
        if api is None:
            return None
        attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.provider.name": "openai", "gen_ai.agent.name": "codex"}
        attributes |= {"gen_ai.request.model": model} if model else {}
        attributes |= {"gen_ai.conversation.id": thread_id} if thread_id else {}
        span = api.get_tracer("codex_jupyter").start_span("invoke_agent codex", kind=api.SpanKind.CLIENT, attributes=attributes)
        if not span.is_recording():
            return None
        trace = cls(api, span)
        if trace._content:
            span.set_attribute("gen_ai.input.messages", _message("user", prompt()))
        return trace

    def active(self) -> AbstractContextManager[Any]:
        """Return a block in which the span is the active one."""
        manager: AbstractContextManager[Any] = self._api.use_span(self._span, record_exception=False, set_status_on_exception=False)
        return manager

    def apply(self, events: Iterable[ThreadEvent]) -> None:
        """Start and end the spans of items.

        Args:
            events: The next events of the turn.
        """
        for event in events:
            if isinstance(event, ItemStartedEvent | ItemUpdatedEvent):
                self._started(event.item)
            elif isinstance(event, ItemCompletedEvent):
                self._ended(self._started(event.item), event.item)
                del self._items[event.item.id]

    def end(self, turn: Turn) -> None:
        """End all spans.

        Args:
            turn: The turn, which has ended.
        """
        for item in turn.items:
            if (span := self._items.pop(item.id, None)) is not None:
                self._ended(span, item)
        span = self._span
        if turn.thread_id is not None:
            span.set_attribute("gen_ai.conversation.id", turn.thread_id)
        if turn.rights is not None and turn.rights.model is not None:
            span.set_attribute("gen_ai.response.model", turn.rights.model)
        if turn.usage is not None:
            span.set_attribute("gen_ai.usage.input_tokens", turn.usage.input_tokens)
            span.set_attribute("gen_ai.usage.output_tokens", turn.usage.output_tokens)
            span.set_attribute("gen_ai.usage.cache_read.input_tokens", turn.usage.cached_input_tokens)
            span.set_attribute("gen_ai.usage.reasoning.output_tokens", turn.usage.reasoning_output_tokens)
        if self._content and turn.final_response:
            span.set_attribute("gen_ai.output.messages", _message("assistant", turn.final_response))
        if turn.status != "completed":
            reason = turn.failure.reason if turn.failure is not None else turn.status
            self._failed(span, str(reason), turn.error or "")
        span.end()

    def _started(self, item: ThreadItem) -> Any:
        if item.id not in self._items:
            tool, kind = _TOOLS.get(item.type, ("", ""))
            tool = tool or str(getattr(item, "tool", ""))
            attributes = {"codex.item.type": getattr(item, "wire_type", item.type)}
            if kind:
                names = {"operation.name": "execute_tool", "tool.name": tool, "tool.type": kind, "tool.call.id": item.id}
                attributes |= {f"gen_ai.{name}": value for name, value in names.items()}
            if item.type == "mcp_tool_call":
                attributes["codex.mcp_server"] = item.server
            self._items[item.id] = self._api.get_tracer("codex_jupyter").start_span(
                f"execute_tool {tool}" if kind else attributes["codex.item.type"],
                context=self._api.set_span_in_context(self._span),
                attributes=attributes,
                start_time=_nanoseconds(getattr(item, "started_at", None)),
            )
        return self._items[item.id]

    def _ended(self, span: Any, item: ThreadItem) -> None:
        status, exit_code = getattr(item, "status", None), getattr(item, "exit_code", None)
        if exit_code is not None:
            span.set_attribute("process.exit.code", exit_code)
        if self._content:
            for name, fields in (("gen_ai.tool.call.arguments", _ARGUMENTS), ("gen_ai.tool.call.result", _RESULTS)):
                if values := {field: value for field in fields if (value := getattr(item, field, None)) is not None}:
                    span.set_attribute(name, mask_message(json.dumps(values, default=_jsonable, ensure_ascii=False)))
            if (text := getattr(item, "text", None)) is not None:
                span.set_attribute("gen_ai.output.messages", _message("assistant", text))
        if status in _FAILED:
            self._failed(span, str(status), "")
        span.end(_nanoseconds(getattr(item, "completed_at", None)))

    def _failed(self, span: Any, reason: str, message: str) -> None:
        span.set_attribute("error.type", reason)
        span.set_status(self._api.StatusCode.ERROR, message if self._content else None)


def _message(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": mask_message(text)}]}], ensure_ascii=False)


def _nanoseconds(time: object) -> int | None:
    return int(time.timestamp() * 1e9) if isinstance(time, datetime) else None


def _jsonable(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else str(value)
