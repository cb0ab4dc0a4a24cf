"""The methods of a client that reach the whole protocol of the app-server."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from codex_jupyter.sdk.client_base import ClientBase
from codex_jupyter.sdk.models.notifications import Notification


class RequestMethods(ClientBase):
    """Requests and notifications of the app-server in their original form."""

    async def request(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a request to the app-server, for features of Codex that have no method here.

        With `transport="exec"`, a server runs for this request only. Do not start or change turns of a `Thread` this way.

        Args:
            method: The method, such as `fuzzyFileSearch`. `codex app-server generate-json-schema` lists all of them.
            params: The parameters of the method, as JSON values.

        Returns:
            The result, as the server sends it.

        Raises:
            UnsupportedOperationError: If a custom transport runs no executable.
            TransportError: If the server refuses the request, cannot be started, or does not answer within 30 seconds.
        """
        return await self._ask(method, params)

    def notifications(self, *methods: str) -> AbstractAsyncContextManager[AsyncIterator[Notification]]:
        """Subscribe to notifications of the app-server, also of servers that start later.

            async with codex.notifications("account/rateLimits/updated") as notifications:
                async for notification in notifications:
                    print(notification.params)

        Args:
            *methods: The methods to receive. Without any, all are received, except those that `Transport.notifications` lists.

        Returns:
            A context manager that gives an iterator. The iterator ends when the client is closed. It raises `TransportError` if more than
            10,000 notifications were not read.

        Raises:
            UnsupportedOperationError: If the transport has no notifications, such as `exec`.
        """
        return self._transport.notifications(*methods)
