"""Start, load, fork and unload threads on a running `codex app-server`, and read stored ones."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Final

import anyio

from codex_jupyter.sdk.errors import (
    CodexError,
    ConfigError,
    ProtocolError,
    ThreadBusyError,
    ThreadNotFoundError,
    TransportError,
    TurnInterruptedError,
)
from codex_jupyter.sdk.executable.environment import own_overrides
from codex_jupyter.sdk.executable.exit_errors import ARCHIVED, OTHER_PROVIDER
from codex_jupyter.sdk.models.options import ThreadOptions
from codex_jupyter.sdk.models.rights import EffectiveRights
from codex_jupyter.sdk.redaction import mask_message
from codex_jupyter.sdk.rollouts import codex_home
from codex_jupyter.sdk.tools import ToolSet
from codex_jupyter.sdk.transports.app_server.connection import AppServerConnection
from codex_jupyter.sdk.transports.app_server.parameters import effective_rights, thread_parameters
from codex_jupyter.sdk.transports.app_server.rpc import ConnectionClosedError, RpcError
from codex_jupyter.sdk.transports.base import CLIENT_CLOSED
from codex_jupyter.sdk.transports.config_defaults import Defaults, folder_configuration, override
from codex_jupyter.sdk.transports.login_check import needs_login, not_logged_in
from codex_jupyter.sdk.transports.permission_profile import Rights, rights_of, working_directory
from codex_jupyter.sdk.transports.secrets import more_secrets

MAX_LOADED: Final = 16
"""Maximum number of threads that stay loaded between their turns. Each takes two file descriptors of the server, and its memory."""
UNLOADING_POLL: Final = 0.01
"""Seconds between two checks if a thread that another task unloads is unloaded."""
_IN_USE: Final = "Another process uses this thread. End it there (in a notebook, `%codex release`), or fork the thread."
_UNKNOWN: Final = "There is no such thread in this CODEX_HOME. Start a new one."
_REFUSALS: Final[tuple[tuple[str, type[CodexError], str], ...]] = (
    ("already has an active writer", ThreadBusyError, _IN_USE),
    *((text, ThreadNotFoundError, _UNKNOWN) for text in ("thread not found", "thread not loaded", "no rollout found")),
    ("is archived", ThreadNotFoundError, ARCHIVED),
    ("Cannot change this thread's model provider", ConfigError, OTHER_PROVIDER),
    ("forked history still references", TransportError, "Delete the threads that were forked from it first."),
    ("failed to load configuration", ConfigError, "Correct config.toml or the config that was given."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedThread:
    """A thread that the server has loaded."""

    options: ThreadOptions
    """The options that apply while it is loaded."""
    defaults: Defaults
    """The configuration of its folder."""
    rights: Rights
    """The requested rights."""
    effective: EffectiveRights
    """The rights that the server reported."""


class ServerThreads:
    """The loaded threads of a server.

    Args:
        server: The server, ready for requests.
        secrets: Texts that errors must not contain.
        env: The environment of the server.
        parameters: Settings to send with each thread, by their dotted keys. Settings of the thread override them.

    Attributes:
        server: The server.
        home: The CODEX_HOME of the server.
        busy: Ids of the threads with a running turn, or with another operation that changes them.
    """

    def __init__(
        self,
        server: AppServerConnection,
        secrets: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        self.server = server
        self.secrets: Sequence[str] = secrets
        self._env, self._parameters = env or {}, parameters or {}
        self.busy: set[str] = set()
        self._logged_in = False
        """True after a check has found a login, or that none is needed."""
        self.home = codex_home(self._env)
        self._loaded: dict[str, LoadedThread] = {}
        """The loaded threads, last used last."""
        self._unloading: set[str] = set()
        self._model: str | None = None

    def is_loaded(self, thread_id: str | None) -> bool:
        """Return True if the server has loaded a thread. No other process can then write to it."""
        return thread_id in self._loaded or thread_id in self._unloading

    @contextmanager
    def exclusive(self, thread_id: str) -> Iterator[None]:
        """Lock a thread. The server would take a request for a thread with a running turn as a part of that turn.

        Raises:
            ThreadBusyError: If it is locked.
        """
        if thread_id in self.busy:
            raise ThreadBusyError("A turn of this thread is running. Wait for it, or start another thread.")
        self.busy.add(thread_id)
        try:
            yield
        finally:
            self.busy.discard(thread_id)

    async def start(self, options: ThreadOptions, tools: ToolSet) -> str:
        """Start a thread with its tools, and return its id."""
        new: dict[str, Any] = {"threadSource": options.thread_source} if options.thread_source else {}
        if tools:
            new["dynamicTools"] = tools.specs()
        return await self._load("thread/start", options, await self._defaults(options), {**new, "ephemeral": options.ephemeral})

    async def load(self, thread_id: str, options: ThreadOptions) -> LoadedThread:
        """Load a thread for a turn with these options. A loaded thread keeps its options and rights, so it may be loaded again."""
        if self.is_loaded(thread_id):
            if thread_id in self._loaded and self._fits(self._loaded[thread_id], options):
                self._loaded[thread_id] = self._loaded.pop(thread_id)
                return self._loaded[thread_id]
            await self.unload(thread_id)
        given = {"threadId": thread_id, "excludeTurns": True}
        loaded_id = await self._load("thread/resume", options, await self._resumed_defaults(options), given)
        if loaded_id != thread_id:
            raise ProtocolError(f"Thread {thread_id} was requested, but the server loaded {loaded_id}.")
        return self._loaded[thread_id]

    def _fits(self, thread: LoadedThread, options: ThreadOptions) -> bool:
        """Return whether a turn with these options would load the thread as it is."""
        # The same options mean something else when the current folder, a link, or the configuration of the folder has changed.
        same = thread.options == _kept(options) and thread.rights == rights_of(options, thread.defaults, self._env)
        return same and thread.defaults.folder == folder_configuration(working_directory(options))

    async def fork(self, thread_id: str, options: ThreadOptions, last_turn_id: str | None = None) -> str:
        """Start a thread with the history of another one, up to a turn, and return its id."""
        given = {"threadId": thread_id, "excludeTurns": True, **({} if last_turn_id is None else {"lastTurnId": last_turn_id})}
        return await self._load("thread/fork", options, await self._resumed_defaults(options), given)

    async def unload(self, thread_id: str) -> None:
        """Unload a thread. While the server runs, only archiving the thread and restoring it does that."""
        if thread_id in self._unloading:
            while thread_id in self._unloading:  # noqa: ASYNC110 - the server serves callers on several event loops
                await anyio.sleep(UNLOADING_POLL)
            return
        self._loaded.pop(thread_id, None)
        self._unloading.add(thread_id)
        try:
            with anyio.CancelScope(shield=True):
                await self.request("thread/archive", {"threadId": thread_id})
                await self.request("thread/unarchive", {"threadId": thread_id})
        finally:
            self._unloading.discard(thread_id)

    async def _unload_unused(self) -> None:
        """Unload the threads that were not used for the longest time, so that abandoned ones do not stay loaded."""
        # An ephemeral thread is not stored, so it would be lost.
        idle = [thread_id for thread_id, thread in self._loaded.items() if thread_id not in self.busy and not thread.options.ephemeral]
        for thread_id in idle[: max(0, len(self._loaded) - MAX_LOADED + 1)]:
            with suppress(CodexError):
                await self.unload(thread_id)

    async def require_login(self, options: ThreadOptions) -> None:
        """Check the login before a turn, which would fail without one.

        Raises:
            AuthenticationError: If the provider needs a login and there is none.
        """
        if self._logged_in:
            return
        try:
            answer = await self.request("account/read", {})
        except TransportError:
            return  # the account cannot be read now, and the turn will report the problem
        if answer.get("account") is not None or answer.get("requiresOpenaiAuth") is not True:
            self._logged_in = True
            return
        config = (await self.request("config/read", {"cwd": str(working_directory(options)), "includeLayers": False})).get("config")
        merged = dict(config) if isinstance(config, dict) else {}
        override(merged, own_overrides(options))
        if needs_login(merged, options, self._env):
            raise not_logged_in()

    async def start_turn(self, method: str, parameters: Mapping[str, Any]) -> str:
        """Send the request that starts a turn, and return the turn's id. If the wait is cancelled, a turn that starts later is ended."""
        thread_id = str(parameters["threadId"])
        try:
            turn_id = _turn_id(await self.request(method, parameters, late=lambda answer: self._end(thread_id, answer)))
        except TransportError:
            self._loaded.pop(thread_id, None)  # the server may have unloaded it
            raise
        if turn_id is None:
            raise ProtocolError("The answer of the codex app-server does not contain the id of the turn.")
        return turn_id

    def _end(self, thread_id: str, answer: Mapping[str, Any]) -> None:
        """End a turn that no caller waits for."""
        self.server.request_nowait("turn/interrupt", {"threadId": thread_id, "turnId": _turn_id(answer)})
        self.server.request_nowait("thread/backgroundTerminals/clean", {"threadId": thread_id})

    async def _defaults(self, options: ThreadOptions) -> Defaults:
        """Return the configuration for the folder of these options. Secrets among the options are masked from now on."""
        self.secrets = more_secrets(self.secrets, own_overrides(options), self._env)
        self.server.hide(self.secrets)
        folder = working_directory(options)
        contents = folder_configuration(folder)  # before the request: a change meanwhile is then noticed later
        answer = await self.request("config/read", {"cwd": str(folder), "includeLayers": True})
        return replace(Defaults.of(answer, options), folder=contents)

    async def request(
        self, method: str, parameters: Mapping[str, Any], late: Callable[[dict[str, Any]], None] | None = None
    ) -> dict[str, Any]:
        """Send a request as `AppServerConnection.request` does, and raise the typed error for a refusal."""
        try:
            return await self.server.request(method, parameters, late=late)
        except ConnectionClosedError:
            if self.server.client_closed:
                raise TurnInterruptedError(CLIENT_CLOSED) from None
            raise
        except RpcError as error:
            reason = mask_message(str(error), self.secrets)
            for text, kind, remedy in _REFUSALS:
                if text in reason:
                    raise kind(f"{reason}\n{remedy}") from None
            raise TransportError(f"The codex app-server refused {method}: {reason}") from None

    async def _resumed_defaults(self, options: ThreadOptions) -> Defaults:
        """Return `_defaults` with the default model if none is configured. A resumed thread would otherwise keep its last model."""
        defaults = await self._defaults(options)
        if options.model is not None or defaults.model is not None:
            return defaults
        if self._model is None:
            models = (await self.request("model/list", {})).get("data")
            listed = [model for model in models if isinstance(model, dict)] if isinstance(models, list) else []
            self._model = next((model.get("model") for model in listed if model.get("isDefault")), None)
        return replace(defaults, model=self._model)

    async def _load(self, method: str, options: ThreadOptions, defaults: Defaults, given: Mapping[str, Any]) -> str:
        """Let the server load a thread with its rights in full, and return its id."""
        await self._unload_unused()
        rights = rights_of(options, defaults, self._env)
        stated = thread_parameters(options, defaults, rights)
        config = {**self._parameters, **stated.get("config", {})}
        answer = await self.request(method, {**given, **stated, **({"config": config} if config else {})})
        thread = answer.get("thread")
        if not isinstance(thread, dict) or not isinstance(thread.get("id"), str):
            raise ProtocolError("The answer of the codex app-server does not contain the id of the thread.")
        self._loaded[thread["id"]] = LoadedThread(
            options=_kept(options),
            defaults=defaults,
            rights=rights,
            effective=effective_rights(answer, options, rights, await self._skills(options)),
        )
        return str(thread["id"])

    async def _skills(self, options: ThreadOptions) -> list[str]:
        """Return the names of the skills of the user and the folder; empty if the server cannot list them."""
        folder = str(working_directory(options))
        try:
            listed = (await self.request("skills/list", {"cwds": [folder]})).get("data")
        except TransportError:
            return []
        skills = [skill for entry in listed or () if isinstance(entry, dict) for skill in entry.get("skills") or ()]
        return sorted(str(skill.get("name")) for skill in skills if skill.get("enabled") and skill.get("scope") != "system")


def _turn_id(answer: Mapping[str, Any]) -> str | None:
    turn = answer.get("turn")
    return turn["id"] if isinstance(turn, dict) and isinstance(turn.get("id"), str) else None


def _kept(options: ThreadOptions) -> ThreadOptions:
    """Return the options that belong to a loaded thread. The others are sent with each turn, or are used at the start only."""
    return options.model_copy(update={"approval_policy": None, "skip_git_repo_check": False, "thread_source": None})
