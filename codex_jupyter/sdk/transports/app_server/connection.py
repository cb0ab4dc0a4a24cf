"""A codex process that is spoken to: `codex app-server`, JSON objects by lines in both directions.

A thread reads what the server says and puts it where it belongs: answers to whoever asked, everything else to the inbox of its thread;
a request that is nobody's is refused. An inbox can be awaited on any event loop, so a server serves callers on several. Another thread
writes, so that a server that does not read holds up nobody. The server ends when its standard input does, so it does not outlive us,
however we end.
"""

import atexit
import itertools
import json
import os
import queue
import socket
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final
from weakref import WeakSet

import anyio

from codex_jupyter.sdk.errors import ProtocolError, TransportError
from codex_jupyter.sdk.processes.forks import FORKED, forget_after_fork
from codex_jupyter.sdk.processes.guardian import guardian
from codex_jupyter.sdk.processes.process_tree import descendants, kill_left
from codex_jupyter.sdk.processes.spawn import spawn, system_error
from codex_jupyter.sdk.processes.turn_process import STDERR_TAIL
from codex_jupyter.sdk.transports.app_server.approvals import refusal

THREAD_VARIABLES: Final = ("CODEX_THREAD_ID", "CODEX_SESSION_ID")
"""The environment variables by which the CLI tells its commands their thread, and that of whom it helps."""
CLOCK_ERROR: Final = 1.0
"""Seconds by which the time that the system gives for the begin of a process may be too early: Linux tells its own start in whole ones."""
CLOSE_STEPS: Final = (("eof", 0.5), ("terminate", 0.5), ("kill", 1.0))
"""How a server is ended, and how many seconds each step is given. It obeys the first within 0.1 s, and ends its commands."""
EXIT_GRACE: Final = 0.5
"""Seconds to wait for the exit of a server that has said its last word."""
MAX_BUFFERED_WARNINGS: Final = 20
"""Warnings that are kept for threads that nobody listens to yet."""
REQUEST_TIMEOUT: Final = 30.0
"""Seconds to wait for an answer. The server answers in milliseconds; starting MCP servers may hold it up."""

Message = dict[str, Any]


NO_THREAD: Final = ""
"""Whom to listen to for notifications that are about no thread, such as a login."""


class ConnectionClosedError(TransportError):
    """The server has ended, or is about to."""


class RpcError(TransportError):
    """The server answered a request with an error.

    Attributes:
        code: The number of the error.
    """

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class Mailbox:
    """Messages from the reader's thread, to be awaited on any event loop."""

    def __init__(self) -> None:
        self._messages: deque[Message | None] = deque()
        self._is_parents = False
        try:
            self._reader, self._writer = socket.socketpair()
        except OSError as error:
            raise system_error("The codex app-server cannot be reached", error) from error
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def put(self, message: Message | None) -> None:
        """Add a message, from any thread; None says that there will be no more."""
        self._messages.append(message)
        with suppress(OSError):  # full: whoever waits is woken already; closed: nobody waits
            self._writer.send(b"\0")

    async def get(self) -> list[Message | None]:
        """Wait for messages; at least one, in order.

        Raises:
            TransportError: In a forked child, because the messages are the parent's.
        """
        while not self._messages:
            if self._is_parents:
                raise TransportError(FORKED)
            await anyio.wait_readable(self._reader)
            with suppress(BlockingIOError):
                self._reader.recv(4096)
        taken = []
        while self._messages:
            taken.append(self._messages.popleft())
        return taken

    def close(self) -> list[Message | None]:
        """Free it; gives what nobody has taken."""
        self._reader.close()
        self._writer.close()
        return list(self._messages)

    def forget_parent(self) -> None:
        """Leave it to the parent. See `ForkAware`."""
        self._is_parents = True
        self._messages.clear()
        self._reader.close()
        self._writer.close()


