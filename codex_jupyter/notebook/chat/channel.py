"""The connection between a chat and its pages.

Messages to the pages are numbered: a page that misses one requests the whole state. Actions of a page carry a secret that the chat sends
over the live connection only. So nothing that is stored in a notebook can start a turn.

Messages of a widget wait until the running cell has ended. Messages of a comm that the page opens on a subshell are handled by another
thread at once. `Comm.handle_msg` would run IPython's `post_execute` there, which closes the figures of the running cell, so it is bypassed.
"""

import logging
import secrets
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final
from weakref import WeakValueDictionary

from codex_jupyter.notebook.chat.protocol import COMM_TARGET
from codex_jupyter.notebook.render import error_text, well_formed
from codex_jupyter.sdk import InputError
from codex_jupyter.sdk.models.inputs import MAX_PROMPT_CHARS

MAX_PAGES: Final = 8
"""Comms of pages that are kept for a chat. A page that is reloaded does not close its comm."""

MAX_TEXT: Final = MAX_PROMPT_CHARS
"""Limit of the characters of a text that a page sends. The codex CLI accepts no longer prompt."""

Action = dict[str, Any]
PerformAction = Callable[[Action, Sequence[Any]], object]
"""Perform an action of a page: the action as JSON, and its binary data."""

_channels: "WeakValueDictionary[str, Channel]" = WeakValueDictionary()


class Channel:
    """The connection of a chat with its pages.

    Args:
        send: Send a message to all pages by the comm of the widget.
        act: Perform an action of a page, on any thread. The page receives the error that it raises.
    """

    def __init__(self, send: Callable[[Action], None], act: PerformAction) -> None:
        self.key: Final = secrets.token_urlsafe(12)
        """Name of the chat on the comms that pages open."""
        self.secret: Final = secrets.token_urlsafe(16)
        self.lock: Final = threading.RLock()
        """Locked while the state changes and the change is sent, so that messages have the order of the changes. Never lock it while
        starting a turn or changing the threads: other chats then lock theirs."""
        self.pages: deque[Any] = deque()
        self._send, self._act = send, act
        self._sequence = 0

    def open(self, shell: Any) -> None:
        """Accept comms of pages."""
        _channels[self.key] = self
        manager = getattr(getattr(shell, "kernel", None), "comm_manager", None)
        if manager is not None and COMM_TARGET not in manager.targets:
            manager.register_target(COMM_TARGET, _on_comm_open)

    def close(self) -> None:
        """Close the comms that pages have opened."""
        _channels.pop(self.key, None)
        while self.pages:
            self.pages.popleft().close()

    def send(self, kind: str, **content: Any) -> None:
        """Send a message of a kind to all pages, with the next number."""
        with self.lock:
            self._sequence += 1
            self._send({"type": kind, **content, "sequence": self._sequence})

    def receive(self, action: Action, buffers: Sequence[Any] = ()) -> None:
        """Perform an action of a page that knows the secret, and send `done`. Any page may request the state."""
        if not isinstance(action, dict):
            return
        syncs = action.get("do") == "sync"
        if not syncs and not secrets.compare_digest(str(action.get("secret")).encode(errors="replace"), self.secret.encode()):
            return
        error, number = "", None
        try:
            number = well_formed(action.get("id"))
            self._act(_bounded(well_formed(action)), buffers)
        except Exception as reason:  # the page waits for an answer after any error
            error = error_text(reason)
            logging.getLogger(__name__).debug("An action of a chat's page failed.", exc_info=True)
        if not syncs:
            self.send("done", id=number, error=error)


def _bounded(action: Action) -> Action:
    if any(isinstance(value, str) and len(value) > MAX_TEXT for value in action.values()):
        raise InputError(f"The text is too long: at most {MAX_TEXT:,} characters can be sent.")
    return action


def bypass_post_execute(comm: Any) -> None:
    """Handle the messages of a comm without running IPython's `post_execute`."""
    if comm is not None and getattr(comm, "_msg_callback", None) is not None:
        comm.handle_msg = comm._msg_callback


def _on_comm_open(comm: Any, message: dict[str, Any]) -> None:
    comm.handle_msg = _on_comm_message
    channel = _channel(message)
    if channel is None:
        return
    channel.pages.append(comm)
    comm.on_close(lambda _: channel.pages.remove(comm) if comm in channel.pages else None)
    if len(channel.pages) > MAX_PAGES:
        channel.pages.popleft().close()


def _on_comm_message(message: dict[str, Any]) -> None:
    channel = _channel(message)
    if channel is not None:
        channel.receive(message["content"]["data"], message.get("buffers") or ())


def _channel(message: dict[str, Any]) -> Channel | None:
    data = message["content"].get("data")
    return _channels.get(str(data.get("chat"))) if isinstance(data, dict) else None
