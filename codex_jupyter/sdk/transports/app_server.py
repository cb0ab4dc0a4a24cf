"""`codex app-server`: one process for all turns of a client. It tells text as it is written, asks for approvals, and can be steered.

It is started by the first turn and ended by `aclose` or `release`. While it runs, the threads that it has used are its own: codex lets one
process write a thread, and only the end of the server lets go of them. After a crash the next turn starts another one, which takes the
thread up again.
"""

import re
import shutil
import tempfile
import time
import tomllib
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import anyio
from anyio import to_thread

from codex_jupyter.sdk.approvals import ApprovalDecision, ApprovalHandler, decide, reply_to, request_of
from codex_jupyter.sdk.cli.config import config_overrides
from codex_jupyter.sdk.cli.exits import clean_stderr
from codex_jupyter.sdk.cli.locate import CodexCli, locate_codex
from codex_jupyter.sdk.cli.server import Inbox, Server, ServerGone, ServerRefused
from codex_jupyter.sdk.errors import (
    ConfigError,
    IncompleteTurnError,
    InputError,
    ProtocolError,
    ThreadBusyError,
    ThreadNotFoundError,
    TransportError,
    TurnInterruptedError,
    UnsupportedOperationError,
)
from codex_jupyter.sdk.events import ThreadEvent, ThreadStartedEvent
from codex_jupyter.sdk.inputs import UserInput, prompt_text, stage_images
from codex_jupyter.sdk.options import CodexOptions, ThreadOptions
from codex_jupyter.sdk.transports.base import TurnRequest, TurnStream
from codex_jupyter.sdk.transports.exec import child_environment, policy, secrets
from codex_jupyter.sdk.transports.server_events import ServerEvents

TESTED: Final = ((0, 163), (0, 169))
"""The versions of the CLI that this was tested with, first and last. The interface is not promised to stay."""
GATHER: Final = 0.04
"""Seconds between two updates of an item that is written; pieces of a few characters come much more often."""
STOP_GRACE: Final = 2.0
"""Seconds that an interrupted turn is given to say that it has ended; it takes 25 ms."""

_USER_AGENT: Final = re.compile(r"/(\d+)\.(\d+)\.")
_REFUSALS: Final = (
    ("already has an active writer", ThreadBusyError, "Another process has this thread in use: end it, or fork the thread."),
    ("thread not found", ThreadNotFoundError, "There is no such thread in this CODEX_HOME: start a new one."),
    ("no rollout found", ThreadNotFoundError, "There is no such thread in this CODEX_HOME: start a new one."),
)


