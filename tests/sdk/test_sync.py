"""The synchronous client: the same names as the asynchronous one, tools on the calling thread, interrupts, and no process left."""

import ast
import asyncio
import contextlib
import inspect
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import pytest
from anyio.from_thread import BlockingPortal

import codex_jupyter
import codex_jupyter.sync
from codex_jupyter import sdk
from codex_jupyter.sdk import sync
from codex_jupyter.sdk.sync.caller import Caller
from codex_jupyter.sdk.user_functions import RaisedInThread, call_plain
from codex_jupyter.sync import (
    ApprovalDecision,
    ApprovalRequest,
    Codex,
    ConfigError,
    DynamicToolCallItem,
    InputError,
    OverloadedError,
    ScriptedTransport,
    TransportName,
    TurnFailedError,
    TurnInterruptedError,
    UnsupportedOperationError,
    retry,
    tool,
)
from codex_jupyter.testing import call, shell
from tests.scripts import load_script
from tests.sdk.conftest import Real

HI: list[Any] = [
    {"type": "item.completed", "item": {"id": "a", "type": "agent_message", "text": "Hi!"}},
    {"type": "turn.completed", "usage": {}},
]
FAILED: list[Any] = [{"type": "turn.failed", "error": {"message": "Selected model is at capacity."}}]
RENAMED = {"close": "aclose", "__enter__": "__aenter__", "__exit__": "__aexit__", "__iter__": "__aiter__", "__next__": "__anext__"}


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    return load_script("generate_sync")


def members(kind: type) -> dict[str, Any]:
    """Return the public members of a class, and its special methods of this package."""
    names = {name for parent in kind.__mro__ if parent.__module__.startswith("codex_jupyter") for name in vars(parent)}
    return {name: inspect.getattr_static(kind, name) for name in names if not name.startswith("_") or name in {*RENAMED, *RENAMED.values()}}


def text_of(annotation: object, kept: bool) -> str:
    """Return the text of a type. `kept` says that it is that of the synchronous client already."""
    text = inspect.formatannotation(annotation).replace("codex_jupyter.sdk.sync.", "codex_jupyter.sdk.")
    return text if kept else re.sub(r"Async(Iterator|ContextManager)", r"\1", text).replace("AbstractAsync", "Abstract")


def signature_of(function: Callable[..., Any], kept: bool) -> list[tuple[str, object, str, str]]:
    parameters = inspect.signature(function).parameters.values()
    returned = inspect.signature(function).return_annotation
    if not kept and str(returned).startswith("collections.abc.Awaitable["):
        returned = returned.__args__[0]
    described = [(parameter.name, parameter.kind, repr(parameter.default), text_of(parameter.annotation, kept)) for parameter in parameters]
    return [*described, ("return", None, "", text_of(returned, kept))]


def without_layout(source: str) -> str:
    """Return a dump of the syntax tree of a module. The formatter merges and sorts imports, so their names are compared."""
    tree = ast.parse(source)
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    names = sorted({f"{node.module} {alias.name} {alias.asname}" for node in imports for alias in node.names})
    rest = ast.Module([node for node in tree.body if node not in imports], [])
    return f"{names} {ast.dump(rest)}"


def test_the_generated_modules_are_up_to_date(generator: ModuleType) -> None:
    """After a change of a public name or method, run `python .ci/generate_sync.py`."""
    for name, source in generator.sources().items():
        stored = (Path(sync.__file__).parent / f"{name}.py").read_text(encoding="utf-8")
        assert without_layout(stored) == without_layout(source), f"{name}.py is outdated. Run `python .ci/generate_sync.py`."


def test_the_module_has_every_public_name_of_the_asynchronous_one() -> None:
    assert sync.__all__ == sdk.__all__ == codex_jupyter.sync.__all__
    different = {name for name in sdk.__all__ if getattr(sync, name) is not getattr(sdk, name)}
    assert different == {"Codex", "Login", "StreamedTurn", "Thread", "retry"}
    assert all(getattr(codex_jupyter.sync, name) is getattr(sync, name) for name in sdk.__all__)


@pytest.mark.parametrize("name", ["Codex", "Login", "StreamedTurn", "Thread"])
def test_a_class_has_the_members_and_the_signatures_of_the_asynchronous_one(name: str, generator: ModuleType) -> None:
    ours, theirs = members(getattr(sync, name)), members(getattr(sdk, name))
    theirs.pop("__await__", None)
    assert sorted(ours) == sorted({async_name: sync_name for sync_name, async_name in RENAMED.items()}.get(name, name) for name in theirs)
    for member, value in ours.items():
        original = theirs[RENAMED.get(member, member)]
        if isinstance(value, property):
            assert (value.fset is None) == (original.fset is None)
            value, original = value.fget, original.fget
        assert not inspect.iscoroutinefunction(value)
        assert signature_of(value, kept=True) == signature_of(original, kept=False), member
        assert value.__doc__ == (original.__doc__ and generator.without_await(original.__doc__)), member


