"""The HTTP server of the scripted model: server-sent events over HTTP/1.1, one thread per connection.

Every program on the machine, and every web page that is open on it, can connect to a loopback port. So a request must have the model's
token, must name this address as its host, and must not come from a web page. All data that a client can send is limited.
"""

import json
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from types import MappingProxyType
from typing import Any, Final, cast

from codex_jupyter.testing.parts import Cut, Delay, Fail, FailStream, JsonObject, WaitFor
from codex_jupyter.testing.request import RecordedRequest
from codex_jupyter.testing.request_limits import HeaderReader, body_length
from codex_jupyter.testing.script import Reply
from codex_jupyter.testing.wire import ScriptError, error_body, failed, steps

MAX_CONNECTIONS: Final = 64
"""Maximum number of connections, each with a thread. The next one replaces the oldest that has not sent the token."""
HEADER_SECONDS: Final = 10.0
"""Time in which a connection must send the token."""
BODY_SECONDS: Final = 60.0
"""Time in which the rest of a request must arrive."""
SEND_SECONDS: Final = 60.0
"""Time in which a client must accept data."""
_ANY_ADDRESS: Final = ("", "0.0.0.0", "::")  # noqa: S104 - values that the caller may pass
# Interval in seconds in which a waiting stream checks its client, and the server checks for overdue connections.
_POLL_INTERVAL: Final = 0.05


class _StreamEndedError(Exception):
    """Raised when the client closed the connection, or the server is closing."""


class ResponsesServer(ThreadingHTTPServer):
    """Answers `POST /v1/responses` with the reply that `reply` returns.

    Args:
        address: Host and port.
        token: The bearer token that every request must have.
        reply: Returns the reply to a request. Called from many threads.
        record: Called with each request and the size of its body in bytes, before the reply.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        token: str,
        reply: Callable[[RecordedRequest], Reply],
        record: Callable[[RecordedRequest, int], None],
    ) -> None:
        super().__init__(address, _Handler)
        self.reply = reply
        self.record = record
        self.closing: threading.Event = threading.Event()
        self._authorization = f"Bearer {token}".encode()
        names = {address[0], "localhost", "127.0.0.1", "[::1]"}
        self._hosts = None if address[0] in _ANY_ADDRESS else {f"{name}:{self.server_address[1]}" for name in names}
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, float | None] = {}
        """The open connections, oldest first, with the time of their end. None if the request is complete."""
        self._admitted = set[socket.socket]()
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": _POLL_INTERVAL}, name="scripted-model", daemon=True
        )

    def start(self) -> None:
        """Start to serve on a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Drop all connections, and stop listening. Waits only for the serving thread, which ends quickly."""
        self.closing.set()
        with suppress(OSError):  # Linux wakes the serving thread. Elsewhere it notices the stop at its next check.
            self.socket.shutdown(socket.SHUT_RDWR)
        self.shutdown()
        self._thread.join()
        self.server_close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            _drop(connection)

    def refusal(self, authorization: str, host: str, origin: str | None) -> Fail | None:
        """Return the reason to refuse a request, or None if it is allowed.

        Args:
            authorization: The header of this name, or an empty string.
            host: The header of this name. A page whose domain name leads to this address sends its own name.
            origin: The header of this name, or None. Only pages send one.
        """
        if origin is not None:
            return Fail(403, "this address is not for web pages", "invalid_request_error")
        if self._hosts is not None and host not in self._hosts:
            return Fail(403, "the Host header does not name this address", "invalid_request_error")
        if not secrets.compare_digest(authorization.encode("latin-1", "replace"), self._authorization):
            return Fail(401, "the token is missing or wrong: use ScriptedModel.env() as the CLI's environment", "invalid_request_error")
        return None

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection, and register it for `stop`."""
        connection, address = super().get_request()
        with self._lock:
            self._connections[connection] = time.monotonic() + HEADER_SECONDS
        return connection, address

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Make room for a connection. Return False if all others have sent the token."""
        with self._lock:
            if len(self._connections) <= MAX_CONNECTIONS:
                return True
            oldest = next(connection for connection in self._connections if connection not in self._admitted)
            if oldest is not request:
                self._connections.pop(oldest)
        if oldest is request:
            return False
        _drop(oldest)
        return True

    def admit(self, connection: socket.socket) -> None:
        """Give a connection that has sent the token the time to send its body."""
        with self._lock:
            if connection in self._connections:
                self._admitted.add(connection)
                self._connections[connection] = time.monotonic() + BODY_SECONDS

    def complete(self, connection: socket.socket) -> None:
        """Record that the request of a connection is complete."""
        with self._lock:
            if connection in self._connections:
                self._connections[connection] = None

    def service_actions(self) -> None:
        """Drop overdue connections. Called regularly by the server."""
        now = time.monotonic()
        with self._lock:
            overdue = [connection for connection, due in self._connections.items() if due is not None and due < now]
        for connection in overdue:
            _drop(connection)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self._lock:
            self._connections.pop(request, None)
            self._admitted.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore errors of closed connections. A stopped CLI is not an error of the server."""


