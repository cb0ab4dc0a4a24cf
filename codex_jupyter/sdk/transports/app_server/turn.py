"""A turn that runs on `codex app-server`."""

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import anyio
from anyio import to_thread

from codex_jupyter.sdk.errors import (
    InputError,
    InvalidDecisionError,
    ProcessExitError,
    TransportError,
    TurnInterruptedError,
    UnsupportedOperationError,
)
from codex_jupyter.sdk.executable.exit_errors import clean_stderr
from codex_jupyter.sdk.models.approvals import ApprovalDecision, ApprovalHandler, ApprovalRequest
from codex_jupyter.sdk.models.events import ThreadErrorEvent, ThreadEvent, ThreadStartedEvent
from codex_jupyter.sdk.models.inputs import UserInput, prompt_text
from codex_jupyter.sdk.processes.network_activity import seconds_since_received
from codex_jupyter.sdk.redaction import mask_message
from codex_jupyter.sdk.tools import ToolSet
from codex_jupyter.sdk.transports.app_server.approvals import decide, refusal, reply_to, request_of
from codex_jupyter.sdk.transports.app_server.connection import AppServerConnection
from codex_jupyter.sdk.transports.app_server.events import ServerEvents
from codex_jupyter.sdk.transports.app_server.mailbox import Mailbox, Message
from codex_jupyter.sdk.transports.app_server.rpc import RpcError
from codex_jupyter.sdk.transports.app_server.tasks import Tasks
from codex_jupyter.sdk.transports.app_server.tools import METHOD as TOOL_CALL
from codex_jupyter.sdk.transports.app_server.tools import TurnTools
from codex_jupyter.sdk.transports.base import CLIENT_CLOSED, TurnStream
from codex_jupyter.sdk.transports.missing_events import MissingEvents
from codex_jupyter.sdk.transports.secrets import masked_events
from codex_jupyter.sdk.user_functions import described

DELTA_FLUSH_INTERVAL: Final = 0.04
"""Seconds between two updates of an item that is being written. Its increments come much more often."""
STOP_GRACE: Final = 2.0
"""Seconds to wait for the end of an interrupted turn, which takes 25 ms. Then the server is closed."""
INTERRUPT_RETRY_INTERVAL: Final = 0.1
"""Seconds between two interrupts. The server refuses an interrupt before the turn has really started."""
CLEAN_GRACE: Final = 1.0
"""Seconds to wait for the exit of the commands of an ended turn."""
_FAILED_HANDLER: Final = "codex_jupyter/handler failed"
_TOOL_PROGRESS: Final = "codex_jupyter/tool progress"
_NO_DECISION: Final = "codex_jupyter/no decision"


