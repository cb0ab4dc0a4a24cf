"""The answers of the app-server, and its errors."""

from typing import Any

from codex_jupyter.sdk.errors import ProtocolError, TransportError
from codex_jupyter.sdk.transports.app_server.mailbox import Message


class ConnectionClosedError(TransportError):
    """The server has exited, or is about to."""


class RpcError(TransportError):
    """The server answered a request with an error.

    Attributes:
        code: The code of the error.
    """

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


def result_of(method: str, answer: Message) -> dict[str, Any]:
    """Return the result in an answer.

    Raises:
        RpcError: If the answer is an error.
        ProtocolError: If it has an unknown form.
    """
    if "error" in answer:
        error = answer["error"] if isinstance(answer["error"], dict) else {}
        raise RpcError(str(error.get("message") or "The error has no message."), error.get("code"))
    if not isinstance(answer.get("result"), dict):
        raise ProtocolError(f"The codex app-server answered {method} in an unknown form: {str(answer.get('result'))[:200]}")
    return dict(answer["result"])
