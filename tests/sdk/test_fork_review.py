"""Threads that start with something that exists: the history of another thread, or code to review."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from codex_jupyter.sdk import (
    AgentMessageItem,
    Codex,
    CommandExecutionItem,
    ConfigError,
    IncompleteTurnError,
    InputError,
    NotTrustedDirectoryError,
    ProcessExitError,
    ReviewTarget,
    ScriptedTransport,
    ThreadNotFoundError,
    UnsupportedOperationError,
    Usage,
)
from codex_jupyter.sdk.codex import TransportName
from codex_jupyter.sdk.transports.app_server.parameters import review_target
from codex_jupyter.testing import ScriptedModel, shell
from tests.sdk.conftest import Real
from tests.sdk.support.fake import THREAD_ID, MakeFake, both_backends

pytestmark = pytest.mark.anyio


def options(real: Real) -> Any:
    return {"working_directory": real.workspace, "skip_git_repo_check": True}


@both_backends
async def test_a_fork_has_the_history_and_an_id_of_its_own(real: Real) -> None:
    """The other thread continues by itself, without the turns of the fork."""
    model = real.play(["One.", "Two.", "Three."])
    codex = real.codex(model)
    thread = codex.start_thread(**options(real))
    await thread.run("first")
    assert thread.id is not None
    fork = await codex.fork_thread(thread.id, **options(real))
    assert fork.id is not None
    assert fork.id != thread.id
    forked = fork.id
    assert (await fork.run("second")).final_response == "Two."
    assert fork.id == forked
    assert model.requests[-1].prompts == ["first", "second"]
    await thread.run("third")
    assert model.requests[-1].prompts == ["first", "third"]


async def test_a_thread_in_use_can_be_forked(real: Real) -> None:
    """For a thread that another program holds as its only writer."""
    model = real.play(["One.", [[shell("sleep 60")], "Two."], "Three."])
    codex = real.codex(model)
    thread = codex.start_thread(**options(real))
    await thread.run("first")
    assert thread.id is not None
    async with thread.run_streamed("second") as streamed:
        async for event in streamed.events:
            if event.type == "item.started":
                break
        fork = await codex.fork_thread(thread.id, **options(real))
        assert (await fork.run("third")).final_response == "Three."


async def test_an_unknown_thread_cannot_be_forked(real: Real) -> None:
    """Nor an invalid id, which is not even looked up."""
    codex = real.codex(real.play([]))
    with pytest.raises(ThreadNotFoundError, match="no such thread"):
        await codex.fork_thread(THREAD_ID, **options(real))
    with pytest.raises(ThreadNotFoundError, match="is not a thread id"):
        await codex.fork_thread("the last one", **options(real))


async def test_a_fork_passes_the_options_before_its_subcommand(fake: MakeFake) -> None:
    """After it the CLI refuses them; a fork may have a source of its own."""
    cli = fake("emit(dict(type='thread.started', thread_id=THREAD[:-1] + '2'))")
    fork = await cli.codex().fork_thread(THREAD_ID, working_directory=cli.folder, sandbox_mode="read-only", thread_source="mine")
    assert fork.id == f"{THREAD_ID[:-1]}2"
    assert fork.options.sandbox_mode == "read-only"
    assert cli.argv[-2:] == ["fork", THREAD_ID]
    assert {"--sandbox", "--thread-source", "--cd"} < set(cli.argv[:-2])


async def test_a_fork_that_is_not_named_is_an_error(fake: MakeFake) -> None:
    """Also one whose process fails."""
    with pytest.raises(IncompleteTurnError):
        await fake("").codex().fork_thread(THREAD_ID)
    with pytest.raises(ProcessExitError, match="exit code 3"):
        await fake("os._exit(3)").codex().fork_thread(THREAD_ID)


async def test_a_fork_is_refused_where_it_cannot_be() -> None:
    """An ephemeral one, and on a transport that has no forks."""
    with pytest.raises(ConfigError, match="ephemeral"):
        await Codex().fork_thread(THREAD_ID, ephemeral=True)
    with pytest.raises(UnsupportedOperationError, match="Use the transport 'exec'"):
        await Codex(transport=ScriptedTransport([])).fork_thread(THREAD_ID)


FINDINGS = (
    '{"findings": [{"title": "Wrong sign", "body": "It subtracts.", "confidence_score": 0.9, "priority": 1, '
    '"code_location": {"absolute_file_path": "/a.py", "line_range": {"start": 1, "end": 1}}}], '
    '"overall_correctness": "patch is incorrect", "overall_explanation": "One bug.", "overall_confidence_score": 0.9}'
)


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=T", "-c", "user.email=t@example.test", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(real: Real) -> Path:
    """Two commits and a change that is not committed."""
    git(real.workspace, "init", "-q", "-b", "main")
    for number in (1, 2):
        (real.workspace / "a.py").write_text(f"x = {number}\n")
        git(real.workspace, "add", "a.py")
        git(real.workspace, "commit", "-q", "-m", f"Commit {number}")
    (real.workspace / "a.py").write_text("x = -3\n")
    return real.workspace


def reviewed(model: ScriptedModel) -> str:
    """Return the last prompt that the model received."""
    return str(model.requests[-1].prompt)


async def test_a_review_gives_its_findings_as_a_turn(real: Real, repository: Path) -> None:
    """With the commands that it ran. The CLI does not report its usage. The thread continues, and counts its usage from then on."""
    model = real.play([[[shell("git diff")], FINDINGS], "Fixed."])
    thread = real.codex(model).start_thread(working_directory=repository)
    turn = await thread.review(uncommitted=True)
    assert [type(item) for item in turn.items] == [CommandExecutionItem, AgentMessageItem]
    assert "-x = 2\n+x = -3" in turn.items[0].model_dump()["aggregated_output"]
    assert "Wrong sign" in turn.final_response
    assert turn.status == "completed"
    assert turn.usage is None
    assert turn.thread_usage is None
    later = await thread.run("Fix it.")
    assert "Wrong sign" in str(model.requests[-1].body)
    assert later.usage == later.thread_usage != Usage()


@pytest.mark.parametrize("transport", ["exec", "app-server"])
@pytest.mark.parametrize("target", ["base", "commit", "prompt"])
async def test_a_review_looks_at_a_branch_a_commit_or_what_the_prompt_says(
    real: Real, repository: Path, target: str, transport: TransportName
) -> None:
    real.transport = transport
    value = {"base": "main", "commit": git(repository, "rev-parse", "HEAD"), "prompt": "Look at the names only."}[target]
    model = real.play([[FINDINGS]])
    arguments: Any = {target: value}
    turn = await real.codex(model).start_thread(working_directory=repository).review(**arguments)
    assert value in reviewed(model)
    assert "Wrong sign" in turn.final_response


async def test_a_review_can_be_streamed(real: Real, repository: Path) -> None:
    """Its events are those of any turn."""
    thread = real.codex(real.play([[FINDINGS]])).start_thread(working_directory=repository)
    async with thread.review_streamed(uncommitted=True, timeout=60) as streamed:
        types = [event.type async for event in streamed.events]
    assert types == ["thread.started", "turn.started", "item.completed", "turn.completed"]
    assert streamed.turn.status == "completed"


async def test_a_review_has_exactly_one_target() -> None:
    """And no answer of another form."""
    thread = Codex(transport=ScriptedTransport([])).start_thread()
    for targets in ({}, {"uncommitted": True, "base": "main"}, {"base": ""}, {"commit": "a", "prompt": "b"}):
        with pytest.raises(ConfigError, match="exactly one"):
            await thread.review(**targets)
    with pytest.raises(ConfigError, match="output_schema"):
        await thread.review(uncommitted=True, output_schema={"type": "object"})
    with pytest.raises(InputError):
        await thread.review(prompt=" ")


async def test_a_review_starts_a_thread() -> None:
    """The CLI cannot review in a thread that has started. A transport sees the target in the request."""
    transport = ScriptedTransport([[{"type": "turn.completed"}]])
    thread = Codex(transport=transport).start_thread()
    await thread.review(commit="abc")
    assert transport.requests[0].review == ReviewTarget(commit="abc")
    with pytest.raises(UnsupportedOperationError, match="needs a new thread"):
        await thread.review(uncommitted=True)


async def test_a_review_outside_a_repository_is_refused(real: Real) -> None:
    """As any other turn is."""
    with pytest.raises(NotTrustedDirectoryError):
        await real.codex(real.play([])).start_thread(working_directory=real.workspace).review(uncommitted=True)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"uncommitted": True}, {"type": "uncommittedChanges"}),
        ({"base": "main"}, {"type": "baseBranch", "branch": "main"}),
        ({"commit": "0a1b2c"}, {"type": "commit", "sha": "0a1b2c", "title": None}),
        ({"prompt": "Look."}, {"type": "custom", "instructions": "Look."}),
    ],
)
def test_the_server_is_sent_the_target_of_a_review(given: dict[str, Any], sent: dict[str, Any]) -> None:
    assert review_target(ReviewTarget(**given)) == sent
