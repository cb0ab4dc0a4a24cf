"""A way to stop a turn from any thread."""

import threading
from collections.abc import Callable


class CancellationToken:
    """Stops turns when it is cancelled, from whichever thread. Give it to a turn as `cancellation`; one may serve several.

    A turn that is started with a cancelled token raises `TurnInterruptedError` before anything runs.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: dict[object, Callable[[], None]] = {}
        self._cancelled = False
        self._reason: str | None = None

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled

    @property
    def reason(self) -> str | None:
        """What `cancel` was told."""
        return self._reason

    def cancel(self, reason: str | None = None) -> None:
        """Ask every turn that holds this token to stop. Returns at once; the first call counts.

        Args:
            reason: A sentence for the error that the turns raise.
        """
        with self._lock:
            if self._cancelled:
                return
            self._cancelled, self._reason = True, reason
            callbacks = list(self._callbacks.values())
        for callback in callbacks:
            callback()

    def attach(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have `callback` called once, on the thread that cancels; at once if that has happened already.

        Returns:
            A function that takes the callback out again.
        """
        key = object()
        with self._lock:
            pending = not self._cancelled
            if pending:
                self._callbacks[key] = callback
        if not pending:
            callback()
        return lambda: self._detach(key)

    def _detach(self, key: object) -> None:
        with self._lock:
            self._callbacks.pop(key, None)
