"""A thread of a notebook: its name, its turns of this kernel, and the one that runs."""

import os
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from codex_jupyter.notebook.persistence.finished_turn import FinishedTurn
from codex_jupyter.notebook.persistence.thread_store import MAIN as MAIN
from codex_jupyter.notebook.persistence.thread_store import SavedThread, utc_now
from codex_jupyter.notebook.render import TurnInfo
from codex_jupyter.notebook.session.event_loop import POLL_INTERVAL, RunningTurn
from codex_jupyter.sdk import Thread


@dataclass(slots=True)
class Conversation:
    """A thread by its name in the notebook."""

    name: str
    thread: Thread
    turns: list[FinishedTurn] = field(default_factory=list)
    """The turns of this kernel, oldest first."""
    past: list[FinishedTurn] = field(default_factory=list)
    """Those before them: of earlier kernels and other programs, as far as they are known, or of the thread that this one is a fork of."""
    earlier: SavedThread | None = None
    """What is known of the thread from earlier kernels, if it was resumed."""
    resumed: bool = False
    """Whether it was begun before, by this kernel or another program."""
    running: RunningTurn | None = None
    key: str = field(default_factory=lambda: uuid.uuid4().hex)
    """What tells this thread from all others of the kernel, of the same name too."""
    info: TurnInfo = field(default_factory=TurnInfo)
    """What is known about its last turn."""
    follower: threading.Thread | None = None
    """What shows the turn in the background; None if it runs, or ran, in a cell."""
    repeat: Callable[[], object] | None = None
    """Shows the turn in the background once more, when it has ended; None if that is done, or not needed."""

    @property
    def history(self) -> list[FinishedTurn]:
        """All of its turns that have ended, as far as they are known, oldest first."""
        return [*self.past, *self.turns]

    def wait(self) -> None:
        """Wait until its turn has ended and is shown to its end; an interrupt ends the waiting, not the turn."""
        if self.running is not None:
            self.running.wait()
        while self.follower is not None and self.follower.is_alive():
            self.follower.join(POLL_INTERVAL)
        repeat, self.repeat = self.repeat, None
        if repeat is not None:
            repeat()

    @property
    def record(self) -> SavedThread | None:
        """What is remembered of it; None before its first turn has begun."""
        if self.thread.id is None:
            return None
        whole = next((past.turn.thread_usage for past in reversed(self.turns) if past.turn.thread_usage is not None), None)
        return SavedThread(
            name=self.name,
            id=self.thread.id,
            turns=len(self.turns) + (self.earlier.turns if self.earlier else len(self.past)),
            tokens=whole.total_tokens if whole is not None else self.earlier.tokens if self.earlier else 0,
            last_prompt=self.turns[-1].prompt[:200] if self.turns else (self.earlier.last_prompt if self.earlier else ""),
            updated=utc_now(),
            codex_home=os.environ.get("CODEX_HOME", ""),
        )