def test_retry_has_the_signature_of_the_asynchronous_one() -> None:
    ours, theirs = signature_of(sync.retry, kept=True), signature_of(sdk.retry, kept=False)
    assert ours[1:-1] == theirs[1:-1]
    assert sync.retry.__doc__ == (sdk.retry.__doc__ or "").replace("await ", "")


def test_a_turn_runs_and_streams_without_await() -> None:
    thread = Codex(transport=ScriptedTransport([HI, HI])).start_thread()
    assert thread.run("go").final_response == "Hi!"
    with thread.run_streamed("go") as streamed:
        assert [event.type for event in streamed.events] == ["thread.started", "item.completed", "turn.completed"]
        assert streamed.turn.status == "completed"
        assert streamed.receive() == []


def test_it_works_inside_a_running_event_loop() -> None:
    """A cell of a notebook runs inside of one."""

    async def cell() -> str:
        return Codex(transport=ScriptedTransport([HI])).start_thread().run("go").final_response

    assert asyncio.run(cell()) == "Hi!"


def test_errors_are_those_of_the_asynchronous_client() -> None:
    thread = Codex(transport=ScriptedTransport([FAILED])).start_thread()
    with pytest.raises(TurnFailedError, match="at capacity") as caught:
        thread.run("go")
    assert caught.value.turn is not None
    with pytest.raises(InputError):
        thread.run([])
    with pytest.raises(UnsupportedOperationError, match="no notifications"):
        Codex().notifications().__enter__()


def test_a_turn_that_is_left_is_stopped() -> None:
    thread = Codex(transport=ScriptedTransport([[HI[0], 60.0], HI])).start_thread()
    with thread.run_streamed("go") as streamed:
        assert next(streamed).type == "thread.started"
    assert streamed.turn.status == "interrupted"
    assert thread.run("again").status == "completed"


def test_a_turn_is_interrupted_by_another_thread() -> None:
    with Codex(transport=ScriptedTransport([[HI[0], 60.0]])).start_thread().run_streamed("go") as streamed:
        assert len(streamed.receive()) >= 1
        threading.Timer(0.02, streamed.interrupt).start()
        with pytest.raises(TurnInterruptedError):
            streamed.wait()


def test_a_call_on_the_event_loop_of_the_client_is_refused() -> None:
    """It would wait for itself for ever."""

    async def tool_of_the_user() -> None:
        Codex(transport=ScriptedTransport([HI])).start_thread().run("go")

    with pytest.raises(UnsupportedOperationError, match="on its own event loop"):
        Caller().wait(tool_of_the_user())


def test_a_function_that_waits_for_its_own_turn_is_refused() -> None:
    """The turn waits for the function."""
    caller = Caller()

    async def turn() -> str:
        with pytest.raises(RaisedInThread) as caught:
            await call_plain(lambda: caller.wait(anyio.sleep(60)))
        return f"{type(caught.value.error).__name__}: {caught.value.error}"

    assert caller.wait(turn()).startswith("UnsupportedOperationError: A tool or a handler waited for its own turn")


def test_retry_repeats_a_turn() -> None:
    thread = Codex(transport=ScriptedTransport([FAILED, HI])).start_thread()
    delays: list[float] = []
    turn = retry(lambda: thread.run("go"), first_delay=0.001, on_retry=lambda error, delay: delays.append(delay))
    assert turn.final_response == "Hi!"
    assert len(delays) == 1
    thread = Codex(transport=ScriptedTransport([FAILED, FAILED])).start_thread()
    with pytest.raises(OverloadedError):
        retry(lambda: thread.run("go"), attempts=2, first_delay=0.001)
    with pytest.raises(ConfigError):
        retry(lambda: thread.run("go"), attempts=0)


