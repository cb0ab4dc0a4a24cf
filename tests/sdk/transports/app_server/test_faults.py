"""A server that dies, lies, or talks nonsense: a turn ends with a reason and keeps what it did, and the next one works."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from codex_jupyter.sdk import (
    ApprovalDecision,
    ApprovalRequest,
    Codex,
    CodexError,
    ItemUpdatedEvent,
    ProtocolError,
    Thread,
    TransportError,
    TurnCompletedEvent,
    TurnFailedError,
    TurnInterruptedError,
)
from codex_jupyter.sdk.transports.app_server import startup
from tests.sdk.support.fake import FakeCli, MakeFake, both_backends, until
from tests.sdk.support.fake_server import THREAD_ID, TURN_ID, fake_server

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def thread_of(cli: FakeCli) -> AsyncIterator[Thread]:
    """A thread on a server that is ended in the end."""
    async with cli.codex(transport="app-server") as codex:
        yield codex.start_thread(working_directory=cli.folder, skip_git_repo_check=True)


POINTS = [
    "asked initialize",
    "answered initialize",
    "asked config/read",
    "answered config/read",
    "asked thread/start",
    "answered thread/start",
    "asked turn/start",
    "answered turn/start",
    "begun",
    "item begun",
    "grown",
    "item ended",
    "asking",
]
LONG_TURN = """
def turn():
    begin(); die("begun")
    command(); die("item begun")
    output("half"); die("grown")
    command("completed", "half whole"); die("item ended")
    tell(id=99, method="item/commandExecution/requestApproval", params=dict(threadId=THREAD, turnId=TURN, itemId="c1")); die("asking")
    message("Hi!"); end()
run()
"""


@both_backends
@pytest.mark.parametrize("point", POINTS)
async def test_it_dies_at_any_point(fake: MakeFake, point: str) -> None:
    """The turn has an error with the exit code and all that it did; the next one starts the server anew."""
    cli = fake_server(fake, LONG_TURN, POINT=point)
    async with thread_of(cli) as thread:
        with anyio.fail_after(20), pytest.raises(TransportError, match="exit code 7") as caught:
            await thread.run("go")
        cli.await_file("died")
        items = caught.value.turn.items if caught.value.turn is not None else ()
        assert [item.model_dump().get("aggregated_output") for item in items] == {
            "item begun": [""],
            "grown": ["half"],
            "item ended": ["half whole"],
            "asking": ["half whole"],
        }.get(point, [])
        assert (await thread.run("on")).final_response == "Hi!"
    assert len(cli.records()) == 2


async def test_a_thread_whose_turn_was_lost_is_resumed(fake: MakeFake, tmp_path: Path) -> None:
    """By its id, after the crash."""
    cli = fake_server(
        fake,
        LONG_TURN.replace("run()", "")
        + """
first = answer
def answer(request):
    if request["method"].startswith("thread/"):
        record("thread", request["method"])
    first(request)
