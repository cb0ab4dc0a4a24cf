"""A stopped turn of the real CLI leaves no process, in any sandbox, although its commands try to hide."""

import json
import subprocess
import sys
import textwrap

import pytest

from codex_jupyter.sdk import CommandExecutionItem, ProcessExitError
from codex_jupyter.sdk.processes.process_tree import MARKER
from codex_jupyter.testing import ScriptedModel, shell
from tests.codex_home import used_home
from tests.processes import name_of
from tests.sdk.conftest import Real, SentSignals
from tests.sdk.support.fake import both_backends, wait_until
from tests.sdk.support.stopping import Stop, by_interrupt, by_leaving_the_block, every_stop

pytestmark = pytest.mark.anyio

COMMANDS = {
    "plain": ("sleep 300", 1),
    "own session": ("setsid sleep 300 & setsid -w sleep 300", 2),
    "deaf": ("trap '' INT TERM HUP; sleep 300; sleep 300", 1),
    "daemon": ("(nohup sh -c 'sleep 300; sleep 300' >/dev/null 2>&1 &); (setsid sh -c 'sleep 300 & sleep 300' &); sleep 300", 4),
}
"""Commands, and how many `sleep`s of theirs run at once."""


@pytest.mark.parametrize("sandbox", ["read-only", "workspace-write", "danger-full-access"])
@every_stop
@pytest.mark.usefixtures("patient")
async def test_every_stop_ends_every_command(real: Real, stop: Stop, sandbox: str, signals: SentSignals) -> None:
    """In each sandbox. The thread can be continued."""
    model = real.play([[[shell(COMMANDS["daemon"][0])]], "Back again"])
    thread = real.thread(model, sandbox_mode=sandbox)
    stopped = await stop(thread, lambda: real.sleeps() == 4)
    assert real.processes() == []
    assert signals.names == ["SIGINT"]
    assert stopped.turn.status in ("interrupted", "timed_out")
    (command,) = [item for item in stopped.turn.items if isinstance(item, CommandExecutionItem)]
    assert command.status == "interrupted"
    assert (await thread.run("again")).final_response == "Back again"


@both_backends
@pytest.mark.parametrize("kind", COMMANDS)
@pytest.mark.usefixtures("patient")
async def test_no_command_hides_from_a_stop(real: Real, kind: str, signals: SentSignals) -> None:
    """Without a sandbox nothing but us keeps them together."""
    thread = real.thread([[[shell(COMMANDS[kind][0])]]], sandbox_mode="danger-full-access")
    await by_leaving_the_block(thread, lambda: real.sleeps() == COMMANDS[kind][1])
    assert real.processes() == []
    assert signals.names == ["SIGINT"]


async def test_commands_bear_the_mark_of_their_turn(real: Real) -> None:
    """The environment reaches them through the CLI."""
    turn = await real.thread([[shell("env"), "Done."]]).run("go")
    (command,) = [item for item in turn.items if isinstance(item, CommandExecutionItem)]
    assert f"{MARKER}=" in command.aggregated_output


async def test_another_turn_is_not_touched(real: Real) -> None:
    """Marks and trees are those of one turn."""
    model = real.play([[[shell("sleep 300")]], [[shell("sleep 300")]]])
    first, second = (real.thread(model, sandbox_mode="danger-full-access") for _ in range(2))
    async with first.run_streamed("one") as streamed:
        async for event in streamed.events:
            if event.type == "item.started":
                break
        before = {process.pid for process in real.processes()}
        await by_interrupt(second, lambda: True)
        assert {process.pid for process in real.processes()} == before


async def test_a_turn_waiting_for_the_model_is_stopped(real: Real) -> None:
    """Nothing has to come for a stop to be seen."""
    model = ScriptedModel([], codex_home=used_home(real.folder / "home"))
    with model:
        config = model.config | {"features": {"plugins": False, "unbounded_connection_retries": True}}
        thread = real.codex(model, config=config).start_thread(working_directory=real.workspace, skip_git_repo_check=True)
    # The server is closed: the CLI waits for the network for ever.
    with pytest.raises(TimeoutError):
        await thread.run("go", timeout=1)
    assert real.processes() == []


def test_the_end_of_the_interpreter_stops_its_turns(real: Real) -> None:
    """In the middle of a turn, from a thread that no one joins. No process stays, and nothing is printed."""
    model = real.play([[[shell(COMMANDS["daemon"][0])]]])
    script = """
        import contextlib, json, sys, threading, anyio
        from codex_jupyter.sdk import Codex
        settings, busy = json.loads(sys.stdin.readline()), threading.Event()

        async def main():
            thread = Codex(config=settings["config"], env=settings["env"]).start_thread(
                sandbox_mode="danger-full-access", working_directory=settings["folder"], skip_git_repo_check=True)
            async with thread.run_streamed("go") as streamed:
                async for event in streamed.events:
                    if event.type == "item.started":
                        busy.set()

        def run():
            with contextlib.suppress(BaseException):  # that its turn ends is what this is about
                anyio.run(main)

        threading.Thread(target=run, daemon=True).start()
        assert busy.wait(30)
        print("busy", flush=True)
        sys.stdin.readline()
    """
    settings = {"config": model.config, "env": real.environment(model), "folder": str(real.workspace)}
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdin=pipe, stdout=pipe, stderr=pipe, text=True) as python:
        assert python.stdin is not None
        assert python.stdout is not None
        print(json.dumps(settings), file=python.stdin, flush=True)
        assert python.stdout.readline() == "busy\n"
        wait_until(lambda: real.sleeps() == 4)
        _, errors = python.communicate("", timeout=60)
    assert (python.returncode, errors) == (0, "")
    assert real.processes() == []


async def test_a_cli_that_somebody_kills_leaves_nothing(real: Real) -> None:
    """Its commands are found by their mark, and ended."""
    thread = real.thread([[[shell("setsid sleep 300 & sleep 300")]]], sandbox_mode="danger-full-access")
    async with thread.run_streamed("go") as streamed:
        async for event in streamed.events:
            if event.type == "item.started":
                break
        wait_until(lambda: real.sleeps() == 2)
        next(process for process in real.processes() if name_of(process).startswith("codex")).kill()
        with pytest.raises(ProcessExitError, match="signal 9"):
            await streamed.wait()
    assert real.processes() == []
