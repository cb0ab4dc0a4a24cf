"""The HTTP side of the scripted model: server-sent events over HTTP/1.1, on threads of their own."""

import json
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from typing import Any, cast

from codex_jupyter.demo.parts import Cut, Delay, Fail, FailStream, JsonObject, WaitFor
from codex_jupyter.demo.request import RecordedRequest
from codex_jupyter.demo.script import Reply
from codex_jupyter.demo.wire import ScriptError, error_body, failed, steps

# How often a waiting stream looks whether its client is still there, in seconds.
_LOOK = 0.05


class _StreamEndedError(Exception):
    """Nobody is left to stream to: the client went away, or the server is closing."""


class ModelServer(ThreadingHTTPServer):
    """Answers `POST /v1/responses` with whatever `reply` returns.

    Args:
        address: Host and port.
        reply: The answer to a request; called from many threads.
        record: Told of every request before it is answered.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(
        self,
        address: tuple[str, int],
        reply: Callable[[RecordedRequest], Reply],
        record: Callable[[RecordedRequest], None],
    ) -> None:
        super().__init__(address, _Handler)
        self.reply = reply
        self.record = record
        self.closing = threading.Event()
        self._connections: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": _LOOK}, name="scripted-model", daemon=True)

    def start(self) -> None:
        """Serve on a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Drop every connection and stop to listen; waits for the serving thread only, which is prompt."""
        self.closing.set()
        self.shutdown()
        self._thread.join()
        self.server_close()
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # its handler has closed it in the meantime

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection and remember it, so that `stop` can drop it."""
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep silent about clients that went away: a stopped CLI is no fault of the server."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "ScriptedModel"
    sys_version = ""
    disable_nagle_algorithm = True

    @property
    def model(self) -> ModelServer:
        return cast("ModelServer", self.server)

    def log_message(self, format: str, *args: Any) -> None:  # the name is the base class's
        """Keep the notebook's stderr clean."""

    def do_GET(self) -> None:
        """Serve an empty list of models; refuse to become a websocket."""
        if "upgrade" in self.headers:
            self._json(426, error_body(Fail(426, "no websockets here: use HTTP", "invalid_request_error")))
        elif self._is("models"):
            self._json(200, {"object": "list", "data": [], "models": []})
        else:
            self._not_found()

    def do_POST(self) -> None:
        """Play the next reply."""
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if not self._is("responses"):
            return self._not_found()
        try:
            decoded = json.loads(body)
            if not isinstance(decoded, dict):
                raise TypeError("not an object")
        except (ValueError, TypeError) as error:
            return self._fail(Fail(400, f"the body is no JSON object: {error}", "invalid_request_error"))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = RecordedRequest(self.path, headers, decoded)
        self.model.record(request)
        try:
            return self._play(self.model.reply(request), request)
        except ScriptError as error:
            return self._fail(Fail(400, str(error), "script_error"))
        except (_StreamEndedError, ConnectionError):
            self.close_connection = True

    def _play(self, reply: Reply, request: RecordedRequest) -> None:
        if reply.parts and isinstance(failure := reply.parts[-1], Fail):
            for part in reply.parts[:-1]:
                if isinstance(part, Delay | WaitFor):
                    self._wait(part)
            return self._fail(failure)
        stream = steps(reply, request)
        first = next(stream)  # a script error comes here, before the status line
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.send_header("connection", "close")
        self.end_headers()
        try:
            for step in chain([first], stream):
                if isinstance(step, Cut):
                    return None  # without the last chunk, as a broken connection does
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
            ScriptError: What was waited for did not come.
            _StreamEndedError: The client went away meanwhile, or the server is closing.
        """
        seconds = pause.seconds if isinstance(pause, Delay) else pause.timeout
        release = self.model.closing if isinstance(pause, Delay) else pause.event
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not release.wait(min(left, _LOOK)):
            self._look()
        self._look()
        if isinstance(pause, WaitFor) and not release.is_set():
            raise ScriptError(f"wait_for() was not released in time, which is {seconds} s")

    def _look(self) -> None:
        if self.model.closing.is_set():
            raise _StreamEndedError
        try:
            gone = self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return
        if gone:
            raise _StreamEndedError

    def _is(self, name: str) -> bool:
        return self.path.partition("?")[0].rstrip("/") == f"/v1/{name}"

    def _not_found(self) -> None:
        self._fail(Fail(404, f"the scripted model has no {self.command} {self.path}", "invalid_request_error"))

    def _fail(self, failure: Fail) -> None:
        self._json(failure.status, error_body(failure))

    def _json(self, status: int, content: dict[str, Any]) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(data)
