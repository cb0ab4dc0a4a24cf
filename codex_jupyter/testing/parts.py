"""The parts of a reply: what a scripted model says, does and suffers.

Each kind is a frozen dataclass with a function that makes it; scripts are written with the functions.
"""

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

JsonObject: TypeAlias = dict[str, Any]

Phase: TypeAlias = Literal["commentary", "final_answer"]
PlanStatus: TypeAlias = Literal["pending", "in_progress", "completed"]


@dataclass(frozen=True)
class Say:
    """An assistant message; made by `say`."""

    text: str
    chunks: tuple[str, ...]
    pace: float = 0.0
    phase: Phase | None = None


@dataclass(frozen=True)
class Think:
    """A reasoning item with its summaries; made by `think`."""

    summaries: tuple[str, ...]


@dataclass(frozen=True)
class Call:
    """A call of a function tool; made by `call`, `shell`, `plan` and `mcp`."""

    name: str
    arguments: Mapping[str, Any]
    namespace: str | None = None


@dataclass(frozen=True)
class Patch:
    """A call of `apply_patch`; made by `patch`, `write_file` and `edit_file`."""

    text: str


@dataclass(frozen=True)
class Js:
    """A script for the `exec` tool of the code-mode models; made by `js`."""

    code: str


@dataclass(frozen=True)
class Search:
    """A web search as the provider reports it; made by `search`."""

    query: str


@dataclass(frozen=True)
class Raw:
    """Any item of a response's output; made by `raw`."""

    item: Mapping[str, Any]


@dataclass(frozen=True)
class Delay:
    """A pause in the stream; made by `delay`."""

    seconds: float


@dataclass(frozen=True)
class WaitFor:
    """A pause that ends when an event is set; made by `wait_for`."""

    event: threading.Event = field(compare=False)
    timeout: float = 30.0


@dataclass(frozen=True)
class Fail:
    """An HTTP error in place of a stream; made by `fail`."""

    status: int
    message: str
    type: str
    code: str | None = None


@dataclass(frozen=True)
class FailStream:
    """A `response.failed` event that ends the stream; made by `fail_stream`."""

    code: str
    message: str


@dataclass(frozen=True)
class Cut:
    """The connection dropped in the middle of the stream; made by `cut`."""


OutputPart: TypeAlias = Say | Think | Call | Patch | Js | Search | Raw
Part: TypeAlias = OutputPart | Delay | WaitFor | Fail | FailStream | Cut


def say(text: str, *, pace: float = 0.0, chunks: Sequence[str] | None = None, phase: Phase | None = None) -> Say:
    """Say something: an assistant message, streamed in pieces.

    Args:
        text: The whole message.
        pace: Seconds between two pieces; 0 sends them at once.
        chunks: The pieces, which must join to `text`; None takes one for each word.
        phase: What the message is to the turn; None leaves it out, as most models do.

    Raises:
        ValueError: `chunks` do not join to `text`, or `pace` is negative.
    """
    pieces = tuple(re.findall(r"\s*\S+\s*", text) or [text]) if chunks is None else tuple(chunks)
    if "".join(pieces) != text:
        raise ValueError("the chunks of say() must join to its text")
    if pace < 0:
        raise ValueError(f"pace={pace} is negative")
    return Say(text, pieces, pace, phase)


def think(*summaries: str) -> Think:
    """Think: a reasoning item with one or more summaries (none is allowed, and shows nothing)."""
    return Think(summaries)


def call(name: str, arguments: Mapping[str, Any], namespace: str | None = None) -> Call:
    """Call any tool of the CLI.

    A tool that the request offers is called directly; under the code-mode models every other one is called from a
    script, as `tools.NAMESPACE__NAME(arguments)`.

    Args:
        name: The tool's name, without its namespace.
        arguments: What it gets; anything JSON can say.
        namespace: The namespace the tool is offered in; None for the CLI's own.
    """
    return Call(name, dict(arguments), namespace)


def shell(command: str, *, workdir: str | None = None, yield_time_ms: int | None = None, justification: str | None = None) -> Call:
    """Run a shell command, really: the CLI executes it, in its sandbox, without the user's profile.

    Args:
        command: A command line for the shell.
        workdir: The folder to run it in; None is the turn's.
        yield_time_ms: How many milliseconds the CLI waits before it goes on with the command in the background; None is
            the CLI's default (10,000), and it keeps to 250 to 30,000.
        justification: Ask to run outside the sandbox, for this reason; None stays inside.
    """
    arguments: JsonObject = {"cmd": command, "login": False}
    if workdir is not None:
        arguments["workdir"] = workdir
    if yield_time_ms is not None:
        arguments["yield_time_ms"] = yield_time_ms
    if justification is not None:
        arguments |= {"sandbox_permissions": "require_escalated", "justification": justification}
    return Call("exec_command", arguments)


