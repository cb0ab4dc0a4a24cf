"""The checks and the preparation of a turn, and the thread that it reports."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

from anyio import to_thread

from codex_jupyter.sdk.budget_meter import BudgetMeter
from codex_jupyter.sdk.errors import InputError, ProtocolError, UnsupportedOperationError
from codex_jupyter.sdk.models.events import ThreadErrorEvent, ThreadEvent, ThreadStartedEvent
from codex_jupyter.sdk.models.inputs import SkillInput, UserInput
from codex_jupyter.sdk.models.options import ThreadOptions, TurnOptions
from codex_jupyter.sdk.models.usage import Usage
from codex_jupyter.sdk.snapshots.recording import TurnRecording
from codex_jupyter.sdk.thread_state import ThreadState
from codex_jupyter.sdk.transports.base import TurnRequest


def check_skills(parts: Sequence[UserInput]) -> None:
    """Raise an error for a skill that does not exist: the CLI ignores it.

    Args:
        parts: The input.

    Raises:
        InputError: If the file of a skill does not exist, or the CLI cannot read its path.
    """
    for part in parts:
        if isinstance(part, SkillInput) and part.file is not None and (not part.file.is_file() or {"(", ")"} & set(str(part.file))):
            problem = "does not exist" if not part.file.is_file() else "has a bracket in its path, which the CLI cannot read"
            raise InputError(f"The skill {part.file} {problem}. Name the folder of a skill that Codex lists.")


async def forget_lost_thread(thread: ThreadState, options: ThreadOptions) -> str | None:
    """Forget the id of a thread whose first turn was stopped before the CLI had stored it, so that this turn starts a new thread.

    Args:
        thread: The thread.
        options: The options of the turn.

    Returns:
        The forgotten id. None if the thread is not lost.
    """
    if not thread.unconfirmed or thread.id is None or await thread.transport.has_thread(thread.id, options):
        return None
    lost, thread.id, thread.usage = thread.id, None, Usage()
    return lost


async def used_before(thread: ThreadState) -> Usage | None:
    """Return the thread's total before a turn. After a resume or a failed turn, only the thread's file has it.

    Args:
        thread: The thread.
    """
    if thread.usage is not None or thread.id is None or thread.stored_usage is None:
        return thread.usage
    return await to_thread.run_sync(thread.stored_usage, thread.id)


def complete_request(thread: ThreadState, request: TurnRequest, options: ThreadOptions) -> TurnRequest:
    """Return a request with the current id of the thread, and with the options of the turn.

    Args:
        thread: The thread.
        request: The request.
        options: The options of the turn.

    Raises:
        UnsupportedOperationError: If the transport or the thread cannot run it.
    """
    if request.on_approval is not None and not thread.transport.can_ask:
        raise UnsupportedOperationError("This transport cannot ask for approvals. Use the transport 'app-server', or no on_approval.")
    if request.review is not None and thread.id is not None:
        raise UnsupportedOperationError("A review needs a new thread. Call start_thread() and review that thread.")
    if request.thread_id == thread.id and request.options is options:
        return request
    return dataclasses.replace(request, thread_id=thread.id, options=options)


def budget_meter(thread: ThreadState, turn: TurnOptions, options: ThreadOptions, before: Usage | None, now: float) -> BudgetMeter | None:
    """Return the meter for the budget of a turn; None if it has no budget.

    Args:
        thread: The thread.
        turn: The options of the turn.
        options: The options of its thread, for this turn.
        before: The tokens of the thread before the turn. None if they are unknown.
        now: The time of the start, in seconds of `time.monotonic`.

    Raises:
        UnsupportedOperationError: If the tokens cannot be limited.
    """
    budget = turn.budget
    if budget is None:
        return None
    if budget.tokens is not None and (options.ephemeral or before is None):
        reason = "an ephemeral thread is not stored" if options.ephemeral else "the tokens of the thread so far are unknown"
        raise UnsupportedOperationError(f"The tokens of the turn cannot be limited, because {reason}. Leave budget.tokens out.")
    return BudgetMeter(budget, before or Usage(), thread.stored_usage, now)


def file_recording(thread: ThreadState, request: TurnRequest, is_stopped: Callable[[], bool]) -> TurnRecording | None:
    """Return the recording of the files before and after a turn. None if the turn can change nothing, or if files are not recorded.

    Args:
        thread: The thread.
        request: The turn.
        is_stopped: Returns True if the turn was stopped. It must not refer to the `StreamedTurn`, which may be dropped.
    """
    store = thread.snapshots
    is_harmless = request.options.sandbox_mode == "read-only" and request.on_approval is None and not request.tools.can_change
    if store is None or not store.supported or is_harmless:
        return None
    return TurnRecording(store, request.options, thread.home(), is_stopped)


def note_thread(thread: ThreadState, events: Sequence[ThreadEvent], lost: str | None) -> Iterator[ThreadEvent]:
    """Store the thread's id once the CLI reports it, and yield a remark if it replaces a lost one. A resumed thread keeps its id.

    Args:
        thread: The thread.
        events: The first events of a turn.
        lost: The id that `forget_lost_thread` has returned.

    Raises:
        ProtocolError: If it is another thread than the requested one.
    """
    for event in events:
        if isinstance(event, ThreadStartedEvent):
            if thread.id not in (None, event.thread_id):
                raise ProtocolError(f"Thread {thread.id} was requested, but the CLI continued {event.thread_id}. Start a new thread.")
            thread.unconfirmed = thread.unconfirmed or thread.id is None
            thread.id = event.thread_id
            if lost is not None:
                yield ThreadErrorEvent(
                    message=f"The first turn of thread {lost} was stopped before the CLI had stored the thread. This turn starts a new"
                    " thread, which does not contain that prompt."
                )
