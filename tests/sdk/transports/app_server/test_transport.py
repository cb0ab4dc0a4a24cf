"""The live transport: what only it can, and what may go wrong with a process that lives longer than a turn."""

import dataclasses
import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from codex_jupyter.sdk import (
    AgentMessageItem,
    ApprovalDecision,
    ApprovalRequest,
    CancellationToken,
    Codex,
    CommandExecutionItem,
    FileChangeItem,
    ItemUpdatedEvent,
    ProcessExitError,
    ThreadBusyError,
    Turn,
    TurnInterruptedError,
    UnsupportedOperationError,
)
from codex_jupyter.sdk.models.turn import TurnBuilder
from codex_jupyter.sdk.transports.app_server.approvals import reply_to, request_of
from codex_jupyter.sdk.transports.app_server.events import ServerEvents
from codex_jupyter.testing import edit_file, fail, plan, say, search, shell, think, wait_for, write_file
from tests.invented import NEWEST, TOO_OLD
from tests.processes import command_line
from tests.sdk.conftest import Real
from tests.sdk.support.differences import common
from tests.sdk.support.fake import FakeCli, wait_until

pytestmark = pytest.mark.anyio
RECORDINGS = sorted((Path(__file__).parents[3] / "recordings").glob("as_*.jsonl"))
FULL: dict[str, Any] = {"sandbox_mode": "danger-full-access"}


def command_lines(real: Real) -> list[str]:
    """Return the arguments of the running server."""
    return [" ".join(command_line(process)) for process in real.processes()]


def comparable(turn: Turn) -> dict[str, Any]:
    """A turn without its thread and its tokens. The id of a search is the model's over `exec`, and a number here."""
    items = [common(item) for item in turn.items]
    for item in items:
        item.pop("id" if item["type"] == "web_search" else "", None)
    return {"items": items, "status": turn.status, "error": turn.error, "answer": turn.final_response}


SCRIPTS: dict[str, list[Any]] = {
    "a message": ["Hello."],
    "reasoning": [[think("First this", "then that"), "Done."]],
    "a command": [[shell("echo out; exit 3")], "Done."],
    "two commands": [[shell("echo one")], [shell("echo two")], "Done."],
    "a new file": [[write_file("a.txt", "hello")], "Done."],
    "a changed file": [[write_file("a.txt", "hello\nyou")], [edit_file("a.txt", "hello", "bye")], "Done."],
    "a patch that fits nothing": [[edit_file("none.txt", "a", "b")], "Done."],
    "a search": [[search("weather")], "Done."],
    "a failure": [[fail(400, "refused", "invalid_request_error")]],
    "a long output": [[shell("seq 1 20000")], "Done."],
    "odd text": ['ünïcødé 🎉 \u2028 "quotes" \\ {braces}'],
}


@pytest.mark.parametrize("name", SCRIPTS)
async def test_a_turn_ends_alike_over_both_transports(real: Real, name: str) -> None:
    """For every kind of turn: the same items with the same fields, the same answer, the same error."""
    turns = []
    for transport in ("exec", "app-server"):
        model = real.play([SCRIPTS[name]])
        codex = real.codex(model, transport=transport)
        for file in real.workspace.iterdir():
            file.unlink()
        thread = codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True, **FULL)
        async with thread.run_streamed("go") as streamed:
            async for _ in streamed.events:
                pass
            turns.append(comparable(streamed.turn))
        await codex.aclose()
    assert turns[1] == turns[0]


async def test_a_plan_is_reported_as_over_exec(real: Real) -> None:
    """As one item whose steps are done one after the other."""
    script: list[Any] = [
        [[plan([("look", "in_progress"), ("do", "pending")])], [plan([("look", "completed"), ("do", "completed")])], "Done."]
    ]
    turns = []
    for transport in ("exec", "app-server"):
        codex = real.codex(real.play(script), transport=transport)
        thread = codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True, **FULL)
        turns.append(comparable(await thread.run("go")))
        await codex.aclose()
    assert turns[1] == turns[0]


async def test_text_is_reported_while_it_is_written(live: Real) -> None:
    """In growing states of one item, which its end replaces."""
    gate = threading.Event()
    thread = live.thread([[say("Hello ", chunks=["Hel", "lo "]), wait_for(gate), say("world")]])
    seen = []
    async with thread.run_streamed("go") as streamed:
        async for event in streamed.events:
            item = getattr(event, "item", None)
            if isinstance(item, AgentMessageItem):
                seen.append(item.text)
                if item.text == "Hello ":
                    gate.set()
    assert seen[0] in ("Hel", "Hello ")
    assert seen == sorted(seen, key=len) or seen[-1] == "world"


