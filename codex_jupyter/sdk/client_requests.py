"""The methods of a client about MCP servers, skills and instructions, and for any other request of the app-server."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from codex_jupyter.sdk.client_base import ClientBase, make_transport
from codex_jupyter.sdk.executable.workspace import absolute
from codex_jupyter.sdk.models.mcp_servers import McpServerStatus
from codex_jupyter.sdk.models.notifications import Notification
from codex_jupyter.sdk.models.options import StrPath
from codex_jupyter.sdk.models.skills import Skill


class RequestMethods(ClientBase):
    """Lists of what the agent can use, and requests and notifications of the app-server in their original form."""

    async def mcp_servers(self, thread_id: str | None = None) -> tuple[McpServerStatus, ...]:
        """Return the configured MCP servers with their tools. Starts them, which can take seconds.

        Args:
            thread_id: A thread that has had a turn with this client over the app-server. Its own servers are included, and its connections
                are used. None are the servers of `config.toml` and of the client's options.

        Raises:
            UnsupportedOperationError: If a custom transport runs no executable.
            TransportError: If the CLI failed.
        """
        parameters = {"detail": "toolsAndAuthOnly", **({} if thread_id is None else {"threadId": thread_id})}
        return tuple(map(McpServerStatus.from_wire, await self._ask_pages("mcpServerStatus/list", parameters)))

    async def reload_mcp_servers(self) -> None:
        """Read the MCP servers of `config.toml` again, and restart changed ones in all loaded threads. Raises as `mcp_servers` does."""
        await self._ask("config/mcpServer/reload")

    async def skills(self, working_directory: StrPath | None = None) -> tuple[Skill, ...]:
        """Return the skills that apply in a folder, also those that are disabled or broken. Raises as `mcp_servers` does.

        Args:
            working_directory: The working folder of the agent. None is the current folder.

        Raises:
            ConfigError: If the folder is relative and the current folder was deleted.
        """
        answer = await self._ask("skills/list", {"cwds": [_absolute(working_directory)], "forceReload": True})
        skills: list[Skill] = []
        for entry in answer.get("data") or ():
            skills += map(Skill.from_wire, entry.get("skills") or ())
            skills += map(Skill.broken, entry.get("errors") or ())
        return tuple(skills)

    async def instruction_sources(self, working_directory: StrPath | None = None) -> tuple[Path, ...]:
        """Return the files with instructions that apply in a folder, such as `AGENTS.md`. Raises as `mcp_servers` does.

        A server is started for this request. It creates a thread that is not stored, and sends nothing to a model.

        Args:
            working_directory: The working folder of the agent. None is the current folder.

        Raises:
            ConfigError: If the folder is relative and the current folder was deleted.
        """
        await self._transport.locate()  # a custom transport has no server to ask
        server = make_transport("app-server", self._options)
        try:
            answer = await server.ask(
                "thread/start",
                {
                    "cwd": _absolute(working_directory),
                    "ephemeral": True,
                    "sandbox": "read-only",
                    "approvalPolicy": "never",
                    "config": {"mcp_servers": {}},
                },
            )
        finally:
            await server.aclose()
        return tuple(Path(str(path)) for path in answer.get("instructionSources") or ())

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


def _absolute(folder: StrPath | None) -> str:
    return os.path.normpath(absolute(Path(folder or "")))
