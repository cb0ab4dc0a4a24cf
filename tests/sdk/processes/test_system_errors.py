"""A system that refuses files or threads, answers that come too late, and clients that are closed while turns run."""

import errno
import gc
import os
import resource
import selectors
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

import anyio
import psutil
import pytest
from anyio.from_thread import BlockingPortal

from codex_jupyter.sdk import TransportError, TurnInterruptedError, portal_thread
from codex_jupyter.sdk.executable.environment import find_cli
from codex_jupyter.sdk.executable.slow_steps import slow_step
from codex_jupyter.sdk.portal_thread import PortalThread
from codex_jupyter.sdk.processes.guardian import guardian
from codex_jupyter.sdk.processes.turn_process import TurnProcess
from codex_jupyter.sdk.transports.app_server import connection
from codex_jupyter.sdk.transports.app_server.connection import AppServerConnection
from codex_jupyter.sdk.transports.app_server.mailbox import Mailbox
from codex_jupyter.testing import shell
from tests.processes import name_of
from tests.sdk.conftest import Real
from tests.sdk.support.fake import HAPPY, LIMIT, MakeFake, wait_until
from tests.sdk.support.fake_server import fake_server

pytestmark = pytest.mark.anyio

TOO_MANY = "too many open files. Close some, or raise the limit"


