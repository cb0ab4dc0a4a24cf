"""A connection to a `codex app-server` process: JSON objects, one per line, in both directions.

A thread reads the messages of the server. An answer goes to the mailbox of its request, any other message to the mailbox of its thread. A
request of the server that no mailbox receives is refused. A mailbox can be awaited on any event loop, so that one server serves callers on
several loops. Another thread writes, so that a server that does not read blocks no caller. The server exits at the end of its standard
input, so it does not outlive this process.
"""

import itertools
import json
import os
import queue
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any, Final

import anyio

from codex_jupyter.sdk.processes.child_process import ChildProcess, StopStep
from codex_jupyter.sdk.processes.forks import forget_after_fork
from codex_jupyter.sdk.processes.process_log import ProcessLog
from codex_jupyter.sdk.processes.process_tree import kill_left
from codex_jupyter.sdk.processes.spawn import system_error
from codex_jupyter.sdk.tracing import trace_context
from codex_jupyter.sdk.transports.app_server.approvals import refusal
from codex_jupyter.sdk.transports.app_server.caused_turns import CausedTurns
from codex_jupyter.sdk.transports.app_server.mailbox import Mailbox, Message
from codex_jupyter.sdk.transports.app_server.rpc import ConnectionClosedError, result_of

THREAD_VARIABLES: Final = ("CODEX_THREAD_ID", "CODEX_SESSION_ID")
"""Environment variables in which the CLI passes the ids of the thread, and of its parent thread, to commands."""
CLOCK_ERROR: Final = 1.0
"""Seconds by which the start time of a process may be too early. Linux reports its own start in whole seconds."""
EOF_GRACE, TERMINATE_GRACE, KILL_GRACE = 0.5, 0.5, 1.0
"""Seconds to wait after each step of a stop. The server exits within 0.1 s after the end of its input, and ends its commands."""
EXIT_GRACE: Final = 0.5
"""Seconds to wait for the exit of a server that has closed its output."""
MAX_BUFFERED_NOTICES: Final = 100
"""Notices that are kept for threads without a mailbox."""
NOTICES: Final = frozenset({"warning", "guardianWarning", "deprecationNotice", "mcpServer/startupStatus/updated"})
"""Notifications that the server may send before a thread has a mailbox. The next mailbox of the thread receives them."""
FOR_ALL: Final = NOTICES | {"account/rateLimits/updated"}
"""Notifications that all mailboxes receive if they do not belong to a thread."""
REQUEST_TIMEOUT: Final = 30.0
"""Seconds to wait for an answer. The server answers in milliseconds, but it may start MCP servers first."""
NO_THREAD: Final = ""
"""The subscription to notifications that do not belong to a thread, such as a login."""