class AppServerTransport:
    """Runs turns on one `codex app-server` process.

    Args:
        options: The client's options.
    """

    def __init__(self, options: CodexOptions) -> None:
        self._options = options
        self._cli: CodexCli | None = None
        self._server: Server | None = None
        self._loaded: dict[str, dict[str, Any]] = {}
        """The settings with which the server has taken up a thread, by its id."""
        self._defaults: dict[str, Any] | None = None
        """Model, effort and sandbox of a turn that says nothing of them; None until they are known."""
        self._turns = 0
        self._starting = anyio.Lock()

    @property
    def cli(self) -> CodexCli:
        """The executable in use; looked for once.

        Raises:
            CodexNotFoundError: If there is none.
        """
        if self._cli is None:
            self._cli = locate_codex(self._options.codex_path_override)
        return self._cli

    @property
    def running(self) -> bool:
        """Whether the server runs."""
        return self._server is not None and not self._server.gone

    def holds(self, thread_id: str | None) -> bool:
        """Whether the server has a thread in use, which no other process can then continue."""
        return self.running and thread_id in self._loaded

    @asynccontextmanager
    async def open_turn(self, request: TurnRequest) -> AsyncGenerator[TurnStream]:
        """Start a turn; leaving the block stops it if it still runs. See `Transport.open_turn`."""
        check_possible(request)
        scratch: Path | None = None
        self._turns += 1
        try:
            images: Sequence[Path] = ()
            if any(part.type != "text" for part in request.input):
                scratch = Path(tempfile.mkdtemp(prefix="codex-jupyter-"))
                images = await to_thread.run_sync(stage_images, request.input, scratch)
            server, thread_id = await self._thread(request)
            turn = _ServerTurn(server, thread_id, request.on_approval, secrets(self._options, child_environment(self._options, self.cli)))
            try:
                await turn.start(await self._turn_parameters(server, request, thread_id, images))
                yield turn
            finally:
                await turn.aclose()
        finally:
            self._turns -= 1
            if scratch is not None:
                shutil.rmtree(scratch, ignore_errors=True)

    async def fork(self, thread_id: str, options: ThreadOptions) -> str:
        """Copy a thread. See `ForkingTransport.fork`."""
        parameters = {"threadId": thread_id, "excludeTurns": True, **_thread_parameters(options)}
        forked = await self.ask("thread/fork", parameters)
        new = _thread_id(forked)
        self._loaded[new] = _settings(options)
        return new

    async def ask(self, method: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask the server something that is no turn; starts it if it does not run.

        Args:
            method: Such as `model/list`.
            parameters: Its parameters.

        Raises:
            TransportError: If the server refuses, or cannot be started.
            CodexNotFoundError: If there is no CLI.
        """
        server = await self._running_server()
        return await _asked(server, method, parameters or {})

    async def started(self) -> None:
        """Make sure that the server runs.

        Raises:
            UnsupportedOperationError: If the CLI is too old.
            TransportError: If it cannot be started.
        """
        await self._running_server()

    async def release(self) -> None:
        """End the server, and with it its hold on its threads; the next turn starts another one.

        Raises:
            ThreadBusyError: If a turn runs.
        """
        if self._turns:
            raise ThreadBusyError("A turn runs: wait for it, or stop it, before the threads are let go.")
        await self.aclose()

    async def aclose(self) -> None:
        """End the server. Safe to call twice."""
        server, self._server = self._server, None
        self._defaults = None
        self._loaded.clear()
        if server is not None:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(server.close)

    async def _running_server(self) -> Server:
        async with self._starting:
            if self._server is not None and self._server.gone:
                await self.aclose()
            if self._server is None:
                cli = await to_thread.run_sync(lambda: self.cli) if self._cli is None else self._cli
                env = child_environment(self._options, cli)
                argv = [str(cli.path), "app-server"]
                for override in (*policy(self._options, env), *config_overrides(self._options.config), *self._options.config_overrides):
                    argv += ["--config", override]
                if self._options.base_url:
                    argv += ["--config", *config_overrides({"openai_base_url": self._options.base_url})]
                server = await to_thread.run_sync(Server.start, argv, env)
                try:
                    await self._greet(server)
                except BaseException:
                    with anyio.CancelScope(shield=True):
                        await to_thread.run_sync(server.close)
                    raise
                self._server = server
            return self._server

    async def _greet(self, server: Server) -> None:
        client = {"name": "codex_jupyter", "title": "codex-jupyter", "version": "0.1.0"}
        try:
            answer = await server.ask("initialize", {"clientInfo": client, "capabilities": {"experimentalApi": True}})
        except ServerGone as error:
            raise TransportError(f"codex app-server did not start: {clean_stderr(server.stderr_tail()) or error}") from None
        found = _USER_AGENT.search(str(answer.get("userAgent")))
        version = (int(found[1]), int(found[2])) if found else None
        if version is None or version < TESTED[0]:
            raise UnsupportedOperationError(
                f"The app-server of this codex ({answer.get('userAgent')}) is too old; the transport 'exec' can use it."
            )
        server.tell({"method": "initialized"})

    async def _thread(self, request: TurnRequest) -> tuple[Server, str]:
        """The server, and the id of the request's thread, which it has taken up."""
        server = await self._running_server()
        settings = _settings(request.options)
        if request.thread_id is None:
            # Read-only, whatever is asked for: a thread that begins with more in a repository makes codex write into the user's
            # config.toml that the folder is trusted. The turn itself says what holds.
            parameters = {**_thread_parameters(request.options), "sandbox": "read-only", "ephemeral": request.options.ephemeral}
            thread_id = _thread_id(await _asked(server, "thread/start", parameters))
        else:
            thread_id = request.thread_id
            if thread_id in self._loaded and self._loaded[thread_id] != settings:
                # What a thread was taken up with cannot be changed while it is held.
                if self._turns > 1:
                    raise ConfigError("Settings of a thread cannot change while another turn of the same client runs: wait for that turn.")
                await self.aclose()
                server = await self._running_server()
            if thread_id not in self._loaded:
                parameters = {"threadId": thread_id, "excludeTurns": True, **_thread_parameters(request.options), "sandbox": "read-only"}
                await _asked(server, "thread/resume", parameters)
        self._loaded[thread_id] = settings
        return server, thread_id

    async def _turn_parameters(self, server: Server, request: TurnRequest, thread_id: str, images: Sequence[Path]) -> dict[str, Any]:
        options = request.options
        parts: list[dict[str, Any]] = [{"type": "localImage", "path": str(path)} for path in images]
        parameters: dict[str, Any] = {
            "threadId": thread_id,
            "input": [*parts, {"type": "text", "text": prompt_text(request.input)}],
            "approvalPolicy": options.approval_policy or ("on-request" if request.on_approval is not None else "never"),
            "cwd": str(options.working_directory or Path.cwd()),
        }
        # The server would go on with what an earlier turn of the thread was given; here, as with `exec`, each turn says what holds for it.
        if self._defaults is None:
            self._defaults = await _defaults(server, parameters["cwd"])
        defaults = self._defaults
        parameters["sandboxPolicy"] = defaults["sandboxPolicy"] if options.sandbox_mode is None else _sandbox(options)
        model, effort = options.model or defaults["model"], options.model_reasoning_effort or defaults["effort"]
        if options.model or (model and request.thread_id is not None):
            parameters["model"] = model
        if not effort and request.thread_id is not None:
            effort = defaults["efforts"].get(model)
        if effort:
            parameters["effort"] = effort
        if request.output_schema is not None:
            parameters["outputSchema"] = dict(request.output_schema)
        return parameters


class _ServerTurn:
    """A turn on the server."""

    def __init__(self, server: Server, thread_id: str, handler: ApprovalHandler | None, secrets: Sequence[str]) -> None:
        self._server, self._thread_id, self._handler, self._secrets = server, thread_id, handler, secrets
        self._inbox: Inbox = server.listen(thread_id)
        self._events = ServerEvents()
        self._ready: list[ThreadEvent] = []
        self._requests: list[dict[str, Any]] = []
        self._turn_id = ""
        self._interrupted = False
        self._gone = False
        self._flushed = 0.0

    async def start(self, parameters: Mapping[str, Any]) -> None:
        """Send what is asked."""
        answer = await _asked(self._server, "turn/start", parameters)
        turn = answer.get("turn")
        self._turn_id = str(turn.get("id")) if isinstance(turn, dict) else ""
        if not self._turn_id:
            raise ProtocolError("The codex app-server did not name the turn that it began.")
        self._ready.append(ThreadStartedEvent(thread_id=self._thread_id))
        if self._interrupted:
            self._send_interrupt()

    async def receive(self) -> Sequence[ThreadEvent]:
        while True:
            if self._ready:
                events, self._ready = self._ready, []
                return events
            if self._events.ended is not None:
                if self._events.ended == "interrupted" and not self._interrupted:
                    raise TurnInterruptedError("The turn was stopped by a decision, or by another client.")
                return ()
            if self._gone:
                raise self._death()
            if self._requests:
                await self._answer(self._requests.pop(0))
            else:
                await self._take_next()

    def interrupt(self) -> None:
        if not self._interrupted:
            self._interrupted = True
            if self._turn_id:
                self._send_interrupt()

    async def steer(self, input: tuple[UserInput, ...]) -> None:
        if any(part.type != "text" for part in input):
            raise InputError("A running turn takes text only.")
        parts = [{"type": "text", "text": prompt_text(input)}]
        parameters = {"threadId": self._thread_id, "expectedTurnId": self._turn_id, "input": parts}
        try:
            await self._server.ask("turn/steer", parameters)
        except ServerRefused as error:
            raise UnsupportedOperationError(f"The turn takes no more input: {error}") from None

    async def aclose(self) -> None:
        """Stop the turn if it runs, with its commands, and give up the inbox."""
        with anyio.CancelScope(shield=True):
            if self._turn_id and self._events.ended is None and not self._gone:
                self.interrupt()
                with anyio.move_on_after(STOP_GRACE):
                    while self._events.ended is None and not self._gone:
                        self._note(await self._inbox.get())
            if self._interrupted and not self._gone:
                # The server ends the turn, and leaves its commands running.
                with suppress(TransportError):
                    await self._server.ask("thread/backgroundTerminals/clean", {"threadId": self._thread_id}, seconds=STOP_GRACE)
            if self._turn_id and self._events.ended is None:
                await to_thread.run_sync(self._server.close)
            self._server.leave(self._thread_id)

    def _send_interrupt(self) -> None:
        self._server.note("turn/interrupt", {"threadId": self._thread_id, "turnId": self._turn_id})

    async def _take_next(self) -> None:
        """Take in what has come; what is being written is told on at intervals."""
        wait = max(0.0, self._flushed + GATHER - time.monotonic()) if self._events.pending else None
        messages: list[dict[str, Any] | None] = []
        with anyio.move_on_after(wait if wait is not None else float("inf")):
            messages = await self._inbox.get()
        self._note(messages)
        if self._events.pending and time.monotonic() >= self._flushed + GATHER:
            self._flushed = time.monotonic()
            self._ready += self._events.flush()

    def _note(self, messages: Sequence[Mapping[str, Any] | None]) -> None:
        for message in messages:
            if message is None:
                self._gone = True
                self._ready += self._events.flush()
                return
            method, params = str(message.get("method")), message.get("params")
            if not isinstance(params, dict):
                continue
            turn_id = params.get("turnId") or (params.get("turn") or {}).get("id")
            if "id" in message:
                self._requests.append(dict(message))
            elif turn_id is None or turn_id == self._turn_id or not self._turn_id:
                if method == "serverRequest/resolved":
                    self._requests = [one for one in self._requests if one.get("id") != params.get("requestId")]
                if self._events.ended is None:
                    self._ready += self._masked(self._events.take(method, params))

    def _masked(self, events: list[ThreadEvent]) -> list[ThreadEvent]:
        """Events whose messages repeat no secret."""
        if not self._secrets or not any(event.type in ("error", "turn.failed") for event in events):
            return events
        masked = []
        for event in events:
            if event.type in ("error", "turn.failed"):
                text = event.model_dump_json()
                for secret in self._secrets:
                    text = text.replace(secret, "***")
                event = type(event).model_validate_json(text)
            masked.append(event)
        return masked

    async def _answer(self, message: Mapping[str, Any]) -> None:
        """Have a request of the server decided; it may be withdrawn meanwhile, by an interrupt or by the end of the turn."""
        params = message["params"]
        request = request_of(str(message["method"]), params, self._events.raw.get(str(params.get("itemId"))))
        if request is None:
            self._server.refuse(message["id"], f"{message['method']} is not known here.")
            return
        decision: ApprovalDecision | None = None
        async with anyio.create_task_group() as tasks:

            async def ask() -> None:
                nonlocal decision
                decision = await decide(self._handler, request)
                tasks.cancel_scope.cancel()

            tasks.start_soon(ask)
            while not self._withdrawn:
                self._note(await self._inbox.get())
            tasks.cancel_scope.cancel()
        if decision is not None:
            self._server.tell({"id": message["id"], "result": reply_to(request, decision)})

    @property
    def _withdrawn(self) -> bool:
        """Whether nobody waits for a decision any more."""
        return self._gone or self._events.ended is not None

    def _death(self) -> IncompleteTurnError:
        said = clean_stderr(self._server.stderr_tail())
        for secret in self._secrets:
            said = said.replace(secret, "***")
        code = self._server.returncode
        how = "" if code is None else f" with exit code {code}" if code >= 0 else f" by signal {-code}"
        return IncompleteTurnError(f"The codex app-server ended{how} before the turn was over." + (f" It said: {said}" if said else ""))


async def _asked(server: Server, method: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Ask, and have a refusal as the error that it means."""
    try:
        return await server.ask(method, parameters)
    except ServerRefused as error:
        for text, kind, remedy in _REFUSALS:
            if text in str(error):
                raise kind(f"{error}\n{remedy}") from None
        raise TransportError(f"The codex app-server refused {method}: {error}") from None


def check_possible(request: TurnRequest) -> None:
    """Refuse what the server cannot do.

    Raises:
        UnsupportedOperationError: If it cannot.
        ConfigError: If the working directory is none.
    """
    options = request.options
    for given, what in (
        (request.review is not None, "A review"),
        (request.cyber_access_program is not None, "cyber_access_program"),
        (options.profile is not None, "profile"),
        (options.oss, "oss"),
        (options.local_provider is not None, "local_provider"),
    ):
        if given:
            raise UnsupportedOperationError(f"{what} is not possible with the transport 'app-server'; with 'exec' it is.")
    folder = options.working_directory or Path.cwd()
    if not folder.is_dir():
        raise ConfigError(f"The working directory {folder} is not there, or is no folder.")


def _settings(options: ThreadOptions) -> dict[str, Any]:
    """What a thread is taken up with, and a turn cannot change."""
    web_search = options.web_search_mode or {True: "live", False: "disabled", None: None}[options.web_search_enabled]
    config: dict[str, Any] = {}
    for override in options.config_overrides:
        key, _, text = override.partition("=")
        try:
            config[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            config[key.strip()] = text.strip()
    if web_search is not None:
        config["web_search"] = web_search
    if options.network_access_enabled is not None:
        config["sandbox_workspace_write.network_access"] = options.network_access_enabled
    return config


def _thread_parameters(options: ThreadOptions) -> dict[str, Any]:
    parameters: dict[str, Any] = {"cwd": str(options.working_directory or Path.cwd())}
    config = _settings(options)
    if config:
        parameters["config"] = config
    if options.model:
        parameters["model"] = options.model
    return parameters


def _sandbox(options: ThreadOptions) -> dict[str, Any]:
    match options.sandbox_mode:
        case "danger-full-access":
            return {"type": "dangerFullAccess"}
        case "workspace-write":
            roots = [str(folder.absolute()) for folder in options.additional_directories]
            return {"type": "workspaceWrite", "writableRoots": roots, "networkAccess": bool(options.network_access_enabled)}
    return {"type": "readOnly"}


async def _defaults(server: Server, folder: str) -> dict[str, Any]:
    """What the user's config.toml says of a turn, and what the CLI takes if it says nothing."""
    answer = (await _asked(server, "config/read", {"cwd": folder})).get("config")
    config = answer if isinstance(answer, dict) else {}
    listed = (await _asked(server, "model/list", {})).get("data")
    models = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    details = config.get("sandbox_workspace_write")
    details = details if isinstance(details, dict) else {}
    policies = {
        "danger-full-access": {"type": "dangerFullAccess"},
        "workspace-write": {
            "type": "workspaceWrite",
            "writableRoots": details.get("writable_roots") or [],
            "networkAccess": bool(details.get("network_access")),
        },
    }
    return {
        "sandboxPolicy": policies.get(str(config.get("sandbox_mode")), {"type": "readOnly"}),
        "model": config.get("model") or next((one.get("model") for one in models if one.get("isDefault")), None),
        "effort": config.get("model_reasoning_effort"),
        "efforts": {one.get("model"): one.get("defaultReasoningEffort") for one in models},
    }


def _thread_id(answer: Mapping[str, Any]) -> str:
    thread = answer.get("thread")
    if not isinstance(thread, dict) or not isinstance(thread.get("id"), str):
        raise ProtocolError("The codex app-server did not name the thread.")
    return str(thread["id"])
