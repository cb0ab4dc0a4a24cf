"""The transport app-server with the real CLI: what it adds, and what it must not leave behind."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest
from packaging.version import Version
from PIL import Image

from codex_jupyter.sdk import (
    AgentMessageItem,
    Codex,
    CommandExecutionItem,
    ConfigError,
    IncompleteTurnError,
    InputError,
    ItemStartedEvent,
    ItemUpdatedEvent,
    LocalImageInput,
    NotTrustedDirectoryError,
    ProcessExitError,
    TextInput,
    Thread,
    ThreadBusyError,
    ThreadNotFoundError,
    TransportName,
    Turn,
    UnsupportedOperationError,
    Usage,
)
from codex_jupyter.sdk.rollouts import stored_usage
from codex_jupyter.sdk.transports.app_server import history
from codex_jupyter.sdk.transports.auto import AutoTransport
from codex_jupyter.testing import Script, ScriptedModel, say, shell, think, wait_for, write_file
from tests.catalogue import DEFAULT, DIRECT
from tests.processes import command_line, name_of
from tests.sdk.conftest import Real, SentSignals
from tests.sdk.support.fake import THREAD_ID, both_backends, until, wait_until

pytestmark = pytest.mark.anyio


def serve(real: Real, script: Any, **options: Any) -> tuple[Codex, Thread]:
    real.transport = "app-server"
    return client(real, script, **options)


def client(real: Real, script: Any, **options: Any) -> tuple[Codex, Thread]:
    """A client with the transport of the test, and a thread in the workspace."""
    codex = real.codex(script if isinstance(script, ScriptedModel) else real.play(script))
    return codex, codex.start_thread(**{"working_directory": real.workspace, "skip_git_repo_check": True, **options})


def auto(real: Real, script: Any) -> tuple[AutoTransport, Thread]:
    real.transport = "auto"
    codex, thread = client(real, script)
    assert isinstance(codex.transport, AutoTransport)
    return codex.transport, thread


def server(real: Real) -> psutil.Process:
    """Return the one server that runs."""
    (running,) = [process for process in real.processes() if "app-server" in command_line(process) and name_of(process).startswith("codex")]
    return running


# What grows


@both_backends
async def test_a_message_grows_while_it_is_said(real: Real) -> None:
    """Each increment has all of it so far; the last is the message."""
    _, thread = serve(real, [[say("one two three four", pace=0.3)]])
    async with thread.run_streamed("go") as streamed:
        texts = [
            event.item.text
            async for event in streamed.events
            if isinstance(event, ItemUpdatedEvent) and isinstance(event.item, AgentMessageItem)
        ]
    assert texts[0] in ("one ", "one two ", "one two three ")
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    assert streamed.turn.final_response == "one two three four"


async def test_output_appears_while_the_command_runs(real: Real) -> None:
    """And is replaced by the whole output in the end."""
    _, thread = serve(real, [[shell("for i in 1 2 3 4; do echo line $i; sleep 0.4; done"), "Done."]])
    async with thread.run_streamed("go") as streamed:
        seen = [
            event.item.aggregated_output
            async for event in streamed.events
            if isinstance(event, ItemUpdatedEvent) and isinstance(event.item, CommandExecutionItem)
        ]
    assert seen
    assert "line" in seen[0]
    (command,) = [item for item in streamed.turn.items if isinstance(item, CommandExecutionItem)]
    assert command.aggregated_output == "line 1\nline 2\nline 3\nline 4\n"


# Steering and stopping


@both_backends
async def test_a_running_turn_is_steered(real: Real) -> None:
    """The model gets the new words within the same turn."""
    model = real.play([[shell("sleep 1"), "One."], "Steered."])
    _, thread = serve(real, model)
    async with thread.run_streamed("go") as streamed:
        async for event in streamed.events:
            if event.type == "item.started":
                await streamed.steer("rather this")
                break
        turn = await streamed.wait()
        with pytest.raises(UnsupportedOperationError, match="does not run"):
            await streamed.steer("too late")
    assert turn.final_response == "Steered."
    assert model.requests[-1].prompts == ["go", "rather this"]


async def test_what_cannot_be_steered_says_so(real: Real) -> None:
    """A turn of `codex exec`, an image, and a turn that was interrupted."""
    real.transport = "exec"
    async with real.thread([[shell("sleep 30"), "One."]]).run_streamed("go") as streamed:
        await anext(streamed.events)
        with pytest.raises(UnsupportedOperationError, match="Use the transport 'app-server'"):
            await streamed.steer("rather this")
    image = real.folder / "a.png"
    Image.new("RGB", (4, 4)).save(image)
    _, thread = serve(real, [[shell("sleep 30")]])
    async with thread.run_streamed("go") as streamed:
        async for event in streamed.events:
            if event.type == "item.started":
                break
        with pytest.raises(InputError, match="Only text"):
            await streamed.steer([LocalImageInput(path=image)])
        await streamed.interrupt()
        with pytest.raises(UnsupportedOperationError, match="does not run"):
            await streamed.steer("too late")


@pytest.mark.parametrize("sandbox", ["read-only", "workspace-write", "danger-full-access"])
async def test_an_interrupt_leaves_no_command(real: Real, sandbox: str) -> None:
    """Although they try to hide. The server and the thread continue."""
    daemon = "(nohup sh -c 'sleep 300; sleep 300' >/dev/null 2>&1 &); (setsid sh -c 'sleep 300 & sleep 300' &); sleep 300"
    _, thread = serve(real, [[shell(daemon)], "Back."], sandbox_mode=sandbox)
    async with thread.run_streamed("go") as streamed:
        async for event in streamed.events:
            if event.type == "item.started":
                break
        await until(lambda: real.sleeps() == 4)
        pid = server(real).pid
        await streamed.interrupt()
        wait_until(lambda: real.sleeps() == 0, 1)
    assert server(real).pid == pid
    assert (await thread.run("on")).final_response == "Back."


def command_of(thread_id: str) -> subprocess.Popen[bytes]:
    """A process that looks like a command of a thread."""
    return subprocess.Popen(["sleep", "300"], env={"CODEX_THREAD_ID": thread_id})


async def test_an_interrupt_as_a_command_starts_leaves_no_process(real: Real) -> None:
    """The server may start it although the turn is over; it is known by the thread's id, and other threads keep theirs."""
    _, thread = serve(real, [[shell("sleep 300")] for _ in range(12)])
    for number in range(12):
        async with thread.run_streamed("go") as streamed:
            async for event in streamed.events:
                if event.type == "turn.started":
                    break
            await anyio.sleep(number * 0.01)
            if number == 11:
                late, other = map(command_of, (thread.id or "", "other"))
            await streamed.interrupt()
        assert real.sleeps() == 0
    assert late.wait(1) == -signal.SIGKILL
    assert other.poll() is None
    other.kill()
    other.wait()


