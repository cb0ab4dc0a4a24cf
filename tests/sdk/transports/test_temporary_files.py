"""Files that a turn leaves on the disk: nothing but the agent's own work."""

import base64
import os
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from codex_jupyter.sdk import ConfigError, ImageInput, Input, ItemStartedEvent, OutputSchemaError, TextInput
from codex_jupyter.sdk.executable.workspace import METADATA
from codex_jupyter.testing import shell, wait_for
from tests.sdk.conftest import Real
from tests.sdk.support.fake import HAPPY, MakeFake, both_backends

pytestmark = pytest.mark.anyio

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==")
INPUT: Input = [TextInput(text="go"), ImageInput(data=PNG)]


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@both_backends
@pytest.mark.parametrize("end", [HAPPY, "started(); failed('no')", "os._exit(1)", "started(); say('no JSON'); completed()", "started()"])
async def test_temporary_files_are_gone_after_the_turn(fake: MakeFake, scratch: Path, end: str) -> None:
    """However it ended; they are there while it runs."""
    files = "record('files', [os.path.exists(a) for f, a in zip(sys.argv, sys.argv[1:]) if f in ('--output-schema', '--image')])"
    cli = fake(f"{files}; {end}")
    with pytest.raises(Exception):  # noqa: B017, PT011 - other tests check the error
        await cli.thread().run(INPUT, output_schema=SCHEMA)
    assert cli.records("files") == [[True, True]]
    assert os.listdir(scratch) == []


@both_backends
async def test_temporary_files_are_gone_when_the_block_is_left(fake: MakeFake, scratch: Path) -> None:
    """Also with a turn that still runs."""
    async with fake("started(); stay()").thread().run_streamed(INPUT, output_schema=SCHEMA) as streamed:
        await anext(streamed.events)
        assert os.listdir(scratch) != []
    assert os.listdir(scratch) == []


@pytest.mark.parametrize(
    ("parts", "options"),
    [
        ([TextInput(text="go"), ImageInput(data=PNG), ImageInput(data=b"text")], {}),
        ([TextInput(text="go")], {"output_schema": [1]}),
        ([TextInput(text="go")], {"output_schema": {"a": object()}}),
    ],
    ids=["image", "schema", "value"],
)
async def test_temporary_files_are_removed_when_the_turn_cannot_start(
    fake: MakeFake, scratch: Path, parts: Input, options: dict[str, Any]
) -> None:
    """And no process is started."""
    cli = fake(HAPPY)
    with pytest.raises(Exception, match=r"image|schema"):
        await cli.thread().run(parts, **options)
    assert os.listdir(scratch) == []
    assert cli.records() == []


async def test_temporary_files_are_gone_when_the_process_cannot_start(fake: MakeFake, scratch: Path) -> None:
    """The executable cannot be run: its interpreter does not exist."""
    cli = fake(HAPPY)
    thread = cli.thread()
    await thread.run("go")
    cli.path.write_text("#!/nonexistent/interpreter\n")
    with pytest.raises(Exception, match="cannot be started"):
        await thread.run(INPUT, output_schema=SCHEMA)
    assert os.listdir(scratch) == []


async def test_a_text_needs_no_temporary_file(fake: MakeFake, scratch: Path) -> None:
    """Nothing is written for the usual turn."""
    cli = fake("started(); wait('go'); say('Hi!'); completed()")
    async with cli.thread().run_streamed("go") as streamed:
        await anext(streamed.events)
        assert os.listdir(scratch) == []
        cli.release("go")
        await streamed.wait()


async def test_a_schema_mismatch_leaves_the_turn_and_the_text(fake: MakeFake, scratch: Path) -> None:
    """And no file."""
    with pytest.raises(OutputSchemaError) as caught:
        await fake("started(); say('no JSON'); completed()").thread().run("go", output_schema=SCHEMA)
    assert caught.value.text == "no JSON"
    assert caught.value.turn is not None
    assert os.listdir(scratch) == []


async def stopped_turn(real: Real, **options: Any) -> None:
    """Stop a turn while its command runs in the sandbox."""
    thread = real.thread([[[shell("echo begun > begun; sleep 60")]]], sandbox_mode="workspace-write", **options)
    async with thread.run_streamed("go") as streamed:
        async for event in streamed.events:
            if isinstance(event, ItemStartedEvent):
                break


async def test_the_sandboxes_folders_are_removed_after_a_stop(real: Real) -> None:
    """The Linux sandbox leaves its mount points in the workspace when it is stopped."""
    await stopped_turn(real)
    assert not [name for name in METADATA if (real.workspace / name).exists()]


async def test_the_sandboxes_folders_are_removed_from_additional_directories(real: Real) -> None:
    """Every folder that may be written to gets them."""
    extra = real.folder / "extra"
    extra.mkdir()
    await stopped_turn(real, additional_directories=[extra])
    assert os.listdir(extra) == []


async def test_the_sandboxes_folders_are_removed_after_a_turn_with_an_open_command(real: Real) -> None:
    """The end of a turn stops what still runs, too."""
    turn = await real.thread([[shell("sleep 60", yield_time_ms=250), "Moving on"]], sandbox_mode="workspace-write").run("go")
    assert turn.status == "completed"
    assert os.listdir(real.workspace) == []


async def test_folders_that_were_there_before_stay(real: Real) -> None:
    """Empty or not."""
    for name in METADATA:
        (real.workspace / name).mkdir()
    (real.workspace / ".codex" / "config.toml").touch()
    await stopped_turn(real)
    assert all((real.workspace / name).is_dir() for name in METADATA)
    assert (real.workspace / ".codex" / "config.toml").exists()


async def test_folders_with_something_in_them_stay(fake: MakeFake, tmp_path: Path) -> None:
    """Only empty ones are the sandbox's."""
    folder = tmp_path / "work"
    folder.mkdir()
    body = "os.makedirs('.codex/x'); os.mkdir('.aws'); started(); stay()"
    thread = fake(f"os.chdir({str(folder)!r}); {body}").thread(working_directory=folder)
    async with thread.run_streamed("go") as streamed:
        await anext(streamed.events)
    assert (folder / ".codex" / "x").exists()
    assert not (folder / ".aws").exists()


async def test_folders_that_the_agent_makes_without_a_sandbox_stay(real: Real) -> None:
    """There they can only be its own work."""
    turn = await real.thread([[shell("mkdir .git .aws"), "Done."]], sandbox_mode="danger-full-access").run("go")
    assert turn.status == "completed"
    assert (real.workspace / ".git").is_dir()
    assert (real.workspace / ".aws").is_dir()


async def test_the_agents_files_stay_after_a_stop(real: Real) -> None:
    """Only what the sandbox left is removed."""
    release = threading.Event()
    thread = real.thread([[[shell("echo hi > made.txt")], [wait_for(release), "Never"]]], sandbox_mode="workspace-write")
    async with thread.run_streamed("go") as streamed:
        async for event in streamed.events:
            if event.type == "item.completed":
                break
    release.set()
    assert os.listdir(real.workspace) == ["made.txt"]


async def test_a_working_directory_that_does_not_exist_is_reported(fake: MakeFake, tmp_path: Path) -> None:
    """Before a process is started."""
    cli = fake(HAPPY)
    with pytest.raises(ConfigError, match="working directory"):
        await cli.thread(working_directory=tmp_path / "nowhere").run("go")
    assert cli.records() == []
