"""The rights of a turn follow from its own options and the user's configuration, for every earlier state of its thread.

Each turn runs a real command, which writes into the working folder and outside of it. One walk over the sandbox modes contains every
ordered pair of them once.
"""

import itertools
import json
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import anyio
import pytest

from codex_jupyter.sdk import Codex, SandboxMode, Thread, ThreadOptions, Turn, locate_codex
from codex_jupyter.sdk.codex import TransportName
from codex_jupyter.sdk.executable.config_flags import render_config_flags
from codex_jupyter.sdk.transports.app_server.transport import AppServerTransport
from codex_jupyter.testing import ScriptedModel, ScriptedTurn, shell
from tests.sdk.conftest import Real
from tests.sdk.support.fake import until

pytestmark = pytest.mark.anyio

BOTH: tuple[TransportName, ...] = ("exec", "app-server")
READ: Final = "read-only"
WRITE: Final = "workspace-write"
FULL: Final = "danger-full-access"
MODES: tuple[SandboxMode, ...] = (READ, WRITE, FULL)
WALK: tuple[SandboxMode, ...] = (READ, READ, WRITE, WRITE, FULL, FULL, READ, FULL, WRITE, READ)
ALLOWED = {READ: "", WRITE: "inside", FULL: "inside outside"}
"""Places where a command can write in each mode."""


def test_the_walk_contains_every_ordered_pair_of_sandbox_modes() -> None:
    assert set(itertools.pairwise(WALK)) == set(itertools.product(MODES, repeat=2))


@dataclass
class Stage:
    """The real CLI with a command for each turn, and what became of it."""

    real: Real
    transport: TransportName
    turns: int = 0
    outside: Path = field(init=False)
    model: ScriptedModel = field(init=False)
    client: Codex = field(init=False)

    def __post_init__(self) -> None:
        # Temporary folders are writable in `workspace-write`.
        self.outside = Path(self.real.stack.enter_context(TemporaryDirectory(dir="/var/tmp"))) / "outside"
        self.outside.mkdir()
        self.model = self.real.play([self._probe(number) for number in range(40)])
        self.client = self.new_client()

    @property
    def options(self) -> ThreadOptions:
        return ThreadOptions(working_directory=self.real.workspace, skip_git_repo_check=True)

    def new_client(self) -> Codex:
        return self.real.codex(self.model, transport=self.transport)

    def _probe(self, number: int) -> ScriptedTurn:
        command = f"echo x > inside-{number}; echo x > {self.outside}/outside-{number}"
        return ScriptedTurn([[shell(command)], "Done."], match=f"probe {number} ")

    def written(self, number: int) -> str:
        """Return the places where the command of a turn could write."""
        places = {"inside": self.real.workspace / f"inside-{number}", "outside": self.outside / f"outside-{number}"}
        return " ".join(name for name, file in places.items() if file.exists())

    async def run(self, thread: Thread) -> tuple[str, Turn]:
        """Run a turn; gives what its command could write, and the turn."""
        number, self.turns = self.turns, self.turns + 1
        turn = await thread.run(f"probe {number} ", timeout=120)
        return self.written(number), turn

    def foreign(self, thread_id: str | None, mode: SandboxMode) -> str:
        """Have the CLI alone run a turn, as a user in a terminal does; gives what its command could write."""
        number, self.turns = self.turns, self.turns + 1
        command = [
            str(locate_codex(self.client.options.codex_path_override).path),
            "exec",
            "--json",
            "--skip-git-repo-check",
            "--cd",
            str(self.real.workspace),
        ]
        command += ["--yolo"] if mode == FULL else ["--sandbox", mode]
        command += [part for setting in render_config_flags(self.model.config) for part in ("--config", setting)]
        command += ["resume", thread_id] if thread_id is not None else []
        env = self.real.environment(self.model)
        done = subprocess.run(command, input=f"probe {number} ", env=env, capture_output=True, text=True, timeout=120, check=True)
        return str(json.loads(done.stdout.splitlines()[0])["thread_id"]) if thread_id is None else self.written(number)


