"""Recognise steps that must not be taken on the thread of an event loop: a program is run, or many files are read.

Almost every turn starts without such a step, and then needs no worker thread. A worker thread costs more than all the other steps.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_refused: Final = ContextVar("codex_jupyter_slow_steps_refused", default=False)


class SlowStepError(Exception):
    """The next step may take long. Raised only in the block of `without_slow_steps`."""


@contextmanager
def without_slow_steps() -> Iterator[None]:
    """Raise `SlowStepError` in this block before a step that may take long."""
    token = _refused.set(True)
    try:
        yield
    finally:
        _refused.reset(token)


def slow_step() -> None:
    """Announce a step that may take long, before it has any effect.

    Raises:
        SlowStepError: If slow steps are refused here.
    """
    if _refused.get():
        raise SlowStepError