async def test_a_server_that_does_not_obey_is_stopped(real: Real) -> None:
    """An interrupt ends the turn in any case."""
    _, thread = serve(real, [[shell("sleep 300")], "Back."])
    async with thread.run_streamed("go") as streamed:
        async for event in streamed.events:
            if event.type == "item.started":
                break
        server(real).suspend()
        with anyio.fail_after(20):
            await streamed.interrupt()
    assert streamed.turn.status == "interrupted"
    assert real.sleeps() == 0
    assert (await thread.run("on")).final_response == "Back."


# One process


async def test_eight_turns_run_at_once_on_one_process(real: Real) -> None:
    """Each gets what is its own."""
    model = real.play([[say(f"Answer {number} of all.", pace=0.02)] for number in range(8)])
    codex = real.codex(model, transport="app-server")
    answers: list[str] = []

    async def one(number: int) -> None:
        thread = codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True)
        answers.append((await thread.run(f"prompt {number}")).final_response)

    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(one, number)
    assert sorted(answers) == [f"Answer {number} of all." for number in range(8)]
    assert server(real)


@pytest.mark.usefixtures("patient")
async def test_nothing_runs_before_the_first_turn_and_after_the_close(real: Real, signals: SentSignals) -> None:
    """In a session of its own meanwhile. It ends with its input, without a signal."""
    codex, thread = serve(real, ["One.", "Two."])
    assert real.processes() == []
    await thread.run("go")
    assert os.getsid(server(real).pid) == server(real).pid
    await codex.aclose()
    assert real.processes() == []
    assert signals == []
    assert (await thread.run("on")).final_response == "Two."


