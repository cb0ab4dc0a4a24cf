"""The main features on both ends of the supported range of CLIs: the wheel on PyPI, and the newest CLI on npm."""

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pexpect
import pyte
import pytest

from codex_jupyter import (
    Codex,
    CodexCli,
    CommandExecutionItem,
    ContextInput,
    FileChangeItem,
    ItemStartedEvent,
    TextInput,
    TurnInterruptedError,
    UnknownItem,
    locate_codex,
    tool,
)
from codex_jupyter.sdk.codex import TransportName
from codex_jupyter.sdk.executable.config_flags import render_config_flags
from codex_jupyter.sdk.executable.version import TESTED
from codex_jupyter.testing import RecordedRequest, Script, ScriptedModel, call, plan, say, search, shell, think, write_file
from tests.catalogue import direct_model
from tests.conftest import NPM_VERSION

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["PyPI", "npm"])
def cli(request: pytest.FixtureRequest) -> CodexCli:
    if request.param == "PyPI":
        executable = locate_codex(env={"PATH": "", "HOME": "/nonexistent"}, folder=Path("/"))
        assert (executable.source, executable.version) == ("bundled", str(TESTED[0]))
    else:
        folder: Path = request.getfixturevalue("npm_codex")
        executable = locate_codex(folder / "node_modules" / ".bin" / "codex")
        assert (executable.path.name, executable.version) == ("codex", NPM_VERSION)
    return executable


@pytest.mark.parametrize("transport", ["exec", "app-server"])
async def test_a_whole_conversation(cli: CodexCli, transport: TransportName, tmp_path: Path) -> None:
    """Every scripted item has a known type. A thread continues after a stopped turn, also in another client."""
    for name in ("work", "tmp"):
        (tmp_path / name).mkdir()
    script: Script = [
        [[think("First"), plan([("Look", "in_progress")])], shell("echo seen"), write_file("a.txt", "a\n"), [search("cats"), say("Done.")]],
        [shell("echo started; sleep 3003"), "never"],
        "Second answer.",
    ]
    with ScriptedModel(script, codex_home=tmp_path / "home") as model:
        env = model.env() | {"TMPDIR": str(tmp_path / "tmp")}
        client = Codex(codex_path_override=cli.path, config=model.config, env=env, transport=transport)
        assert (await client.locate()).version == cli.version
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
            assert [(past.prompt, past.turn.status) for past in stored.turns] == [("Do it.", "completed"), ("Run it.", "interrupted")]
            # Its thread is free for another client.
            await client.aclose()
        last = await client.resume_thread(thread.id or "", working_directory=tmp_path / "work", skip_git_repo_check=True).run("Go on.")
        assert last.final_response == "Second answer."
        assert last.usage is not None
        assert last.thread_usage is not None
        assert 0 < last.usage.output_tokens < last.thread_usage.output_tokens
        assert "Do it." in str(model.requests[-1].input)
        await client.aclose()


DATA = "".join(f"variable_{number} is 'é'\n" for number in range(800))
"""Data of more bytes than the CLI passes on in one entry."""


@pytest.mark.parametrize("transport", ["exec", "app-server"])
async def test_data_reaches_the_model_whole_and_titles_are_what_the_user_wrote(
    cli: CodexCli, transport: TransportName, tmp_path: Path
) -> None:
    """The model receives the data once, in the turn that it was sent with. Over the app-server, the data is not a part of the prompt."""
    for name in ("work", "tmp"):
        (tmp_path / name).mkdir()
    with ScriptedModel(["One.", "Two.", "Three."], codex_home=tmp_path / "home") as model:
        settings: dict[str, Any] = {"config": model.config, "env": model.env() | {"TMPDIR": str(tmp_path / "tmp")}}
        client = Codex(codex_path_override=cli.path, transport=transport, **settings)
        thread = client.start_thread(working_directory=tmp_path / "work", skip_git_repo_check=True)
        await thread.run([TextInput(text="What is\n\nthis?"), ContextInput(text=DATA, name="notebook")])
        await thread.run("And now?")
        await thread.run([TextInput(text="Again?"), ContextInput(text=DATA, name="notebook")])
        first, second, third = model.requests
        assert sent_data(first) == DATA
        assert sent_data(second) == DATA
        assert sent_data(third) == DATA + DATA
        if transport == "app-server":
            assert third.prompts == ["What is\n\nthis?", "And now?", "Again?"]
        else:
            assert first.prompt.startswith("What is\n\nthis?\n\n<notebook-context")
        [listed] = await client.list_threads(working_directory=tmp_path / "work")
        assert (listed.title, listed.turns) == ("What is this?", 3)
        await client.aclose()

        reader = Codex(codex_path_override=cli.path, transport="app-server", **settings)
        stored = await reader.read_thread(thread.id or "")
        await reader.aclose()
        assert stored.title == "What is\n\nthis?"
        assert [past.prompt for past in stored.turns] == ["What is\n\nthis?", "And now?", "Again?"]
        assert [between_marks(past.context) for past in stored.turns] == [DATA, "", DATA]

        shown = picker(cli, model, settings["env"], tmp_path / "work")
        if transport == "app-server":
            assert "notebook-context" not in shown