class ServerTurn(TurnStream):
    """A turn that a server runs. Call `started` first.

    Args:
        server: The server.
        thread_id: The thread, which the server has loaded.
        handler: Called before any action that needs approval.
        review: True if the turn is a review.
        cwd: The working folder.
        secrets: Texts that no message may contain.
        missing: Adds the events that the server does not send; None adds none.
        tools: Functions that the agent may call.
        tools_ask: Ask the handler before a function that is not read-only.
    """

    def __init__(
        self,
        server: AppServerConnection,
        thread_id: str,
        handler: ApprovalHandler | None = None,
        *,
        review: bool = False,
        cwd: str | None = None,
        secrets: Sequence[str] = (),
        missing: MissingEvents | None = None,
        tools: ToolSet | None = None,
        tools_ask: bool = False,
    ) -> None:
        self._missing = missing
        self._server, self._thread_id, self._handler, self._secrets = server, thread_id, handler, secrets
        self._review = review
        self._mailbox: Mailbox = server.subscribe(thread_id)
        self._events = ServerEvents(review=review, cwd=cwd)
        if missing is not None:
            missing.is_idle = lambda: not self._events.open_commands
        self._tasks = Tasks()
        self._tools = TurnTools(
            server,
            thread_id,
            tools or ToolSet(),
            ask=self._decision if tools_ask and handler is not None else None,
            finished=self._events.tool_fields,
            report=self._report_progress,
            secrets=tuple(secrets),
        )
        self._ready: list[ThreadEvent] = []
        self._turn_id = ""
        self._started_at = time.time()
        self._interrupted = self._disconnected = False
        self._stopped_by_decision = False
        """A handler has decided to stop the turn. The server has not been able to know it from the reply."""
        self._invalid_decision: InvalidDecisionError | None = None
        """The error of a handler that did not return a decision."""
        self._retry_interrupt_at = self._give_up_at = math.inf
        self._flushed = 0.0

    def started(self, turn_id: str, warnings: Sequence[str] = ()) -> None:
        """Note that the server has started the turn.

        Args:
            turn_id: The server's id of the turn.
            warnings: Messages for the turn to report first.
        """
        self._turn_id = turn_id
        self._ready += [ThreadStartedEvent(thread_id=self._thread_id), *(ThreadErrorEvent(message=text) for text in warnings)]

    @property
    def can_steer(self) -> bool:
        """False for a review. See `TurnStream.can_steer`."""
        return not self._review

    @property
    def has_diffs(self) -> bool:
        """Always true. See `TurnStream.has_diffs`."""
        return True

    async def receive(self) -> Sequence[ThreadEvent]:
        """See `TurnStream.receive`."""
        return await (self._receive() if self._missing is None else self._missing.receive(self._receive)) or ()

    async def _receive(self) -> Sequence[ThreadEvent]:
        while True:
            if self._ready:
                events, self._ready = self._ready, []
                return events
            if self._invalid_decision is not None:
                raise self._invalid_decision
            if self._events.ended is not None:
                if self._events.ended == "interrupted" and (self._stopped_by_decision or not self._interrupted):
                    raise TurnInterruptedError("The turn was stopped by a decision, or by another client.")
                return ()
            if self._disconnected:
                if self._interrupted:
                    return ()
                if self._server.client_closed:
                    raise TurnInterruptedError(CLIENT_CLOSED)
                raise self._death()
            await self._take_next()

    def interrupt(self) -> None:
        """See `TurnStream.interrupt`."""
        if not self._interrupted:
            self._interrupted = True
            self._tools.close()
            self._send_interrupt()
            self._mailbox.put({})  # wakes `_take_next`, which then sends the interrupt again in time

    @property
    def occupied(self) -> bool:
        """See `TurnStream.occupied`."""
        return self._tasks.running or self._events.working

    def silent_for(self, remote: bool) -> float:
        """See `TurnStream.silent_for`."""
        seconds = seconds_since_received(self._server.pid, remote=remote)
        return math.inf if seconds is None else seconds  # text comes in small increments, so a turn without events is silent

    async def steer(self, input: tuple[UserInput, ...]) -> None:
        """See `TurnStream.steer`."""
        if any(part.type not in ("text", "skill", "mention") for part in input):
            raise InputError("Only text can be added to a running turn.")
        parts = [{"type": "text", "text": prompt_text(input)}]
        parameters = {"threadId": self._thread_id, "expectedTurnId": self._turn_id, "input": parts}
        try:
            await self._server.request("turn/steer", parameters)
        except RpcError as error:
            raise UnsupportedOperationError(f"The turn accepts no more input: {error}") from None

    async def aclose(self) -> None:
        """Stop the turn if it runs, with its commands, and end the subscription."""
        self._tools.close()
        with anyio.CancelScope(shield=True):
            await self._tasks.stop()
            if self._turn_id:
                if self._events.ended is None and not self._disconnected:
                    self.interrupt()
                while self._events.ended is None and not self._disconnected:
                    await self._take_next()
                await self._end_commands()
            await self._end_caused(self._server.unsubscribe(self._thread_id))
            if self._turn_id and self._interrupted and not self._disconnected:
                await to_thread.run_sync(self._server.sweep, self._thread_id, self._started_at)

    def _send_interrupt(self) -> None:
        now = time.monotonic()
        self._retry_interrupt_at = now + INTERRUPT_RETRY_INTERVAL
        self._give_up_at = min(self._give_up_at, now + STOP_GRACE)
        self._server.request_nowait("turn/interrupt", {"threadId": self._thread_id, "turnId": self._turn_id})

    async def _end_commands(self) -> None:
        """End the commands of the turn. Unlike `codex exec`, the server leaves them running."""
        if self._events.open_commands and not self._disconnected:
            with anyio.move_on_after(CLEAN_GRACE), suppress(TransportError):
                await self._server.request("thread/backgroundTerminals/clean", {"threadId": self._thread_id})
                while self._events.open_commands and not self._disconnected:
                    await self._take_next()

    async def _end_caused(self, caused: Mapping[str, str]) -> None:
        """End what the turn has caused, such as the work of sub-agents, with its commands. `caused` has the turns by thread."""
        for thread_id, turn_id in caused.items():
            if self._disconnected or (thread_id == self._thread_id and turn_id in ("", self._turn_id)):
                continue
            with anyio.move_on_after(CLEAN_GRACE):
                if turn_id:
                    with suppress(TransportError):  # it has ended meanwhile
                        await self._server.request("turn/interrupt", {"threadId": thread_id, "turnId": turn_id})
                with suppress(TransportError):
                    await self._server.request("thread/backgroundTerminals/clean", {"threadId": thread_id})

    async def _take_next(self) -> None:
        """Process the next messages. Increments of items are merged, and returned at intervals."""
        due = self._flushed + DELTA_FLUSH_INTERVAL if self._events.pending else math.inf
        if self._events.ended is None:
            due = min(due, self._retry_interrupt_at)
        messages: list[Message | None] = []
        with anyio.move_on_after(max(0.0, due - time.monotonic())):
            messages = await self._mailbox.get()
        for message in messages:
            self._note(message)
        if self._events.pending and time.monotonic() >= self._flushed + DELTA_FLUSH_INTERVAL:
            self._flushed = time.monotonic()
            self._ready += self._events.flush()
        if self._interrupted and self._events.ended is None and not self._disconnected:
            await self._insist()

    async def _insist(self) -> None:
        """Send the interrupt of a turn again, or close the server if it does not obey."""
        now = time.monotonic()
        if now >= self._give_up_at:
            await to_thread.run_sync(self._server.close)
            self._disconnected = True
        elif now >= self._retry_interrupt_at:
            self._send_interrupt()

    def _note(self, message: Message | None) -> None:
        if message is None:
            self._disconnected = True
            self._ready += self._events.flush()
            return
        method, params = message.get("method"), message.get("params")
        if not isinstance(method, str) or not isinstance(params, dict):
            return
        if method == _NO_DECISION:
            self._invalid_decision = params["error"]
        elif method == _FAILED_HANDLER:
            self._ready.append(ThreadErrorEvent(message=mask_message(params["message"], self._secrets)))
        elif method == _TOOL_PROGRESS:
            self._ready += self._events.tool_progress(params["call"], params["text"])
        elif method == TOOL_CALL and self._events.ended is None and not self._interrupted:
            self._tasks.start(message["id"], self._tools.answer, message["id"], params)
        elif "id" in message:
            self._ask(message, method, params)
        elif method == "serverRequest/resolved":
            self._tasks.cancel(params.get("requestId"))
        elif self._is_ours(params) and (self._events.ended is None or method == "item/completed"):
            late = self._events.ended is not None
            try:
                events = self._events.take(method, params)
            except (TypeError, ValueError, AttributeError, KeyError) as error:
                reason = str(error).partition("\n")[0]
                events = [ThreadErrorEvent(message=f"A notification {method} of the server has an unknown form: {reason}")]
            if not late:
                self._ready += masked_events(events, self._secrets)

    def _is_ours(self, params: Mapping[str, Any]) -> bool:
        """Return True if a notification is about this turn. A review does its work in a turn within the turn."""
        turn = params.get("turn")
        turn_id = params.get("turnId") or (turn.get("id") if isinstance(turn, dict) else None)
        return turn_id is None or self._review or not self._turn_id or turn_id == self._turn_id

    def _ask(self, message: Message, method: str, params: Mapping[str, Any]) -> None:
        """Let the handler decide about a request of the server, in a separate task. Several requests may wait at once."""
        server_id = str(params.get("itemId") or self._events.open_call(params.get("serverName")))
        request = None
        if self._handler is not None and self._events.ended is None and not self._interrupted:
            with suppress(TypeError, ValueError, AttributeError, KeyError):
                item = self._events.raw.get(server_id)
                request = request_of(method, {**params, "threadId": self._thread_id}, item, self._events.item_id(server_id))
        if request is None:
            self._server.send({"id": message["id"], **refusal(method)})
        else:
            self._tasks.start(message["id"], self._decide, message["id"], method, request)

    def _report_progress(self, call_id: str, text: str) -> None:
        self._mailbox.put({"method": _TOOL_PROGRESS, "params": {"call": call_id, "text": mask_message(text, self._secrets)}})

    async def _decision(self, request: ApprovalRequest) -> ApprovalDecision:
        """Ask the handler. An invalid decision declines, and ends the turn with an error."""
        try:
            decision = await decide(self._handler, request, self._handler_failed)
        except InvalidDecisionError as error:
            self._mailbox.put({"method": _NO_DECISION, "params": {"error": error}})
            return "decline"
        if decision == "cancel" and request.kind not in ("command", "file_change"):
            # For the server, this is a refusal like any other. Other calls of the turn are neither asked for nor run any more.
            self._stopped_by_decision = True
            self.interrupt()
        return decision

    async def _decide(self, number: Any, method: str, request: ApprovalRequest) -> None:
        decision: ApprovalDecision = "decline"
        try:
            decision = await self._decision(request)
        finally:
            # Also if it was cancelled, because the turn ends or the request is resolved. The answer is then ignored.
            answer = refusal(method)
            with suppress(TypeError, ValueError, AttributeError):
                answer = {"result": reply_to(request, decision)}
            self._server.send({"id": number, **answer})

    def _handler_failed(self, error: BaseException) -> None:
        text = f"The approval handler failed, so the request was declined: {described(error)}"
        self._mailbox.put({"method": _FAILED_HANDLER, "params": {"message": text}})

    def _death(self) -> ProcessExitError:
        stderr = mask_message(clean_stderr(self._server.stderr_tail()), self._secrets)
        code = self._server.returncode
        return ProcessExitError(
            f"{self._server.exit_description} before the turn was complete. The next turn starts another server, and continues the thread."
            + (f" Its error output: {stderr}" if stderr else ""),
            exit_code=code if code is not None and code >= 0 else None,
            signal=-code if code is not None and code < 0 else None,
            stderr_tail=stderr,
        )