run()
""",
        POINT="grown",
        CODEX_HOME=str(tmp_path),
    )
    # The real CLI stores a thread when its first turn starts. It replaces one that it has not stored.
    stored = tmp_path / "sessions" / "2026" / "01" / "02"
    stored.mkdir(parents=True)
    (stored / f"rollout-2026-01-02T00-00-00-{THREAD_ID}.jsonl").touch()
    async with thread_of(cli) as thread:
        with pytest.raises(TransportError):
            await thread.run("go")
        assert thread.id == THREAD_ID
        await thread.run("on")
    assert cli.records("thread") == ["thread/start", "thread/resume"]


@pytest.mark.integration
async def test_servers_that_start_at_once_in_a_new_codex_home_all_start(tmp_path: Path) -> None:
    """The real CLI: each of them creates the databases, and those that come second exit."""
    env = {**os.environ, "CODEX_HOME": str(tmp_path)}

    async def ask() -> None:
        async with Codex(env=env, transport="app-server") as codex:
            assert await codex.request("config/read", {"cwd": str(tmp_path)})

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(ask)


async def test_a_server_that_never_gets_the_databases_ends_with_its_reason(fake: MakeFake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "START_DELAY", 0.0)
    cli = fake('import sys; record("start", 1); sys.exit("failed to initialize state runtime at /home/user/.codex")')
    async with thread_of(cli) as thread:
        with pytest.raises(TransportError, match="initialize state runtime"):
            await thread.run("go")
    assert len(cli.records("start")) == startup.START_ATTEMPTS


async def test_nonsense_between_the_messages_does_no_harm(fake: MakeFake) -> None:
    """Lines that are not JSON, not an object, half of an object, or of an unknown method."""
    body = """
    def turn():
        write(b"garbage\\n\\n[1, 2]\\n\\xff\\xfe\\nnull\\n{\\"half\\": \\n")
        tell(method="item/started"); tell(method="item/started", params=None); tell(method="item/started", params=[1])
        tell(id=12345, result={}); tell(id="x", result={}); tell(foo=1); tell(method=5)
        begin()
        note("item/started", item=None); note("item/completed", item=[1])
        note("item/started", item=dict(type="commandExecution"))
        note("item/agentMessage/delta"); note("item/agentMessage/delta", itemId="none", delta=7)
        note("brand/new", x=1); note("turn/plan/updated", plan=[3, dict(step=None)]); note("error", error="what")
        note("thread/tokenUsage/updated", tokenUsage=dict(total=dict(inputTokens="x")))
        change("completed", dict(type="fileChange", id="f", changes=[dict(path=1, kind=None)], status=5))
        change("started", dict(type="brandNew", id="n"))
        change("completed", dict(type="mcpToolCall", id="t", result=5, error="e", status="completed"))
        write(b"\\xef\\xbb\\xbf"); message("Hi!"); end()
    run()
    """
    async with thread_of(fake_server(fake, body)) as thread:
        turn = await thread.run("go")
    assert turn.final_response == "Hi!"
    assert turn.status == "completed"


@pytest.mark.parametrize("time", ["10 ** 400", "10 ** 20", "-(10 ** 16)", "1e30", "float('nan')", "float('inf')", "'now'", "True"])
async def test_a_time_that_does_not_exist_is_unknown(fake: MakeFake, time: str) -> None:
    """The rest of the message counts: the command, the answer, and the end of the turn."""
    body = f"""
    def turn():
        T = {time}
        tell(method="turn/started", params=dict(threadId=THREAD, turn=dict(id=TURN, startedAt=T)))
        change("started", dict(type="commandExecution", id="c", command="x", status="inProgress", startedAtMs=T))
        change("completed", dict(type="commandExecution", id="c", command="x", status="completed", completedAtMs=T))
        note("account/rateLimits/updated", rateLimits=dict(primary=dict(usedPercent=5, resetsAt=T)))
        message("Hi!")
        end_of_turn = dict(id=TURN, status="completed", startedAt=T, completedAt=T, durationMs=5)
        tell(method="turn/completed", params=dict(threadId=THREAD, turn=end_of_turn))
    run()
    """
    async with thread_of(fake_server(fake, body)) as thread:
        turn = await thread.run("go")
    assert (turn.status, turn.final_response, turn.warnings) == ("completed", "Hi!", ())
    assert [item.type for item in turn.items] == ["command_execution", "agent_message"]
    assert (turn.items[0].started_at, turn.started_at, turn.completed_at, turn.duration) == (None, None, None, 0.005)
    assert turn.rate_limits is not None
    assert turn.rate_limits.primary is not None
    assert turn.rate_limits.primary.resets_at is None


async def test_a_turn_that_ends_in_an_unknown_form_has_ended(fake: MakeFake) -> None:
    """It does not run for ever, and it is not completed."""
    body = """
    def turn():
        begin(); message("Hi!"); tell(method="turn/completed", params=dict(threadId=THREAD, turnId=TURN, turn="done"))
    run()
    """
    async with thread_of(fake_server(fake, body)) as thread:
        with pytest.raises(CodexError, match="without reporting its end") as ended:
            await thread.run("go", timeout=20)
    assert ended.value.turn is not None
    assert ended.value.turn.final_response == "Hi!"


@pytest.mark.parametrize("answers", ["[]", "None", "5"])
@pytest.mark.parametrize("method", ["thread/start", "turn/start", "config/read"])
async def test_an_answer_in_an_unknown_form_is_an_error(fake: MakeFake, method: str, answers: str) -> None:
    """Of the package's own kind, not an accident."""
    body = f"""
    first = answer
    def answer(request):
        if request["method"] == {method!r}:
            tell(id=request["id"], result={answers})
        else:
            first(request)
    run()
    """
    async with thread_of(fake_server(fake, body)) as thread:
        with pytest.raises(TransportError):
            await thread.run("go", timeout=10)


