"""The parts of a reply: messages, tool calls, pauses and failures.

Each kind of part is a frozen dataclass with a function that creates it. Scripts use the functions.
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
    """An assistant message. Created by `say`."""

    text: str
    chunks: tuple[str, ...]
    pace: float = 0.0
    phase: Phase | None = None


@dataclass(frozen=True)
class Think:
    """A reasoning item with its summaries. Created by `think`."""

    summaries: tuple[str, ...]


@dataclass(frozen=True)
class Call:
    """A call of a function tool. Created by `call`, `shell`, `plan` and `mcp`."""

    name: str
    arguments: Mapping[str, Any]
    namespace: str | None = None


@dataclass(frozen=True)
class Patch:
    """A call of `apply_patch`. Created by `patch`, `write_file` and `edit_file`."""

    text: str


@dataclass(frozen=True)
class Js:
    """A script for the `exec` tool of the code-mode models. Created by `js`."""

    code: str


@dataclass(frozen=True)
class Search:
    """A web search as the provider reports it. Created by `search`."""

    query: str


@dataclass(frozen=True)
class Raw:
    """Any item of a response's output. Created by `raw`."""

    item: Mapping[str, Any]


@dataclass(frozen=True)
class Delay:
    """A pause in the stream. Created by `delay`."""

    seconds: float


@dataclass(frozen=True)
class WaitFor:
    """A pause that ends when an event is set. Created by `wait_for`."""

    event: threading.Event = field(compare=False)
    timeout: float = 30.0


@dataclass(frozen=True)
class Fail:
    """An HTTP error in place of a stream. Created by `fail`."""

    status: int
    message: str
    type: str
    code: str | None = None


@dataclass(frozen=True)
class FailStream:
    """A `response.failed` event that ends the stream. Created by `fail_stream`."""

    code: str
    message: str


@dataclass(frozen=True)
class Cut:
    """The connection dropped in the middle of the stream. Created by `cut`."""


OutputPart: TypeAlias = Say | Think | Call | Patch | Js | Search | Raw
Part: TypeAlias = OutputPart | Delay | WaitFor | Fail | FailStream | Cut


def say(text: str, *, pace: float = 0.0, chunks: Sequence[str] | None = None, phase: Phase | None = None) -> Say:
    """Send an assistant message in pieces.

    Args:
        text: The whole message.
        pace: Seconds between two pieces. 0 sends them at once.
        chunks: The pieces, which must join to `text`. None makes a piece of each word.
        phase: Phase of the message in the turn. None omits it, as most models do.

    Raises:
        ValueError: If `chunks` do not join to `text`, or `pace` is negative.
    """
    pieces = tuple(re.findall(r"\s*\S+\s*", text) or [text]) if chunks is None else tuple(chunks)
    if "".join(pieces) != text:
        raise ValueError("the chunks of say() must join to its text")
    if pace < 0:
        raise ValueError(f"pace={pace} is negative")
    return Say(text, pieces, pace, phase)


def think(*summaries: str) -> Think:
    """Send a reasoning item with its summaries. Without summaries, it shows nothing."""
    return Think(summaries)


def call(name: str, arguments: Mapping[str, Any], namespace: str | None = None) -> Call:
    """Call any tool of the CLI.

    A tool that the request offers is called directly. Models with code mode call other tools from a script, as
    `tools.NAMESPACE__NAME(arguments)`.

    Args:
        name: The tool's name, without its namespace.
        arguments: Its arguments, as JSON values.
        namespace: The tool's namespace. None is that of the CLI's own tools.
    """
    return Call(name, dict(arguments), namespace)


def shell(command: str, *, workdir: str | None = None, yield_time_ms: int | None = None, justification: str | None = None) -> Call:
    """Run a real shell command: the CLI executes it in its sandbox, without the user's profile.

    Args:
        command: A command line for the shell.
        workdir: The folder to run it in. None is the turn's folder.
        yield_time_ms: Milliseconds after which the CLI continues, with the command in the background. None is the CLI's default (10,000).
            The CLI limits the value to 250 to 30,000.
        justification: Reason of a request to run outside the sandbox. None stays inside.
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
        steps: All steps with their status, in each call.
    """
    return Call("update_plan", {"plan": [{"step": step, "status": status} for step, status in steps]})


def mcp(server: str, tool: str, arguments: Mapping[str, Any]) -> Call:
    """Call a tool of an MCP server.

    Args:
        server: The server's name in the CLI's config.
        tool: The tool's name on the server.
        arguments: Its arguments.
    """
    return call(tool, arguments, namespace=f"mcp__{server}")


def patch(text: str) -> Patch:
    """Apply a real patch.

    Args:
        text: A patch in the CLI's format, from `*** Begin Patch` to `*** End Patch`.
    """
    return Patch(text)


def write_file(path: str, text: str) -> Patch:
    """Write a file with a patch. An existing file is replaced.

    Args:
        path: The file, relative to the turn's folder.
        text: The content. The file always ends with a newline.
    """
    return Patch("\n".join(["*** Begin Patch", f"*** Add File: {path}", *_marked("+", text), "*** End Patch"]))


def edit_file(path: str, old: str, new: str) -> Patch:
    """Replace lines of a file with a patch. The CLI refuses it if the file does not contain the lines.

    Args:
        path: The file, relative to the turn's folder.
        old: The lines to replace: whole lines, at least one.
        new: The new lines. An empty string only deletes.

    Raises:
        ValueError: If `old` is empty.
    """
    if not old:
        raise ValueError("edit_file() needs the lines to replace; use write_file() for a new file")
    lines = ["*** Begin Patch", f"*** Update File: {path}", "@@", *_marked("-", old), *_marked("+", new)]
    return Patch("\n".join([*lines, "*** End Patch"]))


def _marked(mark: str, text: str) -> list[str]:
    # The patch tool splits lines only at newlines. `splitlines` would also split at form feeds.
    return [mark + line for line in text.removesuffix("\n").split("\n")] if text else []


def js(code: str) -> Js:
    """Run a script in code mode. A model without code mode answers with HTTP 400.

    Args:
        code: JavaScript. `tools` contains the CLI's tools, and `text()` outputs text for the model.
    """
    return Js(code)


def search(query: str) -> Search:
    """Report a web search. Nothing is searched, because with a real model the provider searches, not the CLI.

    Args:
        query: The query that is shown.
    """
    return Search(query)


def raw(item: Mapping[str, Any]) -> Raw:
    """Send any item of a Responses output, for example of an unknown type.

    Args:
        item: The finished item, with its `type`.
    """
    return Raw(dict(item))


def delay(seconds: float) -> Delay:
    """Pause.

    Args:
        seconds: Length of the pause.
    """
    return Delay(seconds)


def wait_for(event: threading.Event, timeout: float = 30.0) -> WaitFor:
    """Pause the stream until an event is set, so that a test can examine a running turn.

    Args:
        event: Event that ends the pause.
        timeout: Maximum time in seconds. After that, the response fails with an error about it.
    """
    return WaitFor(event, timeout)


def fail(status: int = 500, message: str = "scripted failure", type: str = "server_error", code: str | None = None) -> Fail:
    """Refuse the request with an HTTP error.

    Args:
        status: The HTTP status, 400 to 599.
        message: The text of the error.
        type: Its type, for example `usage_limit_reached`.
        code: Its code, for example `insufficient_quota`, or None.

    Raises:
        ValueError: If the status is not an error status.
    """
    if not 400 <= status <= 599:
        raise ValueError(f"status={status} is not an HTTP error status: use 400 to 599")
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
