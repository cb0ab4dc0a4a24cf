"""The tool calls of a turn on the app-server: run the function, send its images, and answer."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from codex_jupyter.sdk.errors import TransportError
from codex_jupyter.sdk.models.approvals import ApprovalDecision, ApprovalRequest
from codex_jupyter.sdk.redaction import mask_message
from codex_jupyter.sdk.tools import TextPart, Tool, ToolCall, ToolOutput, ToolRunner, ToolSet
from codex_jupyter.sdk.tools.toolset import label
from codex_jupyter.sdk.transports.app_server.connection import AppServerConnection
from codex_jupyter.sdk.transports.app_server.mailbox import Message

METHOD = "item/tool/call"
_CANCELLED = ToolOutput((TextPart("The call was cancelled."),), success=False)


class TurnTools:
    """Answers the tool calls of a turn.

    Args:
        server: The server.
        thread_id: The thread of the turn.
        tools: The tools of the thread.
        ask: Asks for approval of a call. None lets every call run.
        item_id: Returns the id in the turn of an item of the server.
        secrets: Texts that results must not contain.
        finished: Receives each call with its result, before the server does.
        report: Receives the texts that a running tool reports, from any thread.
    """

    def __init__(
        self,
        server: AppServerConnection,
        thread_id: str,
        tools: ToolSet,
        *,
        ask: Callable[[ApprovalRequest], Awaitable[ApprovalDecision]] | None = None,
        item_id: Callable[[str], str] = str,
        secrets: tuple[str, ...] = (),
        finished: Callable[[ToolCall, ToolOutput], object] = lambda call, output: None,
        report: Callable[[ToolCall, str], object] | None = None,
    ) -> None:
        self._server, self._tools, self._ask, self._item_id, self._finished = server, tools, ask, item_id, finished
        self._runner = ToolRunner(
            tools,
            thread_id=thread_id,
            limits=tools.limits,
            approve=None if ask is None else self._approve,
            redact=partial(mask_message, literals=secrets) if secrets else None,
            report=report,
        )

    def close(self) -> None:
        """Refuse further calls, because the turn has ended."""
        self._runner.close()

    async def answer(self, number: Any, params: Message) -> None:
        """Run a call and answer the server's request.

        Args:
            number: The id of the request.
            params: Its parameters.
        """
        call = ToolCall.from_wire(params)
        output = _CANCELLED
        try:
            output = await self._runner.run(call)
            if call.in_script and output.images:
                output = await self._with_images(call, output)
        finally:
            # Also when it was cancelled, because the turn ends.
            self._finished(call, output)
            self._server.send({"id": number, "result": output.reply(in_script=call.in_script)})

    async def _with_images(self, call: ToolCall, output: ToolOutput) -> ToolOutput:
        """Send the images of a result beside it, because a script of the model would read them as base64 text."""
        try:
            await self._server.request("thread/inject_items", {"threadId": call.thread_id, "items": output.injected()})
        except TransportError as error:
            texts = tuple(part for part in output.parts if isinstance(part, TextPart))
            note = TextPart(f"[{len(output.images)} images could not be sent: {error}]")
            return ToolOutput((*texts, note), success=output.success, error=output.error)
        return output

    async def _approve(self, tool: Tool[..., Any], call: ToolCall) -> bool:
        name = label((call.namespace, tool.name))
        if name in self._tools.granted or self._ask is None:
            return True
        decision = await self._ask(
            ApprovalRequest(
                kind="tool",
                message=f"Call the function {name}?",
                choices=("accept", "accept_for_session", "decline", "cancel"),
                tool=name,
                arguments=call.arguments,
                thread_id=call.thread_id,
                item_id=self._item_id(call.call_id),
            )
        )
        if decision == "accept_for_session":
            self._tools.granted.add(name)
        return decision in ("accept", "accept_for_session")
