"""Taking turns back with files and thread, on the real CLI, with both transports."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from codex_jupyter.sdk import (
    CancellationToken,
    Codex,
    ConfigError,
    SnapshotLimits,
    SnapshotStore,
    Thread,
    TurnInterruptedError,
    UnsupportedOperationError,
)
from codex_jupyter.sdk.models.turn import Turn
from codex_jupyter.sdk.rewinding import plan_of
from codex_jupyter.sdk.sync import Codex as SyncCodex
from codex_jupyter.testing import ScriptedModel, shell, write_file
from tests.sdk.conftest import Real
from tests.sdk.support.fake import wait_until

pytestmark = pytest.mark.anyio


def start(real: Real, model: ScriptedModel, transport: Any, **options: Any) -> tuple[Codex, Thread]:
    """Return a client that records files, and a thread in the workspace."""
    codex = real.codex(model, transport=transport, snapshots=SnapshotStore(real.folder / "snapshots"))
    options = {"sandbox_mode": "danger-full-access", **options}
    return codex, codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True, **options)


@pytest.mark.parametrize("transport", ["exec", "app-server"])
async def test_rewind_takes_back_patches_commands_and_the_thread(real: Real, transport: str) -> None:
    work = real.workspace
    (work / "data.csv").write_bytes(b"1\r\n\xff")
    (work / "mine.txt").write_text("old")
    model = real.play(
        [
            "One.",
            [
                write_file("new.py", "print()\n"),
                shell("printf 2 > data.csv; printf agent > mine.txt; mkdir deep; touch deep/file"),
                "Two.",
            ],
            "Three.",
            "Four.",
        ]
    )
    codex, thread = start(real, model, transport)
    await thread.run("first")
    second = await thread.run("second")
    await thread.run("third")
    (work / "mine.txt").write_text("mine")

    plan = await codex.rewind(second, dry_run=True)
    assert (plan.done, plan.turns) == (False, 2)
    assert {file.path.relative_to(work.resolve()).as_posix(): file.kind for file in plan.files} == {
        "data.csv": "change",
        "new.py": "delete",
        "deep/file": "delete",
    }
    assert [(path.name, reason) for path, reason in plan.refused] == [("mine.txt", "was changed after the turn")]
    assert (work / "new.py").exists()

    done = await codex.rewind(second, keep=[work / "new.py"])
    assert done.done
    assert [path.name for path in done.kept] == ["new.py"]
    assert sorted(path.name for path in work.iterdir()) == ["data.csv", "mine.txt", "new.py"]
    assert ((work / "data.csv").read_bytes(), (work / "mine.txt").read_text()) == (b"1\r\n\xff", "mine")
    fourth = await thread.run("fourth")
    assert model.requests[-1].prompts == ["first", "fourth"]
    assert fourth.usage is None or fourth.usage.total_tokens > 0
    with pytest.raises(ConfigError, match="taken back already"):
        await codex.rewind(second)


async def test_an_interrupted_turn_of_an_earlier_process_can_be_taken_back(real: Real) -> None:
    (real.workspace / "a").write_text("old")
    model = real.play(["One.", [shell("printf agent > a; sleep 60")], "Three."])
    codex, thread = start(real, model, "app-server")
    await thread.run("first")
    async with thread.run_streamed("second") as streamed:
        async for event in streamed.events:
            if event.type == "item.started":
                break
        await anyio.to_thread.run_sync(wait_until, lambda: (real.workspace / "a").read_text() == "agent")
        await streamed.interrupt()
        with pytest.raises(TurnInterruptedError):
            await streamed.wait()
    await codex.aclose()
    later = real.codex(model, transport="app-server", snapshots=SnapshotStore(real.folder / "snapshots"))
    done = await later.rewind(streamed.turn)
    assert (done.turns, [file.path.name for file in done.files]) == (1, ["a"])
    assert (real.workspace / "a").read_text() == "old"


async def test_what_cannot_be_recorded_never_ends_a_turn(real: Real) -> None:
    (real.folder / "snapshots").write_text("a file in place of the folder")
    codex, thread = start(real, real.play(["One.", "Two."]), "exec")
    async with thread.run_streamed("first") as streamed:
        turn = await streamed.wait()
    assert streamed.recording is not None
    assert "cannot be undone" in (streamed.recording.problem or "")
    with pytest.raises(ConfigError, match="could not be recorded"):
        await codex.rewind(turn)


async def test_a_read_only_turn_is_not_recorded_and_other_clients_record_nothing(real: Real) -> None:
    model = real.play(["One.", "Two."])
    codex, thread = start(real, model, "exec", sandbox_mode="read-only")
    turn = await thread.run("first")
    assert turn.snapshot_id is None
    assert not (real.folder / "snapshots").exists()
    with pytest.raises(ConfigError, match="were not recorded"):
        await codex.rewind(turn)
    with pytest.raises(UnsupportedOperationError, match=r"Codex\(snapshots=True\)"):
        await real.codex(model).rewind(turn)


def test_a_turn_that_never_had_a_thread_is_refused_and_takes_no_other_turn_back(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did not start on a thread"):
        plan_of(SnapshotStore(tmp_path), Turn(snapshot_id="id"), ())


async def test_a_turn_that_is_stopped_while_files_are_read_does_not_start(real: Real) -> None:
    class Slow(SnapshotStore):
        def take(self, root: Any, **options: Any) -> Any:
            token.cancel("enough")
            return super().take(root, **options)

    token = CancellationToken()
    (real.workspace / "a").write_text("x")
    model = real.play(["One."])
    codex = real.codex(model, snapshots=Slow(real.folder / "snapshots", limits=SnapshotLimits()))
    thread = codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True, sandbox_mode="danger-full-access")
    with pytest.raises(TurnInterruptedError, match="enough"):
        await thread.run("first", cancellation=token)
    assert model.requests == []


def test_the_synchronous_client_takes_turns_back(real: Real, tmp_path: Path) -> None:
    model = real.play([[write_file("new.py", "print()\n"), "One."]])
    with SyncCodex(config=model.config, env=real.environment(model), snapshots=SnapshotStore(tmp_path / "snapshots")) as codex:
        thread = codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True, sandbox_mode="danger-full-access")
        turn = thread.run("first")
        assert codex.rewind(turn).turns == 1
    assert not (real.workspace / "new.py").exists()


async def test_rewind_takes_back_changes_in_a_folder_that_the_turn_disguised_as_an_environment(real: Real) -> None:
    source = real.workspace / "src"
    source.mkdir()
    (source / "a.py").write_text("old")
    model = real.play(["One.", [shell("touch src/pyvenv.cfg; echo agent > src/a.py; touch src/b.py"), "Two."]])
    codex, thread = start(real, model, "exec")
    await thread.run("first")
    await codex.rewind(await thread.run("second"))
    assert {path.name: path.read_text() for path in source.iterdir()} == {"a.py": "old"}