def test_it_goes_with_its_parent(real: Real) -> None:
    """Killed in the middle of a turn: the pipe ends, and so do the server and its commands."""
    model = real.play([[shell("sleep 300")]])
    script = """
        import json, sys, anyio
        from codex_jupyter.sdk import Codex
        settings = json.loads(sys.stdin.readline())

        async def main():
            codex = Codex(config=settings["config"], env=settings["env"], transport="app-server")
            thread = codex.start_thread(working_directory=settings["folder"], skip_git_repo_check=True, sandbox_mode="danger-full-access")
            async with thread.run_streamed("go") as streamed:
                async for event in streamed.events:
                    if event.type == "item.started":
                        print("busy", flush=True)

        anyio.run(main)
    """
    settings = {"config": model.config, "env": real.environment(model), "folder": str(real.workspace)}
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdin=pipe, stdout=pipe, text=True) as python:
        assert python.stdin is not None
        assert python.stdout is not None
        print(json.dumps(settings), file=python.stdin, flush=True)
        assert python.stdout.readline() == "busy\n"
        wait_until(lambda: real.sleeps() == 1)
        python.send_signal(signal.SIGKILL)
    wait_until(lambda: not real.processes(), 5)


def test_the_end_of_the_interpreter_ends_it(real: Real) -> None:
    """Without a close, and without a word."""
    model = real.play(["One."])
    script = """
        import json, sys, anyio
        from codex_jupyter.sdk import Codex
        settings = json.loads(sys.stdin.readline())
        codex = Codex(config=settings["config"], env=settings["env"], transport="app-server")
        thread = codex.start_thread(working_directory=settings["folder"], skip_git_repo_check=True)
        assert anyio.run(thread.run, "go").final_response == "One."
    """
    settings = {"config": model.config, "env": real.environment(model), "folder": str(real.workspace)}
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        input=json.dumps(settings) + "\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert real.processes() == []


@both_backends
async def test_a_thread_continues_after_a_crash(real: Real) -> None:
    """The turn that was lost keeps what it did; the next starts the server anew, with the history."""
    model = real.play(["One.", [[say("Begun.", phase="commentary"), shell("sleep 300")]], "Three."])
    _, thread = serve(real, model)
    await thread.run("first")
    async with thread.run_streamed("second") as streamed:
        async for event in streamed.events:
            if isinstance(event, ItemStartedEvent) and isinstance(event.item, CommandExecutionItem):
                break
        server(real).kill()
        with pytest.raises(ProcessExitError, match=r"by signal 9 .*starts another server") as caught:
            await streamed.wait()
    assert caught.value.turn is not None
    assert caught.value.turn.status == "failed"
    assert [item.type for item in caught.value.turn.items] == ["agent_message", "command_execution"]
    assert (await thread.run("third")).final_response == "Three."
    assert model.requests[-1].prompts == ["first", "second", "third"]
    assert real.sleeps() == 0


async def test_it_can_be_used_from_one_event_loop_after_another(real: Real) -> None:
    """As programs do that call `anyio.run` for each turn."""
    _, thread = serve(real, ["One.", "Two."])
    assert (await anyio.to_thread.run_sync(lambda: anyio.run(thread.run, "go"))).final_response == "One."
    assert (await thread.run("on")).final_response == "Two."


# Threads


async def test_a_thread_goes_from_one_transport_to_the_other(real: Real) -> None:
    """By its id, once the server has unloaded it. Before that, the other client gets an error that it is taken."""
    model = real.play(["One.", "Two.", "Three.", "Four."])
    codex, thread = serve(real, model)
    await thread.run("first")
    real.transport = "exec"
    other = real.thread(model, thread.id)
    with pytest.raises(ThreadBusyError):
        await other.run("second")
    await codex.unload_threads()
    await other.run("second")
    await thread.run("third")
    assert model.requests[-1].prompts == ["first", "second", "third"]
    assert [summary.id for summary in await codex.list_threads(real.workspace)] == [thread.id]


