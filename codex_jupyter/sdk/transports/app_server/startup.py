"""Start a `codex app-server`, and check that it can be used."""

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import anyio

from codex_jupyter.sdk.errors import CodexError, ProtocolError, TransportError, UnsupportedOperationError
from codex_jupyter.sdk.executable.environment import API_KEY_VARIABLE, FIXED_FLAGS, ORIGINATOR, child_environment, client_settings
from codex_jupyter.sdk.executable.exit_errors import clean_stderr
from codex_jupyter.sdk.executable.locate import CodexCli
from codex_jupyter.sdk.executable.secret_settings import for_server
from codex_jupyter.sdk.executable.version import is_supported, is_tested, tested_range
from codex_jupyter.sdk.hooks.server import serving
from codex_jupyter.sdk.models.options import CodexOptions
from codex_jupyter.sdk.models.wire import WireModel
from codex_jupyter.sdk.processes.process_log import ProcessLog
from codex_jupyter.sdk.redaction import mask_message
from codex_jupyter.sdk.transports.app_server.connection import AppServerConnection
from codex_jupyter.sdk.transports.app_server.rpc import ConnectionClosedError, RpcError
from codex_jupyter.sdk.transports.secrets import secrets

HANDSHAKE_TIMEOUT: Final = 20.0
"""Seconds for the answer to `initialize`, which takes 0.2 to 1."""
REQUIRED_METHODS: Final = (
    "config/read",
    "thread/start",
    "thread/resume",
    "thread/archive",
    "thread/unarchive",
    "turn/start",
    "turn/interrupt",
)
_STATE_IN_USE: Final = "initialize state runtime"
"""Part of the error of a server whose databases another codex process creates at the moment. Measured with CLI 0.163: of three servers that
start at once in a new CODEX_HOME, two exit with it."""
START_ATTEMPTS: Final = 5
START_DELAY: Final = 0.3
"""Seconds before the next attempt, which is about the time that another process needs to create the databases."""
OPTED_OUT_NOTIFICATIONS: Final = (
    # Repeated as `warning`, except remarks that every run has.
    "configWarning",
    "item/reasoning/textDelta",
    "remoteControl/status/changed",
    "thread/readState/changed",
)
"""Notifications that the server must not send."""


def version_problem(version: str) -> str | None:
    """Return the reason not to rely on a version of the CLI, whose interface may change; None if the version was tested."""
    if is_tested(version):
        return None
    return f"codex {version} is outside of the range that was tested with the transport 'app-server', {tested_range()}"


@dataclass(frozen=True, slots=True)
class StartedServer:
    """A server that is ready."""

    server: AppServerConnection
    parameters: Mapping[str, Any]
    """Secret settings, which are sent with each thread, by their dotted keys."""
    warning: str | None
    """A warning for the user about the server."""


def start_server(cli: CodexCli, options: CodexOptions, hook_settings: Sequence[str] = ()) -> StartedServer:
    """Start a server and wait until it is ready. Blocks.

    A server that exits because another codex process creates the databases of a new CODEX_HOME is started again.

    Args:
        cli: The executable.
        options: The client's options.
        hook_settings: The settings for the hooks of the client. Without them it has no hooks.

    Raises:
        ConfigError: If a setting cannot be read, or is a secret that the server accepts as an argument only.
        UnsupportedOperationError: If the CLI cannot be used with this transport.
        TransportError: If it does not start.
    """
    for _ in range(START_ATTEMPTS - 1):
        try:
            return _start_once(cli, options, hook_settings)
        except TransportError as error:
            if _STATE_IN_USE not in str(error):
                raise
        time.sleep(START_DELAY)
    return _start_once(cli, options, hook_settings)


def _start_once(cli: CodexCli, options: CodexOptions, hook_settings: Sequence[str]) -> StartedServer:
    env = child_environment(options, cli)
    key = env.get(API_KEY_VARIABLE)
    placed = for_server(client_settings(options, env))
    # The server does not read the variable. It is sent the key, and must not store it.
    overrides = [*placed.flags, *hook_settings, *(['cli_auth_credentials_store="ephemeral"'] if key else [])]
    argv = [str(cli.path), "app-server", *FIXED_FLAGS, *(part for override in overrides for part in ("--config", override))]
    with ExitStack() as stack:
        hook_variables = stack.enter_context(serving(options.hooks if hook_settings else {}))
        log = ProcessLog(secrets(options, env), options.stderr, options.log_wire)
        server = AppServerConnection.start(argv, env | hook_variables, log)
        server.resources = stack.pop_all()
    try:
        _prepare()
        return StartedServer(server, placed.parameters, anyio.run(_greet, server, key))
    except BaseException as error:
        server.close()
        if isinstance(error, ConnectionClosedError):
            stderr = mask_message(clean_stderr(server.stderr_tail()), secrets(options, env))
            raise TransportError(f"codex app-server did not start: {error}" + (f" Its error output: {stderr}" if stderr else "")) from None
        raise


def read_config(cli: CodexCli, options: CodexOptions, folder: Path) -> dict[str, Any] | None:
    """Read the configuration of a folder with a server that is started only for this. Blocks for about 0.3 s.

    Returns:
        The answer to `config/read`; None if the server cannot be used.
    """

    async def ask() -> dict[str, Any]:
        return await server.request("config/read", {"cwd": str(folder), "includeLayers": True}, seconds=HANDSHAKE_TIMEOUT)

    try:
        server = start_server(cli, options).server
    except CodexError:
        return None
    try:
        return anyio.run(ask)
    except (CodexError, RpcError):
        return None
    finally:
        server.close()


def _prepare() -> None:
    """While the server starts, do the slow work of the first turn and the first interrupt: about 50 ms."""
    import psutil

    for _ in psutil.process_iter():
        pass  # psutil remembers the running processes, so that a later search reads new ones only
    for model in WireModel.__subclasses__():
        model.model_rebuild()


async def _greet(server: AppServerConnection, key: str | None) -> str | None:
    client = {"name": ORIGINATOR, "title": "codex-jupyter", "version": version("codex-jupyter")}
    capabilities = {"experimentalApi": True, "optOutNotificationMethods": list(OPTED_OUT_NOTIFICATIONS)}
    answer = await server.request("initialize", {"clientInfo": client, "capabilities": capabilities}, seconds=HANDSHAKE_TIMEOUT)
    match = re.search(r"/(\d+\.\d+\.\d+)", str(answer.get("userAgent")))
    if match is None:
        raise ProtocolError(f"The codex app-server does not report its version: {str(answer)[:200]}")
    server.send({"method": "initialized"})
    problem = version_problem(match[1])
    if problem is not None:
        await _check(server, match[1])
    if key:
        await server.request("account/login/start", {"type": "apiKey", "apiKey": key}, seconds=HANDSHAKE_TIMEOUT)
    return None if problem is None else f"{problem}. If it misbehaves, use the transport 'exec'."


async def _check(server: AppServerConnection, version: str) -> None:
    """Check that the server has the required methods. The answer to an unknown method lists all methods."""
    missing: list[str] = []
    try:
        await server.request("codex_jupyter/unknown", {}, seconds=HANDSHAKE_TIMEOUT)
    except RpcError as error:
        listed = str(error)
        missing = [method for method in REQUIRED_METHODS if f"`{method}`" not in listed] if "expected one of" in listed else []
    if missing or not is_supported(version):
        lacks = f": it lacks {', '.join(missing)}" if missing else ""
        raise UnsupportedOperationError(f"codex {version} is too old for the transport 'app-server'{lacks}. Use the transport 'exec'.")
