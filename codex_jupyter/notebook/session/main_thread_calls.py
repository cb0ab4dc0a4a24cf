"""Functions of a turn that must run on the main thread of the kernel."""

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress


class MainThreadCalls:
    """Functions that wait for the main thread: for the cell that waits for the turn, or else for the time between two cells.

    Args:
        changed: Notified when a function is added.
        closed: Returns True once the turn has ended or is stopped. The functions that wait are then dropped.
        stop: Stops the turn, because the user has interrupted a function between two cells.
    """

    def __init__(self, changed: threading.Condition, closed: Callable[[], bool], stop: Callable[[], object]) -> None:
        self._changed, self._closed, self._stop = changed, closed, stop
        self._functions: deque[Callable[[], None]] = deque()
        self.wake: Callable[[Callable[[], None]], object] | None = None
        """Has a function called on the main thread between two cells. None if a cell waits for the turn."""

    @property
    def pending(self) -> bool:
        """True if functions wait, and this is the main thread."""
        return bool(self._functions) and threading.current_thread() is threading.main_thread()

    def add(self, function: Callable[[], None]) -> None:
        """Have a function called on the main thread. Return at once."""
        with self._changed:
            self._functions.append(function)
            self._changed.notify_all()
        if self.wake is not None:
            self.wake(self._run_between_cells)

    def run(self) -> None:
        """Call the functions that wait, if this is the main thread.

        Raises:
            KeyboardInterrupt: If the user has interrupted one of them.
        """
        while self.pending:
            with suppress(IndexError):
                function = self._functions.popleft()
                if not self._closed():
                    function()

    def _run_between_cells(self) -> None:
        try:
            self.run()
        except KeyboardInterrupt:
            self._stop()
