"""The tool calls of a turn on the app-server: run the function, send its images, and answer."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from codex_jupyter.sdk.errors import TransportError
from codex_jupyter.sdk.models.approvals import ApprovalDecision, ApprovalRequest
from codex_jupyter.sdk.redaction import mask_message
from codex_jupyter.sdk.tools import TextPart, Tool, ToolCall, ToolOutput, ToolRunner, ToolSet
from codex_jupyter.sdk.tools.toolset import label
from codex_jupyter.sdk.transports.app_server.connection import AppServerConnection
from codex_jupyter.sdk.transports.app_server.mailbox import Message
from codex_jupyter.sdk.user_functions import traceback_of

METHOD: Final = "item/tool/call"
_CANCELLED: Final = ToolOutput((TextPart("The call was cancelled."),), success=False)


class TurnTools:
    """Answers the tool calls of a turn.

    Args:
        server: The server.
        thread_id: The thread of the turn.
        tools: The tools of the thread.
        ask: Asks for approval of a call. None lets every call run.
        secrets: Texts that results must not contain.
        finished: Receives the id of each call, and the fields that its item has besides those of the server, before the server answers.
        report: Receives the id of a call and the text that its tool reports, from any thread.
    """

    def __init__(
        self,
        server: AppServerConnection,
        thread_id: str,
        tools: ToolSet,
        *,
        ask: Callable[[ApprovalRequest], Awaitable[ApprovalDecision]] | None = None,
        secrets: tuple[str, ...] = (),
        finished: Callable[[str, dict[str, Any]], object] = lambda call_id, fields: None,
        report: Callable[[str, str], object] | None = None,
    ) -> None:
        self._server, self._tools, self._ask, self._finished = server, tools, ask, finished
        self._secrets = secrets
        self._runner = ToolRunner(
            tools,
            thread_id=thread_id,
            limits=tools.limits,
            approve=None if ask is None else self._approve,
            redact=partial(mask_message, literals=secrets) if secrets else None,
            report=None if report is None else lambda call, text: report(call.call_id, text),
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
            self._finished(call.call_id, self._fields(output))
            self._server.send({"id": number, "result": output.reply(in_script=call.in_script)})

    def _fields(self, output: ToolOutput) -> dict[str, Any]:
        """Return the fields of the item of a call that the server does not send: images as images, a decision, and an exception."""
        fields: dict[str, Any] = {"contentItems": output.reply()["contentItems"]}
        if output.declined:
            fields["status"] = "declined"
        if output.error is not None and (text := traceback_of(output.error)):
            fields["error"] = mask_message(text, self._secrets)
        return fields

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
                item_id=call.call_id,
            )
        )
        if decision == "accept_for_session":
            self._tools.granted.add(name)
        return decision in ("accept", "accept_for_session")
