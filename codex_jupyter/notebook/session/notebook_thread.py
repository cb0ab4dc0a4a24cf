"""A thread of a notebook: its name, its turns, and the running turn."""

import os
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from codex_jupyter._shortening import shorten
from codex_jupyter.notebook.persistence.finished_turn import FinishedTurn
from codex_jupyter.notebook.persistence.thread_store import MAIN as MAIN
from codex_jupyter.notebook.persistence.thread_store import MAX_PROMPT, MAX_TITLE, SavedThread, utc_now
from codex_jupyter.notebook.render import TurnInfo
from codex_jupyter.notebook.session.event_loop import POLL_INTERVAL
from codex_jupyter.notebook.session.running_turn import RunningTurn
from codex_jupyter.sdk import Thread

if TYPE_CHECKING:
    from codex_jupyter.notebook.cell_tools.toolbox import CellTools
    from codex_jupyter.notebook.kernel_tools.toolbox import KernelTools


@dataclass(slots=True)
class ThreadTools:
    """The tools that a thread was started with.

    Attributes:
        names: The names of the functions.
        kernel: The kernel's tools; None if the thread has none.
        cells: The tools for cells, which are in the same group.
    """

    names: frozenset[str] = frozenset()
    kernel: "KernelTools | None" = None
    cells: "CellTools | None" = None


@dataclass(slots=True)
class NotebookThread:
    """A thread under its name in the notebook."""

    name: str
    thread: Thread
    title: str = ""
    """The title that the user gave it; see `shown_title`."""
    turns: list[FinishedTurn] = field(default_factory=list)
    """The turns of this kernel, oldest first."""
    past: list[FinishedTurn] = field(default_factory=list)
    """The turns before them: of earlier kernels and other programs, as far as they are known, or of the thread that was forked."""
    earlier: SavedThread | None = None
    """The record of earlier kernels, if the thread was resumed."""
    resumed: bool = False
    """True if this kernel or another program started the thread earlier."""
    running: RunningTurn | None = None
    key: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Unique key of this thread within the kernel. Names can be reused."""
    info: TurnInfo = field(default_factory=TurnInfo)
    """Information about the last turn."""
    follower: threading.Thread | None = None
    """The thread that shows a turn in the background. None if the turn runs, or ran, in a cell."""
    tools: ThreadTools | None = None
    """The tools of the thread; None if it was not given any in this kernel."""
    repeat: Callable[[], object] | None = None
    """Shows a turn in the background again after its end. None if this is done, or not needed."""

    @property
    def history(self) -> list[FinishedTurn]:
        """All finished turns, as far as they are known, oldest first."""
        return [*self.past, *self.turns]

    @property
    def shown_title(self) -> str:
        """The title that the user gave it, or else the start of its first prompt. Empty if no turn has started."""
        earlier = self.earlier.title if self.earlier is not None else ""
        if self.title or earlier:
            return self.title or earlier
        first = next((past.prompt for past in self.history if past.prompt), "")
        return title_of(first or self.started_prompt)

    def wait(self) -> None:
        """Wait until the turn has ended and is completely shown. An interrupt ends the waiting, not the turn."""
        if self.running is not None:
            self.running.wait()
        while self.follower is not None and self.follower.is_alive():
            self.follower.join(POLL_INTERVAL)
        repeat, self.repeat = self.repeat, None
        if repeat is not None:
            repeat()

    @property
    def started_prompt(self) -> str:
        """The start of the prompt whose turn runs. Empty if no turn runs."""
        return "" if self.running is None or self.running.finished else shorten(self.info.prompt, MAX_PROMPT)

    @property
    def record(self) -> SavedThread | None:
        """The record for later kernels. None before the first turn has started."""
        if self.thread.id is None:
            return None
        earlier_prompt = self.earlier.last_prompt if self.earlier else ""
        whole = next((past.turn.thread_usage for past in reversed(self.turns) if past.turn.thread_usage is not None), None)
        return SavedThread(
            name=self.name,
            id=self.thread.id,
            turns=len(self.turns) + (self.earlier.turns if self.earlier else len(self.past)) + bool(self.started_prompt),
            tokens=whole.total_tokens if whole is not None else self.earlier.tokens if self.earlier else 0,
            last_prompt=self.started_prompt or (self.turns[-1].prompt[:MAX_PROMPT] if self.turns else earlier_prompt),
            updated=utc_now(),
            codex_home=os.environ.get("CODEX_HOME", ""),
            title=self.shown_title,
        )


def title_of(prompt: str) -> str:
    """Return the start of a prompt as the title of a thread."""
    return shorten(" ".join(prompt.split()), MAX_TITLE)