def plan(steps: Sequence[tuple[str, PlanStatus]]) -> Call:
    """Show or update the plan.

    Args:
        steps: Every step with its status: the whole plan each time.
    """
    return Call("update_plan", {"plan": [{"step": step, "status": status} for step, status in steps]})


def mcp(server: str, tool: str, arguments: Mapping[str, Any]) -> Call:
    """Call a tool of an MCP server.

    Args:
        server: The server's name in the CLI's config.
        tool: The tool's name as the server gives it.
        arguments: What it gets.
    """
    return call(tool, arguments, namespace=f"mcp__{server}")


def patch(text: str) -> Patch:
    """Apply a patch, really.

    Args:
        text: A patch in the CLI's own form, from `*** Begin Patch` to `*** End Patch`.
    """
    return Patch(text)


def write_file(path: str, text: str) -> Patch:
    """Write a file by a patch; an existing one is replaced.

    Args:
        path: Where, relative to the turn's folder.
        text: The content; the file ends in a newline whether or not this does.
    """
    return Patch("\n".join(["*** Begin Patch", f"*** Add File: {path}", *_marked("+", text), "*** End Patch"]))


def edit_file(path: str, old: str, new: str) -> Patch:
    """Replace some lines of a file by a patch; the CLI refuses it when the file has no such lines.

    Args:
        path: Which, relative to the turn's folder.
        old: The lines that go: whole lines, at least one.
        new: The lines that come in their place; "" just deletes.

    Raises:
        ValueError: `old` is empty.
    """
    if not old:
        raise ValueError("edit_file() needs the lines to replace; use write_file() for a new file")
    lines = ["*** Begin Patch", f"*** Update File: {path}", "@@", *_marked("-", old), *_marked("+", new)]
    return Patch("\n".join([*lines, "*** End Patch"]))


def _marked(mark: str, text: str) -> list[str]:
    # Only newlines end a line for the patch tool: splitlines() would also break at form feeds and the like.
    return [mark + line for line in text.removesuffix("\n").split("\n")] if text else []


def js(code: str) -> Js:
    """Run a script in code mode; a model without code mode answers with HTTP 400.

    Args:
        code: JavaScript, with the CLI's tools as `tools` and `text()` for what the model is to read.
    """
    return Js(code)


def search(query: str) -> Search:
    """Report a web search. Nothing is searched: with a real model the provider does that, not the CLI.

    Args:
        query: What is shown as searched for.
    """
    return Search(query)


def raw(item: Mapping[str, Any]) -> Raw:
    """Send any item of a Responses output, such as one of a kind that does not exist yet.

    Args:
        item: The finished item, with its `type`.
    """
    return Raw(dict(item))


def delay(seconds: float) -> Delay:
    """Pause.

    Args:
        seconds: How long.
    """
    return Delay(seconds)


def wait_for(event: threading.Event, timeout: float = 30.0) -> WaitFor:
    """Hold the stream until an event is set, so that a test can look at a turn in the making.

    Args:
        event: What releases the stream.
        timeout: The longest wait in seconds; then the response fails and says so.
    """
    return WaitFor(event, timeout)


def fail(status: int = 500, message: str = "scripted failure", type: str = "server_error", code: str | None = None) -> Fail:
    """Refuse the request with an HTTP error.

    Args:
        status: The HTTP status, 400 to 599.
        message: The text of the error.
        type: Its type, for example `usage_limit_reached`.
        code: Its code, for example `insufficient_quota`; None leaves it null.

    Raises:
        ValueError: The status is none of an error.
    """
    if not 400 <= status <= 599:
        raise ValueError(f"status={status} is no HTTP error")
    return Fail(status, message, type, code)


def fail_stream(code: str = "server_error", message: str = "scripted failure") -> FailStream:
    """End the stream with `response.failed`.

    Args:
        code: The error's code, for example `rate_limit_exceeded` or `context_length_exceeded`.
        message: Its text.
    """
    return FailStream(code, message)


def cut() -> Cut:
    """Drop the connection here, in the middle of the stream."""
    return Cut()