Way = Callable[[Stage, Thread, ThreadOptions], Awaitable[Thread]]


async def turn(stage: Stage, thread: Thread, options: ThreadOptions) -> Thread:
    """Continue the thread with other options."""
    thread.options = options
    return thread


async def resume(stage: Stage, thread: Thread, options: ThreadOptions) -> Thread:
    assert thread.id is not None
    return stage.client.resume_thread(thread.id, options)


async def fork(stage: Stage, thread: Thread, options: ThreadOptions) -> Thread:
    assert thread.id is not None
    return await stage.client.fork_thread(thread.id, options)


async def release(stage: Stage, thread: Thread, options: ThreadOptions) -> Thread:
    await stage.client.unload_threads()
    return await turn(stage, thread, options)


async def restart(stage: Stage, thread: Thread, options: ThreadOptions) -> Thread:
    await stage.client.aclose()
    stage.client = stage.new_client()
    return await resume(stage, thread, options)


@pytest.fixture(params=BOTH)
def stage(request: pytest.FixtureRequest, real: Real) -> Stage:
    return Stage(real, request.param)


@pytest.mark.parametrize("way", [turn, resume, fork, release, restart])
async def test_the_sandbox_is_that_of_the_turn_for_every_earlier_sandbox_of_the_thread(stage: Stage, way: Way) -> None:
    thread = stage.client.start_thread(stage.options)
    for number, mode in enumerate(WALK):
        options = ThreadOptions.of(stage.options, {"sandbox_mode": mode})
        thread = await way(stage, thread, options) if number else stage.client.start_thread(options)
        written, done = await stage.run(thread)
        assert written == ALLOWED[mode], f"{WALK[number - 1]} -> {mode}"
        assert done.rights is not None
        assert done.rights.sandbox == mode


@pytest.mark.parametrize("way", [turn, resume, fork])
async def test_without_a_sandbox_mode_the_configuration_decides_for_every_earlier_sandbox(stage: Stage, way: Way) -> None:
    """Nothing is configured, so that is read-only."""
    thread = stage.client.start_thread(ThreadOptions.of(stage.options, {"sandbox_mode": FULL}))
    for mode in (FULL, None, WRITE, None):
        options = stage.options if mode is None else ThreadOptions.of(stage.options, {"sandbox_mode": mode})
        thread = await way(stage, thread, options) if stage.turns else thread
        written, _ = await stage.run(thread)
        assert written == ALLOWED[mode or READ]


async def test_the_sandbox_is_that_of_the_turn_in_a_thread_of_another_program(stage: Stage) -> None:
    thread_id = stage.foreign(None, READ)
    for before, after in itertools.pairwise(WALK):
        assert stage.foreign(thread_id, before) == ALLOWED[before]
        thread = stage.client.resume_thread(thread_id, ThreadOptions.of(stage.options, {"sandbox_mode": after}))
        assert (await stage.run(thread))[0] == ALLOWED[after], f"{before} -> {after}"
        await stage.client.unload_threads()


async def test_without_a_sandbox_mode_a_thread_of_another_program_is_read_only(stage: Stage) -> None:
    """Also one that had no sandbox, and a fork of it."""
    thread_id = stage.foreign(None, FULL)
    forked = await stage.client.fork_thread(thread_id, stage.options)
    for thread in (forked, stage.client.resume_thread(thread_id, stage.options)):
        assert (await stage.run(thread))[0] == ""


WRITING: tuple[dict[str, Any], ...] = (
    {"sandbox_mode": WRITE},
    {"sandbox_mode": FULL},
    {"config_overrides": ("sandbox_mode='workspace-write'",)},
    {"config_overrides": ("default_permissions=':danger-full-access'",)},
    {"profile": "writer"},
)


