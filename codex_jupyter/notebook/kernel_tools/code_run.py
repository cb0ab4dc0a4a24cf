"""Run code of the agent in the kernel, on the main thread."""

import _thread
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from codex_jupyter.notebook.kernel_tools.capture import captured
from codex_jupyter.notebook.kernel_tools.output import CodeOutput

if TYPE_CHECKING:
    from codex_jupyter.notebook.context.cells import CellLog

AWAIT_REFUSED: Final = (
    "Top-level await is not available to the agent's code, because the kernel's event loop waits for it. "
    "Write a function that runs the coroutine in a thread: threading.Thread(target=asyncio.run, args=(coroutine(),))."
)
_ABSENT: Final = object()
_REPEAT_SECONDS: Final = 0.2
"""Seconds after which an interrupt is sent again that had no effect."""


@dataclass(frozen=True, slots=True)
class NameChanges:
    """The names that code bound, rebound and deleted. Names that start with an underscore are left out."""

    bound: tuple[str, ...] = ()
    rebound: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()

    @classmethod
    def between(cls, before: Mapping[str, Any], after: Mapping[str, Any]) -> "NameChanges":
        """Compare two namespaces by identity."""

        def names(source: Mapping[str, Any]) -> list[str]:
            return sorted(name for name in source if isinstance(name, str) and not name.startswith("_"))

        return cls(
            bound=tuple(name for name in names(after) if name not in before),
            rebound=tuple(name for name in names(after) if name in before and before[name] is not after[name]),
            deleted=tuple(name for name in names(before) if name not in after),
        )

    def describe(self, *, kept: bool) -> str:
        """Return one line about the names; empty if none has changed."""
        parts = {"bound": self.bound, "rebound": self.rebound, "deleted": self.deleted}
        texts = [f"{verb} {', '.join(names)}" for verb, names in parts.items() if names]
        if not texts:
            return ""
        return f"Names: {'; '.join(texts)}." if kept else f"Names, restored after the run: {'; '.join(texts)}. Use keep=true to keep them."


class CodeRun:
    """Code that runs, or will run, on the main thread. `work` runs it; all other methods can be called from any thread.

    Args:
        shell: The notebook's shell.
        cells: The log of the user's cells, which the code does not belong to.
        code: The code of a cell, with magics.
        keep: Keep the names that the code binds, rebinds and deletes.
    """

    def __init__(self, shell: Any, cells: "CellLog", code: str, *, keep: bool = False) -> None:
        self.code: str = code
        self.keep: bool = keep
        self.output: CodeOutput = CodeOutput()
        self.names: NameChanges = NameChanges()
        self.failed: bool = False
        self.interrupted: bool = False
        self.started_at: float | None = None
        self._shell, self._cells = shell, cells
        self._done = threading.Event()
        self._state = threading.Lock()
        self._running = self._cancelled = False
        self._interruptible = self._raises = self._late = False
        self._notices = self._wanted = 0

    @property
    def finished(self) -> bool:
        """True if the code has ended, or will not run."""
        return self._done.is_set()

    @property
    def cancelled(self) -> bool:
        """True if `cancel` was called."""
        return self._cancelled

    @property
    def elapsed(self) -> float:
        """Seconds since the code started; 0 if it waits for the main thread."""
        return 0.0 if self.started_at is None else time.monotonic() - self.started_at

    def wait(self, seconds: float) -> bool:
        """Wait until the code has ended. Return True if it has."""
        return self._done.wait(seconds)

    def cancel(self) -> None:
        """Interrupt the code, or prevent its start."""
        with self._state:
            self._cancelled = True
            if not self._running:
                self._done.set()
            elif self._notices >= self._wanted:  # otherwise an earlier call still tries
                self._wanted = self._notices + 1
                threading.Thread(target=self._interrupt, args=(self._wanted,), name="codex-jupyter-interrupt", daemon=True).start()

    def _interrupt(self, wanted: int) -> None:
        """Interrupt the code until it notices.

        A signal that arrives just before the main thread enters a blocking call does not end that call. So one signal is not enough.
        """
        while self._notices < wanted:
            with self._state:
                if self._interruptible:
                    signal_main_thread()
            if self._done.wait(_REPEAT_SECONDS):
                return

    def work(self) -> None:
        """Run the code. Call it on the main thread, inside or outside of a cell. Raises nothing of the code."""
        with self._state:
            if self._cancelled:
                return
            self._running = True
        self.started_at = time.monotonic()
        try:
            self._run()
        except KeyboardInterrupt:  # between the code and here
            self.failed = self.interrupted = True
        finally:
            with self._state:
                self._running = False
            self._done.set()

    def _run(self) -> None:
        shell = self._shell
        transformed = self.code
        with suppress(Exception):  # `run_cell` reports it
            transformed = shell.transform_cell(self.code)
        if shell.should_run_async(self.code, transformed_cell=transformed):
            self.failed = True
            self.output.write("stderr", AWAIT_REFUSED + "\n")
            return
        before = dict(shell.user_ns)
        show = not self.code.rstrip().endswith(";")
        try:
            with self._cells.ignored(), captured(shell, self.output, show_result=show), self._interrupts_raise():
                result = shell.run_cell(self.code, store_history=False)
            self._record_end(result.error_before_exec or result.error_in_exec)
        finally:
            self.names = NameChanges.between(before, shell.user_ns)
            if not self.keep:
                _restore(shell.user_ns, before)

    @contextmanager
    def _interrupts_raise(self) -> Iterator[None]:
        """Let interrupts of the kernel and of `cancel` reach the code, also between two cells, where the kernel ignores interrupts.

        An interrupt that comes while the handlers are changed is raised before the code or after the earlier handler is restored.
        """
        earlier = signal.signal(signal.SIGINT, self._notice)
        try:
            with self._state:
                self._interruptible = True
            self._raises = True
            self._raise_late_interrupt()
            yield
        finally:
            self._raises = False
            with self._state:
                self._interruptible = False
            signal.signal(signal.SIGINT, earlier)
        if not self._cancelled:  # otherwise the interrupt can be one of `cancel`, which the code no longer needs
            self._raise_late_interrupt()

    def _notice(self, number: int, frame: FrameType | None) -> None:
        self._notices += 1
        self._late = not self._raises
        if self._raises:
            signal.default_int_handler(number, frame)

    def _raise_late_interrupt(self) -> None:
        if self._late:
            self._late = False
            raise KeyboardInterrupt

    def _record_end(self, error: BaseException | None) -> None:
        self.failed, self.interrupted = error is not None, isinstance(error, KeyboardInterrupt)


def signal_main_thread() -> None:
    """Send SIGINT to the main thread of this process. Call it from any thread."""
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, signal.SIGINT)  # also ends a system call, such as a sleep
    else:
        _thread.interrupt_main()


def _restore(namespace: dict[str, Any], before: Mapping[str, Any]) -> None:
    """Give every name the value that it had."""
    for name in [name for name in namespace if name not in before]:
        namespace.pop(name, None)
    for name, value in before.items():
        if namespace.get(name, _ABSENT) is not value:
            namespace[name] = value