async def test_threads_are_not_unloaded_while_a_turn_runs(real: Real) -> None:
    """The call is refused. It does not wait for the turn."""
    codex, thread = serve(real, [[shell("sleep 300")]])
    async with thread.run_streamed("go") as streamed:
        await anext(streamed.events)
        with pytest.raises(ThreadBusyError):
            await codex.unload_threads()


async def test_auto_stays_with_the_server_that_holds_the_thread(real: Real) -> None:
    """A turn without a consumer runs over exec, unless the server has loaded the thread."""
    model = real.play(["One.", "Two.", "Three."])
    transport, thread = auto(real, model)
    await thread.run("first")
    assert (await transport.choice()) == ("exec", "the turn is not streamed and has no approval handler and no tools")
    async with thread.run_streamed("second") as streamed:
        await streamed.wait()
    assert (await transport.choice()) == ("app-server", "it streams text, asks for approvals, and can be steered")
    await thread.run("third")
    assert (await transport.choice()) == ("app-server", "it has loaded the thread")
    assert model.requests[-1].prompts == ["first", "second", "third"]


async def test_auto_gives_a_thread_to_exec_for_options_that_only_it_knows(real: Real) -> None:
    """The server unloads the thread."""
    home = real.folder / "home"
    model = real.play(["One.", "Two."])
    (home / "quick.config.toml").write_text("")
    transport, thread = auto(real, model)
    async with thread.run_streamed("first") as streamed:
        await streamed.wait()
    thread.options = thread.options.model_copy(update={"profile": "quick"})
    async with thread.run_streamed("second") as streamed:
        assert (await streamed.wait()).final_response == "Two."
    assert (await transport.choice()) == ("exec", "only the transport 'exec' supports profile")
    assert model.requests[-1].prompts == ["first", "second"]


@pytest.mark.parametrize("transport", ["exec", "app-server"])
async def test_overrides_hold_for_a_thread_that_is_taken_up_again(real: Real, transport: str) -> None:
    """A thread that the server resumes would otherwise continue with the model of the config."""
    real.transport = transport
    model = real.play(["One.", "Two."])
    first, thread = client(real, model, config_overrides=(f"model='{DIRECT}'",))
    await thread.run("go")
    await first.aclose()
    assert thread.id is not None
    await real.codex(model).resume_thread(thread.id, thread.options).run("go on")
    assert [request.body["model"] for request in model.requests] == [DIRECT] * 2


async def test_options_of_a_turn_hold_for_that_turn(real: Real) -> None:
    """As with exec: what is not given again is what the config says."""
    model = real.play([[shell("touch a.txt"), "One."], [shell("touch b.txt; sleep 0.3"), "Two."], "Three."])
    _, thread = serve(real, model, sandbox_mode="workspace-write", model=DIRECT, model_reasoning_effort="low")
    await thread.run("first")
    thread.options = thread.options.model_copy(update={"sandbox_mode": None, "model": None, "model_reasoning_effort": None})
    await thread.run("second")
    assert sorted(path.name for path in real.workspace.iterdir()) == ["a.txt"]
    assert (model.requests[0].body["model"], model.requests[-1].body["model"]) == (DIRECT, DEFAULT)
    assert model.requests[0].body["reasoning"]["effort"] == "low"
    assert model.requests[-1].prompts[-1] == "second"


@pytest.mark.parametrize("options", [{"sandbox_mode": "danger-full-access"}, {"config_overrides": ("sandbox_mode='workspace-write'",)}])
@pytest.mark.parametrize("folder", [".", "inner/most", "inner/..", "../link"])
async def test_no_trust_is_written_into_the_config(real: Real, folder: str, options: dict[str, Any]) -> None:
    """Not for a new thread, nor a resumed or forked one; the server would do it for a repository that it may write to."""
    await anyio.run_process(["git", "init", "-q", str(real.workspace)])
    (real.workspace / "inner" / "most").mkdir(parents=True)
    (real.folder / "link").symlink_to(real.workspace)
    config = real.folder / "home" / "config.toml"
    model = real.play(["One.", "Two.", "Three."])
    config.write_text(mine := "# Mine\nmodel_verbosity = 'low'\n")
    codex, thread = serve(real, model, skip_git_repo_check=False, working_directory=real.workspace / folder, **options)
    await thread.run("first")
    await codex.unload_threads()
    await thread.run("second")
    fork = await codex.fork_thread(thread.id or "", thread.options)
    await fork.run("third")
    assert config.read_text() == mine


