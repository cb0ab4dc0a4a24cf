"""A way to stop a turn from any thread."""

import threading
from collections.abc import Callable


class CancellationToken:
    """Stop turns from any thread. Pass it to turns as `cancellation`; several turns can share one.

    A turn that is started with a cancelled token raises `TurnInterruptedError` before anything runs.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: dict[object, Callable[[], None]] = {}
        self._cancelled = False
        self._reason: str | None = None

    @property
    def cancelled(self) -> bool:
        """True if `cancel` was called."""
        return self._cancelled

    @property
    def reason(self) -> str | None:
        """The reason that was passed to `cancel`."""
        return self._reason

    def cancel(self, reason: str | None = None) -> None:
        """Ask every turn with this token to stop. Returns at once. Only the first call has an effect.

        Args:
            reason: The message of the error that the turns raise.
        """
        with self._lock:
            if self._cancelled:
                return
            self._cancelled, self._reason = True, reason
            callbacks = list(self._callbacks.values())
        for callback in callbacks:
            callback()

    def attach(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` once, in the thread that cancels. If the token is cancelled already, call it now.

        Returns:
            A function that removes the callback.
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
