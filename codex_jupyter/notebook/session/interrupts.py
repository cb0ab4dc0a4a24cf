"""Notice each interrupt of the kernel while a turn runs.

Python reports an interrupt as a KeyboardInterrupt at any place of the main thread. There it can be lost: in a finalizer, in a callback of a
library that catches everything, or between the start of a turn and the code that follows it. So a signal handler counts the interrupts, and
raises only where nothing can be torn.
"""

import _thread
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from codex_jupyter.sdk import Turn


class Interrupts:
    """Count the interrupts of the kernel inside a `with` block. On other threads than the main thread, it does nothing.

    An interrupt raises KeyboardInterrupt only inside of `raising`, or at the end of the block if `take` has not returned it.
    """

    def __init__(self) -> None:
        self._count = self._taken = 0
        self._raises = False
        self._previous: Any = None
        self._raise: Any = None
        self._installed = False
        self._stops = self._stoppable = False
        """A signal of this class is on its way; and it may raise."""

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread() and callable(signal.getsignal(signal.SIGINT)):
            self._previous = self._raise = signal.signal(signal.SIGINT, self._handle)
            self._installed = True
            outer = getattr(self._previous, "__self__", None)
            if isinstance(outer, Interrupts):
                self._raise = outer._raise
                self._count += outer.take()  # one that was lost before this block
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._raises = False
        if self._installed:
            signal.signal(signal.SIGINT, self._previous)
        if self.take() and kind is None:
            raise KeyboardInterrupt

    def take(self) -> bool:
        """Return True if there was an interrupt since the last call."""
        taken, self._taken = self._taken, self._count
        return self._taken > taken

    @property
    def pending(self) -> bool:
        """True if there was an interrupt that `take` has not returned."""
        return self._count > self._taken

    @contextmanager
    def raising(self, *, handled: bool = False) -> Iterator[None]:
        """Raise KeyboardInterrupt inside of the block, at once if there was an interrupt before it.

        Args:
            handled: Code inside of the block may handle the exception. Then the interrupt counts as taken.
        """
        self._raises = True
        try:
            if self.pending:
                raise KeyboardInterrupt
            yield
            if handled:
                self._taken = self._count
        finally:
            self._raises = False

    @contextmanager
    def stoppable(self) -> Iterator[Callable[[], None]]:
        """Yield a function that ends the block from another thread, such as a block that waits for input. The block raises nothing then.

        Use it inside of `raising`.
        """
        stopped, lock, main = False, threading.Lock(), threading.get_ident()

        def stop() -> None:
            nonlocal stopped
            with lock:
                if self._stoppable:
                    stopped = self._stops = True
                    # Only a signal ends a system call. Windows has none for a thread, but there the kernel waits in steps.
                    if hasattr(signal, "pthread_kill"):
                        signal.pthread_kill(main, signal.SIGINT)
                    else:
                        _thread.interrupt_main()

        self._stoppable = self._installed
        try:
            try:
                yield stop
            finally:
                self._stoppable = False
        except KeyboardInterrupt:
            if not stopped or self.pending:
                raise
        with lock:  # the signal of a late stop arrives before the end of the block, where it does nothing
            pass

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._stops:
            self._stops = False
            if not self._stoppable:
                return
        else:
            self._count += 1
        if self._raises:
            handler: Callable[[int, FrameType | None], object] = self._raise
            handler(number, frame)


class CodexInterrupted(KeyboardInterrupt):
    """Raised when the user interrupted a turn. Ends the cell with one line, and a *Run All* with it.

    Attributes:
        turn: The turn with everything that it did.
    """

    def __init__(self, turn: "Turn") -> None:
        subject = "The turn was complete when it" if turn.status == "completed" else "The turn"
        super().__init__(f"{subject} was interrupted. The next %%codex cell continues the same thread.")
        self.turn = turn

    def _render_traceback_(self) -> list[str]:
        return [str(self)]
