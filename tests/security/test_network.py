"""A lost connection is reported, and a turn ends when nothing comes from the model for its `network_timeout`."""

import copy
import os
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import anyio
import pytest

from codex_jupyter.sdk import (
    ApprovalRequest,
    Codex,
    CodexOptions,
    CommandExecutionItem,
    ItemStartedEvent,
    NetworkTimeoutError,
    ThreadErrorEvent,
    Turn,
    TurnBuilder,
    TurnTimeoutError,
)
from codex_jupyter.sdk.processes.network_activity import seconds_since_received
from codex_jupyter.sdk.transports import model_clock
from codex_jupyter.sdk.transports.model_clock import ModelClock
from codex_jupyter.sdk.transports.scripted import ScriptedTransport
from codex_jupyter.testing import ScriptedModel, delay, raw, shell, wait_for
from tests.notebook.conftest import Kernel
from tests.sdk.conftest import Real
from tests.sdk.support.fake import MakeFake
from tests.sdk.support.fake_server import fake_server

pytestmark = pytest.mark.anyio
TRANSPORTS = pytest.mark.parametrize("transport", ["exec", "app-server"])
LIMIT = 60.0
"""Seconds after which a turn that should have ended counts as hanging."""


@contextmanager
def listening(accepts: bool) -> Iterator[str]:
    """An address where a connection is accepted and never answered, or refused."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()

        def accept() -> None:
            with suppress(OSError):
                while True:
                    held.append(server.accept()[0])

        if accepts:
            threading.Thread(target=accept, daemon=True).start()
        else:
            server.close()
        yield f"http://{host}:{port}/v1"
    for connection in held:
        connection.close()


def elsewhere(model: ScriptedModel, url: str) -> dict[str, Any]:
    """The settings of a scripted model for another address, with the tries to connect that the CLI makes by default."""
    config = copy.deepcopy(model.config)
    config["model_providers"]["demo"]["base_url"] = url
    config["features"]["unbounded_connection_retries"] = True
    return config


def client(real: Real, url: str, transport: str) -> Codex:
    model = real.play([])
    return real.codex(model, config=elsewhere(model, url), transport=transport)


@TRANSPORTS
async def test_a_lost_connection_is_reported_within_30_seconds(real: Real, transport: str) -> None:
    with listening(accepts=False) as url:
        thread = client(real, url, transport).start_thread(working_directory=real.workspace, skip_git_repo_check=True)
        async with thread.run_streamed("go") as streamed:
            with anyio.fail_after(30):
                async for event in streamed.events:
                    if isinstance(event, ThreadErrorEvent) and event.message.startswith("Reconnecting..."):
                        break
            await streamed.interrupt()
    assert streamed.turn.warnings[-1].startswith("Reconnecting...")


@TRANSPORTS
@pytest.mark.parametrize("accepts", [True, False], ids=["never answers", "refuses"])
async def test_a_turn_ends_after_the_network_timeout(real: Real, transport: str, accepts: bool) -> None:
    """Without a user. The thread can be continued."""
    with listening(accepts) as url, anyio.fail_after(LIMIT):
        thread = client(real, url, transport).start_thread(working_directory=real.workspace, skip_git_repo_check=True)
        with pytest.raises(NetworkTimeoutError, match=r"for 2 seconds \(network_timeout\)") as caught:
            await thread.run("go", network_timeout=2)
    assert isinstance(caught.value, TurnTimeoutError)
    assert caught.value.turn is not None
    assert caught.value.turn.status == "timed_out"


@TRANSPORTS
async def test_a_model_that_falls_silent_ends_the_turn_and_what_it_did_is_kept(real: Real, transport: str) -> None:
    never = threading.Event()
    model = real.play([[shell("echo one"), [wait_for(never, LIMIT), "Never."]], "Again."])
    thread = real.codex(model, transport=transport).start_thread(working_directory=real.workspace, skip_git_repo_check=True)
    with anyio.fail_after(LIMIT), pytest.raises(NetworkTimeoutError) as caught:
        await thread.run("go", network_timeout=8)
    never.set()
    assert caught.value.turn is not None
    assert [item.type for item in caught.value.turn.items] == ["command_execution"]
    assert (await thread.run("again")).final_response == "Again."


@TRANSPORTS
async def test_without_a_timeout_a_silent_model_is_reported_and_the_turn_continues(
    real: Real, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The unit tests of the clock check that the notice comes after 20 seconds. Here it comes after 4."""
    monkeypatch.setattr(model_clock, "NOTICE", 4.0)
    with listening(accepts=True) as url:
        thread = client(real, url, transport).start_thread(working_directory=real.workspace, skip_git_repo_check=True)
        async with thread.run_streamed("go", network_timeout=0) as streamed:
            with anyio.fail_after(LIMIT):
                async for event in streamed.events:
                    if isinstance(event, ThreadErrorEvent) and event.message.startswith("No sign of the model"):
                        break
            assert streamed.turn.status == "in_progress"
            [warning] = streamed.turn.warnings
            assert re.fullmatch(r"No sign of the model for \d+ s\.", warning)
            await streamed.interrupt()
    assert list(streamed.turn.warnings) == []


