"""A thread with an event loop, which other threads use through a portal of anyio."""

import threading
from concurrent.futures import Future

import anyio
from anyio.from_thread import BlockingPortal

from codex_jupyter.sdk.processes.forks import forget_after_fork
from codex_jupyter.sdk.processes.spawn import system_error


class PortalThread:
    """A thread with an event loop. The first use of `portal` starts it.

    It is a daemon thread, so that it does not keep the program from exiting.

    Args:
        name: The name of the thread.
    """

    def __init__(self, name: str = "codex-jupyter") -> None:
        self._name = name
        self._opening = threading.Lock()
        self._portal: Future[BlockingPortal] | None = None
        self._thread: threading.Thread | None = None
        forget_after_fork(self)

    @property
    def portal(self) -> BlockingPortal:
        """The portal to the event loop.

        Raises:
            TransportError: If the system cannot start it.
        """
        with self._opening:
            try:
                if self._portal is None:
                    # Not `start_blocking_portal`: it would wait for its thread at the end of a forked child, where there is none.
                    self._portal = Future()
                    self._thread = threading.Thread(target=run_portal, args=(self._portal,), name=self._name, daemon=True)
                    self._thread.start()
                return self._portal.result()
            except (OSError, RuntimeError) as error:  # no file, or no room for a thread
                self._portal = None
                raise system_error("The event loop of Codex cannot be started", error) from error
            except BaseException:  # an interrupt, which can come before the thread runs: the next use would wait for it for ever
                if self._portal is not None and self._portal.cancel():
                    self._portal = None
                raise

    @property
    def is_current(self) -> bool:
        """True if the caller runs on the event loop."""
        return self._thread is threading.current_thread()

    def close(self) -> None:
        """End the event loop. No turn may run."""
        with self._opening:
            portal, thread, self._portal, self._thread = self._portal, self._thread, None, None
        if portal is not None and thread is not None:
            portal.result().call(portal.result().stop)
            thread.join()

    def forget_parent(self) -> None:
        """Leave the event loop to the parent. The next use starts another one. See `ForkAware`."""
        self._opening = threading.Lock()
        self._portal = self._thread = None


def run_portal(ready: "Future[BlockingPortal]") -> None:
    """Run an event loop for a portal, until the portal is stopped. Do nothing if `ready` was cancelled."""
    if not ready.set_running_or_notify_cancel():
        return

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