async def test_five_thousand_pieces_lose_nothing(live: Real) -> None:
    """They are gathered: the events are far fewer."""
    pieces = [f"{number} " for number in range(5_000)]
    thread = live.thread([[say("".join(pieces), chunks=pieces)]])
    updates = 0
    async with thread.run_streamed("go") as streamed:
        async for event in streamed.events:
            updates += isinstance(event, ItemUpdatedEvent)
    assert streamed.turn.final_response == "".join(pieces)
    assert updates < 1_000


async def test_an_interrupt_leaves_no_command_behind(live: Real) -> None:
    """The server itself would leave it running. The thread continues afterwards."""
    mark = "sleep 3011"
    codex = live.codex(live.play([[[shell(mark)], "never"], "After."]))
    thread = codex.start_thread(working_directory=live.workspace, skip_git_repo_check=True, **FULL)
    async with thread.run_streamed("go") as streamed:
        async for event in streamed.events:
            if event.type == "item.started":
                await streamed.interrupt()
                break
    assert streamed.turn.status == "interrupted"
    assert [item.status for item in streamed.turn.items if isinstance(item, CommandExecutionItem)] == ["interrupted"]
    wait_until(lambda: not any(mark in line for line in command_lines(live)), 3)
    assert (await thread.run("again")).final_response == "After."


ESCALATED = shell("echo escalated > made.txt", justification="I need it")


@pytest.mark.parametrize(
    ("decision", "status", "created"),
    [
        ("accept", "completed", True),
        ("accept_for_session", "completed", True),
        ("decline", "declined", False),
    ],
)
async def test_a_command_is_approved_or_not(live: Real, decision: Any, status: str, created: bool) -> None:
    """By a plain function."""
    asked: list[ApprovalRequest] = []

    def handler(request: ApprovalRequest) -> ApprovalDecision:
        asked.append(request)
        return decision  # type: ignore[no-any-return]

    thread = live.thread([[[ESCALATED], "Done."]])
    turn = await thread.run("go", on_approval=handler)
    (request,) = asked
    assert request.kind == "command"
    assert "echo escalated" in request.command
    assert request.reason == "I need it"
    assert request.cwd == str(live.workspace)
    assert [item.status for item in turn.items if isinstance(item, CommandExecutionItem)] == [status]
    assert (live.workspace / "made.txt").exists() == created
    assert turn.final_response == "Done."


async def test_without_a_handler_requests_are_declined(live: Real) -> None:
    """Without a handler nothing is asked; one that raises declines."""

    async def broken(_: ApprovalRequest) -> ApprovalDecision:
        raise RuntimeError

    thread = live.thread([[[ESCALATED], "One."], [[ESCALATED], "Two."]])
    assert (await thread.run("go")).final_response == "One."
    assert (await thread.run("go", on_approval=broken)).final_response == "Two."
    assert not (live.workspace / "made.txt").exists()


async def test_a_decision_can_stop_the_turn(live: Real) -> None:
    """`cancel` is a no, and the end."""
    thread = live.thread([[[ESCALATED], "never"]])
    with pytest.raises(TurnInterruptedError) as caught:
        await thread.run("go", on_approval=lambda _: "cancel")
    assert caught.value.turn is not None
    assert caught.value.turn.status == "interrupted"


async def test_a_patch_is_shown_before_it_is_approved(live: Real) -> None:
    """With its files and what it does."""
    asked: list[ApprovalRequest] = []

    async def handler(request: ApprovalRequest) -> ApprovalDecision:
        asked.append(request)
        return "accept"

    thread = live.thread([[[write_file("new.txt", "hello")], "Done."]])
    turn = await thread.run("go", on_approval=handler)
    assert [request.kind for request in asked] == ["file_change"]
    assert "hello" in asked[0].diff
    assert [Path(change.path).name for change in asked[0].changes] == ["new.txt"]
    assert [item.status for item in turn.items if isinstance(item, FileChangeItem)] == ["completed"]