@TRANSPORTS
async def test_a_long_command_is_not_silence_of_the_model(real: Real, transport: str) -> None:
    thread = real.codex(real.play([[shell("sleep 8", yield_time_ms=30_000), "Done."]]), transport=transport).start_thread(
        working_directory=real.workspace, skip_git_repo_check=True
    )
    turn = await thread.run("go", network_timeout=6)
    assert (turn.final_response, turn.warnings) == ("Done.", ())


async def test_a_model_that_thinks_without_an_event_is_alive(real: Real) -> None:
    """Over `exec`, bytes come and events do not."""
    parts = [part for _ in range(20) for part in (raw({"type": "unheard_of", "id": "x"}), delay(0.5))]
    thread = real.codex(real.play([[[*parts, "Done."]]])).start_thread(working_directory=real.workspace, skip_git_repo_check=True)
    turn = await thread.run("go", network_timeout=8)
    assert (turn.final_response, turn.warnings) == ("Done.", ())


ASKS = """
def turn():
    begin()
    tell(id=99, method="item/commandExecution/requestApproval", params=dict(threadId=THREAD, turnId=TURN, itemId="c9", command="x"))

def run():
    for line in sys.stdin:
        request = json.loads(line)
        if "method" not in request:
            message("Thanks.")
            end()
        elif "id" in request:
            answer(request)

run()
"""


async def test_the_answer_of_the_user_is_not_awaited_from_the_model(fake: MakeFake) -> None:
    """However long it takes: four times the timeout here."""

    async def answer(request: ApprovalRequest) -> Any:
        await anyio.sleep(2)
        return "accept"

    cli = fake_server(fake, ASKS)
    async with cli.codex(transport="app-server") as codex:
        thread = codex.start_thread(working_directory=cli.folder, skip_git_repo_check=True)
        turn = await thread.run("go", network_timeout=0.5, on_approval=answer)
    assert (turn.final_response, turn.warnings) == ("Thanks.", ())


@pytest.mark.integration  # it waits for seconds
async def test_a_transport_that_knows_no_network_ends_by_reports_only() -> None:
    lost = {"type": "error", "message": "Reconnecting... waiting for network"}
    message = {"type": "item.completed", "item": {"id": "item_0", "type": "agent_message", "text": "Hi!"}}
    done = {"type": "turn.completed", "usage": {}}
    codex = Codex(CodexOptions(), transport=ScriptedTransport([[1.0, message, done], [lost, 60.0, message, done]]))
    assert (await codex.start_thread().run("go", network_timeout=0.2)).final_response == "Hi!"
    with anyio.fail_after(LIMIT), pytest.raises(NetworkTimeoutError, match="the connection to the model was lost"):
        await codex.start_thread().run("go", network_timeout=0.2)


@pytest.mark.integration  # it waits for seconds
async def test_a_consumer_that_takes_its_time_does_not_use_up_the_timeout() -> None:
    """Events that came meanwhile are read first."""
    message = {"type": "item.completed", "item": {"id": "item_0", "type": "agent_message", "text": "Hi!"}}
    events: list[Any] = [{"type": "error", "message": "Reconnecting... 1/5"}, 0.01, message, {"type": "turn.completed", "usage": {}}]
    async with Codex(transport=ScriptedTransport([events])).start_thread().run_streamed("go", network_timeout=0.2) as streamed:
        async for _ in streamed.events:
            await anyio.sleep(0.5)
        assert (await streamed.wait()).final_response == "Hi!"


# --- the clock ---


LOST = (ThreadErrorEvent(message="Reconnecting... waiting for network (refused)"),)


