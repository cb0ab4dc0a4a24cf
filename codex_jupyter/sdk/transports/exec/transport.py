"""Run each turn as a `codex exec --experimental-json` process. It reads the prompt from standard input, and writes one event per line."""

import dataclasses
import json
import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

from anyio import to_thread

from codex_jupyter.sdk.errors import ConfigError, IncompleteTurnError, TurnInterruptedError, UnsupportedOperationError
from codex_jupyter.sdk.executable.config_flags import read_config_file, read_toml
from codex_jupyter.sdk.executable.environment import child_environment, client_settings, find_cli, own_overrides
from codex_jupyter.sdk.executable.locate import CodexCli
from codex_jupyter.sdk.executable.login_status import login_status
from codex_jupyter.sdk.executable.secret_settings import SecretSettingError
from codex_jupyter.sdk.executable.workspace import absent_mount_points, remove_empty
from codex_jupyter.sdk.models.events import (
    ThreadStartedEvent,
)
from codex_jupyter.sdk.models.inputs import images_of, text_with_context
from codex_jupyter.sdk.models.options import CodexOptions, ThreadOptions
from codex_jupyter.sdk.processes.process_log import ProcessLog
from codex_jupyter.sdk.processes.staging import staging_folder
from codex_jupyter.sdk.processes.turn_process import TurnProcess
from codex_jupyter.sdk.rollout_follower import TurnRecord
from codex_jupyter.sdk.rollouts import codex_home
from codex_jupyter.sdk.transports.base import CLIENT_CLOSED, Transport, TurnRequest, TurnStream
from codex_jupyter.sdk.transports.config_defaults import (
    SYSTEM_CONFIG,
    Defaults,
    override,
)
from codex_jupyter.sdk.transports.exec.arguments import exec_arguments, exec_settings, undecided_folder
from codex_jupyter.sdk.transports.exec.turn import ExecTurn
from codex_jupyter.sdk.transports.image_files import stage_images
from codex_jupyter.sdk.transports.login_check import needs_login, not_logged_in
from codex_jupyter.sdk.transports.permission_profile import Rights, rights_of, working_directory
from codex_jupyter.sdk.transports.recorder import Recorder
from codex_jupyter.sdk.transports.secrets import secrets

ConfigReader: TypeAlias = Callable[[CodexCli, CodexOptions, Path], dict[str, Any] | None]
"""Returns the answer to `config/read` for a folder, or None if the CLI cannot report its configuration. May block."""


