"""Between the notebook's main thread, which waits and displays, and the event loop, where turns run.

One event-loop thread serves a kernel, started with its first turn. A turn's task leaves the newest state of the folded `Turn` behind;
whoever follows it takes that, and waits for the next. A turn is stopped by its token, and has ended when it says so itself: a cancelled
future returns before the clean-up.
"""

import dataclasses
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Iterator
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any, Final, TypeVar

import anyio
from anyio import CancelScope, to_thread
from anyio.from_thread import BlockingPortal

from codex_jupyter.notebook.display.short_errors import hide_traceback
from codex_jupyter.notebook.render import Thumbnail, TurnInfo
from codex_jupyter.notebook.render.approval import record
from codex_jupyter.notebook.session.token_budget import Budget
from codex_jupyter.notebook.workspace.observer import Workspace
from codex_jupyter.sdk import (
    ApprovalDecision,
    ApprovalRequest,
    CancellationToken,
    CodexError,
    FileChangeItem,
    Input,
    StreamedTurn,
    Thread,
    Turn,
    TurnOptions,
    UnsupportedOperationError,
)
from codex_jupyter.sdk.processes.forks import forget_after_fork
from codex_jupyter.sdk.processes.spawn import system_error

POLL_INTERVAL: Final = 0.1
"""Seconds that the main thread waits at once, so that an interrupt is seen on every platform and running times can tick."""
_FORKED: Final = (
    "%codex works in the notebook's kernel, and this is a process that was forked from it, such as a worker of multiprocessing. "
    "Use `codex_jupyter.Codex()` here."
)
_T = TypeVar("_T")