class AppServerConnection:
    """A connection to a running server. Create it with `AppServerConnection.start`, and end it with `close`."""

    def __init__(self, child: ChildProcess) -> None:
        self._child = child
        self._ids = itertools.count(1)
        self._waiting: dict[int, Mailbox] = {}
        self._mailboxes: dict[str, Mailbox] = {}
        self._late: dict[int, Callable[[dict[str, Any]], None]] = {}
        self._caused = CausedTurns()
        self._parents: dict[str, str] = {}
        """Parent thread by the thread of a sub-agent."""
        self._early: deque[tuple[str, Message]] = deque(maxlen=MAX_BUFFERED_NOTICES)
        """Notices for threads without a mailbox, by the id of the thread, or `NO_THREAD`."""
        self._lock = threading.Lock()
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._at_end = False
        """True if there will not be another message."""
        self.on_notification: Callable[[str, Mapping[str, Any]], None] | None = None
        """Called with the method and the parameters of each notification, on the thread that reads. It must not raise."""
        self.resources = ExitStack()
        """Closed with the connection."""
        self.client_closed = False
        """Set before the connection is closed because the user has closed its client."""
        popen = child.popen
        child.steps = (
            StopStep(lambda: self._outbox.put(None), EOF_GRACE),
            StopStep(popen.terminate, TERMINATE_GRACE),
            StopStep(popen.kill, KILL_GRACE),
        )
        forget_after_fork(self)

    @classmethod
    def start(cls, argv: Sequence[str], env: Mapping[str, str], log: ProcessLog | None = None) -> "AppServerConnection":
        """Start a server in an exclusive session, so that an interrupt of the kernel does not reach it.

        Raises:
            TransportError: If the system does not start it.
        """
        pipe, failure = subprocess.PIPE, f"The codex executable {argv[0]} cannot be started"
        try:
            connection = cls(ChildProcess.start(argv, env, stdin=pipe, stdout=pipe, stderr=pipe, log=log))
        except (OSError, ValueError) as error:
            raise system_error(failure, error) from error
        try:
            for work in (connection._read, connection._drain, connection._write):
                threading.Thread(target=work, name="codex-app-server", daemon=True).start()
        except RuntimeError as error:  # the system cannot start a thread
            connection.close()
            for file in connection._files:
                file.close()
            raise system_error(failure, error) from error
        return connection

    @property
    def closed(self) -> bool:
        """True if the server has exited, or sends no more messages."""
        return self._at_end or self._child.exited

    @property
    def pid(self) -> int:
        """The process id of the server."""
        return self._child.pid

    @property
    def returncode(self) -> int | None:
        """Exit code, or minus the signal that ended it; None while it runs."""
        return self._child.popen.poll()

    @property
    def exit_description(self) -> str:
        """A description of the exit, as the start of a sentence."""
        if self._child.is_inherited:
            return "The codex app-server belongs to the process that this one was forked from, and ended for this one"
        code = self.returncode
        how = "" if code is None else f" with exit code {code}" if code >= 0 else f" by signal {-code}"
        return f"The codex app-server ended{how}"

    def stderr_tail(self) -> str:
        """Return the end of the server's error output."""
        return self._child.stderr_tail()

    def hide(self, secrets: Sequence[str]) -> None:
        """Mask these secrets in the log from now on, instead of the former ones."""
        self._child.log.hide(secrets)

    def subscribe(self, thread_id: str) -> Mailbox:
        """Return a mailbox that receives all messages about a thread, until `unsubscribe`."""
        mailbox = Mailbox()
        with self._lock:
            self._mailboxes[thread_id] = mailbox
            self._caused.expect(thread_id)
            ours = (thread_id, NO_THREAD) if thread_id != NO_THREAD else ()
            for about, message in self._early:
                if about in ours:
                    mailbox.put(message)
            self._early = deque((entry for entry in self._early if entry[0] not in ours), MAX_BUFFERED_NOTICES)
        if self._at_end:
            mailbox.put(None)
        return mailbox

    def unsubscribe(self, thread_id: str) -> dict[str, str]:
        """Close the mailbox of a thread. Requests in it that were not read are refused.

        Returns:
            The last turns that its turns have caused; see `CausedTurns.end`. Those that start later are ended.
        """
        with self._lock:
            mailbox = self._mailboxes.pop(thread_id, None)
            caused = self._caused.end(thread_id)
        if mailbox is not None:
            for message in mailbox.close():
                if message is not None and "id" in message:
                    self._refuse(message)
        return caused

    async def request(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        seconds: float = REQUEST_TIMEOUT,
        late: Callable[[dict[str, Any]], None] | None = None,
    ) -> dict[str, Any]:
        """Send a request and wait for its answer.

        Args:
            method: The method.
            params: The parameters of the method.
            seconds: Seconds to wait.
            late: Called on a thread with the answer, if it arrives after the wait has ended.

        Raises:
            RpcError: If the server answers with an error.
            ConnectionClosedError: If the server exits, or does not answer in time.
        """
        number, mailbox = next(self._ids), Mailbox()
        with self._lock:
            self._waiting[number] = mailbox
            self._caused.requested(method, params or {})
        answered = False
        try:
            self.send(_request(number, method, params or {}))
            if self._at_end:  # otherwise messages that the server sent before its exit may still be read
                mailbox.put(None)
            with anyio.move_on_after(seconds):
                answer = (await mailbox.get())[0]
                answered = True
                if answer is None:
                    raise ConnectionClosedError(f"{self.exit_description} before it answered {method}.")
                return result_of(method, answer)
            raise ConnectionClosedError(f"The codex app-server did not answer {method} within {seconds:g} seconds.")
        finally:
            # Either the reader has put the answer into the mailbox by now, or it finds `late` when the answer arrives.
            with self._lock:
                self._waiting.pop(number, None)
                unread = mailbox.close()
                if late is not None and not answered and not unread:
                    self._late[number] = late
            if late is not None and unread and unread[0] is not None:
                _call_late(late, unread[0])

    def send(self, message: Message) -> None:
        """Send a message, from any thread. Returns at once. If the server has exited, the reader reports that."""
        self._outbox.put(json.dumps(message, ensure_ascii=False).encode("utf-8", "replace") + b"\n")

    def request_nowait(self, method: str, params: Mapping[str, Any]) -> None:
        """Send a request without waiting for the answer, from any thread."""
        self.send(_request(next(self._ids), method, params))

    def close(self) -> None:
        """End the server and everything that it started, within about a second. Safe to call twice. Blocks."""
        if self._child.is_inherited:
            return
        with self._child.lock:
            self._at_end = True
            self._child.stop()
            if not self._child.asked_to_stop:
                self._child.sweep()  # it had exited by itself
            self._child.release()
            self.resources.close()

    def sweep(self, thread_id: str, since: float) -> None:
        """Kill the commands that a turn has left behind, because they started too late for its interrupt, or detached themselves. Blocks.

        Args:
            thread_id: The turn's thread. Its id is in the environment of each command.
            since: Commands that started before this time of `time.time` are not killed.
        """
        if not self._child.is_inherited:
            kill_left((), thread_id, THREAD_VARIABLES, since=since - CLOCK_ERROR)

    def forget_parent(self) -> None:
        """Leave the server to the parent. See `ForkAware`."""
        self._child.forget_parent()
        self.resources.pop_all()
        self._at_end = True
        self._lock = threading.Lock()
        self._outbox = queue.SimpleQueue()
        for mailbox in (*self._mailboxes.values(), *self._waiting.values()):
            mailbox.forget_parent()
        # The file objects are not closed: that would write buffered data of the parent's threads, and their locks may be held.
        # The server must see the end of its input when the parent exits, although this process still runs.
        with suppress(OSError):
            null = os.open(os.devnull, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
            for file in self._files:
                with suppress(OSError, ValueError):
                    if not file.closed:
                        os.dup2(null, file.fileno(), inheritable=False)
            os.close(null)

    @property
    def _files(self) -> list[Any]:
        popen = self._child.popen
        return [file for file in (popen.stdin, popen.stdout, popen.stderr) if file is not None]

    def _read(self) -> None:
        stdout = self._child.popen.stdout
        with suppress(OSError, ValueError):
            while stdout is not None and (line := stdout.readline()):
                self._child.log.received(line)
                with suppress(ValueError, RecursionError):
                    message = json.loads(line)
                    if isinstance(message, dict):
                        self._deliver(message)
        with suppress(subprocess.TimeoutExpired):
            self._child.popen.wait(EXIT_GRACE)  # errors contain the exit code
        self._at_end = True
        with self._lock:
            for mailbox in (*self._mailboxes.values(), *self._waiting.values()):
                mailbox.put(None)
        if stdout is not None:
            stdout.close()

    def _deliver(self, message: Message) -> None:
        if "method" not in message:
            self._deliver_answer(message)
            return
        method = str(message["method"])
        params = message["params"] if isinstance(message.get("params"), dict) else {}
        thread_id, is_request = str(params.get("threadId") or params.get("conversationId") or NO_THREAD), "id" in message
        thread = params.get("thread")
        if method == "thread/started" and isinstance(thread, dict) and thread.get("parentThreadId"):
            self._parents[str(thread.get("id"))] = str(thread["parentThreadId"])
        if not is_request and self.on_notification is not None:
            self.on_notification(method, params)
        with self._lock:
            unwanted = self._caused.take(method, params)
            while is_request and thread_id not in self._mailboxes and thread_id in self._parents:
                thread_id = self._parents[thread_id]  # the turn of the parent thread decides for a sub-agent
            receivers = [] if is_request and thread_id == NO_THREAD else self._receivers(thread_id, method)
            for mailbox in receivers:
                mailbox.put({**message, "params": params})
            if not receivers and method in NOTICES:
                self._early.append((thread_id, message))
        if not receivers and is_request:
            self._refuse(message)
        if unwanted:
            self.request_nowait("turn/interrupt", {"threadId": thread_id, "turnId": unwanted})
            self.request_nowait("thread/backgroundTerminals/clean", {"threadId": thread_id})

    def _receivers(self, thread_id: str, method: str) -> list[Mailbox]:
        """Return the mailboxes for a message."""
        if thread_id == NO_THREAD and method in FOR_ALL:
            return list(self._mailboxes.values())
        return [self._mailboxes[thread_id]] if thread_id in self._mailboxes else []

    def _deliver_answer(self, message: Message) -> None:
        number = message.get("id")
        if not isinstance(number, int):
            return
        with self._lock:
            waiting, late = self._waiting.get(number), self._late.pop(number, None)
            if waiting is not None:
                waiting.put(message)
        if late is not None:
            _call_late(late, message)

    def _refuse(self, message: Message) -> None:
        """Refuse a request of the server, which would wait for an answer forever."""
        self.send({"id": message["id"], **refusal(str(message["method"]))})

    def _write(self) -> None:
        stdin = self._child.popen.stdin
        with suppress(OSError, ValueError):
            while stdin is not None and (data := self._outbox.get()) is not None:
                self._child.log.sent(data)
                stdin.write(data)
                stdin.flush()
        with suppress(OSError, ValueError):
            if stdin is not None:
                stdin.close()

    def _drain(self) -> None:
        stderr = self._child.popen.stderr
        if stderr is not None:
            self._child.drain_stderr(stderr.fileno())
            stderr.close()


def _request(number: int, method: str, params: Mapping[str, Any]) -> Message:
    """Return the message of a request, with the active trace if there is one."""
    trace = trace_context()
    return {"id": number, "method": method, "params": dict(params), **({"trace": trace} if trace else {})}


def _call_late(late: Callable[[dict[str, Any]], None], message: Message) -> None:
    if isinstance(message.get("result"), dict):
        late(message["result"])
