"""The access of a running turn to the kernel: the mode, the user's consent, and the main thread."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from codex_jupyter._choices import KernelMode
from codex_jupyter.notebook.kernel_tools.code_run import CodeRun
from codex_jupyter.sdk import ApprovalDecision, ApprovalRequest

NAMESPACE: Final = "kernel"
"""The name of the group of the kernel's tools."""
RUN: Final = "kernel.run"
"""The name of the tool that runs code, in requests for approval."""
MAX_RECORDS: Final = 500


class AccessRefusedError(Exception):
    """Raised when a tool may not be used now. The message is for the model."""


@dataclass(frozen=True, slots=True)
class SentRecord:
    """Data that left the kernel.

    Attributes:
        thread: The name of the thread that received it.
        what: The kind of the data, such as `context` or the call of a tool.
        characters: Characters of text.
        images: Number of images.
        image_bytes: Bytes of the images.
    """

    thread: str
    what: str
    characters: int = 0
    images: int = 0
    image_bytes: int = 0


@dataclass(slots=True)
class SentLog:
    """A record of the data that left the kernel, oldest first."""

    records: deque[SentRecord] = field(default_factory=lambda: deque(maxlen=MAX_RECORDS))

    def add(self, record: SentRecord) -> None:
        """Add a record."""
        self.records.append(record)


@dataclass(slots=True)
class Consent:
    """Permissions that the user gave until the kernel ends."""

    run: bool = False
    """The agent may run code without asking."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnAccess:
    """The access of one turn.

    Attributes:
        thread: The name of the thread in the notebook.
        mode: The mode of the turn.
        sees_context: The user has not excluded the notebook's context from the turn.
        max_rows: Rows of a data frame that the agent may look at.
        ask: Asks the user, and waits for the answer. Called on a worker thread.
        on_main_thread: Has a function called on the main thread, soon.
        consent: What the user has allowed until the kernel ends.
    """

    thread: str
    mode: KernelMode
    sees_context: bool
    max_rows: int
    ask: Callable[[ApprovalRequest], ApprovalDecision]
    on_main_thread: Callable[[Callable[[], None]], object]
    consent: Consent

    def require_reading(self) -> None:
        """Check that the agent may look at the kernel.

        Raises:
            AccessRefusedError: If it may not.
        """
        if self.mode == "off":
            raise AccessRefusedError("The user has switched the kernel tools off. Continue without them.")
        if not self.sees_context:
            raise AccessRefusedError("The user has excluded the notebook's context from this prompt (--context none). Continue without it.")

    def require_running(self, code: str, item_id: str = "") -> None:
        """Check that the agent may run code. Asks the user in the mode `ask`, with the exact code.

        Args:
            code: The code.
            item_id: The item of the call.

        Raises:
            AccessRefusedError: If it may not, or the user declines.
        """
        if self.mode in ("off", "read"):
            raise AccessRefusedError(f"The agent may not run code in the kernel (kernel mode {self.mode}). Propose the code instead.")
        if self.mode == "run" or self.consent.run:
            return
        decision = self.ask(
            ApprovalRequest(
                kind="tool",
                message="The code runs outside of Codex's sandbox, with all rights of the kernel.",
                choices=("accept", "accept_for_session", "decline", "cancel"),
                tool=RUN,
                arguments={"code": code},
                item_id=item_id,
            )
        )
        if decision == "accept_for_session":
            self.consent.run = True
        elif decision != "accept":
            raise AccessRefusedError("The user declined to run this code. Do not repeat it unchanged; propose it in your answer, or ask.")


def start_on_main_thread(access: TurnAccess, run: CodeRun) -> None:
    """Have code run on the main thread. An interrupt by the user ends the code, and is then raised for the turn."""

    def work() -> None:
        run.work()
        if run.interrupted and not run.cancelled:
            raise KeyboardInterrupt

    access.on_main_thread(work)
