"""Subscriptions to all notifications of the servers of a client."""

import threading
from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any, Final

from codex_jupyter.sdk.errors import TransportError
from codex_jupyter.sdk.models.notifications import Notification
from codex_jupyter.sdk.transports.app_server.mailbox import Mailbox

MAX_UNREAD: Final = 10_000
"""Notifications that a subscriber may leave unread."""


class Subscription(AsyncIterator[Notification]):
    """The notifications for one subscriber.

    Args:
        methods: The methods to receive. Empty receives all of them.
    """

    def __init__(self, methods: Collection[str] = ()) -> None:
        self._methods = frozenset(methods)
        self._mailbox = Mailbox()
        self._ready: deque[Notification | None] = deque()
        self._unread = 0
        self._overflow = False

    def put(self, method: str, params: Mapping[str, Any]) -> None:
        """Add a notification, from any thread."""
        if self._methods and method not in self._methods:
            return
        if self._unread >= MAX_UNREAD:
            self._overflow = True
        else:
            self._unread += 1
            self._mailbox.put({"method": method, "params": params})

    def end(self) -> None:
        """End the iteration after the notifications that are unread."""
        self._mailbox.put(None)

    def close(self) -> None:
        """Free it."""
        self._mailbox.close()

    async def __anext__(self) -> Notification:
        while not self._ready:
            for message in await self._mailbox.get():
                self._ready.append(None if message is None else Notification(message["method"], message["params"]))
        if self._overflow:
            raise TransportError(
                f"More than {MAX_UNREAD:,} notifications were unread, so some were lost. Read faster, or name the methods."
            )
        notification = self._ready[0]
        if notification is None:
            raise StopAsyncIteration
        self._ready.popleft()
        self._unread -= 1
        return notification


class Watchers:
    """The subscriptions of a client. All its servers report to them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscriptions: tuple[Subscription, ...] = ()

    def add(self, subscription: Subscription) -> None:
        """Start a subscription."""
        with self._lock:
            self._subscriptions = (*self._subscriptions, subscription)

    def remove(self, subscription: Subscription) -> None:
        """End a subscription, and free it."""
        with self._lock:
            self._subscriptions = tuple(other for other in self._subscriptions if other is not subscription)
        subscription.close()

    def put(self, method: str, params: Mapping[str, Any]) -> None:
        """Report a notification, on the thread that reads from a server."""
        for subscription in self._subscriptions:
            subscription.put(method, params)

    def end(self) -> None:
        """End the iterations, because the client is closed."""
        for subscription in self._subscriptions:
            subscription.end()