async def test_an_interrupt_while_the_user_is_asked(live: Real) -> None:
    """Withdraws the question; the handler is not waited for."""
    thread = live.thread([[[ESCALATED], "never"]])
    asked, token = anyio.Event(), CancellationToken()

    async def handler(_: ApprovalRequest) -> ApprovalDecision:
        asked.set()
        await anyio.sleep_forever()
        return "accept"

    with anyio.fail_after(20):
        async with thread.run_streamed("go", on_approval=handler, cancellation=token) as streamed, anyio.create_task_group() as tasks:

            async def stop() -> None:
                await asked.wait()
                token.cancel()

            tasks.start_soon(stop)
            with pytest.raises(TurnInterruptedError):
                await streamed.wait()
    assert not (live.workspace / "made.txt").exists()


async def test_a_server_that_dies_in_a_turn_is_replaced(live: Real) -> None:
    """The turn that ran says so and keeps what it did; the next one takes the thread up again."""
    codex = live.codex(live.play(["First.", [[shell("sleep 3012")], "never"], "Third."]))
    thread = codex.start_thread(working_directory=live.workspace, skip_git_repo_check=True, **FULL)
    await thread.run("one")

    async def run_until_killed() -> None:
        async with thread.run_streamed("two") as streamed:
            async for event in streamed.events:
                if event.type == "item.started":
                    (server,) = [process for process in live.processes() if "app-server" in command_line(process)]
                    server.kill()

    with pytest.raises(ProcessExitError, match="app-server ended by signal 9") as caught:
        await run_until_killed()
    assert caught.value.turn is not None
    assert len(caught.value.turn.items) == 1
    assert (await thread.run("three")).final_response == "Third."


async def test_threads_are_unloaded(live: Real) -> None:
    """While the server runs, no one else can continue a thread. After `unload_threads`, everyone can, and so can this client."""
    model = live.play(["One.", "Two.", "Three."])
    codex = live.codex(model)
    thread = codex.start_thread(working_directory=live.workspace, skip_git_repo_check=True)
    await thread.run("one")
    assert thread.id is not None
    other = live.codex(model, transport="exec").resume_thread(thread.id, working_directory=live.workspace, skip_git_repo_check=True)
    with pytest.raises(ThreadBusyError):
        await other.run("two")
    await codex.unload_threads()
    assert (await other.run("two")).final_response == "Two."
    assert (await thread.run("three")).final_response == "Three."
    await codex.aclose()
    await codex.aclose()


async def test_the_sandbox_of_each_turn_holds(live: Real) -> None:
    """Given per turn; without one, the user's config.toml decides, else read-only."""
    thread = live.thread([[[shell("echo x > made.txt")], "Done."]] * 3)
    created = live.workspace / "made.txt"
    await thread.run("go")
    assert not created.exists()
    thread.options = thread.options.of(thread.options, FULL)
    await thread.run("go")
    assert created.exists()
    created.unlink()
    thread.options = thread.options.of(thread.options, {"sandbox_mode": "read-only"})
    await thread.run("go")
    assert not created.exists()


async def test_settings_of_a_thread_may_change_between_turns(live: Real) -> None:
    """Also those that the server takes with a thread only: it is taken up anew."""
    model = live.play(["One.", "Two.", "Three."])
    thread = live.codex(model).start_thread(working_directory=live.workspace, skip_git_repo_check=True)
    await thread.run("one")
    thread.options = thread.options.of(thread.options, {"config_overrides": ["model_verbosity='low'"], "model_reasoning_effort": "high"})
    await thread.run("two")
    assert model.requests[-1].body["reasoning"]["effort"] == "high"
    assert model.requests[-1].body["text"]["verbosity"] == "low"
    thread.options = thread.options.of(thread.options, {"config_overrides": [], "model_reasoning_effort": None})
    assert (await thread.run("three")).final_response == "Three."
    assert model.requests[-1].body["reasoning"]["effort"] != "high"


async def test_what_it_cannot_do_names_who_can(live: Real) -> None:
    """Before anything is sent."""
    model = live.play(["never"])
    impossible: list[dict[str, Any]] = [{"oss": True}, {"profile": "p"}, {"local_provider": "ollama"}]
    for options in impossible:
        thread = live.codex(model).start_thread(working_directory=live.workspace, skip_git_repo_check=True, **options)
        with pytest.raises(UnsupportedOperationError, match="Use the transport 'exec'"):
            await thread.run("go")
    assert model.requests == []


async def test_auto_takes_the_one_that_can(live: Real) -> None:
    """And hands a thread over when it must."""
    live.transport = "auto"
    model = live.play(["One.", "Two."])
    codex = live.codex(model)
    thread = codex.start_thread(working_directory=live.workspace, skip_git_repo_check=True)
    assert (await thread.run("one")).final_response == "One."
    thread.options = thread.options.of(thread.options, {"profile": None, "oss": False})
    await anyio.run_process(["git", "init", "-q", str(live.workspace)])
    turn = await thread.run("two", cyber_access_program="standard")
    assert turn.thread_id == thread.id


