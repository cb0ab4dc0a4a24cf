"""A page of a chat, as a test plays it: it knows what the kernel sends to every page, and speaks the protocol of the chat.

Its comm is its own, like that of the JavaScript. So the tests use no private part of the chat in the kernel.
"""

import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from tests.notebook.conftest import LIMIT, Kernel

Content = dict[str, Any]


class ChatPage:
    """A page of the chat that the kernel has opened last.

    Args:
        kernel: The kernel.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        widget = next(opened for opened in reversed(kernel.received) if "_mark" in _state(opened))
        self.model_id: str = widget["content"]["comm_id"]
        """Id of the widget."""
        self._chat = _state(widget)["_key"]
        self._comm = uuid.uuid4().hex
        self._send("comm_open", {"do": "nothing"}, target_name="codex_jupyter.chat")

    @property
    def messages(self) -> list[Content]:
        """The messages of the chat, oldest first."""
        received = self._kernel.received
        data = (
            message["content"]["data"]
            for message in received
            if message["msg_type"] == "comm_msg" and message["content"]["comm_id"] == self.model_id
        )
        return [part["content"] for part in data if part.get("method") == "custom"]

    def of(self, kind: str) -> list[Content]:
        """Return the messages of a kind, oldest first."""
        return [message for message in self.messages if message["type"] == kind]

    def last(self, kind: str) -> Content:
        """Return the newest message of a kind."""
        return self.of(kind)[-1]

    @property
    def secret(self) -> str:
        """The secret that every state contains."""
        return str(self.last("state")["secret"])

    def wait(self, done: Callable[[], bool]) -> None:
        """Read what the kernel sends until a condition is true."""
        deadline = time.monotonic() + LIMIT
        while not done():
            self._kernel.receive(deadline - time.monotonic())

    def wait_for_turns(self, count: int = 1) -> None:
        """Wait until so many turns have ended since the chat was opened, and the chat has reported its state after the last one."""

        def ended() -> bool:
            kinds = [message["type"] for message in self.messages]
            return kinds.count("end") >= count and "meta" in kinds[len(kinds) - 1 - kinds[::-1].index("end") :]

        self.wait(ended)

    def wait_for_question(self) -> Content:
        """Wait until the agent asks, and return the message with the question."""
        self.wait(lambda: any(self.of("question")) and self.last("question")["question"] is not None)
        return self.last("question")

    def do(self, buffers: Sequence[bytes] = (), *, secret: object = None, **action: object) -> Content:
        """Perform an action and return the answer, whose `error` is empty if it was done.

        Args:
            buffers: Binary data.
            secret: A secret. None uses that of the chat.
            action: The action.
        """
        number = uuid.uuid4().hex
        self._send("comm_msg", {**action, "id": number, "secret": self.secret if secret is None else secret}, buffers)
        self.wait(lambda: any(done["id"] == number for done in self.of("done")))
        return next(done for done in self.of("done") if done["id"] == number)

    def send_unanswered(self, data: Content) -> list[dict[str, Any]]:
        """Send a message as it is, and return the output that it caused."""
        request = self._send("comm_msg", data)
        return self._kernel.outputs_of(request)

    def sync(self) -> Content:
        """Ask for everything, and return the state."""
        self._kernel.outputs_of(self._send("comm_msg", {"do": "sync"}))
        return self.last("state")

    def _send(self, kind: str, data: Content, buffers: Sequence[bytes] = (), **content: str) -> str:
        session = self._kernel.client.session
        message = session.msg(kind, {"comm_id": self._comm, "data": {**data, "chat": self._chat}, **content})
        session.send(self._kernel.client.shell_channel.socket, message, buffers=list(buffers))
        return str(message["header"]["msg_id"])


def _state(message: dict[str, Any]) -> Content:
    """Return the state of the widget that a message opens."""
    data = message["content"].get("data")
    state: Content = data.get("state", {}) if message["msg_type"] == "comm_open" and isinstance(data, dict) else {}
    return state
