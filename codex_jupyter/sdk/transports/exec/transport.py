"""Run each turn as a `codex exec --experimental-json` process. It reads the prompt from standard input, and writes one event per line."""

import dataclasses
import json
import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from anyio import to_thread

from codex_jupyter.sdk.errors import ConfigError, IncompleteTurnError, TurnInterruptedError, UnsupportedOperationError
from codex_jupyter.sdk.executable.environment import find_cli
from codex_jupyter.sdk.executable.locate import CodexCli
from codex_jupyter.sdk.executable.secret_settings import SecretSettingError
from codex_jupyter.sdk.executable.slow_steps import slow_step
from codex_jupyter.sdk.executable.workspace import absent_mount_points, remove_empty
from codex_jupyter.sdk.hooks.server import serving
from codex_jupyter.sdk.models.events import ThreadStartedEvent
from codex_jupyter.sdk.models.inputs import images_of, text_with_context
from codex_jupyter.sdk.models.options import CodexOptions, ThreadOptions
from codex_jupyter.sdk.processes.process_log import ProcessLog
from codex_jupyter.sdk.processes.staging import staging_folder
from codex_jupyter.sdk.processes.turn_process import TurnProcess
from codex_jupyter.sdk.rollout_follower import RolloutFollower
from codex_jupyter.sdk.tracing import trace_variables
from codex_jupyter.sdk.transports.base import CLIENT_CLOSED, TurnRequest, TurnStream
from codex_jupyter.sdk.transports.cli_transport import CliTransport
from codex_jupyter.sdk.transports.config_defaults import Defaults
from codex_jupyter.sdk.transports.exec.arguments import exec_arguments, exec_settings, undecided_folder
from codex_jupyter.sdk.transports.exec.environment import TurnEnvironment
from codex_jupyter.sdk.transports.exec.login import ExecLogin
from codex_jupyter.sdk.transports.exec.turn import ExecTurn
from codex_jupyter.sdk.transports.file_work import spaced_start
from codex_jupyter.sdk.transports.image_files import stage_images
from codex_jupyter.sdk.transports.missing_events import MissingEvents
from codex_jupyter.sdk.transports.permission_profile import Rights, rights_of, working_directory

ConfigReader: TypeAlias = Callable[[CodexCli, CodexOptions, Path], dict[str, Any] | None]
"""Returns the answer to `config/read` for a folder, or None if the CLI cannot report its configuration. May block."""

HookTrust: TypeAlias = Callable[[CodexCli, CodexOptions], list[str]]
"""Returns the settings for the hooks of a client, which Codex trusts. May block."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Everything that a turn needs before its process starts."""

    environment: TurnEnvironment
    hook_settings: Sequence[str]
    absent: Sequence[str]
    rights: Rights
    undecided: Path | None
    missing: MissingEvents


@dataclass(frozen=True, slots=True)
class _StagedFiles:
    """The files of a turn that the CLI reads."""

    images: Sequence[Path] = ()
    schema: Path | None = None
    instructions: Path | None = None


async def _staged(request: TurnRequest, stack: AsyncExitStack) -> _StagedFiles:
    """Write the files of a turn that the CLI reads. The stack removes them."""
    schema, instructions = request.output_schema, request.options.base_instructions
    if schema is None and instructions is None and not images_of(request.input):
        return _StagedFiles()
    folder = stack.enter_context(staging_folder())
    images = await to_thread.run_sync(stage_images, request.input, folder)
    schema_file = instructions_file = None
    if schema is not None:
        schema_file = folder / "schema.json"
        schema_file.write_text(json.dumps(schema), encoding="utf-8")
    if instructions is not None:
        instructions_file = folder / "instructions.md"
        instructions_file.write_text(instructions, encoding="utf-8", errors="replace")
    return _StagedFiles(images, schema_file, instructions_file)


