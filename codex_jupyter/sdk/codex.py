"""The client: it has options and a transport, and starts threads."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, Unpack, get_args

from anyio import to_thread
from pydantic import SecretStr

from codex_jupyter._choices import TransportName as TransportName
from codex_jupyter.sdk.diagnostics import DoctorReport, examine
from codex_jupyter.sdk.errors import ConfigError, UnsupportedOperationError
from codex_jupyter.sdk.executable.environment import API_KEY_VARIABLE
from codex_jupyter.sdk.executable.locate import CodexCli
from codex_jupyter.sdk.login import Account, Login, login_with_key, logout, start_login
from codex_jupyter.sdk.models.events import Usage
from codex_jupyter.sdk.models.options import CodexOptions, CodexOptionsDict, StrPath, ThreadOptions, ThreadOptionsDict
from codex_jupyter.sdk.models.stored_threads import ThreadHistory
from codex_jupyter.sdk.rollouts import ThreadSummary, codex_home, stored_threads, stored_usage
from codex_jupyter.sdk.thread import Thread, check_thread_id
from codex_jupyter.sdk.tools import ToolLike, ToolLimits, ToolSet
from codex_jupyter.sdk.transports.app_server.connection import AppServerConnection
from codex_jupyter.sdk.transports.base import Transport
from codex_jupyter.sdk.transports.exec.transport import ExecTransport


class Codex:
    """A client of the Codex agent. Creating one starts no process and reads no file.

    Args:
        options: Options of the client. Keyword arguments override them.
        transport: `"exec"` runs one process of the codex CLI per turn. `"app-server"` runs one process for all turns, which streams text,
            asks for approvals and can be steered. `"auto"` chooses per turn: `app-server` for streamed or interactive turns, otherwise
            `exec`. A custom `Transport` is also accepted.
        tools: Functions that the agent may call in every thread, see `tool`. They need the transport `app-server` or `auto`. A tool that
            is not read-only asks the `on_approval` handler of its turn. Without a handler, or if the approval policy is `never`, it runs.
        tool_limits: Limits of the calls and their results.
        **changes: The fields of `CodexOptions`.

    Raises:
        ConfigError: If an option is unknown or invalid, or if a function cannot be a tool.
        UnsupportedOperationError: If the transport cannot call tools.
    """

    def __init__(
        self,
        options: CodexOptions | None = None,
        *,
        transport: TransportName | Transport = "exec",
        tools: Sequence[ToolLike] = (),
        tool_limits: ToolLimits | None = None,
        **changes: Unpack[CodexOptionsDict],
    ) -> None:
        self._options = CodexOptions.of(options, changes)
        self._transport: Transport = _transport(transport, self._options)
        self._logins: list[Login] = []
        self._tools, self._tool_limits = tuple(tools), tool_limits
        self._tool_set()

    def __repr__(self) -> str:
        return f"Codex({self._options!r}, transport={type(self._transport).__name__})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    @property
    def options(self) -> CodexOptions:
        """The options of the client."""
        return self._options

    @property
    def transport(self) -> Transport:
        """The transport, which can also run a `TurnRequest` without a thread."""
        return self._transport

    async def locate(self) -> CodexCli:
        """Find the codex executable that a turn in the current folder uses, and its version.

        Raises:
            CodexNotFoundError: If there is none.
            UnsupportedOperationError: If a custom transport runs no executable.
        """
        return await self._transport.locate()

    def start_thread(
        self, options: ThreadOptions | None = None, *, tools: Sequence[ToolLike] = (), **changes: Unpack[ThreadOptionsDict]
    ) -> Thread:
        """Start a new conversation. Nothing runs until its first turn.

        Args:
            options: Options of the thread. Keyword arguments override them.
            tools: Functions that the agent may call, besides those of the client.
            **changes: The fields of `ThreadOptions`.

        Raises:
            ConfigError: If an option is unknown or invalid, or if a function cannot be a tool.
            UnsupportedOperationError: If the transport cannot call tools.
        """
        options = ThreadOptions.of(options, changes)
        return Thread(self._transport, options, stored_usage=self._stored_usage, tools=self._tool_set(tools))

    def resume_thread(
        self, thread_id: str, options: ThreadOptions | None = None, *, tools: Sequence[ToolLike] = (), **changes: Unpack[ThreadOptionsDict]
    ) -> Thread:
        """Continue a conversation. The CLI does not store model, sandbox and folder: pass them again.

        Args:
            thread_id: The UUID of the thread, as in `Thread.id`.
            options: Options of the thread. Keyword arguments override them.
            tools: The functions of the tools that the thread was started with, besides those of the client. They are matched by name. A
                thread cannot get other tools. The agent is informed if it calls a tool without a function.
            **changes: The fields of `ThreadOptions`.

        Raises:
            ThreadNotFoundError: If the id is not a UUID. The next turn raises it if the thread does not exist.
            ConfigError: If an option is unknown or invalid. The next turn raises it if the thread was started without one of the tools.
            UnsupportedOperationError: If the transport cannot call tools.
        """
        options, tool_set = ThreadOptions.of(options, changes), self._tool_set(tools)
        return Thread(self._transport, options, check_thread_id(thread_id), self._stored_usage, tools=tool_set)

    async def fork_thread(
        self, thread_id: str, options: ThreadOptions | None = None, *, tools: Sequence[ToolLike] = (), **changes: Unpack[ThreadOptionsDict]
    ) -> Thread:
        """Start a new conversation with the history of another one, which stays as it is and may be in use elsewhere.

        Args:
            thread_id: The UUID of the source thread, see `Thread.id`. It must have a finished turn.
            options: Options of the new thread. Options of the source thread are not inherited.
            tools: The functions of the tools that the source thread was started with, as in `resume_thread`.
            **changes: The fields of `ThreadOptions`.

        Returns:
            The new thread, which has an id already.

        Raises:
            ThreadNotFoundError: If the id is not a UUID, or there is no such thread.
            ConfigError: If an option is unknown or invalid, such as `ephemeral`: a fork is stored.
            UnsupportedOperationError: If a custom transport cannot fork.
            TransportError: If the CLI failed.
            CodexNotFoundError: If there is no CLI.
        """
        options, tool_set = ThreadOptions.of(options, changes), self._tool_set(tools)
        if options.ephemeral:
            raise ConfigError("A fork cannot be ephemeral, because the CLI stores it. Leave ephemeral out.")
        if not self._transport.can_fork:
            raise UnsupportedOperationError("This transport cannot fork a thread. Use the transport 'exec'.")
        forked = await self._transport.fork(check_thread_id(thread_id), options)
        return Thread(self._transport, options, forked, self._stored_usage, tools=tool_set)

    def _tool_set(self, tools: Sequence[ToolLike] = ()) -> ToolSet:
        """Return the tools of a thread: those of the client and its own."""
        tool_set = ToolSet((*self._tools, *tools), self._tool_limits)
        if tool_set and not self._transport.has_tools:
            raise UnsupportedOperationError("This transport cannot call tools. Use Codex(transport='app-server') or 'auto'.")
        return tool_set

    async def list_threads(
        self,
        working_directory: StrPath | None = None,
        *,
        everywhere: bool = False,
        limit: int | None = 50,
    ) -> list[ThreadSummary]:
        """Return the stored threads that were started in a folder, last changed first. Starts no process.

        Threads of sub-agents, archived and compressed ones are left out.

        Args:
            working_directory: The folder. None is the current folder of this process.
            everywhere: Return the threads of all folders instead.
            limit: The maximum number of threads; None for all. The file of each returned thread is read completely.

        Raises:
            ConfigError: If both a folder and `everywhere` are given, or the limit is negative.
        """
        if everywhere and working_directory is not None:
            raise ConfigError("working_directory and everywhere=True exclude each other. Pass one of them.")
        if limit is not None and limit < 0:
            raise ConfigError(f"limit is {limit}. It must be 0 or more, or None.")
        folder = None if everywhere else Path(working_directory or ".")
        return await to_thread.run_sync(stored_threads, codex_home(self._options.env), folder, limit)

    async def read_thread(self, thread_id: str) -> ThreadHistory:
        """Read a stored thread with all its turns. Sends nothing to the model.

        Args:
            thread_id: The UUID of the thread, as in `Thread.id`.

        Raises:
            UnsupportedOperationError: If the transport does not support it. Use 'app-server' or 'auto'.
            ThreadNotFoundError: If the id is not a UUID, or there is no such thread.
            TransportError: If the CLI failed.
        """
        return await self._transport.read_thread(check_thread_id(thread_id))

    async def models(self) -> list[dict[str, Any]]:
        """Return the models of the account, as the CLI reports them: `model`, `displayName`, `supportedReasoningEfforts` and more.

        Raises:
            UnsupportedOperationError: If the transport does not support it. Use 'app-server' or 'auto'.
            TransportError: If the CLI failed.
        """
        data = (await self._transport.ask("model/list")).get("data")
        return [model for model in data if isinstance(model, dict)] if isinstance(data, list) else []

    async def account(self) -> dict[str, Any]:
        """Return the account that is logged in, as the CLI reports it: `account` (None if there is none) and `requiresOpenaiAuth`.

        Raises:
            UnsupportedOperationError: If the transport does not support it. Use 'app-server' or 'auto'.
            TransportError: If the CLI failed.
        """
        return await self._transport.ask("account/read")

    async def login_chatgpt(self) -> Login:
        """Start a login with a ChatGPT account, in a browser on this machine: open `Login.url`, then await `Login.wait()`.

        If the browser runs on another machine, as on a hub, use `login_chatgpt_device_code`.

        Raises:
            LoginError: If the provider does not start it.
            UnsupportedOperationError: If a custom transport runs no executable.
            TransportError: If the CLI failed.
            CodexNotFoundError: If there is no CLI.
        """
        return await self._start_login("chatgpt")

    async def login_chatgpt_device_code(self) -> Login:
        """Start a login with a ChatGPT account, in a browser on any machine. Raises as `login_chatgpt` does.

        Open `Login.url`, enter `Login.user_code` there, then await `Login.wait()`.
        """
        return await self._start_login("chatgptDeviceCode")

    async def login_api_key(self, api_key: str | SecretStr) -> Account:
        """Store an API key as the login, as `codex login --with-api-key` does. The key is not checked. Raises as `login_chatgpt` does.

        Args:
            api_key: The key. The CLI receives it over its standard input.
        """
        account = await login_with_key(
            await self._login_server(), api_key.get_secret_value() if isinstance(api_key, SecretStr) else api_key
        )
        self._logged_in()
        return account

    async def logout(self) -> None:
        """Remove the stored login. An `api_key` and CODEX_API_KEY stay in use. Raises as `login_chatgpt` does."""
        await logout(await self._login_server())
        self._logged_in()

    async def _start_login(self, kind: Literal["chatgpt", "chatgptDeviceCode"]) -> Login:
        login = await start_login(await self._login_server(), kind, self._logged_in)
        self._logins.append(login)
        return login

    async def _login_server(self) -> Callable[[], AppServerConnection]:
        """Return a function that starts a server for a login, without an API key: with one, it would not store the login."""
        cli = await self.locate()
        options = self._options
        env = {name: value for name, value in (os.environ if options.env is None else options.env).items() if name != API_KEY_VARIABLE}
        without_key = CodexOptions.of(options, {"api_key": None, "env": env})

        def start() -> AppServerConnection:
            from codex_jupyter.sdk.transports.app_server.startup import start_server

            return start_server(cli, without_key).server

        return start

    def _logged_in(self) -> None:
        """Use the changed login for the next turn."""
        self._transport.renew()

    async def unload_threads(self) -> None:
        """Unload the threads that are in use, so that other programs, such as `codex resume`, can continue them.

        Raises:
            ThreadBusyError: If a turn runs.
        """
        await self._transport.unload_threads()

    def _stored_usage(self, thread_id: str) -> Usage | None:
        return stored_usage(codex_home(self._options.env), thread_id)

    async def doctor(self) -> DoctorReport:
        """Examine everything that a turn needs: executable, version, login, sandbox, CODEX_HOME. Sends nothing to a model and never raises.

        Takes about a second, and half a minute at most.
        """
        return await to_thread.run_sync(examine, self._options)

    async def aclose(self) -> None:
        """Close the transport, and cancel waiting logins. Safe to call twice."""
        logins, self._logins = self._logins, []
        for login in logins:
            await login.cancel()
        await self._transport.aclose()


def _read_config(cli: CodexCli, options: CodexOptions, folder: Path) -> dict[str, Any] | None:
    """Read the configuration of a folder. The modules of the app-server are imported here, because they load slowly."""
    from codex_jupyter.sdk.transports.app_server.startup import read_config

    return read_config(cli, options, folder)


def _transport(transport: str | Transport, options: CodexOptions) -> Transport:
    match transport:
        case Transport():
            return transport
        case "exec":
            return ExecTransport(options, read_config=_read_config)
        case "app-server":
            from codex_jupyter.sdk.transports.app_server.transport import AppServerTransport

            return AppServerTransport(options)
        case "auto":
            from codex_jupyter.sdk.transports.auto import AutoTransport

            return AutoTransport(options)
    names = ", ".join(map(repr, get_args(TransportName)))
    raise ConfigError(f"{transport!r} is not a transport. Use {names}, or a subclass of codex_jupyter.Transport.")
