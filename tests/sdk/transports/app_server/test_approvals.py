"""Questions of the agent over the app-server: each answer has its effect, and a missing answer is a refusal."""

import asyncio
import json
import sys
import threading
from pathlib import Path
from typing import Any

import anyio
import pytest

from codex_jupyter.sdk import (
    ApprovalDecision,
    ApprovalHandler,
    ApprovalRequest,
    CommandExecutionItem,
    InvalidDecisionError,
    McpToolCallItem,
    Thread,
    Turn,
    TurnInterruptedError,
    TurnTimeoutError,
    UnsupportedOperationError,
)
from codex_jupyter.sdk.transports.app_server.approvals import reply_to, request_of
from codex_jupyter.testing import ScriptedModel, call, mcp, patch, shell, write_file
from tests.catalogue import DIRECT
from tests.sdk.conftest import Real
from tests.sdk.support import mcp_server
from tests.sdk.support.fake import both_backends, wait_until

pytestmark = pytest.mark.anyio

ASKS = shell("echo done > asked.txt", justification="It must be outside.")


def thread(real: Real, script: Any, **options: Any) -> Thread:
    config = options.pop("config", {})
    model = script if isinstance(script, ScriptedModel) else real.play(script)
    codex = real.codex(model, transport="app-server", config=config)
    options = {"working_directory": real.workspace, "skip_git_repo_check": True, "sandbox_mode": "read-only", **options}
    return codex.start_thread(**options)


