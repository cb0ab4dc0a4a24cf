"""Convert a reply of the script to the events of a Responses stream."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from uuid import uuid4

from codex_jupyter.testing.parts import (
    Call,
    Cut,
    Delay,
    Fail,
    FailStream,
    Js,
    JsonObject,
    OutputPart,
    Patch,
    Raw,
    Say,
    Search,
    Think,
    WaitFor,
)
from codex_jupyter.testing.request import RecordedRequest
from codex_jupyter.testing.script import Reply

_PATIENCE_MS: Final = 24 * 60 * 60 * 1000
"""Milliseconds for which a call of a tool is awaited in code mode. By default, the CLI lets the model continue after 30 s.

A script does not ask for the result again, so the turn would end while the user still reads a question.
"""
Step: TypeAlias = JsonObject | Delay | WaitFor | Cut
"""An event to send, or an action between two events."""

_CHARACTERS_PER_TOKEN = 4
_TOKENS_PER_IMAGE = 1000


class ScriptError(Exception):
    """Raised when the script uses a tool that the request does not offer."""


@dataclass(frozen=True)
class Tools:
    """The tools that a request offers.

    Attributes:
        code_mode: True if calls are written as JavaScript for the custom tool `exec`.
        functions: The function tools that can be called directly, as (namespace or None, name).
    """

    code_mode: bool
    functions: frozenset[tuple[str | None, str]]

    @classmethod
    def of(cls, request: RecordedRequest) -> "Tools":
        """Read the tools of a request, from `tools` or from an `additional_tools` item of models with code mode."""
        offered = list(request.body.get("tools") or [])
        for item in request.input:
            if item.get("type") == "additional_tools":
                offered += item.get("tools") or []
        flat = list(_flat(offered, None))
        return cls(
            code_mode=any(tool.get("type") == "custom" and tool.get("name") == "exec" for _, tool in flat),
            functions=frozenset((space, tool["name"]) for space, tool in flat if tool.get("type") == "function"),
        )


def _flat(tools: Sequence[JsonObject], namespace: str | None) -> Iterator[tuple[str | None, JsonObject]]:
    for tool in tools:
        if tool.get("type") == "namespace":
            # `functions` is the name for tools without a namespace.
            name = None if tool["name"] == "functions" else tool["name"]
            yield from _flat(tool.get("tools") or [], name)
        else:
            yield namespace, tool


def steps(reply: Reply, request: RecordedRequest) -> Iterator[Step]:
    """Yield the events of a reply.

    Args:
        reply: The reply. It must not start with `fail`, which is not a stream.
        request: The request, with the offered tools and the input for the token counts.

    Raises:
        ScriptError: If the request does not offer a tool that the reply uses. Raised before the first event.
    """
    tools = Tools.of(request)
    items = [output_item(part, tools) if isinstance(part, OutputPart) else None for part in reply.parts]
    response: JsonObject = {"id": f"resp_{uuid4().hex}", "object": "response", "model": request.body.get("model", "")}
    yield {"type": "response.created", "response": response | {"status": "in_progress", "output": []}}
    output: list[JsonObject] = []
    for part, item in zip(reply.parts, items, strict=True):
        if item is not None:
            yield from _streamed(part, item, len(output))
            output.append(item)
        elif isinstance(part, FailStream):
            yield failed(part, response)
            return
        elif isinstance(part, Delay | WaitFor | Cut):
            yield part
    done = response | {"status": "completed", "output": output, "usage": usage(request, output)}
    yield {"type": "response.completed", "response": done}


def failed(failure: FailStream, response: Mapping[str, Any] | None = None) -> JsonObject:
    """Return the event that ends a stream in failure."""
    error = {"code": failure.code, "message": failure.message}
    return {"type": "response.failed", "response": {**(response or {}), "status": "failed", "error": error}}


def error_body(failure: Fail) -> JsonObject:
    """Return the JSON body of an HTTP error."""
    return {"error": {"message": failure.message, "type": failure.type, "code": failure.code}}


def output_item(part: OutputPart, tools: Tools) -> JsonObject:
    """Return the output item of a part, in the form that the model would use.

    Args:
        part: The part of the script.
        tools: The tools that the request offers.

    Raises:
        ScriptError: If the part needs code mode and the model does not have it.
    """
    match part:
        case Say():
            content = [{"type": "output_text", "text": part.text, "annotations": []}]
            item: JsonObject = {"type": "message", "id": _id("msg"), "role": "assistant", "status": "completed"}
            return item | {"content": content} | ({"phase": part.phase} if part.phase else {})
        case Think():
            summary = [{"type": "summary_text", "text": text} for text in part.summaries]
            return {"type": "reasoning", "id": _id("rs"), "summary": summary, "encrypted_content": None}
        case Search():
            action = {"type": "search", "query": part.query}
            return {"type": "web_search_call", "id": _id("ws"), "status": "completed", "action": action}
        case Raw():
            return dict(part.item)
        case Js():
            if not tools.code_mode:
                raise ScriptError("js() needs a model with code mode; this request offers no `exec` tool")
            return _custom_call("exec", part.code)
        case Patch() if tools.code_mode:
            return _tool_code("apply_patch", part.text)
        case Patch():
            return _custom_call("apply_patch", part.text)
        case Call():
            return _call(part, tools)


def _call(part: Call, tools: Tools) -> JsonObject:
    if tools.code_mode and (part.namespace, part.name) not in tools.functions:
        # The CLI converts the names of tools to identifiers in the same way.
        name = re.sub(r"\W", "_", f"{part.namespace}__{part.name}" if part.namespace else part.name)
        return _tool_code(name, part.arguments)
    arguments = json.dumps(part.arguments)
    item = {"type": "function_call", "id": _id("fc"), "call_id": _id("call"), "name": part.name, "arguments": arguments}
    return item | ({"namespace": part.namespace} if part.namespace else {})


def _tool_code(name: str, argument: object) -> JsonObject:
    """Return code that calls a tool. It waits for the result, also if the user is asked meanwhile and takes long to answer."""
    return _custom_call("exec", f'// @exec: {{"yield_time_ms": {_PATIENCE_MS}}}\ntext(await tools.{name}({json.dumps(argument)}));')


def _custom_call(name: str, text: str) -> JsonObject:
    return {
        "type": "custom_tool_call",
        "id": _id("ctc"),
        "call_id": _id("call"),
        "status": "completed",
        "name": name,
        "input": text,
    }


def _id(prefix: str) -> str:
    # Random, because a resumed thread may contain ids of several servers.
    return f"{prefix}_{uuid4().hex}"


def _streamed(part: object, item: JsonObject, index: int) -> Iterator[Step]:
    """Yield the events of an item."""
    where = {"item_id": item.get("id"), "output_index": index}
    match part:
        case Say():
            yield _added(item | {"status": "in_progress", "content": []}, index)
            yield from _deltas(part, item, where)
        case Think():
            yield _added(item | {"summary": []}, index)
            for number, entry in enumerate(item["summary"]):
                at = where | {"summary_index": number}
                empty = entry | {"text": ""}
                yield {"type": "response.reasoning_summary_part.added", "part": empty, **at}
                yield {"type": "response.reasoning_summary_text.delta", "delta": entry["text"], **at}
                yield {"type": "response.reasoning_summary_text.done", "text": entry["text"], **at}
                yield {"type": "response.reasoning_summary_part.done", "part": entry, **at}
        case Search():
            yield _added({**item, "status": "in_progress"}, index)
        case _:
            yield _added(item, index)
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _added(item: JsonObject, index: int) -> JsonObject:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def _deltas(part: Say, item: JsonObject, where: JsonObject) -> Iterator[Step]:
    at = where | {"content_index": 0}
    content = item["content"][0]
    yield {"type": "response.content_part.added", "part": content | {"text": ""}, **at}
    for number, chunk in enumerate(part.chunks):
        if number and part.pace:
            yield Delay(part.pace)
        yield {"type": "response.output_text.delta", "delta": chunk, **at}
    yield {"type": "response.output_text.done", "text": part.text, **at}
    yield {"type": "response.content_part.done", "part": content, **at}


def usage(request: RecordedRequest, output: Sequence[JsonObject]) -> JsonObject:
    """Return plausible token counts: one token for four characters of JSON, a thousand for each image.

    Equal requests and replies have equal counts. Input before the model's last answer counts as cached.

    Args:
        request: The input.
        output: The items of the answer.
    """
    output_types = ("reasoning", "function_call", "custom_tool_call", "web_search_call")
    cached = 0
    for number, item in enumerate(request.input, start=1):
        if item.get("type") in output_types or item.get("role") == "assistant":
            cached = number
    reasoning = _tokens([item for item in output if item.get("type") == "reasoning"])
    total = _tokens(request.input)
    generated = _tokens(output)
    return {
        "input_tokens": total,
        "input_tokens_details": {"cached_tokens": _tokens(request.input[:cached])},
        "output_tokens": generated,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": total + generated,
    }


def _tokens(items: Sequence[JsonObject]) -> int:
    if not items:
        return 0
    text, images = re.subn(r'"data:[^"]*"', "", json.dumps(items))
    return len(text) // _CHARACTERS_PER_TOKEN + images * _TOKENS_PER_IMAGE