async def test_models_and_account_are_returned(live: Real) -> None:
    """As the CLI has them."""
    codex = live.codex(live.play(["x"]))
    assert any(model.name.startswith("gpt") for model in await codex.models())
    assert not (await codex.account()).login_required


async def test_a_thread_is_forked_while_it_is_in_use(live: Real) -> None:
    """The copy has its history."""
    model = live.play(["One.", "Forked."])
    codex = live.codex(model)
    thread = codex.start_thread(working_directory=live.workspace, skip_git_repo_check=True)
    await thread.run("the first prompt")
    assert thread.id is not None
    fork = await codex.fork_thread(thread.id, working_directory=live.workspace, skip_git_repo_check=True)
    assert fork.id != thread.id
    assert (await fork.run("go on")).final_response == "Forked."
    assert "the first prompt" in json.dumps(model.requests[-1].body)


SERVER = """
import json, os, time
def say(**message): print(json.dumps(message), flush=True)
def turn(**params): return {"threadId": THREAD, "turnId": "turn", **params}
THREAD = "01a20242-8628-7321-a7a2-39d20bd066f0"
for line in sys.stdin:
    message = json.loads(line)
    number, method = message.get("id"), message.get("method")
    if method == "initialize": say(id=number, result={"userAgent": "x/VERSION (y)"})
    elif method == "config/read": say(id=number, result={"config": {}})
    elif method in ("thread/start", "thread/resume"): say(id=number, result={"thread": {"id": THREAD}})
    elif method == "turn/start":
        say(id=number, result={"turn": {"id": "turn"}})
        BODY
    elif number is not None and method: say(id=number, result={})
"""


def server(body: str, version: str = NEWEST) -> str:
    return SERVER.replace("VERSION", version).replace("BODY", body.replace("\n", "\n        "))


DONE = 'say(method="turn/completed", params=turn(turn={"id": "turn", "status": "completed"}))'
MESSAGE = 'say(method="item/completed", params=turn(item={"type": "agentMessage", "id": "m", "text": "Hi"}))'

FOREIGN = (
    'say(method="item/completed", params={"threadId": THREAD, "turnId": "TURN", "item": {"type": "agentMessage", "id": "x", "text": "no"}})'
)
ODD_ITEMS = """
say(method="item/started", params=turn(item={"type": "commandExecution", "id": "c"}))
say(method="item/commandExecution/outputDelta", params=turn(itemId="c", delta=5))
say(method="item/completed", params=turn(item={"type": "newKind", "id": "n"}))"""


@pytest.mark.parametrize(
    "noise",
    [
        'print("no json"); print("[1, 2"); print("[]"); print("null"); print(""); sys.stdout.flush()',
        'say(method="future/thing", params=turn(a=1)); say(method="item/started", params=turn(item=None)); say(method="turn/completed")',
        'say(method="item/agentMessage/delta", params=turn(itemId="unknown", delta="lost")); say(id=999, result={})',
        FOREIGN.replace("TURN", "another"),
        FOREIGN.replace("THREAD", "'sub'").replace("TURN", "turn"),
        ODD_ITEMS,
        'say(id=7, method="item/permissions/requestApproval", params=turn(permissions={}))',
        'say(id=8, method="unheard/of", params=turn())\nassert "error" in json.loads(sys.stdin.readline())',
    ],
)
async def test_what_is_strange_does_no_harm(fake: Callable[..., FakeCli], noise: str) -> None:
    """The turn continues to its end."""
    cli = fake(server("\n".join([noise, MESSAGE, DONE])))
    async with Codex(codex_path_override=cli.path, env=cli.options["env"], transport="app-server") as codex:
        with anyio.fail_after(20):
            turn = await codex.start_thread().run("go")
    assert turn.final_response == "Hi"
    assert [item.type for item in turn.items if item.type == "agent_message"] == ["agent_message"]