def test_silence_is_reported_once_and_then_ends_the_turn() -> None:
    clock = ModelClock(300, 0.0)
    assert clock.due == 20
    assert looked(clock, 20) == "No sign of the model for 20 s. The turn is stopped after 300 s without one."
    assert clock.due == 300
    with pytest.raises(TimeoutError, match=r"nothing came from the model for 300 seconds \(network_timeout\)"):
        looked(clock, 300)


def looked(clock: ModelClock, now: float, quiet: float = 1e9, *, remote: float = 1e9, occupied: bool = False) -> str | None:
    """Look at a clock without a consumer that takes time."""
    return clock.look(now, occupied, lambda far: remote if far else quiet)


def test_a_byte_puts_the_end_off() -> None:
    clock = ModelClock(300, 0.0)
    assert looked(clock, 20, quiet=5) is None
    assert clock.due == 35
    assert looked(clock, 35, quiet=20) is not None
    assert looked(clock, 300, quiet=100) is None
    assert clock.due == 500


def test_work_of_the_agent_stops_the_clock() -> None:
    clock = ModelClock(300, 0.0)
    for now in (20, 40, 4000):
        assert looked(clock, now, occupied=True) is None
    assert clock.due == 4020


def test_while_the_connection_is_lost_only_a_later_byte_from_elsewhere_counts() -> None:
    clock = ModelClock(300, 0.0)
    clock.heard(LOST, 250)
    # The answer of a proxy belongs to the try that was reported; what a tool on this machine sends says nothing.
    with pytest.raises(TimeoutError, match="the connection to the model was lost"):
        looked(clock, 300, quiet=0, remote=50)
    assert looked(clock, 300, remote=10) is None
    assert clock.due == 590
    clock.heard((ItemStartedEvent(item=CommandExecutionItem(id="item_0", command="x")),), 400)
    assert clock.due == 420


def test_each_outage_is_one_message_however_often_the_cli_tries() -> None:
    builder = TurnBuilder()
    for number in range(1, 6):
        builder.apply(ThreadErrorEvent(message=f"Reconnecting... {number}/5 (refused)"))
    builder.apply(ThreadErrorEvent(message="No sign of the model for 20 s."))
    assert list(builder.turn.warnings) == ["Reconnecting... 5/5 (refused)", "No sign of the model for 20 s."]
    builder.apply(ThreadErrorEvent(message="something else"))
    builder.apply(ThreadErrorEvent(message="Reconnecting... 1/5 (refused)"))
    assert list(builder.turn.warnings) == ["Reconnecting... 5/5 (refused)", "something else", "Reconnecting... 1/5 (refused)"]


def test_a_received_byte_is_seen() -> None:
    """Where the system reports it: on Linux."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as ours:
        theirs, _ = server.accept()
        with theirs:
            theirs.send(b"x")
            assert ours.recv(1) == b"x"
            seconds = seconds_since_received(os.getpid())
            assert seconds is None or seconds < LIMIT


# --- in a cell ---


@pytest.mark.parametrize("how", ["", "--bg"])
def test_a_cell_ends_by_itself_and_shows_why(kernel: Kernel, real: Real, how: str) -> None:
    """Also in the background, where no one waits."""
    model = real.play([])
    with listening(accepts=False) as url:
        use(kernel, elsewhere(model, url), real.environment(model))
        kernel.execute("%config CodexMagics.network_timeout = 8")
        try:
            done = kernel.execute(f"%codex {how} hello\n%codex wait" if how else "%codex hello")
            shown = kernel.execute("%codex show").text
        finally:
            kernel.execute("%config CodexMagics.network_timeout = 300\n%codex demo off")
    if not how:
        assert done.error is not None
        assert "NetworkTimeoutError: The turn was stopped, because" in done.error
    assert "for 8 seconds (network_timeout)" in shown
    assert shown.count("Reconnecting...") == 1


def use(kernel: Kernel, config: Mapping[str, Any], env: Mapping[str, str]) -> None:
    code = f"client = codex_jupyter.Codex(transport='auto', config={dict(config)!r}, env={dict(env)!r})"
    assert kernel.execute(f"import codex_jupyter\n{code}\n%codex use client").error is None


def test_a_running_turn_shows_that_nothing_comes() -> None:
    """The last message stands below the items, not folded away."""
    from codex_jupyter.notebook.render import TurnInfo, footer_bundle

    turn = Turn(warnings=("No sign of the model for 20 s.",))
    html = footer_bundle(turn, TurnInfo())["text/html"]
    assert html.index("No sign of the model for 20 s.") < html.index("<details")