class Bridge:
    """The event-loop thread of a kernel.

    Args:
        home: The folder that links to files start at: the notebook's.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._opening = threading.Lock()
        self._portal: Future[BlockingPortal] | None = None
        self._thread: threading.Thread | None = None
        self._is_parents = False
        forget_after_fork(self)

    def start(
        self,
        thread: Thread,
        prompt: Input,
        options: TurnOptions | None = None,
        *,
        asks: bool = False,
        permanent: bool = True,
        budget: Budget | None = None,
    ) -> "RunningTurn":
        """Start a turn on the event loop.

        Args:
            thread: Its thread; only this bridge may run turns of it.
            prompt: What is asked.
            options: Options of the turn, without a token: the bridge uses its own.
            asks: Whether the agent may ask for approvals; see `RunningTurn.question`.
            permanent: Whether something may be allowed for good.
            budget: The tokens that the turn may use.

        Returns:
            The turn, to be followed from the main thread.
        """
        turn = RunningTurn(thread, prompt, options or TurnOptions(), self._home, asks=asks, permanent=permanent, budget=budget)
        self._opened().start_task_soon(turn._drive)
        return turn

    def call(self, function: Callable[..., Awaitable[_T]], *args: Any) -> _T:
        """Run a coroutine function on the event loop and wait for its result."""
        return self._opened().call(function, *args)

    def wait_for(self, function: Callable[..., Awaitable[_T]], *args: Any) -> _T:
        """Run a coroutine function on the event loop and wait for its result; an interrupt of the kernel cancels it."""
        future = self._opened().start_task_soon(function, *args)
        try:
            while True:
                wait([future], POLL_INTERVAL)
                if future.done():
                    return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise

    def close(self) -> None:
        """End the event loop. No turn may run."""
        with self._opening:
            portal, thread, self._portal, self._thread = self._portal, self._thread, None, None
        if portal is not None and thread is not None:
            portal.result().call(portal.result().stop)
            thread.join()

    def forget_parent(self) -> None:
        """Leave the event loop to the parent. See `ForkAware`."""
        self._opening = threading.Lock()
        self._portal = self._thread = None
        self._is_parents = True

    def _opened(self) -> BlockingPortal:
        if self._is_parents:
            raise CodexError(_FORKED)
        with self._opening:
            try:
                if self._portal is None:
                    # Not `start_blocking_portal`: it would wait for its thread at the end of a forked child, where there is none.
                    self._portal = Future()
                    self._thread = threading.Thread(target=_run_portal, args=(self._portal,), name="codex-jupyter", daemon=True)
                    self._thread.start()
                return self._portal.result()
            except (OSError, RuntimeError) as error:  # no file, or no room for a thread
                self._portal = None
                raise system_error("The event loop of Codex cannot be started", error) from error


def _run_portal(ready: "Future[BlockingPortal]") -> None:
    """Run an event loop for a portal, until the portal is stopped."""

    async def serve() -> None:
        async with BlockingPortal() as portal:
            ready.set_result(portal)
            await portal.sleep_until_stopped()

    try:
        anyio.run(serve)
    except BaseException as error:
        if ready.done():
            raise
        ready.set_exception(error)


class RunningTurn:
    """A turn that runs on the event loop, seen from another thread. Made by `Bridge.start`."""

    def __init__(
        self,
        thread: Thread,
        prompt: Input,
        options: TurnOptions,
        home: Path,
        *,
        asks: bool = False,
        permanent: bool = True,
        budget: Budget | None = None,
    ) -> None:
        self._thread = thread
        self._budget = budget
        self._streamed: StreamedTurn | None = None
        self._asking, self._permanent = threading.Lock(), permanent
        self._question: ApprovalRequest | None = None
        self._decision: ApprovalDecision | None = None
        self._decisions: list[str] = []
        self.answered_elsewhere = False
        """Whether a widget shows the questions, so that a turn in the background may ask."""
        self._home = home
        self._prompt = prompt
        self._token = CancellationToken()
        self._options = TurnOptions.of(options, {"cancellation": self._token, "on_approval": self._ask if asks else None})
        self._changed = threading.Condition()
        self._finished = threading.Event()
        self._turn = Turn()
        self._error: BaseException | None = None
        self._written: tuple[Thumbnail, ...] = ()
        self._workspace: Workspace | None = None
        self._began = time.monotonic()
        self._ended: float | None = None

    @property
    def turn(self) -> Turn:
        """The newest state of the turn."""
        return self._turn

    @property
    def error(self) -> BaseException | None:
        """Why the turn did not complete, once it has ended; None if it did."""
        return self._error

    @property
    def elapsed(self) -> float:
        """Seconds that it has run."""
        return (self._ended or time.monotonic()) - self._began

    @property
    def finished(self) -> bool:
        """Whether it has ended and nothing of it runs any more."""
        return self._finished.is_set()

    @property
    def question(self) -> ApprovalRequest | None:
        """What the agent asks and waits for; None if nothing. Whoever shows the turn shows it, and calls `answer`."""
        return self._question

    @property
    def decisions(self) -> tuple[str, ...]:
        """What was decided so far, a line each."""
        return tuple(self._decisions)

    def told(self, info: TurnInfo) -> TurnInfo:
        """Complete what is known about the turn.

        Args:
            info: What was known before it started.
        """
        remarks = () if self._workspace is None else self._workspace.remarks
        return dataclasses.replace(info, elapsed=self.elapsed, written=self._written, decisions=self.decisions, remarks=remarks)

    def answer(self, request: ApprovalRequest, decision: ApprovalDecision | None) -> None:
        """Answer a question, from any thread; None says that nobody can be asked, which is a no.

        The first answer counts; one to a question that is not asked any more does nothing.
        """
        with self._changed:
            if self._question is request:
                self._question, self._decision = None, decision
                self._changed.notify_all()
                self._decisions.append(record(request, decision))

    @property
    def can_steer(self) -> bool:
        """Whether `steer` can add to the turn now."""
        return self._streamed is not None and self._streamed.can_steer

    async def steer(self, text: str) -> None:
        """Add to what the turn was asked; on the event loop. Raises as `StreamedTurn.steer` does."""
        if self._streamed is None:
            raise UnsupportedOperationError("The turn does not run, so it takes no more input.")
        await self._streamed.steer(text)

    def updates(self) -> Iterator[Turn]:
        """Follow the turn: its newest state whenever it changes, and every `POLL_INTERVAL` seconds; until it has ended.

        Several may follow it at once, each from a thread of its own.
        """
        shown: Turn | None = None
        while not self.finished:
            with self._changed:
                if self._turn is shown and not self.finished:
                    self._changed.wait(POLL_INTERVAL)
                shown = self._turn
            if not self.finished:
                yield shown

    def stop(self, reason: str = "The kernel was interrupted.") -> None:
        """Ask the turn to stop, from any thread. Returns at once; it has ended a few seconds later at most."""
        self._token.cancel(reason)

    def cancel(self) -> None:
        """Stop the turn; another name for `stop`, as futures have it."""
        self.stop("The turn was cancelled.")

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the turn has ended, in steps that an interrupt of the kernel can break.

        Args:
            timeout: Seconds to wait at most; None waits for ever.

        Returns:
            Whether it has ended.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._finished.wait(POLL_INTERVAL):
            if deadline is not None and time.monotonic() > deadline:
                return False
        return True

    def result(self, timeout: float | None = None) -> Turn:
        """Wait for the end of the turn.

        Args:
            timeout: Seconds to wait at most; None waits for ever.

        Returns:
            The completed turn.

        Raises:
            TimeoutError: If it still runs after the timeout. It runs on.
            CodexError: As `Thread.run` does.
        """
        if not self.wait(timeout):
            raise TimeoutError(f"The turn still runs after {timeout:g} seconds.")
        if self._error is not None:
            raise self._error
        return self._turn

    def __await__(self) -> Generator[Any, Any, Turn]:
        return to_thread.run_sync(self.result, abandon_on_cancel=True).__await__()

    def __repr__(self) -> str:
        return f"<turn of thread {self._thread.id or 'to be'}: {self._turn.status} for {self.elapsed:.0f} s>"

    async def _drive(self) -> None:
        """Run the turn to its end. The end is noted whatever happens, because other threads wait for it."""
        diffs = dict[str, str]()
        try:
            self._workspace = Workspace(Path(self._thread.options.working_directory or Path.cwd()), self._home)
            await self._stream(self._workspace, diffs)
        except CodexError as error:
            turn = error.turn if isinstance(error.turn, Turn) else dataclasses.replace(self._turn, status="failed", error=str(error))
            error.turn = self._turn = dataclasses.replace(turn, diffs=diffs)
            self._error = error
            hide_traceback(error)
        except BaseException as error:
            self._turn = dataclasses.replace(self._turn, status="failed", error=f"{type(error).__name__}: {error}", diffs=diffs)
            self._error = error
            raise
        finally:
            self._ended = time.monotonic()
            try:
                with CancelScope(shield=True):
                    self._written = await self._workspace.written() if self._workspace is not None else ()
            finally:
                self._set(self._turn, finished=True)

    async def _stream(self, workspace: Workspace, diffs: dict[str, str]) -> None:
        """Run the turn, and leave its newest state behind."""
        async with self._thread.run_streamed(self._prompt, self._options) as streamed:
            self._streamed = streamed
            # The CLI takes longer to start up than this takes, and changes nothing before it has asked the model.
            await workspace.remember()
            try:
                async for _ in streamed.events:
                    # The turn may be ahead of the event: a finished item is shown once, so its diff must be there by then.
                    now = streamed.turn
                    for item in now.items:
                        if isinstance(item, FileChangeItem) and item.id not in now.open_item_ids and item.id not in diffs:
                            diffs[item.id] = await workspace.diff(item.changes)
                    self._set(dataclasses.replace(now, diffs=dict(diffs)))
                    if self._budget is not None and now.thread_id is not None:
                        exceeded = await to_thread.run_sync(self._budget.exceeded, now.thread_id)
                        if exceeded:
                            self.stop(exceeded)
                await streamed.wait()
            finally:
                self._set(dataclasses.replace(streamed.turn, diffs=dict(diffs)))

    def _ask(self, request: ApprovalRequest) -> ApprovalDecision:
        """Wait for the answer to a question, on a thread of its own; questions that come at the same time wait for their turn."""
        if not self._permanent:
            choices = tuple(choice for choice in request.choices if choice != "accept_always")
            request = dataclasses.replace(request, choices=choices)
        with self._asking, self._changed:
            if self.finished or self._token.cancelled:
                return "decline"
            self._question, self._decision = request, None
            self._changed.notify_all()
            while self._question is request and not (self.finished or self._token.cancelled):
                self._changed.wait(POLL_INTERVAL)
            if self._question is request:
                self._question = None
            return self._decision or "decline"

    def _set(self, turn: Turn, *, finished: bool = False) -> None:
        with self._changed:
            self._turn = turn
            if finished:
                self._question = None
                self._finished.set()
            self._changed.notify_all()