async def test_a_folder_that_is_trusted_stays_so(real: Real) -> None:
    """Its own settings are read."""
    await anyio.run_process(["git", "init", "-q", str(real.workspace)])
    (real.workspace / ".codex").mkdir()
    (real.workspace / ".codex" / "config.toml").write_text(f'model = "{DIRECT}"\n')
    model = real.play(["One."])
    (real.folder / "home").mkdir(exist_ok=True)
    (real.folder / "home" / "config.toml").write_text(f'[projects."{real.workspace}"]\ntrust_level = "trusted"\n')
    _, thread = serve(real, model, sandbox_mode="workspace-write")
    await thread.run("first")
    assert model.requests[-1].body["model"] == DIRECT


async def test_a_folder_without_a_repository_is_refused(real: Real) -> None:
    """As over exec, unless an option says otherwise."""
    _, thread = serve(real, ["One."], skip_git_repo_check=False, working_directory=Path("/usr"))
    with pytest.raises(NotTrustedDirectoryError):
        await thread.run("go")
    assert real.processes() == []


async def test_a_thread_that_is_not_there_says_so(real: Real) -> None:
    """By the same error as with exec."""
    real.transport = "app-server"
    with pytest.raises(ThreadNotFoundError):
        await real.thread([], THREAD_ID).run("go")
    with pytest.raises(ThreadNotFoundError, match="no such thread"):
        await real.codex(real.play([]), transport="app-server").read_thread(THREAD_ID)


