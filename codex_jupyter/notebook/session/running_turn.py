"""A turn that runs on the event loop, and what other threads see of it."""

import dataclasses
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from anyio import CancelScope, to_thread

from codex_jupyter.notebook.display.short_errors import hide_traceback
from codex_jupyter.notebook.render import Thumbnail, TurnInfo
from codex_jupyter.notebook.render.approval import record
from codex_jupyter.notebook.session.event_loop import POLL_INTERVAL
from codex_jupyter.notebook.session.interrupts import Interrupts
from codex_jupyter.notebook.session.token_budget import Budget
from codex_jupyter.notebook.workspace.observer import Workspace
from codex_jupyter.sdk import (
    ApprovalDecision,
    ApprovalRequest,
    CancellationToken,
    CodexError,
    FileChangeItem,
    ImageGenerationItem,
    ImageViewItem,
    Input,
    StreamedTurn,
    Thread,
    Turn,
    TurnOptions,
    UnsupportedOperationError,
)
from codex_jupyter.sdk.executable.workspace import absolute


class RunningTurn:
    """A turn that runs on the event loop, seen from other threads. `EventLoop.start(turn.run)` starts it.

    The task of the turn stores the newest state of the `Turn`. Followers take it, and wait for the next state. A turn is stopped by its
    token, and has ended when it reports so itself, because a cancelled future returns before the clean-up.

    Args:
        thread: Its thread. Only this event loop may run turns of it.
        prompt: The input.
        options: Options of the turn, without a cancellation token.
        home: The notebook's folder, where links to files start.
        asks: The agent may ask for approvals; see `question`.
        permanent: The user may approve something permanently.
        budget: The tokens that the turn may use.
    """

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
        """True if a widget shows the questions, so that a turn in the background may ask."""
        self._home = home
        self._prompt = prompt
        self._token = CancellationToken()
        self._options = TurnOptions.of(options, {"cancellation": self._token, "on_approval": self.ask if asks else None})
        self._main_calls: deque[Callable[[], None]] = deque()
        self.wake_main_thread: Callable[[Callable[[], None]], object] | None = None
        """Has a function called on the main thread between two cells. None if a cell waits for the turn."""
        self.closers: list[Callable[[], None]] = []
        """Called on the event loop when the turn has ended."""
        self._changed = threading.Condition()
        self._finished = threading.Event()
        self._turn = Turn()
        self._error: BaseException | None = None
        self._written: tuple[Thumbnail, ...] = ()
        self._workspace: Workspace | None = None
        self._started = time.monotonic()
        self._ended: float | None = None

    @property
    def turn(self) -> Turn:
        """The newest state of the turn."""
        return self._turn

    @property
    def error(self) -> BaseException | None:
        """The error of a turn that ended without completing."""
        return self._error

    @property
    def elapsed(self) -> float:
        """Seconds that the turn has run."""
        return (self._ended or time.monotonic()) - self._started

    @property
    def finished(self) -> bool:
        """True if the turn has ended and nothing of it runs any more."""
        return self._finished.is_set()

    @property
    def question(self) -> ApprovalRequest | None:
        """The question that the agent waits for. The display of the turn shows it and calls `answer`."""
        return self._question

    @property
    def decisions(self) -> tuple[str, ...]:
        """The decisions so far, one line each."""
        return tuple(self._decisions)

    def complete_info(self, info: TurnInfo) -> TurnInfo:
        """Return the information from before the turn started, with what the turn has added to it."""
        remarks = () if self._workspace is None else self._workspace.remarks
        return dataclasses.replace(info, elapsed=self.elapsed, written=self._written, decisions=self.decisions, remarks=remarks)

    def answer(self, request: ApprovalRequest, decision: ApprovalDecision | None) -> None:
        """Answer a question, from any thread. None means that the user cannot be asked, and declines.

        The first answer counts. An answer to a question that is not asked any more does nothing.
        """
        with self._changed:
            if self._question is request:
                self._question, self._decision = None, decision
                self._changed.notify_all()
                self._decisions.append(record(request, decision))

    def on_main_thread(self, function: Callable[[], None]) -> None:
        """Have a function called on the main thread: by the cell that waits for the turn, or else between two cells. Returns at once."""
        with self._changed:
            self._main_calls.append(function)
            self._changed.notify_all()
        if self.wake_main_thread is not None:
            self.wake_main_thread(self._call_between_cells)

    def run_main_calls(self) -> None:
        """Call the functions that wait for the main thread, if this is it.

        Raises:
            KeyboardInterrupt: If the user has interrupted one of them.
        """
        if threading.current_thread() is threading.main_thread():
            while self._main_calls:
                with suppress(IndexError):
                    self._main_calls.popleft()()

    def _call_between_cells(self) -> None:
        try:
            self.run_main_calls()
        except KeyboardInterrupt:
            self.stop()

    @property
    def can_steer(self) -> bool:
        """True if `steer` can add to the turn now."""
        return self._streamed is not None and self._streamed.can_steer

    async def steer(self, text: str) -> None:
        """Add to the prompt of the turn. Runs on the event loop, and raises as `StreamedTurn.steer` does."""
        if self._streamed is None:
            raise UnsupportedOperationError("The turn does not run, so it takes no more input.")
        await self._streamed.steer(text)

    def updates(self) -> Iterator[Turn]:
        """Yield the newest state of the turn whenever it changes, and every `POLL_INTERVAL` seconds, until it has ended.

        Several threads can follow it at once.
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
        """Ask the turn to stop, from any thread. Return at once. The turn ends within a few seconds."""
        self._token.cancel(reason)

    def cancel(self) -> None:
        """Stop the turn. The name that futures use."""
        self.stop("The turn was cancelled.")

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the turn has ended, in steps that an interrupt of the kernel can break.

        Args:
            timeout: Seconds to wait. None sets no limit.

        Returns:
            True if it has ended.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        # An interrupt raises between two steps, not inside of `Event.wait`, which could keep its lock.
        with Interrupts() as interrupts:
            while not self._finished.wait(POLL_INTERVAL):
                with interrupts.raising(handled=True):
                    self.run_main_calls()
                if deadline is not None and time.monotonic() > deadline:
                    return False
        return True

    def result(self, timeout: float | None = None) -> Turn:
        """Wait for the end of the turn.

        Args:
            timeout: Seconds to wait. None sets no limit.

        Returns:
            The completed turn.

        Raises:
            TimeoutError: If it still runs after the timeout. It continues to run.
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

    async def run(self) -> None:
        """Run the turn to its end, on the event loop. The end is always recorded, because other threads wait for it."""
        diffs = dict[str, str]()
        try:
            self._workspace = Workspace(absolute(self._thread.options.working_directory or Path()), self._home)
            await self._stream(self._workspace, diffs)
        except CodexError as error:
            turn = error.turn if isinstance(error.turn, Turn) else dataclasses.replace(self._turn, status="failed", error=str(error))
            error.turn = self._turn = dataclasses.replace(turn, diffs={**turn.diffs, **diffs})
            self._error = error
            hide_traceback(error)
        except BaseException as error:
            self._turn = dataclasses.replace(self._turn, status="failed", error=f"{type(error).__name__}: {error}")
            self._error = error
            raise
        finally:
            self._ended = time.monotonic()
            for close in self.closers:
                close()
            try:
                with CancelScope(shield=True):
                    self._written = await self._workspace.written(_viewed(self._turn)) if self._workspace is not None else ()
            finally:
                self._set(self._turn, finished=True)

    async def _stream(self, workspace: Workspace, diffs: dict[str, str]) -> None:
        """Run the turn, and store its newest state."""
        async with self._thread.run_streamed(self._prompt, self._options) as streamed:
            self._streamed = streamed
            # This is faster than the start of the CLI, which changes nothing before it has asked the model.
            await workspace.remember(texts=not streamed.has_diffs)
            try:
                async for _ in streamed.events:
                    # The turn can be ahead of the event. A finished item is shown once, so its diff must exist by then.
                    now = streamed.turn
                    for item in () if streamed.has_diffs else now.items:
                        if isinstance(item, FileChangeItem) and item.id not in now.open_item_ids and item.id not in diffs:
                            diffs[item.id] = await workspace.diff(item.changes)
                    self._set(dataclasses.replace(now, diffs={**now.diffs, **diffs}))
                    if self._budget is not None and now.thread_id is not None:
                        exceeded = await to_thread.run_sync(self._budget.exceeded, now.thread_id)
                        if exceeded:
                            self.stop(exceeded)
                await streamed.wait()
            finally:
                self._set(dataclasses.replace(streamed.turn, diffs={**streamed.turn.diffs, **diffs}))

    def ask(self, request: ApprovalRequest) -> ApprovalDecision:
        """Wait for the answer to a question, on a worker thread. Simultaneous questions are asked one after the other."""
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


def _viewed(turn: Turn) -> Iterator[str]:
    """Yield the paths of the images that the agent looked at, or that were generated into a file."""
    for item in turn.items:
        if isinstance(item, ImageViewItem):
            yield item.path
        elif isinstance(item, ImageGenerationItem) and item.saved_path and not item.result:
            yield item.saved_path
