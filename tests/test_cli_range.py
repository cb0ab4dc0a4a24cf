"""Both ends of the supported range of CLIs do the main job: the wheel on PyPI, and the newest on npm."""

from pathlib import Path

import pytest

from codex_jupyter import (
    Codex,
    CodexCli,
    CommandExecutionItem,
    FileChangeItem,
    ItemStartedEvent,
    TurnInterruptedError,
    UnknownItem,
    locate_codex,
)
from codex_jupyter.demo import Script, ScriptedModel, plan, say, search, shell, think, write_file
from codex_jupyter.sdk.cli.locate import TESTED_VERSIONS
from codex_jupyter.sdk.codex import TransportName
from tests.conftest import NPM_VERSION

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["PyPI", "npm"])
def cli(request: pytest.FixtureRequest) -> CodexCli:
    if request.param == "PyPI":
        found = locate_codex(env={"PATH": "", "HOME": "/nonexistent"}, folder=Path("/"))
        assert (found.source, found.version) == ("bundled", TESTED_VERSIONS[0])
    else:
        folder: Path = request.getfixturevalue("npm_codex")
        found = locate_codex(folder / "node_modules" / ".bin" / "codex")
        assert (found.path.name, found.version) == ("codex", NPM_VERSION)
        assert TESTED_VERSIONS[-1] == NPM_VERSION
    return found


@pytest.mark.parametrize("transport", ["exec", "app-server"])
async def test_a_whole_conversation(cli: CodexCli, transport: TransportName, tmp_path: Path) -> None:
    """Every kind of item that a script can cause comes as a known one; the second turn goes on, and a stopped one does no harm."""
    for name in ("work", "tmp"):
        (tmp_path / name).mkdir()
    script: Script = [
        [[think("First"), plan([("Look", "in_progress")])], shell("echo seen"), write_file("a.txt", "a\n"), [search("cats"), say("Done.")]],
        [shell("echo begun; sleep 3003"), "never"],
        "Second answer.",
    ]
    with ScriptedModel(script, codex_home=tmp_path / "home") as model:
        env = model.env() | {"TMPDIR": str(tmp_path / "tmp")}
        client = Codex(codex_path_override=cli.path, config=model.config, env=env, transport=transport)
        assert client.version == cli.version
        thread = client.start_thread(working_directory=tmp_path / "work", skip_git_repo_check=True, sandbox_mode="workspace-write")
        turn = await thread.run("Do it.")
        kinds = [item.type for item in turn.items]
        assert set(kinds) == {"reasoning", "todo_list", "command_execution", "file_change", "web_search", "agent_message"}
        assert not [item for item in turn.items if isinstance(item, UnknownItem)]
        command = next(item for item in turn.items if isinstance(item, CommandExecutionItem))
        assert (command.status, command.exit_code, command.aggregated_output) == ("completed", 0, "seen\n")
        change = next(item for item in turn.items if isinstance(item, FileChangeItem))
        assert [(Path(change.path).name, change.kind) for change in change.changes] == [("a.txt", "add")]
        assert (tmp_path / "work" / "a.txt").read_text() == "a\n"
        assert turn.usage == turn.thread_usage

        streamed = await thread.run_streamed("Run it.")
        async for event in streamed.events:
            if isinstance(event, ItemStartedEvent) and isinstance(event.item, CommandExecutionItem):
                break
        await streamed.interrupt()
        with pytest.raises(TurnInterruptedError):
            await streamed.wait()
        assert [item.status for item in streamed.turn.items if isinstance(item, CommandExecutionItem)] == ["interrupted"]
        assert not [path.name for path in (tmp_path / "work").iterdir() if path.name != "a.txt"]

        if transport == "app-server":
            stored = await client.read_thread(thread.id or "")
            assert [(one.prompt, one.turn.status) for one in stored.turns] == [("Do it.", "completed"), ("Run it.", "interrupted")]
            # Its thread is free for another client.
            await client.aclose()
        last = await client.resume_thread(thread.id or "", working_directory=tmp_path / "work", skip_git_repo_check=True).run("Go on.")
        assert last.final_response == "Second answer."
        assert last.usage is not None
        assert last.thread_usage is not None
        assert 0 < last.usage.output_tokens < last.thread_usage.output_tokens
        assert "Do it." in str(model.requests[-1].input)
        await client.aclose()