@pytest.mark.parametrize("agent", ["{}", "dict(userAgent='fake')", "None"])
async def test_a_server_without_a_version_is_refused(fake: MakeFake, agent: str) -> None:
    """And ended."""
    body = f"""
    def answer(request):
        tell(id=request["id"], result={agent})
    run()
    """
    async with thread_of(fake_server(fake, body)) as thread:
        with pytest.raises(ProtocolError, match=r"version|unknown form"):
            await thread.run("go")


async def test_a_server_that_says_nothing_is_given_up(fake: MakeFake, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while."""
    monkeypatch.setattr("codex_jupyter.sdk.transports.app_server.startup.HANDSHAKE_TIMEOUT", 0.5)
    async with thread_of(fake_server(fake, "stay()")) as thread:
        with pytest.raises(TransportError, match="did not answer initialize within"):
            await thread.run("go")


async def test_replies_come_in_any_order(fake: MakeFake) -> None:
    """Each finds its request."""
    body = """
    import itertools
    waiting = []
    first = answer
    def answer(request):
        if request["method"] == "model/list":
            waiting.append(request)
            if len(waiting) == 3:
                for one in reversed(waiting):
                    tell(id=one["id"], result=dict(data=[dict(model=str(one["id"]))]))
        else:
            first(request)
    run()
    """
    cli = fake_server(fake, body)
    seen: list[str] = []
    async with cli.codex(transport="app-server") as codex:
        await codex.account()

        async def ask() -> None:
            seen.append((await codex.models())[0].name)

        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(ask)
    assert len(set(seen)) == 3


async def test_every_request_of_the_server_is_answered(fake: MakeFake) -> None:
    """Known or not, about this thread or another, during a turn or after it: by a refusal."""
    body = """
    METHODS = ["item/commandExecution/requestApproval", "item/fileChange/requestApproval", "item/tool/requestUserInput",
        "mcpServer/elicitation/request", "item/permissions/requestApproval", "item/tool/call", "account/chatgptAuthTokens/refresh",
        "attestation/generate", "currentTime/read", "applyPatchApproval", "execCommandApproval", "brand/new"]
    def turn():
        begin()
        for number, method in enumerate(METHODS):
            tell(id=number, method=method, params=dict(threadId=THREAD, turnId=TURN))
            tell(id=100 + number, method=method, params=dict(threadId="another"))
            tell(id="s%d" % number, method=method)
        for _ in zip(range(3 * len(METHODS)), requests_or_answers()): pass
        message("Hi!"); end()
        tell(id=999, method=METHODS[0], params=dict(threadId=THREAD, turnId=TURN))
    def requests_or_answers():
        for line in sys.stdin:
            request = json.loads(line)
            if "method" not in request:
                record("answer%s" % request["id"], request)
                yield request
    run()
    """
    cli = fake_server(fake, body)
    async with thread_of(cli) as thread:
        with anyio.fail_after(20):
            await thread.run("go")
            await until(lambda: cli.records("answer999"))
    answers = cli.records("answer*")
    assert len(answers) == 37
    refused = {record["id"]: record for record in answers}
    assert refused[0]["result"] == refused[100]["result"] == {"decision": "decline"}
    assert refused[3]["result"]["action"] == "decline"
    assert refused[5]["result"]["success"] is False
    assert refused[11]["error"]["code"] == -32601
    assert refused[999]["result"] == {"decision": "decline"}


def refuse_to_be_asked(request: ApprovalRequest) -> ApprovalDecision:
    raise AssertionError(f"asked for {request.kind}")


ASK = 'tell(id=999, method="item/fileChange/requestApproval", params=dict(threadId=THREAD, turnId=TURN))'


async def test_a_request_between_the_end_of_a_turn_and_its_leaving_is_refused(fake: MakeFake) -> None:
    """Then no one is asked."""
    cli = fake_server(fake, f"def turn(): begin(); end(); wait('ended'); {ASK}; touch('asked')\nrun()")
    async with thread_of(cli) as thread:
        async with thread.run_streamed("go", on_approval=refuse_to_be_asked) as streamed:
            async for event in streamed.events:
                if isinstance(event, TurnCompletedEvent):
                    cli.release("ended")
                    cli.await_file("asked")
                    await anyio.sleep(0.1)  # it is in the turn's inbox then
        await until(lambda: cli.records("answer999"))
    assert cli.records("answer999")[0]["result"] == {"decision": "decline"}
    assert streamed.turn.warnings == ()


async def test_a_request_after_an_interrupt_is_refused(fake: MakeFake) -> None:
    """Then no one is asked, either."""
    body = f"""
    def turn():
        begin()
        for line in sys.stdin:
            heard = json.loads(line)
            if heard.get("method") == "turn/interrupt":
                tell(id=heard["id"], result=dict()); {ASK}
            elif heard["id"] == 999:
                record("answer999", heard); end("interrupted")
                break
    run()
    """
    cli = fake_server(fake, body)
    async with thread_of(cli) as thread, thread.run_streamed("go", on_approval=refuse_to_be_asked) as streamed:
        with anyio.fail_after(20):
            await streamed.interrupt()
    assert cli.records("answer999")[0]["result"] == {"decision": "decline"}
    assert streamed.turn.warnings == ()


async def test_five_thousand_increments_are_one_message(fake: MakeFake) -> None:
    """Changes that come faster than they are read are merged."""
    body = """
    def turn():
        begin(); message("", "started")
        for number in range(5000):
            delta("%d " % number)
        end()
    run()
    """
    async with thread_of(fake_server(fake, body)) as thread:
        with anyio.fail_after(20):
            async with thread.run_streamed("go") as streamed:
                count = len([event async for event in streamed.events if isinstance(event, ItemUpdatedEvent)])
    # The end of the item was lost; what has come of it is kept.
    assert streamed.turn.final_response == "".join(f"{number} " for number in range(5000))
    assert count < 5000
    assert streamed.turn.open_item_ids == frozenset()


async def test_a_flood_of_output_keeps_its_end(fake: MakeFake) -> None:
    """While the command runs; nothing grows without bound."""
    body = """
    def turn():
        begin(); command()
        for number in range(300):
            output(str(number % 10) * 8000)
        end()
    run()
    """
    async with thread_of(fake_server(fake, body)) as thread:
        turn = await thread.run("go")
    output = turn.items[0].model_dump()["aggregated_output"]
    assert output.endswith("9" * 8000)
    assert len(output) <= 2 * 64 * 1024
    assert turn.items[0].model_dump()["status"] == "interrupted"


async def test_what_others_do_on_the_connection_is_not_taken_for_ours(fake: MakeFake) -> None:
    """Sub-agents have threads of their own, and an earlier turn may still say something."""
    body = """
    def turn():
        begin(); mine = (THREAD, TURN)
        for thread, turn in (("sub-agent", TURN), (THREAD, "earlier")):
            for method in ("item/started", "item/completed"):
                tell(method=method, params=dict(threadId=thread, turnId=turn, item=dict(type="agentMessage", id="m1", text="not mine")))
            tell(method="item/agentMessage/delta", params=dict(threadId=thread, turnId=turn, itemId="m1", delta="not mine"))
            tell(method="turn/completed", params=dict(threadId=thread, turn=dict(id=turn, status="failed")))
        message("Mine."); end()
    run()
    """
    async with thread_of(fake_server(fake, body)) as thread:
        turn = await thread.run("go")
    assert [item.model_dump()["text"] for item in turn.items] == ["Mine."]


async def test_what_a_helper_may_do_is_asked_of_the_turn_that_it_works_for(fake: MakeFake) -> None:
    """Threads that the thread itself started count, at any depth."""
    body = """
    def turn():
        begin()
        tell(method="thread/started", params=dict(thread=dict(id="sub", parentThreadId=THREAD)))
        wanted = dict(threadId="sub", turnId="x", itemId="y", command="sub-command")
        tell(id=7, method="item/commandExecution/requestApproval", params=wanted)
        for line in sys.stdin:
            request = json.loads(line)
            if "method" not in request:
                record("answer", request); break
        message("Hi!"); end()
    run()
    """
    cli = fake_server(fake, body)
    asked: list[str | None] = []

    async def handler(request: Any) -> ApprovalDecision:
        asked.append(request.command)
        return "accept"

    async with thread_of(cli) as thread:
        await thread.run("go", on_approval=handler)
    assert asked == ["sub-command"]
    assert cli.records("answer")[0]["result"] == {"decision": "accept"}


async def test_an_interrupt_that_comes_too_early_is_sent_again(fake: MakeFake) -> None:
    """The server refuses it before it has started the turn."""
    body = """
    interrupts = []
    def turn(): pass
    first = answer
    def answer(request):
        if request["method"] == "turn/interrupt":
            interrupts.append(1)
            if len(interrupts) < 3:
                tell(id=request["id"], error=dict(code=-32600, message="no active turn")); return
        first(request)
    run()
    """
    async with thread_of(fake_server(fake, body)) as thread, thread.run_streamed("go") as streamed:
        await anext(streamed.events)
        with anyio.fail_after(5):
            await streamed.interrupt()
        with pytest.raises(TurnInterruptedError):
            await streamed.wait()


async def test_a_turn_that_somebody_else_stops_was_interrupted(fake: MakeFake) -> None:
    """Such as in another program."""
    body = """
    def turn():
        begin(); message("Half."); end("interrupted")
    run()
    """
    async with thread_of(fake_server(fake, body)) as thread:
        with pytest.raises(TurnInterruptedError, match="another client") as caught:
            await thread.run("go")
    assert caught.value.turn is not None
    assert caught.value.turn.final_response == "Half."


async def test_no_error_shows_a_secret(fake: MakeFake) -> None:
    """Neither a warning, nor the end."""
    body = """
    def turn():
        begin()
        note("error", error=dict(message="bad key sk-secret-one", additionalDetails="sk-secret-one!"), willRetry=True)
        end("failed", dict(message="no: sk-secret-one"))
    run()
    """
    cli = fake_server(fake, body)
    async with cli.codex(transport="app-server", api_key="sk-secret-one") as codex:
        with pytest.raises(TurnFailedError) as caught:
            await codex.start_thread(working_directory=cli.folder, skip_git_repo_check=True).run("go")
    assert caught.value.turn is not None
    assert (str(caught.value), caught.value.turn.warnings) == ("no: ***", ("bad key *** (***!)",))
    assert "sk-secret-one" not in json.dumps(cli.argv)


async def test_cancelling_while_the_turn_is_being_started_ends_it(fake: MakeFake) -> None:
    """It would otherwise run where no one sees it."""
    body = """
    first = answer
    def answer(request):
        if request["method"] == "turn/start":
            touch("starting"); wait("go"); tell(id=request["id"], result=dict(turn=dict(id=TURN)))
        elif request["method"] == "turn/interrupt":
            record("interrupt", request["params"]); first(request)
        else:
            first(request)
    run()
    """
    cli = fake_server(fake, body)
    async with thread_of(cli) as thread:
        with anyio.move_on_after(10) as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(thread.run, "go")
                await anyio.to_thread.run_sync(cli.await_file, "starting")
                tasks.cancel_scope.cancel()
        assert not scope.cancelled_caught
        cli.release("go")
        await until(lambda: cli.records("interrupt"))
    assert cli.records("interrupt") == [{"threadId": THREAD_ID, "turnId": TURN_ID}]


async def test_no_refusal_and_no_failed_start_shows_a_secret(fake: MakeFake) -> None:
    """Neither a key, nor a secret among the overrides."""
    refusing = """
    first = answer
    def answer(request):
        if request["method"] == "thread/start":
            tell(id=request["id"], error=dict(code=-32600, message="not with sk-secret-one"))
        else:
            first(request)
    run()
    """
    dying = "sys.stderr.write('no: sk-secret-one'); sys.stderr.flush(); os._exit(3)"
    for body in (refusing, dying):
        cli = fake_server(fake, body)
        async with cli.codex(transport="app-server", api_key="sk-secret-one") as codex:
            with pytest.raises(TransportError) as caught:
                await codex.start_thread(working_directory=cli.folder, skip_git_repo_check=True).run("go")
        assert "sk-secret-one" not in str(caught.value)
        assert "***" in str(caught.value)
    cli = fake_server(fake, refusing)
    async with cli.codex(transport="app-server") as codex:
        overrides = ['mcp_servers.docs.env.API_TOKEN="sk-secret-one"']
        with pytest.raises(TransportError, match=r"not with \*\*\*"):
            await codex.start_thread(working_directory=cli.folder, skip_git_repo_check=True, config_overrides=overrides).run("go")
