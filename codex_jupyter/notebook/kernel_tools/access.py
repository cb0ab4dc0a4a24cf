"""The access of a running turn to the kernel: the mode, the user's consent, and the main thread."""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from codex_jupyter.notebook.consent.grants import NotebookGrants
from codex_jupyter.notebook.consent.presets import AXES
from codex_jupyter.sdk import ApprovalDecision, ApprovalRequest
from codex_jupyter.sdk.tools import CallDeclinedError

if TYPE_CHECKING:
    from codex_jupyter.notebook.kernel_tools.code_run import CodeRun
    from codex_jupyter.sdk.models.approvals import ApprovalChoice

T = TypeVar("T")
NAMESPACE: Final = "kernel"
"""The name of the group of the kernel's tools."""
RUN: Final = "kernel.run"
"""The name of the tool that runs code, in requests for approval."""
MAX_RECORDS: Final = 500
_HOW_TO_LOOK: Final = "`%%codex --kernel read`"
_HOW_TO_RUN: Final = "`%%codex --kernel run`"
_WHO: Final[Mapping[bool | None, str]] = {
    True: " This notebook is shared: everyone who can run cells can answer.",
    None: " In a shared notebook, everyone who can run cells can answer.",
    False: "",
}
"""The sentence about who can answer, by whether the notebook is shared. None is not known."""


class AccessRefusedError(Exception):
    """Raised when a tool may not be used now. The message is for the model."""


class AccessDeclinedError(AccessRefusedError, CallDeclinedError):
    """Raised when the user declines the use of a tool. The message is for the model."""


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


@dataclass(slots=True, kw_only=True)
class TurnAccess:
    """The access of one turn. Its checks ask the user if necessary, and can be called from any thread but the main thread.

    Attributes:
        thread: The name of the thread in the notebook.
        mode: The mode of the turn. Empty is not set: the user is asked when the agent first uses the kernel.
        ceiling: The most rights in the kernel that an answer of the user can give.
        sees_context: The user has not excluded the notebook's context from the turn.
        max_rows: Rows of a data frame that the agent may look at.
        ask: Asks the user, and waits for the answer. None is that no one can be asked.
        ended: Returns True once the turn has ended or is stopped. An answer is then not a decision of the user.
        stop: Stops the turn.
        on_main_thread: Has a function called on the main thread, soon.
        grants: The rights that the user has granted for this notebook.
        is_shared: Returns True if several people can edit the notebook at once. None is unknown.
    """

    thread: str
    mode: str
    ceiling: str
    sees_context: bool
    max_rows: int
    ask: Callable[[ApprovalRequest], ApprovalDecision | None]
    ended: Callable[[], bool]
    stop: Callable[[], None]
    on_main_thread: Callable[[Callable[[], None]], object]
    grants: NotebookGrants
    is_shared: Callable[[], bool | None] = lambda: None
    _may_look: bool | None = None
    """The answer of the user for this turn; None before there is one."""
    _asking: threading.Lock = field(default_factory=threading.Lock)

    @property
    def effective(self) -> str:
        """The mode after the grants."""
        return effective_mode(self.mode, self.ceiling, self.grants, sees_context=self.sees_context)

    def require_reading(self, tool: str = "", arguments: Mapping[str, Any] | None = None, item_id: str = "") -> None:
        """Check that the agent may look at the kernel. If no mode is set, ask the user, once in a turn.

        Args:
            tool: The tool that the agent calls.
            arguments: Its arguments.
            item_id: The item of the call.

        Raises:
            AccessRefusedError: If it may not. `AccessDeclinedError` if the user declines.
        """
        if self.mode == "off":
            raise AccessRefusedError("The user has switched the kernel tools off. Continue without them.")
        if not self.sees_context:
            raise AccessRefusedError("The user has excluded the notebook's context from this prompt (--context none). Continue without it.")
        if self.effective:
            return
        # Calls run at the same time. Only the first of them asks.
        with self._asking:
            if self._may_look is None and not self.effective:
                self._may_look = self._asked_to_look(tool, arguments or {}, item_id)
        if not (self._may_look or self.effective):
            raise AccessDeclinedError("The user declined to let you look at the kernel in this turn. Continue without it.")

    def require_running(self, code: str, item_id: str = "", note: str = "") -> None:
        """Check that the agent may run code. Unless it may without asking, ask the user with the exact code.

        Args:
            code: The code.
            item_id: The item of the call.
            note: A sentence for the user about the code. It contains no text of the agent.

        Raises:
            AccessRefusedError: If it may not. `AccessDeclinedError` if the user declines.
        """
        mode = self.effective
        if mode in ("off", "read") and self.mode:
            raise AccessRefusedError(f"The agent may not run code in the kernel (kernel mode {mode}). Propose the code instead.")
        if not _reaches(self.ceiling, "ask"):
            raise AccessRefusedError("The administrator does not allow agents to run code in kernels. Propose the code instead.")
        if mode == "run":
            return
        choices: dict[str, tuple[ApprovalChoice, ...]] = {"ask": ("accept",), "once": ("accept_for_session",)}
        offered = choices.get(self.mode, ("accept", "accept_for_session"))
        decision = self._decision(
            " ".join(filter(None, [note, "The code runs outside of Codex's sandbox, with all rights of the kernel."])),
            RUN,
            {"code": code},
            item_id,
            offered,
            _HOW_TO_RUN,
        )
        if decision == "accept_for_session":
            self.grants.add("run")
        elif decision != "accept":
            raise AccessDeclinedError("The user declined to run this code. Do not repeat it unchanged; propose it in your answer, or ask.")

    def _asked_to_look(self, tool: str, arguments: Mapping[str, Any], item_id: str) -> bool:
        message = "The agent sees variables, cells, outputs and plots of this notebook. The model receives what it sees."
        decision = self._decision(message, f"{NAMESPACE}.{tool}", arguments, item_id, ("accept", "accept_for_session"), _HOW_TO_LOOK)
        if decision == "accept_for_session":
            self.grants.add("read")
        return decision in ("accept", "accept_for_session")

    def _decision(
        self, message: str, tool: str, arguments: Mapping[str, Any], item_id: str, choices: "tuple[ApprovalChoice, ...]", remedy: str
    ) -> ApprovalDecision:
        """Ask the user.

        Raises:
            AccessRefusedError: If no one can be asked. The message explains how the user can allow the call. Or if the turn has ended.
        """
        if tool == RUN and not (_reaches(self.ceiling, "once") and self.sees_context):  # a grant would not count
            choices = ("accept",)
        decision = self.ask(
            ApprovalRequest(
                kind="tool",
                message=f"{message}{_WHO[self.is_shared()]}",
                choices=(*choices, "decline", "cancel"),
                tool=tool,
                arguments=dict(arguments),
                item_id=item_id,
            )
        )
        if self.ended():
            raise AccessRefusedError("The turn has ended, so nothing was done.")
        if decision is None:
            raise AccessRefusedError(
                f"The user must allow this use of the kernel, and no one can be asked here. Say in your answer that {remedy} allows it, "
                "and that a cell of a notebook in a browser, or `%codex chat`, can ask. Continue without the kernel."
            )
        if decision == "cancel":
            self.stop()
        return decision


