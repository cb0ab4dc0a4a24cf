"""Redirect everything that a running cell shows into an output, and keep the kernel's own state.

The code of the agent runs with IPython's machinery. What it shows must not reach the cell that waits for it, or the last cell that ran.
`exit()` and `input()` must neither end nor block the kernel.
"""

import builtins
import getpass
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Final, NoReturn

from IPython.core.displaypub import CapturingDisplayPublisher

from codex_jupyter.notebook.display.short_errors import hide_traceback
from codex_jupyter.notebook.images.display_log import is_displaying_own
from codex_jupyter.notebook.kernel_tools.output import CodeOutput, Stream

MAX_FILE_OUTPUT: Final = 200_000
"""Bytes that are read of the output of child processes."""
_LAST_ERROR: Final = ("last_type", "last_value", "last_traceback", "last_exc")
_MISSING: Final = object()


class _Publisher(CapturingDisplayPublisher):
    """A display publisher that writes to an output. Its class makes other parts of this package ignore what it publishes.

    A thread of this package that shows the turn while the code runs still reaches the front end.
    """

    def __init__(self, output: CodeOutput, original: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._output, self._original = output, original

    def publish(
        self, data: Any, metadata: Any = None, source: Any = None, *, transient: Any = None, update: bool = False, **options: Any
    ) -> None:
        if is_displaying_own() and threading.current_thread() is not threading.main_thread():
            self._original.publish(data, metadata, transient=transient, update=update, **options)
            return
        self._output.display(data, str((transient or {}).get("display_id") or ""), update=update)

    def clear_output(self, wait: bool = False) -> None:
        self._output.clear(wait=wait)


@contextmanager
def captured(shell: Any, output: CodeOutput, *, show_result: bool = True) -> Iterator[None]:
    """Redirect everything that code shows into an output. Call it on the main thread.

    Args:
        shell: The notebook's shell.
        output: Receives text, displays, values and tracebacks.
        show_result: Show the value of the last expression.
    """

    def show(value: object = None) -> None:
        if value is not None and show_result:
            output.display(shell.display_formatter.format(value)[0], is_result=True)

    def show_traceback(_type: object, _value: object, traceback: Any) -> None:
        output.error(traceback)

    with ExitStack() as stack:
        stack.enter_context(_state_kept(shell, output))
        stack.enter_context(_descriptors_captured(output))
        for owner, name, value in (
            (sys, "stdout", Stream(output, "stdout")),
            (sys, "stderr", Stream(output, "stderr")),
            (sys, "displayhook", show),
            (shell, "display_pub", _Publisher(output, shell.display_pub)),
            (shell.display_trap, "hook", show),
            (shell, "_showtraceback", show_traceback),
            (shell, "ask_exit", _refuse_exit),
            (builtins, "input", _refuse_input),
            (getpass, "getpass", _refuse_input),
        ):
            stack.enter_context(_replaced(owner, name, value))
        yield


def _refuse_exit(*_: object) -> NoReturn:
    _refuse("The agent's code cannot end the kernel, so exit() and quit() do nothing.")


def _refuse_input(*_: object, **__: object) -> NoReturn:
    _refuse("The agent's code cannot ask the user, so input() is not available. Ask in your answer.")


def _refuse(message: str) -> NoReturn:
    error = RuntimeError(message)
    hide_traceback(error)
    raise error


@contextmanager
def _replaced(owner: Any, name: str, value: object) -> Iterator[None]:
    """Replace an attribute, and restore it also if it comes from the class."""
    own = vars(owner).get(name, _MISSING) if not hasattr(owner, "traits") or name not in owner.traits() else getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if own is _MISSING:
            with suppress(AttributeError):
                delattr(owner, name)
        else:
            setattr(owner, name, own)


@contextmanager
def _state_kept(shell: Any, output: CodeOutput) -> Iterator[None]:
    """Restore the state of the shell that a cell changes besides the names. What the code shows in the pager, as by `name?`, is output."""
    last = {name: getattr(sys, name) for name in _LAST_ERROR if hasattr(sys, name)}
    result, succeeded = shell.last_execution_result, shell.last_execution_succeeded
    payloads = list(shell.payload_manager.read_payload()) if getattr(shell, "payload_manager", None) is not None else None
    keep_kernel, exit_now = getattr(shell, "keepkernel_on_exit", None), getattr(shell, "exit_now", False)
    try:
        yield
    finally:
        for name in _LAST_ERROR:
            if name in last:
                setattr(sys, name, last[name])
            elif hasattr(sys, name):
                delattr(sys, name)
        shell.last_execution_result, shell.last_execution_succeeded = result, succeeded
        if payloads is not None:
            for payload in shell.payload_manager.read_payload():
                if payload.get("source") == "page":
                    output.display(payload.get("data") or {})
            shell.payload_manager.clear_payload()
            for payload in payloads:
                shell.payload_manager.write_payload(payload, single=False)
        if keep_kernel is not None or hasattr(shell, "keepkernel_on_exit"):
            shell.keepkernel_on_exit = keep_kernel
        if hasattr(shell, "exit_now"):
            shell.exit_now = exit_now


@contextmanager
def _descriptors_captured(output: CodeOutput) -> Iterator[None]:
    """Redirect the output of child processes and C libraries, which the kernel would show in the running cell."""
    try:
        with ExitStack() as stack:
            file = stack.enter_context(tempfile.TemporaryFile())
            saved = []
            for number in (1, 2):
                with suppress(OSError):
                    saved.append((number, os.dup(number)))
            for number, _ in saved:
                os.dup2(file.fileno(), number)
            stack.pop_all()
    except OSError:  # no room for a file: the output appears in the running cell
        yield
        return
    try:
        yield
    finally:
        for number, copy in saved:
            os.dup2(copy, number)
            os.close(copy)
        file.seek(0)
        data = file.read(MAX_FILE_OUTPUT)
        file.close()
        if data:
            output.write("stdout", data.decode(errors="replace"))