async def test_the_last_turns_are_taken_back(real: Real, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model does not see them any more, and the CLI does not complain about the way in which turns are read."""
    monkeypatch.setattr(history, "PAGE", 1)
    model = real.play(["One.", "Two.", "Three.", "Four."])
    codex, thread = serve(real, model)
    for prompt in ("first", "second", "third"):
        await thread.run(prompt)
    await thread.revert(2)
    stored = await codex.read_thread(thread.id or "")
    assert [(turn.prompt, turn.turn.final_response) for turn in stored.turns] == [("first", "One.")]
    turn = await thread.run("fourth")
    assert model.requests[-1].prompts == ["first", "fourth"]
    assert [getattr(item, "text", item) for item in turn.items] == ["Four."]
    for turns in (3, 0, -1):
        with pytest.raises(ConfigError, match="1 to 2"):
            await thread.revert(turns)
    assert len((await codex.read_thread(thread.id or "")).turns) == 2


async def test_a_thread_with_a_running_turn_is_neither_taken_back_nor_summed_up(real: Real) -> None:
    gate = threading.Event()
    _, thread = serve(real, real.play(["One.", [[wait_for(gate), "Two."]]]))
    await thread.run("first")
    try:
        async with thread.run_streamed("second"):
            for change in (thread.revert, thread.compact):
                with pytest.raises(ThreadBusyError, match="A turn of this thread runs"):
                    await change()
    finally:
        gate.set()


async def test_a_thread_of_which_turns_were_taken_back_is_one_thread(real: Real) -> None:
    """In the list, in the count of its tokens, and in a fork, also after several times."""
    codex, thread = serve(real, ["One.", "Two.", "Three.", "Four.", "Five.", "Six."])
    first = await thread.run("first")
    second = await thread.run("second")
    (before,) = await codex.list_threads(everywhere=True)
    await thread.revert()
    assert stored_usage(real.folder / "home", thread.id or "") == first.thread_usage
    third = await thread.run("third")
    assert third.usage == total(third) - total(first)
    assert total(third).total_tokens < total(first).total_tokens + total(second).total_tokens
    await thread.revert(2)
    fourth = await thread.run("fourth")
    assert fourth.usage is None  # the server reports nothing of a thread without turns
    fifth = await thread.run("fifth")
    await thread.revert()
    (listed,) = await codex.list_threads(everywhere=True)
    assert (listed.id, listed.title, listed.turns, listed.created) == (thread.id, "fourth", 1, before.created)
    fork = await codex.fork_thread(thread.id or "", working_directory=real.folder, skip_git_repo_check=True)
    sixth = await fork.run("sixth")
    assert sixth.usage == total(sixth) - total(fourth)
    assert total(fifth) != total(fourth)
    assert {(summary.id, summary.title, summary.turns) for summary in await codex.list_threads(everywhere=True)} == {
        (thread.id, "fourth", 1),
        (fork.id, "fourth", 2),
    }


def total(turn: Turn) -> Usage:
    assert turn.thread_usage is not None
    return turn.thread_usage


async def test_a_thread_is_summed_up(real: Real) -> None:
    """The next request has the summary in place of the history."""
    model = real.play(["One.", "Two."])
    _, thread = serve(real, model)
    await thread.run("first")
    await thread.compact()
    await thread.run("second")
    assert "One." not in str(model.requests[-1].input)


async def test_auto_takes_turns_back_and_sums_up_a_thread_over_the_server(real: Real) -> None:
    model = real.play(["One.", "Two.", "Three.", "Four."])
    _, thread = auto(real, model)
    await thread.run("first")
    await thread.run("second")
    await thread.revert()
    await thread.run("third")
    assert model.requests[-1].prompts == ["first", "third"]
    await thread.compact()
    await thread.run("fourth")
    assert "One." not in str(model.requests[-1].input)


async def test_a_stored_thread_is_read_whole(real: Real) -> None:
    """With its commands and changes; also one of exec."""
    script: Script = [[[think("Hm"), shell("echo out")], write_file("a.txt", "a\n"), "Done."]]
    thread = real.thread(script, sandbox_mode="workspace-write")
    turn = await thread.run("Please do")
    model = real.play([])
    stored = await real.codex(model, transport="auto").read_thread(thread.id or "")
    assert (stored.title, stored.working_directory) == ("Please do", real.workspace)
    (summary,) = stored.turns
    assert summary.prompt == "Please do"
    assert summary.turn.status == "completed"
    assert sorted(item.type for item in summary.turn.items) == sorted(item.type for item in turn.items)
    assert summary.turn.final_response == "Done."


async def test_models_and_account_are_returned(real: Real) -> None:
    """One model is the default. Hidden models come on request."""
    codex, thread = serve(real, ["Hi."])
    await thread.run("go")
    models = await codex.models()
    assert sum(model.is_default for model in models) == 1
    assert all(model.name and model.display_name and model.efforts and not model.hidden for model in models)
    hidden = await codex.models(hidden=True)
    assert {model.name for model in models} < {model.name for model in hidden}
    assert hidden[0].details["model"] == hidden[0].name
    assert (await codex.account()).account is None


async def test_what_exec_cannot_do_names_what_can(real: Real) -> None:
    """Every such method."""
    real.transport = "exec"
    codex, thread = client(real, ["One."])
    await thread.run("go")
    for method in (thread.revert, thread.compact):
        with pytest.raises(UnsupportedOperationError, match="Use the transport 'app-server'"):
            await method()
    await codex.unload_threads()


async def test_what_only_exec_knows_names_it(real: Real) -> None:
    """Options that the server has no word for."""
    _, thread = serve(real, ["One."], profile="quick")
    with pytest.raises(UnsupportedOperationError, match="Use the transport 'exec'"):
        await thread.run("go")


# What is sent


async def test_the_key_reaches_the_provider_and_no_file(real: Real) -> None:
    """Nor the commands of the agent."""
    model = real.play([[shell("echo key:$CODEX_API_KEY:"), "Done."]])
    config = {name: value for name, value in model.config.items() if not name.startswith("model")}
    codex = Codex(config=config, env=real.environment(model), transport="app-server", api_key=model.token, base_url=model.url)
    real.servers.append(codex)
    turn = await codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True).run("go")
    assert {request.headers["authorization"] for request in model.requests} == {f"Bearer {model.token}"}
    assert not (real.folder / "home" / "auth.json").exists()
    assert turn.items[0].model_dump()["aggregated_output"] == "key::\n"


async def test_images_and_schema_are_sent(real: Real) -> None:
    """As with exec."""
    image = real.folder / "a,b.png"
    Image.new("RGB", (4, 4)).save(image)
    model = real.play(['{"a": 1}'])
    _, thread = serve(real, model)
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
    turn = await thread.run([TextInput(text="Look"), LocalImageInput(path=image)], output_schema=schema)
    assert turn.parsed == {"a": 1}
    assert len(model.requests[-1].images) == 1
    assert model.requests[-1].body["text"]["format"]["schema"] == schema


async def test_a_bad_config_is_reported(real: Real) -> None:
    """With the reason."""
    _, thread = serve(real, ["One."], config_overrides=("approval_policy=5",))
    with pytest.raises(ConfigError, match="approval_policy"):
        await thread.run("go")


async def test_more_folders_may_be_written(real: Real) -> None:
    """Besides the working directory."""
    other = real.folder / "other"
    other.mkdir()
    _, thread = serve(real, [[shell(f"touch {other}/x"), "One."]], sandbox_mode="workspace-write", additional_directories=[other])
    await thread.run("go")
    assert (other / "x").exists()


async def test_an_ephemeral_thread_is_not_stored(real: Real) -> None:
    """There is nothing to list."""
    codex, thread = serve(real, ["One."], ephemeral=True)
    assert (await thread.run("go")).final_response == "One."
    assert await codex.list_threads(everywhere=True) == []


# Versions


async def test_a_version_that_was_not_tested_is_left_to_exec(real: Real, monkeypatch: pytest.MonkeyPatch) -> None:
    """By `auto`, which reports it once. A caller that asks for the server gets it, with a warning."""
    monkeypatch.setattr("codex_jupyter.sdk.executable.version.TESTED", (Version("0.1"), Version("0.2")))
    transport, thread = auto(real, ["One.", "Two.", "Three."])
    name, reason = await transport.choice()
    assert name == "exec"
    assert "outside of the range" in reason
    assert (await thread.run("nobody watches")).warnings == ()
    for warnings in ((f"Without live text and questions: {reason}.",), ()):
        async with thread.run_streamed("go") as streamed:
            assert (await streamed.wait()).warnings == warnings
    assert (await transport.choice()) == ("exec", reason)
    _, thread = serve(real, ["One.", "Two."])
    first, second = await thread.run("go"), await thread.run("on")
    assert "use the transport 'exec'" in first.warnings[0]
    assert second.warnings == ()


async def test_a_server_that_lacks_a_method_is_refused(real: Real, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any turn; auto takes exec."""
    monkeypatch.setattr("codex_jupyter.sdk.executable.version.TESTED", (Version("0.1"), Version("0.2")))
    monkeypatch.setattr("codex_jupyter.sdk.transports.app_server.startup.REQUIRED_METHODS", ("thread/start", "thread/dance"))
    _, thread = serve(real, ["One."])
    with pytest.raises(UnsupportedOperationError, match="it lacks thread/dance"):
        await thread.run("go")
    assert real.processes() == []


async def test_auto_continues_without_a_server_that_does_not_start(real: Real, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says why."""

    def start(*_: object) -> None:
        raise IncompleteTurnError("It fell over.")

    monkeypatch.setattr("codex_jupyter.sdk.transports.app_server.pool.start_server", start)
    transport, thread = auto(real, ["One."])
    async with thread.run_streamed("go") as streamed:
        assert (await streamed.wait()).final_response == "One."
    assert (await transport.choice()) == ("exec", "the app-server does not start: It fell over.")


async def test_every_transport_locates_the_same_executable(real: Real) -> None:
    """Whichever it is."""
    model = real.play([])
    names: tuple[TransportName, ...] = ("exec", "app-server", "auto")
    assert len({(await real.codex(model, transport=name).locate()).path for name in names}) == 1