TITLE = re.compile(r"› +(now|\S+ ago) .*What is ?this\?")
"""A row of the CLI's own list, which shows the lines of a prompt as one."""


def between_marks(text: str) -> str:
    """Return the text between the marks of all blocks, in order."""
    blocks = re.findall(r'<notebook-context id="(\w+)">\n[^\n]+\n\n(.*?)\n</notebook-context id="\1">', text, re.DOTALL)
    return "".join(body for _, body in blocks)


def sent_data(request: RecordedRequest) -> str:
    """Return the data in the whole history of a request, which is the text between the marks."""
    texts = [item.get("output") or "".join(part.get("text", "") for part in item.get("content") or ()) for item in request.input]
    return between_marks("\n".join(text for text in texts if isinstance(text, str)))


class Terminal(pyte.Screen):
    """A terminal that answers the CLI's questions about the cursor and the type of the terminal."""

    def __init__(self, child: pexpect.spawn) -> None:
        super().__init__(160, 40)
        self._child = child

    def write_process_input(self, data: str) -> None:
        self._child.send(data)


def picker(cli: CodexCli, model: ScriptedModel, env: Mapping[str, str], folder: Path) -> str:
    """Return the screen of `codex resume` in a terminal, once the title is on it."""
    settings = [argument for override in render_config_flags(model.config) for argument in ("-c", override)]
    child = pexpect.spawn(
        str(cli.path),
        ["resume", "--all", "--include-non-interactive", *settings],
        cwd=str(folder),
        env=dict(env) | {"TERM": "xterm-256color"},
        encoding="utf-8",
        timeout=60,
        dimensions=(40, 160),
    )
    screen = Terminal(child)
    stream = pyte.Stream(screen)
    try:
        while not TITLE.search(shown := "\n".join(screen.display)):
            try:
                stream.feed(child.read_nonblocking(4096, timeout=20))
            except pexpect.TIMEOUT:
                pytest.fail(f"The title is not on the screen:\n{shown}")
        return shown
    finally:
        child.close(force=True)


@pytest.mark.parametrize("calls_directly", [False, True])
async def test_the_image_of_a_tool_reaches_the_model_as_an_image(cli: CodexCli, calls_directly: bool, tmp_path: Path) -> None:
    """Its next request has the image, and no base64 text; later turns still have it. The image is not in histories and titles."""
    for name in ("work", "tmp"):
        (tmp_path / name).mkdir()
    image = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==")

    @tool(read_only=True)
    def plot() -> list[Any]:
        return ["plotted", image]

    kind = direct_model(cli.path) if calls_directly else None
    with ScriptedModel([[call("plot", {}), "Done."], "Later."], codex_home=tmp_path / "home", model=kind) as model:
        env = model.env() | {"TMPDIR": str(tmp_path / "tmp")}
        client = Codex(codex_path_override=cli.path, config=model.config, env=env, transport="app-server", tools=[plot])
        thread = client.start_thread(working_directory=tmp_path / "work", skip_git_repo_check=True)
        turn = await thread.run("Plot it.")
        await thread.run("Go on.")
        assert turn.final_response == "Done."
        assert [sent.data for sent in model.requests[1].images] == [image]
        assert "plotted" in str(model.requests[1].input)
        assert [str(request.input).count("iVBORw0KGgo") for request in model.requests] == [0, 1, 1]
        stored = await client.read_thread(thread.id or "")
        assert [(past.prompt, [item.type for item in past.turn.items]) for past in stored.turns] == [
            ("Plot it.", ["dynamic_tool_call", "agent_message"]),
            ("Go on.", ["agent_message"]),
        ]
        assert [(listed.title, listed.turns) for listed in await client.list_threads(tmp_path / "work")] == [("Plot it.", 2)]
        await client.aclose()
