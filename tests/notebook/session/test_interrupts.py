"""Interrupts of the kernel while a turn runs: none is lost, and none leaves a turn that runs unseen."""

import gc
import os
import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from codex_jupyter.notebook.session.interrupts import Interrupts
from codex_jupyter.testing import ScriptedModel, shell
from tests.codex_home import used_home
from tests.notebook.conftest import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


class InterruptsInFinalizer:
    """Python ignores what a finalizer raises."""

    def __del__(self) -> None:
        interrupt()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_a_finalizer_loses_is_counted() -> None:
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts, interrupts.raising():  # noqa: PT012
        unreachable = InterruptsInFinalizer()
        unreachable.itself = unreachable  # type: ignore[attr-defined]
        del unreachable
        gc.collect()
        assert interrupts.pending


def test_outside_of_a_raising_block_an_interrupt_raises_at_the_end() -> None:
    steps = []
    with pytest.raises(KeyboardInterrupt), Interrupts():  # noqa: PT012
        interrupt()
        steps.append("the code is complete")
    assert steps


def test_an_interrupt_before_a_raising_block_raises_at_its_start() -> None:
    with Interrupts() as interrupts:
        interrupt()
        with pytest.raises(KeyboardInterrupt), interrupts.raising():
            pytest.fail("the block was entered")
        assert interrupts.take()
        assert not interrupts.take()


@pytest.mark.parametrize("handled", [True, False])
def test_an_interrupt_that_the_code_handles_is_not_taken_twice(handled: bool) -> None:
    with Interrupts() as interrupts:
        with interrupts.raising(handled=handled), suppress(KeyboardInterrupt):
            interrupt()
        assert interrupts.take() is not handled


def test_the_handler_of_the_program_is_restored_and_other_threads_do_nothing() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupts():
        assert signal.getsignal(signal.SIGINT) is not before
        with Interrupts() as inner:
            pass
        assert not inner.pending
    assert signal.getsignal(signal.SIGINT) is before

    def use() -> None:
        with Interrupts() as interrupts, interrupts.raising():
            assert signal.getsignal(signal.SIGINT) is before

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_was_lost_before_a_nested_block_is_pending_in_it() -> None:
    with Interrupts() as outer, outer.raising():
        InterruptsInFinalizer()
        with Interrupts() as inner:
            assert inner.take()
        with Interrupts() as inner, inner.raising(handled=True), suppress(KeyboardInterrupt):
            interrupt()
        assert not outer.pending


def test_a_stoppable_block_ends_from_another_thread_without_an_interrupt() -> None:
    """The signal is not an interrupt of the user, also if it comes after the block."""
    steps = []
    with Interrupts() as interrupts:
        with interrupts.raising(), interrupts.stoppable() as stop:
            thread = threading.Thread(target=stop)
            thread.start()
            threading.Event().wait(30)
            steps.append("the wait was not ended")
        thread.join()
        stop()
        assert not interrupts.pending
        with pytest.raises(KeyboardInterrupt), interrupts.raising(), interrupts.stoppable():
            interrupt()
        assert interrupts.take()
    assert not steps


MOMENTS = [
    "event_loop.EventLoop.start",
    "registry.ThreadRegistry.notify",
    "registry.ThreadRegistry.record",
    "running_turn.RunningTurn.publish",
    "followed_turn.FollowedTurn.answer",
]


@pytest.mark.parametrize("after", [True, False], ids=["after", "before"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_an_interrupt_at_any_moment_ends_the_cell_and_the_turn(
    ipython: InteractiveShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, after: bool
) -> None:
    """Between the start and the following of a turn, while its result is stored, and while another thread holds a lock."""
    kind, name = moment.rpartition(".")[::2]
    owner: Any = getattr(__import__(f"codex_jupyter.notebook.session.{kind.partition('.')[0]}", fromlist=["x"]), kind.partition(".")[2])
    original: Callable[..., Any] = getattr(owner, name)

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(owner, name, original)
        if not after:
            os.kill(os.getpid(), signal.SIGINT)
        result = original(*args, **kwargs)
        if after:
            os.kill(os.getpid(), signal.SIGINT)
        return result

    with ScriptedModel([[[shell("sleep 3")], "Done."]], codex_home=used_home(tmp_path / "home")) as model:
        ipython.user_ns["model"] = model
        ipython.run_cell("%codex use model")
        monkeypatch.setattr(owner, name, interrupted)
        result = ipython.run_cell("%%codex\ngo")
        assert isinstance(result.error_in_exec, KeyboardInterrupt)
        session = ipython.magics_manager.registry["CodexMagics"].session
        assert session.threads.running == []
        ipython.run_cell("%codex use")


def test_an_interrupt_while_a_library_catches_everything_stops_the_turn(kernel: Kernel, tmp_path: Path) -> None:
    """In a real kernel: the exception is lost in a finalizer inside of a display, and the turn is stopped all the same."""
    with ScriptedModel([[[shell("sleep 300")], "Never."]], codex_home=used_home(tmp_path / "home")) as model:
        kernel.use(model)
        kernel.execute(LOSE)
        done = kernel.execute("%%codex -s danger-full-access\ngo")
        assert "interrupted" in (done.error or "")
        assert kernel.execute("lost").value == "1"


LOSE = """\
import os, signal, sys
from codex_jupyter.notebook.display.live_display import LiveDisplay
lost, update = 0, LiveDisplay.update
sys.unraisablehook = lambda _: None
class Finalizer:
    def __del__(self):
        global lost
        lost += 1
        os.kill(os.getpid(), signal.SIGINT)
def patched(display, turn):
    if not lost and turn.items:
        Finalizer()
    update(display, turn)
LiveDisplay.update = patched
"""
