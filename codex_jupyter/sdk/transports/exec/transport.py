"""`codex exec --experimental-json`: a process per turn. The request becomes arguments and a prompt on stdin; each line is an event."""

import dataclasses
import json
import math
import os
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeAlias

import anyio
from anyio import to_thread

from codex_jupyter.sdk.errors import ConfigError, IncompleteTurnError, TurnFailedError, TurnInterruptedError
from codex_jupyter.sdk.executable.config_flags import read_config_file, read_toml, render_config_flags
from codex_jupyter.sdk.executable.environment import child_environment, client_settings, find_cli
from codex_jupyter.sdk.executable.exit_errors import clean_stderr, exit_error
from codex_jupyter.sdk.executable.locate import CodexCli
from codex_jupyter.sdk.executable.login_status import login_status
from codex_jupyter.sdk.executable.secret_settings import PlacedSettings, SecretSettingError, for_process
from codex_jupyter.sdk.executable.workspace import absent_mount_points, remove_empty
from codex_jupyter.sdk.models.events import (
    ItemCompletedEvent,
    ThreadErrorEvent,
    ThreadEvent,
    ThreadStartedEvent,
    TurnCompletedEvent,
    TurnFailedEvent,
    TurnStartedEvent,
    parse_event,
    parse_events,
)
from codex_jupyter.sdk.models.inputs import images_of, text_with_context
from codex_jupyter.sdk.models.options import CodexOptions, ReviewTarget, ThreadOptions
from codex_jupyter.sdk.processes.network_activity import seconds_since_received
from codex_jupyter.sdk.processes.staging import staging_folder
from codex_jupyter.sdk.processes.turn_process import EXIT_GRACE, Process
from codex_jupyter.sdk.redaction import mask_message
from codex_jupyter.sdk.rollout_follower import TurnRecord
from codex_jupyter.sdk.rollouts import codex_home
from codex_jupyter.sdk.transports.base import CLIENT_CLOSED, Transport, TurnRequest, TurnStream
from codex_jupyter.sdk.transports.config_defaults import (
    SELECTORS,
    SYSTEM_CONFIG,
    Defaults,
    decided_projects,
    is_decided,
    override,
    repository,
)
from codex_jupyter.sdk.transports.image_files import stage_images
from codex_jupyter.sdk.transports.login_check import needs_login, not_logged_in
from codex_jupyter.sdk.transports.permission_profile import PROFILE, Rights, rights_of, working_directory
from codex_jupyter.sdk.transports.recorder import Recorder
from codex_jupyter.sdk.transports.secrets import masked_event, secrets