class ExecTransport(CliTransport):
    """Run each turn as a process.

    Args:
        options: The client's options.
        read_config: Reads the configuration of a folder. It is called for turns with `read_only_paths`. Without it, these paths are not
            protected and `EffectiveRights.unprotected` lists them. `Codex(transport="exec")` sets it.
        trust_hooks: Returns the settings for hooks. It is called for clients with `hooks`, which are refused without it.
            `Codex(transport="exec")` sets it.
    """

    def __init__(self, options: CodexOptions, *, read_config: ConfigReader | None = None, trust_hooks: HookTrust | None = None) -> None:
        super().__init__(options)
        self._read_config, self._trust_hooks = read_config, trust_hooks
        self._turns: set[ExecTurn] = set()
        self._login = ExecLogin()
        self._environment: TurnEnvironment | None = None
        """The environment of the last turn."""
        self._closings = 0
        """Number of calls of `aclose`. A turn whose start overlaps with one of them must not run."""

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what belongs to this process: its environment, which can contain secrets, its turns, and the times of its clock."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_environment", "_turns", "_login")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._environment, self._turns, self._login = None, set(), ExecLogin()

    @property
    def can_fork(self) -> bool:
        """Always true."""
        return True

    async def describe(self) -> str:
        """Return `exec`."""
        return "exec"

    @asynccontextmanager
    async def open_turn(self, request: TurnRequest) -> AsyncGenerator[TurnStream]:
        """Start the process of a turn, and stop it at the end of the block if it still runs. See `Transport.open_turn`."""
        closings = self._closings
        async with AsyncExitStack() as stack:
            files = await _staged(request, stack)
            yield await spaced_start(
                partial(self._prepare, request), lambda prepared: self._start(request, prepared, files, stack, closings)
            )

    def _start(self, request: TurnRequest, prepared: _Prepared, files: _StagedFiles, stack: AsyncExitStack, closings: int) -> ExecTurn:
        """Start the process of a turn. The stack ends it."""
        if self._closings != closings:
            raise TurnInterruptedError(CLIENT_CLOSED)
        environment = prepared.environment
        hook_variables = stack.enter_context(serving(self._options.hooks))
        arguments = exec_arguments(
            request,
            self._options,
            env=environment.variables,
            images=files.images,
            schema_file=files.schema,
            settings=[*environment.placed.flags, *prepared.hook_settings],
            rights=prepared.rights,
            undecided=prepared.undecided,
            instructions_file=files.instructions,
        )
        argv, stdin = [str(environment.cli.path), *arguments], text_with_context(request.input).encode()
        env = environment.variables | trace_variables() | hook_variables | environment.placed.env
        log = ProcessLog(environment.secrets, self._options.stderr, self._options.log_wire)
        process = TurnProcess.start(argv, stdin=stdin, env=env, log=log)
        turn = ExecTurn(process, environment.secrets, prepared.missing)
        self._turns.add(turn)
        stack.push_async_callback(self._end, turn, process, prepared.absent)
        return turn

    async def _end(self, turn: ExecTurn, process: TurnProcess, absent: Sequence[str]) -> None:
        """Stop a turn if it still runs, and remove what it has left behind."""
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

    def renew(self) -> None:
        """Ask for the login again before the next turn. See `Transport.renew`."""
        self._login.forget()

    async def aclose(self) -> None:
        """Stop all running turns. Each raises `TurnInterruptedError`. Safe to call twice."""
        self._closings += 1
        turns = list(self._turns)
        # All are asked first, so that the waits for processes that do not obey overlap.
        for turn in turns:
            turn.close()
        for turn in turns:
            await turn.ended()

    def _prepare(self, request: TurnRequest) -> _Prepared:
        """Find out everything that a turn needs before its process starts. Announces slow steps."""
        options, cli = request.options, find_cli(self._options, request.options)
        absent, hook_settings = absent_mount_points(options), self._hook_settings(cli)
        self._environment = environment = TurnEnvironment.read(self._options, options, cli, self._environment)
        config = environment.configuration(options.profile)
        if not request.fork:
            self._login.require(environment, config, options)
        rights = self._rights(cli, options, environment.variables)
        stored = not options.ephemeral and not request.fork
        if stored and request.thread_id is not None:
            slow_step()  # its file is searched, and read
        missing = MissingEvents(RolloutFollower(environment.home, request.thread_id) if stored else None, options, rights)
        return _Prepared(
            environment, hook_settings, absent, rights, undecided_folder(options, config, environment.decided_projects), missing
        )

    def _hook_settings(self, cli: CodexCli) -> list[str]:
        if not self._options.hooks:
            return []
        if self._trust_hooks is None:
            raise UnsupportedOperationError("This transport has no hooks. Use Codex(transport='exec', hooks=...).")
        slow_step()
        return self._trust_hooks(cli, self._options)

    def _rights(self, cli: CodexCli, options: ThreadOptions, env: Mapping[str, str]) -> Rights:
        """Return the rights of a turn. The configuration is read only if the read-only paths depend on it."""
        nothing = Defaults(workspace={}, profiles={}, projects=frozenset())
        if not options.read_only_paths or options.sandbox_mode in ("read-only", "danger-full-access"):
            return rights_of(options, nothing, env)
        if options.profile is not None:
            raise ConfigError("read_only_paths and profile cannot be used together: state the settings of the profile as options.")
        slow_step()
        answer = None if self._read_config is None else self._read_config(cli, self._options, working_directory(options))
        if answer is not None:
            return rights_of(options, Defaults.of(answer, options), env)
        # The turn then runs with the rights of the options alone, and the paths are reported as unprotected.
        return dataclasses.replace(rights_of(options, nothing, env), definition=None)