async def test_a_writing_turn_in_a_repository_gives_later_turns_no_rights(stage: Stage) -> None:
    """The CLI would note the repository as trusted, and its default there is to write."""
    await anyio.run_process(["git", "init", "-q", str(stage.real.workspace)])
    stage.model.codex_home.mkdir(exist_ok=True)
    (stage.model.codex_home / "writer.config.toml").write_text('sandbox_mode = "workspace-write"\n')
    for given in WRITING if stage.transport == "exec" else WRITING[:-1]:
        thread = stage.client.start_thread(ThreadOptions.of(stage.options, given))
        assert "inside" in (await stage.run(thread))[0]
        assert (await stage.run(stage.client.start_thread(stage.options)))[0] == "", given


async def test_a_folder_that_the_user_trusts_stays_one_to_write_in(stage: Stage) -> None:
    """That is the user's configuration; over both transports it means the same, and it holds for a thread that had less."""
    home = stage.model.codex_home
    home.mkdir(exist_ok=True)
    (home / "config.toml").write_text(f'[projects."{stage.real.workspace}"]\ntrust_level = "trusted"\n')
    thread = stage.client.start_thread(ThreadOptions.of(stage.options, {"sandbox_mode": READ}))
    assert (await stage.run(thread))[0] == ""
    thread.options = stage.options
    assert (await stage.run(thread))[0] == "inside"


CONFIGURED: dict[str, tuple[str, str]] = {
    "a sandbox mode": ('sandbox_mode = "workspace-write"\n', "inside"),
    "no sandbox": ('sandbox_mode = "danger-full-access"\n', "inside outside"),
    "more writable folders": (
        'sandbox_mode = "workspace-write"\n[sandbox_workspace_write]\nwritable_roots = ["OUTSIDE"]\n',
        "inside outside",
    ),
    "a permission profile": ('default_permissions = ":workspace"\n', "inside"),
    "a profile of the user": (
        'default_permissions = "mine"\n[permissions.mine]\nextends = ":workspace"\n[permissions.mine.filesystem]\n"OUTSIDE" = "write"\n',
        "inside outside",
    ),
}


@pytest.mark.parametrize("name", CONFIGURED)
async def test_the_configuration_holds_for_new_and_resumed_threads_and_forks(stage: Stage, name: str) -> None:
    """With and without paths that stay read-only."""
    text, expected = CONFIGURED[name]
    home = stage.model.codex_home
    home.mkdir(exist_ok=True)
    (home / "config.toml").write_text(text.replace("OUTSIDE", str(stage.outside)))
    (kept := stage.real.workspace / "kept").mkdir()
    thread = stage.client.start_thread(stage.options)
    assert (await stage.run(thread))[0] == expected
    thread.options = ThreadOptions.of(stage.options, {"sandbox_mode": READ})
    assert (await stage.run(thread))[0] == ""
    thread.options = ThreadOptions.of(stage.options, {"read_only_paths": [kept]})
    written, done = await stage.run(thread)
    assert written == expected
    assert done.rights is not None
    assert done.rights.unprotected == ((kept,) if name == "no sandbox" else ())
    assert (await stage.run(await fork(stage, thread, stage.options)))[0] == expected


async def test_approvals_are_reviewed_by_the_user_though_the_thread_had_another_reviewer(real: Real) -> None:
    """A thread of another program may have had its approvals reviewed by a model. The server would continue so."""
    stage = Stage(real, "app-server")
    stage.model = real.play([])
    stage.client = stage.new_client()
    thread = stage.client.start_thread(stage.options)
    await thread.run("go")
    transport = stage.client.transport
    assert isinstance(transport, AppServerTransport)
    settings = {"approvalPolicy": "on-request", "approvalsReviewer": "auto_review"}
    await transport.ask("turn/start", {"threadId": thread.id, "input": [{"type": "text", "text": "go"}], **settings})
    file = max(stage.model.codex_home.glob(f"sessions/*/*/*/*{thread.id}*.jsonl"))
    await until(lambda: file.read_text().count('"task_complete"') == 2, 60)
    await stage.client.unload_threads()
    await thread.run("go", on_approval=lambda _: "decline")
    contexts = [line["payload"] for line in map(json.loads, file.read_text().splitlines()) if line["type"] == "turn_context"]
    assert [context["approvals_reviewer"] for context in contexts] == ["user", "auto_review", "user"]