MAX_EVENTS_PER_READ: Final = 64
"""Events to give at once. More of them, alive at the same time, would set off the garbage collector, which costs more than reading them."""


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
        self._turns: set[_ExecTurn] = set()
        self._closings = 0
        """Number of calls of `aclose`: a turn that is being started meanwhile must not run."""

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
        """Start the process of a turn; leaving the block stops it if it still runs. See `Transport.open_turn`."""
        closings = self._closings
        cli = await to_thread.run_sync(find_cli, self._options, request.options)
        absent = absent_mount_points(request.options)
        with ExitStack() as stack:
            images: Sequence[Path] = ()
            schema_file: Path | None = None
            if request.output_schema is not None or images_of(request.input):
                scratch = stack.enter_context(staging_folder())
                images = await to_thread.run_sync(stage_images, request.input, scratch)
                if request.output_schema is not None:
                    schema_file = scratch / "schema.json"
                    schema_file.write_text(json.dumps(request.output_schema), encoding="utf-8")
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
            )
            if self._closings != closings:
                raise TurnInterruptedError(CLIENT_CLOSED)
            argv = [str(cli.path), *arguments]
            process = Process.start(argv, stdin=text_with_context(request.input).encode(), env=env | placed.env)
            turn = _ExecTurn(process, secrets(self._options, env, request.options.config_overrides), recorder)
            self._turns.add(turn)
            try:
                yield turn
            finally:
                self._turns.discard(turn)
                await process.aclose()
                if not process.is_parents:
                    remove_empty(absent)

    async def fork(self, thread_id: str, options: ThreadOptions) -> str:
        """Copy a thread. See `Transport.fork`."""
        forked: str | None = None
        async with self.open_turn(TurnRequest(input=(), thread_id=thread_id, options=options, fork=True)) as turn:
            try:
                while events := await turn.receive():
                    forked = next((event.thread_id for event in events if isinstance(event, ThreadStartedEvent)), forked)
            except IncompleteTurnError:
                # Nothing was asked: it names the new thread, and ends.
                if forked is None:
                    raise
        if forked is None:
            raise IncompleteTurnError("The codex CLI did not name the new thread.")
        return forked

    def problem(self, options: ThreadOptions) -> str | None:
        """Why this transport cannot run a turn with these options: a setting that it could not keep secret. None if it can.

        Raises:
            ConfigError: If a setting cannot be read.
        """
        try:
            exec_settings(self._options, options, os.environ if self._options.env is None else self._options.env)
        except SecretSettingError as error:
            return str(error)
        return None

    async def aclose(self) -> None:
        """Stop the turns that run; each raises `TurnInterruptedError`. Safe to call twice."""
        self._closings += 1
        turns = list(self._turns)
        # All are asked first: the waits for those that do not obey then run at the same time.
        for turn in turns:
            turn.close()
        for turn in turns:
            await turn.ended()

    def _stated(self, cli: CodexCli, request: TurnRequest, env: Mapping[str, str]) -> tuple[Rights, Path | None, Recorder]:
        """What must be known of a turn before it starts: its rights, the folder to keep undecided, and where its record begins. Blocks."""
        if not request.fork:
            self._require_login(cli, request.options, env)
        rights, home = self._rights(cli, request.options, env), codex_home(env)
        stored = not request.options.ephemeral and not request.fork
        recorder = Recorder(TurnRecord(home, request.thread_id) if stored else None, request.options, rights)
        undecided = _undecided_folder(request.options, self._configuration(request.options, env), home)
        return rights, undecided, recorder

    def _require_login(self, cli: CodexCli, options: ThreadOptions, env: Mapping[str, str]) -> None:
        """Make sure that a turn does not fail because nobody is logged in.

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
        """The configuration of the system and the user, with all overrides. That of the folder is not in it."""
        home = codex_home(env)
        config = read_toml(SYSTEM_CONFIG) | read_config_file(home)
        if options.profile is not None:
            config |= read_toml(home / f"{options.profile}.config.toml")
        override(config, client_settings(self._options, env, options.config_overrides))
        return config

    def _rights(self, cli: CodexCli, options: ThreadOptions, env: Mapping[str, str]) -> Rights:
        """What a turn may do. The configuration is looked up if it matters for the read-only paths."""
        nothing = Defaults(workspace={}, profiles={}, projects=frozenset())
        if not options.read_only_paths or options.sandbox_mode in ("read-only", "danger-full-access"):
            return rights_of(options, nothing, env)
        if options.profile is not None:
            raise ConfigError("read_only_paths and profile cannot be used together: state the settings of the profile as options.")
        answer = None if self._read_config is None else self._read_config(cli, self._options, working_directory(options))
        if answer is not None:
            return rights_of(options, Defaults.of(answer, options), env)
        # The turn then runs with what the options alone say; the paths count as unprotected.
        return dataclasses.replace(rights_of(options, nothing, env), definition=None)


class _ExecTurn(TurnStream):
    """The events of one process."""

    def __init__(self, process: Process, secrets: Sequence[str], recorder: Recorder) -> None:
        self._process = process
        self._secrets = secrets
        self._recorder = recorder
        # Until it asks the model, codex takes a SIGINT for granted and goes on: measured with 0.163 and 0.169.
        process.deaf_to_sigint = True
        self._terminal = self._closed = False
        self._deadline = math.inf
        self._last_error: str | None = None
        self._foreign: list[str] = []
        self._unread: Iterator[bytes] = iter(())

    async def receive(self) -> Sequence[ThreadEvent]:
        if events := await self._recorder.receive(self._events):
            return events
        await self._end()
        return ()

    async def _events(self) -> Sequence[ThreadEvent]:
        """The next events that the process tells; none at the end of its output."""
        while lines := await self._lines():
            events = parse_events(lines)
            if events is None:
                events = [event for line in lines if line and not line.isspace() and (event := self._parsed(line)) is not None]
            if events:
                return self._noted(events)
        return ()

    async def _lines(self) -> list[bytes]:
        """The next lines, at most `MAX_EVENTS_PER_READ`; none at the end of the output."""
        if lines := list(islice(self._unread, MAX_EVENTS_PER_READ)):
            return lines
        with anyio.CancelScope(deadline=self._deadline) as scope:
            self._unread = iter(await self._process.read_lines())
        if scope.cancelled_caught:
            await self._process.stop()
        return list(islice(self._unread, MAX_EVENTS_PER_READ))

    def interrupt(self) -> None:
        self._process.request_stop()

    def close(self) -> None:
        """Ask it to stop, because its client is closed."""
        self._closed = not self._process.stopped
        self._process.request_stop()

    async def ended(self) -> None:
        """Wait until it is stopped."""
        await self._process.stop()

    @property
    def occupied(self) -> bool:
        return False  # of what it waits for, all is an item

    def silent_for(self, remote: bool) -> float:
        seconds = seconds_since_received(self._process.pid, remote=remote)
        return 0.0 if seconds is None else seconds  # it may think for minutes without an event

    def _parsed(self, line: bytes) -> ThreadEvent | None:
        """The event of a line that may be none."""
        event = parse_event(line)
        if event is None:
            # A byte order mark, or bytes that are no UTF-8, are no reason to lose an event; the latter are shown as such.
            text = line.removeprefix(b"\xef\xbb\xbf").decode(errors="replace")
            event = parse_event(text)
            if event is None:
                self._foreign = [*self._foreign[-9:], text[:1000]]
        return event

    def _noted(self, events: list[ThreadEvent]) -> list[ThreadEvent]:
        """The same events, without secrets, once it is known what they say about the process."""
        kinds = set(map(type, events))
        if TurnStartedEvent in kinds:
            self._process.deaf_to_sigint = False
        if not self._terminal and not kinds.isdisjoint((TurnCompletedEvent, TurnFailedEvent)):
            self._terminal = True
            self._deadline = anyio.current_time() + EXIT_GRACE
        if not kinds.isdisjoint((TurnFailedEvent, ThreadErrorEvent, ItemCompletedEvent)):
            events = [masked_event(event, self._secrets) for event in events]
        last = events[-1]
        self._last_error = last.message if isinstance(last, ThreadErrorEvent) else None
        return events

    async def _end(self) -> None:
        """The verdict on a turn whose output has ended."""
        returncode = await self._process.wait_exit()
        if self._closed and self._process.stopped and not self._terminal:
            raise TurnInterruptedError(CLIENT_CLOSED)
        if self._terminal or self._process.stopped:
            return
        if self._last_error is not None:
            raise TurnFailedError(self._last_error)
        if returncode is not None and returncode < 0:
            # Somebody else killed it, and with it the only one who knew what it had started.
            await to_thread.run_sync(self._process.sweep)
        stderr = mask_message(clean_stderr(self._process.stderr_tail()), self._secrets)
        if returncode == 0:
            said = mask_message("\n".join([*self._foreign, stderr]).strip(), self._secrets)
            raise IncompleteTurnError(
                "The codex CLI ended without an error and without saying that the turn was over." + (f" It said: {said}" if said else "")
            )
        raise exit_error(returncode, stderr or mask_message("\n".join(self._foreign), self._secrets))


def exec_arguments(
    request: TurnRequest,
    options: CodexOptions,
    *,
    env: Mapping[str, str],
    images: Sequence[Path] = (),
    schema_file: Path | None = None,
    settings: Sequence[str] | None = None,
    rights: Rights | None = None,
    undecided: Path | None = None,
) -> list[str]:
    """The arguments of `codex` for a turn, in the order of the TypeScript SDK.

    Later `--config` flags win over earlier ones. The subcommand comes after every global flag, and the images after it: before it they
    would swallow the thread's id.

    Args:
        request: The turn.
        options: The client's options.
        env: The environment that the process will have.
        images: The files of the request's images.
        schema_file: The file of the request's schema.
        settings: The `key=value` texts for `--config`. None takes those that `exec_settings` places.
        rights: What the turn may do, if a permission profile must state it.
        undecided: A folder whose trust nobody has decided, and that the CLI must not note as trusted.

    Returns:
        The arguments, without the executable. There is no secret in them.

    Raises:
        ConfigError: If a config value cannot be rendered, or holds a secret that could only be an argument.
    """
    thread = request.options
    profile = None if rights is None else rights.definition
    web_search = thread.web_search_mode or {True: "live", False: "disabled", None: None}[thread.web_search_enabled]
    arguments = ["exec", "--experimental-json"]
    for setting in exec_settings(options, thread, env).flags if settings is None else settings:
        arguments += _flag("--config", setting)
    arguments += _flag("--model", thread.model or None)
    arguments += _flag("--thread-source", thread.thread_source if request.thread_id is None or request.fork else None)
    if undecided is not None:
        arguments += _config("projects", {str(undecided): {"trust_level": "untrusted"}})
    if profile is None:
        arguments += _flag("--sandbox", thread.sandbox_mode)
    else:
        stated = render_config_flags({"permissions": {PROFILE: profile}, "default_permissions": PROFILE})
        arguments += [part for override in stated for part in ("--config", override)]
    arguments += _flag("--profile", thread.profile)
    arguments += _flag("--local-provider", thread.local_provider)
    arguments += ["--oss"] if thread.oss else []
    arguments += _flag("--cd", thread.working_directory if profile is None or rights is None else rights.folders[0])
    for folder in thread.additional_directories if profile is None or rights is None else rights.folders[1:]:
        arguments += _flag("--add-dir", folder)
    arguments += ["--skip-git-repo-check"] if thread.skip_git_repo_check else []
    arguments += ["--ephemeral"] if thread.ephemeral else []
    arguments += _flag("--output-schema", schema_file)
    arguments += _flag("--cyber-access-program", request.cyber_access_program)
    arguments += _config("model_reasoning_effort", thread.model_reasoning_effort)
    arguments += _config("sandbox_workspace_write.network_access", thread.network_access_enabled if profile is None else None)
    arguments += _config("web_search", web_search)
    arguments += _config("approval_policy", thread.approval_policy)
    for key, value in thread.shell_environment_policy.items():
        arguments += _config(key, value)
    if request.review is not None:
        arguments += ["review", *_review(request.review)]
    elif request.thread_id is not None:
        arguments += ["fork" if request.fork else "resume", request.thread_id]
    for image in images:
        arguments += _flag("--image", image)
    return arguments


def exec_settings(options: CodexOptions, thread: ThreadOptions, env: Mapping[str, str]) -> PlacedSettings:
    """Place the settings of a client and a thread for a process of its own; later ones win.

    Args:
        options: The client's options.
        thread: The thread's options.
        env: The environment that the process will have.

    Raises:
        ConfigError: If a setting cannot be read, or holds a secret that could only be an argument.
    """
    return for_process([*client_settings(options, env, thread.config_overrides)], env, read_config_file(codex_home(env)))


def _undecided_folder(options: ThreadOptions, config: Mapping[str, Any], home: Path) -> Path | None:
    """The folder of a turn, if the CLI would note it as trusted though nobody has said so: later turns would then have more rights.

    CLIs before 0.171 do that when the sandbox may write in a git repository, whatever has selected it. With a decision of any kind they do
    not. Where nothing selects the sandbox, no decision may be sent: in a folder with one, the default is to write.
    """
    selected = options.sandbox_mode or any(config.get(name) is not None for name in SELECTORS)
    if not selected or options.sandbox_mode == "read-only":
        return None
    folder = working_directory(options)
    return None if repository(folder) is None or is_decided(folder, decided_projects(home)) else folder


def _flag(name: str, value: object) -> list[str]:
    """A flag with its value; nothing for None. A value that looks like a flag is tied to its own by `=`."""
    if value is None:
        return []
    text = str(value)
    if "\0" in text:
        raise ConfigError(f"The value of {name} contains a NUL character.")
    return [f"{name}={text}"] if text.startswith("-") else [name, text]


def _review(target: ReviewTarget) -> list[str]:
    uncommitted, instructions = ["--uncommitted"] * target.uncommitted, ["-"] * bool(target.prompt)
    return [*uncommitted, *_flag("--base", target.base or None), *_flag("--commit", target.commit or None), *instructions]


def _config(key: str, value: Any) -> list[str]:
    return [] if value is None else ["--config", *render_config_flags({key: value})]
