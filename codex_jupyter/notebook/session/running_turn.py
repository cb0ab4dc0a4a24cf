"""A turn that runs on the event loop, and what other threads see of it."""

import dataclasses
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from anyio import CancelScope, to_thread

from codex_jupyter.notebook.display.short_errors import hide_traceback
from codex_jupyter.notebook.render import Thumbnail, TurnInfo
from codex_jupyter.notebook.session.event_loop import POLL_INTERVAL
from codex_jupyter.notebook.session.interrupts import Interrupts
from codex_jupyter.notebook.session.main_thread_calls import MainThreadCalls
from codex_jupyter.notebook.session.turn_questions import TurnQuestions
from codex_jupyter.notebook.workspace.coverage import uncovered
from codex_jupyter.notebook.workspace.observer import Workspace
from codex_jupyter.sdk import (
    ApprovalDecision,
    ApprovalRequest,
    BudgetExceededError,
    CancellationToken,
    CodexError,
    FileChangeItem,
    ImageGenerationItem,
    ImageViewItem,
    Input,
    ReviewTarget,
    StreamedTurn,
    Thread,
    Turn,
    TurnFailedError,
    TurnOptions,
    UnsupportedOperationError,
)
from codex_jupyter.sdk.executable.workspace import absolute

if TYPE_CHECKING:
    from codex_jupyter.notebook.persistence.finished_turn import Undoable
    from codex_jupyter.notebook.session.open_notebook import OpenNotebook

BUDGET_SETTINGS: Final = {"tokens": "max_tokens_per_turn", "seconds": "max_seconds_per_turn"}
"""The settings of the limits of `TurnBudget`."""
BATCH_INTERVAL: Final = 0.01
"""Seconds after a change in which more changes are collected before they are displayed. A call for the main thread is not delayed."""


