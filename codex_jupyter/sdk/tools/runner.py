"""Run the tool calls of one turn."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

import anyio
from anyio import CapacityLimiter

from codex_jupyter._shortening import shorten_middle
from codex_jupyter.sdk.errors import ConfigError
from codex_jupyter.sdk.tools.context import ToolContext
from codex_jupyter.sdk.tools.definition import Tool
from codex_jupyter.sdk.tools.invocation import exclusive
from codex_jupyter.sdk.tools.limits import ToolLimits
from codex_jupyter.sdk.tools.parameters import ArgumentsError
from codex_jupyter.sdk.tools.results import Convert, to_parts, within_limits
from codex_jupyter.sdk.tools.toolset import ToolSet, label
from codex_jupyter.sdk.tools.wire import CallDeclinedError, TextPart, ToolCall, ToolOutput
from codex_jupyter.sdk.user_functions import RaisedInThread, ends_the_task

Approve = Callable[[Tool[..., Any], ToolCall], Awaitable[bool]]
"""Asks if a tool that is not read-only may run."""
Report = Callable[[ToolCall, str], object]
"""Receives the texts that a running tool reports."""
MAX_ERROR: Final = 1_500
"""Characters of an exception that the model receives."""


class ToolRunner:
    """Run the tool calls of one turn. `run` never raises because of a tool.

    Args:
        tools: The tools.
        thread_id: The thread of the turn. Calls of other threads are refused.
        limits: Limits of calls and results.
        approve: Called before a tool that is not read-only. None lets it run.
        convert: Converts results that are not known otherwise.
        redact: Removes secrets from what the model receives.
        report: Receives the texts that a running tool reports, from any thread.
    """

    def __init__(
        self,
        tools: ToolSet,
        *,
        thread_id: str,
        limits: ToolLimits | None = None,
        approve: Approve | None = None,
        convert: Convert | None = None,
        redact: Callable[[str], str] | None = None,
        report: Report | None = None,
    ) -> None:
        self._tools, self._thread_id = tools, thread_id
        self._limits = limits or ToolLimits()
        self._approve, self._convert, self._redact, self._report = approve, convert, redact, report
        self._calls = 0
        self._closed = False
        self._limiter: CapacityLimiter | None = None

    def close(self) -> None:
        """Refuse further calls, because the turn has ended."""
        self._closed = True

    async def run(self, call: ToolCall) -> ToolOutput:
        """Run a call and return its result.

        Args:
            call: The call. Calls run at the same time if `run` is called at the same time.
        """
        refusal = self._refusal(call)
        if refusal is not None:
            return self._failure(refusal)
        tool = self._tools.find(call.namespace, call.name)
        assert tool is not None  # noqa: S101 - `_refusal` has looked for it
        try:
            arguments = tool.validate(call.arguments)
        except ArgumentsError as error:
            return self._failure(str(error))
        except ConfigError as error:  # its function was defined again, in a form that is not possible
            return self._failure(f"The tool cannot be used: {error}", error)
        if tool.context_parameter is not None:
            arguments[tool.context_parameter] = self._context(call)
        allowed = self._approve is None or tool.read_only or await self._approve(tool, call)
        if self._closed:  # also a refusal may be the end of the turn, not a decision of the user
            return self._failure("The turn has ended, so the tool was not called.")
        if not allowed:
            return self._declined("The user declined this call. Do not repeat it unchanged; continue without it, or ask the user.")
        return await self._called(tool, arguments)

    def _refusal(self, call: ToolCall) -> str | None:
        name = label((call.namespace, call.name))
        if self._closed:
            return "The turn has ended, so the tool was not called."
        if call.thread_id != self._thread_id:
            return "This tool belongs to another thread, so it was not called."
        if (call.namespace, call.name) not in self._tools.names:
            return f"The tool {name} has no function in this session, so it cannot be called. Continue without it."
        if not self._tools.is_active(call.namespace, call.name):
            return f"The tool {name} is not available in this turn. Continue without it."
        self._calls += 1
        if self._calls > self._limits.max_calls:
            return f"The limit of {self._limits.max_calls} tool calls in one turn is reached. Answer with what you know."
        return None

    async def _called(self, tool: Tool[..., Any], arguments: dict[str, Any]) -> ToolOutput:
        """Call the function and convert its result, within the time limit."""
        if self._limiter is None:
            self._limiter = CapacityLimiter(self._limits.max_parallel)
        seconds = tool.timeout if tool.timeout is not None else self._limits.timeout
        finish = partial(to_parts, limits=self._limits, convert=self._convert)
        async with exclusive(tool) as invocation:
            with anyio.move_on_after(seconds):
                try:
                    parts = await invocation.result(arguments, finish, self._limiter)
                except BaseException as raised:
                    if ends_the_task(raised):
                        raise
                    error = raised.error if isinstance(raised, RaisedInThread) else raised
                    if isinstance(error, CallDeclinedError):
                        return self._declined(str(error))
                    return self._failure(f"{type(error).__name__}: {_message(error)}", error)
                return ToolOutput(within_limits(parts, self._limits, self._redact))
        message = f"The tool {tool.name} gave no result within {seconds:g} seconds, so it was given up."
        return self._failure(message, TimeoutError(message))

    def _context(self, call: ToolCall) -> ToolContext:
        context = ToolContext(thread_id=call.thread_id, turn_id=call.turn_id, call_id=call.call_id)
        return context if self._report is None else replace(context, report=partial(self._report, call))

    def _failure(self, message: str, error: BaseException | None = None) -> ToolOutput:
        text = within_limits([TextPart(message)], self._limits, self._redact)
        return ToolOutput(text, success=False, error=error)

    def _declined(self, message: str) -> ToolOutput:
        return replace(self._failure(message), declined=True)


def _message(error: BaseException) -> str:
    """Return the message of an exception, in short form. An exception may fail to describe itself."""
    try:
        return shorten_middle(str(error), MAX_ERROR, " ... ")
    except Exception:
        return "(without a message)"