def test_an_interrupt_of_the_main_thread_stops_the_turn() -> None:
    thread = Codex(transport=ScriptedTransport([[HI[0], 60.0], HI])).start_thread()
    threading.Timer(0.1, partial(os.kill, os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        thread.run("go")
    assert thread.run("again").status == "completed"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_its_own_event_loop() -> None:
    thread = Codex(transport=ScriptedTransport([HI, HI])).start_thread()
    thread.run("go")
    child = os.fork()
    if not child:
        os._exit(0 if thread.run("go").final_response == "Hi!" else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_an_interrupt_in_a_function_of_the_user_stops_the_wait() -> None:
    """Ctrl-C at an `input()` of a tool stops the turn. It is not only an error of the tool."""
    caller = Caller()

    def ask() -> str:
        raise KeyboardInterrupt

    async def turn() -> str:
        with contextlib.suppress(RaisedInThread):
            await call_plain(ask)
        await anyio.sleep(60)
        return "not stopped"

    with pytest.raises(KeyboardInterrupt):
        caller.wait(turn())


def test_an_interrupt_while_a_call_starts_stops_it_on_its_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The coroutine can run already. Stopped on another thread, it could not end its processes."""
    running, stopped_on = threading.Event(), list[threading.Thread]()
    start = BlockingPortal.start_task_soon

    def start_and_interrupt(self: BlockingPortal, *args: Any, **options: Any) -> None:
        start(self, *args, **options)
        assert running.wait(30)
        raise KeyboardInterrupt

    async def turn() -> None:
        loop = threading.current_thread()
        try:
            running.set()
            await anyio.sleep(60)
        finally:
            stopped_on.extend([threading.current_thread(), loop])

    monkeypatch.setattr(BlockingPortal, "start_task_soon", start_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        Caller().wait(turn())
    assert len(set(stopped_on)) == 1


def test_an_interrupt_before_a_call_starts_drops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: BlockingPortal, *args: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    async def turn() -> None:
        raise AssertionError("it ran")

    monkeypatch.setattr(BlockingPortal, "start_task_soon", interrupt)
    with pytest.raises(KeyboardInterrupt):
        Caller().wait(turn())


@pytest.mark.integration
@pytest.mark.parametrize("transport", ["exec", "auto"])
def test_turns_run_over_every_transport(real: Real, transport: TransportName) -> None:
    """The tests of tools and of interrupts use `app-server`."""
    model = real.play(["Hi!", [[shell("echo out")], "Done."]])
    with Codex(config=model.config, env=real.environment(model), transport=transport) as codex:
        thread = codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True)
        assert thread.run("go").final_response == "Hi!"
        with thread.run_streamed("run") as streamed:
            types = [event.type for event in streamed.events]
        assert types[0] == "thread.started"
        assert types[-1] == "turn.completed"
        assert streamed.wait().final_response == "Done."


@pytest.mark.integration
def test_tools_and_approvals_are_called_on_the_thread_that_waits(real: Real) -> None:
    """On the main thread of a kernel they can use `input()`. A tool may use the client itself."""
    called: list[tuple[str, bool]] = []

    @tool(read_only=True)
    def look(name: str) -> str:
        called.append((name, threading.current_thread() is threading.main_thread()))
        return f"{name}: {len(codex.models())} models"

    def approve(request: ApprovalRequest) -> ApprovalDecision:
        called.append((request.kind, threading.current_thread() is threading.main_thread()))
        return "accept"

    model = real.play([[[call("look", {"name": "x"})], [shell("echo hi > made.txt", justification="I need it")], "Done."]])
    with Codex(config=model.config, env=real.environment(model), transport="app-server", tools=[look]) as codex:
        thread = codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True, approval_policy="on-request")
        turn = thread.run("go", on_approval=approve, sandbox_mode="read-only")
    assert called == [("x", True), ("command", True)]
    assert turn.final_response == "Done."
    (tool_call,) = (item for item in turn.items if isinstance(item, DynamicToolCallItem))
    assert "models" in str(tool_call)


LEFT = """
import os, signal, sys, threading
from codex_jupyter.sync import Codex

codex = Codex(config=eval(sys.argv[1]), transport="app-server")
with codex.start_thread(working_directory=sys.argv[2], skip_git_repo_check=True).run_streamed("go") as streamed:
    for event in streamed.events:
        if event.type == "item.started" and event.item.type == "command_execution":
            os.kill(os.getpid(), signal.SIGINT)
"""


@pytest.mark.integration
def test_ctrl_c_and_the_exit_leave_no_process(real: Real) -> None:
    """The client is not closed. The fixture fails if a command or a server runs after the test."""
    model = real.play([[shell("sleep 60")]])
    command = [sys.executable, "-c", LEFT, repr(model.config), str(real.workspace)]
    done = subprocess.run(command, env=real.environment(model), capture_output=True, text=True, timeout=30)
    assert done.stderr.rstrip().endswith("KeyboardInterrupt")
    assert done.returncode == -signal.SIGINT