class RunningTurn:
    """A turn that runs on the event loop, seen from other threads. `EventLoop.start(turn.run)` starts it.

    The task of the turn stores the newest state of the `Turn`. Followers take it, and wait for the next state. A turn is stopped by its
    token, and has ended when it reports so itself, because a cancelled future returns before the clean-up.

    Args:
        thread: Its thread. Only this event loop may run turns of it.
        prompt: The input.
        options: Options of the turn, without a cancellation token.
        home: The notebook's folder, where links to files start.
        asks: The agent may ask for approvals; see `TurnQuestions`.
        permanent: The user may approve something permanently.
        review: The code to review, instead of answering the prompt.
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
        review: ReviewTarget | None = None,
    ) -> None:
        self._thread = thread
        self._changed = threading.Condition()
        self._streamed: StreamedTurn | None = None
        self._steered: list[tuple[int, str]] = []
        self._home = self._folder = home
        self._prompt, self._review = prompt, review
        self._token = CancellationToken()
        self.questions: TurnQuestions = TurnQuestions(self._changed, self.is_closed, permanent=permanent)
        """The questions of the agent."""
        self.main_calls: MainThreadCalls = MainThreadCalls(self._changed, self.is_closed, self.stop)
        """Functions of the turn that must run on the main thread."""
        self._options = TurnOptions.of(options, {"cancellation": self._token, "on_approval": self._decide if asks else None})
        self.undoables: list[Undoable] = []
        """Cells that the turn has changed, for an undo."""
        self.open_notebook: OpenNotebook | None = None
        """Notices that the agent tries to write the open notebook. None if it has no tools for cells."""
        self.note: str = ""
        """One line about the files that an undo of the turn does not cover. Empty if it covers all."""
        self.closers: list[Callable[[], None]] = []
        """Called on the event loop when the turn has ended."""
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
        """Seconds that the turn has run, without those in which it waited for the user."""
        return (self._ended or time.monotonic()) - self._started - self.questions.waited

    @property
    def finished(self) -> bool:
        """True if the turn has ended and nothing of it runs any more."""
        return self._finished.is_set()

    @property
    def steered(self) -> tuple[tuple[int, str], ...]:
        """The texts that were added to the prompt so far, each with the number of items before it."""
        return tuple(self._steered)

    def complete_info(self, info: TurnInfo) -> TurnInfo:
        """Return the information from before the turn started, with what the turn has added to it."""
        remarks = () if self.open_notebook is None else self.open_notebook.remarks
        remarks += () if self._workspace is None else self._workspace.remarks
        remarks += self.questions.remarks
        return dataclasses.replace(
            info,
            elapsed=self.elapsed,
            written=self._written,
            decisions=self.questions.decisions,
            answers=self.questions.answers,
            remarks=remarks,
            steered=self.steered,
        )

    @property
    def can_steer(self) -> bool:
        """True if `steer` can add to the turn now."""
        return self._streamed is not None and self._streamed.can_steer

    async def steer(self, text: str) -> None:
        """Add to the prompt of the turn. Runs on the event loop, and raises as `StreamedTurn.steer` does."""
        if self._streamed is None:
            raise UnsupportedOperationError("The turn does not run, so it takes no more input.")
        items = len(self._turn.items)
        await self._streamed.steer(text)
        with self._changed:
            self._steered.append((items, text))
            self._changed.notify_all()

    def _decide(self, request: ApprovalRequest) -> ApprovalDecision | Awaitable[ApprovalDecision]:
        """Ask the user, except about a patch of the open notebook."""
        if self.open_notebook is not None and self.open_notebook.declines(request):
            return self._declined()
        return self.questions.ask(request)

    async def _declined(self) -> ApprovalDecision:
        # Before the answer, so that the next request to the model has the text.
        await self._send_hint()
        return "decline"

    async def _send_hint(self) -> None:
        """Send the agent the names of the tools for cells once, if the transport can."""
        notebook, streamed = self.open_notebook, self._streamed
        if notebook is None or streamed is None or not notebook.hint or not streamed.can_steer:
            return
        with suppress(UnsupportedOperationError):  # the turn has just ended
            await streamed.steer(notebook.hint)
            notebook.hinted()

    def updates(self) -> Iterator[Turn]:
        """Yield the newest state of the turn whenever it changes, and every `POLL_INTERVAL` seconds, until it has ended.

        Several threads can follow it at once.
        """
        shown: Turn | None = None
        while not self.finished:
            with self._changed:
                if self._turn is shown and not (self.finished or self.main_calls.pending):
                    self._changed.wait(POLL_INTERVAL)
                # A call for the main thread comes right after its item. It must not wait until the item is displayed.
                self._changed.wait_for(lambda: self.finished or self.main_calls.pending, BATCH_INTERVAL)
                shown = self._turn
            if not self.finished:
                yield shown

    def is_closed(self) -> bool:
        """Return True once the turn has ended or is stopped."""
        return self.finished or self._token.cancelled

    def stop(self, reason: str = "The kernel was interrupted.") -> None:
        """Ask the turn to stop, from any thread. Return at once. The turn ends within a few seconds."""
        self._token.cancel(reason)
        self.questions.close()

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
        # An interrupt raises between two steps, not inside of `Condition.wait`, which could keep its lock.
        with Interrupts() as interrupts:
            while not self.finished:
                with self._changed:
                    if not (self.finished or self.main_calls.pending):
                        self._changed.wait(POLL_INTERVAL)
                with interrupts.raising(handled=True):
                    self.main_calls.run()
                    self.questions.answer_in_wait(interrupts)
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
        state = f"{self._turn.status} after" if self.finished else "running for"
        return f"<turn of thread {self._thread.id or 'to be'}: {state} {self.elapsed:.0f} s>"

    async def run(self) -> None:
        """Run the turn to its end, on the event loop. The end is always recorded, because other threads wait for it."""
        diffs = dict[str, str]()
        try:
            self._folder = absolute(self._thread.options.working_directory)
            self._workspace = Workspace(self._folder, self._home)
            await self._stream(self._workspace, diffs)
        except CodexError as error:
            if isinstance(error, BudgetExceededError) and (setting := BUDGET_SETTINGS.get(error.limit)):
                error.args = (f"{error} To change the budget, set `CodexMagics.{setting}`.",)
                error.turn = dataclasses.replace(self._turn, error=str(error))
            elif isinstance(error, TurnFailedError) and isinstance(error.turn, Turn):
                error.turn = dataclasses.replace(error.turn, error=str(error))  # the message of the error has the remedy, too
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
            self.questions.close()
            self._turn = self._marked(self._turn)
            if isinstance(self._error, CodexError):
                self._error.turn = self._turn
            try:
                with CancelScope(shield=True):
                    self._written = await self._workspace.written(_viewed(self._turn)) if self._workspace is not None else ()
            finally:
                self.publish(self._turn, finished=True)

    def _marked(self, turn: Turn) -> Turn:
        """Return a turn in which the steps that waited for an answer at its end are not run, also if the CLI says that they failed."""
        unanswered = self.questions.unanswered
        if not unanswered:
            return turn
        items = (item.model_copy(update={"status": "not_run"}) if item.id in unanswered else item for item in turn.items)
        return dataclasses.replace(turn, items=tuple(items))

    def _streaming(self) -> StreamedTurn:
        if self._review is None:
            return self._thread.run_streamed(self._prompt, self._options)
        return self._thread.review_streamed(self._options, **dataclasses.asdict(self._review))

    async def _stream(self, workspace: Workspace, diffs: dict[str, str]) -> None:
        """Run the turn, and store its newest state."""
        async with self._streaming() as streamed:
            self._streamed = streamed
            self.note = uncovered(streamed.recording, self._folder)
            # This is faster than the start of the CLI, which changes nothing before it has asked the model.
            await workspace.remember(None if streamed.has_diffs else streamed.recording)
            try:
                async for _ in streamed.events:
                    # The turn can be ahead of the event. A finished item is shown once, so its diff must exist by then.
                    now = streamed.turn
                    for item in () if streamed.has_diffs else now.items:
                        if isinstance(item, FileChangeItem) and item.id not in now.open_item_ids and item.id not in diffs:
                            diffs[item.id] = await workspace.diff(item.changes)
                    if self.open_notebook is not None and self.open_notebook.is_first_try(now):
                        await self._send_hint()
                    self.publish(dataclasses.replace(now, diffs={**now.diffs, **diffs}))
                await streamed.wait()
            finally:
                self.publish(dataclasses.replace(streamed.turn, diffs={**streamed.turn.diffs, **diffs}))

    def publish(self, turn: Turn, *, finished: bool = False) -> None:
        """Store the newest state of the turn, and wake the followers. Runs on the event loop."""
        with self._changed:
            if turn.status != "in_progress":
                self.questions.close()
            self._turn = self._marked(turn)
            if finished:
                self._finished.set()
            self._changed.notify_all()


def _viewed(turn: Turn) -> Iterator[str]:
    """Yield the paths of the images that the agent looked at, or that were generated into a file."""
    for item in turn.items:
        if isinstance(item, ImageViewItem):
            yield item.path
        elif isinstance(item, ImageGenerationItem) and item.saved_path and not item.result:
            yield item.saved_path
