"""A small MCP server over streamable HTTP on loopback, with the tools `read` and `write` of `mcp_server`. It needs a token."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from tests.sdk.support.mcp_server import TOOLS, text

TOKEN = "t0ken-of-the-" + "server"
SESSION = "session-1"


class HttpMcp(ThreadingHTTPServer):
    """The server, and the requests that it has received."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.methods: list[str] = []
        self.refused = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/mcp"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the output of the tests clean."""

    def do_GET(self) -> None:
        """Offer no stream of the server's own messages."""
        self._answer(405)

    def do_DELETE(self) -> None:
        """End the session."""
        self._answer(200)

    def do_POST(self) -> None:
        server: Any = self.server
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.headers.get("authorization") != f"Bearer {TOKEN}":
            server.refused += 1
            return self._answer(401)
        method, params = message.get("method"), message.get("params") or {}
        server.methods.append(method)
        if "id" not in message:
            return self._answer(202)
        if method == "initialize":
            info = {"name": "web", "version": "1"}
            result: dict[str, Any] = {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info}
        elif self.headers.get("mcp-session-id") != SESSION:
            return self._answer(400)
        elif method == "tools/list":
            result = {"tools": TOOLS[:2]}
        else:
            result = text(f"{params['name']} {params['arguments'].get('what')} over HTTP") if method == "tools/call" else {}
        reply = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result})
        if method == "tools/call":  # the other form of an answer
            return self._answer(200, "text/event-stream", f"event: message\ndata: {reply}\n\n")
        return self._answer(200, "application/json", reply)

    def _answer(self, status: int, kind: str | None = None, content: str = "") -> None:
        self.send_response(status)
        if kind is not None:
            self.send_header("content-type", kind)
            self.send_header("mcp-session-id", SESSION)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content.encode())


@contextmanager
def http_mcp_server() -> Iterator[HttpMcp]:
    """Run a server."""
    server = HttpMcp()
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