def effective_mode(mode: str, ceiling: str, grants: NotebookGrants, *, sees_context: bool) -> str:
    """Return the mode of a turn after the grants: `run` if code runs without asking. The mode `ask` ignores grants.

    Args:
        mode: The mode of the turn. Empty is not set.
        ceiling: The most rights in the kernel that an answer of the user can give.
        grants: The rights that the user has granted for this notebook.
        sees_context: The user has not excluded the notebook's context from the turn. If so, no grant counts: the results of code show it.

    Returns:
        The mode. Empty if the user must be asked before any use.
    """
    if mode not in ("", "once") or not sees_context:
        return mode
    granted = grants.kernel
    if granted == "run" and _reaches(ceiling, "once"):
        return "run"
    return mode or ("read" if granted else "")


def start_on_main_thread(access: TurnAccess, run: "CodeRun") -> None:
    """Have code run on the main thread. An interrupt by the user ends the code, and is then raised for the turn."""

    def work() -> None:
        run.work()
        if run.interrupted and not run.cancelled:
            raise KeyboardInterrupt

    access.on_main_thread(work)


def call_main_thread(access: TurnAccess, function: Callable[[], T], seconds: float) -> T:
    """Call a function on the main thread, and wait for its result. Call it on another thread.

    Args:
        access: The access of the turn.
        function: The function.
        seconds: Seconds to wait. A function that was not called until then is not called any more.

    Raises:
        TimeoutError: If the main thread is busy.
    """
    future = Future[T]()

    def work() -> None:
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(function())
            except BaseException as error:
                future.set_exception(error)

    access.on_main_thread(work)
    try:
        return future.result(seconds)
    finally:
        future.cancel()


def _reaches(ceiling: str, mode: str) -> bool:
    return AXES["kernel"].index(ceiling) >= AXES["kernel"].index(mode)