class AppServerConnection:
    """A running server. Make one with `AppServerConnection.start`, and end it with `close`."""

    def __init__(self, popen: "subprocess.Popen[bytes]", marker: str) -> None:
        self._popen, self._marker = popen, marker
        self._ids = itertools.count(1)
        self._waiting: dict[int, Mailbox] = {}
        self._mailboxes: dict[str, Mailbox] = {}
        self._late: dict[int, Callable[[dict[str, Any]], None]] = {}
        self._parents: dict[str, str] = {}
        """Which thread a sub-agent's thread was begun by."""
        self._early: deque[tuple[str, Message]] = deque(maxlen=MAX_BUFFERED_WARNINGS)
        """Warnings about threads that nobody listens to yet, because nobody could know of them."""
        self._lock = threading.Lock()
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._errors = bytearray()
        self._closed = False
        self._closing = threading.Lock()
        self._is_parents = False
        self.client_closed = False
        """Set before it is ended because the user has closed its client."""
        _running.add(self)
        forget_after_fork(self)

    def _start_threads(self) -> None:
        for work in (self._read, self._drain, self._write):
            threading.Thread(target=work, name="codex-app-server", daemon=True).start()

    @classmethod
    def start(cls, argv: Sequence[str], env: Mapping[str, str]) -> "AppServerConnection":
        """Start a server in a session of its own, so that an interrupt of the kernel does not reach it.

        Raises:
            TransportError: If the system does not start it.
        """
        pipe, failure = subprocess.PIPE, f"The codex executable {argv[0]} cannot be started"
        try:
            server = cls(*spawn(argv, env, stdin=pipe, stdout=pipe, stderr=pipe))
        except (OSError, ValueError) as error:
            raise system_error(failure, error) from error
        try:
            server._start_threads()
        except RuntimeError as error:  # the system has no room for a thread
            server._kill()
            raise system_error(failure, error) from error
        return server

    @property
    def closed(self) -> bool:
        """Whether it has ended, or speaks no more."""
        return self._closed or self._popen.poll() is not None

    @property
    def pid(self) -> int:
        """The id of its process."""
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """Exit code, or minus the signal that ended it; None while it runs."""
        return self._popen.poll()

    def stderr_tail(self) -> str:
        """The end of its error output."""
        return bytes(self._errors[-STDERR_TAIL:]).decode(errors="replace")

    def subscribe(self, thread_id: str) -> Mailbox:
        """The inbox that gets everything about a thread from now on, until `unsubscribe`."""
        inbox = Mailbox()
        with self._lock:
            self._mailboxes[thread_id] = inbox
            for about, message in self._early:
                if about == thread_id:
                    inbox.put(message)
            self._early.clear()
        if self._closed:
            inbox.put(None)
        return inbox

    def unsubscribe(self, thread_id: str) -> None:
        """Give up a thread's inbox. Requests that nobody has taken out of it are refused."""
        with self._lock:
            inbox = self._mailboxes.pop(thread_id, None)
        if inbox is not None:
            for message in inbox.close():
                if message is not None and "id" in message:
                    self._refuse(message)

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
            method: What is asked for.
            params: Its parameters.
            seconds: How long to wait.
            late: Called on a thread with the answer if it comes when nobody waits any more.

        Raises:
            RpcError: If the server answers with an error.
            ConnectionClosedError: If it ends, or does not answer in time.
        """
        number, inbox = next(self._ids), Mailbox()
        with self._lock:
            self._waiting[number] = inbox
        answered = False
        try:
            self.send({"id": number, "method": method, "params": params or {}})
            if self._closed:  # else what it has said before its end may still be read
                inbox.put(None)
            with anyio.move_on_after(seconds):
                answer = (await inbox.get())[0]
                answered = True
                if answer is None:
                    raise ConnectionClosedError(f"{self.exit_description} before it answered {method}.")
                if "error" in answer:
                    error = answer["error"] if isinstance(answer["error"], dict) else {}
                    raise RpcError(str(error.get("message") or "It gave no reason."), error.get("code"))
                if not isinstance(answer.get("result"), dict):
                    raise ProtocolError(f"The codex app-server answered {method} in an unknown form: {str(answer.get('result'))[:200]}")
                return dict(answer["result"])
            raise ConnectionClosedError(f"The codex app-server did not answer {method} within {seconds:g} seconds.")
        finally:
            # The reader either has put the answer into the inbox by now, or finds `late` when it comes.
            with self._lock:
                self._waiting.pop(number, None)
                unread = inbox.close()
                if late is not None and not answered and not unread:
                    self._late[number] = late
            if late is not None and unread and unread[0] is not None:
                _call_late(late, unread[0])

    def send(self, message: Message) -> None:
        """Send a message, from any thread. Returns at once; a server that is gone is seen by whoever reads."""
        self._outbox.put(json.dumps(message, ensure_ascii=False).encode("utf-8", "replace") + b"\n")

    def request_nowait(self, method: str, params: Mapping[str, Any]) -> None:
        """Send a request whose answer nobody waits for, from any thread."""
        self.send({"id": next(self._ids), "method": method, "params": dict(params)})

    def close(self) -> None:
        """End it and everything it started, within about a second. Safe to call twice."""
        if self._is_parents:
            return
        with self._closing:
            if self in _running:
                _running.discard(self)
                guardian.ended(self.pid)
            self._closed = True
            tree = descendants(self._popen.pid) if self._popen.poll() is None else []
            for step, grace in CLOSE_STEPS:
                if step == "eof":
                    self._outbox.put(None)
                else:
                    getattr(self._popen, step)()
                with suppress(subprocess.TimeoutExpired):
                    self._popen.wait(grace)
                    break
            kill_left(tree, self._marker)

    def forget_parent(self) -> None:
        """Leave it to the parent. See `ForkAware`."""
        self._is_parents = self._closed = True
        self._lock, self._closing = threading.Lock(), threading.Lock()
        self._outbox = queue.SimpleQueue()
        if self._popen.returncode is None:
            self._popen.returncode = 0  # only the parent can wait for it
        _running.discard(self)
        for inbox in (*self._mailboxes.values(), *self._waiting.values()):
            inbox.forget_parent()
        # Not closed as objects: what one of the parent's threads had in its buffer would be written, and their locks may be taken.
        # The server must see the end of its input when the parent ends, although this process goes on.
        with suppress(OSError):
            null = os.open(os.devnull, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
            for file in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
                with suppress(OSError, ValueError):
                    if file is not None and not file.closed:
                        os.dup2(null, file.fileno(), inheritable=False)
            os.close(null)

    def _kill(self) -> None:
        """End it when there are no threads that serve it."""
        self.close()
        for file in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            if file is not None:
                file.close()

    def _read(self) -> None:
        stdout = self._popen.stdout
        with suppress(OSError, ValueError):
            while stdout is not None and (line := stdout.readline()):
                with suppress(ValueError, RecursionError):
                    message = json.loads(line)
                    if isinstance(message, dict):
                        self._deliver(message)
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(EXIT_GRACE)  # how it ended is part of what is said about it
        self._closed = True
        with self._lock:
            for inbox in (*self._mailboxes.values(), *self._waiting.values()):
                inbox.put(None)
        if stdout is not None:
            stdout.close()

    def _deliver(self, message: Message) -> None:
        if "method" not in message:
            number = message.get("id")
            with self._lock:
                waiting = self._waiting.get(number) if isinstance(number, int) else None
                late = self._late.pop(number, None) if isinstance(number, int) else None
                if waiting is not None:
                    waiting.put(message)
            if late is not None:
                _call_late(late, message)
            return
        method = str(message["method"])
        params = message["params"] if isinstance(message.get("params"), dict) else {}
        thread_id, is_request = str(params.get("threadId") or params.get("conversationId") or NO_THREAD), "id" in message
        thread = params.get("thread")
        if method == "thread/started" and isinstance(thread, dict) and thread.get("parentThreadId"):
            self._parents[str(thread.get("id"))] = str(thread["parentThreadId"])
        with self._lock:
            while is_request and thread_id not in self._mailboxes and thread_id in self._parents:
                # What a sub-agent may do is asked of whoever runs the turn that it works for.
                thread_id = self._parents[thread_id]
            inbox = None if is_request and thread_id == NO_THREAD else self._mailboxes.get(thread_id)
            if inbox is not None:
                inbox.put({**message, "params": params})
            elif method == "warning":
                self._early.append((thread_id, message))
        if inbox is None and is_request:
            self._refuse(message)

    def _refuse(self, message: Message) -> None:
        """Answer a request that nobody is there to decide: without an answer it would be waited for for ever."""
        self.send({"id": message["id"], **refusal(str(message["method"]))})

    def sweep(self, thread_id: str, since: float) -> None:
        """End the commands that a turn has left behind: begun too late for its interrupt, or out of reach. Blocks for a moment.

        Args:
            thread_id: The turn's thread, whose id each of its commands has in its environment.
            since: What began before is left alone, in seconds of `time.time`.
        """
        if not self._is_parents:
            kill_left((), thread_id, THREAD_VARIABLES, since=since - CLOCK_ERROR)

    @property
    def exit_description(self) -> str:
        """How it ended, as the beginning of a sentence."""
        if self._is_parents:
            return "The codex app-server belongs to the process that this one was forked from, and ended for this one"
        code = self.returncode
        how = "" if code is None else f" with exit code {code}" if code >= 0 else f" by signal {-code}"
        return f"The codex app-server ended{how}"

    def _write(self) -> None:
        stdin = self._popen.stdin
        with suppress(OSError, ValueError):
            while stdin is not None and (data := self._outbox.get()) is not None:
                stdin.write(data)
                stdin.flush()
        with suppress(OSError, ValueError):
            if stdin is not None:
                stdin.close()

    def _drain(self) -> None:
        stderr = self._popen.stderr
        with suppress(OSError, ValueError):
            while stderr is not None and (chunk := os.read(stderr.fileno(), 65536)):
                self._errors += chunk
                if len(self._errors) > 2 * STDERR_TAIL:
                    del self._errors[:-STDERR_TAIL]
        if stderr is not None:
            stderr.close()


def _call_late(late: Callable[[dict[str, Any]], None], message: Message) -> None:
    if isinstance(message.get("result"), dict):
        late(message["result"])


_running: WeakSet[AppServerConnection] = WeakSet()


@atexit.register
def _close_all() -> None:
    """The interpreter ends, a kernel is shut down or restarted: leave nothing behind."""
    for server in list(_running):
        server.close()
