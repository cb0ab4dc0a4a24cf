"""The ways between the chat and its pages.

To the pages go messages with numbers: a page that misses one asks for everything anew. From a page comes what the user asks for, with a
secret that the chat tells over the live connection only: what is stored in a notebook can never start a turn.

What a widget sends waits until the running cell has ended. A comm that the page opens itself on a subshell does not: its messages are
handled by another thread at once. `Comm.handle_msg` would run IPython's `post_execute` there, which takes the open figures away from the
cell that runs, so it is bypassed.
"""

import logging
import secrets
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final
from weakref import WeakValueDictionary

from codex_jupyter.notebook.render import plain

TARGET: Final = "codex_jupyter.chat"
"""The name under which a page opens the comm."""
MAX_PAGES: Final = 8
"""Pages that control a chat at once; those that were reloaded do not say so."""

Action = dict[str, Any]
Act = Callable[[Action, Sequence[Any]], object]
"""Does what a page asks for: the action as JSON, and binary data that came along."""

_known: "WeakValueDictionary[str, Channel]" = WeakValueDictionary()


class Channel:
    """The connection of a chat with its pages.

    Args:
        send: Sends a message to all pages, by the widget's own comm.
        act: Does what a page asks for, on any thread. What it raises is told to the page.
    """

    def __init__(self, send: Callable[[Action], None], act: Act) -> None:
        self.key: Final = secrets.token_urlsafe(12)
        """What a page calls the chat on the comm that it opens."""
        self.secret: Final = secrets.token_urlsafe(16)
        self.lock: Final = threading.RLock()
        """Held while what the page shows changes and the change is told: pages are told in the order in which things happened. Nobody
        holds it while he begins a turn or changes the threads, for that makes other chats take theirs."""
        self.pages: deque[Any] = deque()
        self._send, self._act = send, act
        self._number = 0

    def open(self, shell: Any) -> None:
        """Let pages of this kernel open a comm to it."""
        _known[self.key] = self
        manager = getattr(getattr(shell, "kernel", None), "comm_manager", None)
        if manager is not None and TARGET not in manager.targets:
            manager.register_target(TARGET, _opened)

    def close(self) -> None:
        """Close the comms that pages have opened."""
        _known.pop(self.key, None)
        while self.pages:
            self.pages.popleft().close()

    def tell(self, kind: str, **content: Any) -> None:
        """Tell all pages something, under the next number."""
        with self.lock:
            self._number += 1
            self._send({"type": kind, **content, "sequence": self._number})

    def receive(self, action: Action, buffers: Sequence[Any] = ()) -> None:
        """Do what a page asks for, if it knows the secret, and tell it how that went. Anybody may ask for the state."""
        if not isinstance(action, dict):
            return
        syncs = action.get("do") == "sync"
        if not syncs and not secrets.compare_digest(str(action.get("secret")).encode(), self.secret.encode()):
            return
        error = ""
        try:
            self._act(action, buffers)
        except Exception as reason:  # whatever it is, the page waits for an answer
            error = plain(str(reason)) or type(reason).__name__
            logging.getLogger(__name__).debug("A chat could not do what was asked for.", exc_info=True)
        if not syncs:
            self.tell("done", id=action.get("id"), error=error)


def bypass(comm: Any) -> None:
    """Let the messages of a comm not count as cells."""
    if comm is not None and getattr(comm, "_msg_callback", None) is not None:
        comm.handle_msg = comm._msg_callback


def _opened(comm: Any, message: dict[str, Any]) -> None:
    comm.handle_msg = _received
    channel = _channel(message)
    if channel is None:
        return
    channel.pages.append(comm)
    comm.on_close(lambda _: channel.pages.remove(comm) if comm in channel.pages else None)
    if len(channel.pages) > MAX_PAGES:
        channel.pages.popleft().close()


def _received(message: dict[str, Any]) -> None:
    channel = _channel(message)
    if channel is not None:
        channel.receive(message["content"]["data"], message.get("buffers") or ())


def _channel(message: dict[str, Any]) -> Channel | None:
    data = message["content"].get("data")
    return _known.get(str(data.get("chat"))) if isinstance(data, dict) else None