def _drop(connection: socket.socket) -> None:
    """End a connection. Its handler notices that and closes it."""
    with suppress(OSError):  # the handler has already closed it
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "ScriptedModel"
    sys_version = ""
    disable_nagle_algorithm = True
    timeout = SEND_SECONDS

    def parse_request(self) -> bool:
        """Read the headers. Refuse a request that is not allowed before anything else is read."""
        connection, self.rfile = self.rfile, cast("Any", HeaderReader(self.rfile))
        try:
            parsed = super().parse_request()
        finally:
            self.rfile = connection
        if not parsed:
            return False
        headers = self.headers
        refusal = self.model.refusal(headers.get("authorization", ""), headers.get("host", ""), headers.get("origin"))
        if refusal is not None:
            self._fail(refusal)
            return False
        self.model.admit(self.connection)
        return True

    @property
    def model(self) -> ResponsesServer:
        return cast("ResponsesServer", self.server)

    def log_message(self, format: str, *args: Any) -> None:  # the name is the base class's
        """Keep the notebook's stderr clean."""

    def do_GET(self) -> None:
        """Return an empty list of models. Refuse websockets."""
        if "upgrade" in self.headers:
            self._json(426, error_body(Fail(426, "no websockets here: use HTTP", "invalid_request_error")))
        elif self._is("models"):
            self._json(200, {"object": "list", "data": [], "models": []})
        else:
            self._not_found()

    def do_POST(self) -> None:
        """Play the next reply."""
        if not self._is("responses"):
            return self._not_found()
        if isinstance(length := body_length(self.headers), Fail):
            return self._fail(length)
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return None
        self.model.complete(self.connection)
        try:
            decoded = json.loads(body)
            if not isinstance(decoded, dict):
                raise TypeError("not an object")
        except (ValueError, TypeError) as error:
            return self._fail(Fail(400, f"the body is not a JSON object: {error}", "invalid_request_error"))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = RecordedRequest(self.path, headers, decoded)
        self.model.record(request, length)
        try:
            return self._play(self.model.reply(request), request)
        except ScriptError as error:
            return self._fail(Fail(400, str(error), "script_error"))
        except (_StreamEndedError, OSError):
            self.close_connection = True
            return None

    def _play(self, reply: Reply, request: RecordedRequest) -> None:
        if reply.parts and isinstance(failure := reply.parts[-1], Fail):
            for part in reply.parts[:-1]:
                if isinstance(part, Delay | WaitFor):
                    self._wait(part)
            return self._fail(failure, reply.headers)
        stream = steps(reply, request)
        first = next(stream)  # raises a script error before the status line
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.send_header("connection", "close")
        self._send_headers(reply.headers)
        self.end_headers()
        try:
            for step in chain([first], stream):
                if isinstance(step, Cut):
                    return None  # without the final chunk, like a broken connection
                self._step(step)
        except ScriptError as error:
            self._send(failed(FailStream("script_error", str(error))))
        self.wfile.write(b"0\r\n\r\n")
        return None

    def _step(self, step: JsonObject | Delay | WaitFor) -> None:
        if isinstance(step, dict):
            self._send(step)
        else:
            self._wait(step)

    def _send(self, event: dict[str, Any]) -> None:
        data = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _wait(self, pause: Delay | WaitFor) -> None:
        """Pause.

        Raises:
            ScriptError: If the event was not set in time.
            _StreamEndedError: If the client closed the connection, or the server is closing.
        """
        seconds = pause.seconds if isinstance(pause, Delay) else pause.timeout
        release = self.model.closing if isinstance(pause, Delay) else pause.event
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not release.wait(min(left, _POLL_INTERVAL)):
            self._check_client()
        self._check_client()
        if isinstance(pause, WaitFor) and not release.is_set():
            raise ScriptError(f"wait_for() was not released in time, which is {seconds} s")

    def _check_client(self) -> None:
        if self.model.closing.is_set():
            raise _StreamEndedError
        self.connection.settimeout(0)
        try:
            closed = self.connection.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return
        finally:
            self.connection.settimeout(SEND_SECONDS)
        if closed:
            raise _StreamEndedError

    def _is(self, name: str) -> bool:
        return self.path.partition("?")[0].rstrip("/") == f"/v1/{name}"

    def _not_found(self) -> None:
        self._fail(Fail(404, f"the scripted model has no {self.command} {self.path}", "invalid_request_error"))

    def _fail(self, failure: Fail, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        self._json(failure.status, error_body(failure), headers)

    def _send_headers(self, headers: Mapping[str, str]) -> None:
        for name, value in headers.items():
            self.send_header(name, value)

    def _json(self, status: int, content: dict[str, Any], headers: Mapping[str, str] = MappingProxyType({})) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self._send_headers(headers)
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(data)