class ExecTransport(Transport):
    """Run each turn as a process.

    Args:
        options: The client's options.
        read_config: Reads the configuration of a folder. It is called for turns with `read_only_paths`. Without it, these paths are not
            protected and `EffectiveRights.unprotected` lists them. `Codex(transport="exec")` sets it.
    """

    def __init__(self, options: CodexOptions, *, read_config: ConfigReader | None = None) -> None:
        self._options = options
        self._read_config = read_config
        self._turns: set[ExecTurn] = set()
        self._closings = 0
        """Number of calls of `aclose`. A turn whose start overlaps with one of them must not run."""

    @property
    def can_fork(self) -> bool:
        """Always true."""
        return True

    async def locate(self) -> CodexCli:
        """Return the executable that a turn in the current folder uses. See `Transport.locate`."""
        return await to_thread.run_sync(find_cli, self._options, ThreadOptions())

    async def describe(self) -> str:
        """Return `exec`."""
        return "exec"

    @asynccontextmanager
    async def open_turn(self, request: TurnRequest) -> AsyncGenerator[TurnStream]:
        """Start the process of a turn, and stop it at the end of the block if it still runs. See `Transport.open_turn`."""
        closings = self._closings
        cli = await to_thread.run_sync(find_cli, self._options, request.options)
        absent = absent_mount_points(request.options)
        with ExitStack() as stack:
            images: Sequence[Path] = ()
            schema_file = instructions_file = None
            instructions = request.options.base_instructions
            if request.output_schema is not None or images_of(request.input) or instructions is not None:
                scratch = stack.enter_context(staging_folder())
                images = await to_thread.run_sync(stage_images, request.input, scratch)
                if request.output_schema is not None:
                    schema_file = scratch / "schema.json"
                    schema_file.write_text(json.dumps(request.output_schema), encoding="utf-8")
                if instructions is not None:
                    instructions_file = scratch / "instructions.md"
                    instructions_file.write_text(instructions, encoding="utf-8", errors="replace")
            env = child_environment(self._options, cli)
            placed = exec_settings(self._options, request.options, env)
            rights, undecided, recorder = await to_thread.run_sync(self._stated, cli, request, env)
            arguments = exec_arguments(
                request,
                self._options,
                env=env,
                images=images,
                schema_file=schema_file,
                settings=placed.flags,
                rights=rights,
                undecided=undecided,
                instructions_file=instructions_file,
            )
            if self._closings != closings:
                raise TurnInterruptedError(CLIENT_CLOSED)
            argv = [str(cli.path), *arguments]
            hidden = secrets(self._options, env, own_overrides(request.options))
            log = ProcessLog(hidden, self._options.stderr)
            process = TurnProcess.start(argv, stdin=text_with_context(request.input).encode(), env=env | placed.env, log=log)
            turn = ExecTurn(process, hidden, recorder)
            self._turns.add(turn)
            try:
                yield turn
            finally:
                self._turns.discard(turn)
                await process.aclose()
                if not process.is_inherited:
                    remove_empty(absent)

    async def fork(self, thread_id: str, options: ThreadOptions, last_turn_id: str | None = None) -> str:
        """Copy a thread. See `Transport.fork`."""
        if last_turn_id is not None:
            raise UnsupportedOperationError("This transport copies all turns of a thread. Use the transport 'app-server'.")
        forked: str | None = None
        async with self.open_turn(TurnRequest(input=(), thread_id=thread_id, options=options, fork=True)) as turn:
            try:
                while events := await turn.receive():
                    forked = next((event.thread_id for event in events if isinstance(event, ThreadStartedEvent)), forked)
            except IncompleteTurnError:
                # Without a prompt, the process reports the new thread and exits.
                if forked is None:
                    raise
        if forked is None:
            raise IncompleteTurnError("The output of the codex CLI does not contain the id of the new thread.")
        return forked

    def problem(self, options: ThreadOptions) -> str | None:
        """Return the reason why this transport cannot keep a setting of a turn secret; None if it can.

        Raises:
            ConfigError: If a setting cannot be read.
        """
        try:
            exec_settings(self._options, options, os.environ if self._options.env is None else self._options.env)
        except SecretSettingError as error:
            return str(error)
        return None

    async def aclose(self) -> None:
        """Stop all running turns. Each raises `TurnInterruptedError`. Safe to call twice."""
        self._closings += 1
        turns = list(self._turns)
        # All are asked first, so that the waits for processes that do not obey overlap.
        for turn in turns:
            turn.close()
        for turn in turns:
            await turn.ended()

    def _stated(self, cli: CodexCli, request: TurnRequest, env: Mapping[str, str]) -> tuple[Rights, Path | None, Recorder]:
        """Return the rights of a turn, the folder whose trust must stay undecided, and the recorder of the turn. Blocks."""
        if not request.fork:
            self._require_login(cli, request.options, env)
        rights, home = self._rights(cli, request.options, env), codex_home(env)
        stored = not request.options.ephemeral and not request.fork
        recorder = Recorder(TurnRecord(home, request.thread_id) if stored else None, request.options, rights)
        undecided = undecided_folder(request.options, self._configuration(request.options, env), home)
        return rights, undecided, recorder

    def _require_login(self, cli: CodexCli, options: ThreadOptions, env: Mapping[str, str]) -> None:
        """Check the login before a turn, which would fail without one.

        Raises:
            AuthenticationError: If the provider needs a login and there is none.
        """
        home = codex_home(env)
        config = self._configuration(options, env)
        if not needs_login(config, options, env) or (home / "auth.json").exists():
            return
        if login_status(cli, env, exec_settings(self._options, options, env).flags).logged_in is False:
            raise not_logged_in()

    def _configuration(self, options: ThreadOptions, env: Mapping[str, str]) -> dict[str, Any]:
        """Return the configuration of the system and the user, with all overrides, but without that of the folder."""
        home = codex_home(env)
        config = read_toml(SYSTEM_CONFIG) | read_config_file(home)
        if options.profile is not None:
            config |= read_toml(home / f"{options.profile}.config.toml")
        override(config, client_settings(self._options, env, own_overrides(options)))
        return config

    def _rights(self, cli: CodexCli, options: ThreadOptions, env: Mapping[str, str]) -> Rights:
        """Return the rights of a turn. The configuration is read only if the read-only paths depend on it."""
        nothing = Defaults(workspace={}, profiles={}, projects=frozenset())
        if not options.read_only_paths or options.sandbox_mode in ("read-only", "danger-full-access"):
            return rights_of(options, nothing, env)
        if options.profile is not None:
            raise ConfigError("read_only_paths and profile cannot be used together: state the settings of the profile as options.")
        answer = None if self._read_config is None else self._read_config(cli, self._options, working_directory(options))
        if answer is not None:
            return rights_of(options, Defaults.of(answer, options), env)
        # The turn then runs with the rights of the options alone, and the paths are reported as unprotected.
        return dataclasses.replace(rights_of(options, nothing, env), definition=None)