@contextmanager
def no_free_files() -> Iterator[None]:
    """Let every attempt to open a file fail."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)  # the next file would get this number
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("transport", ["exec", "app-server"])
async def test_a_turn_without_free_file_handles_says_so_and_the_next_one_works(fake: MakeFake, transport: Any) -> None:
    cli = fake(HAPPY) if transport == "exec" else fake_server(fake)
    async with cli.codex(transport=transport) as codex:
        thread = codex.start_thread(working_directory=cli.folder, skip_git_repo_check=True)
        await thread.run("one")
        before = set(os.listdir("/dev/fd"))
        with no_free_files(), pytest.raises(TransportError, match=TOO_MANY):
            await thread.run("two")
        assert set(os.listdir("/dev/fd")) <= before
        assert (await thread.run("three")).final_response == "Hi!"


async def test_a_server_that_cannot_be_started_without_free_file_handles_says_so(fake: MakeFake) -> None:
    cli = fake_server(fake)
    await to_completion(cli.thread())
    async with cli.codex(transport="app-server") as codex:
        with no_free_files(), pytest.raises(TransportError, match=TOO_MANY):
            await codex.start_thread(working_directory=cli.folder, skip_git_repo_check=True).run("go")


async def to_completion(thread: Any) -> None:
    """Let everything be read and imported that a first turn needs."""
    with pytest.raises(Exception):  # noqa: B017, PT011 - the fake server runs no `exec`
        await thread.run("go")


@pytest.mark.integration
def test_a_process_whose_selector_cannot_be_made_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    guardian.ensure()
    before = set(os.listdir("/dev/fd"))
    children = {child.pid for child in psutil.Process().children() if name_of(child) == "sleep"}

    def refuse() -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(selectors, "DefaultSelector", refuse)
    with pytest.raises(TransportError, match=rf"sleep cannot be started: this process has {TOO_MANY}"):
        TurnProcess.start(["sleep", "300"], stdin=b"", env=os.environ)
    assert set(os.listdir("/dev/fd")) <= before
    assert {child.pid for child in psutil.Process().children() if name_of(child) == "sleep"} == children


def test_a_server_that_gets_no_thread_is_ended(fake: MakeFake, monkeypatch: pytest.MonkeyPatch) -> None:
    cli = fake_server(fake)
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith("codex-app-server"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(TransportError, match="cannot be started: can't start new thread"):
        AppServerConnection.start([str(cli.path), "app-server"], cli.options["env"])


@pytest.fixture
def server(fake: MakeFake) -> Iterator[AppServerConnection]:
    cli = fake_server(fake)
    server = AppServerConnection.start([str(cli.path), "app-server"], cli.options["env"])
    yield server
    server.close()


class WatchedMailbox(Mailbox):
    """A mailbox of which a test knows when it was made, when a message has come, and when it was freed."""

    instances: ClassVar["list[weakref.ref[WatchedMailbox]]"] = []
    filled: ClassVar[threading.Event] = threading.Event()

    def __init__(self) -> None:
        super().__init__()
        self.instances.append(weakref.ref(self))

    def put(self, message: dict[str, Any] | None) -> None:
        super().put(message)
        self.filled.set()


@pytest.fixture
def mailboxes(monkeypatch: pytest.MonkeyPatch) -> type[WatchedMailbox]:
    """The mailboxes of the connections, from now on."""
    WatchedMailbox.instances.clear()
    WatchedMailbox.filled.clear()
    monkeypatch.setattr(connection, "Mailbox", WatchedMailbox)
    return WatchedMailbox


async def test_an_answer_in_the_moment_of_a_cancellation_reaches_the_handler_of_late_answers(
    server: AppServerConnection, mailboxes: type[WatchedMailbox]
) -> None:
    """Else a turn whose start was cancelled would run on, and no one would know of it."""
    answers = list[dict[str, Any]]()
    async with anyio.create_task_group() as tasks:

        async def ask() -> None:
            await server.request("turn/interrupt", late=answers.append)

        tasks.start_soon(ask)
        while not mailboxes.instances:
            await anyio.lowlevel.checkpoint()
        # Blocks the event loop: the answer has come, and the task that waits for it has not seen it.
        assert mailboxes.filled.wait(LIMIT)
        tasks.cancel_scope.cancel()
    assert answers == [{}]


async def test_a_handler_of_late_answers_is_dropped_with_the_answer(server: AppServerConnection, mailboxes: type[WatchedMailbox]) -> None:
    answers = list[dict[str, Any]]()

    def handler(answer: dict[str, Any]) -> None:
        answers.append(answer)

    kept = weakref.ref(handler)
    await server.request("turn/interrupt", late=handler)
    del handler
    gc.collect()
    assert (answers, kept(), [mailbox() for mailbox in mailboxes.instances]) == ([], None, [None])


@pytest.mark.parametrize("transport", ["exec", "app-server"])
async def test_closing_a_client_ends_its_turns(real: Real, transport: str) -> None:
    real.transport = transport
    codex = real.codex(real.play([[[shell("sleep 300")]]]))
    thread = codex.start_thread(working_directory=real.workspace, skip_git_repo_check=True, sandbox_mode="danger-full-access")
    async with thread.run_streamed("go") as streamed:
        async for event in streamed.events:
            if event.type == "item.started":
                break
        wait_until(lambda: real.sleeps() == 1)
        await codex.aclose()
        assert real.sleeps() == 0
        with pytest.raises(TurnInterruptedError, match="its client was closed"):
            await streamed.wait()
    assert streamed.turn.status == "interrupted"


@pytest.mark.parametrize("transport", ["exec", "app-server"])
async def test_closing_a_client_ends_a_turn_that_is_being_started(fake: MakeFake, monkeypatch: pytest.MonkeyPatch, transport: Any) -> None:
    """It has no process yet, and must get none."""
    cli = fake("") if transport == "exec" else fake_server(fake)
    codex = cli.codex(transport=transport)
    thread = codex.start_thread(working_directory=cli.folder, skip_git_repo_check=True)
    looking, closed = threading.Event(), threading.Event()
    module = f"codex_jupyter.sdk.transports.{'exec.transport' if transport == 'exec' else 'app_server.pool'}"

    def slow(options: Any, thread: Any) -> Any:
        slow_step()  # as for an executable whose version is asked for
        looking.set()
        assert closed.wait(30)
        return find_cli(options, thread)

    monkeypatch.setattr(f"{module}.find_cli", slow)

    async def close() -> None:
        await anyio.to_thread.run_sync(looking.wait)
        async with anyio.create_task_group() as closing:
            closing.start_soon(codex.aclose)
            # The close counts from its first step on; for a server, it then waits for the start.
            await anyio.wait_all_tasks_blocked()
            closed.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(close)
        with pytest.raises(TurnInterruptedError, match="its client was closed"):
            await thread.run("go")


def test_two_first_calls_at_the_same_time_share_one_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, both_inside, started = PortalThread(), threading.Barrier(2), list[object]()

    def future() -> Future[BlockingPortal]:
        with suppress(threading.BrokenBarrierError):
            both_inside.wait(0.3)  # without the lock, both calls meet here
        return Future()

    def run_portal(ready: Future[BlockingPortal], run: Callable[[Future[BlockingPortal]], None] = portal_thread.run_portal) -> None:
        started.append(ready)
        run(ready)

    monkeypatch.setattr(portal_thread, "Future", future)
    monkeypatch.setattr(portal_thread, "run_portal", run_portal)
    threads = [threading.Thread(target=lambda: loop.portal.call(anyio.lowlevel.checkpoint)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    loop.close()
    assert len(started) == 1


@pytest.mark.parametrize("thread_runs", [False, True])
def test_an_event_loop_whose_start_was_interrupted_starts_at_the_next_use(monkeypatch: pytest.MonkeyPatch, thread_runs: bool) -> None:
    """Else the next use, and each later one, would wait for ever."""
    loop, start = PortalThread(), threading.Thread.start

    def interrupt(self: threading.Thread) -> None:
        if thread_runs:
            start(self)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", interrupt)
        with pytest.raises(KeyboardInterrupt):
            _ = loop.portal
    reached = list[object]()
    next_use = threading.Thread(target=lambda: reached.append(loop.portal), daemon=True)
    next_use.start()
    next_use.join(30)
    assert len(reached) == 1
    loop.close()
