"""Run turns on `codex app-server`, one process for all turns of a client. It streams text, asks for approvals, and can be steered.

The first turn starts the server. `aclose`, `unload_threads` or the end of this process end it. While it runs, no other process can write to
the threads that it has loaded. After a crash the next turn starts another server, which loads the thread again. The next turn also starts
another server after a change of the environment, the login, `config.toml` or the executable.

A turn has the same result as with `codex exec`: the same items with the same ids and fields, answer, usage and error. The differences:

- Messages and reasoning have an `item.started` event and updates while they are written, commands have updates while they run.
- There are more events and items, those of `models.app_server_events` and `models.app_server_items`. Items have more fields: times, phases,
  diffs and moves, the state of each step, and those that are unknown here.
- The usage of a turn and of the model's context is known while it runs. With `exec` it is known at the end, also of a failed turn.
- An MCP server that does not start is a warning. `exec` does not report it.
- The output of a command that did not end is kept. `exec` does not send it.
- An unknown setting of the configuration is reported once. `exec` reports it twice.
- Commands that start at the same time may come in another order.
- Context (`ContextInput`) is sent beside the prompt. `exec` sends it after the prompt, in the same message.
- Only `exec` supports `profile`, `oss` and `local_provider`.
- If another program kills the server, all turns that run on it are lost.
"""

import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio
from anyio import to_thread

from codex_jupyter.sdk.errors import ConfigError, ThreadBusyError, TransportError
from codex_jupyter.sdk.executable.environment import find_cli
from codex_jupyter.sdk.executable.fingerprint import Surroundings
from codex_jupyter.sdk.executable.workspace import absent_mount_points, remove_empty
from codex_jupyter.sdk.models.inputs import images_of
from codex_jupyter.sdk.models.notifications import Notification
from codex_jupyter.sdk.models.options import CodexOptions, ThreadOptions
from codex_jupyter.sdk.models.stored_threads import ThreadHistory
from codex_jupyter.sdk.processes.staging import staging_folder
from codex_jupyter.sdk.rollout_follower import RolloutFollower
from codex_jupyter.sdk.rollouts import codex_home, stored_contexts, stored_tools
from codex_jupyter.sdk.transports.app_server.history import read_stored, stored_thread
from codex_jupyter.sdk.transports.app_server.parameters import approvals, check_possible, review_target, turn_parameters, unsupported
from codex_jupyter.sdk.transports.app_server.pool import ServerPool
from codex_jupyter.sdk.transports.app_server.startup import version_problem
from codex_jupyter.sdk.transports.app_server.threads import LoadedThread, ServerThreads
from codex_jupyter.sdk.transports.app_server.turn import ServerTurn
from codex_jupyter.sdk.transports.app_server.watchers import Subscription
from codex_jupyter.sdk.transports.base import TurnRequest, TurnStream
from codex_jupyter.sdk.transports.cli_transport import CliTransport
from codex_jupyter.sdk.transports.image_files import stage_images
from codex_jupyter.sdk.transports.missing_events import MissingEvents

COMPACT_TIMEOUT: Final = 600.0
"""Seconds for the model to summarise a thread."""