@pytest.mark.parametrize("place", ["initialize", "thread/start", "turn/start", "started", "message", "asked"])
async def test_a_server_may_die_at_every_point(fake: Callable[..., FakeCli], place: str) -> None:
    """There is an error that says so, and no waiting."""
    bodies = {
        "started": 'say(method="turn/started", params=turn())\nos._exit(3)',
        "message": f"{MESSAGE}\nos._exit(3)",
        "asked": 'say(id=1, method="item/commandExecution/requestApproval", params=turn(itemId="c", command="x"))\nos._exit(3)',
    }
    text = server(bodies.get(place, DONE))
    if place not in bodies:
        text = text.replace(
            "number, method =",
            f"if message.get('method') == {place!r}: sys.stderr.write('boom'); sys.stderr.flush(); os._exit(3)\n    number, method =",
        )
    cli = fake(text)
    async with Codex(codex_path_override=cli.path, env=cli.options["env"], transport="app-server") as codex:
        with anyio.fail_after(20), pytest.raises(Exception, match=r"app-server (ended|did not start)"):
            await codex.start_thread().run("go", on_approval=lambda _: "accept")


async def test_an_old_server_is_refused(fake: Callable[..., FakeCli]) -> None:
    """With the transport that can use it; `auto` uses that."""
    cli = fake(server(DONE, TOO_OLD))
    async with Codex(codex_path_override=cli.path, env=cli.options["env"], transport="app-server") as codex:
        with pytest.raises(UnsupportedOperationError, match="Use the transport 'exec'"):
            await codex.start_thread().run("go")


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.stem)
def test_recordings_are_mapped(recording: Path) -> None:
    """Every turn on record becomes events that builder into a turn, without an unknown item; the answer is the last message."""
    turns: dict[str, tuple[ServerEvents, TurnBuilder]] = {}
    for line in recording.read_text().splitlines():
        message = json.loads(line).get("msg")
        if not isinstance(message, dict) or "method" not in message or json.loads(line).get("dir") != "recv":
            continue
        params = message.get("params") or {}
        turn_id = params.get("turnId") or (params.get("turn") or {}).get("id")
        if turn_id is None:
            continue
        events, builder = turns.setdefault(turn_id, (ServerEvents(), TurnBuilder()))
        if "id" in message:
            request = request_of(message["method"], params, events.raw.get(str(params.get("itemId"))))
            if message["method"] != "item/tool/call":
                assert request is not None
                assert reply_to(request, "decline")
            continue
        for event in events.take(message["method"], params):
            assert event.type != "unknown"
            builder.apply(event)
    for events, builder in turns.values():
        if events.ended == "completed":
            assert builder.turn.status == "completed"
            assert builder.turn.open_item_ids <= {item.id for item in builder.turn.items}
        if events.ended == "failed":
            assert builder.turn.error


@pytest.mark.parametrize(
    ("method", "params", "decision", "reply"),
    [
        ("item/commandExecution/requestApproval", {"command": "x"}, "accept", {"decision": "accept"}),
        ("item/commandExecution/requestApproval", {"command": "x"}, "accept_for_session", {"decision": "acceptForSession"}),
        (
            "item/commandExecution/requestApproval",
            {"command": "x", "proposedExecpolicyAmendment": ["git", "status"]},
            "accept_always",
            {"decision": {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["git", "status"]}}},
        ),
        ("item/fileChange/requestApproval", {}, "cancel", {"decision": "cancel"}),
        (
            "mcpServer/elicitation/request",
            {"_meta": {"codex_approval_kind": "mcp_tool_call", "persist": ["session"]}},
            "accept_for_session",
            {"action": "accept", "content": {}, "_meta": {"persist": "session"}},
        ),
        (
            "mcpServer/elicitation/request",
            {"requestedSchema": {"properties": {"name": {"type": "string"}}}},
            {"name": "Ada"},
            {"action": "accept", "content": {"name": "Ada"}},
        ),
        ("mcpServer/elicitation/request", {}, "decline", {"action": "decline", "content": None}),
        (
            "item/tool/requestUserInput",
            {"questions": [{"id": "q", "question": "Which?", "options": [{"label": "A"}]}]},
            {"q": "A"},
            {"answers": {"q": {"answers": ["A"]}}},
        ),
        ("item/permissions/requestApproval", {}, "decline", {"permissions": {}, "scope": "turn"}),
    ],
)
def test_a_decision_in_the_servers_words(method: str, params: Mapping[str, Any], decision: Any, reply: dict[str, Any]) -> None:
    """As the recordings have them."""
    request = request_of(method, params)
    assert request is not None
    assert reply_to(request, decision) == reply


def test_requests_are_values() -> None:
    """Frozen, and without the wire's words in their repr."""
    request = request_of("item/commandExecution/requestApproval", {"command": "x"})
    assert request is not None
    with pytest.raises(dataclasses.FrozenInstanceError):
        request.command = "y"  # type: ignore[misc]
    assert "requestApproval" not in repr(request)