class Answers:
    """A handler that notes what it is asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.requests: list[ApprovalRequest] = []

    def __call__(self, request: ApprovalRequest) -> Any:
        self.requests.append(request)
        return self.answers.pop(0)


def commands(turn: Turn) -> list[str]:
    return [item.status for item in turn.items if isinstance(item, CommandExecutionItem)]


@both_backends
@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_a_command_that_is_accepted_runs(real: Real, kind: str) -> None:
    """The request says what it is about; the answer may come from a function of either kind."""
    seen: list[ApprovalRequest] = []

    def sync_handler(request: ApprovalRequest) -> ApprovalDecision:
        seen.append(request)
        return "accept"

    async def async_handler(request: ApprovalRequest) -> ApprovalDecision:
        await anyio.sleep(0.01)
        seen.append(request)
        return "accept"

    handler: ApprovalHandler = sync_handler if kind == "sync" else async_handler
    turn = await thread(real, [[[ASKS], "Done."]]).run("go", on_approval=handler)
    assert commands(turn) == ["completed"]
    assert (real.workspace / "asked.txt").read_text() == "done\n"
    (request,) = seen
    assert request.kind == "command"
    assert request.item_id == turn.items[0].id
    assert request.command is not None
    assert "asked.txt" in request.command
    assert (request.cwd, request.reason, request.thread_id) == (str(real.workspace), "It must be outside.", turn.thread_id)
    assert request.choices[:2] == ("accept", "accept_for_session")
    assert request.choices[-2:] == ("decline", "cancel")


async def test_a_command_that_is_declined_does_not_run(real: Real) -> None:
    """The model is informed, and the turn continues."""
    model = real.play([[[ASKS], "Pity."]])
    turn = await thread(real, model).run("go", on_approval=Answers("decline"))
    assert commands(turn) == ["declined"]
    assert turn.final_response == "Pity."
    assert not (real.workspace / "asked.txt").exists()
    assert "reject" in str(model.requests[-1].input)


@both_backends
@pytest.mark.parametrize("answer", [None, False, True, "yes", "acept", "accept ", "accept_always", {"q": "A"}, ["accept"]], ids=repr)
async def test_a_handler_that_returns_no_decision_raises_and_nothing_runs(real: Real, answer: Any) -> None:
    """The error names what was returned and what can be; the turn stops, and the next one of the thread runs."""
    conversation = thread(real, [[[write_file("asked.txt", "x")], "never"], "Back."])
    with pytest.raises(InvalidDecisionError) as caught:
        await conversation.run("go", on_approval=Answers(answer))
    assert str(caught.value).startswith(f"The approval handler returned {answer!r}, which is not a decision on this request")
    assert "'accept', 'accept_for_session', 'decline', 'cancel'." in str(caught.value)
    assert caught.value.turn is not None
    assert caught.value.turn.thread_id == conversation.id
    assert not (real.workspace / "asked.txt").exists()
    assert (await conversation.run("on")).final_response == "Back."


@pytest.mark.parametrize("answer", [None, "accept", {}])
async def test_an_answer_to_a_form_is_a_mapping_or_a_no(real: Real, answer: Any) -> None:
    """A form is not granted by a word; an empty mapping leaves a field out that is needed."""
    with pytest.raises(InvalidDecisionError, match="'decline', 'cancel', or a mapping with all required answers"):
        await thread(real, [[[mcp("desk", "ask", {})], "never"]], config=desk()).run("go", on_approval=Answers(answer))


class Unprintable(Exception):
    """An error that cannot describe itself."""

    def __str__(self) -> str:
        raise ValueError("no text")


async def test_a_handler_that_fails_declines_and_says_so(real: Real) -> None:
    """A bug in a handler does not grant anything."""

    def broken(_request: ApprovalRequest) -> ApprovalDecision:
        raise LookupError("no idea")

    turn = await thread(real, [[[ASKS], "Pity."]]).run("go", on_approval=broken)
    assert commands(turn) == ["declined"]
    assert turn.warnings == ("The approval handler failed, so the request was declined: LookupError: no idea",)


@pytest.mark.parametrize("kind", [SystemExit, asyncio.CancelledError, Unprintable])
@pytest.mark.parametrize("is_async", [True, False])
async def test_a_handler_that_ends_by_any_exception_declines_and_the_turn_continues(real: Real, kind: type, is_async: bool) -> None:
    def plain(_request: ApprovalRequest) -> ApprovalDecision:
        raise kind

    async def awaited(_request: ApprovalRequest) -> ApprovalDecision:
        raise kind

    turn = await thread(real, [[[ASKS], "Pity."]]).run("go", on_approval=awaited if is_async else plain)
    assert commands(turn) == ["declined"]
    assert turn.final_response == "Pity."
    assert kind.__name__ in turn.warnings[0]


async def test_without_a_handler_nothing_is_asked(real: Real) -> None:
    """As with `codex exec`: the model is refused at once, under any policy."""
    turn = await thread(real, [[[ASKS], "Pity."]], approval_policy="on-request").run("go")
    assert commands(turn) == ["refused"]
    assert turn.final_response == "Pity."
    assert not (real.workspace / "asked.txt").exists()


async def test_a_policy_among_the_overrides_counts(real: Real) -> None:
    """As a handler of the config does: `never` asks no one."""
    handler = Answers()
    turn = await thread(real, [[[ASKS], "Pity."]], config_overrides=("approval_policy='never'",)).run("go", on_approval=handler)
    assert (commands(turn), handler.requests) == (["refused"], [])


async def test_a_cancel_ends_the_turn(real: Real) -> None:
    """No part of it runs any more. The thread can be continued."""
    conversation = thread(real, [[[ASKS], "never"], "Back."])
    with pytest.raises(TurnInterruptedError, match="by a decision") as caught:
        await conversation.run("go", on_approval=Answers("cancel"))
    assert isinstance(caught.value.turn, Turn)
    assert caught.value.turn.status == "interrupted"
    assert commands(caught.value.turn) == ["declined"]
    assert (await conversation.run("on")).final_response == "Back."


async def test_for_the_session_means_once(real: Real) -> None:
    """A command is not asked about a second time."""
    handler = Answers("accept_for_session")
    turn = await thread(real, [[[ASKS], [ASKS], "Done."]]).run("go", on_approval=handler)
    assert commands(turn) == ["completed", "completed"]
    assert len(handler.requests) == 1


async def test_for_good_is_offered_and_written_where_it_says(real: Real) -> None:
    """As a rule in CODEX_HOME."""
    handler = Answers("accept_always")
    script = [[[shell("git --version", justification="It must be outside.")], "Done."]]
    await thread(real, script, model=DIRECT).run("go", on_approval=handler)
    assert "accept_always" in handler.requests[0].choices
    assert handler.requests[0].rule == ("git", "--version")
    assert "git" in (real.folder / "home" / "rules" / "default.rules").read_text()


async def test_a_change_of_files_is_asked_about_with_its_diff(real: Real) -> None:
    """Nothing is written before."""
    written: list[bool] = []
    path = real.workspace / "new.txt"

    def handler(request: ApprovalRequest) -> ApprovalDecision:
        written.append(path.exists())
        assert request.kind == "file_change"
        assert [(Path(change.path), change.kind) for change in request.changes] == [(path, "add")]
        assert "hello" in request.diff
        return "accept"

    turn = await thread(real, [[[write_file("new.txt", "hello\n")], "Done."]]).run("go", on_approval=handler)
    assert turn.items[0].model_dump()["status"] == "completed"
    assert written == [False]
    assert path.read_text() == "hello\n"


AMENDMENT = {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["git", "status"]}}
NETWORK = {"host": "a.example", "protocol": "https"}
HOST = {"applyNetworkPolicyAmendment": {"network_policy_amendment": {"host": "a.example", "action": "allow"}}}
NO_HOST = {"applyNetworkPolicyAmendment": {"network_policy_amendment": {"host": "a.example", "action": "deny"}}}
OTHER_HOST = {"applyNetworkPolicyAmendment": {"network_policy_amendment": {"host": "*", "action": "allow"}}}


@pytest.mark.parametrize(
    ("params", "grants", "rule"),
    [
        ({"availableDecisions": ["accept", AMENDMENT, "cancel"]}, ("accept", "accept_for_session", "accept_always"), ("git", "status")),
        ({"availableDecisions": ["accept", "cancel"], "proposedExecpolicyAmendment": ["git"]}, ("accept",), ()),
        ({"availableDecisions": ["accept", "acceptForSession"]}, ("accept", "accept_for_session"), ()),
        ({"availableDecisions": []}, (), ()),
        ({"availableDecisions": ["cancel", {"new": {}}, 3, None, "later"]}, (), ()),
        ({"availableDecisions": None, "proposedExecpolicyAmendment": ["git"]}, ("accept", "accept_for_session", "accept_always"), ("git",)),
        ({}, ("accept", "accept_for_session"), ()),
        (
            {"networkApprovalContext": NETWORK, "availableDecisions": ["accept", "acceptForSession", NO_HOST, HOST, "cancel"]},
            ("accept", "accept_for_session", "accept_always"),
            (),
        ),
        ({"networkApprovalContext": NETWORK, "availableDecisions": ["accept", OTHER_HOST, NO_HOST, AMENDMENT]}, ("accept",), ()),
        ({"availableDecisions": ["accept", HOST]}, ("accept",), ()),
    ],
)
def test_what_the_server_does_not_offer_cannot_be_granted(params: dict[str, Any], grants: tuple[str, ...], rule: tuple[str, ...]) -> None:
    """A no is always possible, and what was asked before has all of its details."""
    request = request_of("item/commandExecution/requestApproval", {"command": "git status", **params})
    assert request is not None
    assert (request.choices, request.rule) == ((*grants, "decline", "cancel"), rule)


def test_a_host_is_named_and_allowed_for_good_alone() -> None:
    """The answer names the host that was asked about."""
    params = {"command": "curl https://a.example", "networkApprovalContext": NETWORK, "availableDecisions": ["accept", HOST]}
    request = request_of("item/commandExecution/requestApproval", params)
    assert request is not None
    assert (request.host, request.protocol) == ("a.example", "https")
    assert reply_to(request, "accept_always") == {"decision": HOST}
    assert [reply_to(request, decision) for decision in ("accept", "decline", "cancel")] == [
        {"decision": decision} for decision in ("accept", "decline", "cancel")
    ]


def test_a_proof_that_cannot_be_given_is_not_offered() -> None:
    """An elicitation of an unknown kind can only be declined."""
    params = {"mode": "openai/userVerification", "title": "Prove it", "challenge": "c", "description": "d"}
    request = request_of("mcpServer/elicitation/request", params)
    assert request is not None
    assert request.choices == ("decline", "cancel")


async def test_more_permissions_of_a_command_are_named_and_last_for_it_alone(real: Real) -> None:
    """The real CLI offers a plain yes for such a command, though it proposes a rule."""
    wants = {
        "cmd": "echo x",
        "sandbox_permissions": "with_additional_permissions",
        "additional_permissions": {"network": {"enabled": True}, "file_system": {"write": [str(real.folder)]}},
        "justification": "It is outside.",
    }
    model = real.play([[[call("exec_command", wants)], "Done."]])
    handler = Answers("accept")
    config = {"features": model.config["features"] | {"exec_permission_approvals": True}}
    await thread(real, model, model=DIRECT, config=config).run("go", on_approval=handler)
    (request,) = handler.requests
    assert request.additional_permissions is not None
    assert request.additional_permissions["network"] == {"enabled": True}
    assert str(real.folder) in str(request.additional_permissions["fileSystem"])
    assert request.choices == ("accept", "decline", "cancel")


async def test_a_move_is_named(real: Real) -> None:
    """With both paths."""
    (real.workspace / "old.txt").write_text("one\n")
    handler = Answers("decline")
    moves = "*** Begin Patch\n*** Update File: old.txt\n*** Move to: new.txt\n@@\n-one\n+two\n*** End Patch"
    await thread(real, [[[patch(moves)], "Pity."]]).run("go", on_approval=handler)
    ((change,),) = (request.changes for request in handler.requests)
    assert (change.path, change.move_path) == (str(real.workspace / "old.txt"), str(real.workspace / "new.txt"))


def desk() -> dict[str, Any]:
    return {"mcp_servers": {"desk": {"command": sys.executable, "args": [str(Path(mcp_server.__file__))]}}}


async def test_a_tool_of_a_server_is_asked_about(real: Real) -> None:
    """With its arguments. "yes" runs it, "session" runs it without further questions, "no" is sent to the model."""
    handler = Answers("accept_for_session")
    write = mcp("desk", "write", {"what": "x"})
    turn = await thread(real, [[[write], [write], "Done."]], config=desk()).run("go", on_approval=handler)
    assert [item.status for item in turn.items if isinstance(item, McpToolCallItem)] == ["completed", "completed"]
    (request,) = handler.requests
    assert (request.kind, request.server, request.tool, request.arguments) == ("tool", "desk", "write", {"what": "x"})
    assert set(request.choices) >= {"accept", "accept_for_session", "accept_always", "decline"}


async def test_a_tool_that_is_declined_does_not_run(real: Real) -> None:
    """Its item has failed."""
    turn = await thread(real, [[[mcp("desk", "write", {})], "Pity."]], config=desk()).run("go", on_approval=Answers("decline"))
    assert [item.status for item in turn.items if isinstance(item, McpToolCallItem)] == ["failed"]


async def test_a_form_of_a_server_is_filled_in(real: Real) -> None:
    """Its fields are questions."""
    handler = Answers({"name": "Ada"})
    turn = await thread(real, [[[mcp("desk", "ask", {})], "Done."]], config=desk()).run("go", on_approval=handler)
    (request,) = handler.requests
    assert (request.kind, request.message, request.server) == ("form", "Who are you?", "desk")
    assert [(question.id, question.text) for question in request.questions] == [("name", "Name")]
    assert "Ada" in turn.items[0].model_dump_json()


async def test_what_is_typed_into_a_form_becomes_what_its_schema_says(real: Real) -> None:
    """Numbers, yes and no, the value behind a title, a list. An optional field can be empty. Invalid answers are refused and reported."""
    properties = {
        "age": {"type": "integer", "title": "Age", "description": "in years"},
        "sure": {"type": "boolean", "default": True},
        "colour": {"type": "string", "oneOf": [{"const": "r", "title": "Red"}, {"const": "g", "title": "Green"}], "default": "g"},
        "days": {"type": "array", "items": {"type": "string", "enum": ["Mon", "Tue", "Wed"]}},
        "note": {"type": "string"},
    }
    ask = mcp("desk", "ask", {"requestedSchema": {"type": "object", "properties": properties, "required": ["age", "sure"]}})
    typed = {"age": "41", "sure": "no", "colour": "Red", "days": "Mon, Wed", "note": ""}
    handler = Answers(typed, typed | {"age": "old"}, {"age": 41, "sure": False})
    model = real.play([[[ask], "One."], [[ask], "Two."], [[ask], "Three."]])
    conversation = thread(real, model, config=desk())
    said = [await conversation.run("go", on_approval=handler) for _ in range(3)]
    fields = {question.id: question for question in handler.requests[0].questions}
    assert (fields["age"].text, fields["age"].type, fields["age"].required) == ("Age: in years", "integer", True)
    assert (fields["sure"].options, fields["sure"].default) == (("true", "false"), "true")
    assert (fields["colour"].options, fields["colour"].default) == (("Red", "Green"), "Green")
    assert not fields["note"].required
    answers = [
        json.loads(item.result.content[0]["text"])
        for turn in said
        for item in turn.items
        if isinstance(item, McpToolCallItem) and item.result
    ]
    assert answers == [
        {"action": "accept", "content": {"age": 41, "sure": False, "colour": "r", "days": ["Mon", "Wed"]}},
        {"action": "decline"},
        {"action": "accept", "content": {"age": 41, "sure": False}},
    ]
    assert said[1].warnings == (
        "The approval handler failed, so the request was declined: ValueError: Age: in years: 'old' is not a whole number.",
    )


async def test_a_page_that_a_server_wants_visited_is_named(real: Real) -> None:
    """With its address: who says yes must know to what."""
    page = {"mode": "url", "url": "https://example.org/sign-in", "elicitationId": "e", "message": "Sign in, please"}
    handler = Answers("accept")
    turn = await thread(real, [[[mcp("desk", "ask", page)], "Done."]], config=desk()).run("go", on_approval=handler)
    (request,) = handler.requests
    assert (request.message, request.url) == ("Sign in, please", "https://example.org/sign-in")
    assert request.choices == ("accept", "decline", "cancel")
    assert '"accept' in turn.items[0].model_dump_json().replace("\\", "")


WANTS = call("request_permissions", {"reason": "It is far away.", "permissions": {"network": {"enabled": True}}})


@pytest.mark.parametrize(
    ("decision", "granted"),
    [
        ("accept", {"permissions": {"network": {"enabled": True}}, "scope": "turn"}),
        ("accept_for_session", {"permissions": {"network": {"enabled": True}}, "scope": "session"}),
        ("decline", {"permissions": {}, "scope": "turn"}),
    ],
)
async def test_more_permissions_are_asked_for(real: Real, decision: str, granted: dict[str, Any]) -> None:
    """The agent gets what it named, for the turn or the session, or nothing."""
    model = real.play([[[WANTS], "Done."]])
    handler = Answers(decision)
    config = {"features": model.config["features"] | {"request_permissions_tool": True}}
    await thread(real, model, model=DIRECT, config=config).run("go", on_approval=handler)
    (request,) = handler.requests
    assert (request.kind, request.reason, request.arguments) == ("permissions", "It is far away.", {"network": {"enabled": True}})
    answer = json.loads(model.requests[-1].input[-1]["output"])
    answer["permissions"] = {name: value for name, value in answer["permissions"].items() if value}
    assert answer == granted


@pytest.mark.parametrize("asks", [mcp("desk", "write", {}), mcp("desk", "ask", {}), WANTS], ids=["tool", "form", "permissions"])
async def test_a_cancel_stops_the_turn_for_every_kind_of_question(real: Real, asks: Any) -> None:
    """To the server it is only another no to these."""
    model = real.play([[[asks], "never"], "Back."])
    config = desk() | {"features": model.config["features"] | {"request_permissions_tool": True}}
    conversation = thread(real, model, model=DIRECT, config=config)
    with pytest.raises(TurnInterruptedError, match="by a decision"):
        await conversation.run("go", on_approval=Answers("cancel"))
    assert (await conversation.run("on")).final_response == "Back."


async def test_a_question_of_the_agent_is_answered(real: Real) -> None:
    """The model reads the answer; without one it reads that there is none."""
    question = {
        "id": "q",
        "header": "Way",
        "question": "Which way?",
        "options": [{"label": "A", "description": "a"}, {"label": "B", "description": "b"}],
    }
    ask = call("request_user_input", {"questions": [question]})
    model = real.play([[[ask], "Done."], [[ask], "Done."]])
    config = {"features": model.config["features"] | {"default_mode_request_user_input": True}}
    conversation = thread(real, model, model=DIRECT, config=config)
    handler = Answers({"q": "B"}, "decline")
    await conversation.run("go", on_approval=handler)
    assert (handler.requests[0].kind, handler.requests[0].questions[0].text) == ("question", "Which way?")
    assert handler.requests[0].questions[0].options == ("A", "B")
    assert handler.requests[0].questions[0].option_descriptions == ("a", "b")
    assert '"B"' in str(model.requests[-1].input[-1]).replace("\\", "")
    assert (await conversation.run("on", on_approval=handler)).final_response == "Done."


@both_backends
async def test_an_interrupt_withdraws_a_question(real: Real) -> None:
    """The handler is cancelled, the command never runs."""
    asked, cancelled = anyio.Event(), anyio.Event()

    async def handler(_request: ApprovalRequest) -> ApprovalDecision:
        asked.set()
        try:
            await anyio.sleep(600)
            return "accept"
        finally:
            cancelled.set()

    async with thread(real, [[[ASKS], "never"]]).run_streamed("go", on_approval=handler) as streamed, anyio.create_task_group() as tasks:

        async def follow() -> None:
            with pytest.raises(TurnInterruptedError):
                await streamed.wait()

        tasks.start_soon(follow)
        await asked.wait()
        await streamed.interrupt()
        assert cancelled.is_set()
    assert streamed.turn.status == "interrupted"
    assert not (real.workspace / "asked.txt").exists()


async def test_two_questions_wait_at_the_same_time(real: Real) -> None:
    """Neither holds up the other, nor what comes meanwhile."""
    waiting: list[ApprovalRequest] = []
    both = anyio.Event()

    async def handler(request: ApprovalRequest) -> ApprovalDecision:
        waiting.append(request)
        if len(waiting) == 2:
            both.set()
        await both.wait()
        return "accept"

    twice = [shell("echo 1", justification="a"), shell("echo 2", justification="b")]
    with anyio.fail_after(30):
        turn = await thread(real, [[twice, "Done."]], model=DIRECT).run("go", on_approval=handler)
    assert commands(turn) == ["completed", "completed"]


async def test_two_threads_ask_at_once(real: Real) -> None:
    """Each handler hears of its own thread; the server's numbers do not get mixed up."""
    model = real.play([[[shell(f"echo {number} > {number}.txt", justification="It must be outside.")], "Done."] for number in range(2)])
    codex = real.codex(model, transport="app-server")
    asked: dict[str, str] = {}
    both = anyio.Event()

    async def handler(request: ApprovalRequest) -> ApprovalDecision:
        asked[request.thread_id] = request.command
        if len(asked) == 2:
            both.set()
        await both.wait()
        return "accept" if "0.txt" in request.command else "decline"

    turns: list[Turn] = []

    async def one() -> None:
        thread = codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True, sandbox_mode="read-only")
        turns.append(await thread.run("go", on_approval=handler))

    with anyio.fail_after(40):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one)
            tasks.start_soon(one)
    assert set(asked) == {turn.thread_id for turn in turns}
    assert sorted(status for turn in turns for status in commands(turn)) == ["completed", "declined"]
    assert [path.name for path in real.workspace.glob("*.txt")] == ["0.txt"]


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_a_timeout_does_not_wait_for_a_slow_handler(real: Real, kind: str) -> None:
    """The turn ends in time, and the command does not run, although the handler answers in the end."""
    late = threading.Event()

    def sync_handler(_request: ApprovalRequest) -> ApprovalDecision:
        late.wait(60)
        return "accept"

    async def async_handler(_request: ApprovalRequest) -> ApprovalDecision:
        await anyio.sleep(60)
        return "accept"

    conversation = thread(real, [[[ASKS], "never"], "Back."])
    with anyio.fail_after(30), pytest.raises(TurnTimeoutError) as caught:
        await conversation.run("go", on_approval=sync_handler if kind == "sync" else async_handler, timeout=3)
    late.set()
    assert caught.value.turn is not None
    assert (await conversation.run("on")).final_response == "Back."
    assert not (real.workspace / "asked.txt").exists()


async def test_exec_says_that_it_cannot_ask(real: Real) -> None:
    """Rather than never asking."""
    with pytest.raises(UnsupportedOperationError, match="'app-server'"):
        await real.thread(["Hi"]).run("go", on_approval=Answers())


async def test_auto_uses_the_server_for_a_turn_that_may_ask(real: Real) -> None:
    real.transport = "auto"
    turn = await real.thread([[[ASKS], "Done."]], sandbox_mode="read-only").run("go", on_approval=Answers("accept"))
    wait_until((real.workspace / "asked.txt").exists)
    assert commands(turn) == ["completed"]