class AppServerTransport(CliTransport):
    """Run turns on one `codex app-server` process.

    Args:
        options: The client's options.
    """

    def __init__(self, options: CodexOptions) -> None:
        super().__init__(options)
        self._pool = ServerPool(options)

    @property
    def can_ask(self) -> bool:
        """Always true."""
        return True

    @property
    def can_fork(self) -> bool:
        """Always true."""
        return True

    @property
    def has_tools(self) -> bool:
        """Always true."""
        return True

    @property
    def has_history(self) -> bool:
        """Always true."""
        return True

    async def has_thread(self, thread_id: str, options: ThreadOptions) -> bool:
        """Return whether a server has loaded the thread, or the CLI has stored it. See `Transport.has_thread`."""
        return self.is_loaded(thread_id) or await super().has_thread(thread_id, options)

    async def describe(self) -> str:
        """Return `app-server`."""
        return "app-server"

    async def uses_app_server(self, options: ThreadOptions) -> bool:
        """Return whether the options are possible with this transport. See `Transport.uses_app_server`."""
        return await to_thread.run_sync(self.problem, options) is None

    @property
    def running(self) -> bool:
        """True if the server runs."""
        return self._pool.running

    def is_loaded(self, thread_id: str | None) -> bool:
        """Return True if the server has loaded a thread. No other process can then continue it."""
        return self._pool.is_loaded(thread_id)

    def state(self, options: ThreadOptions) -> Surroundings:
        """Return the current state of everything that a server for a turn with these options depends on. Raises as `problem` does."""
        return self._pool.state(options)

    def renew(self) -> None:
        """Use another server from the next turn on, because the login has changed. It may be stored where no change can be detected."""
        self._pool.renew()

    def problem(self, options: ThreadOptions) -> str | None:
        """Return the reason not to use this transport for a turn; None if it can be used. Searches for the CLI.

        Raises:
            CodexNotFoundError: If there is no CLI.
        """
        option = unsupported(options)
        return f"only the transport 'exec' supports {option}" if option else version_problem(find_cli(self._options, options).version)

    @asynccontextmanager
    async def open_turn(self, request: TurnRequest) -> AsyncGenerator[TurnStream]:
        """Start a turn, and stop it at the end of the block if it still runs. See `Transport.open_turn`."""
        check_possible(request.options)
        absent, owner = absent_mount_points(request.options), os.getpid()
        try:
            with ExitStack() as stack:
                images: Sequence[Path] = ()
                if images_of(request.input):
                    images = await to_thread.run_sync(stage_images, request.input, stack.enter_context(staging_folder()))
                async with self._pool.use(request.options) as threads, self._turn(threads, request, images) as turn:
                    yield turn
        finally:
            if os.getpid() == owner:
                remove_empty(absent)

    async def fork(self, thread_id: str, options: ThreadOptions, last_turn_id: str | None = None) -> str:
        """Copy a thread. See `Transport.fork`."""
        check_possible(options)
        async with self._pool.use(options) as threads:
            return await threads.fork(thread_id, options, last_turn_id)

    async def revert(self, thread_id: str, options: ThreadOptions, turns: int) -> None:
        """Remove the last turns. See `Transport.revert`."""
        async with self._held(thread_id, options) as threads:
            answer = await read_stored(threads, thread_id, "notLoaded")
            ids = [turn.get("id") for turn in (answer.get("thread") or {}).get("turns") or () if isinstance(turn, dict)]
            if not 1 <= turns <= len(ids):
                raise ConfigError(f"turns must be 1 to {len(ids)}, the number of turns of the thread.")
            await threads.request("thread/revert", {"threadId": thread_id, "beforeTurnId": ids[-turns]})

    async def compact(self, thread_id: str, options: ThreadOptions) -> None:
        """Summarise a thread. See `Transport.compact`."""
        async with self._held(thread_id, options) as threads:
            turn = ServerTurn(threads.server, thread_id)
            try:
                await threads.request("thread/compact/start", {"threadId": thread_id})
                with anyio.fail_after(COMPACT_TIMEOUT):
                    while events := await turn.receive():
                        failed = next((event for event in events if event.type == "turn.failed"), None)
                        if failed is not None:
                            raise TransportError(f"The thread was not summarised: {getattr(failed, 'error', None)}")
            finally:
                await turn.aclose()

    async def read_thread(self, thread_id: str) -> ThreadHistory:
        """Read a stored thread. See `Transport.read_thread`."""
        async with self._pool.use() as threads:
            answer = await read_stored(threads, thread_id)
        return stored_thread(answer, await to_thread.run_sync(stored_contexts, codex_home(self._options.env), thread_id))

    async def ask(self, method: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a request that is not a turn. Start the server if it does not run.

        Args:
            method: The method, such as `model/list`.
            parameters: The parameters of the method.

        Raises:
            TransportError: If the server refuses, or cannot be started.
            CodexNotFoundError: If there is no CLI.
        """
        async with self._pool.use() as threads:
            return await threads.request(method, parameters or {})

    @property
    def has_notifications(self) -> bool:
        """Always true."""
        return True

    @asynccontextmanager
    async def notifications(self, *methods: str) -> AsyncGenerator[AsyncIterator[Notification]]:
        """Subscribe to notifications, and start the server if it does not run. See `Transport.notifications`."""
        watchers, subscription = self._pool.watchers, Subscription(methods)
        watchers.add(subscription)
        try:
            async with self._pool.use():
                pass
            yield subscription
        finally:
            watchers.remove(subscription)

    async def started(self, options: ThreadOptions) -> None:
        """Start the server if it does not run.

        Args:
            options: The options of the thread to use it for.

        Raises:
            UnsupportedOperationError: If the CLI cannot be used with this transport.
            TransportError: If it cannot be started.
        """
        async with self._pool.use(options):
            pass

    async def unload(self, thread_id: str) -> None:
        """Unload one thread, so that another transport or program can continue it.

        Raises:
            ThreadBusyError: If a turn of it runs.
        """
        await self._pool.release_thread(thread_id)

    async def unload_threads(self) -> None:
        """End the server, which unloads its threads. The next turn starts another server.

        Raises:
            ThreadBusyError: If a turn runs.
        """
        if self._pool.busy:
            raise ThreadBusyError("A turn is running. Wait for it, or stop it, before the threads are unloaded.")
        await self.aclose()

    async def aclose(self) -> None:
        """Close the server. Safe to call twice."""
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(self._pool.close)

    @asynccontextmanager
    async def _held(self, thread_id: str, options: ThreadOptions) -> AsyncGenerator[ServerThreads]:
        """Return a server that has loaded and locked a thread."""
        async with self._pool.use(options) as threads:
            with threads.exclusive(thread_id):
                await self._pool.release_thread(thread_id, threads)
                await threads.load(thread_id, options)
                yield threads

    @asynccontextmanager
    async def _turn(self, threads: ServerThreads, request: TurnRequest, images: Sequence[Path]) -> AsyncGenerator[ServerTurn]:
        """Load the thread, and start the turn."""
        await threads.require_login(request.options)
        thread_id = request.thread_id
        if thread_id is None:
            thread_id = await threads.start(request.options, request.tools)
        elif request.tools and not threads.is_loaded(thread_id):
            stored = await to_thread.run_sync(stored_tools, threads.home, thread_id)
            if stored is not None:
                request.tools.check_stored(stored)
        with threads.exclusive(thread_id):
            await self._pool.release_thread(thread_id, threads)
            held = await threads.load(thread_id, request.options)
            missing = await to_thread.run_sync(_missing_events, request, threads.home, thread_id, held)
            turn = ServerTurn(
                threads.server,
                thread_id,
                request.on_approval,
                review=request.review is not None,
                cwd=held.rights.folders[0],
                secrets=threads.secrets,
                missing=missing,
                tools=request.tools,
                tools_ask=approvals(request, held.defaults) != "never",
            )
            try:
                if request.review is not None:
                    target = review_target(request.review)
                    turn_id = await threads.start_turn("review/start", {"threadId": thread_id, "target": target, "delivery": "inline"})
                else:
                    parameters = turn_parameters(request, thread_id, images, held.defaults, held.rights, held.effective.model)
                    turn_id = await threads.start_turn("turn/start", parameters)
                turn.started(turn_id, self._pool.take_warnings())
                yield turn
            finally:
                await turn.aclose()


def _missing_events(request: TurnRequest, home: Path, thread_id: str, held: LoadedThread) -> MissingEvents:
    """Return what adds the missing events of a turn, with the rights that the server reported."""
    asks = approvals(request, held.defaults)
    rollout = None if request.options.ephemeral else RolloutFollower(home, thread_id)
    # For a resumed thread, the server does not report the instructions that were sent with its first turn.
    sent = held.effective.instructions or (rollout.instructions if rollout is not None else ())
    effective = held.effective.model_copy(update={"approvals": asks if isinstance(asks, str) else "granular", "instructions": sent})
    return MissingEvents(rollout, request.options, held.rights, effective)
