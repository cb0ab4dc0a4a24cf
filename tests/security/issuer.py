"""An issuer of logins on loopback, which answers the CLI as that of OpenAI does. The test informs it that the user has entered the code."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ACCOUNT = "account-1"
EMAIL = "ada@example.org"
CODE = "ABCD-1234"
REFRESH_TOKEN = "planted-refresh-token"  # noqa: S105 - of the test


class Issuer(ThreadingHTTPServer):
    """The issuer.

    Attributes:
        entered: Set it when the user has entered the code.
        asked: The paths that were asked for.
        refuses: If True, it refuses to start a login.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.entered = threading.Event()
        self.asked: list[str] = []
        self.refuses = False
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def env(self) -> dict[str, str]:
        """The variable that points the CLI here."""
        return {"CODEX_APP_SERVER_LOGIN_ISSUER": self.url}

    @property
    def config(self) -> dict[str, Any]:
        """The setting that points the CLI here for what it asks about the account."""
        return {"chatgpt_base_url": f"{self.url}/backend-api"}


class _Handler(BaseHTTPRequestHandler):
    server: Issuer

    def do_GET(self) -> None:
        workspace = {"id": ACCOUNT, "workspace_backend_origin": "https://chatgpt.com", "account_routing_override": "NO_CONSTRAINT"}
        self._reply(200, {"accounts": [workspace]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.asked.append(self.path)
        if self.server.refuses:
            self._reply(500, {"error": "no logins today"})
        elif self.path.endswith("/usercode"):
            self._reply(200, {"device_auth_id": "device-1", "user_code": CODE, "interval": "1"})
        elif self.path.endswith("/deviceauth/token"):
            entered = {"authorization_code": "code-1", "code_challenge": "challenge", "code_verifier": "verifier"}
            self._reply(200 if self.server.entered.is_set() else 403, entered if self.server.entered.is_set() else {})
        elif self.path.endswith("/oauth/token"):
            auth = {
                "https://api.openai.com/auth": {"chatgpt_plan_type": "plus", "chatgpt_account_id": ACCOUNT, "chatgpt_user_id": "user-1"}
            }
            tokens = {"id_token": _jwt(email=EMAIL, sub="user-1", **auth), "access_token": _jwt(exp=4102444800, **auth)}
            self._reply(200, {**tokens, "refresh_token": REFRESH_TOKEN})
        else:
            self._reply(404, {})

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the output of the tests clean."""

    def _reply(self, status: int, content: dict[str, Any]) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _jwt(**claims: Any) -> str:
    parts = ({"alg": "none"}, claims)
    return ".".join([*(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts), "c2ln"])
